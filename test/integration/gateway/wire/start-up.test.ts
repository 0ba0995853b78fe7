import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { Gateway } from '../../../../src/gateway/index.ts';
import type { AuthorizeEvent } from '../../../../src/observe.ts';
import { startGateway } from '../../../support/gateway.ts';
import { createIssuer, type TestIssuer } from '../../../support/issuer.ts';
import type { SealedDatabase } from '../../../support/sealed-database.ts';
import { createTodoDatabase } from '../../../support/todo-app.ts';
import {
  errorFields,
  int32,
  message,
  openWireClient,
  packet,
  password,
  query,
  startupPacket,
  type ServerMessage,
} from '../../../support/wire-client.ts';

let database: SealedDatabase;
let issuer: TestIssuer;
let gateway: Gateway;
let alice: string;
const events: AuthorizeEvent[] = [];

beforeAll(async () => {
  database = await createTodoDatabase('wire_start');
  issuer = await createIssuer();
  alice = await issuer.token('alice');
  gateway = await startGateway(
    { database, issuer },
    {
      maxSessions: 2,
      maxSessionsPerSubject: 2,
      maxBodyBytes: 4_096,
      observe: (event) => {
        events.push(event);
      },
    },
  );
});

afterAll(async () => {
  await gateway.close();
  await database.drop();
});

const open = () => openWireClient(gateway.tcp?.port ?? 0);
const asAlice = (more: Readonly<Record<string, string>> = {}): Buffer =>
  startupPacket({ user: 'authenticated', database: database.name, ...more });

async function answerTo(...packets: readonly Buffer[]): Promise<readonly ServerMessage[]> {
  const client = await open();
  client.send(...packets);
  return client.untilClosed();
}

async function refusalOf(...packets: readonly Buffer[]): Promise<Readonly<Record<string, string>>> {
  const last = (await answerTo(...packets)).at(-1);
  expect(last?.type).toBe('E');
  return last === undefined ? {} : errorFields(last);
}

const terminate = message('X');

describe('a session begins', () => {
  it('with encryption declined, the token asked for in the clear, and what a client needs to know', async () => {
    const client = await open();
    client.send(packet(int32(80_877_103)));
    expect(await client.letter()).toBe('N');
    client.send(packet(int32(80_877_104)));
    expect(await client.letter()).toBe('N');
    client.send(asAlice({ application_name: 'a test', timezone: 'Asia/Tokyo', search_path: 'nowhere' }));
    const [asked] = await client.until('R');
    expect(asked?.body).toEqual(int32(3));
    client.send(password(alice));
    const greeting = await client.until('Z');
    expect(greeting[0]).toEqual({ type: 'R', body: int32(0) });
    const parameters = greeting
      .filter(({ type }) => type === 'S')
      .map(({ body }) => body.toString().split('\0'));
    expect(Object.fromEntries(parameters)).toMatchObject({
      server_version: expect.stringMatching(/^1[5-9]/u),
      client_encoding: 'UTF8',
      standard_conforming_strings: 'on',
      application_name: 'a test',
      TimeZone: 'Asia/Tokyo',
    });
    expect(greeting.at(-2)).toMatchObject({ type: 'K', body: { length: 8 } });
    client.send(query('select title from todos where id = 1; show search_path'));
    const rows = (await client.until('Z'))
      .filter(({ type }) => type === 'D')
      .map(({ body }) => body.toString('utf8', 6));
    expect(rows).toEqual(['water the plants', 'public, pg_temp']);
    client.send(terminate);
    await client.untilClosed();
  });

  it('in one flight, before the server has said a word', async () => {
    const said = await answerTo(asAlice(), password(alice), query('select 1'), terminate);
    expect(said.map(({ type }) => type).join('')).toMatch(/^RRS+KZTDCZ$/u);
  });

  it('with protocol 3.0, whatever later minor version or option is asked for', async () => {
    const said = await answerTo(
      startupPacket({ user: 'anonymous', database: database.name, '_pq_.something': 'on' }, 196_610),
      terminate,
    );
    expect(said[0]).toEqual({
      type: 'v',
      body: Buffer.concat([int32(196_608), int32(1), Buffer.from('_pq_.something\0')]),
    });
    expect(said.at(-1)?.type).toBe('Z');
  });
});

