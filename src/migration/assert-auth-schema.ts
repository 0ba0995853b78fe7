import { is, SQL, type SQLChunk } from 'drizzle-orm';

import { AuthorizeError } from '../errors.ts';
import { authSchemaOf } from '../policy/metadata.ts';

/**
 * Refuses an expression in which a helper of ours calls functions of another auth schema than the migrations make: it would
 * fail, or ask somebody else's. What is written in plain SQL is left alone.
 *
 * @param place what messages call the expression
 * @throws AuthorizeError `ERR_AUTH_SCHEMA`
 */
export function assertAuthSchema(expression: SQL, authSchema: string, place: string): void {
  const other = schemasIn(expression).find((schema) => schema !== authSchema);
  if (other === undefined) return;
  throw new AuthorizeError(
    'ERR_AUTH_SCHEMA',
    `${place} asks the auth schema ${other}, and withAuthorize() says ${authSchema}`,
    {
      hint:
        authSchema === 'auth'
          ? `Give withAuthorize() the option { authSchema: '${other}' }.`
          : `Take auth, authUid and memberOf from createAuth({ schema: '${authSchema}' }).`,
    },
  );
}

function schemasIn(chunk: SQLChunk): readonly string[] {
  if (Array.isArray(chunk)) return chunk.flatMap(schemasIn);
  if (is(chunk, SQL)) return chunk.queryChunks.flatMap(schemasIn);
  const schema = authSchemaOf(chunk);
  return schema === undefined ? [] : [schema];
}
