import type { AccessModel, TableAccess } from '../access-model.ts';
import { derivedPrivilege, type DerivedAccess } from '../derived-access.ts';
import type { PolicyDefinition } from '../policy-definition.ts';
import { isRoleKeyword } from '../quote-role.ts';
import { compareText, qualifiedName, type TableName } from '../table-name.ts';
import type { DatabaseAccess, EnforcedPolicy, Held, Relation } from './database-access.ts';
import type { NormalisedPolicy } from './normalised-policies.ts';

/** One thing that a database enforces otherwise than the schema declares. */
export interface Difference {
  /** What it is about: a table as `schema.name`, a function, `roles`, or `default privileges`. */
  readonly place: string;
  readonly kind:
    | 'table missing'
    | 'row level security off'
    | 'owner'
    | 'policy missing'
    | 'policy changed'
    | 'policy unknown'
    | 'privilege missing'
    | 'privilege unknown'
    | 'open without a policy'
    | 'role'
    | 'function'
    | 'version';
  /** In words, for whoever reviews it. */
  readonly what: string;
}

export interface ComparedAccess {
  readonly model: AccessModel;
  readonly database: DatabaseAccess;
  /** Of each table of the model that the database has, by qualified name. */
  readonly normalised: ReadonlyMap<string, ReadonlyMap<string, NormalisedPolicy>>;
  /** By name. */
  readonly functions: ReadonlyMap<string, string>;
}

/**
 * Where the database and the schema differ, by place: what is missing in the database, what it has besides, and each
 * table that anybody may use without a policy. Privileges of roles that the schema does not know are theirs.
 */
export function differences(compared: ComparedAccess): readonly Difference[] {
  const { model, database, functions } = compared;
  const relations = new Map(database.relations.map((relation) => [qualifiedName(relation), relation]));
  const declared = new Set([...model.tables, ...model.derived].map(qualifiedName));
  const known = knownRoles(model, database);
  const found: Difference[] = [
    ...model.tables.flatMap((table) => {
      const relation = relations.get(qualifiedName(table));
      return relation
        ? differencesOfTable(table, relation, compared, known)
        : [{ place: placeOf(table), kind: 'table missing' as const, what: 'is in the schema alone' }];
    }),
    ...model.derived.flatMap((one) => differencesOfDerived(one, relations.get(qualifiedName(one)), known)),
    ...database.relations
      .filter((relation) => !declared.has(qualifiedName(relation)))
      .flatMap((relation) =>
        differencesOfStranger(relation, { database, authSchema: model.authSchema }, known),
      ),
    ...differencesOfSchemas(model, database),
    ...differencesOfRoles(model, database),
    ...database.defaults
      .filter(({ role }) => known.has(role) && !model.keepDefaultPrivileges)
      .map(({ role, privilege, on }) => ({
        place: 'default privileges',
        kind: 'privilege unknown' as const,
        what: `${who(role)} will have ${privilege} on ${on ?? 'tables'} that are yet to be made`,
      })),
    ...[...functions].map(([name, what]) => ({ place: name, kind: 'function' as const, what })),
  ];
  return found.toSorted((a, b) => compareText(a.place, b.place));
}

// Those whose privileges are ours to judge.
function knownRoles(model: AccessModel, database: DatabaseAccess): ReadonlySet<string> {
  return new Set([
    'public',
    ...model.identityRoles,
    ...database.identityRoles,
    ...model.tables.flatMap((table) => Object.keys(table.grants)),
  ]);
}

