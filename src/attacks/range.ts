/** How the policies of the range learn who asks, and what people may do there. */
export interface RangeOptions {
  /** The expression of the person's id, of type text. */
  readonly who: string;
  /** The expression of the claim `suspended`. */
  readonly suspended: string;
  /** The identity role, as SQL. Default: `authenticated`. */
  readonly role?: string;
  /** `derived`: what the policies need, as this package grants. `all`: everything, as old advice has it. */
  readonly grants: 'derived' | 'all';
}

/** As this package's policies ask who it is. */
export const sealedRange: RangeOptions = {
  who: '(select auth.user_id())',
  suspended: `(select auth.claim('suspended'))`,
  grants: 'derived',
};

/** As a policy asks by hand. */
export const handwrittenRange: RangeOptions = {
  who: `(select current_setting('request.jwt.claims', true)::json ->> 'sub')`,
  suspended: `(select current_setting('request.jwt.claims', true)::json ->> 'suspended')`,
  grants: 'all',
};

const rows = [
  `INSERT INTO attacked_notes VALUES (1, 'alice', 'alicesecret', 'A-1'), (2, 'mallory', 'of mallory', 'M-1'), (3, 'alice', 'more', 'A-2')`,
];

/** Puts the rows back that attacks begin with. */
export const rangeRows: readonly string[] = [
  // TRUNCATE would take the estimate of rows away as well.
  'DELETE FROM attacked_replies',
  'DELETE FROM attacked_notes',
  ...rows,
];

/** The comment on a table of the range, by which it is told from somebody else's. */
export const rangeMark = 'made by drizzle-authorize attack, which removes it';

const tables = ['notes', 'replies', 'board', 'parts', 'admins', 'keys', 'loot', 'next'];

/** Takes away what {@link rangeStatements} makes, and what attacks leave there. */
export const removeRange: readonly string[] = [
  'DROP MATERIALIZED VIEW IF EXISTS attacked_copy',
  'DROP VIEW IF EXISTS attacked_view',
  `DROP TABLE IF EXISTS ${tables.map((name) => `public.attacked_${name}`).join(', ')} CASCADE`,
  'DROP SEQUENCE IF EXISTS attacked_numbers',
  'DROP FUNCTION IF EXISTS attacked_all(), attacked_is_admin(), attacked_is_admin_in_public(), attacked_may_moderate(), attacked_secret()',
];

/**
 * What is attacked: tables with rows of two people, Alice and Mallory, with sound policies, and the objects that schemas
 * have beside them. All names begin with `attacked_`, in the schema `public`.
 */
export function rangeStatements({
  who,
  suspended,
  grants,
  role = 'authenticated',
}: RangeOptions): readonly string[] {
  return [
    ...removeRange,
    `CREATE TABLE attacked_notes (id int PRIMARY KEY, owner text NOT NULL DEFAULT ${who.replace(/^\(select (.*)\)$/u, '$1')},
      body text NOT NULL, code text NOT NULL UNIQUE)`,
    ...rows,
    'CREATE TABLE attacked_replies (id int PRIMARY KEY, note_id int NOT NULL REFERENCES attacked_notes)',
    'CREATE TABLE attacked_board (body text NOT NULL)',
    `INSERT INTO attacked_board VALUES ('board with alicesecret')`,
    'CREATE TABLE attacked_parts (owner text NOT NULL, body text NOT NULL) PARTITION BY LIST (owner)',
    `CREATE TABLE attacked_parts_1 PARTITION OF attacked_parts FOR VALUES IN ('alice')`,
    `INSERT INTO attacked_parts VALUES ('alice', 'alicesecret')`,
    ...['notes', 'replies', 'board', 'parts'].map(
      (table) => `ALTER TABLE attacked_${table} ENABLE ROW LEVEL SECURITY`,
    ),
    `CREATE POLICY own ON attacked_notes TO ${role} USING (${who} = owner) WITH CHECK (${who} = owner)`,
    `CREATE POLICY own ON attacked_parts FOR SELECT TO ${role} USING (${who} = owner)`,
    `CREATE POLICY everybody ON attacked_replies TO ${role} USING (true) WITH CHECK (true)`,
    `CREATE POLICY unsuspended ON attacked_board FOR SELECT TO ${role} USING (${suspended} IS DISTINCT FROM 'true')`,
    'CREATE TABLE attacked_admins (name text)',
    'CREATE TABLE attacked_keys (key text)',
    `INSERT INTO attacked_keys VALUES ('secretkey')`,
    // What random() says first to whoever has chosen this seed.
    'SELECT setseed(0.42)',
    'CREATE TABLE attacked_next AS SELECT random() AS number',
    'CREATE SEQUENCE attacked_numbers START 424201',
    'CREATE VIEW attacked_view AS SELECT body FROM attacked_notes',
    'CREATE MATERIALIZED VIEW attacked_copy AS SELECT body FROM attacked_notes',
    `CREATE FUNCTION attacked_all() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER AS 'SELECT body FROM public.attacked_notes'`,
    `CREATE FUNCTION attacked_is_admin() RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS
      $$ BEGIN RETURN EXISTS (SELECT FROM attacked_admins WHERE name = 'mallory'); END $$`,
    `CREATE FUNCTION attacked_is_admin_in_public() RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS
      $$ BEGIN RETURN EXISTS (SELECT FROM attacked_admins WHERE name = 'mallory'); END $$`,
    `CREATE FUNCTION attacked_may_moderate() RETURNS boolean LANGUAGE plpgsql AS
      $$ BEGIN RETURN EXISTS (SELECT FROM attacked_admins WHERE name = 'mallory'); END $$`,
    `CREATE FUNCTION attacked_secret() RETURNS boolean LANGUAGE sql AS $$ SELECT 'secretbody' = 'asked' $$`,
    ...(grants === 'all' ? grantAll(role) : grantDerived(role)),
    `COMMENT ON TABLE attacked_notes IS '${rangeMark}'`,
    'ANALYZE attacked_notes',
  ];
}

const dataTables = 'attacked_notes, attacked_replies, attacked_board, attacked_parts';

const grantDerived = (role: string): readonly string[] => [
  `GRANT SELECT, INSERT, UPDATE, DELETE ON attacked_notes, attacked_replies TO ${role}`,
  `GRANT SELECT ON attacked_board, attacked_parts, attacked_admins, attacked_next TO ${role}`,
  `GRANT USAGE ON SEQUENCE attacked_numbers TO ${role}`,
];

const grantAll = (role: string): readonly string[] => [
  `GRANT ALL ON ${dataTables}, attacked_parts_1, attacked_view, attacked_copy, attacked_admins, attacked_next TO ${role}`,
  `GRANT ALL ON SEQUENCE attacked_numbers TO ${role}`,
];
