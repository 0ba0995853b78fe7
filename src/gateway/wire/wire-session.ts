import type { Duplex } from 'node:stream';

import type { Observe } from '../../observe.ts';
import { watch } from '../../observe.ts';
import type { Identity } from '../../session/identity.ts';
import type { ReusableSeals } from '../../session/reusable-seals.ts';
import { fingerprintOf } from '../fingerprint.ts';
import type { RateLimit } from '../rate-limit.ts';
import type { Verdict } from '../statement-policy.ts';
import { Answers, fieldOf, type Awaited, type TransactionStatus } from './answers.ts';
import type { BackendConnection } from './backend-connection.ts';
import {
  InputEndedError,
  MalformedInputError,
  type ClientInput,
  type ClientMessage,
} from './client-input.ts';
import { fatalOf } from './fatal.ts';
import * as messages from './messages.ts';
import { SealInSession } from './seal-in-session.ts';
import { decodeText } from './startup.ts';
import { commandOf, ourPrefix, type AllowedStatement, type WirePolicy } from './wire-policy.ts';

export interface WireSessionOptions {
  readonly client: Duplex;
  readonly input: ClientInput;
  readonly backend: BackendConnection;
  readonly identity: Identity;
  readonly seals: ReusableSeals;
  readonly policy: WirePolicy;
  readonly observe: Observe | undefined;
  readonly rateLimit: RateLimit | undefined;
}

// Enough for any application; what a client holds here, Postgres holds too.
const maxStatements = 10_000;
// A client that does not read what it is told last is cut off.
const farewellMs = 5_000;
// Longer ones are no delays to Node.
const maxDelayMs = 2_147_483_647;

/** What Postgres is given in place of a statement that is refused: it fails there too, and so ends what is around it. */
const refusedStatement = messages.parse(`${ourPrefix}:refused`, 'the gateway has refused a statement');

/**
 * One person's session, from ReadyForQuery on: a backend of its own, to which the client's messages go once they are judged,
 * each transaction with the identity in it.
 *
 * Messages go on as they come, up to a Sync. Behind it nothing is sent before Postgres is ready, because until then nobody
 * knows in which transaction it would run. A simple query is sent as what it consists of, by the extended protocol.
 * Postgres itself then refuses a second statement that our parser has not seen.
 *
 * A refusal has the effect of an error of Postgres: the transaction around it fails, what follows is skipped up to the next
 * Sync, and the session goes on.
 */
export class WireSession {
  readonly #client: Duplex;
  readonly #input: ClientInput;
  readonly #backend: BackendConnection;
  readonly #identity: Identity;
  readonly #policy: WirePolicy;
  readonly #observe: Observe | undefined;
  readonly #rateLimit: RateLimit | undefined;
  readonly #answers: Answers;
  readonly #seal: SealInSession;
  /** Prepared by a Parse, by name. What was prepared by PREPARE is not here, and is none that begins or ends anything. */
  readonly #statements = new Map<string, AllowedStatement>();
  readonly #portals = new Map<string, AllowedStatement>();
  #out: Buffer[] = [];
  #outBytes = 0;
  /** Nothing has been sent since Postgres was ready last. */
  #isReady = true;
  #isInTransaction = false;
  #hasEnded = false;
  #reasonWhenIdle: messages.ErrorFields | undefined;
  #farewell: Buffer | undefined;
  #wake: () => void = ignore;
  #expiry: NodeJS.Timeout | undefined;

