import { withAuthorize } from 'drizzle-authorize/kit';
import { defineConfig } from 'drizzle-kit';

export default withAuthorize(
  defineConfig({
    dialect: 'postgresql',
    schema: './examples/todos/schema.ts',
    out: './drizzle',
    dbCredentials: { url: process.env['DATABASE_URL'] ?? '' },
  }),
);
