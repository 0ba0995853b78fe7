import { firstKeyword } from '../database/first-keyword.ts';
import type { Observe, Watched } from '../observe.ts';
import type { IdentitySource } from './bearer.ts';
import type { PostgresClient } from './postgres-js-connection.ts';
import type { SealedClient } from './postgres-js-sealed.ts';
import type { Statements } from './with-auth-options.ts';

/** Whose a client is, and what that person may do with it. */
export interface Person {
  readonly client: PostgresClient;
  readonly sealed: SealedClient;
  readonly identity: IdentitySource;
  readonly role: string;
  readonly statements: Statements;
  readonly observe: Observe | undefined;
}

/** How a statement of the person is told to an observer. */
export function watched<Result>(
  { role }: Person,
  text: string,
  rowsOf: (result: Result) => number | null,
): Watched<Result> {
  const statement = (): string => firstKeyword(text).toUpperCase();
  return {
    entry: 'postgres-js',
    role,
    statement,
    outcomes: (result) => [{ statement: statement(), rows: rowsOf(result) }],
  };
}
