-- drizzle-authorize: generated; change the schema and run drizzle-kit generate, not this file
-- drizzle-authorize:state {"version":1,"prelude":3,"identityRoles":["authenticated","anonymous"],"managedRoles":["anonymous","authenticated"],"tables":[{"schema":"public","name":"todos","rowSecurity":true,"policies":{"add own todos":{"digest":"df59b3664b9f5f3d","for":"insert","to":["authenticated"]},"change own todos":{"digest":"ef28588282942095","for":"update","to":["authenticated"]},"delete own todos":{"digest":"c7a809f6e93b4952","for":"delete","to":["authenticated"]},"view public todos":{"digest":"ada7740ceff775b5","for":"select","to":["anonymous","authenticated"]},"view todos":{"digest":"a71fb8c4cb1e2c80","for":"select","to":["authenticated"]}},"grants":{"anonymous":{"SELECT":true},"authenticated":{"SELECT":true,"INSERT":true,"UPDATE":true,"DELETE":true}}}]}
-- anonymous: SELECT on public.todos granted by "view public todos"
-- authenticated: SELECT on public.todos granted by "view public todos", "view todos"
-- authenticated: INSERT on public.todos granted by "add own todos"
-- authenticated: UPDATE on public.todos granted by "change own todos"
-- authenticated: DELETE on public.todos granted by "delete own todos"
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
--> statement-breakpoint
CREATE TABLE "todos" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"user_id" text DEFAULT auth.user_id() NOT NULL,
	"title" text NOT NULL,
	"done" boolean DEFAULT false NOT NULL,
	"is_public" boolean DEFAULT false NOT NULL,
	"inserted_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE INDEX "todos_user_id_index" ON "todos" USING btree ("user_id");
--> statement-breakpoint
REVOKE ALL ON "public"."todos" FROM PUBLIC, "authenticated", "anonymous" CASCADE;
--> statement-breakpoint
ALTER TABLE "public"."todos" ENABLE ROW LEVEL SECURITY;
--> statement-breakpoint
CREATE POLICY "add own todos" ON "public"."todos" AS PERMISSIVE FOR INSERT TO "authenticated" WITH CHECK ((select auth.user_id()) = "todos"."user_id");
--> statement-breakpoint
CREATE POLICY "change own todos" ON "public"."todos" AS PERMISSIVE FOR UPDATE TO "authenticated" USING ((select auth.user_id()) = "todos"."user_id");
--> statement-breakpoint
CREATE POLICY "delete own todos" ON "public"."todos" AS PERMISSIVE FOR DELETE TO "authenticated" USING ((select auth.user_id()) = "todos"."user_id");
--> statement-breakpoint
CREATE POLICY "view public todos" ON "public"."todos" AS PERMISSIVE FOR SELECT TO "anonymous", "authenticated" USING ("todos"."is_public");
--> statement-breakpoint
CREATE POLICY "view todos" ON "public"."todos" AS PERMISSIVE FOR SELECT TO "authenticated" USING ((select auth.user_id() = user_id));
--> statement-breakpoint
GRANT SELECT ON "public"."todos" TO "anonymous";
--> statement-breakpoint
GRANT SELECT, INSERT, UPDATE, DELETE ON "public"."todos" TO "authenticated";
--> statement-breakpoint
DO $$ DECLARE sequence regclass; BEGIN
  FOR sequence IN SELECT objid FROM pg_catalog.pg_depend JOIN pg_catalog.pg_class ON oid = objid AND relkind = 'S'
    WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass AND refobjid = '"public"."todos"'::regclass AND deptype IN ('a', 'i')
  LOOP
    EXECUTE format('REVOKE ALL ON SEQUENCE %s FROM PUBLIC, "authenticated", "anonymous" CASCADE', sequence);
  END LOOP;
  sequence := pg_catalog.pg_get_serial_sequence('"public"."todos"', 'id');
  IF sequence IS NOT NULL THEN
    EXECUTE format('GRANT USAGE ON SEQUENCE %s TO "authenticated"', sequence);
  END IF;
END $$;
--> statement-breakpoint
DO $$ DECLARE opened text; BEGIN
  SELECT string_agg(format('%s to %s', class.oid::regclass, role.rolname), ', ') INTO opened
  FROM pg_catalog.pg_class AS class, pg_catalog.pg_roles AS role
  WHERE class.oid = ANY (ARRAY[to_regclass('"public"."todos"')])
    AND role.rolname IN ('authenticated', 'anonymous')
    AND (has_table_privilege(role.oid, class.oid, 'TRUNCATE')
      OR NOT class.relrowsecurity AND (has_table_privilege(role.oid, class.oid, 'SELECT, INSERT, UPDATE, DELETE')
        OR has_any_column_privilege(role.oid, class.oid, 'SELECT, INSERT, UPDATE')));
  IF opened IS NOT NULL THEN
    RAISE EXCEPTION 'open past row level security: %', opened
      USING HINT = 'Give the table a policy in the schema, or revoke what was granted by hand.';
  END IF;
END $$;
