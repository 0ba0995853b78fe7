import { mallory, type Attack } from './attack.ts';

const claims = `'{"sub":"alice"}'`;
const everything = 'select body from attacked_notes';
const toldAs = (setting: string, value: string): string => `set_config('${setting}', ${value}, true)`;
const asAlice = `${toldAs('request.jwt.claims', claims)}, ${toldAs('authorize.seal', claims)}`;
const secret = /alicesecret/;

const sealed =
  'let policies read auth.user_id(), which takes a sealed identity, and not a setting that any SQL can set';
const ownLogin =
  'log in as the identity role itself, which neither owns tables nor may become another role: drizzle-authorize setup';

/** Attacks that want to be somebody else: another person, or a role with more rights. */
export const impersonation: readonly Attack[] = [
  {
    id: 'A01',
    name: "set another person's claims, then select",
    gain: 'identity',
    tier: 'stopped',
    turns: [mallory(`select ${asAlice}`, everything)],
    proof: secret,
    fix: sealed,
  },
  {
    id: 'A02',
    name: "set another person's claims in a CTE, ahead of the policy, in one SELECT",
    gain: 'identity',
    tier: 'stopped',
    turns: [
      mallory(`with told as materialized (select ${asAlice}) select seen.body from told,
        lateral (select body from attacked_notes where told is not null) as seen`),
    ],
    proof: secret,
    fix: sealed,
  },
  {
    id: 'A03',
    name: "set another person's claims and run a query out of text, in one SELECT",
    gain: 'identity',
    tier: 'stopped',
    turns: [mallory(`select ${asAlice}, query_to_xml('${everything}', true, true, '')`)],
    proof: secret,
    fix: sealed,
  },
  {
    id: 'A04',
    name: 'give the role up and run a query out of text, in one SELECT',
    gain: 'identity',
    tier: 'stopped',
    turns: [mallory(`select ${toldAs('role', "'none'")}, query_to_xml('${everything}', true, true, '')`)],
    proof: secret,
    fix: ownLogin,
  },
  {
    id: 'A05',
    name: 'RESET ROLE, then select',
    gain: 'identity',
    tier: 'stopped',
    turns: [mallory('reset role', everything)],
    proof: secret,
    fix: ownLogin,
  },
  {
    id: 'A06',
    name: 'SET ROLE to a service role that passes policies by, then select',
    gain: 'identity',
    tier: 'stopped',
    turns: [mallory('set role {service}', everything)],
    proof: secret,
    fix: 'give the service role a login of its own, and revoke its membership from the login that serves people',
  },
  {
    id: 'A07',
    name: 'become the service role and run a query out of text, in one SELECT',
    gain: 'identity',
    tier: 'stopped',
    turns: [
      mallory(`select ${toldAs('role', "'{service}'")}, query_to_xml('${everything}', true, true, '')`),
    ],
    proof: secret,
    fix: 'give the service role a login of its own, and revoke its membership from the login that serves people',
  },
  {
    id: 'A08',
    name: 'COMMIT, which takes role and claims away, then select',
    gain: 'identity',
    tier: 'stopped',
    turns: [mallory('commit', everything)],
    proof: secret,
    fix: ownLogin,
    lasting: true,
  },
  {
    id: 'A10',
    name: 'ROLLBACK AND CHAIN, which leaves a transaction without role and claims, then select',
    gain: 'identity',
    tier: 'stopped',
    turns: [mallory('rollback and chain', everything)],
    proof: secret,
    fix: ownLogin,
    lasting: true,
  },
  {
    id: 'A12',
    name: 'SET SESSION AUTHORIZATION DEFAULT, then select',
    gain: 'identity',
    tier: 'stopped',
    turns: [mallory('set session authorization default', everything)],
    proof: secret,
    fix: ownLogin,
  },
  {
    id: 'A13',
    name: 'a DO block that gives the role up and tells what it reads in an error',
    gain: 'identity',
    tier: 'stopped',
    turns: [
      mallory(`do $$ declare found text; begin reset role;
        select string_agg(body, ', ') into found from attacked_notes; raise exception '%', found; end $$`),
    ],
    proof: secret,
    fix: ownLogin,
  },
  {
    id: 'A14',
    name: 'give the role up and switch row level security off',
    gain: 'identity',
    tier: 'stopped',
    turns: [mallory('reset role', 'alter table attacked_notes disable row level security', everything)],
    proof: secret,
    fix: ownLogin,
    lasting: true,
  },
  {
    id: 'A15',
    name: 'give the role up and run a program on the server',
    gain: 'identity',
    tier: 'stopped',
    turns: [
      mallory(
        'reset role',
        'create table attacked_loot (line text)',
        `copy attacked_loot from program 'echo ran on the server'`,
        'select line from attacked_loot',
      ),
    ],
    proof: /ran on the server/,
    fix: 'never serve people from a connection of a superuser',
    lasting: true,
  },
  {
    id: 'A16',
    name: "set another person's claims and read statistics of words by ts_stat, in one SELECT",
    gain: 'identity',
    tier: 'stopped',
    turns: [
      mallory(`select ${asAlice}, (select string_agg(word, ' ')
        from ts_stat('select to_tsvector(''simple'', body) from attacked_notes'))`),
    ],
    proof: secret,
    fix: sealed,
  },
  {
    id: 'A17',
    name: 'take the claims away, so that a negative policy lets a suspended person pass',
    gain: 'identity',
    tier: 'stopped',
    turns: [
      mallory(`with told as materialized (select ${toldAs('request.jwt.claims', "'{}'")}, ${toldAs('authorize.seal', "''")})
        select seen.body from told, lateral (select body from attacked_board where told is not null) as seen`),
    ],
    proof: secret,
    fix: 'let policies read auth.claim(), which raises an error for an identity role without a genuine seal',
  },
  {
    id: 'W01',
    name: "insert a row in another person's name",
    gain: 'writes',
    tier: 'stopped',
    turns: [
      mallory(`with told as materialized (select ${asAlice}) insert into attacked_notes (id, owner, body, code)
        select 201, 'alice', 'planted', 'W-1' from told returning owner`),
    ],
    proof: /"owner":"alice"/,
    fix: sealed,
  },
  {
    id: 'W02',
    name: "change another person's row",
    gain: 'writes',
    tier: 'stopped',
    turns: [
      mallory(
        `select ${asAlice}`,
        `update attacked_notes set body = 'changed' where owner = 'alice' returning owner`,
      ),
    ],
    proof: /"owner":"alice"/,
    fix: sealed,
  },
  {
    id: 'W03',
    name: "delete another person's row as whoever the login is",
    gain: 'writes',
    tier: 'stopped',
    turns: [mallory('reset role', `delete from attacked_notes where owner = 'alice' returning owner`)],
    proof: /"owner":"alice"/,
    fix: ownLogin,
  },
  {
    id: 'W04',
    name: "give a row of one's own to another person",
    gain: 'writes',
    tier: 'stopped',
    turns: [
      mallory(
        `select ${asAlice}`,
        `insert into attacked_notes (id, owner, body, code) values (204, 'alice', 'planted', 'W-4')
        on conflict (id) do update set owner = 'alice' returning owner`,
      ),
    ],
    proof: /"owner":"alice"/,
    fix: sealed,
  },
  {
    id: 'X01',
    name: 'change a setting of the role, for all its future sessions',
    gain: 'leftovers',
    tier: 'stopped',
    turns: [
      mallory(
        `alter role current_user set work_mem = '4242kB'`,
        `select setconfig from pg_db_role_setting where setconfig::text like '%4242kB%'`,
      ),
    ],
    proof: /4242kB/,
    fix: 'let no utility statement through: $withAuth and the gateway refuse ALTER ROLE',
    lasting: true,
  },
  {
    id: 'X02',
    name: 'change a setting of the login, for all its future sessions',
    gain: 'leftovers',
    tier: 'stopped',
    turns: [
      mallory(
        'reset role',
        `alter role current_user set work_mem = '4243kB'`,
        `select setconfig from pg_db_role_setting where setconfig::text like '%4243kB%'`,
      ),
    ],
    proof: /4243kB/,
    fix: 'let no utility statement through: $withAuth and the gateway refuse ALTER ROLE',
    lasting: true,
  },
  {
    id: 'X03',
    name: 'change the password of the login, which locks the application out',
    gain: 'leftovers',
    tier: 'stopped',
    turns: [
      mallory(
        'reset role',
        `alter role current_user password 'of mallory'`,
        `select 'it has another password now'`,
      ),
    ],
    proof: /another password/,
    fix: 'let no utility statement through: $withAuth and the gateway refuse ALTER ROLE',
    lasting: true,
  },
];
