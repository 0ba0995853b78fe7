import { newAuthSchema } from './new-auth-schema.ts';

/** What {@link withAuthorize} can be told beside drizzle-kit's config. */
export interface AuthorizeOptions {
  /**
   * Row level security binds the owner of every table of the schema that has it, too: `FORCE ROW LEVEL SECURITY`.
   * Superusers stay free. For single tables there is `forceRLS()`. Default: false.
   */
  readonly force?: boolean;
  /**
   * Views that may show what policies hide: those that read protected tables with their owner's rights, and materialized
   * ones. Names, with the schema where it is not `public`. Any other such view is an error. Default: none.
   */
  readonly ownerViews?: readonly string[];
  /**
   * The schema of what turns a seal into an identity, for a database where `auth` is somebody else's: the same as in
   * `createAuth({ schema })`. Default: `auth`.
   */
  readonly authSchema?: string;
  /**
   * Leave what the migrating role gives away by `ALTER DEFAULT PRIVILEGES`. What migrations create is closed all the same;
   * what is created by other means is not. Default: false, so that a first migration takes it from everybody and from the
   * identity roles.
   */
  readonly keepDefaultPrivileges?: boolean;
  /**
   * Identity roles that the database has already, and that are taken on with whatever they may do. Any other role of such a
   * name that is in use makes the first migration fail. Default: none.
   */
  readonly takeOverRoles?: readonly string[];
}

const wrapped = Symbol.for('drizzle-authorize:with-authorize');

/** The config with the options hanging on it, where drizzle-kit does not look. */
export function withOptions<C extends object>(config: C, options: AuthorizeOptions): C {
  return { ...config, [wrapped]: options };
}

/** True for what `withAuthorize()` has returned, also a copy of it, and by another copy of this package. */
export function isWrapped(config: object): boolean {
  return wrapped in config;
}

/** What `withAuthorize()` was told; nothing for a config that is not wrapped. */
export function optionsOf(config: object): AuthorizeOptions {
  const options: unknown = Reflect.get(config, wrapped);
  return typeof options === 'object' && options !== null ? options : {};
}

/** @throws TypeError that names the option @throws AuthorizeError `ERR_AUTH_SCHEMA` */
export function checkOptions(options: AuthorizeOptions): void {
  for (const [name, value] of Object.entries(options) as readonly (readonly [string, unknown])[]) {
    if (name === 'force' || name === 'keepDefaultPrivileges') {
      if (value !== undefined && typeof value !== 'boolean') {
        throw new TypeError(`withAuthorize: ${name} must be true or false`);
      }
    } else if (name === 'ownerViews' || name === 'takeOverRoles') {
      if (value === undefined) continue;
      if (!Array.isArray(value) || value.some((each) => typeof each !== 'string')) {
        throw new TypeError(`withAuthorize: ${name} must be a list of names`);
      }
    } else if (name === 'authSchema') {
      newAuthSchema(value);
    } else {
      throw new TypeError(`withAuthorize: there is no option ${name}`);
    }
  }
}
