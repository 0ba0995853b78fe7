import { and, count, eq, inArray, like, sql, type SQL } from 'drizzle-orm';
import { Cache } from 'drizzle-orm/cache/core';
import {
  pgMaterializedView,
  withReplicas,
  type PgDatabase,
  type PgQueryResultHKT,
} from 'drizzle-orm/pg-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { WithAuth } from '../../../src/driver/handle.ts';
import type { VerifyingOptions } from '../../../src/driver/with-auth-options.ts';
import { createDatabase } from '../../support/cluster.ts';
import { cachedQuery, equals, line, readsOf } from '../../support/drizzle-line.ts';
import { createIssuer, type TestIssuer } from '../../support/issuer.ts';
import { withClient, type SealedDatabase } from '../../support/sealed-database.ts';
import { createTodoDatabase, resetTodos, schema, todos } from '../../support/todo-app.ts';

// What every driver holds to, on a real PostgreSQL. What one driver alone can do, or does differently, is tested in its own file.

/** A Drizzle database of any driver. What its `execute` gives is for {@link rowsOf}. */
export type Plain = PgDatabase<ResultHKT, typeof schema>;

interface ResultHKT extends PgQueryResultHKT {
  readonly type: Result<this['row']>;
}

/** What a driver gives for rows as objects: an array of them, or an object around it. */
type Result<Row> = Row[] | { readonly rows: Row[] };

export function rowsOf<Row>(result: Result<Row>): Row[] {
  return Array.isArray(result) ? result : result.rows;
}

/** A driver, with what it needs, for one database. */
export interface Driver {
  /** A Drizzle database that logs in as the URL says. At most `max` connections, where the driver has any say in it. */
  connect(url: string, options?: ConnectOptions): Plain;
  /** The driver's `withAuth()`, over a login of the role. */
  withAuth(plain: Plain, options: Partial<VerifyingOptions>): WithAuth<Plain>;
  close(): Promise<void>;
}

interface ConnectOptions {
  readonly max?: number;
  readonly cache?: Cache;
}

/** A database with the tables of the tests. */
export interface ContractDatabase {
  readonly ownerUrl: string;
  readonly authenticatedUrl: string;
  readonly anonymousUrl: string;
  readonly authorizeKey: string;
  /** Runs statements as the owner, and gives the rows of the last. */
  asOwner(statements: readonly string[]): Promise<readonly unknown[]>;
  /** Puts the rows back that every test starts from. */
  reset(): Promise<void>;
  drop(): Promise<void>;
}

export interface DriverKind<Database extends ContractDatabase = ContractDatabase> {
  /** Makes a database that no other test knows. */
  readonly create: (name: string) => Promise<Database>;
  readonly open: (database: Database, issuer: TestIssuer) => Promise<Driver>;
  /** Who verifies tokens and seals identities: the driver, or a gateway that it passes tokens to. */
  readonly verifies: 'driver' | 'gateway';
  readonly transactions: boolean;
  /** Whom a connection is without a handle: the identity role, or, where there is no other login, a superuser. */
  readonly login: 'role' | 'superuser';
}

/** On the PostgreSQL of this worker. */
export async function createContractDatabase(name: string): Promise<ContractDatabase & SealedDatabase> {
  const database = await createTodoDatabase(name);
  return {
    ...database,
    asOwner: (statements) =>
      withClient(database.ownerUrl, async (owner) => {
        let rows: readonly unknown[] = [];
        for (const statement of statements) ({ rows } = await owner.query(statement));
        return rows;
      }),
    reset: () => resetTodos(database),
  };
}

/** The code of what was refused, below Drizzle's wrapping: a SQLSTATE or one of ours. */
export async function refusal(work: PromiseLike<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined && !isOurs(error) ? error.cause : error;
    return cause instanceof Error && 'code' in cause ? cause.code : cause;
  }
  throw new Error('it was let through');
}

function isOurs(error: Error): boolean {
  return 'code' in error && String(error.code).startsWith('ERR_');
}

export const titles = (rows: readonly { title: string }[]): string[] =>
  rows.map(({ title }) => title).toSorted();

type Ask = (handle: Plain) => PromiseLike<readonly { title: string }[]>;

const todoCount = pgMaterializedView('todo_count').as((query) =>
  query.select({ all: count().as('all') }).from(todos),
);

