import type { BenchDatabase } from '../database.ts';
import type { Ways } from './ways.ts';

/** A driver of Drizzle, with databases of its own. */
export interface BenchDriver {
  readonly name: string;
  /** Whether there is a network between it and the database. */
  readonly isRemote: boolean;
  /** @param delayMs what the network adds each way */
  open(database: BenchDatabase, delayMs: number): Promise<OpenDriver>;
}

interface OpenDriver {
  readonly select: Ways;
  /** The same select, as somebody else each time. */
  readonly another?: Ways;
  /** Three statements in one transaction. */
  readonly transaction: Ways;
  close(): Promise<void>;
}