function differencesOfTable(
  table: TableAccess,
  relation: Relation,
  { database, normalised }: ComparedAccess,
  known: ReadonlySet<string>,
): readonly Difference[] {
  const place = placeOf(table);
  const written = normalised.get(qualifiedName(table)) ?? new Map<string, NormalisedPolicy>();
  const mine = relation.held.filter(({ role }) => known.has(role));
  return [
    ...(table.rowSecurity && !relation.rowSecurity
      ? [
          {
            place,
            kind: 'row level security off' as const,
            what: 'no policy is enforced: row level security is off',
          },
        ]
      : []),
    ...(table.forced === relation.forced
      ? []
      : [
          {
            place,
            kind: 'owner' as const,
            what: table.forced
              ? 'its owner passes the policies by in the database; the schema says that it is bound'
              : 'its owner is bound by the policies in the database; the schema does not ask for it',
          },
        ]),
    ...table.policies.flatMap((policy) =>
      differencesOfPolicy(policy, relation, written.get(policy.name), database.owner).map((difference) => ({
        place,
        ...difference,
      })),
    ),
    ...relation.policies
      .filter(({ name }) => !table.policies.some((policy) => policy.name === name))
      .map((policy) => strangePolicy(place, policy)),
    ...differencesOfPrivileges(table.grants, mine).map((difference) => ({ place, ...difference })),
    ...differencesOfSequences(
      table,
      relation.sequences.filter(({ role }) => known.has(role)),
    ).map((difference) => ({ place, ...difference })),
    ...(relation.rowSecurity ? [] : openTo(relation, database, known)),
  ];
}

type Finding = Omit<Difference, 'place'>;

function differencesOfPolicy(
  policy: PolicyDefinition,
  relation: Relation,
  written: NormalisedPolicy | undefined,
  owner: string,
): readonly Finding[] {
  const name = `the policy "${policy.name}"`;
  const enforced = relation.policies.find((each) => each.name === policy.name);
  if (enforced === undefined) return [{ kind: 'policy missing', what: `${name} is in the schema alone` }];
  const changed = (what: string): Finding => ({ kind: 'policy changed', what: `${name} ${what}` });
  const found: Finding[] = [];
  const sides = (here: string, there: string): string => `${here} in the database; the schema says ${there}`;

  if (enforced.for !== policy.for) found.push(changed(sides(`is for ${enforced.for}`, policy.for)));
  if (enforced.as !== policy.as) found.push(changed(sides(`is ${enforced.as}`, policy.as)));
  const roles = namesOf(policy.to, owner);
  const enforcedRoles = namesOf(enforced.to, owner);
  if (enforcedRoles !== roles) found.push(changed(sides(`is for ${enforcedRoles}`, roles)));
  if (written === undefined) return found;
  if ('refused' in written) return [...found, changed(`cannot be compared: ${written.refused}`)];
  for (const [side, words] of [
    ['using', 'USING'],
    ['withCheck', 'WITH CHECK'],
  ] as const) {
    const [here, there] = [enforced[side], written[side]];
    if (here !== there) {
      found.push(changed(sides(`has ${words} ${here ?? 'nothing'}`, there ?? 'nothing')));
    }
  }
  return found;
}

// Among roles that include everybody, PostgreSQL keeps everybody alone.
function namesOf(to: readonly string[], owner: string): string {
  if (to.includes('public')) return 'everybody';
  const names = to.map((role) => (isRoleKeyword(role) ? owner : role));
  return [...new Set(names)].toSorted(compareText).join(', ');
}

function strangePolicy(place: string, { name, as, for: command, to }: EnforcedPolicy): Difference {
  const effect = as === 'permissive' ? 'permits' : 'restricts';
  const roles = to.map(who).toSorted(compareText).join(', ');
  return {
    place,
    kind: 'policy unknown',
    what: `the policy "${name}", which ${effect} ${command === 'all' ? 'everything' : command} for ${roles}, is in the database alone`,
  };
}

/** By privilege: `true` for the whole relation, or the columns. */
type DeclaredPrivileges = Readonly<Record<string, true | readonly string[]>>;

