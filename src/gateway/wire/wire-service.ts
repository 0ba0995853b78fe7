import { randomInt } from 'node:crypto';
import type { Duplex } from 'node:stream';

import { KeySetError } from '../../errors.ts';
import type { Verifier } from '../../jwt/index.ts';
import { watch, type Observe } from '../../observe.ts';
import type { Identity } from '../../session/identity.ts';
import { ReusableSeals } from '../../session/reusable-seals.ts';
import type { SealKey } from '../../session/seal-key.ts';
import { withPinnedSettings } from '../pinned-settings.ts';
import type { RateLimit } from '../rate-limit.ts';
import { Refusal } from '../refusal.ts';
import { RevocationWatch } from '../revocation-watch.ts';
import { authenticate, judgeSettings, type Authenticated, type SessionTarget } from './authenticate.ts';
import { connectPatiently } from '../patient-pool.ts';
import { openBackendConnection, type BackendConnection } from './backend-connection.ts';
import { ClientInput, InputEndedError } from './client-input.ts';
import { fatalOf } from './fatal.ts';
import * as messages from './messages.ts';
import { readOpening } from './startup.ts';
import { SessionPlaces } from './session-places.ts';
import { createWirePolicy } from './wire-policy.ts';
import { WireSession } from './wire-session.ts';

export interface WireServiceOptions {
  readonly connections: Readonly<Record<string, string>>;
  readonly database: string;
  readonly verifier: Verifier;
  readonly key: () => Promise<SealKey>;
  readonly authSchema: string;
  readonly statementTimeoutMs: number;
  readonly searchPath: string;
  readonly pooler: 'transaction' | undefined;
  readonly observe: Observe | undefined;
  readonly rateLimit: RateLimit | undefined;
  /** Backends that sessions may hold, in all. */
  readonly maxSessions: number;
  readonly maxSessionsPerSubject: number;
  /** How long a session waits for a Postgres that takes no connections. */
  readonly waitTimeoutMs: number;
  readonly maxMessageBytes: number;
  /** Gets a request to cancel that is for none of the sessions here. */
  readonly cancelElsewhere: ((key: CancelKey) => void) | undefined;
  /** Asks Postgres. @throws the error by which it refuses a person who has been revoked */
  readonly assertNotRevoked: (identity: Identity) => Promise<void>;
}

/** What a client is given at the start of a session, and has to know to cancel what runs in it. */
export interface CancelKey {
  readonly processId: number;
  readonly secret: number;
}

/** Serves the PostgreSQL protocol on any stream of bytes. */
export interface WireService {
  readonly accept: (client: Duplex) => void;
  /** Cancels what runs in the session that has this key, if there is one. */
  readonly cancel: (key: CancelKey) => void;
  /** How many sessions there are. */
  sessions(): number;
  /** Ends the sessions whose tokens the verifier does not accept any more. */
  endUnaccepted(): Promise<void>;
  /** Ends sessions when they are idle, all after the deadline; new ones are refused. @returns whether none was cut off */
  close(deadlineMs: number): Promise<boolean>;
}

/** Until it is known who asks. */
const startupDeadlineMs = 15_000;
/** Clients that have not said yet who they are. */
const maxStrangers = 100;

const shutdown: messages.ErrorFields = {
  severity: 'FATAL',
  code: '57P01',
  message: 'terminating connection due to administrator command',
};

