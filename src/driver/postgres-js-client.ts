import { watch } from '../observe.ts';
import type { PostgresClient, Query, Rows } from './postgres-js-connection.ts';
import { watched, type Person } from './postgres-js-person.ts';
import { assertSendable, refused, statementOf, withQueries } from './postgres-js-queries.ts';
import { PersonalTransaction, type TransactionWork } from './postgres-js-transaction.ts';

/** The client as Drizzle sees it: every query and every transaction of it belongs to one person. */
export function personalClient(person: Person): PostgresClient {
  const { client, sealed, statements, observe } = person;
  const run = (query: Query): Promise<Rows> => {
    const statement = statementOf(query, client);
    const { text } = statement;
    return watch(
      observe,
      watched(person, text, ({ count }: Rows) => count),
      async (identified) => {
        assertSendable(text, statements);
        const identity = await person.identity();
        identified(identity);
        return sealed.run(identity, statement);
      },
    );
  };
  const begin = async (first: unknown, second?: unknown): Promise<unknown> => {
    const [level, work] = typeof first === 'string' ? [first, second] : ['', first];
    if (typeof work !== 'function') throw new TypeError('$client.begin: pass a callback');
    // As postgres.js writes it.
    const command = `begin ${level.replaceAll(/[^a-z ]/giu, '')}`;
    const beginning = { ...watched(person, command, () => null), outcomes: () => [] };
    const transaction = await watch(observe, beginning, async (identified) => {
      const identity = await person.identity();
      identified(identity);
      return new PersonalTransaction({ person, identity, command, sealed: await sealed.begin(identity) });
    });
    return transaction.run(work as TransactionWork);
  };
  const end = (...args: readonly unknown[]): unknown =>
    (Reflect.get(client, 'end') as (...all: readonly unknown[]) => unknown)(...args);
  return Object.assign(withQueries(client, run), { begin, end, ...refusedOfClients });
}

const refusedOfClients = refused('$client', [
  'reserve',
  'listen',
  'notify',
  'subscribe',
  'largeObject',
  'file',
]);
