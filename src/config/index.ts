/** The entry `drizzle-authorize/config`, for authorize.config.ts. Imports nothing at run time. */
export {
  defineConfig,
  type AuthorizeConfig,
  type DatabaseConfig,
  type DevConfig,
  type GatewayConfig,
  type LineLogger,
  type PersonaConfig,
} from './define-config.ts';
