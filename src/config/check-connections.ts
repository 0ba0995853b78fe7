import { urlVariable } from '../database/url-variable.ts';
import { isFields, pathOf, type Fields, type Problems } from './fields.ts';

/** Where connections and secrets come from that the file does not give. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** How a role that is served reaches the database. */
export interface RoleConnection {
  readonly role: string;
  /** Holds the role's password. */
  readonly url: string;
  /** What messages call the URL: the variable or the field that it comes from. */
  readonly source: string;
}

/** A role to serve, with the field that asks for it. */
interface Served {
  readonly role: string;
  readonly path: string;
}

/** One connection for each role that is served. They lead to one database. */
export function checkConnections(
  roles: unknown,
  given: unknown,
  environment: Environment,
  problems: Problems,
): readonly RoleConnection[] {
  if (given !== undefined && !isFields(given)) {
    problems.report('database.connections', 'must be an object with a URL for each role');
    return [];
  }
  const connections = servedRoles(roles, given, environment, problems).flatMap((served) => {
    const connection = connectionOf(served, given, environment, problems);
    return connection ? [connection] : [];
  });
  const [database, ...others] = connections.map(({ url }) => databaseOf(url));
  if (others.some((other) => other !== database)) {
    problems.report('database.connections', 'must lead to one database, and not to several');
  }
  return connections;
}

function servedRoles(
  roles: unknown,
  given: Fields | undefined,
  environment: Environment,
  problems: Problems,
): readonly Served[] {
  if (roles === undefined) {
    const standard = ['authenticated', 'anonymous'].filter((role) => environment[urlVariable(role)]);
    const served = given === undefined ? standard : Object.keys(given);
    if (served.length === 0) {
      problems.report(
        'database.connections',
        'has none; set DATABASE_AUTHENTICATED_URL, which drizzle-authorize setup writes',
      );
    }
    return served.map((role) => ({ role, path: pathOf('database.connections', role) }));
  }
  if (!Array.isArray(roles) || roles.length === 0) {
    problems.report('roles', 'must be a list of roles with at least one');
    return [];
  }
  return roles.flatMap((role: unknown, index) => {
    const path = `roles[${index}]`;
    if (typeof role !== 'string' || role === '') problems.report(path, 'must be the name of a role');
    else if (roles.indexOf(role) !== index) problems.report(path, 'is there twice');
    else return [{ role, path }];
    return [];
  });
}

function connectionOf(
  { role, path }: Served,
  given: Fields | undefined,
  environment: Environment,
  problems: Problems,
): RoleConnection | undefined {
  const variable = urlVariable(role);
  const field = pathOf('database.connections', role);
  const isGiven = given !== undefined && Object.hasOwn(given, role);
  const url = isGiven ? given[role] : environment[variable];
  if (url === undefined || url === '') {
    return isGiven
      ? problems.report(field, 'is empty; is the variable that it comes from set?')
      : problems.report(path, `has no connection; set ${variable} or ${field}`);
  }
  const source = isGiven ? field : variable;
  const login = typeof url === 'string' ? loginOf(url) : undefined;
  if (typeof url !== 'string' || login === undefined) {
    return problems.report(source, 'must be a postgres:// URL that names a database');
  }
  if (login !== role) return problems.report(source, `must log in as '${role}'`);
  return { role, url, source };
}

/** Whom a connection URL logs in; undefined when it is none. */
function loginOf(text: string): string | undefined {
  try {
    const { protocol, username, pathname } = new URL(text);
    const isWhole = /^postgres(?:ql)?:$/u.test(protocol) && decodeURIComponent(pathname).length > 1;
    return isWhole ? decodeURIComponent(username) : undefined;
  } catch {
    return undefined;
  }
}

function databaseOf(url: string): string {
  return decodeURIComponent(new URL(url).pathname);
}
