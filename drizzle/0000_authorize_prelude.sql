-- drizzle-authorize: generated; change the schema and run drizzle-kit generate, not this file
-- drizzle-authorize:state {"version":1,"prelude":3,"identityRoles":["authenticated","anonymous"],"managedRoles":["anonymous","authenticated"],"tables":[]}
-- drizzle-authorize prelude 3: the identity roles authenticated, anonymous and the functions that tell who asks
DO $$ DECLARE taken text; BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'auth') THEN
    RAISE EXCEPTION 'the schema auth is there already, and belongs to somebody else (ERR_SCHEMA_TAKEN)'
      USING HINT = 'Nothing was changed. Name another schema: withAuthorize(config, { authSchema: ''authorize'' }), and createAuth({ schema: ''authorize'' }) in the schema file.';
  END IF;
  SELECT string_agg(quote_literal(rolname), ', ') INTO taken FROM (SELECT role.rolname FROM pg_catalog.pg_roles AS role
    WHERE role.rolname IN ('', 'authenticated', 'anonymous') AND (role.rolcanlogin OR role.rolsuper OR role.rolbypassrls OR role.rolcreaterole OR role.rolcreatedb
    OR EXISTS (SELECT FROM pg_catalog.pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND refobjid = role.oid
      AND deptype IN ('a', 'o') AND classid <> 'pg_default_acl'::regclass
      AND dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())))
      AND NOT starts_with(coalesce(shobj_description(role.oid, 'pg_authid'), ''), 'drizzle-authorize: identity role of the database ')) AS found;
  IF taken IS NOT NULL THEN
    RAISE EXCEPTION 'in use by somebody else: the role %', taken || ' (ERR_ROLE_TAKEN)'
      USING HINT = replace('Nothing was changed. If it shall be an identity role, with whatever it may do already: withAuthorize(config, { takeOverRoles: [%] }).', '%', taken);
  END IF;
