-- drizzle-authorize: generated; change the schema and run drizzle-kit generate, not this file
-- drizzle-authorize:state {"version":1,"prelude":1,"identityRoles":["authenticated","anonymous"],"managedRoles":["anonymous","authenticated"],"tables":[]}
-- drizzle-authorize prelude 1: the identity roles authenticated, anonymous and the functions that tell who asks
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'authenticated') THEN
    CREATE ROLE "authenticated" NOLOGIN;
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
--> statement-breakpoint
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'anonymous') THEN
    CREATE ROLE "anonymous" NOLOGIN;
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
--> statement-breakpoint
CREATE SCHEMA auth;
--> statement-breakpoint
COMMENT ON SCHEMA auth IS 'drizzle-authorize prelude 1';
--> statement-breakpoint
CREATE TABLE auth.identity_roles (name text PRIMARY KEY);
--> statement-breakpoint
COMMENT ON TABLE auth.identity_roles IS 'Roles that people''s SQL runs as: they get an error without a seal.';
--> statement-breakpoint
GRANT USAGE ON SCHEMA auth TO "authenticated", "anonymous";
--> statement-breakpoint
INSERT INTO auth.identity_roles (name) VALUES ('authenticated'), ('anonymous') ON CONFLICT DO NOTHING;
--> statement-breakpoint
CREATE TABLE auth.seal_keys (id text PRIMARY KEY, inner_pad bytea NOT NULL CHECK (length(inner_pad) = 64), outer_pad bytea NOT NULL CHECK (length(outer_pad) = 64), installed_at timestamptz NOT NULL DEFAULT now());
--> statement-breakpoint
COMMENT ON TABLE auth.seal_keys IS 'HMAC pads of the sealing keys. Whoever reads this table can be anybody: leave it out of dumps.';
--> statement-breakpoint
REVOKE ALL ON auth.identity_roles, auth.seal_keys FROM PUBLIC, "authenticated", "anonymous";
--> statement-breakpoint
CREATE FUNCTION auth.refuse(verdict text) RETURNS jsonb
  LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$ BEGIN
  RAISE EXCEPTION USING ERRCODE = '28000', MESSAGE = CASE verdict
    WHEN 'missing' THEN 'no identity: the transaction carries no seal'
    WHEN 'key' THEN 'no identity: the seal was made with a key that this database does not have'
    WHEN 'role' THEN 'no identity: the seal is for another role'
    WHEN 'connection' THEN 'no identity: the seal is for another connection'
    WHEN 'time' THEN 'no identity: the seal has expired or is not valid yet'
    ELSE 'no identity: the seal is not genuine'
  END, HINT = CASE verdict
    WHEN 'missing' THEN 'Send the query through $withAuth or through the gateway.'
    WHEN 'key' THEN 'Compare AUTHORIZE_KEY with the one that drizzle-authorize setup installed in this database.'
    WHEN 'time' THEN 'Compare the clocks of the application and of the database.'
    ELSE 'Somebody tampered with the setting authorize.seal.'
  END;
END $$;
--> statement-breakpoint
REVOKE ALL ON FUNCTION auth.refuse(text) FROM PUBLIC;
--> statement-breakpoint
CREATE FUNCTION auth.check(seal text) RETURNS boolean
  LANGUAGE sql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT CASE WHEN seal.verdict = 'genuine' THEN true ELSE auth.refuse(seal.verdict) IS NULL END
  FROM (
    SELECT CASE
        WHEN given.mac = '' THEN 'missing'
        WHEN key.id IS NULL THEN 'key'
        WHEN sha256(convert_to(given.mac, 'UTF8')) <> sha256(convert_to(encode(
            sha256(key.outer_pad || sha256(key.inner_pad || convert_to(
              'drizzle-authorize seal 1 ' || current_database() || ' ' || given.signed, 'UTF8'))), 'hex'), 'UTF8'))
          OR given.header[1] <> '1' THEN 'forged'
        WHEN given.header[6] <> encode(convert_to(given.role, 'UTF8'), 'hex') THEN 'role'
        WHEN given.header[5] NOT IN ('0', pg_backend_pid()::text) THEN 'connection'
        WHEN given.header[3]::bigint - 5 > given.now OR given.header[4]::bigint <= given.now
          OR given.header[4]::bigint - given.header[3]::bigint > 60 THEN 'time'
        ELSE 'genuine'
      END AS verdict,
      substr(given.signed, strpos(given.signed, ' ') + 1) AS claims,
      given.role
    FROM (
      SELECT split.mac, split.signed, string_to_array(split_part(split.signed, ' ', 1), '.') AS header,
        coalesce(nullif(current_setting('role'), 'none'), session_user) AS role,
        floor(extract(epoch FROM transaction_timestamp()))::bigint AS now
      FROM (
        SELECT split_part(seal.text, '.', 1) AS mac, substr(seal.text, strpos(seal.text, '.') + 1) AS signed
        FROM (SELECT coalesce($1, '') AS text OFFSET 0) AS seal OFFSET 0
      ) AS split OFFSET 0
    ) AS given
    LEFT JOIN auth.seal_keys AS key ON key.id = given.header[2]
    OFFSET 0
  ) AS seal;
