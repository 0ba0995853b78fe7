import type { History } from '../history.ts';

/** One kind of change to a schema: a row of the table that the suites go through. */
export interface Change extends History {
  /** A sentence. */
  readonly name: string;
  /** Runs in `npm test`, together with others, and not in `npm run test:full` alone. */
  readonly often?: true;
}

/** An exported table with an id, the person whose row it is, and whatever else is given. */
export function table(name: string, policies = '', columns = '', schema = 'pgTable'): string {
  return `export const ${name} = ${schema}('${name}', {
    id: integer().primaryKey(), userId: text('user_id'), ${columns}
  }, (t) => [${policies}]);`;
}

/** A policy for `authenticated` that lets the owner of a row read it, or whoever the expression says. */
export function view(using = 'authUid(t.userId)', name = 'view'): string {
  return `selectPolicy('${name}', { to: authenticatedRole, using: ${using} })`;
}