END $$;
--> statement-breakpoint
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
COMMENT ON SCHEMA auth IS 'drizzle-authorize prelude 3';
--> statement-breakpoint
CREATE TABLE auth.identity_roles (name text PRIMARY KEY);
--> statement-breakpoint
COMMENT ON TABLE auth.identity_roles IS 'Roles that people''s SQL runs as: they get an error without a seal.';
--> statement-breakpoint
CREATE TABLE auth.seal_keys (id text PRIMARY KEY, inner_pad bytea NOT NULL CHECK (length(inner_pad) = 64), outer_pad bytea NOT NULL CHECK (length(outer_pad) = 64), installed_at timestamptz NOT NULL DEFAULT now(), revoking boolean NOT NULL DEFAULT true);
--> statement-breakpoint
COMMENT ON TABLE auth.seal_keys IS 'HMAC pads of the sealing keys. Whoever reads this table can be anybody: leave it out of dumps.';
--> statement-breakpoint
CREATE TABLE auth.revocations (claim text CHECK (claim IN ('sub', 'sid', 'jti')), value text, issuer text DEFAULT '', issued_before timestamptz, until timestamptz, revoked_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (claim, value, issuer));
--> statement-breakpoint
COMMENT ON TABLE auth.revocations IS 'Whose seals are refused: by a claim, of one issuer or of any, for tokens issued before a time or for all, until a time or for ever.';
--> statement-breakpoint
REVOKE ALL ON auth.identity_roles, auth.seal_keys, auth.revocations FROM PUBLIC, "authenticated", "anonymous";
--> statement-breakpoint
INSERT INTO auth.identity_roles (name) VALUES ('authenticated'), ('anonymous') ON CONFLICT DO NOTHING;
--> statement-breakpoint
GRANT USAGE ON SCHEMA auth TO "authenticated", "anonymous";
--> statement-breakpoint
CREATE FUNCTION auth.refuse(seal text) RETURNS boolean
  LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$ DECLARE verdict text := 'forged'; BEGIN
  IF coalesce(seal, '') = '' THEN
    verdict := 'missing';
  ELSIF NOT EXISTS (SELECT FROM auth.seal_keys AS key WHERE key.id = split_part(seal, '.', 3)) THEN
    verdict := 'key';
  ELSIF EXISTS (SELECT FROM auth.seal_keys AS key WHERE key.id = split_part(seal, '.', 3) AND sha256(convert_to(split_part(seal, '.', 1), 'UTF8')) = sha256(convert_to(encode(sha256(
      key.outer_pad || sha256(key.inner_pad || decode('6472697a7a6c652d617574686f72697a65207365616c203100', 'hex') || convert_to(current_database(), 'UTF8') || decode('00', 'hex') || convert_to(coalesce(nullif(current_setting('role'), 'none'), session_user), 'UTF8')
      || decode('00', 'hex') || convert_to(substr(seal, 66), 'UTF8'))), 'hex'), 'UTF8'))) THEN
    IF NOT (split_part(seal, '.', 6)::int IN (0, pg_backend_pid())) THEN
      verdict := 'connection';
    ELSIF NOT (date_part('epoch', transaction_timestamp()) >= split_part(seal, '.', 4)::float8 - 5
      AND date_part('epoch', transaction_timestamp()) < split_part(seal, '.', 5)::float8
      AND split_part(seal, '.', 5)::bigint - split_part(seal, '.', 4)::bigint <= 60) THEN
      verdict := 'time';
    ELSIF EXISTS (SELECT FROM auth.revocations AS gone, (SELECT substr(seal, 118)::jsonb AS claims) AS mine
      WHERE gone.claim IN ('sub', 'sid', 'jti') AND gone.value = claims ->> gone.claim
        AND (gone.issuer = '' OR gone.issuer = claims ->> 'iss') AND (gone.until IS NULL OR gone.until > transaction_timestamp())
        AND CASE WHEN gone.issued_before IS NULL OR jsonb_typeof(claims -> 'iat') IS DISTINCT FROM 'number' THEN true
          ELSE (claims ->> 'iat')::float8 < date_part('epoch', gone.issued_before) END) THEN
      verdict := 'revoked';
    END IF;
  ELSIF EXISTS (SELECT FROM auth.seal_keys AS key, auth.identity_roles AS other
      WHERE key.id = split_part(seal, '.', 3) AND sha256(convert_to(split_part(seal, '.', 1), 'UTF8')) = sha256(convert_to(encode(sha256(
      key.outer_pad || sha256(key.inner_pad || decode('6472697a7a6c652d617574686f72697a65207365616c203100', 'hex') || convert_to(current_database(), 'UTF8') || decode('00', 'hex') || convert_to(other.name, 'UTF8')
      || decode('00', 'hex') || convert_to(substr(seal, 66), 'UTF8'))), 'hex'), 'UTF8'))) THEN
    verdict := 'role';
  END IF;
  RAISE EXCEPTION USING ERRCODE = '28000', MESSAGE = CASE verdict
    WHEN 'missing' THEN 'no identity: the transaction carries no seal'
    WHEN 'key' THEN 'no identity: the seal was made with a key that this database does not have'
    WHEN 'role' THEN 'no identity: the seal is for another role'
    WHEN 'connection' THEN 'no identity: the seal is for another connection'
    WHEN 'time' THEN 'no identity: the seal has expired or is not valid yet'
    WHEN 'revoked' THEN 'no identity: the token has been revoked'
    ELSE 'no identity: the seal is not genuine'
  END, HINT = CASE verdict
    WHEN 'missing' THEN 'Send the query through $withAuth or through the gateway.'
    WHEN 'key' THEN 'Compare AUTHORIZE_KEY with the one that drizzle-authorize setup installed in this database.'
    WHEN 'time' THEN 'Compare the clocks of the application and of the database.'
    WHEN 'revoked' THEN 'Sign in again, unless the person is locked out.'
    ELSE 'Somebody tampered with the setting authorize.seal.'
  END;