export function describeContract<Database extends ContractDatabase>(
  name: string,
  kind: DriverKind<Database>,
): void {
  const verifiesItself = kind.verifies === 'driver';
  const hasRoles = kind.login === 'role';

  let database: Database;
  let issuer: TestIssuer;
  let alice: string;
  let bob: string;
  let driver: Driver;
  let db: WithAuth<Plain>;

  const wrapped = (options: Partial<VerifyingOptions> = {}, connect?: ConnectOptions): WithAuth<Plain> =>
    driver.withAuth(driver.connect(database.authenticatedUrl, connect), options);
  const visitorsOf = (made: Driver, { anonymousUrl }: ContractDatabase): Partial<VerifyingOptions> =>
    hasRoles ? { anonymous: made.connect(anonymousUrl) } : {};

  describe(name, () => {
    beforeAll(async () => {
      database = await kind.create('contract');
      await database.asOwner([
        'CREATE MATERIALIZED VIEW todo_count AS SELECT count(*) AS all FROM todos',
        'GRANT SELECT, MAINTAIN ON todo_count TO authenticated',
      ]);
      issuer = await createIssuer();
      [alice, bob] = await Promise.all([issuer.token('alice'), issuer.token('bob')]);
      driver = await kind.open(database, issuer);
      db = wrapped(visitorsOf(driver, database));
    });

    afterAll(async () => {
      await driver.close();
      await database.drop();
    });

    beforeEach(async () => {
      await database.reset();
    });

    describe('each surface of a handle is the person whose token it was made with', () => {
      const reads: Record<string, Ask> = {
        select: (handle) => handle.select().from(todos),
        selectDistinct: (handle) => handle.selectDistinct({ title: todos.title }).from(todos),
        selectDistinctOn: (handle) => handle.selectDistinctOn([todos.id]).from(todos),
        'select with a join': async (handle) => {
          const { notes } = schema;
          const rows = await handle.select().from(todos).leftJoin(notes, eq(notes.todoId, todos.id));
          return [...new Map(rows.map((row) => [row.todos.id, row.todos])).values()];
        },
        'select from a sub-query': (handle) => {
          const inner = handle.select().from(todos).as('inner_todos');
          return handle.select({ title: inner.title }).from(inner);
        },
        'select where in a sub-query': (handle) =>
          handle
            .select()
            .from(todos)
            .where(inArray(todos.id, handle.select({ id: todos.id }).from(todos))),
        'select prepared': (handle) => handle.select().from(todos).prepare('select_todos').execute(),
        'select prepared with a placeholder': (handle) =>
          handle
            .select()
            .from(todos)
            .where(eq(todos.done, sql.placeholder('done')))
            .prepare('select_undone')
            .execute({ done: false }),
        'query.findMany': (handle) => handle.query.todos.findMany(),
        'query.findMany with relations': (handle) => handle.query.todos.findMany({ with: { notes: true } }),
        'query.findMany prepared with a placeholder': (handle) =>
          handle.query.todos
            .findMany({ where: equals(todos, { done: sql.placeholder('done') }), with: { notes: true } })
            .prepare('find_undone')
            .execute({ done: false }),
        'query.findFirst prepared with a placeholder': async (handle) => {
          const prepared = handle.query.todos
            .findFirst({ where: equals(todos, { id: sql.placeholder('id') }) })
            .prepare('find_one');
          const found = await Promise.all([1, 2, 3].map((id) => prepared.execute({ id })));
          return found.filter((row) => row !== undefined);
        },
        execute: async (handle) =>
          rowsOf(await handle.execute<{ title: string }>(sql`select title from ${todos}`)),
        'execute of a text': async (handle) =>
          rowsOf(await handle.execute<{ title: string }>('select title from todos')),
        with: (handle) => {
          const own = handle.$with('own').as(handle.select().from(todos));
          return handle.with(own).select({ title: own.title }).from(own);
        },
        'with, prepared with a placeholder': (handle) => {
          const own = handle.$with('own').as(
            handle
              .select()
              .from(todos)
              .where(eq(todos.done, sql.placeholder('done'))),
          );
          return handle
            .with(own)
            .selectDistinct({ title: own.title })
            .from(own)
            .prepare('with_undone')
            .execute({ done: false });
        },
        union: (handle) =>
          handle
            .select({ title: todos.title })
            .from(todos)
            .union(handle.select({ title: todos.title }).from(todos)),
        'intersect and except, prepared with a placeholder': (handle) => {
          const all = () => handle.select({ title: todos.title }).from(todos);
          return all()
            .intersect(all())
            .except(all().where(eq(todos.done, sql.placeholder('done'))))
            .prepare('not_done')
            .execute({ done: true });
        },
        $dynamic: (handle) => handle.select().from(todos).$dynamic().limit(10),
      };
      if (kind.transactions) {
        reads.transaction = (handle) => handle.transaction((tx) => tx.query.todos.findMany());
      }

      it.each(Object.entries(reads))('%s', async (_, ask) => {
        for (const [token, own] of [
          [alice, ['read a book', 'water the plants']],
          [bob, ['call mum', 'read a book']],
        ] as const) {
          const handle = db.$withAuth(token);
          expect(titles(await ask(handle))).toEqual(own);
          if (!kind.transactions) continue;
          expect(titles(await handle.transaction(async (tx) => ask(tx)))).toEqual(own);
        }
      });

      const hidden = eq(todos.isPublic, false);
      const writes: Record<string, Ask> = {
        'update returning': (handle) => handle.update(todos).set({ done: true }).where(hidden).returning(),
        'update prepared with a placeholder': (handle) =>
          handle
            .update(todos)
            .set({ done: true })
            .where(eq(todos.isPublic, sql.placeholder('shown')))
            .returning()
            .prepare('finish')
            .execute({ shown: false }),
        'delete returning': (handle) => handle.delete(todos).where(hidden).returning(),
        'delete prepared with a placeholder': (handle) =>
          handle
            .delete(todos)
            .where(eq(todos.isPublic, sql.placeholder('shown')))
            .returning()
            .prepare('remove')
            .execute({ shown: false }),
        'with, and a delete': (handle) => {
          const own = handle.$with('own').as(handle.select({ id: todos.id }).from(todos).where(hidden));
          return handle
            .with(own)
            .delete(todos)
            .where(inArray(todos.id, sql`(select id from ${own})`))
            .returning();
        },
        'with a statement that writes': (handle) => {
          const done = handle
            .$with('done_now')
            .as(handle.update(todos).set({ done: true }).where(hidden).returning());
          return handle.with(done).select().from(done);
        },
        'with, and an update': (handle) => {
          const own = handle.$with('own').as(handle.select({ id: todos.id }).from(todos).where(hidden));
          return handle
            .with(own)
            .update(todos)
            .set({ done: true })
            .where(inArray(todos.id, sql`(select id from ${own})`))
            .returning();
        },
      };

      it.each(Object.entries(writes))('%s', async (_, ask) => {
        expect(titles(await ask(db.$withAuth(alice)))).toEqual(['water the plants']);
        expect(titles(await ask(db.$withAuth(bob)))).toEqual(['call mum']);
      });

      it('query.findFirst, and relations that nobody else may see', async () => {
        const find = (handle: Plain) =>
          handle.query.todos.findFirst({ where: equals(todos, { id: 1 }), with: { notes: true } });
        expect((await find(db.$withAuth(alice)))?.notes).toHaveLength(2);
        expect(await find(db.$withAuth(bob))).toBeUndefined();
        const [note] = await db.$withAuth(bob).query.notes.findMany({ with: { todo: true } });
        expect(note).toMatchObject({ body: 'on sunday', todo: { title: 'call mum' } });
        const deep = await db
          .$withAuth(alice)
          .query.notes.findMany({ with: { todo: { with: { notes: { with: { todo: true } } } } } });
        expect(deep.map(({ todo }) => todo?.notes.map((each) => each.todo?.title))).toEqual(
          Array.from({ length: 2 }, () => ['water the plants', 'water the plants']),
        );
      });

      it('$count, alone, with a filter and inside a query', async () => {
        expect(await db.$withAuth(alice).$count(todos)).toBe(2);
        expect(await db.$withAuth(alice).$count(todos, eq(todos.isPublic, false))).toBe(1);
        const handle = db.$withAuth(bob);
        const rows = await handle
          .select({ all: handle.$count(todos) })
          .from(todos)
          .limit(1);
        expect(rows).toEqual([{ all: 2 }]);
      });

      it('insert, returning or not, which stores the person without naming it', async () => {
        const [row] = await db.$withAuth(alice).insert(todos).values({ title: 'sweep' }).returning();
        expect(row).toMatchObject({ userId: 'alice', title: 'sweep' });
        await db.$withAuth(bob).insert(todos).values({ title: 'sweep' });
        const prepared = db
          .$withAuth(bob)
          .insert(todos)
          .values({ title: sql.placeholder('title') })
          .returning()
          .prepare('add');
        expect(await prepared.execute({ title: 'mop' })).toMatchObject([{ userId: 'bob', title: 'mop' }]);
        const all = await db.$withAuth(bob).select().from(todos).where(eq(todos.userId, 'bob'));
        expect(titles(all)).toEqual(['call mum', 'mop', 'sweep']);
        await db.$withAuth(bob).update(todos).set({ done: true }).where(eq(todos.title, 'mop'));
        await db.$withAuth(bob).delete(todos).where(eq(todos.done, true));
        expect(await db.$withAuth(bob).$count(todos, eq(todos.userId, 'bob'))).toBe(2);
      });

      it('insert from a select', async () => {
        await db
          .$withAuth(bob)
          .insert(todos)
          .select((query) =>
            query
              .select({
                id: sql<number>`${todos.id} + 1000`.as('id'),
                userId: todos.userId,
                title: sql<string>`${todos.title} || ' again'`.as('title'),
                done: todos.done,
                isPublic: todos.isPublic,
              })
              .from(todos)
              .where(eq(todos.userId, sql`auth.user_id()`)),
          );
        const again = await db.$withAuth(bob).select().from(todos).where(like(todos.title, '% again'));
        expect(titles(again)).toEqual(['call mum again']);

        const hers = db.$withAuth(alice);
        const copied = await hers
          .insert(todos)
          .select(
            hers
              .select({
                id: sql<number>`${todos.id} + 2000`.as('id'),
                userId: sql<string>`auth.user_id()`.as('user_id'),
                title: sql<string>`${todos.title} || ' anew'`.as('title'),
                done: todos.done,
                isPublic: todos.isPublic,
              })
              .from(todos),
          )
          .returning();
        expect(titles(copied)).toEqual(['read a book anew', 'water the plants anew']);
      });

      it('upsert, of one’s own row and of none else', async () => {
        const upsert = (handle: Plain, id: number) =>
          handle
            .insert(todos)
            .values({ id, title: 'overwritten' })
            .onConflictDoUpdate({ target: todos.id, set: { title: 'overwritten' } })
            .returning();
        expect(await upsert(db.$withAuth(alice), 1)).toMatchObject([
          { userId: 'alice', title: 'overwritten' },
        ]);
        expect(await refusal(upsert(db.$withAuth(bob), 1))).toBe('42501');
        const untouched = await db
          .$withAuth(bob)
          .insert(todos)
          .values({ id: 1, title: 'overwritten' })
          .onConflictDoNothing({ target: todos.id })
          .returning();
        expect(untouched).toEqual([]);
      });

      it('refreshMaterializedView, which is refused unless any statement was asked for', async () => {
        const refreshed = (handle: Plain): Promise<unknown> => handle.refreshMaterializedView(todoCount);
        expect(await refusal(refreshed(db.$withAuth(alice)))).toBe('ERR_STATEMENT_REFUSED');
        const free = wrapped({ statements: 'any' }).$withAuth(alice);
        if (!verifiesItself) {
          expect(await refusal(refreshed(free))).toBe('ERR_STATEMENT_REFUSED');
          return;
        }
        await database.asOwner(['TRUNCATE todos CASCADE']);
        await refreshed(free);
        expect(await free.select().from(todoCount)).toEqual([{ all: 0 }]);
      });

      it('a handle of anonymous sees what is public, and may not write', async () => {
        const visitor = db.$withAnonymous();
        expect(titles(await visitor.select().from(todos))).toEqual(['read a book']);
        expect(await visitor.$count(todos)).toBe(1);
        expect(await refusal(visitor.insert(todos).values({ title: 'spam', userId: 'alice' }))).toBe('42501');
      });

      it('a handle of an identity that was verified elsewhere', async () => {
        const job = () => db.$withIdentity({ role: 'authenticated', claims: { sub: 'bob' } });
        if (verifiesItself) {
          expect(titles(await job().select().from(todos))).toEqual(['call mum', 'read a book']);
        } else {
          expect(job).toThrow(/passes tokens on.*use mode 'direct'/u);
        }
      });

      it('with the token as a promise and as a function', async () => {
        expect(await db.$withAuth(Promise.resolve(alice)).$count(todos)).toBe(2);
        expect(await db.$withAuth(() => alice).$count(todos)).toBe(2);
        expect(await db.$withAuth(async () => Promise.resolve(bob)).$count(todos)).toBe(2);
      });
    });

    describe('nobody reaches the rows of another', () => {
      it('by update, delete, insert or handing a row over', async () => {
        const handle = db.$withAuth(bob);
        const changed = await handle.update(todos).set({ title: 'mine' }).where(eq(todos.id, 1)).returning();
        expect(changed).toEqual([]);
        expect(await handle.delete(todos).where(eq(todos.id, 1)).returning()).toEqual([]);
        const planted = handle.insert(todos).values({ title: 'planted', userId: 'alice' });
        expect(await refusal(planted)).toBe('42501');
        const handed = handle.update(todos).set({ userId: 'alice' }).where(eq(todos.id, 3));
        expect(await refusal(handed)).toBe('42501');
        expect(titles(await db.$withAuth(alice).select().from(todos))).toEqual([
          'read a book',
          'water the plants',
        ]);
      });

      it('with two handles interleaved', async () => {
        const [a, b] = [db.$withAuth(alice), db.$withAuth(bob)];
        const query = a.execute<{ who: string }>(sql`select auth.user_id() as who`);
        const other = b.execute<{ who: string }>(sql`select auth.user_id() as who`);
        expect(rowsOf(await query)).toEqual([{ who: 'alice' }]);
        expect(rowsOf(await other)).toEqual([{ who: 'bob' }]);
      });

      it('with forty queries of twenty people at once over a few connections', async () => {
        const people = await Promise.all(
          Array.from({ length: 20 }, async (_, n) => ({
            name: `person ${n}`,
            token: await issuer.token(`person ${n}`),
          })),
        );
        const answers = await Promise.all(
          [...people, ...people].map(async ({ name: person, token }, n) => {
            const handle = db.$withAuth(token);
            const ask = sql<string>`select auth.user_id() as who, pg_sleep(0.01)`;
            const result =
              n % 2 === 0 || !kind.transactions
                ? await handle.execute<{ who: string }>(ask)
                : await handle.transaction((tx) => tx.execute<{ who: string }>(ask));
            return [person, rowsOf(result)[0]?.who];
          }),
        );
        for (const [person, who] of answers) expect(who).toBe(person);
      });

      it('with twenty people at once over two connections, among them errors and rollbacks', async () => {
        const few = wrapped({}, { max: 2 });
        const ask = sql<string>`select auth.user_id() as who`;
        const whoIs = async (handle: Pick<Plain, 'execute'>): Promise<unknown> =>
          rowsOf(await handle.execute<{ who: string }>(ask))[0]?.who;
        const ways: ((handle: Plain, n: number) => Promise<unknown>)[] = [
          whoIs,
          async (handle, n) => {
            expect(await refusal(handle.execute(sql`select 1 / (select 0 from pg_sleep(0.01))`))).toBe(
              '22012',
            );
            const [row] = await handle
              .insert(todos)
              .values({ title: `mixed ${n}` })
              .returning();
            return row?.userId;
          },
        ];
        if (kind.transactions) {
          ways.push(
            (handle) => handle.transaction(whoIs),
            async (handle) => {
              const work = handle.transaction(async (tx) => {
                await tx.insert(todos).values({ title: 'mixed, and rolled back' });
                tx.rollback();
              });
              await expect(work).rejects.toThrow(/rollback/iu);
              return whoIs(handle);
            },
          );
        }
        const people = await Promise.all(
          Array.from({ length: 20 }, async (_, n) => few.$withAuth(await issuer.token(`person ${n}`))),
        );
        const seen = await Promise.all(
          [...people, ...people].map(async (handle, n) => ways[n % ways.length]?.(handle, n)),
        );
        expect(seen).toEqual(Array.from({ length: 40 }, (_, n) => `person ${n % 20}`));
        const [kept] = await database.asOwner([
          `SELECT count(*)::int AS n FROM todos WHERE title LIKE 'mixed%'`,
        ]);
        expect(kept).toEqual({ n: 40 / ways.length });
        const seal = sql`select coalesce(current_setting('authorize.seal', true), '') as seal`;
        if (verifiesItself) expect(rowsOf(await few.execute(seal))).toEqual([{ seal: '' }]);
      });

      it('through the database itself, before and after handles were made', async () => {
        const plain = driver.connect(database.authenticatedUrl);
        const fresh = driver.withAuth(plain, {});
        const assertNobodys = async (): Promise<void> => {
          for (const nobody of [plain, fresh]) {
            const who = nobody.execute(sql`select auth.user_id() as who, current_user as role`);
            if (hasRoles) {
              expect(await refusal(who)).toBe('28000');
              expect(await refusal(nobody.select().from(todos))).toBe('28000');
              expect(await refusal(nobody.query.todos.findMany())).toBe('28000');
            } else {
              expect(rowsOf(await who)).toEqual([{ who: null, role: 'postgres' }]);
              expect(await nobody.select().from(todos)).toHaveLength(3);
            }
          }
        };
        await assertNobodys();
        await fresh.$withAuth(alice).select().from(todos);
        await fresh.$withAuth(alice).execute(sql`select 1`);
        await assertNobodys();
      });

      it('through a cache that remembers every query', async () => {
        const cache = new EverythingCache();
        // Whom the driver serves without an identity: what it reads is kept, and served to whoever asks the same.
        const url = verifiesItself ? database.ownerUrl : database.anonymousUrl;
        const kept = async () => titles(await driver.connect(url, { cache }).select().from(todos));
        expect(await kept()).toContain('read a book');
        await database.asOwner(['DELETE FROM todos WHERE id = 2']);
        expect(await kept()).toContain('read a book');
        expect(cache.kept.size).toBe(1);

        const cached = wrapped({}, { cache });
        const [hers, his] = [cached.$withAuth(alice), cached.$withAuth(bob)];
        const asked: Record<string, Ask> = {
          select: (handle) => handle.select().from(todos),
          'by a tag': (handle) => handle.select().from(todos).$withCache({ tag: 'todos' }),
          prepared: (handle) => handle.select().from(todos).prepare('cached_todos').execute(),
          relational: (handle) => handle.query.todos.findMany(cachedQuery),
        };
        if (kind.transactions) {
          asked.transaction = (handle) => handle.transaction((tx) => tx.select().from(todos));
        }
        for (const [how, ask] of Object.entries(asked)) {
          expect(titles(await ask(hers)), how).toEqual(['water the plants']);
          expect(titles(await ask(his)), how).toEqual(['call mum']);
        }
        expect(cache.kept.size).toBe(1);
        await his.update(todos).set({ done: true });
        expect(cache.mutations).toBe(1);
      });

      it('by SQL that is injected into a query', async () => {
        const injected = (text: string) =>
          db
            .$withAuth(bob)
            .execute<{ title: string }>(sql`select title from todos where title = '${sql.raw(text)}'`);
        const own = await injected(`' or true --`);
        expect(titles(rowsOf(own))).toEqual(['call mum', 'read a book']);
        const cleared = `select set_config('authorize.seal', '', true) as seal offset 0`;
        const swapped = `select set_config('authorize.seal', replace(current_setting('authorize.seal'), 'bob', 'alice'), true) as seal offset 0`;
        for (const change of [cleared, swapped]) {
          const attempt = injected(
            `' union all select hit.title from (${change}) as c, lateral (select title from todos where c.seal is not null offset 0) as hit --`,
          );
          expect(await refusal(attempt)).toBe('28000');
        }
        expect(await refusal(injected(`'; select 1 --`))).toBe('42601');
        expect(await refusal(injected(`' union select pg_read_file('/etc/passwd') --`))).toBe('42501');
        const keys = injected(`' union select encode(inner_pad, 'hex') from auth.seal_keys --`);
        expect(await refusal(keys)).toBe('42501');
      });
    });

    describe('after use', () => {
      it('an error leaves the handle good', async () => {
        const handle = db.$withAuth(alice);
        expect(await refusal(handle.execute(sql`select 1 / 0`))).toBe('22012');
        expect(await refusal(handle.execute(sql`select from nowhere`))).toBe('42P01');
        expect(await refusal(handle.execute(sql`selekt 1`))).toBe('ERR_STATEMENT_REFUSED');
        expect(titles(await handle.select().from(todos))).toEqual(['read a book', 'water the plants']);
      });

      it('an error that comes with the end of the transaction is reported, and nothing before it', async () => {
        const doubled = db.$withAuth(alice).insert(todos).values({ title: 'read a book' });
        expect(await refusal(doubled)).toBe('23505');
        expect(await db.$withAuth(alice).$count(todos)).toBe(2);
      });

      if (hasRoles) {
        it('a statement that was cancelled in the middle leaves the handle good, and everybody else’s', async () => {
          const single = wrapped({}, { max: 1 });
          const slow = sql`select pg_sleep(30) as cancelled`;
          const sleepers: ((handle: Plain) => Promise<unknown>)[] = [async (handle) => handle.execute(slow)];
          if (kind.transactions) {
            sleepers.push((handle) => handle.transaction((tx) => tx.execute(slow)));
          }
          for (const sleep of sleepers) {
            const sleeping = refusal(sleep(single.$withAuth(alice)));
            const waiting = single.$withAuth(bob).$count(todos);
            const cancel = `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE datname = current_database()
              AND query LIKE '%pg_sleep(30) as cancelled%' AND state = 'active' AND pid <> pg_backend_pid()`;
            await expect.poll(async () => (await database.asOwner([cancel])).length).toBe(1);
            expect(await sleeping).toBe('57014');
            expect(await waiting).toBe(2);
            expect(titles(await single.$withAuth(alice).select().from(todos))).toEqual([
              'read a book',
              'water the plants',
            ]);
          }
        });
      }

      it('a value that cannot be written fails alone', async () => {
        const circular: Record<string, unknown> = {};
        circular.self = circular;
        await expect(db.$withAuth(alice).execute(sql`select ${circular}::jsonb`)).rejects.toThrow();
        expect(await db.$withAuth(alice).$count(todos)).toBe(2);
      });

      it('a prepared statement of one person serves the next, as the next', async () => {
        const shared = wrapped({}, { max: 1 });
        const asked = (token: string): Promise<readonly { title: string }[]> =>
          shared
            .$withAuth(token)
            .select()
            .from(todos)
            .where(eq(todos.done, sql.placeholder('done')))
            .prepare('undone')
            .execute({ done: false });
        // A prologue that fails must not make the driver believe that the statement was parsed.
        expect(await refusal(asked(`${alice}x`))).toBe('ERR_TOKEN_SIGNATURE');
        expect(titles(await asked(alice))).toEqual(['read a book', 'water the plants']);
        expect(titles(await asked(bob))).toEqual(['call mum', 'read a book']);
      });

      // The gateway lets nothing of it pass, and is tested on its own.
      if (verifiesItself) {
        type Sends = (handle: Plain, statement: SQL) => Promise<unknown>;
        const ways: Record<string, Sends> = {
          'by itself': async (handle, statement) => handle.execute(statement),
        };
        if (kind.transactions) {
          ways['in a transaction'] = (handle, statement) => handle.transaction((tx) => tx.execute(statement));
          ways['in a transaction that is rolled back'] = (handle, statement) =>
            handle
              .transaction(async (tx) => {
                await tx.execute(statement);
                tx.rollback();
              })
              .catch(() => {});
        }

        it.each(Object.entries(ways))(
          'nothing that a statement leaves %s meets the next person',
          async (_, send) => {
            const single = wrapped({}, { max: 1 });
            const mallory = single.$withAuth(bob);
            await send(
              mallory,
              sql`select set_config('search_path', 'nowhere', false), set_config('app.left', 'behind', false),
              set_config('statement_timeout', '1000', false), set_config('default_transaction_read_only', 'on', false),
              pg_advisory_lock(42), nextval('todos_id_seq')`,
            );
            await send(mallory, sql`select 1 as id into temp todos`);
            await send(
              mallory,
              sql`select set_config('authorize.seal', current_setting('authorize.seal'), false)`,
            );

            const left = await single.$withAuth(alice).execute(sql`select
            current_setting('search_path') as path, coalesce(current_setting('app.left', true), '') as left_behind,
            current_setting('statement_timeout') as timeout, current_setting('default_transaction_read_only') as read_only,
            current_setting('role') as role, session_user as login, auth.user_id() as who,
            (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks,
            (select count(*)::int from pg_class where relpersistence = 't' and relkind = 'r') as temporary_tables,
            (select count(*)::int from pg_prepared_statements where statement !~ 'authorize.seal|pg_type') as prepared`);
            expect(rowsOf(left)).toEqual([
              {
                path: hasRoles ? '"$user", public' : 'public',
                left_behind: '',
                timeout: '0',
                read_only: 'off',
                role: hasRoles ? 'none' : 'authenticated',
                login: hasRoles ? 'authenticated' : 'postgres',
                who: 'alice',
                locks: 0,
                temporary_tables: 0,
                prepared: 0,
              },
            ]);
            expect(await refusal(single.$withAuth(alice).execute(sql`select lastval()`))).toBe('55000');
            const nobody = single.execute(sql`select auth.user_id() as who, current_user as role`);
            if (hasRoles) expect(await refusal(nobody)).toBe('28000');
            else expect(rowsOf(await nobody)).toEqual([{ who: null, role: 'postgres' }]);
            expect(titles(await single.$withAuth(alice).select().from(todos))).toEqual([
              'read a book',
              'water the plants',
            ]);
          },
        );
      }
    });

    if (kind.transactions) {
      describe('a transaction', () => {
        it('is one identity from begin to commit, with its isolation level', async () => {
          const seen = await db.$withAuth(alice).transaction(
            async (tx) => {
              await tx.insert(todos).values({ title: 'in a transaction' });
              return rowsOf(
                await tx.execute(
                  sql`select auth.user_id() as who, current_setting('transaction_isolation') as level`,
                ),
              );
            },
            { isolationLevel: 'serializable', accessMode: 'read write', deferrable: false },
          );
          expect(seen).toEqual([{ who: 'alice', level: 'serializable' }]);
          expect(await db.$withAuth(alice).$count(todos, eq(todos.title, 'in a transaction'))).toBe(1);
        });

        it('has the levels that are set in it ahead of its first query, as without withAuth', async () => {
          const levels = sql`select auth.user_id() as who, current_setting('transaction_isolation') as level,
            current_setting('transaction_read_only') as read_only, current_setting('transaction_deferrable') as deferrable`;
          const seen = await db.$withAuth(alice).transaction(
            async (tx) => {
              await tx.setTransaction({ isolationLevel: 'serializable' });
              await tx.setTransaction({ accessMode: 'read only', deferrable: true });
              return rowsOf(await tx.execute(levels));
            },
            { isolationLevel: 'repeatable read' },
          );
          expect(seen).toEqual([{ who: 'alice', level: 'serializable', read_only: 'on', deferrable: 'on' }]);

          const inside = await db.$withAuth(bob).transaction(async (tx) => {
            await tx.setTransaction({ isolationLevel: 'repeatable read' });
            return tx.transaction((inner) => inner.select().from(todos));
          });
          expect(titles(inside)).toEqual(['call mum', 'read a book']);
          await db.$withAuth(alice).transaction(async (tx) => {
            await tx.setTransaction({ isolationLevel: 'serializable' });
          });
          const [after] = rowsOf(await db.$withAuth(alice).execute(levels));
          expect(after).toMatchObject({ level: 'read committed', read_only: 'off', deferrable: 'off' });
        });

        if (hasRoles) {
          it('sees what another one sees, whose snapshot it is given', async () => {
            const later = sql`select title from todos where title = 'later'`;
            await db.$withAuth(alice).transaction(
              async (tx) => {
                const [exported] = rowsOf(
                  await tx.execute<{ id: string }>(sql`select pg_export_snapshot() as id`),
                );
                await db.$withAuth(bob).insert(todos).values({ title: 'later' });
                const given = `'${exported?.id}'`;
                const seen = await db.$withAuth(bob).transaction(
                  async (other) => {
                    await other.execute(sql.raw(`set transaction snapshot ${given}`));
                    return rowsOf(await other.execute(later));
                  },
                  { isolationLevel: 'repeatable read' },
                );
                expect(seen).toEqual([]);
                // An option of drizzle-orm 1.0.
                const config = { isolationLevel: 'repeatable read', snapshot: exported?.id } as const;
                const byOption = await db
                  .$withAuth(bob)
                  .transaction(async (other) => rowsOf(await other.execute(later)), config);
                expect(byOption).toHaveLength(line.startsWith('0.45.') ? 1 : 0);
              },
              { isolationLevel: 'repeatable read' },
            );
            expect(rowsOf(await db.$withAuth(bob).execute(later))).toHaveLength(1);
          });
        }

        it('has no level that is set behind a query, or that there is not, and nothing of what it did', async () => {
          const late = db.$withAuth(alice).transaction(async (tx) => {
            await tx.insert(todos).values({ title: 'lost' });
            await tx.setTransaction({ isolationLevel: 'serializable' });
          });
          expect(await refusal(late)).toBe('25001');
          const none = db.$withAuth(alice).transaction(async (tx) => {
            await tx.setTransaction({ isolationLevel: 'bogus' as never });
          });
          expect(await refusal(none)).toBe('42601');
          // Caught, it is still the transaction that has failed: what follows must not run without one.
          const caught = db.$withAuth(alice).transaction(async (tx) => {
            await tx.setTransaction({ isolationLevel: 'bogus' as never }).catch(() => {});
            await tx.insert(todos).values({ title: 'lost' });
          });
          expect(['25P02', '42601']).toContain(await refusal(caught));
          const begun = db.$withAuth(alice).transaction(
            async (tx) => {
              await tx
                .insert(todos)
                .values({ title: 'lost' })
                .catch(() => {});
              await tx.insert(todos).values({ title: 'lost' });
            },
            { isolationLevel: 'bogus' as never },
          );
          expect(['ERR_TRANSACTION_ENDED', '42601']).toContain(await refusal(begun));
          expect(titles(await db.$withAuth(alice).select().from(todos))).toEqual([
            'read a book',
            'water the plants',
          ]);
        });

        it('that may only read writes nothing', async () => {
          const write = (tx: Pick<Plain, 'insert'>) => tx.insert(todos).values({ title: 'no' });
          const handle = db.$withAuth(alice);
          expect(await refusal(handle.transaction(write, { accessMode: 'read only' }))).toBe('25006');
          await handle.transaction(write, { accessMode: 'read write' });
          expect(await handle.$count(todos, eq(todos.title, 'no'))).toBe(1);
        });

        it('rolls back, whole and to a savepoint', async () => {
          const handle = db.$withAuth(alice);
          await expect(
            handle.transaction(async (tx) => {
              await tx.insert(todos).values({ title: 'lost' });
              throw new Error('changed my mind');
            }),
          ).rejects.toThrow('changed my mind');
          await handle.transaction(async (tx) => {
            await tx.insert(todos).values({ title: 'kept' });
            await tx
              .transaction(async (inner) => {
                await inner.insert(todos).values({ title: 'lost as well' });
                await inner.execute(sql`select 1 / 0`);
              })
              .catch(() => {});
            expect(await tx.$count(todos, eq(todos.title, 'kept'))).toBe(1);
          });
          const kept = await handle
            .select()
            .from(todos)
            .where(and(eq(todos.userId, 'alice'), eq(todos.done, false)));
          expect(titles(kept)).toEqual(['kept', 'read a book', 'water the plants']);
        });

        it('takes statements that are not waited for one by one, also by the same name', async () => {
          await db.$withAuth(alice).transaction(async (tx) => {
            const undone = tx
              .select()
              .from(todos)
              .where(eq(todos.done, sql.placeholder('done')))
              .prepare('undone_at_once');
            const [open, done] = await Promise.all([
              undone.execute({ done: false }),
              undone.execute({ done: true }),
            ]);
            expect([open.length, done.length]).toEqual([2, 0]);
          });
        });

        it('that cannot be committed fails with the error of the commit', async () => {
          const work = db.$withAuth(alice).transaction(async (tx) => {
            // The constraint is looked at when the transaction ends.
            await tx.insert(todos).values({ title: 'read a book' });
          });
          expect(await refusal(work)).toBe('23505');
          expect(await db.$withAuth(alice).$count(todos)).toBe(2);
        });

        it('is over when its callback is', async () => {
          let escaped: Pick<Plain, 'select'> | undefined;
          await db.$withAuth(alice).transaction(async (tx) => {
            escaped = tx;
            await tx.select().from(todos);
          });
          expect(await refusal(escaped?.select().from(todos) ?? Promise.resolve())).toBe(
            'ERR_TRANSACTION_ENDED',
          );
        });

        it('cannot be ended from within and go on as nobody', async () => {
          const work = db.$withAuth(alice).transaction(async (tx) => {
            await tx.execute(sql`commit`);
            return tx.select().from(todos);
          });
          expect(await refusal(work)).toBe('ERR_TRANSACTION_ENDED');
          expect(await db.$withAuth(bob).$count(todos)).toBe(2);
        });

        if (verifiesItself) {
          it('goes on as the person whose token expires in it, and does not begin afterwards', async () => {
            // Seals are for whole seconds, upwards: half a second keeps what two clocks differ by from deciding which.
            const sealExpiresAt = Math.ceil(Date.now() / 1000 + 1);
            const expiresAt = sealExpiresAt - 0.5;
            const person = { role: 'authenticated', claims: { sub: 'alice' }, expiresAt };
            const handle = db.$withIdentity(person);
            const expired = () =>
              expect.poll(() => Date.now() / 1000, { timeout: 5_000 }).toBeGreaterThan(sealExpiresAt + 0.05);
            const early = handle.transaction(async (tx) => {
              const before = await tx.$count(todos);
              await expired();
              return [before, await tx.$count(todos)];
            });
            const late = handle.transaction(async (tx) => {
              await expired();
              return tx.$count(todos);
            });
            expect(await Promise.all([early, refusal(late)])).toEqual([[2, 2], 'ERR_TOKEN_EXPIRED']);
            expect(await refusal(handle.$count(todos))).toBe('ERR_TOKEN_EXPIRED');
            expect(await db.$withAuth(alice).$count(todos)).toBe(2);
          });
        }

        it('that a token cannot open gives its connection back', async () => {
          const expired = await issuer.token('alice', { exp: 1_000_000 });
          for (let round = 0; round < 10; round += 1) {
            const begun = db.$withAuth(expired).transaction((tx) => tx.select().from(todos));
            expect(await refusal(begun)).toBe('ERR_TOKEN_EXPIRED');
            const wrong = db
              .$withAuth(alice)
              .transaction((tx) => tx.select().from(todos), { isolationLevel: 'bogus' as never });
            expect(await refusal(wrong)).toBe('42601');
          }
          expect(await db.$withAuth(alice).$count(schema.notes)).toBe(2);
        });
      });
    }

    describe('a set of replicas, wrapped one by one,', () => {
      let copy: Database;
      let copyDriver: Driver;

      beforeAll(async () => {
        copy = await kind.create('copy');
        // What was read says where.
        await copy.asOwner([
          `UPDATE todos SET title = title || ', copied'`,
          `INSERT INTO todos (user_id, title) VALUES ('alice', 'one more, copied')`,
        ]);
        copyDriver = await kind.open(copy, issuer);
      });

      afterAll(async () => {
        await copyDriver.close();
        await copy.drop();
      });

      const primary = (): WithAuth<Plain> => wrapped(visitorsOf(driver, database));
      const replica = (): WithAuth<Plain> =>
        copyDriver.withAuth(copyDriver.connect(copy.authenticatedUrl), visitorsOf(copyDriver, copy));
      const hers = ['one more, copied', 'read a book, copied', 'water the plants, copied'];
      const his = ['call mum, copied', 'read a book, copied'];

      it('reads from a replica, as the person', async () => {
        const set = withReplicas(primary(), [replica()]);
        const [a, b] = [readsOf(set.$withAuth(alice)), readsOf(set.$withAuth(bob))];
        const reads: Record<string, Ask> = {
          select: (reader) => reader.select().from(todos),
          selectDistinct: (reader) => reader.selectDistinct().from(todos),
          selectDistinctOn: (reader) => reader.selectDistinctOn([todos.id]).from(todos),
          'query.findMany': (reader) => reader.query.todos.findMany({ with: { notes: true } }),
          with: (reader) => {
            const own = reader.$with('own').as(reader.select().from(todos));
            return reader.with(own).select({ title: own.title }).from(own);
          },
        };
        for (const [how, ask] of Object.entries(reads)) {
          expect(titles(await ask(a)), how).toEqual(hers);
          expect(titles(await ask(b)), how).toEqual(his);
        }
        expect([await a.$count(todos), await b.$count(todos)]).toEqual([3, 2]);
        const visitor = readsOf(set.$withAnonymous());
        expect(titles(await visitor.select().from(todos))).toEqual(['read a book, copied']);
        const nobodys = readsOf(set).select().from(todos);
        if (hasRoles) expect(await refusal(nobodys)).toBe('28000');
        else expect(titles(await nobodys)).toEqual(['call mum, copied', ...hers]);
      });

      it('writes to the primary, as the person', async () => {
        const handle = withReplicas(primary(), [replica()]).$withAuth(bob);
        await handle.insert(todos).values({ title: 'added' });
        await handle.update(todos).set({ done: true }).where(eq(todos.title, 'added'));
        await handle.delete(todos).where(eq(todos.title, 'call mum'));
        await handle.execute(sql`insert into ${todos} (title) values ('executed')`);
        const written = ['added', 'executed', 'read a book'];
        expect(titles(await handle.$primary.select().from(todos))).toEqual(written);
        if (kind.transactions) {
          const inside = await handle.transaction((tx) => tx.select().from(todos));
          expect(titles(inside)).toEqual(written);
        }
        expect(titles(await readsOf(handle).select().from(todos))).toEqual(his);
      });

      it('reads from the replica that it is told to', async () => {
        const set = withReplicas(primary(), [replica(), wrapped()], ([, second]) => second ?? primary());
        const handle = set.$withAuth(alice);
        const seen = titles(await readsOf(handle).select().from(todos));
        expect(seen).toEqual(['read a book', 'water the plants']);
        const { $primary, $replicas } = handle;
        expect(await $primary.$count(todos)).toBe(2);
        expect(await Promise.all($replicas.map((each) => each.$count(todos)))).toEqual([3, 2]);
      });

      it('may also be made of handles', async () => {
        const set = withReplicas(primary().$withAuth(alice), [replica().$withAuth(alice)]);
        expect(titles(await readsOf(set).select().from(todos))).toEqual(hers);
        const added = await set.insert(todos).values({ title: 'added' }).returning();
        expect(added).toMatchObject([{ userId: 'alice', title: 'added' }]);
        expect(await primary().$withAuth(alice).$count(todos)).toBe(3);
      });

      it('has every member that the database has', () => {
        const members = Object.keys(driver.connect(database.authenticatedUrl));
        const set = withReplicas(primary(), [replica()]);
        const ofHandles = withReplicas(primary().$withAuth(alice), [replica().$withAuth(alice)]);
        for (const each of [set, set.$withAuth(alice), ofHandles]) {
          expect(members.filter((member) => !(member in each))).toEqual([]);
        }
        expect(set).toHaveProperty('$withAuth');
      });

      it('is refused when a replica is not wrapped', () => {
        const set = withReplicas(primary(), [copyDriver.connect(copy.authenticatedUrl) as WithAuth<Plain>]);
        expect(() => set.$withAuth(alice)).toThrow(/wrap the replicas as well/u);
      });
    });

    describe('statements that do more than read and write rows are refused before they are sent', () => {
      const refused = [
        `alter role authenticated set search_path = nowhere`,
        `/* select */ alter role authenticated set search_path = nowhere`,
        `-- select\ralter role authenticated set search_path = nowhere\n`,
        `; alter role authenticated set search_path = nowhere`,
        `set role none`,
        `begin`,
        `commit`,
        `listen x`,
        `prepare p as select 1`,
        `do $$ begin end $$`,
        `copy todos to stdout`,
        `explain analyze select 1`,
        `lock table todos`,
        ``,
      ];

      it.each(refused)('%j', async (text) => {
        const handle = db.$withAuth(alice);
        expect(await refusal(handle.execute(sql.raw(text)))).toBe('ERR_STATEMENT_REFUSED');
        if (kind.transactions && text !== 'begin' && text !== 'commit') {
          expect(await refusal(handle.transaction((tx) => tx.execute(sql.raw(text))))).toBe(
            'ERR_STATEMENT_REFUSED',
          );
        }
      });

      it.each([
        '  select 1',
        '/* a /* nested */ comment */ select 1',
        '-- a comment\nselect 1',
        '((select 1) union (select 2))',
        'values (1)',
        'with a as (select 1) select * from a',
      ])('and %j is not', async (text) => {
        await db.$withAuth(alice).execute(sql.raw(text));
      });

      it('unless any statement was asked for, which is still one at a time', async () => {
        const free = wrapped({ statements: 'any' }).$withAuth(alice);
        const explained = free.execute(sql`explain select * from todos`);
        if (verifiesItself) expect(rowsOf(await explained).length).toBeGreaterThan(0);
        else expect(await refusal(explained)).toBe('ERR_STATEMENT_REFUSED');
        // Nor can a block end the transaction that holds the identity.
        const block = refusal(free.execute(sql`do $$ begin commit; end $$`));
        expect(await block).toBe(verifiesItself ? '2D000' : 'ERR_STATEMENT_REFUSED');
        // Stopped by Postgres or its parser: always the extended protocol, also without parameters.
        expect(await refusal(free.execute(sql`select 1; select 2`))).toBe('42601');
        expect(await free.$count(todos)).toBe(2);
      });
    });

    describe('withAuth refuses', () => {
      it('a set of replicas', () => {
        const [primary, replica] = [1, 2].map(() => driver.connect(database.authenticatedUrl));
        if (primary === undefined || replica === undefined) throw new Error('two were made');
        const set = withReplicas(primary, [replica]) as unknown as Plain;
        expect(() => driver.withAuth(set, {})).toThrow(/one by one/u);
      });

      it('a handle, which is somebody’s already, and takes what it has wrapped before', async () => {
        const handle = wrapped().$withAuth(alice);
        expect(() => driver.withAuth(handle, {})).toThrow(/not a handle/u);
        const twice = driver.withAuth(driver.withAuth(driver.connect(database.authenticatedUrl), {}), {});
        expect(titles(await twice.$withAuth(bob).select().from(todos))).toEqual(['call mum', 'read a book']);
      });

      it('something else, and options that are none', () => {
        expect(() => driver.withAuth({} as Plain, {})).toThrow(TypeError);
        expect(() => wrapped({ statements: 'all' as never })).toThrow(/statements must be/u);
        expect(() => wrapped({ anonymous: {} })).toThrow(/^withAuth: anonymous: /u);
      });

      if (verifiesItself) {
        it('a missing or malformed key, at once', () => {
          const before = process.env.AUTHORIZE_KEY;
          delete process.env.AUTHORIZE_KEY;
          expect(() => wrapped({ key: undefined as never })).toThrow(
            expect.objectContaining({ code: 'ERR_KEY_MISSING' }),
          );
          if (before !== undefined) process.env.AUTHORIZE_KEY = before;
          for (const key of [
            'secret',
            'A'.repeat(43),
            `${database.authorizeKey},x`,
            `${database.authorizeKey}A`,
          ]) {
            expect(() => wrapped({ key })).toThrow(expect.objectContaining({ code: 'ERR_KEY_INVALID' }));
          }
        });
      }
    });

    describe('a handle refuses', () => {
      it('a missing token, which is never an anonymous query', async () => {
        for (const token of ['', undefined, null, 42, {}]) {
          expect(() => db.$withAuth(token as never)).toThrow(/token is missing/u);
        }
        for (const late of [
          Promise.resolve(''),
          Promise.resolve(undefined as never),
          () => '',
          () => undefined as never,
        ]) {
          await expect(db.$withAuth(late).select().from(todos)).rejects.toThrow(TypeError);
        }
      });

      it('to be somebody else', () => {
        const handle: object = db.$withAuth(alice);
        for (const member of ['$withAuth', '$withAnonymous', '$withIdentity']) {
          expect(Reflect.get(handle, member)).toBeUndefined();
        }
      });

      it('a token that could not be had, when it is used and not before', async () => {
        const failing = db.$withAuth(Promise.reject(new TypeError('no session')));
        await new Promise(setImmediate);
        await expect(failing.select().from(todos)).rejects.toThrow('no session');
        // Nobody ever waits for these.
        void failing.select().from(todos);
        db.$withAuth(Promise.reject(new TypeError('no session')));
      });

      it('what a token function throws, as it was thrown', async () => {
        const failing = db.$withAuth(() => Promise.reject(new TypeError('the session is over')));
        await expect(failing.select().from(todos)).rejects.toThrow('the session is over');
      });

      it('a role for which no client was given', () => {
        const alone = wrapped();
        if (hasRoles) expect(() => alone.$withAnonymous()).toThrow(/pass \{ anonymous: drizzle/u);
        if (!verifiesItself) return;
        expect(() => alone.$withIdentity({ role: 'postgres', claims: {} })).toThrow(
          /no client for the role 'postgres'/u,
        );
        expect(() => alone.$withIdentity({ role: 'authenticated' } as never)).toThrow(TypeError);
      });

      it.each([
        [
          'tampered',
          async () => (await issuer.token('alice')).replace(/.{8}$/u, 'AAAAAAAA'),
          'ERR_TOKEN_SIGNATURE',
        ],
        ['expired', () => issuer.token('alice', { exp: 1_700_000_000 }), 'ERR_TOKEN_EXPIRED'],
        ['wrong audience', () => issuer.token('alice', { aud: 'another-app' }), 'ERR_TOKEN_AUDIENCE'],
        ['malformed', () => 'not-a-token', 'ERR_TOKEN_MALFORMED'],
        ['no header value', () => 'two\nlines', 'ERR_TOKEN_MALFORMED'],
      ])('a token that is %s', async (_, token, code) => {
        const given = await token();
        expect(await refusal(db.$withAuth(given).select().from(todos))).toBe(code);
        const inFunction = db.$withAuth(token);
        await expect(inFunction.execute(sql`select 1`)).rejects.toMatchObject({ name: 'TokenError', code });
        if (!kind.transactions) return;
        expect(await refusal(inFunction.transaction((tx) => tx.select().from(todos)))).toBe(code);
      });
    });

    if (verifiesItself && hasRoles) {
      describe('a login that is not the identity role is refused at the first query', () => {
        const ask = async (url: string, options: Partial<VerifyingOptions> = {}): Promise<unknown> =>
          rowsOf(
            await driver
              .withAuth(driver.connect(url), options)
              .$withAuth(alice)
              .execute(sql`select current_user as role, auth.user_id() as who`),
          );

        it('a superuser', async () => {
          expect(await refusal(ask(database.ownerUrl))).toBe('ERR_LOGIN_PRIVILEGED');
          expect(await ask(database.ownerUrl, { allowPrivilegedLogin: true })).toEqual([
            { role: 'authenticated', who: 'alice' },
          ]);
        });

        it('another identity role', async () => {
          expect(await refusal(ask(database.anonymousUrl))).toBe('ERR_LOGIN_ROLE');
        });

        it('a role that passes row level security', async () => {
          const role = `bypassing_${new URL(database.ownerUrl).pathname.slice(1)}`;
          await database.asOwner([`CREATE ROLE ${role} LOGIN BYPASSRLS PASSWORD 'bypassing'`]);
          const url = new URL(database.ownerUrl);
          [url.username, url.password] = [role, 'bypassing'];
          expect(await refusal(ask(url.href))).toBe('ERR_LOGIN_PRIVILEGED');
          await database.asOwner([`DROP ROLE ${role}`]);
        });

        it('a role that owns tables', async () => {
          const ordinary = await createDatabase('ordinary', { owner: 'ordinary' });
          await withClient(ordinary.url, async (owner) => {
            // Another application's tables: enough to say that policies do not bind this login.
            await owner.query('CREATE SCHEMA auth; CREATE TABLE own (id int)');
            await owner.query(
              'CREATE FUNCTION auth.check(text) RETURNS boolean LANGUAGE sql AS $$ SELECT true $$',
            );
          });
          expect(await refusal(ask(ordinary.url))).toBe('ERR_LOGIN_PRIVILEGED');
          await ordinary.drop();
        });

        it('a database without the auth schema', async () => {
          const empty = await createDatabase('empty');
          const url = new URL(database.authenticatedUrl);
          url.pathname = `/${empty.name}`;
          expect(await refusal(ask(url.href))).toBe('ERR_MIGRATIONS_MISSING');
          await empty.drop();
        });
      });
    }

    if (verifiesItself) {
      it('asks a function for a new token when the old one has expired', async () => {
        let asked = 0;
        // Good for one to two seconds more, of the thirty that clocks may differ.
        const handle = db.$withAuth(async () => {
          asked += 1;
          return issuer.token('alice', { exp: Math.floor(Date.now() / 1000) - 28 });
        });
        await handle.$count(todos);
        await handle.$count(todos);
        expect(asked).toBe(1);
        await expect
          .poll(async () => (await handle.$count(todos), asked), { timeout: 5_000, interval: 200 })
          .toBe(2);
      });

      it('the query does not run when the prologue fails', async () => {
        // A sequence is not put back by a rollback: it would show that the statement ran.
        const lastValue = () => database.asOwner(['SELECT last_value FROM todos_id_seq']);
        const before = await lastValue();
        const next = sql`select nextval('todos_id_seq')`;
        const otherKey = wrapped({ key: `${database.authorizeKey.slice(0, -4)}AAAA` });
        expect(await refusal(otherKey.$withAuth(alice).execute(next))).toBe('28000');
        const gone = { role: 'authenticated', claims: { sub: 'alice' }, expiresAt: Date.now() / 1000 - 1 };
        expect(await refusal(db.$withIdentity(gone).execute(next))).toBe('ERR_TOKEN_EXPIRED');
        expect(await lastValue()).toEqual(before);
      });
    }

    it('a person who is revoked is refused from the next query on, also by what has been used before', async () => {
      const [hers, his] = [db.$withAuth(alice), db.$withAuth(bob)];
      expect(titles(await hers.select().from(todos))).not.toEqual([]);
      await database.asOwner([`INSERT INTO auth.revocations (claim, value) VALUES ('sub', 'alice')`]);
      try {
        expect(await refusal(hers.select().from(todos))).toBe('28000');
        expect(await refusal(db.$withAuth(alice).select().from(todos))).toBe('28000');
        expect(titles(await his.select().from(todos))).not.toEqual([]);
      } finally {
        await database.asOwner(['DELETE FROM auth.revocations']);
      }
      expect(titles(await hers.select().from(todos))).not.toEqual([]);
    });

    it('no secret is in what a handle says: no token, key, password or claim', async () => {
      const subject = 'subject-7f3a9c';
      const claim = 'claim-5e1d';
      const good = await issuer.token(subject, { secret_claim: claim });
      const another = await issuer.token(subject, { aud: claim });
      const wrongKey = `${database.authorizeKey.slice(0, -4)}AAAA`;
      const secrets = [good, ...good.split('.'), database.authorizeKey, wrongKey, subject, claim];
      if (hasRoles) {
        for (const url of [database.authenticatedUrl, database.ownerUrl]) secrets.push(new URL(url).password);
      }

      const attempts: (() => unknown)[] = [
        () => db.$withAuth(`${good}x`).select().from(todos),
        () => db.$withAuth(`${good}\n`).select().from(todos),
        () => db.$withAuth(good.slice(0, -10)).select().from(todos),
        () => db.$withAuth(another).select().from(todos),
        () => db.$withAuth(good).execute(sql`commit`),
        () => db.$withAuth(good).execute(sql`select 1 / 0`),
      ];
      if (verifiesItself) {
        attempts.push(
          () => wrapped({ key: wrongKey }).$withAuth(good).$count(todos),
          () => wrapped({ key: `${wrongKey}.` }),
        );
      }
      if (verifiesItself && hasRoles) {
        attempts.push(() =>
          driver.withAuth(driver.connect(database.ownerUrl), {}).$withAuth(good).$count(todos),
        );
      }
      for (const attempt of attempts) {
        const said = await saidBy(attempt);
        for (const secret of secrets) expect(said).not.toContain(secret);
      }
    });
  });
}

/** Keeps every answer under a key that does not say whose it is, as caches of Drizzle do. */
class EverythingCache extends Cache {
  readonly kept = new Map<string, unknown[]>();
  #mutations = 0;

  get mutations(): number {
    return this.#mutations;
  }

  strategy(): 'all' {
    return 'all';
  }

  async get(key: string): Promise<unknown[] | undefined> {
    return Promise.resolve(this.kept.get(key));
  }

  async put(key: string, response: unknown[]): Promise<void> {
    this.kept.set(key, response);
    return Promise.resolve();
  }

  async onMutate(): Promise<void> {
    this.#mutations += 1;
    return Promise.resolve();
  }
}

async function saidBy(attempt: () => unknown): Promise<string> {
  const texts: string[] = [];
  try {
    await attempt();
  } catch (error) {
    for (let each: unknown = error; each instanceof Error; each = each.cause) {
      texts.push(each.message, each.stack ?? '', JSON.stringify(each));
    }
  }
  expect(texts).not.toEqual([]);
  return texts.join('\n');
}