export async function createWireService(options: WireServiceOptions): Promise<WireService> {
  const { connections, database, verifier, observe, rateLimit, maxMessageBytes } = options;
  const roles = Object.keys(connections);
  const policy = await createWirePolicy();
  const seals = new ReusableSeals(options.key);
  const strangers = new Set<Duplex>();
  // By what a client has to know to cancel what runs in one.
  const sessions = new Map<string, WireSession>();
  const running = new Set<Promise<void>>();
  const places = new SessionPlaces(options);
  /** Those that have a token. */
  const people = new Map<WireSession, Person>();
  const revocations = new RevocationWatch({
    connectionString: connections.anonymous ?? Object.values(connections)[0] ?? '',
    onRevoked: () => endRefused(({ identity }) => options.assertNotRevoked(identity)),
  });
  /** How often it was asked who is refused now. */
  let reviews = 0;
  let isClosing = false;

  async function isAccepted({ identity, verifyAgain }: Person): Promise<void> {
    await verifyAgain();
    await options.assertNotRevoked(identity);
  }

  async function logIn(
    { role, applicationName, settings }: SessionTarget,
    client: Duplex,
  ): Promise<BackendConnection> {
    const url = withPinnedSettings(connections[role] ?? '', { ...options, settings });
    return connectPatiently(
      () =>
        openBackendConnection(url, role, {
          applicationName: applicationName ?? 'drizzle-authorize gateway',
          authSchema: options.authSchema,
        }),
      { patienceMs: options.waitTimeoutMs, isPointless: () => isClosing || client.destroyed },
    );
  }

  function cancel(key: CancelKey): void {
    sessions.get(textOf(key))?.cancel();
  }

  /** @param judge throws for somebody who is refused */
  async function endRefused(judge: (person: Person) => Promise<unknown>): Promise<void> {
    reviews += 1;
    const waiting = [...people];
    const judgeNext = async (): Promise<void> => {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
        const [session, person] = next;
        try {
          await judge(person);
        } catch (error) {
          const reason = fatalOf(error);
          // Another error tells nothing of the person: keys or Postgres cannot be had at the moment.
          if (reason.code === '28000' && !(error instanceof KeySetError)) session.end(reason);
        }
      }
    };
    await Promise.all(Array.from({ length: 4 }, judgeNext));
  }

  /**
   * @param noStranger called once it is known who asks
   * @returns undefined when the client wanted no session
   */
  async function begin(
    client: Duplex,
    input: ClientInput,
    noStranger: () => void,
  ): Promise<Begun | undefined> {
    const opening = await readOpening(input, client);
    if (opening.kind === 'cancel') {
      if (sessions.has(textOf(opening))) cancel(opening);
      else options.cancelElsewhere?.({ processId: opening.processId, secret: opening.secret });
      return undefined;
    }
    const role = opening.settings.get('user') ?? '';
    return watch(
      observe,
      { entry: 'gateway', role: roles.includes(role) ? role : '', statement: () => '', outcomes: () => [] },
      async (identified) => {
        if (options.pooler !== undefined) {
          const hint = 'Ask by HTTP.';
          throw new Refusal('sessions are not served behind a transaction pooler', { code: '0A000', hint });
        }
        const target = judgeSettings(opening.settings, { roles, database });
        const authenticated = await authenticate(target.role, { client, input, verifier });
        const { identity } = authenticated;
        identified(identity);
        noStranger();
        const verdict = rateLimit?.refuses(identity);
        if (verdict !== undefined) throw new Refusal(verdict.message, verdict);
        if (isClosing) throw new Refusal('the gateway is shutting down', { code: '57P03' });
        places.take(identity);
        try {
          return { ...authenticated, backend: await logIn(target, client) };
        } catch (error) {
          places.giveBack(identity);
          throw error;
        }
      },
    );
  }

  async function serve(client: Duplex): Promise<void> {
    let session: WireSession | undefined;
    const input = new ClientInput(client, { maxMessageBytes, onEnd: () => session?.end(undefined) });
    strangers.add(client);
    const deadline = setTimeout(() => client.destroy(), startupDeadlineMs);
    const noStranger = (): void => {
      clearTimeout(deadline);
      strangers.delete(client);
    };
    const reviewsBefore = reviews;
    let begun: Begun | undefined;
    try {
      begun = await begin(client, input, noStranger);
    } catch (error) {
      // Who has gone is told nothing.
      if (!(error instanceof InputEndedError)) client.write(messages.errorResponse(fatalOf(error)));
    } finally {
      noStranger();
    }
    if (begun === undefined) {
      hangUp(client);
      return;
    }
    const { identity, verifyAgain, backend } = begun;
    const key = { processId: randomInt(1, 2 ** 31), secret: randomInt(-(2 ** 31), 2 ** 31) };
    session = new WireSession({ client, input, backend, identity, seals, policy, observe, rateLimit });
    sessions.set(textOf(key), session);
    if (verifyAgain !== undefined) people.set(session, { identity, verifyAgain });
    revocations.want(people.size > 0);
    // Somebody was refused while this one was on the way, and was not among those who were asked about.
    if (reviews !== reviewsBefore) void endRefused(isAccepted);
    try {
      client.write(greeting(backend, key));
      // Whoever closes has not seen this one.
      if (isClosing) session.end(shutdown);
      await session.run();
    } finally {
      sessions.delete(textOf(key));
      people.delete(session);
      revocations.want(people.size > 0);
      places.giveBack(identity);
    }
  }

  return {
    accept: (client) => {
      if (isClosing || strangers.size >= maxStrangers) {
        client.on('error', ignore);
        client.destroy();
        return;
      }
      const served = serve(client)
        .catch(() => {
          // Nothing that a client sends leads here; if something does, it costs this client its session alone.
          client.destroy();
        })
        .finally(() => running.delete(served));
      running.add(served);
    },
    cancel,
    sessions: () => places.taken,
    endUnaccepted: () => endRefused(({ verifyAgain }) => verifyAgain()),
    async close(deadlineMs) {
      isClosing = true;
      for (const client of strangers) client.destroy();
      for (const session of sessions.values()) session.endWhenIdle(shutdown);
      let isInTime = true;
      const deadline = setTimeout(() => {
        isInTime = sessions.size === 0;
        for (const session of sessions.values()) session.end(shutdown);
      }, deadlineMs);
      await Promise.all(running);
      clearTimeout(deadline);
      revocations.close();
      return isInTime;
    },
  };
}

interface Person {
  readonly identity: Identity;
  readonly verifyAgain: NonNullable<Authenticated['verifyAgain']>;
}

interface Begun extends Authenticated {
  readonly backend: BackendConnection;
}

function textOf({ processId, secret }: CancelKey): string {
  return `${processId}:${secret}`;
}

function greeting({ parameters }: BackendConnection, { processId, secret }: CancelKey): Buffer {
  return Buffer.concat([
    messages.authenticationOk,
    ...[...parameters].map(([name, value]) => messages.parameterStatus(name, value)),
    messages.backendKeyData(processId, secret),
    messages.readyForQuery,
  ]);
}

// What else the client has sent is read and dropped: closing on it could lose it the answer.
function hangUp(client: Duplex): void {
  client.end();
  client.resume();
  setTimeout(() => client.destroy(), 1_000).unref();
}

function ignore(): void {
  // It is refused anyway.
}
