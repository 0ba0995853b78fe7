import type { Identity } from '../../session/identity.ts';
import { prologue } from '../../session/prologue.ts';
import type { ReusableSeal, ReusableSeals } from '../../session/reusable-seals.ts';
import type { Login } from '../../database/login.ts';
import type { Awaited, TransactionStatus } from './answers.ts';
import { bind, closeStatement, execute, parse } from './messages.ts';
import type { StatementEffect } from './wire-policy.ts';

/** A message of the gateway's own, and how its answer is told apart. */
export interface OwnMessage {
  readonly bytes: Buffer;
  readonly awaited: Awaited;
}

// Before its isolation level is set nothing may run in a transaction; DISCARD ALL must be alone in its own.
const runsWithoutIdentity: ReadonlySet<StatementEffect> = new Set([
  'begin',
  'set transaction',
  'end',
  'end and chain',
  'discard all',
]);

const endsOrBegins: ReadonlySet<StatementEffect> = new Set([
  'begin',
  'end',
  'end and chain',
  'roll back to savepoint',
]);

const noIdentity = '28000';

/**
 * Knows, at every message that a session sends, in which transaction it will run and whether the identity is set there by
 * then, and gives the messages that set it.
 *
 * What it knows runs ahead of the answers: it follows the statements as they are sent, and each ReadyForQuery says how
 * it really is. Where the two differ, an error is in between, and Postgres skips what was sent behind it.
 *
 * A seal belongs to the transaction, since Postgres compares its time with the transaction's start: one that is set
 * late, or anew after RESET ALL, is the one that was made when the transaction began.
 *
 * The backend is this person's alone. So what a statement outside of BEGIN sets stays for the transactions that follow, as
 * long as it serves again: they need nothing ahead of them. Inside of BEGIN it is the transaction's, whose end may take it back.
 */
export class SealInSession {
  readonly #identity: Identity;
  readonly #login: Login;
  readonly #seals: ReusableSeals;
  readonly #prepared = new Set<string>();
  #status: TransactionStatus = 'I';
  #seal: ReusableSeal | undefined;
  #isSet = false;
  /** What the session has outside of transactions. */
  #left: ReusableSeal | undefined;
  /** What it will have if nothing fails up to the next ReadyForQuery. */
  #leaving: ReusableSeal | undefined;

  constructor(identity: Identity, login: Login, seals: ReusableSeals) {
    this.#identity = identity;
    this.#login = login;
    this.#seals = seals;
  }

  /**
   * What must be sent ahead of a message that begins or runs a statement of this effect.
   *
   * @param runs whether it can run anything: a Parse cannot, but begins the transaction
   * @throws AuthorizeError `ERR_TOKEN_EXPIRED`, `ERR_IDENTITY_INVALID`
   */
  async ahead(effect: StatementEffect, { runs }: { readonly runs: boolean }): Promise<readonly OwnMessage[]> {
    const seal = (this.#seal ??= this.#takeLeft() ?? (await this.#current()));
    if (!runs || this.#isSet || this.#status === 'E' || runsWithoutIdentity.has(effect)) return [];
    this.#isSet = true;
    return this.#messages(seal);
  }

  /** A statement of this effect has been sent. */
  async sent(effect: StatementEffect): Promise<void> {
    // Nobody knows whether what was set before it stays.
    if (endsOrBegins.has(effect)) this.#leaving = undefined;
    switch (effect) {
      case 'begin':
        if (this.#status === 'I') this.#status = 'T';
        break;
      case 'end':
        this.ready('I');
        break;
      case 'end and chain':
        this.#seal = await this.#current();
        this.#isSet = false;
        this.#status = 'T';
        break;
      case 'roll back to savepoint':
        // The identity was set before the savepoint was.
        if (this.#status === 'E') this.#status = 'T';
        break;
      case 'reset all':
        this.#forget();
        break;
      case 'discard all':
        this.#forget();
        this.#prepared.clear();
        break;
      case 'deallocate all':
        this.#prepared.clear();
        break;
      case 'set transaction':
      case 'none':
        break;
    }
  }

  /** How it really is. */
  ready(status: TransactionStatus): void {
    this.#status = status;
    const leaving = this.#leaving;
    this.#leaving = undefined;
    if (status !== 'I') return;
    if (leaving !== undefined) this.#left = leaving;
    this.#seal = undefined;
    this.#isSet = false;
  }

  /** Postgres has refused something, and so takes back what was set in the same transaction. */
  failed(code: string | undefined): void {
    this.#leaving = undefined;
    // Whatever has taken the seal away, the next transaction has one.
    if (code === noIdentity) this.#left = undefined;
  }

  #forget(): void {
    this.#isSet = false;
    this.#left = undefined;
    this.#leaving = undefined;
  }

  /** For a transaction that begins: what the session has still, if that serves again. */
  #takeLeft(): ReusableSeal | undefined {
    const left =
      this.#left !== undefined && Date.now() / 1000 < this.#left.reuseUntil ? this.#left : undefined;
    this.#isSet = left !== undefined;
    return left;
  }

  async #current(): Promise<ReusableSeal> {
    return (
      this.#seals.find(this.#identity, this.#login) ?? (await this.#seals.make(this.#identity, this.#login))
    );
  }

  #messages(seal: ReusableSeal): readonly OwnMessage[] {
    const stays = this.#status === 'I';
    if (stays) this.#leaving = seal;
    const { name, text, values } = prologue(seal.text, {
      authSchema: this.#login.authSchema,
      checked: seal.checked,
      stays,
    });
    const messages: OwnMessage[] = [];
    // A name of its own, because the unnamed statement is the client's.
    if (!this.#prepared.has(name)) {
      this.#prepared.add(name);
      const failed = (): void => {
        this.#prepared.delete(name);
      };
      messages.push(
        // Whether or not it is there.
        { bytes: closeStatement(name), awaited: { kind: 'close', audience: 'nobody' } },
        { bytes: parse(name, text), awaited: { kind: 'parse', audience: 'nobody', failed } },
      );
    }
    const done = (): void => {
      seal.checked = true;
    };
    messages.push(
      { bytes: bind(name, values), awaited: { kind: 'bind', audience: 'nobody' } },
      { bytes: execute, awaited: { kind: 'execute', audience: 'nobody', done } },
    );
    return messages;
  }
}