function differencesOfPrivileges(
  grants: Readonly<Record<string, DeclaredPrivileges>>,
  held: readonly Held[],
): readonly Finding[] {
  const roles = [...new Set([...Object.keys(grants), ...held.map(({ role }) => role)])].toSorted(compareText);
  return roles.flatMap((role) => {
    const declared = grants[role] ?? {};
    const mine = held.filter((each) => each.role === role);
    const whole = new Set(mine.filter(({ on }) => on === null).map(({ privilege }) => privilege));
    const declares = ({ privilege, on }: Held): boolean => {
      const columns = Object.entries(declared).find(([name]) => name === privilege)?.[1];
      return columns === true || (columns !== undefined && on !== null && columns.includes(on));
    };
    const missing = Object.entries(declared).flatMap(([privilege, columns]) => {
      if (whole.has(privilege)) return [];
      if (columns === true) return [privilege];
      const lacking = columns.filter(
        (column) => !mine.some((each) => each.privilege === privilege && each.on === column),
      );
      return lacking.length > 0 ? [`${privilege} (${lacking.join(', ')})`] : [];
    });
    const unknown = mine.filter((each) => !declares(each));
    const passedOn = mine.filter(({ grantable }) => grantable);
    return [
      ...(missing.length > 0
        ? [
            {
              kind: 'privilege missing' as const,
              what: `${who(role)} may not ${missing.join(', ')} in the database; the schema says yes`,
            },
          ]
        : []),
      ...(unknown.length > 0
        ? [
            {
              kind: 'privilege unknown' as const,
              what: `${who(role)} may ${wordsOf(unknown)} in the database; the schema says no`,
            },
          ]
        : []),
      ...(passedOn.length > 0
        ? [
            {
              kind: 'privilege unknown' as const,
              what: `${who(role)} may give others ${wordsOf(passedOn)} in the database; the schema says no`,
            },
          ]
        : []),
    ];
  });
}

/** `SELECT, UPDATE (title, done)`, in the order in which a GRANT names them. */
function wordsOf(held: readonly Held[]): string {
  const order = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'];
  const rank = (privilege: string): number =>
    (order.indexOf(privilege) + order.length + 1) % (order.length + 1);
  const privileges = [...new Set(held.map(({ privilege }) => privilege))];
  return privileges
    .toSorted((a, b) => rank(a) - rank(b) || compareText(a, b))
    .map((privilege) => {
      const mine = held.filter((each) => each.privilege === privilege);
      const columns = mine.flatMap(({ on }) => (on === null ? [] : [on]));
      return columns.length === mine.length ? `${privilege} (${columns.join(', ')})` : privilege;
    })
    .join(', ');
}

function differencesOfSequences(table: TableAccess, held: readonly Held[]): readonly Finding[] {
  const inserting = Object.entries(table.grants).flatMap(([role, { INSERT }]) => (INSERT ? [role] : []));
  const missing = table.serialColumns.flatMap((column) =>
    inserting
      .filter((role) => !held.some((each) => each.role === role && each.on === column))
      .map((role) => ({
        kind: 'privilege missing' as const,
        what: `${who(role)} may not use the sequence of ${column} in the database; the schema says yes`,
      })),
  );
  const unknown = held
    .filter(
      ({ role, privilege, on }) =>
        privilege !== 'USAGE' || !inserting.includes(role) || !table.serialColumns.includes(on ?? ''),
    )
    .map(({ role, privilege, on }) => ({
      kind: 'privilege unknown' as const,
      what: `${who(role)} has ${privilege} on the sequence of ${on ?? ''} in the database; the schema says no`,
    }));
  return [...missing, ...unknown];
}

function differencesOfDerived(
  { kind, grantees, ...name }: DerivedAccess,
  relation: Relation | undefined,
  known: ReadonlySet<string>,
): readonly Difference[] {
  const place = placeOf(name);
  if (relation === undefined) return [{ place, kind: 'table missing', what: 'is in the schema alone' }];
  const declared = Object.fromEntries(
    grantees.map((role) => [role, { [derivedPrivilege[kind]]: true as const }]),
  );
  const held = relation.held.filter(({ role }) => known.has(role));
  return [
    ...(kind === 'view' && !relation.isInvoker
      ? [
          {
            place,
            kind: 'open without a policy' as const,
            what: "it reads with its owner's rights in the database; the schema says security_invoker",
          },
        ]
      : []),
    ...differencesOfPrivileges(declared, held).map((finding) => ({ place, ...finding })),
  ];
}

