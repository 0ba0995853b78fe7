/** The entry `drizzle-authorize/kit`, for drizzle.config.ts. */
export { withAuthorize } from './with-authorize.ts';
