import {
  AuthorizeError,
  type ErrorCode,
  errorCodes,
  isAuthorizeError,
  KeySetError,
  StatementError,
  TokenError,
} from '../errors.ts';

interface NeonDbErrorLike extends Error {
  readonly code: string | undefined;
  readonly detail: string | undefined;
  readonly hint: string | undefined;
  readonly sourceError: Error | undefined;
}

/**
 * What a caller is told of an error of the client. A refusal of our gateway, which arrives as an error of PostgreSQL with
 * our code in `detail`, becomes the error that a verifier here would have thrown; what never got an answer becomes
 * `ERR_DATABASE_UNREACHABLE`. Errors of PostgreSQL stay as they are.
 */
export function neonFailure(error: unknown): unknown {
  if (isAuthorizeError(error) || !isNeonDbError(error)) return error;
  const { code, detail, hint, sourceError } = error;
  if (sqlStatesOfRefusals.has(code) && isErrorCode(detail)) {
    return new (classOf(detail))(detail, error.message, { cause: error, ...(hint && { hint }) });
  }
  // An abort by the caller has another class.
  if (sourceError instanceof TypeError) {
    return new AuthorizeError('ERR_DATABASE_UNREACHABLE', 'the SQL endpoint cannot be reached', {
      cause: sourceError,
      hint: 'check the connection string that neon() was given, and neonConfig.fetchEndpoint if it is set',
    });
  }
  // The client's message quotes the connection string.
  if (code === undefined && /connection string/iu.test(error.message)) {
    return new AuthorizeError('ERR_DATABASE_UNREACHABLE', 'the connection string of neon() is not a URL');
  }
  return error;
}

// The classes of PostgreSQL's errors under which the gateway refuses. @see gateway/http/error-body.ts
const sqlStatesOfRefusals: ReadonlySet<string | undefined> = new Set(['28000', '42501']);

// By name: the client can be installed twice.
function isNeonDbError(error: unknown): error is NeonDbErrorLike {
  return error instanceof Error && error.name === 'NeonDbError';
}

function isErrorCode(text: string | undefined): text is ErrorCode {
  return text !== undefined && Object.hasOwn(errorCodes, text);
}

function classOf(code: ErrorCode): typeof AuthorizeError {
  if (code.startsWith('ERR_TOKEN_') || code.startsWith('ERR_PROVIDER_')) return TokenError;
  if (code.startsWith('ERR_KEY_SET_')) return KeySetError;
  return code.startsWith('ERR_STATEMENT_') ? StatementError : AuthorizeError;
}