// The auth schema is nobody's to read, also without a seal.
function differencesOfStranger(
  relation: Relation,
  { database, authSchema }: { readonly database: DatabaseAccess; readonly authSchema: string },
  known: ReadonlySet<string>,
): readonly Difference[] {
  const place = placeOf(relation);
  const policies = relation.policies
    .filter(({ to }) => to.some((role) => known.has(role)))
    .map((policy) => strangePolicy(place, policy));
  if (relation.schema === authSchema) {
    const held = relation.held.filter(({ role }) => known.has(role));
    return [...policies, ...differencesOfPrivileges({}, held).map((finding) => ({ place, ...finding }))];
  }
  return relation.isTable && !relation.rowSecurity
    ? [...policies, ...openTo(relation, database, known)]
    : policies;
}

function openTo(
  relation: Relation,
  { schemas }: DatabaseAccess,
  known: ReadonlySet<string>,
): readonly Difference[] {
  const visitors = [...known].filter((role) => mayEnter(schemas, relation.schema, role));
  // What everybody may do is done by those who may enter the schema.
  const mine = relation.held.filter(
    ({ role }) => visitors.includes(role) || (role === 'public' && visitors.length > 0),
  );
  return [...new Set(mine.map(({ role }) => role))].toSorted(compareText).map((role) => ({
    place: placeOf(relation),
    kind: 'open without a policy' as const,
    what: `${who(role)} may ${wordsOf(mine.filter((each) => each.role === role))} every row: row level security is off`,
  }));
}

function differencesOfSchemas(model: AccessModel, { schemas }: DatabaseAccess): readonly Difference[] {
  const needed = new Map<string, Set<string>>([[model.authSchema, new Set(model.identityRoles)]]);
  for (const table of model.tables) {
    const roles = needed.get(table.schema) ?? new Set();
    needed.set(table.schema, roles);
    for (const role of Object.keys(table.grants)) roles.add(role);
  }
  for (const { schema, grantees } of model.derived) {
    needed.set(schema, new Set([...(needed.get(schema) ?? []), ...grantees]));
  }
  return [...needed].flatMap(([schema, roles]) =>
    [...roles].toSorted(compareText).flatMap((role) => {
      return mayEnter(schemas, schema, role)
        ? []
        : [
            {
              place: `schema ${schema}`,
              kind: 'privilege missing' as const,
              what: `${who(role)} may not enter it in the database; the schema says yes`,
            },
          ];
    }),
  );
}

function mayEnter(schemas: readonly Held[], schema: string, role: string): boolean {
  return schemas.some(
    (held) =>
      held.on === schema && held.privilege === 'USAGE' && (held.role === role || held.role === 'public'),
  );
}

function differencesOfRoles(model: AccessModel, database: DatabaseAccess): readonly Difference[] {
  const finding = (what: string): Difference => ({ place: 'roles', kind: 'role', what });
  return [
    ...[...new Set([...model.identityRoles, ...model.declaredRoles])]
      .filter((role) => !database.roles.includes(role))
      .map((role) => finding(`${role} does not exist in the database`)),
    ...model.identityRoles
      .filter((role) => !database.identityRoles.includes(role))
      .map((role) =>
        finding(`${role} is an identity role in the schema alone: it gets no error without a seal`),
      ),
    ...database.identityRoles
      .filter((role) => !model.identityRoles.includes(role))
      .map((role) => finding(`${role} is an identity role in the database alone`)),
  ];
}

function who(role: string): string {
  return role === 'public' ? 'everybody' : role;
}

function placeOf({ schema, name }: TableName): string {
  return `${schema}.${name}`;
}
