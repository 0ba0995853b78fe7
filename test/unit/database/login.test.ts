import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { assertLoginIsRole, inspectLogin, type Login, type LoginRow } from '../../../src/database/login.ts';
import { preludeVersion } from '../../../src/database/prelude-version.ts';

const start = 1_800_000_000;
const row: LoginRow = {
  role: 'authenticated',
  database: 'app',
  pid: 42,
  version: 180_000,
  privileged: false,
  reads_leave_traces: false,
  client_settings: '{"TimeZone":"UTC"}',
  now: String(start),
  installed: true,
  prelude: `drizzle-authorize prelude ${preludeVersion}`,
};

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: start * 1000 });
});

afterEach(() => {
  vi.useRealTimers();
});

/** Inspects a database that answers after so many seconds. */
const inspected = (given: Partial<LoginRow>, answersAfter = 0): Promise<Login> =>
  inspectLogin(() => {
    vi.setSystemTime((start + answersAfter) * 1000);
    return Promise.resolve([{ ...row, ...given }]);
  }, 'auth');

it.each([
  ['agrees with ours, as far as can be told', start + 3, 10, 0],
  ['is ahead', start + 100, 10, 90],
  ['is behind', start - 100, 10, -100],
])('measures a clock that %s', async (_, now, answersAfter, offset) => {
  expect((await inspected({ now: String(now) }, answersAfter)).clockOffsetSeconds).toBe(offset);
});

it('refuses a server that is too old, and a database without the auth schema', async () => {
  await expect(inspected({ version: 140_020 })).rejects.toMatchObject({ code: 'ERR_SERVER_UNSUPPORTED' });
  await expect(inspected({ installed: false })).rejects.toMatchObject({ code: 'ERR_MIGRATIONS_MISSING' });
});

it.each([
  [preludeVersion - 1, 'is behind by one'],
  [preludeVersion + 1, 'is ahead by one'],
])('works with version %i of the auth schema, which %s', async (version) => {
  await expect(inspected({ prelude: `drizzle-authorize prelude ${version}` })).resolves.toBeDefined();
});

it('refuses a version of the auth schema that is further away, and says what to do', async () => {
  await expect(
    inspected({ prelude: `drizzle-authorize prelude ${preludeVersion + 2}` }),
  ).rejects.toMatchObject({
    code: 'ERR_PRELUDE_VERSION',
    message: expect.stringContaining(`of the database 'app' is of version ${preludeVersion + 2}`),
    hint: 'install a newer drizzle-authorize',
  });
  await expect(
    inspected({ prelude: `drizzle-authorize prelude ${preludeVersion - 2}` }),
  ).rejects.toMatchObject({
    code: 'ERR_PRELUDE_VERSION',
    hint: expect.stringContaining('npx drizzle-kit generate'),
  });
  await expect(inspected({ prelude: null })).resolves.toBeDefined();
});

it('refuses a login that is privileged or another, and takes the identity role itself', async () => {
  const login = await inspected({});
  expect(() => assertLoginIsRole(login, 'authenticated')).not.toThrow();
  expect(() => assertLoginIsRole(login, 'editor')).toThrow(
    expect.objectContaining({
      code: 'ERR_LOGIN_ROLE',
      message: `the login is the role 'authenticated' and not 'editor'`,
    }),
  );
  expect(() => assertLoginIsRole({ ...login, privileged: true }, 'authenticated')).toThrow(
    expect.objectContaining({ code: 'ERR_LOGIN_PRIVILEGED' }),
  );
});
