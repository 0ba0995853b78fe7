import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { createGateway, type Gateway, type GatewayOptions } from '../../../../src/gateway/index.ts';
import { createCertificate } from '../../../support/certificate.ts';
import { createIssuer } from '../../../support/issuer.ts';
import { withClient, type SealedDatabase } from '../../../support/sealed-database.ts';
import { createTodoDatabase } from '../../../support/todo-app.ts';
import { eventually } from '../../embedded/project.ts';

let database: SealedDatabase;
let gateway: Gateway;
let secured: Gateway;
/** The certificate of the one with TLS, in a file. */
let authority: string;
let alice: string;

beforeAll(async () => {
  database = await createTodoDatabase('wire_psql');
  const issuer = await createIssuer();
  alice = await issuer.token('alice');
  const options: GatewayOptions = {
    connections: { authenticated: database.authenticatedUrl, anonymous: database.anonymousUrl },
    providers: [issuer.provider],
    key: database.authorizeKey,
    port: 0,
    tcpPort: 0,
  };
  const tls = createCertificate();
  authority = join(await mkdtemp(join(tmpdir(), 'psql-')), 'authority.pem');
  await writeFile(authority, tls.cert);
  [gateway, secured] = await Promise.all([createGateway(options), createGateway({ ...options, tls })]);
});

afterAll(async () => {
  await Promise.all([gateway.close(), secured.close(), rm(dirname(authority), { recursive: true })]);
  await database.drop();
});

/** Without what it says about TLS. */
const urlOf = ({ tcp }: Gateway): string => tcp?.url.replace('?sslmode=require', '') ?? '';

interface Output {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs psql with a script on its standard input. */
async function psql(
  script: string,
  { role = 'authenticated', token = alice, settings = '', at = gateway } = {},
): Promise<Output> {
  const url = `${urlOf(at).replace('//', `//${role}@`)}${settings}`;
  const child = spawn('psql', ['--no-psqlrc', '--no-align', '--tuples-only', '--no-password', url], {
    env: { ...process.env, PGPASSWORD: token },
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()));
  const failed = once(child, 'error').then(([error]) => {
    throw new Error('psql is not installed; on Debian it is in the package postgresql-client', {
      cause: error,
    });
  });
  child.stdin.end(script);
  const [code] = await Promise.race([once(child, 'close'), failed]);
  return { ...output, code };
}

describe('psql', () => {
  it('reads and writes as the person of the token, in transactions', async () => {
    const script = `
      select auth.user_id();
      begin;
      insert into todos (title) values ('sweep') returning user_id;
      rollback;
      select count(*) from todos;`;
    expect(await psql(script)).toEqual({
      code: 0,
      stdout: 'alice\nBEGIN\nalice\nINSERT 0 1\nROLLBACK\n2\n',
      stderr: '',
    });
  });

  it('describes tables, asks for encryption first, and negotiates the protocol', async () => {
    for (const settings of ['', '?sslmode=prefer', '?sslmode=disable&gssencmode=disable']) {
      expect(await psql('\\d todos', { settings })).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('user_id|text|'),
        stderr: '',
      });
    }
  });

  it('is told what is refused, and goes on', async () => {
    expect(await psql('truncate todos; \\copy todos to stdout\nselect 1;')).toEqual({
      code: 0,
      stdout: '1\n',
      stderr: expect.stringMatching(
        /ERROR: {2}TRUNCATE is not allowed to an identity role[^]*ERROR: {2}COPY is not allowed to an identity role/u,
      ),
    });
    expect(await psql('select 1;', { token: 'secret' })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('FATAL:  the token is not a signed JWT'),
    });
  });

  it('serves a visitor without a password', async () => {
    expect(await psql('select title from todos;', { role: 'anonymous', token: '' })).toMatchObject({
      code: 0,
      stdout: 'read a book\n',
    });
  });

  it('cancels by Ctrl-C', async () => {
    expect(await interrupted(urlOf(gateway))).toContain('canceling statement due to user request');
  });
});

describe('psql with TLS', () => {
  it('verifies the certificate, and is itself the person of the token', async () => {
    const settings = `?sslmode=verify-full&sslrootcert=${authority}`;
    const script = '\\conninfo\nselect auth.user_id();';
    expect(await psql(script, { at: secured, settings })).toEqual({
      code: 0,
      stdout: expect.stringMatching(/SSL connection \(protocol: TLSv1\.3[^]*alice\n$/u),
      stderr: '',
    });
  });

  it('is refused without, before it has sent its token', async () => {
    expect(await psql('select 1;', { at: secured, settings: '?sslmode=disable' })).toEqual({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('the gateway takes connections with TLS alone'),
    });
  });

  it('cancels by Ctrl-C, which it sends without', async () => {
    const url = `${urlOf(secured)}?sslmode=require`;
    expect(await interrupted(url)).toContain('canceling statement due to user request');
  });
});

/** What psql says when it is interrupted in the middle of a statement. */
async function interrupted(url: string): Promise<string> {
  const child = spawn(
    'psql',
    ['--no-psqlrc', '-c', 'select pg_sleep(25)', url.replace('//', '//authenticated@')],
    {
      env: { ...process.env, PGPASSWORD: alice, PGAPPNAME: 'interrupted' },
    },
  );
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const closed = once(child, 'close');
  const isAtWork = `select from pg_stat_activity where application_name = 'interrupted' and wait_event = 'PgSleep'`;
  await eventually(
    async () => (await withClient(database.ownerUrl, (client) => client.query(isAtWork))).rowCount === 1,
    'the statement is at work',
  );
  child.kill('SIGINT');
  await closed;
  return stderr;
}
