import { nodeCrypto } from '../node-crypto.ts';
import { bytesOf, toHex } from '../session/bytes.ts';
import { createMac } from '../session/mac.ts';
import type { loadStatementJudge } from './statement-judge.ts';

/** What is known of a statement's text. */
export interface KnownStatement {
  /** Its name once it is worth preparing; a connection that has seen the name parses and plans it no more. */
  readonly name: string | undefined;
  /** Proved to leave nothing on the connection, unless the owner's functions do: see {@link loadStatementJudge}. */
  readonly isPlainRead: boolean;
}

interface Memory {
  uses: number;
  isPlainRead: boolean;
  /** The name that it may be given; undefined where it must not be prepared. */
  possibleName: string | undefined;
  name: string | undefined;
}

/** From this use on the text is looked at, off the caller's way; at the next it can help. */
const usesUntilJudged = 2;
/** As often as other drivers wait before they prepare a statement by themselves. */
const usesUntilNamed = 5;
/** Each costs every connection some 10 kB of the server's memory. */
const maxNamed = 100;
const maxKnown = 1_000;
const maxLength = 16_384;

interface StatementMemoryOptions {
  /** Whether names are given. */
  readonly prepare: boolean;
  /** Where the functions are that a plain read may call. */
  readonly authSchema: string;
  /** Without it nothing is known of any statement: all are cleared up after, and none is prepared. */
  readonly loadJudge: typeof loadStatementJudge | undefined;
}

/**
 * Remembers the statements that come again and again, so that they need not be planned and cleared up after each time.
 *
 * What is prepared can be read by whoever has the connection next, in `pg_prepared_statements`: so none is whose text
 * holds a value, and not a parameter in its place.
 */
export class StatementMemory {
  readonly #options: StatementMemoryOptions;
  readonly #known = new Map<string, Memory>();
  #named = 0;

  constructor(options: StatementMemoryOptions) {
    this.#options = options;
  }

  /** Counts a use of the text, and says what is known of it. */
  recall(text: string): KnownStatement {
    const known = this.#known.get(text) ?? this.#remember(text);
    known.uses += 1;
    const { loadJudge, authSchema } = this.#options;
    if (known.uses === usesUntilJudged && loadJudge !== undefined)
      void judge({ text, authSchema }, known, loadJudge);
    // The look may end later than the fifth use began.
    if (known.uses >= usesUntilNamed && known.name === undefined) this.#giveName(known);
    return { name: known.name, isPlainRead: known.isPlainRead };
  }

  /** The text is not prepared any more: what it reads has changed its shape. */
  forgetName(text: string): void {
    const known = this.#known.get(text);
    if (known === undefined) return;
    known.name = undefined;
    known.possibleName = undefined;
  }

  #remember(text: string): Memory {
    const known: Memory = { uses: 0, isPlainRead: false, possibleName: undefined, name: undefined };
    if (text.length > maxLength) return known;
    if (this.#known.size >= maxKnown) this.#forgetRareOnes();
    this.#known.set(text, known);
    return known;
  }

  #giveName(known: Memory): void {
    if (!this.#options.prepare || known.possibleName === undefined || this.#named >= maxNamed) return;
    this.#named += 1;
    known.name = known.possibleName;
  }

  #forgetRareOnes(): void {
    for (const [text, { name }] of this.#known) {
      if (name === undefined) this.#known.delete(text);
    }
  }
}

async function judge(
  { text, authSchema }: { readonly text: string; readonly authSchema: string },
  known: Memory,
  load: typeof loadStatementJudge,
): Promise<void> {
  try {
    const judged = await load();
    // After the query at hand. Where there is no setImmediate there is no judge.
    await new Promise(setImmediate);
    const { isPlainRead, holdsNoValue } = judged(text, authSchema);
    known.isPlainRead = isPlainRead;
    if (holdsNoValue) known.possibleName = await nameOf(text);
  } catch {
    // A bundle without the parser: nothing is proved, everything is reset, and nothing prepared.
  }
}

/**
 * A name that means this text and no other, whoever gives it: pools can share a connection, and one pool can be shared by
 * two copies of this file. Postgres takes 63 characters.
 */
async function nameOf(text: string): Promise<string> {
  // With a key that everybody knows it is a digest.
  const digest = await createMac(bytesOf('drizzle-authorize statement'), nodeCrypto);
  return `drizzle-authorize:${toHex((await digest(bytesOf(text))).subarray(0, 20))}`;
}
