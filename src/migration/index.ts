/** The entry `drizzle-authorize/kit`, for drizzle.config.ts. */
export type { AuthorizeOptions } from './authorize-options.ts';
export { withAuthorize } from './with-authorize.ts';
