import { defaultAuthSchema } from '../auth-schema.ts';
import { derivedPrivilege, type DerivedAccess } from './derived-access.ts';
import { privilegesFor, type Privilege, type TablePrivileges } from './grants.ts';
import type { MigrationState, PolicyState, TableState } from './migration-state.ts';
import { compareText, qualifiedName } from './table-name.ts';

/**
 * What changes about access between two states, one line each, for whoever reviews it: by role, table and command,
 * whether it is granted, widened, narrowed, revoked or rewritten, and by what.
 *
 * @param tables drizzle-kit's tables before the change, by qualified name: those that no state knows were there
 * before us, with privileges of their own
 */
export function changeWords(
  previous: MigrationState,
  next: MigrationState,
  tables: Pick<ReadonlySet<string>, 'has'>,
): readonly string[] {
  const [before, after] = [byName(previous), byName(next)];
  const keys = [...new Set([...before.keys(), ...after.keys()])].toSorted(compareText);
  const lines = [
    ...missing(next.identityRoles, previous.identityRoles).map(
      (role) => `${role}: is an identity role from now on`,
    ),
    ...missing(previous.identityRoles, next.identityRoles).map(
      (role) => `${role}: is no identity role any more`,
    ),
    ...keys.flatMap((key) => wordsOfTable(before.get(key), after.get(key), tables.has(key))),
    ...wordsOfFunctions(next, previous, 'granted'),
    ...wordsOfFunctions(previous, next, 'revoked'),
    ...wordsOfDerived(next.derived, previous.derived, 'granted'),
    ...wordsOfDerived(previous.derived, next.derived, 'revoked'),
  ];
  return lines.length > 0 ? lines : ['nobody gains or loses access'];
}

function byName({ tables }: MigrationState): ReadonlyMap<string, TableState> {
  return new Map(tables.map((table) => [qualifiedName(table), table]));
}

function missing(names: readonly string[], there: readonly string[]): readonly string[] {
  return names.filter((name) => !there.includes(name));
}

/** Who has the use of a view or a sequence in the first list and not in the second. */
function wordsOfDerived(
  list: readonly DerivedAccess[] = [],
  other: readonly DerivedAccess[] = [],
  verb: string,
): readonly string[] {
  return list.flatMap((one) => {
    const same = other.find((each) => qualifiedName(each) === qualifiedName(one));
    return missing(one.grantees, same?.grantees ?? []).map(
      (role) =>
        `${who(role)}: ${derivedPrivilege[one.kind]} on the ${one.kind} ${one.schema}.${one.name} ${verb}`,
    );
  });
}

/** The functions of policies, which read with their owner's rights what their caller belongs to. */
function wordsOfFunctions(
  { functions = {}, authSchema = defaultAuthSchema }: MigrationState,
  other: MigrationState,
  verb: string,
): readonly string[] {
  return Object.entries(functions).flatMap(([name, grantees]) =>
    missing(grantees, other.functions?.[name] ?? []).map(
      (role) => `${who(role)}: EXECUTE on the function ${authSchema}.${name}() ${verb}`,
    ),
  );
}

/** @param there drizzle-kit had the table before */
function wordsOfTable(
  was: TableState | undefined,
  becomes: TableState | undefined,
  there: boolean,
): readonly string[] {
  const { schema, name } = becomes ?? was ?? { schema: '', name: '' };
  const place = `${schema}.${name}`;
  if (becomes === undefined) return [`${place}: goes, and all access with it`];
  const roles = [...new Set([...Object.keys(was?.grants ?? {}), ...Object.keys(becomes.grants)])];
  const lines = roles
    .toSorted(compareText)
    .flatMap((role) =>
      wordsOfRole(role, place, { was: accessOf(was, role), becomes: accessOf(becomes, role) }),
    );
  // From a table that is new there is nothing to take.
  if (there && was === undefined) {
    lines.unshift(`${place}: what everybody and the identity roles were given on it before is taken back`);
  }
  if (becomes.forced && !was?.forced) lines.push(`${place}: binds its owner, too`);
  if (was?.forced && !becomes.forced) lines.push(`${place}: binds its owner no more`);
  const lost = Object.keys(was?.policies ?? {}).length > 0 && Object.keys(becomes.policies).length === 0;
  if (becomes.rowSecurity && lost) {
    lines.push(`${place}: keeps row level security, so that without a policy only its owner sees a row`);
  }
  return lines;
}