END $$;
--> statement-breakpoint
REVOKE ALL ON FUNCTION auth.refuse(text) FROM PUBLIC;
--> statement-breakpoint
CREATE FUNCTION auth.check(seal text) RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ DECLARE genuine boolean; revoking boolean; BEGIN
  SELECT sha256(convert_to(split_part(seal, '.', 1), 'UTF8')) = sha256(convert_to(encode(sha256(
      key.outer_pad || sha256(key.inner_pad || decode('6472697a7a6c652d617574686f72697a65207365616c203100', 'hex') || convert_to(current_database(), 'UTF8') || decode('00', 'hex') || convert_to(coalesce(nullif(current_setting('role'), 'none'), session_user), 'UTF8')
      || decode('00', 'hex') || convert_to(substr(seal, 66), 'UTF8'))), 'hex'), 'UTF8')), key.revoking
    INTO genuine, revoking FROM auth.seal_keys AS key WHERE key.id = split_part(seal, '.', 3);
  IF genuine THEN genuine := split_part(seal, '.', 2) = '1' AND split_part(seal, '.', 6)::int IN (0, pg_backend_pid()) AND date_part('epoch', transaction_timestamp()) >= split_part(seal, '.', 4)::float8 - 5
      AND date_part('epoch', transaction_timestamp()) < split_part(seal, '.', 5)::float8
      AND split_part(seal, '.', 5)::bigint - split_part(seal, '.', 4)::bigint <= 60; ELSE genuine := false; END IF;
  IF genuine AND revoking THEN genuine := NOT EXISTS (SELECT FROM auth.revocations AS gone, (SELECT substr(seal, 118)::jsonb AS claims) AS mine
      WHERE gone.claim IN ('sub', 'sid', 'jti') AND gone.value = claims ->> gone.claim
        AND (gone.issuer = '' OR gone.issuer = claims ->> 'iss') AND (gone.until IS NULL OR gone.until > transaction_timestamp())
        AND CASE WHEN gone.issued_before IS NULL OR jsonb_typeof(claims -> 'iat') IS DISTINCT FROM 'number' THEN true
          ELSE (claims ->> 'iat')::float8 < date_part('epoch', gone.issued_before) END); END IF;
  RETURN CASE WHEN genuine THEN true ELSE auth.refuse(seal) END;
END $$;
--> statement-breakpoint
COMMENT ON FUNCTION auth.check(text) IS 'Raises 28000 unless the seal is genuine and meant for this role, connection and time.';
--> statement-breakpoint
CREATE FUNCTION auth.has_identity(seal text) RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ DECLARE genuine boolean; revoking boolean; BEGIN
  SELECT sha256(convert_to(split_part(seal, '.', 1), 'UTF8')) = sha256(convert_to(encode(sha256(
      key.outer_pad || sha256(key.inner_pad || decode('6472697a7a6c652d617574686f72697a65207365616c203100', 'hex') || convert_to(current_database(), 'UTF8') || decode('00', 'hex') || convert_to(coalesce(nullif(current_setting('role'), 'none'), session_user), 'UTF8')
      || decode('00', 'hex') || convert_to(substr(seal, 66), 'UTF8'))), 'hex'), 'UTF8')), key.revoking
    INTO genuine, revoking FROM auth.seal_keys AS key WHERE key.id = split_part(seal, '.', 3);
  IF genuine THEN genuine := split_part(seal, '.', 2) = '1' AND split_part(seal, '.', 6)::int IN (0, pg_backend_pid()) AND date_part('epoch', transaction_timestamp()) >= split_part(seal, '.', 4)::float8 - 5
      AND date_part('epoch', transaction_timestamp()) < split_part(seal, '.', 5)::float8
      AND split_part(seal, '.', 5)::bigint - split_part(seal, '.', 4)::bigint <= 60; ELSE genuine := false; END IF;
  IF genuine AND revoking THEN genuine := NOT EXISTS (SELECT FROM auth.revocations AS gone, (SELECT substr(seal, 118)::jsonb AS claims) AS mine
      WHERE gone.claim IN ('sub', 'sid', 'jti') AND gone.value = claims ->> gone.claim
        AND (gone.issuer = '' OR gone.issuer = claims ->> 'iss') AND (gone.until IS NULL OR gone.until > transaction_timestamp())
        AND CASE WHEN gone.issued_before IS NULL OR jsonb_typeof(claims -> 'iat') IS DISTINCT FROM 'number' THEN true
          ELSE (claims ->> 'iat')::float8 < date_part('epoch', gone.issued_before) END); END IF;
  IF NOT genuine AND EXISTS (SELECT FROM auth.identity_roles WHERE name = coalesce(nullif(current_setting('role'), 'none'), session_user)) THEN
    RETURN auth.refuse(seal);
  END IF;
  RETURN genuine;
