/**
 * Every error that drizzle-authorize raises on purpose, with its stable code.
 *
 * Input that is refused (a token, a key, a connection, a request) is an {@link AuthorizeError}. A wrong
 * argument in a program is a `TypeError` that names the option. Errors of PostgreSQL pass unchanged.
 * Messages never contain a token, a key, a claim value, a row or a query parameter.
 */

/** What a stable `code` means; the table in README.md is made from this. */
export const errorCodes = {
  ERR_TOKEN_MALFORMED: 'the token is not a signed JWT, or it is too large',
  ERR_TOKEN_SIGNATURE: 'the signature does not match, or no key of the provider fits it',
  ERR_TOKEN_ALGORITHM: 'the token is signed with an algorithm that the provider does not allow',
  ERR_TOKEN_EXPIRED: 'the token has expired',
  ERR_TOKEN_NOT_YET_VALID: 'the token is not valid yet',
  ERR_TOKEN_ISSUER: 'the token was issued by somebody else than the provider says',
  ERR_TOKEN_AUDIENCE: 'the token was issued for another audience',
  ERR_TOKEN_CLAIM: 'a claim is missing, of the wrong type, or not as it must be',
  ERR_PROVIDER_UNKNOWN: 'no configured provider issues tokens like this one',
  ERR_PROVIDER_ROLE: 'the provider may not issue tokens for this role',
  ERR_KEY_SET_UNREACHABLE: 'the key set of the provider could not be fetched',
  ERR_KEY_SET_INVALID: 'the key set of the provider is not a usable JSON Web Key Set',
  ERR_KEY_MISSING: 'AUTHORIZE_KEY is not set',
  ERR_KEY_INVALID: 'AUTHORIZE_KEY is not 32 random bytes in base64url, or a list of such',
  ERR_KEY_NOT_INSTALLED: 'AUTHORIZE_KEY and the sealing keys in the database do not fit together',
  ERR_IDENTITY_INVALID: 'the identity cannot be sealed',
  ERR_ROLE_WITHOUT_CLIENT: 'no database client was given for this role',
  ERR_LOGIN_PRIVILEGED: 'the connection logs in as a role that row level security does not bind',
  ERR_LOGIN_ROLE: 'the connection logs in as another role than the identity role',
  ERR_SERVER_UNSUPPORTED: 'the PostgreSQL server is too old to be trusted with row level security',
  ERR_STATEMENT_REFUSED: 'the kind of statement is not allowed to an identity role',
  ERR_TRANSACTION_ENDED: 'the transaction that this handle belongs to has ended',
  ERR_CONNECTION_POOLED: 'the connection is handed on between statements, by a pooler',
  ERR_CONNECTION_IN_DOUBT: 'the connection was left in an unknown state and has been closed',
  ERR_MIGRATIONS_MISSING: 'the database does not have the auth schema yet',
  ERR_PRELUDE_VERSION: 'the auth schema is of a version that this release does not work with',
  ERR_MIGRATION_INCOMPLETE: 'the newest migration was not finished',
  ERR_MIGRATION_FAILED: 'PostgreSQL refuses a statement of a migration',
  ERR_SCHEMA_UNREADABLE: 'the Drizzle schema could not be loaded',
  ERR_POLICY_INVALID: 'a policy in the schema cannot be written to the database',
  ERR_VIEW_UNPROTECTED: 'a view in the schema shows what policies hide',
  ERR_KIT_UNSUPPORTED: 'drizzle-kit was asked for something that cannot be done safely',
  ERR_SCHEMA_TAKEN: 'the name of the auth schema is that of a schema of somebody else',
  ERR_AUTH_SCHEMA: 'the auth schema is named wrongly, or differently in two places',
  ERR_ROLE_TAKEN: 'the role belongs to somebody else',
  ERR_PASSWORD_UNKNOWN: 'the role has a password that is not known here',
  ERR_SETUP_REFUSED: 'the host does not permit a step that setup cannot do without',
  ERR_DATABASE_UNREACHABLE: 'the database could not be reached',
  ERR_PORT_IN_USE: 'the port is taken',
  ERR_POSTGRES_BINARY: 'the embedded PostgreSQL could not be started',
  ERR_DEV_NOT_RUNNING: 'no development issuer has been started in this folder',
  ERR_DEV_ISSUER: 'tokens of the development issuer would be accepted where they must not be',
  ERR_CONFIG_MISSING: 'there is no config file',
  ERR_CONFIG_INVALID: 'a config file cannot be loaded, or fields in it are wrong',
  ERR_USAGE: 'the command line is wrong',
} as const;

export type ErrorCode = keyof typeof errorCodes;

export interface AuthorizeErrorOptions extends ErrorOptions {
  /** What the reader can do about it, as one sentence. */
  readonly hint?: string;
}

// Registered, so that copies of this package know each other's errors. Not the table of codes: a schema file would load it.
const errorKey = Symbol.for('drizzle-authorize:error');

/** The base class of every refusal. Tell refusals apart by `code`, never by the message. */
export class AuthorizeError extends Error {
  /** Stable across releases; see {@link errorCodes}. */
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  static {
    // On the prototype: not a field that loggers print.
    Object.defineProperty(this.prototype, errorKey, { value: true });
  }

  constructor(code: ErrorCode, message: string, options: AuthorizeErrorOptions = {}) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
    this.hint = options.hint;
  }
}

/** A token was refused: whoever sent it is not who it says, or not any more. Answer it with 401. */
export class TokenError extends AuthorizeError {}

/** A provider's keys could not be had: nobody can be verified at the moment. Answer it with 503. */
export class KeySetError extends AuthorizeError {}

/** A statement was refused before it reached PostgreSQL. */
export class StatementError extends AuthorizeError {}

/** What is wrong with one field of a config file. */
export interface ConfigProblem {
  /** Where, such as `gateway.port` or `providers[1]`. */
  readonly path: string;
  /** What, never with the value. */
  readonly message: string;
}

/** Fields of a config file are wrong: all of them, not the first alone. */
export class ConfigError extends AuthorizeError {
  readonly problems: readonly ConfigProblem[];

  constructor(message: string, problems: readonly ConfigProblem[]) {
    super('ERR_CONFIG_INVALID', message);
    this.problems = problems;
  }
}

/**
 * True for every error that this package raises on purpose, also across copies of the package.
 *
 * @example
 * import { isAuthorizeError } from 'drizzle-authorize';
 *
 * try {
 *   await db.$withAuth(token).select().from(todos);
 * } catch (error) {
 *   if (!isAuthorizeError(error)) throw error;
 *   console.warn(error.code);
 * }
 */
export function isAuthorizeError(error: unknown): error is AuthorizeError {
  return error instanceof Error && Reflect.get(error, errorKey) === true;
}
