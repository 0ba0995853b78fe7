/** What `init` writes where nothing is. */

export const starterSchema = `import { auth, authenticatedRole, authUid, crudPolicy } from 'drizzle-authorize';
import { bigserial, index, pgTable, text } from 'drizzle-orm/pg-core';

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

/** @param schema the path of the schema file */
export function starterDrizzleConfig(schema: string): string {
  return `import { withAuthorize } from 'drizzle-authorize/kit';
import { defineConfig } from 'drizzle-kit';

export default withAuthorize(
  defineConfig({
    dialect: 'postgresql',
    schema: ${JSON.stringify(schema).replaceAll('"', "'")},
    out: './drizzle',
    // The role that owns the tables.
    dbCredentials: { url: process.env['DATABASE_URL'] ?? '' },
  }),
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