  constructor({ client, input, backend, identity, seals, policy, observe, rateLimit }: WireSessionOptions) {
    this.#client = client;
    this.#input = input;
    this.#backend = backend;
    this.#identity = identity;
    this.#policy = policy;
    this.#observe = observe;
    this.#rateLimit = rateLimit;
    this.#seal = new SealInSession(identity, backend.login, seals);
    this.#answers = new Answers({
      pass: (bytes) => {
        this.#pass(bytes);
      },
      ready: (status) => {
        this.#ready(status);
      },
      failed: (code) => {
        this.#seal.failed(code);
      },
      ownStatementFailed: (error) => {
        this.end({
          severity: 'FATAL',
          code: fieldOf(error, 'C') ?? '28000',
          message: fieldOf(error, 'M') ?? 'the identity could not be set',
          hint: fieldOf(error, 'H'),
        });
      },
      parameterChanged: (name, value) => {
        this.#parameterChanged(name, value);
      },
      broken: () => {
        this.end({ severity: 'FATAL', code: '08P01', message: 'the database sent what is not expected' });
      },
    });
  }

  /** Serves the session until either side ends it. Never rejects. */
  async run(): Promise<void> {
    const { stream } = this.#backend;
    stream.on('data', (chunk: Buffer) => {
      this.#answers.read(chunk);
    });
    stream.on('close', () => {
      // Postgres has said why, if it could.
      this.end(undefined);
    });
    this.#watchExpiry();
    // Gone while the backend was being opened: what it has sent has nobody to be answered to.
    if (this.#input.hasEnded) this.end(undefined);
    try {
      for (let isFirst = true; !this.#hasEnded; isFirst = false) {
        const message = this.#input.takeMessage() ?? (await this.#nextMessage());
        if (message.type === 'X') break;
        // A client that expects to be asked for its password sends it unasked, together with its first query.
        if (message.type === 'p' && isFirst && this.#identity.claims.sub === undefined) continue;
        await this.#receive(message);
      }
    } catch (error) {
      if (!(error instanceof InputEndedError)) this.end(fatalOf(error));
    } finally {
      this.end(undefined);
      clearTimeout(this.#expiry);
    }
  }

  /** Asks Postgres to stop what runs, as the client has asked by another connection. */
  cancel(): void {
    this.#backend.cancel();
  }

  /** Ends the session, and what runs in it. @param reason told to the client, unless it has gone */
  end(reason: messages.ErrorFields | undefined): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    if (!this.#isReady) this.#backend.cancel();
    this.#answers.abandon();
    this.#answers.stop();
    this.#wake();
    this.#farewell = reason === undefined ? Buffer.alloc(0) : messages.errorResponse(reason);
    if (this.#answers.isBetweenMessages || this.#backend.stream.destroyed) this.#sayFarewell();
    setTimeout(() => {
      this.#backend.stream.destroy();
      this.#client.destroy();
    }, farewellMs).unref();
  }

  /** Ends the session once nothing is at work and no transaction open. */
  endWhenIdle(reason: messages.ErrorFields): void {
    this.#reasonWhenIdle = reason;
    if (this.#isReady && !this.#isInTransaction) this.end(reason);
  }

  // The rest of a message that has begun goes first, or the last words would be taken for a part of it.
  #sayFarewell(): void {
    if (this.#farewell === undefined) return;
    if (this.#farewell.length > 0) this.#client.write(this.#farewell);
    this.#client.end();
    this.#farewell = undefined;
    this.#client.resume();
    // One that is at work, and perhaps waits for us to read, does not hear a word.
    if (this.#isReady) this.#backend.close();
    else this.#backend.stream.destroy();
  }

  #ready(status: TransactionStatus): void {
    this.#isReady = true;
    this.#isInTransaction = status !== 'I';
    this.#seal.ready(status);
    if (status === 'I') this.#portals.clear();
    this.#wake();
  }

  #pass(bytes: Buffer): void {
    if (this.#hasEnded && this.#farewell === undefined) return;
    const { stream } = this.#backend;
    if (!this.#client.write(bytes) && !stream.isPaused()) {
      stream.pause();
      this.#client.once('drain', () => stream.resume());
    }
    if (this.#hasEnded && this.#answers.isBetweenMessages) this.#sayFarewell();
  }

  #parameterChanged(name: string, value: string): void {
    const needed: Readonly<Record<string, string>> = {
      // What our parser takes for one statement could be several to Postgres.
      standard_conforming_strings: 'on',
      client_encoding: 'UTF8',
    };
    if (needed[name] === undefined || needed[name] === value) return;
    this.end({ severity: 'FATAL', code: '42501', message: `the setting ${name} must stay as it is` });
  }

  #watchExpiry(): void {
    const { expiresAt = Infinity } = this.#identity;
    const delayMs = expiresAt * 1000 - Date.now();
    if (delayMs === Infinity) return;
    if (delayMs <= 0) {
      const hint = 'Connect again with a new token.';
      this.end({ severity: 'FATAL', code: '28000', message: 'the token of the session has expired', hint });
      return;
    }
    this.#expiry = setTimeout(
      () => {
        this.#watchExpiry();
      },
      Math.min(delayMs, maxDelayMs),
    );
  }

  async #nextMessage(): Promise<ClientMessage> {
    await this.#flush();
    return this.#input.nextMessage();
  }

  async #receive(message: ClientMessage): Promise<void> {
    switch (message.type) {
      case 'Q':
        await this.#runSimpleQuery(textOf(message.body));
        break;
      case 'P':
        await this.#parse(message);
        break;
      case 'B':
        await this.#bind(message);
        break;
      case 'E':
        await this.#execute(message);
        break;
      case 'D':
      case 'C':
        this.#describeOrClose(message);
        break;
      case 'H':
        this.#send(message.bytes);
        await this.#flush();
        break;
      case 'S':
        await this.#sync();
        break;
      case 'F':
        this.#refuse(
          { command: 'FUNCTION CALL' },
          {
            message: 'a function call by the protocol is not allowed to an identity role',
            code: '42501',
            detail: 'ERR_STATEMENT_REFUSED',
          },
        );
        await this.#sync();
        break;
      case 'd':
      case 'c':
      case 'f':
        // Data for a COPY that was refused; Postgres drops it too.
        break;
      default:
        throw new MalformedInputError('invalid frontend message type');
    }
    if (this.#outBytes > 65_536) await this.#flush();
  }

  async #runSimpleQuery(text: string): Promise<void> {
    this.#statements.delete('');
    const judged = this.#policy(text);
    const verdict =
      this.#rateLimit?.refuses(this.#identity) ??
      ('verdict' in judged ? judged.verdict : this.#refusesExecute(judged.statements));
    if (verdict !== undefined || 'verdict' in judged) {
      this.#refuse({ command: commandOf(text), text }, verdict ?? { message: 'refused' });
    } else {
      const nothing: AllowedStatement = { text, effect: 'none', command: '' };
      for (const statement of judged.statements.length === 0 ? [nothing] : judged.statements) {
        await this.#runStatement(statement);
      }
    }
    await this.#sync();
  }

  async #runStatement(statement: AllowedStatement): Promise<void> {
    const { text, effect } = statement;
    const audience = 'simple client';
    await this.#ahead(effect, true);
    const failed = this.#watchFailure(statement);
    this.#send(messages.parse('', text), { kind: 'parse', audience, failed });
    this.#send(messages.bind('', []), { kind: 'bind', audience, failed });
    this.#send(messages.describePortal, { kind: 'describe', audience, failed });
    this.#send(messages.execute, { kind: 'execute', audience, ...this.#watchExecution(statement) });
    await this.#sent(effect);
  }

  async #parse({ body, bytes }: ClientMessage): Promise<void> {
    const [name, text] = textsOf(body, 2);
    const judged = this.#policy(text);
    if ('verdict' in judged) {
      this.#refuse({ command: commandOf(text), text }, judged.verdict);
      return;
    }
    const [statement = { text, effect: 'none', command: '' }, another] = judged.statements;
    const verdict =
      another === undefined
        ? refusesName(name)
        : { message: 'cannot insert multiple commands into a prepared statement', code: '42601' };
    if (verdict !== undefined) {
      this.#refuse(statement, verdict);
      return;
    }
    if (!this.#statements.has(name) && this.#statements.size >= maxStatements) {
      this.#refuse(statement, { message: 'too many prepared statements', code: '54000' });
      return;
    }
    await this.#ahead(statement.effect, false);
    const tellFailure = this.#watchFailure(statement);
    // Postgres refuses a name that it has already.
    const isNew = name === '' || !this.#statements.has(name);
    if (isNew) this.#statements.set(name, statement);
    this.#send(bytes, {
      kind: 'parse',
      audience: 'client',
      failed: (code) => {
        if (isNew) this.#statements.delete(name);
        tellFailure?.(code);
      },
    });
  }

  async #bind({ body, bytes }: ClientMessage): Promise<void> {
    const [portal, name] = textsOf(body, 2);
    const statement = this.#statements.get(name) ?? { text: '', effect: 'none', command: 'EXECUTE' };
    const verdict = refusesName(name) ?? this.#refusesExecute([statement]);
    if (verdict !== undefined) {
      this.#refuse(statement, verdict);
      return;
    }
    if (!this.#portals.has(portal) && this.#portals.size >= maxStatements) {
      this.#refuse(statement, { message: 'too many portals', code: '54000' });
      return;
    }
    await this.#ahead(statement.effect, true);
    this.#portals.set(portal, statement);
    this.#send(bytes, { kind: 'bind', audience: 'client', failed: this.#watchFailure(statement) });
  }

  async #execute({ body, bytes }: ClientMessage): Promise<void> {
    const [portal] = textsOf(body, 1);
    const statement = this.#portals.get(portal) ?? { effect: 'none', command: 'FETCH' };
    const verdict = this.#rateLimit?.refuses(this.#identity);
    if (verdict !== undefined) {
      this.#refuse(statement, verdict);
      return;
    }
    await this.#ahead(statement.effect, true);
    this.#send(bytes, { kind: 'execute', audience: 'client', ...this.#watchExecution(statement) });
    await this.#sent(statement.effect);
  }

  #describeOrClose({ type, body, bytes }: ClientMessage): void {
    const target = String.fromCharCode(body[0] ?? 0);
    if (target !== 'S' && target !== 'P') throw new MalformedInputError('invalid message format');
    const [name] = textsOf(body.subarray(1), 1);
    const verdict = target === 'S' ? refusesName(name) : undefined;
    if (verdict !== undefined) {
      this.#refuse({ command: '' }, verdict);
      return;
    }
    if (type === 'C') (target === 'S' ? this.#statements : this.#portals).delete(name);
    this.#send(bytes, { kind: type === 'C' ? 'close' : 'describe', audience: 'client' });
  }

  async #sync(): Promise<void> {
    this.#send(messages.sync, { kind: 'sync', audience: 'client' });
    await this.#flush();
    while (!this.#isReady && !this.#hasEnded) await this.#woken();
    if (this.#reasonWhenIdle !== undefined) this.endWhenIdle(this.#reasonWhenIdle);
  }

  async #ahead(effect: AllowedStatement['effect'], runs: boolean): Promise<void> {
    for (const { bytes, awaited } of await this.#seal.ahead(effect, { runs })) this.#send(bytes, awaited);
  }

  async #sent(effect: AllowedStatement['effect']): Promise<void> {
    if (effect === 'discard all' || effect === 'deallocate all') this.#statements.clear();
    await this.#seal.sent(effect);
  }

  #refuse(statement: Watchable, verdict: Verdict): void {
    const { message, code = '42501', detail, hint, position } = verdict;
    const tellFailure = this.#watchFailure(statement);
    this.#send(refusedStatement, {
      kind: 'parse',
      audience: 'client',
      refusal: messages.errorResponse({ severity: 'ERROR', message, code, detail, hint, position }),
      failed: (failure) => {
        if (failure !== undefined) tellFailure?.(code);
      },
    });
  }

  /** EXECUTE takes statements of the protocol as well: one that begins or ends something would do so unseen. */
  #refusesExecute(statements: readonly AllowedStatement[]): Verdict | undefined {
    const isUnseen = statements.some(
      ({ executes }) =>
        executes !== undefined && (this.#statements.get(executes)?.effect ?? 'none') !== 'none',
    );
    return isUnseen
      ? { message: 'EXECUTE of a statement that is not about rows is not allowed', code: '42501' }
      : undefined;
  }

  #send(bytes: Buffer, awaited?: Awaited): void {
    this.#isReady = false;
    if (awaited !== undefined) this.#answers.expect(awaited);
    this.#out.push(bytes);
    this.#outBytes += bytes.length;
  }

  async #flush(): Promise<void> {
    if (this.#out.length === 0) return;
    const bytes = Buffer.concat(this.#out);
    this.#out = [];
    this.#outBytes = 0;
    const { stream } = this.#backend;
    if (this.#hasEnded || stream.destroyed || stream.write(bytes)) return;
    const drained = (): void => {
      this.#wake();
    };
    stream.once('drain', drained);
    while (!this.#hasEnded && stream.writableNeedDrain) await this.#woken();
    stream.off('drain', drained);
  }

  /** Something has changed: Postgres is ready, takes more, or the session has ended. */
  async #woken(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }

  #watchFailure(statement: Watchable): Awaited['failed'] {
    return this.#watchExecution(statement).failed;
  }

  #watchExecution({ command, text }: Watchable): Pick<Awaited, 'done' | 'failed'> {
    const observe = this.#observe;
    if (observe === undefined) return {};
    const fingerprint = (): string | undefined => fingerprintOf(text);
    let done: (tag: string | undefined) => void = ignore;
    let failed: (error: Error) => void = ignore;
    const outcome = new Promise<string | undefined>((resolve, reject) => {
      done = resolve;
      failed = reject;
    });
    const watched = watch(
      observe,
      {
        entry: 'gateway',
        role: this.#identity.role,
        statement: () => command,
        fingerprint,
        outcomes: (tag: string | undefined) => [{ statement: command, fingerprint, rows: rowsOf(tag) }],
      },
      (identified) => {
        identified(this.#identity);
        return outcome;
      },
    );
    // The error is the client's, who has it.
    watched.catch(ignore);
    return {
      done,
      failed: (code) => {
        // What was only skipped is no event.
        if (code !== undefined) failed(Object.assign(new Error('failed'), { code }));
      },
    };
  }
}

/** What is told of a statement. */
type Watchable = Pick<AllowedStatement, 'command'> & Partial<Pick<AllowedStatement, 'text'>>;

/** The number at the end of a command's tag. */
function rowsOf(tag = ''): number | null {
  const number = / (\d+)$/u.exec(tag)?.[1];
  return number === undefined ? null : Number(number);
}

function refusesName(name: string): Verdict | undefined {
  return name.startsWith(ourPrefix)
    ? { message: `names that begin with ${ourPrefix} are the gateway's`, code: '42501' }
    : undefined;
}

/** The text that a message consists of. */
function textOf(body: Buffer): string {
  if (body.indexOf(0) !== body.length - 1) throw new MalformedInputError('invalid message format');
  return decodeText(body.subarray(0, -1));
}

/** The texts at the beginning of a message. */
function textsOf<N extends 1 | 2>(body: Buffer, count: N): N extends 1 ? [string] : [string, string] {
  const texts: string[] = [];
  let start = 0;
  while (texts.length < count) {
    const end = body.indexOf(0, start);
    if (end === -1) throw new MalformedInputError('invalid message format');
    texts.push(decodeText(body.subarray(start, end)));
    start = end + 1;
  }
  return texts as N extends 1 ? [string] : [string, string];
}

function ignore(): void {
  // Nobody waits.
}