describe('a session is refused, with FATAL and a SQLSTATE,', () => {
  const cases: Record<string, [() => readonly Buffer[] | Promise<readonly Buffer[]>, object]> = {
    'for another version of the protocol': [() => [startupPacket({}, 131_072)], { C: '0A000' }],
    'without a user': [() => [startupPacket({ database: database.name })], { C: '28000' }],
    'for a role that is not served': [
      () => [startupPacket({ user: 'postgres', database: database.name })],
      { C: '28000', H: 'connect as one of: authenticated, anonymous' },
    ],
    'for another database': [
      () => [startupPacket({ user: 'authenticated', database: 'postgres' })],
      { C: '3D000' },
    ],
    'for replication': [() => [asAlice({ replication: 'database' })], { C: '0A000' }],
    'with options of its own': [() => [asAlice({ options: '-c search_path=x' })], { C: '0A000' }],
    'with a packet that is too long': [() => [int32(10_001), int32(196_608)], { C: '08P01' }],
    'with settings that do not end': [
      () => [packet(int32(196_608), Buffer.from('user\0authenticated'))],
      { C: '08P01' },
    ],
    'without a token': [() => [asAlice(), password('')], { C: '28000', H: 'Give a JWT as the password.' }],
    'with something else than a password': [() => [asAlice(), query('select 1')], { C: '08P01' }],
    'with a password that is no token': [
      () => [asAlice(), password('secret')],
      { C: '28000', D: 'ERR_TOKEN_MALFORMED' },
    ],
    'with a token that is too long': [
      () => [asAlice(), password(`${alice}${'x'.repeat(8_192)}`)],
      { C: '28000', D: 'ERR_TOKEN_MALFORMED' },
    ],
    'with more than any token': [() => [asAlice(), message('p', Buffer.alloc(20_000))], { C: '08P01' }],
    'with a token of another signature': [
      async () => [asAlice(), password(await (await createIssuer()).token('alice'))],
      { C: '28000', D: 'ERR_TOKEN_SIGNATURE' },
    ],
    'with a token that has expired': [
      async () => [asAlice(), password(await issuer.token('alice', { exp: 1_000 }))],
      { C: '28000', D: 'ERR_TOKEN_EXPIRED' },
    ],
    'with a token for somewhere else': [
      async () => [asAlice(), password(await issuer.token('alice', { aud: 'elsewhere' }))],
      { C: '28000', D: 'ERR_TOKEN_AUDIENCE' },
    ],
  };

  it.each(Object.entries(cases))('%s', async (_, [packets, fields]) => {
    const refusal = await refusalOf(...(await packets()));
    expect(refusal).toMatchObject({ S: 'FATAL', V: 'FATAL', ...fields });
    expect(JSON.stringify(refusal)).not.toContain(alice);
  });

  it('which an observer is told of', async () => {
    events.length = 0;
    await refusalOf(asAlice(), password('secret'));
    expect(events).toMatchObject([
      {
        type: 'refusal',
        entry: 'gateway',
        role: 'authenticated',
        statement: '',
        code: 'ERR_TOKEN_MALFORMED',
      },
    ]);
  });

  it('when as many are there as may be, until one ends', async () => {
    const clients = await Promise.all([open(), open()]);
    for (const client of clients) {
      client.send(asAlice(), password(alice));
      await client.until('Z');
    }
    expect(await refusalOf(asAlice(), password(alice))).toMatchObject({ S: 'FATAL', C: '53300' });
    for (const client of clients) client.send(terminate);
    await Promise.all(clients.map((client) => client.untilClosed()));
    expect((await answerTo(asAlice(), password(alice), terminate)).at(-1)?.type).toBe('Z');
  });
});

describe('a session ends with 08P01', () => {
  const malformed: Record<string, Buffer> = {
    'a message of an unknown type': message('!'),
    'a second password': password('again'),
    'a length that cannot be': Buffer.concat([Buffer.from('Q'), int32(3)]),
    'a message that is too long, before it has come': Buffer.concat([Buffer.from('Q'), int32(4_097)]),
    'a query that does not end': message('Q', 'select 1'),
    'a query with a NUL in it': message('Q', 'select 1\0select 2\0'),
    'a query that is not UTF-8': message('Q', Buffer.from([0x27, 0xc0, 0xaf, 0x27, 0])),
    'a statement without a text': message('P', 'name\0'),
    'a description of nothing': message('D', 'X\0'),
  };

  it.each(Object.entries(malformed))('for %s', async (_, bytes) => {
    expect(await refusalOf(asAlice(), password(alice), bytes)).toMatchObject({ S: 'FATAL', C: '08P01' });
  });
});
