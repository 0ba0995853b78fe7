import { describe, expect, it } from 'vitest';

import { unwrapConfig, wrapConfig } from '../../../src/cli/wrap-config.ts';

describe('a plain drizzle.config.ts is wrapped, and stays as it was otherwise', () => {
  it('with its comments and its layout', () => {
    expect(
      wrapConfig(`import 'dotenv/config';
import { defineConfig } from 'drizzle-kit';

// Ours (all of it):
export default defineConfig({
  dialect: 'postgresql', // the only one :)
  schema: "./src/schema.ts",
  dbCredentials: { url: \`postgres://\${process.env.HOST}/app\${'('}\`, ssl: { ca: read('it\\'s (here') } },
  /* ) */
});
`),
    ).toBe(`import 'dotenv/config';
import { withAuthorize } from 'drizzle-authorize/kit';
import { defineConfig } from 'drizzle-kit';

// Ours (all of it):
export default withAuthorize(defineConfig({
  dialect: 'postgresql', // the only one :)
  schema: "./src/schema.ts",
  dbCredentials: { url: \`postgres://\${process.env.HOST}/app\${'('}\`, ssl: { ca: read('it\\'s (here') } },
  /* ) */
}));
`);
  });

  it('in its own style', () => {
    expect(
      wrapConfig(
        `import { defineConfig } from "drizzle-kit"\r\nexport default defineConfig({ a: 1 })\r\n// end`,
      ),
    ).toBe(
      `import { withAuthorize } from "drizzle-authorize/kit"\r\nimport { defineConfig } from "drizzle-kit"\r\nexport default withAuthorize(defineConfig({ a: 1 }))\r\n// end`,
    );
  });

  it('also when more is imported', () => {
    expect(
      wrapConfig(
        `import { type Config, defineConfig } from 'drizzle-kit';\nexport default defineConfig({} satisfies Config);`,
      ),
    ).toContain('export default withAuthorize(defineConfig({} satisfies Config));');
  });
});

describe('anything else is left to its owner', () => {
  const imported = `import { defineConfig } from 'drizzle-kit';\n`;
  it.each([
    ['an object', `export default { dialect: 'postgresql' } satisfies Config;`],
    ['a variable', `${imported}const config = defineConfig({});\nexport default config;`],
    ['CommonJS', `const { defineConfig } = require('drizzle-kit');\nmodule.exports = defineConfig({});`],
    ['something behind the call', `${imported}export default defineConfig({}) as Config;`],
    ['a statement behind the call', `${imported}export default defineConfig({});\nprocess.exit();`],
    [
      'a wrapper that is there',
      `import { withAuthorize } from 'x';\n${imported}export default defineConfig({});`,
    ],
    ['another defineConfig', `import { defineConfig } from 'vite';\nexport default defineConfig({});`],
    ['two exports', `${imported}export default defineConfig({});\nexport default defineConfig({});`],
    ['a parenthesis that is not closed', `${imported}export default defineConfig({};`],
    [
      'a regular expression that ends the call too soon',
      `${imported}export default defineConfig({ x: /\\)/ });`,
    ],
    ['nothing', ''],
  ])('%s', (_, text) => {
    expect(wrapConfig(text)).toBeUndefined();
  });
});

describe('what was wrapped is unwrapped', () => {
  it.each([
    [`import { defineConfig } from 'drizzle-kit';\n\nexport default defineConfig({ a: 1 }); // end\n`],
    [`import 'x';\nimport { defineConfig } from "drizzle-kit"\nexport default defineConfig({ a: '(' })\n`],
  ])('%s', (text) => {
    expect(unwrapConfig(wrapConfig(text) ?? '')).toBe(text);
  });

  it('with its options, and in more lines than one', () => {
    expect(
      unwrapConfig(`import { withAuthorize } from 'drizzle-authorize/kit';
import { defineConfig } from 'drizzle-kit';

export default withAuthorize(
  defineConfig({ schema: './schema.ts' }),
  { force: true, ownerViews: ['a)'] },
);
`),
    ).toBe(`import { defineConfig } from 'drizzle-kit';

export default defineConfig({ schema: './schema.ts' });
`);
  });

  it.each([
    [`import { withAuthorize } from 'drizzle-authorize/kit';\nexport default withAuthorize({ a: 1 });\n`],
    [
      `import { withAuthorize } from 'drizzle-authorize/kit';\nconst c = withAuthorize(defineConfig({}));\nexport default c;\n`,
    ],
    [`import { defineConfig } from 'drizzle-kit';\nexport default defineConfig({});\n`],
    [
      `import { withAuthorize } from 'drizzle-authorize/kit';\nexport default withAuthorize(defineConfig({})).more;\n`,
    ],
  ])('and nothing else is touched: %s', (text) => {
    expect(unwrapConfig(text)).toBeUndefined();
  });
});
