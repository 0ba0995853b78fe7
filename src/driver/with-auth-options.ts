import { parseAuthSchema } from '../auth-schema.ts';
import { createVerifier, type Provider, type Verifier } from '../jwt/index.ts';
import type { Observe } from '../observe.ts';
import { createSealKey, parseAuthorizeKey, type SealKey } from '../session/seal-key.ts';
import { remembered } from './remembered.ts';

/** What `withAuth()` takes on every driver that verifies tokens itself. */
export interface VerifyingOptions {
  /** Whose tokens are accepted. Needed by `$withAuth` unless `verifier` is given. */
  readonly providers?: readonly Provider[];
  /** A verifier made elsewhere, to share its cache; in place of `providers`. */
  readonly verifier?: Verifier;
  /** The sealing key, or several separated by commas, newest first. Default: the environment's `AUTHORIZE_KEY`. */
  readonly key?: string;
  /** The auth schema's name, as `createAuth({ schema })` has it. Default: the environment's `AUTHORIZE_SCHEMA`, or else `auth`. */
  readonly authSchema?: string;
  /** The role of whoever shows a token, and of this database's login. Default: `authenticated`. */
  readonly role?: string;
  /** A Drizzle database that logs in as `anonymous`; without it there is no `$withAnonymous()`. */
  readonly anonymous?: object;
  /**
   * Accept a login as another role than the identity role, even one that row level security does not bind. Any SQL that
   * gets into a query can then leave the role. Default: false.
   */
  readonly allowPrivilegedLogin?: boolean;
  /** `data`: statements that read and write rows. `any`: whatever the role may do. Default: `data`. */
  readonly statements?: Statements;
  /** Told of every statement, once it has ended: who, as which role, which kind, how many rows or which code. */
  readonly observe?: Observe;
}

export type Statements = 'data' | 'any';

export interface ParsedOptions {
  readonly role: string;
  readonly verifier: Verifier | undefined;
  readonly key: () => Promise<SealKey>;
  readonly authSchema: string;
  readonly anonymous: object | undefined;
  readonly allowPrivilegedLogin: boolean;
  readonly statements: Statements;
  readonly observe: Observe | undefined;
}

/**
 * @throws TypeError naming the option
 * @throws AuthorizeError `ERR_KEY_MISSING`, `ERR_KEY_INVALID`, `ERR_AUTH_SCHEMA`
 */
export function parseWithAuthOptions(options: VerifyingOptions): ParsedOptions {
  const { role = 'authenticated', anonymous, providers, verifier } = options;
  const statements = parseStatements(options.statements);
  const [newest] = parseAuthorizeKey(options.key ?? globalThis.process?.env.AUTHORIZE_KEY);
  const key = remembered(() => createSealKey(newest));
  return {
    role,
    verifier: verifier ?? (providers && createVerifier({ providers })),
    key: () => key.get(),
    authSchema: parseAuthSchema(
      options.authSchema ?? (globalThis.process?.env.AUTHORIZE_SCHEMA || undefined),
      'withAuth: authSchema',
    ),
    anonymous,
    allowPrivilegedLogin: options.allowPrivilegedLogin === true,
    statements,
    observe: parseObserve(options.observe),
  };
}

/** @throws TypeError */
export function parseStatements(statements: Statements = 'data'): Statements {
  if (statements === 'data' || statements === 'any') return statements;
  throw new TypeError(`withAuth: statements must be 'data' or 'any'`);
}

/** @throws TypeError */
export function parseObserve(observe: Observe | undefined): Observe | undefined {
  if (observe === undefined || typeof observe === 'function') return observe;
  throw new TypeError('withAuth: observe must be a function');
}
