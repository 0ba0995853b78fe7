import { defaultAuthSchema } from '../auth-schema.ts';

/** What `init` writes where nothing is. */

/** @param authSchema what the auth schema is called */
export function starterSchema(authSchema = defaultAuthSchema): string {
  const helpers =
    authSchema === defaultAuthSchema
      ? `import { auth, authenticatedRole, authUid, crudPolicy } from 'drizzle-authorize';
import { bigserial, index, pgTable, text } from 'drizzle-orm/pg-core';
`
      : `import { authenticatedRole, createAuth, crudPolicy } from 'drizzle-authorize';
import { bigserial, index, pgTable, text } from 'drizzle-orm/pg-core';

// The schema auth is somebody else's.
const { auth, authUid } = createAuth({ schema: '${authSchema}' });
`;
  return `${helpers}
// Everybody has rows of their own, and sees no others.
export const todos = pgTable(
  'todos',
  {
    id: bigserial({ mode: 'number' }).primaryKey(),
    userId: text('user_id').notNull().default(auth.userId()),
    title: text().notNull(),
  },
  (t) => [
    index().on(t.userId),
    crudPolicy({ role: authenticatedRole, read: authUid(t.userId), modify: authUid(t.userId) }),
  ],
);
`;
}

/**
 * @param schema the path of the schema file
 * @param options the second argument of `withAuthorize()`, as text
 */
export function starterDrizzleConfig(schema: string, options = ''): string {
  return `import { withAuthorize } from 'drizzle-authorize/kit';
import { defineConfig } from 'drizzle-kit';

export default withAuthorize(
  defineConfig({
    dialect: 'postgresql',
    schema: ${JSON.stringify(schema).replaceAll('"', "'")},
    out: './drizzle',
    // The role that owns the tables.
    dbCredentials: { url: process.env['DATABASE_URL'] ?? '' },
  }),${options === '' ? '' : `\n  ${options},`}
);
`;
}

export const starterAuthorizeConfig = `import { defineConfig } from 'drizzle-authorize/config';
import { jwks } from 'drizzle-authorize/jwt';

// What \`npx drizzle-authorize gateway\` serves. AUTHORIZE_KEY and the connection URLs come from the environment.
export default defineConfig({
  // Whose tokens are accepted: put your own provider here.
  providers: [jwks({ url: 'https://id.example/.well-known/jwks.json', issuer: 'https://id.example' })],
});
`;
