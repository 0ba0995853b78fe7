// Functions of PostgreSQL after which something is left on the connection: a setting, a seed, a value, a lock.
const leaving = [
  'set_config',
  'setseed',
  'nextval',
  'setval',
  'pg_advisory_lock',
  'pg_advisory_lock_shared',
  'pg_try_advisory_lock',
  'pg_try_advisory_lock_shared',
];

const calledInText = `LIKE ANY ('{${leaving.map((name) => `%${name}%`).join()}}')`;

// What was parsed has functions by number. To have it written out again would lock the tables in it.
const calledByNumber = `~ (SELECT ':funcid (' || string_agg(leaving.oid::text, '|') || ') ' FROM pg_catalog.pg_proc AS leaving
        WHERE leaving.proname = ANY ('{${leaving.join()}}') AND leaving.pronamespace = 'pg_catalog'::regnamespace)`;

// What comes with an extension is trusted, and triggers run when something is written.
const isOwn = `own.oid >= 16384 AND prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend
          WHERE classid = 'pg_proc'::regclass AND objid = own.oid AND deptype = 'e')`;

// As part of something, as `row.function`, or as a form of its own of one of PostgreSQL's.
const runsInReads = `EXISTS (SELECT FROM pg_catalog.pg_depend
            WHERE refclassid = 'pg_proc'::regclass AND refobjid = own.oid AND classid IN ('pg_policy'::regclass,
              'pg_rewrite'::regclass, 'pg_cast'::regclass, 'pg_operator'::regclass, 'pg_opclass'::regclass, 'pg_amproc'::regclass,
              'pg_proc'::regclass, 'pg_constraint'::regclass, 'pg_type'::regclass))
          OR pronargs - pronargdefaults <= 1 AND EXISTS (SELECT FROM pg_catalog.pg_type
            WHERE pg_type.oid = proargtypes[0] AND typtype IN ('c', 'd', 'p'))
          OR EXISTS (SELECT FROM pg_catalog.pg_proc AS namesake
            WHERE namesake.proname = own.proname AND namesake.pronamespace = 'pg_catalog'::regnamespace)`;

/**
 * SQL that says whether something of the owner's could leave a trace on the connection of somebody who only reads tables
 * and views, with operators and functions of PostgreSQL:
 *
 * - a VOLATILE function that is part of a policy, a view, a cast, an operator, an order, an aggregate, a domain or a type,
 *   that can be written as a column, or that has the name of one of PostgreSQL's. It can do anything;
 * - any function, whatever its label promises, policy, view or domain that calls a function of PostgreSQL that leaves one.
 *
 * Out of its sight: a function that is not VOLATILE by its label and calls one that is, or makes up its SQL.
 */
export const readsLeaveTraces = `EXISTS (
      SELECT FROM pg_catalog.pg_proc AS own WHERE ${isOwn} AND (
        CASE WHEN prosqlbody IS NULL THEN lower(prosrc) ${calledInText} ELSE prosqlbody::text ${calledByNumber} END
        OR provolatile = 'v' AND (${runsInReads}))
    ) OR EXISTS (SELECT FROM pg_catalog.pg_rewrite WHERE oid >= 16384 AND ev_action::text ${calledByNumber})
      OR EXISTS (SELECT FROM pg_catalog.pg_policy WHERE polqual::text ${calledByNumber})
      OR EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE contypid <> 0 AND conbin::text ${calledByNumber})`;
