import pg from 'pg';

import { revocationChannel } from '../database/revocation-channel.ts';

export interface RevocationWatchOptions {
  /** Any role may listen. */
  readonly connectionString: string;
  /** Somebody has been revoked, or may have been while nobody listened. Must not reject. */
  readonly onRevoked: () => Promise<void>;
}

const applicationName = 'drizzle-authorize gateway: revocations';
// Whoever may send SQL may also send a notification: however many come, this is how often somebody looks.
const pauseMs = 500;
const reconnectMs = 1_000;
// Sessions that come one after another share a connection.
const lingerMs = 10_000;

/**
 * Listens, while somebody wants it, for what Postgres tells when somebody is revoked. Emits `LISTEN`, on a connection of its own.
 *
 * @see https://www.postgresql.org/docs/current/sql-listen.html
 */
export class RevocationWatch {
  readonly #options: RevocationWatchOptions;
  #client: pg.Client | undefined;
  #isWanted = false;
  #isTelling = false;
  #tellAgain = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: RevocationWatchOptions) {
    this.#options = options;
  }

  /** Listens from now on, or not much longer. */
  want(isWanted: boolean): void {
    if (isWanted === this.#isWanted) return;
    this.#isWanted = isWanted;
    clearTimeout(this.#timer);
    if (!isWanted) this.#timer = setTimeout(() => this.#hangUp(), lingerMs).unref();
    else if (this.#client === undefined) this.#listen();
  }

  close(): void {
    this.#isWanted = false;
    clearTimeout(this.#timer);
    this.#hangUp();
  }

  #listen(): void {
    const client = new pg.Client({
      connectionString: this.#options.connectionString,
      application_name: applicationName,
      keepAlive: true,
      connectionTimeoutMillis: 10_000,
    });
    this.#client = client;
    const lost = (): void => {
      if (this.#client !== client) return;
      this.#hangUp();
      if (this.#isWanted) this.#timer = setTimeout(() => this.#listen(), reconnectMs).unref();
    };
    client.on('error', lost).on('end', lost);
    client.on('notification', () => void this.#tell());
    client
      .connect()
      .then(() => client.query(`LISTEN ${revocationChannel}`))
      // Who was revoked before it listened was told to nobody.
      .then(() => this.#tell())
      .catch(lost);
  }

  #hangUp(): void {
    const client = this.#client;
    this.#client = undefined;
    void client?.end().catch(ignore);
  }

  async #tell(): Promise<void> {
    this.#tellAgain = true;
    if (this.#isTelling) return;
    this.#isTelling = true;
    while (this.#tellAgain && this.#client !== undefined) {
      this.#tellAgain = false;
      await this.#options.onRevoked();
      await new Promise((resolve) => setTimeout(resolve, pauseMs).unref());
    }
    this.#isTelling = false;
  }
}

function ignore(): void {
  // It is gone anyway.
}
