import { is } from 'drizzle-orm/entity';
import { SQL, sql, type SQLChunk } from 'drizzle-orm/sql/sql';

import { withLiterals } from './literals.ts';
import { rawOfAuth } from './metadata.ts';

const callKey = Symbol.for('drizzle-authorize:call');

/** SQL text that calls an identity function, marked so that {@link policyExpression} can hoist it. */
export function callOfAuth<T>(name: string, authSchema: string): SQL<T> {
  const call = sql<T>`${rawOfAuth(`${authSchema}.${name}`, authSchema)}`;
  Object.defineProperty(call, callKey, { value: true });
  return call;
}

/**
 * The expression as it goes into a policy: values become literals (drizzle-kit would write `$1`), and each
 * identity call becomes a sub-select of its own, which Postgres evaluates once a statement.
 * The caller's own object is left as it was.
 *
 * @throws TypeError for a value that has no literal
 */
export function policyExpression(expression: SQL): SQL {
  return sql`${withLiterals(hoistCalls(expression))}`.inlineParams();
}

function hoistCalls(expression: SQL): SQL {
  if (Reflect.get(expression, callKey) === true) return sql`(select ${expression})`;
  return new SQL(expression.queryChunks.map(hoistChunk));
}

function hoistChunk(chunk: SQLChunk): SQLChunk {
  if (Array.isArray(chunk)) return chunk.map(hoistChunk);
  return is(chunk, SQL) ? hoistCalls(chunk) : chunk;
}