END $$;
--> statement-breakpoint
COMMENT ON FUNCTION auth.has_identity(text) IS 'Whether the seal is genuine. An identity role gets 28000 where it is not.';
--> statement-breakpoint
CREATE FUNCTION auth.session() RETURNS jsonb LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$ DECLARE seal text := current_setting('authorize.seal', true); BEGIN
  IF auth.has_identity(seal) THEN RETURN substr(seal, 118)::jsonb; END IF;
  RETURN 'null'::jsonb;
END $$;
--> statement-breakpoint
COMMENT ON FUNCTION auth.session() IS 'The claims of the caller. JSON null for roles that are not identity roles.';
--> statement-breakpoint
CREATE FUNCTION auth.jwt() RETURNS jsonb LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$ DECLARE seal text := current_setting('authorize.seal', true); BEGIN
  IF auth.has_identity(seal) THEN RETURN substr(seal, 118)::jsonb; END IF;
  RETURN 'null'::jsonb;
END $$;
--> statement-breakpoint
CREATE FUNCTION auth.user_id() RETURNS text LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$ DECLARE seal text := current_setting('authorize.seal', true); BEGIN
  IF auth.has_identity(seal) THEN RETURN substr(seal, 118)::jsonb ->> 'sub'; END IF;
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE FUNCTION auth.claim(name text) RETURNS text LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$ DECLARE seal text := current_setting('authorize.seal', true); BEGIN
  IF auth.has_identity(seal) THEN RETURN substr(seal, 118)::jsonb ->> name; END IF;
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$ DECLARE id text := auth.user_id(); BEGIN
  RETURN CASE WHEN id ~* '^[0-9a-f]{8}(-?[0-9a-f]{4}){4}[0-9a-f]{8}$' THEN id::uuid END;
END $$;
--> statement-breakpoint
CREATE FUNCTION auth.note_revocation() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$ BEGIN
  UPDATE auth.seal_keys SET revoking = true WHERE NOT revoking;
  NOTIFY authorize_revocations;
  RETURN NULL;
END $$;
--> statement-breakpoint
REVOKE ALL ON FUNCTION auth.note_revocation() FROM PUBLIC;
--> statement-breakpoint
CREATE OR REPLACE TRIGGER note_revocation AFTER INSERT OR UPDATE ON auth.revocations EXECUTE FUNCTION auth.note_revocation();
--> statement-breakpoint
DO $$ DECLARE place text; kind text; grantee text; BEGIN
  FOR place, kind, grantee IN
    SELECT DISTINCT coalesce('IN SCHEMA ' || quote_ident(schema.nspname), ''),
      CASE acl.defaclobjtype WHEN 'r' THEN 'TABLES' ELSE 'SEQUENCES' END, coalesce(quote_ident(role.rolname), 'PUBLIC')
    FROM pg_catalog.pg_default_acl AS acl CROSS JOIN LATERAL aclexplode(acl.defaclacl) AS held
    LEFT JOIN pg_catalog.pg_namespace AS schema ON schema.oid = acl.defaclnamespace
    LEFT JOIN pg_catalog.pg_roles AS role ON role.oid = held.grantee
    WHERE acl.defaclobjtype IN ('r', 'S')
      AND acl.defaclrole = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user)
      AND (held.grantee = 0 OR role.rolname IN ('authenticated', 'anonymous'))
  LOOP
    EXECUTE format('ALTER DEFAULT PRIVILEGES %s REVOKE ALL ON %s FROM %s', place, kind, grantee);
  END LOOP;
END $$;
