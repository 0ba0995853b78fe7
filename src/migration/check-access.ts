import { AuthorizeError } from '../errors.ts';
import { createAccessGraph, type AccessGraph, type Command } from './access-graph.ts';
import type { AccessModel, TableAccess } from './access-model.ts';
import { findCycle } from './policy-cycles.ts';
import type { PolicyDefinition } from './policy-definition.ts';
import { isRoleKeyword } from './quote-role.ts';
import { compareText, qualifiedName, type TableName } from './table-name.ts';
import type { ViewDefinition } from './view-definitions.ts';

export interface CheckAccessOptions {
  /** Names of views that may show what policies hide. */
  readonly ownerViews?: readonly string[] | undefined;
}

/**
 * Refuses what Postgres would take and then never carry out, and views that pass policies by.
 *
 * @throws AuthorizeError `ERR_POLICY_INVALID` for a policy with which every statement of a role fails, or that nobody
 *   can use; `ERR_VIEW_UNPROTECTED` for a view that shows what policies hide
 * @throws TypeError when `ownerViews` names something that is none
 */
export function checkAccess(
  model: AccessModel,
  views: readonly ViewDefinition[],
  { ownerViews = [] }: CheckAccessOptions = {},
): void {
  for (const table of model.tables) {
    refuseUnusablePolicies(table);
    refuseBoundMemberships(model, table);
  }
  const graph = createAccessGraph(model, views);
  for (const table of model.tables) {
    if (!table.rowSecurity) continue;
    for (const role of graph.roles) {
      for (const command of commands) {
        if (!graph.may(role, command, table)) continue;
        refuseUnreadableTables(graph, role, command, table);
        refuseCycle(graph, role, command, table);
      }
    }
  }
  refuseOwnerViews(graph, views, ownerViews);
}

const commands: readonly Command[] = ['select', 'insert', 'update', 'delete'];

// Postgres checks the privilege on what a policy reads as that of whoever asks, and before it looks at a row.
function refuseUnreadableTables(
  graph: AccessGraph,
  role: string,
  command: Command,
  table: TableAccess,
): void {
  for (const { policy, needs } of graph.applied(role, command, table)) {
    const closed = needs.find((read) => !graph.may(role, 'select', read));
    if (!closed) continue;
    throw new AuthorizeError(
      'ERR_POLICY_INVALID',
      `the policy "${policy.name}" on ${place(table)} reads ${place(closed)}, on which ${role} has no SELECT`,
      { hint: `Give ${place(closed)} a select policy for ${role}.` },
    );
  }
}

function refuseCycle(graph: AccessGraph, role: string, command: Command, table: TableAccess): void {
  const cycle = findCycle(graph, role, command, table);
  const [first] = cycle ?? [];
  if (!cycle || !first) return;
  const way = cycle.map((step) => `${place(step.table)} "${step.policy.name}" → `).join('');
  throw new AuthorizeError(
    'ERR_POLICY_INVALID',
    `Postgres would refuse every ${command} of ${role} on ${place(table)} as infinite recursion: ${way}${place(first.table)}`,
    { hint: 'Read one of the tables through memberOf(), which asks no policy.' },
  );
}

// An update that no policy lets at a row changes none, whatever it may make of it. What has neither expression, or no
// role, is refused by the model.
function refuseUnusablePolicies(table: TableAccess): void {
  for (const policy of table.policies) {
    if (policy.as === 'restrictive' || policy.for !== 'update' || policy.using !== undefined) continue;
    const alone = policy.to.every((role) => !table.policies.some((other) => letsUpdate(other, role)));
    if (!alone) continue;
    throw new AuthorizeError(
      'ERR_POLICY_INVALID',
      `the policy "${policy.name}" on ${place(table)} lets nobody update a row: it has no using, nor has another policy for ${policy.to.join(', ')}`,
      { hint: 'Say in using which rows may be changed.' },
    );
  }
}

// What memberOf() makes reads with the rights of an owner that FORCE has bound to the policies as well.
function refuseBoundMemberships(model: AccessModel, table: TableAccess): void {
  for (const policy of table.policies) {
    for (const read of policy.functions.flatMap(({ reads }) => reads)) {
      const bound = model.tables.find(
        (other) => other.forced && qualifiedName(other) === qualifiedName(read) && !letsOwnerRead(other),
      );
      if (!bound) continue;
      throw new AuthorizeError(
        'ERR_POLICY_INVALID',
        `the policy "${policy.name}" on ${place(table)} asks memberOf() of ${place(bound)}, which binds its owner and shows it no row`,
        { hint: `Give ${place(bound)} a select policy for current_user with \`true\`, or do not force it.` },
      );
    }
  }
}

function letsOwnerRead({ policies }: TableAccess): boolean {
  return policies.some(
    (policy) =>
      policy.as === 'permissive' &&
      (policy.for === 'select' || policy.for === 'all') &&
      policy.using !== undefined &&
      policy.to.some(isRoleKeyword),
  );
}

function letsUpdate(policy: PolicyDefinition, role: string): boolean {
  return (
    policy.as === 'permissive' &&
    (policy.for === 'update' || policy.for === 'all') &&
    policy.using !== undefined &&
    (role === 'public' || policy.to.includes(role) || policy.to.includes('public'))
  );
}

function refuseOwnerViews(
  graph: AccessGraph,
  views: readonly ViewDefinition[],
  intended: readonly string[],
): void {
  const open = new Map<string, readonly [ViewDefinition, TableAccess]>();
  for (const view of views) {
    if (view.kind === 'invoker') continue;
    const shown = graph.tablesOf(view).find((table) => table.rowSecurity);
    if (shown) open.set(qualifiedName(view), [view, shown]);
  }
  const named = new Map(intended.map((name) => [qualifiedName(viewName(name)), name]));
  for (const [key, name] of named) {
    if (open.has(key)) continue;
    throw new TypeError(
      `withAuthorize: ownerViews names '${name}', and the schema has no such view that passes policies by`,
    );
  }
  for (const [key, [view, table]] of [...open].toSorted(([a], [b]) => compareText(a, b))) {
    if (named.has(key)) continue;
    const name = view.schema === 'public' ? view.name : `${view.schema}.${view.name}`;
    const allow = `name it in withAuthorize(config, { ownerViews: ['${name}'] })`;
    throw new AuthorizeError(
      'ERR_VIEW_UNPROTECTED',
      view.kind === 'owner'
        ? `the view ${place(view)} reads ${place(table)} with its owner's rights, past the policies`
        : `the materialized view ${place(view)} keeps rows of ${place(table)} past the policies`,
      {
        hint:
          view.kind === 'owner'
            ? `Add .with({ securityInvoker: true }), or ${allow} if that is meant.`
            : `If that is meant, ${allow}.`,
      },
    );
  }
}

function viewName(name: string): TableName {
  const dot = name.indexOf('.');
  return dot === -1 ? { schema: 'public', name } : { schema: name.slice(0, dot), name: name.slice(dot + 1) };
}

function place({ schema, name }: TableName): string {
  return `${schema}.${name}`;
}
