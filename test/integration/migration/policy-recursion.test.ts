import { sql } from 'drizzle-orm';
import { integer, pgPolicy, pgSchema, type PgPolicy } from 'drizzle-orm/pg-core';
import fc from 'fast-check';
import { expect, it } from 'vitest';

import { createAccessGraph, type AccessGraph, type Command } from '../../../src/migration/access-graph.ts';
import { readAccessModel, type TableAccess } from '../../../src/migration/access-model.ts';
import { privilegeList } from '../../../src/migration/grants.ts';
import { findCycle } from '../../../src/migration/policy-cycles.ts';
import { createPolicy } from '../../../src/migration/policy-definition.ts';
import { quoteRole } from '../../../src/migration/quote-role.ts';
import { qualifiedName } from '../../../src/migration/table-name.ts';
import type { ViewDefinition } from '../../../src/migration/view-definitions.ts';
import { createSealedDatabase, withClient } from '../../support/sealed-database.ts';

// Each group is three tables with policies that read one another, in a schema of its own, so that all of them fit into
// one database and one run of the parser.
const groups = 80;
const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31);

interface RandomPolicy {
  readonly for: 'all' | Command;
  readonly as: 'permissive' | 'restrictive';
  readonly to: string;
  readonly using: number;
  readonly check: number;
}

const names = ['a', 'b', 'c'];
const expressions = (schema: string): readonly string[] => [
  'true',
  '(select 1) = 1',
  ...names.flatMap((name) => [
    `exists (select from ${schema}.${name})`,
    `id in (with ${name} as (select id from ${schema}.v${name}) select id from ${name})`,
  ]),
];

const policy: fc.Arbitrary<RandomPolicy> = fc.record({
  for: fc.constantFrom('all', 'select', 'select', 'select', 'insert', 'update', 'delete'),
  as: fc.constantFrom('permissive', 'permissive', 'permissive', 'restrictive'),
  to: fc.constantFrom('authenticated', 'authenticated', 'anonymous', 'public'),
  using: fc.nat(7),
  check: fc.nat(7),
});
const group = fc.record({
  tables: fc.array(fc.array(policy, { maxLength: 3 }), { minLength: 3, maxLength: 3 }),
  invokers: fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
});

it('Postgres refuses the statements for which we find a cycle or a closed table, and no others', async () => {
  const samples = fc.sample(group, { numRuns: groups, seed });
  const schemas = samples.map((_, index) => `r${index}`);
  const tables = samples.flatMap((sample, index) => {
    const schema = pgSchema(`r${index}`);
    return sample.tables.map((policies, table) =>
      schema.table(names[table] ?? '', { id: integer() }, () =>
        policies.map((each, number) => toPolicy(each, `p${number}`, expressions(`r${index}`))),
      ),
    );
  });
  const views = samples.flatMap((sample, index) =>
    names.map((name, table): ViewDefinition => {
      const kind = sample.invokers[table] === true ? 'invoker' : 'owner';
      return { schema: `r${index}`, name: `v${name}`, query: `select id from r${index}.${name}`, kind };
    }),
  );
  const model = readAccessModel(tables);
  const graph = createAccessGraph(model, views);

  const database = await createSealedDatabase('recursion', []);
  try {
    await withClient(database.ownerUrl, async (client) => {
      await client.query(
        [
          'BEGIN',
          ...schemas.map((schema) => `CREATE SCHEMA ${schema}; GRANT USAGE ON SCHEMA ${schema} TO PUBLIC`),
          ...model.tables.map((table) => `CREATE TABLE ${qualifiedName(table)} (id integer)`),
          ...views.map(
            ({ schema, name, query, kind }) =>
              `CREATE VIEW ${schema}.${name} ${kind === 'invoker' ? 'WITH (security_invoker = true)' : ''} AS ${query};
               GRANT SELECT ON ${schema}.${name} TO PUBLIC`,
          ),
          ...model.tables.flatMap((table) => [
            ...(table.rowSecurity ? [`ALTER TABLE ${qualifiedName(table)} ENABLE ROW LEVEL SECURITY`] : []),
            ...table.policies.map((each) => createPolicy(table, each)),
            ...Object.entries(table.grants).map(
              ([role, held]) =>
                `GRANT ${privilegeList(held)} ON ${qualifiedName(table)} TO ${quoteRole(role)}`,
            ),
          ]),
          `CREATE FUNCTION pg_temp.outcome(role text, statement text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN
             PERFORM set_config('role', role, true);
             EXECUTE 'EXPLAIN ' || statement;
             PERFORM set_config('role', 'none', true);
             RETURN 'allowed';
           EXCEPTION WHEN invalid_object_definition THEN RETURN 'recursion'; WHEN insufficient_privilege THEN RETURN 'closed';
           END $$`,
        ].join(';\n'),
      );

      const outcomes = new Map<string, number>();
      for (const table of model.tables) {
        for (const role of graph.roles) {
          for (const command of ['select', 'insert', 'update', 'delete'] as const) {
            if (!graph.may(role, command, table)) continue;
            const { rows } = await client.query<{ outcome: string }>('SELECT pg_temp.outcome($1, $2)', [
              role,
              statements[command].replace('$table', qualifiedName(table)),
            ]);
            const found = rows[0]?.outcome ?? '';
            const described = `seed ${seed}: ${command} of ${role} on ${table.schema}.${table.name} ${JSON.stringify(
              samples[Number(table.schema.slice(1))],
            )}`;
            expect(predict(graph, role, command, table), described).toBe(found);
            outcomes.set(found, (outcomes.get(found) ?? 0) + 1);
          }
        }
      }
      // Each of them is common, or else this proves nothing.
      for (const outcome of ['allowed', 'recursion', 'closed']) {
        expect(outcomes.get(outcome), outcome).toBeGreaterThan(20);
      }
    });
  } finally {
    await database.drop();
  }
});

const statements: Readonly<Record<Command, string>> = {
  select: 'SELECT FROM $table',
  insert: 'INSERT INTO $table DEFAULT VALUES',
  update: 'UPDATE $table SET id = 1',
  delete: 'DELETE FROM $table',
};

function toPolicy(random: RandomPolicy, name: string, texts: readonly string[]): PgPolicy {
  const { as, to } = random;
  const using = sql.raw(texts[random.using] ?? '');
  const withCheck = sql.raw(texts[random.check] ?? '');
  switch (random.for) {
    case 'insert':
      return pgPolicy(name, { for: 'insert', as, to, withCheck });
    case 'update':
    case 'all':
      return pgPolicy(name, { for: random.for, as, to, using, withCheck });
    default:
      return pgPolicy(name, { for: random.for, as, to, using });
  }
}

// A cycle is found while Postgres writes the policies out, and so before it checks a privilege.
function predict(graph: AccessGraph, role: string, command: Command, table: TableAccess): string {
  if (findCycle(graph, role, command, table)) return 'recursion';
  return readsClosed(graph, role, command, table) ? 'closed' : 'allowed';
}

// The tables that are read on the way have policies of their own, which read others.
function readsClosed(graph: AccessGraph, role: string, command: Command, table: TableAccess): boolean {
  if (!table.rowSecurity) return false;
  return graph
    .applied(role, command, table)
    .some(({ needs }) =>
      needs.some((read) => !graph.may(role, 'select', read) || readsClosed(graph, role, 'select', read)),
    );
}
