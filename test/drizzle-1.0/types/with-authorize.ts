import { withAuthorize } from 'drizzle-authorize/kit';
import { defineConfig } from 'drizzle-kit';
import { expectTypeOf } from 'vitest';

// Compiled by `npm run check`, never run.

const config = defineConfig({ dialect: 'postgresql', schema: './schema.ts', out: './drizzle' });
expectTypeOf(withAuthorize(config)).toEqualTypeOf(config);
// @ts-expect-error no dialect
withAuthorize({ schema: './schema.ts' });