END;
--> statement-breakpoint
COMMENT ON FUNCTION auth.check(text) IS 'Raises 28000 unless the seal is genuine and meant for this role, connection and time.';
--> statement-breakpoint
CREATE FUNCTION auth.session() RETURNS jsonb
  LANGUAGE sql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT CASE
    WHEN seal.verdict = 'genuine' THEN seal.claims::jsonb
    WHEN NOT EXISTS (SELECT FROM auth.identity_roles AS identity WHERE identity.name = seal.role) THEN 'null'::jsonb
    ELSE auth.refuse(seal.verdict)
  END
  FROM (
    SELECT CASE
        WHEN given.mac = '' THEN 'missing'
        WHEN key.id IS NULL THEN 'key'
        WHEN sha256(convert_to(given.mac, 'UTF8')) <> sha256(convert_to(encode(
            sha256(key.outer_pad || sha256(key.inner_pad || convert_to(
              'drizzle-authorize seal 1 ' || current_database() || ' ' || given.signed, 'UTF8'))), 'hex'), 'UTF8'))
          OR given.header[1] <> '1' THEN 'forged'
        WHEN given.header[6] <> encode(convert_to(given.role, 'UTF8'), 'hex') THEN 'role'
        WHEN given.header[5] NOT IN ('0', pg_backend_pid()::text) THEN 'connection'
        WHEN given.header[3]::bigint - 5 > given.now OR given.header[4]::bigint <= given.now
          OR given.header[4]::bigint - given.header[3]::bigint > 60 THEN 'time'
        ELSE 'genuine'
      END AS verdict,
      substr(given.signed, strpos(given.signed, ' ') + 1) AS claims,
      given.role
    FROM (
      SELECT split.mac, split.signed, string_to_array(split_part(split.signed, ' ', 1), '.') AS header,
        coalesce(nullif(current_setting('role'), 'none'), session_user) AS role,
        floor(extract(epoch FROM transaction_timestamp()))::bigint AS now
      FROM (
        SELECT split_part(seal.text, '.', 1) AS mac, substr(seal.text, strpos(seal.text, '.') + 1) AS signed
        FROM (SELECT coalesce(current_setting('authorize.seal', true), '') AS text OFFSET 0) AS seal OFFSET 0
      ) AS split OFFSET 0
    ) AS given
    LEFT JOIN auth.seal_keys AS key ON key.id = given.header[2]
    OFFSET 0
  ) AS seal;
END;
--> statement-breakpoint
COMMENT ON FUNCTION auth.session() IS 'The claims of the caller. JSON null for roles that are not identity roles.';
--> statement-breakpoint
CREATE FUNCTION auth.jwt() RETURNS jsonb
  LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
  SELECT auth.session();
END;
--> statement-breakpoint
CREATE FUNCTION auth.user_id() RETURNS text
  LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
  SELECT auth.session() ->> 'sub';
END;
--> statement-breakpoint
CREATE FUNCTION auth.claim(name text) RETURNS text
  LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
  SELECT auth.session() ->> name;
END;
--> statement-breakpoint
CREATE FUNCTION auth.uid() RETURNS uuid
  LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
  SELECT CASE WHEN who.id ~* '^[0-9a-f]{8}(-?[0-9a-f]{4}){4}[0-9a-f]{8}$' THEN who.id::uuid END
    FROM (SELECT auth.user_id() AS id) AS who;
END;
--> statement-breakpoint
DO $$ DECLARE place text; BEGIN
  FOR place IN SELECT DISTINCT coalesce(format('IN SCHEMA %I', nspname), '')
    FROM pg_catalog.pg_default_acl AS acl LEFT JOIN pg_catalog.pg_namespace AS schema ON schema.oid = defaclnamespace
    WHERE defaclrole = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user) AND defaclobjtype IN ('r', 'S')
  LOOP
    EXECUTE format('ALTER DEFAULT PRIVILEGES %s REVOKE ALL ON TABLES FROM PUBLIC, "authenticated", "anonymous"', place);
    EXECUTE format('ALTER DEFAULT PRIVILEGES %s REVOKE ALL ON SEQUENCES FROM PUBLIC, "authenticated", "anonymous"', place);
  END LOOP;
END $$;
