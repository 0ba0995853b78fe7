/** The entry `drizzle-authorize/config`, for authorize.config.ts. Imports nothing at run time. */
export {
  defineConfig,
  type AuthorizeConfig,
  type DatabaseConfig,
  type GatewayConfig,
  type LineLogger,
} from './define-config.ts';
