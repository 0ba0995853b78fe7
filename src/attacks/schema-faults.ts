import { alice, mallory, type Attack } from './attack.ts';

const narrow =
  'grant SELECT, INSERT, UPDATE and DELETE alone, as policies need them, never ALL: drizzle-kit generate with this package does';
const noTemp =
  'end the search_path of the function with pg_temp or write its body as BEGIN ATOMIC, and run setup --harden';

/** Attacks on what schemas leave open: grants of everything, views, partitions and functions with their owner's rights. */
export const schemaFaults: readonly Attack[] = [
  {
    id: 'S01',
    name: "read a view that reads with its owner's rights",
    gain: 'rows',
    tier: 'stopped',
    turns: [mallory('select body from attacked_view')],
    proof: /alicesecret/,
    fix: 'make the view WITH (security_invoker = true), or do not grant it',
  },
  {
    id: 'S02',
    name: 'read a materialized view, which has no policies',
    gain: 'rows',
    tier: 'stopped',
    turns: [mallory('select body from attacked_copy')],
    proof: /alicesecret/,
    fix: 'do not grant materialized views to identity roles',
  },
  {
    id: 'S03',
    name: "call a function that reads with its owner's rights",
    gain: 'rows',
    tier: 'any-host',
    turns: [mallory('select attacked_all()')],
    proof: /alicesecret/,
    fix: 'REVOKE EXECUTE ON FUNCTION … FROM PUBLIC, which everybody has by default, and let it ask who calls',
  },
  {
    id: 'S04',
    name: 'read a partition directly, past the policies of its table',
    gain: 'rows',
    tier: 'stopped',
    turns: [mallory('select body from attacked_parts_1')],
    proof: /alicesecret/,
    fix: 'grant the partitioned table alone',
  },
  {
    id: 'S05',
    name: 'TRUNCATE, which no policy holds back',
    gain: 'writes',
    tier: 'stopped',
    turns: [mallory('truncate attacked_notes cascade', `select 'emptied' as done`)],
    proof: /"done":"emptied"/,
    fix: narrow,
    lasting: true,
  },
  {
    id: 'S06',
    name: "copy other people's rows by a trigger",
    gain: 'rows',
    tier: 'stopped',
    turns: [
      mallory(
        'create temp table loot (body text)',
        'grant all on loot to public',
        `create function pg_temp.spy() returns trigger language plpgsql as
          $$ begin insert into pg_temp.loot values (new.body); return new; end $$`,
        'create trigger attacked_spy before insert on attacked_notes for each row execute function pg_temp.spy()',
      ),
      alice(`insert into attacked_notes (id, body, code) values (406, 'copied alicesecret', 'S-6')`),
      mallory('select body from pg_temp.loot'),
    ],
    proof: /copied alicesecret/,
    fix: narrow,
    lasting: true,
  },
  {
    id: 'S07',
    name: "put a temporary table in front of one that a function with its owner's rights reads",
    gain: 'identity',
    tier: 'stopped',
    turns: [
      mallory(
        'create temp table attacked_admins (name text)',
        `insert into attacked_admins values ('mallory')`,
        'grant all on attacked_admins to public',
        'select attacked_is_admin() as admin',
      ),
    ],
    proof: /"admin":true/,
    fix: noTemp,
  },
  {
    id: 'S08',
    name: 'the same, where the search_path of the function does not name pg_temp',
    gain: 'identity',
    tier: 'stopped',
    turns: [
      mallory(
        'create temp table attacked_admins (name text)',
        `insert into attacked_admins values ('mallory')`,
        'grant all on attacked_admins to public',
        'select attacked_is_admin_in_public() as admin',
      ),
    ],
    proof: /"admin":true/,
    fix: noTemp,
  },
  {
    id: 'S11',
    name: 'the same, in the way of one that reads with the rights of whoever calls, by SELECT INTO',
    gain: 'identity',
    tier: 'harden',
    turns: [
      mallory(
        `select 'mallory' as name into temp attacked_admins`,
        'select attacked_may_moderate() as admin',
      ),
    ],
    proof: /"admin":true/,
    fix: noTemp,
  },
  {
    id: 'S12',
    name: 'rebuild an index, which locks the table',
    gain: 'other sessions',
    tier: 'stopped',
    turns: [mallory('reindex table attacked_notes', `select 'rebuilt' as done`)],
    proof: /"done":"rebuilt"/,
    fix: narrow,
    since: 17,
  },
];