/** What one role may do on a table. */
interface RoleAccess {
  readonly privileges: TablePrivileges;
  /** Those that decide over its rows, by name. */
  readonly policies: Readonly<Record<string, PolicyState>>;
}

function accessOf(table: TableState | undefined, role: string): RoleAccess {
  return {
    privileges: table?.grants[role] ?? {},
    policies: Object.fromEntries(
      Object.entries(table?.policies ?? {}).filter(
        ([, { to }]) => to.includes(role) || to.includes('public'),
      ),
    ),
  };
}

interface AccessChange {
  readonly was: RoleAccess;
  readonly becomes: RoleAccess;
}

// Commands of which the same is to be said share a line.
function wordsOfRole(role: string, place: string, change: AccessChange): readonly string[] {
  const commands = new Map<string, string[]>();
  for (const command of privilegesFor.all) {
    const words = wordsOfCommand(command, change);
    if (words === undefined) continue;
    const columns = change.was.privileges[command] ? undefined : change.becomes.privileges[command];
    const named = Array.isArray(columns) ? `${command} (${columns.join(', ')})` : command;
    const others = commands.get(words);
    if (others) others.push(named);
    else commands.set(words, [named]);
  }
  return [...commands].map(([words, named]) => `${who(role)}: ${named.join(', ')} on ${place} ${words}`);
}

function who(role: string): string {
  return role === 'public' ? 'everybody' : role;
}

interface Cause {
  readonly effect: 'widened' | 'narrowed' | 'rewritten';
  readonly words: string;
}

function wordsOfCommand(command: Privilege, { was, becomes }: AccessChange): string | undefined {
  const [had, has] = [was.privileges[command], becomes.privileges[command]];
  if (had === undefined && has === undefined) return undefined;
  if (has === undefined) return 'revoked';
  const policies = policiesFor(command, becomes);
  if (had === undefined) return `granted ${grantWords(policies, becomes)}`;

  const causes = [
    ...columnCauses(had, has),
    ...policyCauses(policiesFor(command, was), policies, { was, becomes }),
  ];
  const [first] = causes;
  if (first === undefined) return undefined;
  const verb = causes.every(({ effect }) => effect === first.effect) ? first.effect : 'changed';
  return `${verb}: ${causes.map(({ words }) => words).join(', ')}`;
}

function policiesFor(command: Privilege, { policies }: RoleAccess): readonly string[] {
  return Object.keys(policies)
    .filter((name) => privilegesFor[policies[name]?.for ?? 'all'].includes(command))
    .toSorted(compareText);
}

function grantWords(names: readonly string[], { policies }: RoleAccess): string {
  const [permitting, holding] = [false, true].map((restrictive) =>
    names.filter((name) => (policies[name]?.restrictive ?? false) === restrictive).map(quoted),
  );
  return [
    `by ${permitting?.join(', ') ?? ''}`,
    ...(holding?.length ? [`held back by ${holding.join(', ')}`] : []),
  ].join(', ');
}

function columnCauses(had: true | readonly string[], has: true | readonly string[]): readonly Cause[] {
  if (JSON.stringify(had) === JSON.stringify(has)) return [];
  const gained = has === true || (had !== true && missing(has, had).length > 0);
  const lost = had === true || (has !== true && missing(had, has).length > 0);
  const list = (columns: true | readonly string[]): string =>
    columns === true ? 'every column' : columns.join(', ');
  return [
    {
      effect: gained && lost ? 'rewritten' : gained ? 'widened' : 'narrowed',
      words: `${list(has)} instead of ${list(had)}`,
    },
  ];
}

function policyCauses(
  had: readonly string[],
  has: readonly string[],
  { was, becomes }: AccessChange,
): readonly Cause[] {
  return [...new Set([...had, ...has])].toSorted(compareText).flatMap((name): readonly Cause[] => {
    const [old, recent] = [was.policies[name], becomes.policies[name]];
    if (!has.includes(name)) {
      return [{ effect: old?.restrictive ? 'widened' : 'narrowed', words: `without ${quoted(name)}` }];
    }
    if (!had.includes(name)) {
      const effect = recent?.restrictive ? 'narrowed' : 'widened';
      return [{ effect, words: `${recent?.restrictive ? 'held back by' : 'with'} ${quoted(name)}` }];
    }
    return old?.digest === recent?.digest ? [] : [{ effect: 'rewritten', words: quoted(name) }];
  });
}

function quoted(name: string): string {
  return `"${name}"`;
}
