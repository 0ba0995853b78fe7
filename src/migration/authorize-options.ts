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

/** @throws TypeError that names the option */
export function checkOptions(options: AuthorizeOptions): void {
  for (const [name, value] of Object.entries(options) as readonly (readonly [string, unknown])[]) {
    if (name === 'force') {
      if (value !== undefined && typeof value !== 'boolean') {
        throw new TypeError('withAuthorize: force must be true or false');
      }
    } else if (name === 'ownerViews') {
      if (value === undefined) continue;
      if (!Array.isArray(value) || value.some((view) => typeof view !== 'string')) {
        throw new TypeError('withAuthorize: ownerViews must be a list of names');
      }
    } else {
      throw new TypeError(`withAuthorize: there is no option ${name}`);
    }
  }
}
