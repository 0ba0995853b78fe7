import { alice, app, mallory, owner, type Attack } from './attack.ts';

const readNotes = 'select body from attacked_notes';
const reset =
  'reset each connection before the next person has it, and close one that is in doubt: $withAuth and the gateway do';
const stays = (setting: string, value: string): string =>
  `select set_config('${setting}', '${value}', false)`;

/** Attacks that leave something behind for whoever has the connection next, or find what somebody has left. */
export const leftovers: readonly Attack[] = [
  {
    id: 'P01',
    name: 'leave an identity on the connection for a query that brings none',
    gain: 'leftovers',
    tier: 'stopped',
    turns: [
      mallory(`select set_config('request.jwt.claims', '{"sub":"mallory"}', false),
        set_config('authorize.seal', coalesce(current_setting('authorize.seal', true), ''), false)`),
      app(
        `select current_setting('request.jwt.claims', true) as claims, current_setting('authorize.seal', true) as seal`,
      ),
    ],
    proof: /mallory/,
    fix: reset,
  },
  {
    id: 'P02',
    name: "catch another person's rows in a temporary table of the same name",
    gain: 'leftovers',
    tier: 'stopped',
    turns: [
      mallory(
        'create temp table attacked_notes (id int, owner text, body text, code text)',
        'grant all on attacked_notes to public',
      ),
      alice(`insert into attacked_notes (id, body, code) values (302, 'caught alicesecret', 'P-2')`),
      mallory('select body from pg_temp.attacked_notes'),
    ],
    proof: /caught alicesecret/,
    fix: 'REVOKE TEMPORARY ON DATABASE … FROM PUBLIC: drizzle-authorize setup --harden',
  },
  {
    id: 'P18',
    name: "catch another person's rows in a temporary table that a SELECT INTO has made",
    gain: 'leftovers',
    tier: 'stopped',
    turns: [
      mallory('select id, owner, body, code into temp attacked_notes from attacked_notes where false'),
      alice(`insert into attacked_notes (id, body, code) values (318, 'caught alicesecret', 'P-18')`),
      mallory('select body from pg_temp.attacked_notes'),
    ],
    proof: /caught alicesecret/,
    fix: 'REVOKE TEMPORARY ON DATABASE … FROM PUBLIC: drizzle-authorize setup --harden',
  },
  {
    id: 'P03',
    name: 'leave a statement timeout under which nothing of the next person ends in time',
    gain: 'leftovers',
    tier: 'stopped',
    turns: [mallory(stays('statement_timeout', '1')), alice('select pg_sleep(0.05)')],
    proof: /57014/,
    fix: reset,
  },
  {
    id: 'P04',
    name: 'leave row_security off, under which the next person cannot read',
    gain: 'leftovers',
    tier: 'stopped',
    turns: [mallory(stays('row_security', 'off')), alice(readNotes)],
    proof: /row-level security/,
    fix: reset,
  },
  {
    id: 'P05',
    name: 'leave standard_conforming_strings off, which opens what escapes quotes to injection',
    gain: 'leftovers',
    tier: 'stopped',
    turns: [
      mallory(stays('standard_conforming_strings', 'off')),
      alice(`select current_setting('standard_conforming_strings') as conforming`),
    ],
    proof: /"conforming":"off"/,
    fix: reset,
  },
  {
    id: 'P06',
    name: 'leave transactions read-only, in which the next person cannot write',
    gain: 'leftovers',
    tier: 'stopped',
    turns: [
      mallory(stays('default_transaction_read_only', 'on')),
      alice(`insert into attacked_notes (id, body, code) values (306, 'mine', 'P-6')`),
    ],
    proof: /25006/,
    fix: reset,
  },
  {
    id: 'P07',
    name: 'leave a role on the connection for a query that sets none',
    gain: 'leftovers',
    tier: 'stopped',
    turns: [
      mallory(`select set_config('role', 'authenticated', false)`),
      app(`select current_setting('role') as role`),
    ],
    proof: /"role":"authenticated"/,
    fix: reset,
  },
  {
    id: 'P08',
    name: "put a statement of one's own under the name of a prepared one",
    gain: 'leftovers',
    tier: 'stopped',
    turns: [
      mallory('deallocate all', `prepare find_notes as select 'substituted'`),
      alice('execute find_notes'),
    ],
    proof: /substituted/,
    fix: 'let no utility statement through, and deallocate what one may have prepared: $withAuth and the gateway do',
  },
  {
    id: 'P09',
    name: 'throw prepared statements away that the driver counts on',
    gain: 'leftovers',
    tier: 'stopped',
    turns: [
      alice(`prepare counted_on as ${readNotes}`),
      mallory('deallocate all'),
      alice('execute counted_on'),
    ],
    proof: /26000/,
    fix: 'let no utility statement through: $withAuth and the gateway refuse DEALLOCATE',
  },
  {
    id: 'P10',
    name: 'read a cursor WITH HOLD that another person has opened',
    gain: 'rows',
    tier: 'stopped',
    turns: [alice(`declare held cursor with hold for ${readNotes}`), mallory('fetch all from held')],
    proof: /alicesecret/,
    fix: reset,
  },
  {
    id: 'P11',
    name: 'hold an advisory lock beyond the own turn',
    gain: 'leftovers',
    tier: 'stopped',
    turns: [
      mallory('select pg_advisory_lock(4242)'),
      alice('select 1 as one'),
      owner(`select 'still locked' as lock from pg_locks where locktype = 'advisory' and objid = 4242
        and database = (select oid from pg_database where datname = current_database())`),
    ],
    proof: /still locked/,
    fix: reset,
  },
  {
    id: 'P12',
    name: 'LISTEN beyond the own turn, to what the application notifies',
    gain: 'leftovers',
    tier: 'stopped',
    turns: [mallory('listen attacked_channel'), app('select pg_listening_channels() as channel')],
    proof: /attacked_channel/,
    fix: reset,
  },
  {
    id: 'P13',
    name: 'read the last number that another person took from a sequence',
    gain: 'knowledge',
    tier: 'stopped',
    turns: [alice(`select nextval('attacked_numbers')`), mallory('select lastval() as last')],
    proof: /"last":"?4242/,
    fix: reset,
  },
  {
    id: 'P14',
    name: "read another person's temporary table",
    gain: 'rows',
    tier: 'stopped',
    turns: [
      alice('select body into temp attacked_draft from attacked_notes'),
      mallory('select body from pg_temp.attacked_draft'),
    ],
    proof: /alicesecret/,
    fix: reset,
  },
  {
    id: 'P15',
    name: "read the values in another person's prepared statement",
    gain: 'knowledge',
    tier: 'stopped',
    turns: [
      alice(`prepare mine as select body from attacked_notes where code = 'alicesecret'`),
      mallory('select statement from pg_prepared_statements'),
    ],
    proof: /alicesecret/,
    fix: reset,
  },
  {
    id: 'P16',
    name: 'read the text of a statement that another person has run again and again',
    gain: 'knowledge',
    tier: 'superuser',
    turns: [
      alice(
        ...Array.from({ length: 6 }, () => 'select body as name_of_alice from attacked_notes'),
        'prepare again as select body as name_of_alice from attacked_notes',
      ),
      mallory(`select statement from pg_prepared_statements where statement not like '%pg_prepared%'`),
    ],
    proof: /name_of_alice/,
    fix: 'drizzle-authorize setup --harden as a superuser, or prepare: false',
  },
  {
    id: 'P17',
    name: 'leave a search_path in which the next person finds no table, by one UPDATE of pg_settings',
    gain: 'leftovers',
    tier: 'stopped',
    turns: [
      mallory(`update pg_settings set setting = 'nowhere' where name = 'search_path'`),
      alice(readNotes),
    ],
    proof: /42P01/,
    fix: reset,
  },
  {
    id: 'P19',
    name: "foretell the next person's random numbers",
    gain: 'leftovers',
    tier: 'stopped',
    turns: [
      mallory('select setseed(0.42)'),
      alice(`select 'foretold' as number where random() = (select number from attacked_next)`),
    ],
    proof: /foretold/,
    fix: 'seed random() anew between two people, which no DISCARD does: $withAuth and the gateway do',
  },
  {
    id: 'P20',
    name: 'leave a setting of the application behind',
    gain: 'leftovers',
    tier: 'stopped',
    turns: [
      mallory(stays('app.tenant', 'of mallory')),
      alice(`select current_setting('app.tenant', true) as tenant`),
    ],
    proof: /of mallory/,
    fix: reset,
  },
];
