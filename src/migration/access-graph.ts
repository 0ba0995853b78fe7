import type { AccessModel, TableAccess } from './access-model.ts';
import type { TablePrivileges } from './grants.ts';
import type { PolicyDefinition } from './policy-definition.ts';
import { relationsRead, type Reads } from './relations-read.ts';
import { compareText, qualifiedName, type TableName } from './table-name.ts';
import type { ViewDefinition } from './view-definitions.ts';

export type Command = 'select' | 'insert' | 'update' | 'delete';

/** A policy of which Postgres asks something when a role runs a command on its table. */
interface AppliedPolicy {
  readonly policy: PolicyDefinition;
  /** The tables that the expressions read which are asked, views followed that read as whoever asks. */
  readonly reads: readonly TableAccess[];
  /** Those of them on which the role needs SELECT: Postgres never comes to what stands beside `or true`. */
  readonly needs: readonly TableAccess[];
}

/** Which tables lead to which others, by the policies that Postgres asks. */
export interface AccessGraph {
  /** Roles that have a privilege on some table, identity roles included; everybody's privileges are theirs, too. */
  readonly roles: readonly string[];
  may(role: string, command: Command, table: TableAccess): boolean;
  /** @see https://www.postgresql.org/docs/current/sql-createpolicy.html, "Policies applied by command type" */
  applied(role: string, command: Command, table: TableAccess): readonly AppliedPolicy[];
  /** The policy has a sub-select, in whichever of its expressions. */
  hasSubselect(policy: PolicyDefinition): boolean;
  /** The tables of the schema that a view reads itself, or through views that read as whoever asks. */
  tablesOf(view: ViewDefinition): readonly TableAccess[];
}

export function createAccessGraph(
  model: Omit<AccessModel, 'derived'>,
  views: readonly ViewDefinition[],
): AccessGraph {
  const tables = new Map(model.tables.map((table) => [qualifiedName(table), table]));
  const invokers = new Map(
    views.flatMap((view) => (view.kind === 'invoker' ? [[qualifiedName(view), view] as const] : [])),
  );
  const expressions = model.tables.flatMap(({ policies }) =>
    policies.flatMap(({ using, withCheck }) => [using, withCheck].filter((text) => text !== undefined)),
  );
  const known = relationsRead([...expressions, ...views.map(({ query }) => query)]);
  const readsOf = (text: string | undefined): Reads | undefined =>
    text === undefined ? undefined : known.get(text);

  const behind = (relations: readonly TableName[], seen: ReadonlySet<string>): readonly TableAccess[] =>
    relations.flatMap((relation) => {
      const key = qualifiedName(relation);
      const view = invokers.get(key);
      if (view && !seen.has(key)) {
        return behind(readsOf(view.query)?.relations ?? [], new Set([...seen, key]));
      }
      const table = tables.get(key);
      return table ? [table] : [];
    });
  const tablesRead = (texts: readonly (string | undefined)[]): readonly TableAccess[] => [
    ...new Set(
      behind(
        texts.flatMap((text) => readsOf(text)?.relations ?? []),
        new Set(),
      ),
    ),
  ];

  return {
    roles: [
      ...new Set([...model.identityRoles, ...model.tables.flatMap((table) => Object.keys(table.grants))]),
    ]
      .filter((role) => role !== 'public')
      .toSorted(compareText),
    may: (role, command, { grants }) => holds(grants[role], command) || holds(grants['public'], command),
    applied: (role, command, { policies }) => {
      const asked = expressionsAsked(
        command,
        policies.filter(
          (policy) =>
            (policy.to.includes(role) || policy.to.includes('public')) &&
            (policy.for === 'all' || policy.for === command),
        ),
      );
      return policies.flatMap((policy) => {
        const own = asked.filter((each) => each.policy === policy);
        if (own.length === 0) return [];
        const texts = (all: readonly AskedExpression[]): readonly string[] => all.map(({ text }) => text);
        return [
          {
            policy,
            reads: tablesRead(texts(own)),
            needs: tablesRead(texts(own.filter(({ moot }) => !moot))),
          },
        ];
      });
    },
    hasSubselect: ({ using, withCheck }) =>
      [using, withCheck].some((text) => readsOf(text)?.subselect === true),
    tablesOf: (view) => tablesRead([view.query]),
  };
}

function holds(held: TablePrivileges | undefined, command: Command): boolean {
  switch (command) {
    case 'select':
      return held?.SELECT !== undefined;
    case 'insert':
      return held?.INSERT !== undefined;
    case 'update':
      return held?.UPDATE !== undefined;
    default:
      return held?.DELETE !== undefined;
  }
}

interface AskedExpression {
  readonly policy: PolicyDefinition;
  readonly text: string;
  /** Another expression is a constant that decides. */
  readonly moot: boolean;
}

// Rows that are there and rows that come are asked about apart.
function expressionsAsked(
  command: Command,
  policies: readonly PolicyDefinition[],
): readonly AskedExpression[] {
  const ask = (
    expression: (policy: PolicyDefinition) => string | undefined,
  ): readonly Omit<AskedExpression, 'moot'>[] => {
    const asked = policies.flatMap((policy) => {
      const text = expression(policy);
      return text === undefined ? [] : [{ policy, text }];
    });
    // Without a policy that lets rows through there is nothing to hold back: Postgres asks none.
    return asked.some(({ policy }) => policy.as === 'permissive') ? asked : [];
  };
  return [
    ...(command === 'insert' ? [] : [ask(({ using }) => using)]),
    ...(command === 'insert' || command === 'update'
      ? [ask(({ using, withCheck }) => withCheck ?? using)]
      : []),
  ].flatMap((asked) => {
    const is = (as: PolicyDefinition['as'], constant: string): boolean =>
      asked.some(({ policy, text }) => policy.as === as && constantOf(text) === constant);
    const [open, shut] = [is('permissive', 'true'), is('restrictive', 'false')];
    return asked.map(({ policy, text }) => ({
      policy,
      text,
      moot: shut || (open && policy.as === 'permissive'),
    }));
  });
}

function constantOf(text: string): string | undefined {
  return /^[\s(]*(?:coalesce\()?(true|false)(?:,\s*false\))?[\s)]*$/i.exec(text)?.[1]?.toLowerCase();
}
