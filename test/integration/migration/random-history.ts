import fc from 'fast-check';

import type { History } from './history.ts';
import type { Answer } from './terminal.ts';

/**
 * Histories of three to five schemas from a small grammar: tables in two schemas, columns, policies, roles, grants.
 * Every name comes from a small pool, so that things go, come again and get each other's names.
 */
export function randomHistory(): fc.Arbitrary<History> {
  return fc
    .record({
      versions: fc.array(schema(), { minLength: 3, maxLength: 5 }),
      answers: fc.array(fc.boolean(), { minLength: 40, maxLength: 40 }),
    })
    .map(({ versions, answers }) => ({ versions, answer: answering(answers) }));
}

// Which questions there are is known to drizzle-kit alone.
function answering(answers: readonly boolean[]): () => Answer {
  return () => {
    let asked = 0;
    return ({ options }) => {
      const rename = answers[asked++ % answers.length] === true;
      return rename ? Math.max(0, options.findIndex(isPossible)) : 0;
    };
  };
}

// drizzle-kit's statements fail for a column that changes its type for one without a cast, and it loses what else
// changes about a table that moves to another schema.
function isPossible(option: string): boolean {
  const [, kind = '', ...names] = /^(?=.* rename (\w+))(\S+) › (\S+) rename/.exec(option) ?? [];
  // drizzle-kit 1.0 says of what table they are.
  const isPart = kind === 'column' || kind === 'policy';
  const [from = '', to = ''] = isPart ? names.map((name) => name.replace(/.*\./, '')) : names;
  return (
    [/^word_/, /^policy_/, /^h_/].some((name) => name.test(from) && name.test(to)) &&
    !`${from}${to}`.includes('.')
  );
}

interface Column {
  readonly name: string;
  readonly type: string;
}

const columns: readonly Column[] = [
  { name: 'word_a', type: `text()` },
  { name: 'word_b', type: `pg.varchar()` },
  { name: 'word_c', type: `text()` },
  { name: 'number', type: `serial()` },
];
const tables = ['h_one', 'h_two', 'h_three'];
const schemas = ['public', 'h_schema_a', 'h_schema_b'];
const roles = ['test_h_worker', 'Test H-Mixed'];
const identityRole = 'test_h_person';

interface Roles {
  readonly made: readonly string[];
  readonly person: boolean;
}

function schema(): fc.Arbitrary<string> {
  return fc
    .record({ made: fc.subarray(roles), person: fc.boolean(), names: fc.subarray(tables) })
    .chain(({ names, ...known }) =>
      fc
        .tuple(...names.map((name, index) => table(name, names.slice(index + 1), known)))
        .map((declared) => [...declarations(known), ...readable(declared, names).toReversed()].join('\n')),
    );
}

// What a policy of another table reads, its roles need SELECT on.
function readable(declared: readonly string[], names: readonly string[]): readonly string[] {
  return declared.map((text, index) => {
    const read = declared.some((other) => other.includes(`from \${${names[index]}}`));
    if (!read) return text;
    const seen = `pgPolicy('policy_seen', { for: 'select', to: 'public', using: eq(t.userId, 'open') }),`;
    return text.replace('(t) => [\n', `(t) => [\n  ${seen}\n`);
  });
}

function declarations({ made, person }: Roles): readonly string[] {
  return [
    ...schemas.slice(1).map((name) => `export const ${name} = pgSchema('${name}');`),
    ...made.map((name) => `export const ${variable(name)} = pgRole('${name}');`),
    ...(person ? [`export const ${identityRole} = identityRole('${identityRole}');`] : []),
  ];
}

function table(name: string, others: readonly string[], known: Roles): fc.Arbitrary<string> {
  return fc
    .record({
      place: fc.constantFrom(...schemas),
      has: fc.subarray([...columns]),
      rowSecurity: fc.boolean(),
      names: fc.subarray(['policy_a', 'policy_b', 'policy_c']),
    })
    .chain(({ place, has, rowSecurity, names }) =>
      fc.tuple(...names.map((policyName) => policy(policyName, has, others, known))).map((policies) => {
        const make = place === 'public' ? 'pgTable' : `${place}.table`;
        const fields = [
          'id: integer().primaryKey()',
          `userId: text('user_id')`,
          ...has.map((c) => `${c.name}: ${c.type}`),
        ];
        return `export const ${name} = ${make}('${name}', { ${fields.join(', ')} }, (t) => [
  ${policies.join(',\n  ')}
])${rowSecurity ? '.enableRLS()' : ''};`;
      }),
    );
}

function policy(
  name: string,
  has: readonly Column[],
  others: readonly string[],
  { made, person }: Roles,
): fc.Arbitrary<string> {
  const everybody = ['authenticated', 'anonymous', 'public', ...made, ...(person ? [identityRole] : [])];
  const words = [
    'userId',
    ...has.filter(({ name: column }) => column.startsWith('word')).map((column) => column.name),
  ];
  const expression = fc.oneof(
    fc.constantFrom('true', 'false').map((text) => `sql\`${text}\``),
    fc.constantFrom(...words).map((column) => `authUid(t.${column})`),
    fc.constantFrom(...words).map((column) => `eq(t.${column}, "it's open")`),
    ...others.map((other) =>
      fc.constant(`sql\`exists (select from \${${other}} where \${${other}.userId} = \${t.userId})\``),
    ),
  );
  return fc
    .record({
      command: fc.constantFrom('select', 'insert', 'update', 'delete', 'all'),
      to: fc.option(fc.subarray(everybody, { minLength: 1 }), { freq: 8 }),
      restrictive: fc.boolean(),
      using: expression,
      withCheck: fc.option(expression),
      limited: fc.option(fc.subarray(words, { minLength: 1 })),
    })
    .map(({ command, to, restrictive, using, withCheck, limited }) => {
      const [reads, writes] = [command !== 'insert', command !== 'select' && command !== 'delete'];
      const rules = [
        ...(reads ? [`using: ${using}`] : []),
        ...(writes && (withCheck !== null || !reads) ? [`withCheck: ${withCheck ?? using}`] : []),
      ];
      const as = restrictive ? `as: 'restrictive', ` : '';
      const whom = to === null ? '' : `to: ${JSON.stringify(to)}, `;
      // What drizzle itself offers has neither column grants nor a need to say for whom.
      if (to === null || command === 'all')
        return `pgPolicy('${name}', { for: '${command}', ${as}${whom}${rules.join(', ')} })`;
      const some = limited && (command === 'insert' || command === 'update');
      const only = some ? `, columns: [${limited.map((column) => `t.${column}`).join(', ')}]` : '';
      return `${command}Policy('${name}', { ${as}${whom}${rules.join(', ')}${only} })`;
    });
}

function variable(role: string): string {
  return role.replaceAll(/\W/g, '_');
}
