import { eq } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { drizzle as drizzlePostgresJs } from 'drizzle-orm/postgres-js';
import pg from 'pg';
import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { Gateway } from '../../../../src/gateway/index.ts';
import { startGateway } from '../../../support/gateway.ts';
import { createIssuer, type TestIssuer } from '../../../support/issuer.ts';
import { type SealedDatabase } from '../../../support/sealed-database.ts';
import { createTodoDatabase, relational, resetTodos, todos } from '../../../support/todo-app.ts';

let database: SealedDatabase;
let issuer: TestIssuer;
let gateway: Gateway;
let alice: string;
let bob: string;

beforeAll(async () => {
  database = await createTodoDatabase('wire_tcp');
  issuer = await createIssuer();
  [alice, bob] = await Promise.all([issuer.token('alice'), issuer.token('bob')]);
  gateway = await startGateway({ database, issuer });
});

afterAll(async () => {
  await gateway.close();
  await database.drop();
});

beforeEach(async () => {
  await resetTodos(database);
});

const settingsOf = (role: string, password?: string) => ({
  host: '127.0.0.1',
  port: gateway.tcp?.port ?? 0,
  user: role,
  database: database.name,
  password,
});
const ofToken = (token: string) => settingsOf('authenticated', token);

async function withPg<T>(token: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(ofToken(token));
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

const titles = async (client: pg.Client | pg.Pool): Promise<readonly string[]> => {
  const { rows } = await client.query<{ title: string }>('select title from todos order by id');
  return rows.map(({ title }) => title);
};

describe('pg', () => {
  it('reads and writes as the person of the token, with and without parameters', async () => {
    await withPg(alice, async (client) => {
      expect(await titles(client)).toEqual(['water the plants', 'read a book']);
      const inserted = await client.query('insert into todos (title) values ($1) returning user_id', [
        'sweep',
      ]);
      expect(inserted).toMatchObject({ command: 'INSERT', rowCount: 1, rows: [{ user_id: 'alice' }] });
      expect(await client.query("delete from todos where user_id = 'bob'")).toMatchObject({ rowCount: 0 });
    });
    await withPg(bob, async (client) => {
      expect(await titles(client)).toEqual(['read a book', 'call mum']);
    });
  });

  it('has transactions, with savepoints and isolation levels, that hold the identity to their end', async () => {
    await withPg(alice, async (client) => {
      await client.query('begin isolation level serializable');
      await client.query("insert into todos (title) values ('first')");
      await client.query('savepoint before');
      await expect(client.query('select 1 / 0')).rejects.toMatchObject({ code: '22012' });
      await client.query('rollback to savepoint before');
      const { rows } = await client.query(
        "select auth.user_id() as who, current_setting('transaction_isolation') as level",
      );
      expect(rows).toEqual([{ who: 'alice', level: 'serializable' }]);
      await client.query('commit');
      await client.query('begin');
      await client.query('set transaction isolation level repeatable read');
      await client.query("insert into todos (title) values ('lost')");
      await client.query('rollback and chain');
      expect(await titles(client)).toEqual(['water the plants', 'read a book', 'first']);
      await client.query('commit');
    });
  });

  it('goes on after an error', async () => {
    await withPg(alice, async (client) => {
      for (const text of ['select 1 / 0', 'selec', 'select nothing from todos', 'select $1::int']) {
        await expect(client.query(text)).rejects.toMatchObject({ severity: 'ERROR' });
        await expect(client.query(text, [])).rejects.toMatchObject({ severity: 'ERROR' });
        expect(await titles(client)).toHaveLength(2);
      }
    });
  });

  it('gets several statements of one simple query as one transaction', async () => {
    await withPg(alice, async (client) => {
      const both = client.query(
        "insert into todos (title) values ('é'); select count(*)::int as n from todos;",
      );
      expect(await both).toMatchObject([{ command: 'INSERT' }, { rows: [{ n: 3 }] }]);
      await expect(
        client.query("insert into todos (title) values ('no'); select 1 / 0"),
      ).rejects.toMatchObject({
        code: '22012',
      });
      expect(await titles(client)).toEqual(['water the plants', 'read a book', 'é']);
      expect(await client.query('')).toMatchObject({ rows: [] });
      expect(await client.query('-- nothing')).toMatchObject({ rows: [] });
    });
  });

  it('has prepared statements, by the protocol and by SQL, and cursors', async () => {
    await withPg(alice, async (client) => {
      for (const id of [1, 2, 3]) {
        const { rowCount } = await client.query({
          name: 'one',
          text: 'select title from todos where id = $1',
          values: [id],
        });
        expect(rowCount).toBe(id === 3 ? 0 : 1);
      }
      await client.query('prepare two as select title from todos where id = $1');
      expect(await client.query('execute two(1)')).toMatchObject({ rows: [{ title: 'water the plants' }] });
      await client.query('begin');
      await client.query('declare listed cursor for select id from todos order by id');
      expect(await client.query('fetch 1 from listed')).toMatchObject({ rows: [{ id: 1 }] });
      await client.query('commit');
      await client.query('deallocate all');
      expect(await titles(client)).toHaveLength(2);
    });
  });

  it('keeps its identity through RESET ALL, DISCARD ALL and DEALLOCATE ALL, also in a transaction', async () => {
    await withPg(alice, async (client) => {
      for (const text of ['reset all', 'discard all', 'deallocate all']) {
        await client.query(text);
        expect(await titles(client)).toHaveLength(2);
        await client.query('begin');
        expect(await titles(client)).toHaveLength(2);
        if (text === 'discard all') {
          await expect(client.query(text)).rejects.toMatchObject({ code: '25001' });
          await client.query('rollback');
        } else {
          await client.query(text);
          expect(await titles(client)).toHaveLength(2);
          await client.query('commit');
        }
        expect(await titles(client)).toHaveLength(2);
      }
    });
  });

  it('serves two people at once, who never meet', async () => {
    const pools = [alice, bob].map((token) => new pg.Pool({ ...ofToken(token), max: 3 }));
    const asked = Array.from({ length: 60 }, async (_, n) => {
      const { rows } = await (pools[n % 2] ?? pg.Pool.prototype).query<{ who: string; others: number }>(
        'select auth.user_id() as who, count(*) filter (where user_id <> auth.user_id() and not is_public)::int as others from todos',
      );
      expect(rows).toEqual([{ who: n % 2 === 0 ? 'alice' : 'bob', others: 0 }]);
    });
    await Promise.all(asked);
    await Promise.all(pools.map((pool) => pool.end()));
  });

  it('serves a visitor without a token', async () => {
    const client = new pg.Client(settingsOf('anonymous'));
    await client.connect();
    expect(await titles(client)).toEqual(['read a book']);
    await client.end();
  });
});

describe('postgres', () => {
  it('reads, writes, pipelines and has transactions', async () => {
    const sql = postgres({ ...ofToken(alice), username: 'authenticated', max: 2 });
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, n) => sql`select ${n}::int as n, auth.user_id() as who`),
    );
    expect(all.flat()).toEqual(Array.from({ length: 20 }, (_, n) => ({ n, who: 'alice' })));
    await sql.begin('isolation level serializable', async (transaction) => {
      await transaction`insert into todos ${transaction({ title: 'sweep' })}`;
      await transaction.savepoint((inner) => inner`select 1 / 0`).catch(() => {});
      expect(await transaction`select count(*)::int as n from todos`).toEqual([{ n: 3 }]);
    });
    const seen: number[] = [];
    await sql`select id from todos order by id`.cursor(1, ([row]) => {
      seen.push(Number(row?.['id']));
    });
    expect(seen).toHaveLength(3);
    await sql.end();
  });
});

describe('drizzle', () => {
  it('works over pg', async () => {
    const pool = new pg.Pool(ofToken(alice));
    const db = drizzle({ client: pool, ...relational });
    await db.transaction(
      async (tx) => {
        await tx.insert(todos).values({ title: 'sweep' });
        await tx.update(todos).set({ done: true }).where(eq(todos.title, 'sweep'));
      },
      { isolationLevel: 'repeatable read' },
    );
    expect(await db.select({ done: todos.done }).from(todos).where(eq(todos.title, 'sweep'))).toEqual([
      { done: true },
    ]);
    expect(await db.$count(todos)).toBe(3);
    await pool.end();
  });

  it('works over postgres', async () => {
    const sql = postgres({ ...ofToken(bob), username: 'authenticated', max: 2 });
    const db = drizzlePostgresJs({ client: sql, ...relational });
    await db.transaction(async (tx) => {
      await tx.insert(todos).values({ title: 'sweep' });
    });
    expect(await db.select({ userId: todos.userId }).from(todos).where(eq(todos.title, 'sweep'))).toEqual([
      { userId: 'bob' },
    ]);
    await sql.end();
  });
});
