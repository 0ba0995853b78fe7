import type { FlushStep } from '../../database/one-flush.ts';
import type { Result } from '../../database/pg-client.ts';
import { isKnownType } from './result.ts';

/** Runs a statement in the database that the types are of. */
export type Ask = (step: FlushStep) => Promise<Result>;

/** Forgotten all at once, should there ever be so many. */
const maxTypes = 10_000;

/**
 * Which types of a database are arrays, of those that PostgreSQL does not bring along: its driver knows no more of a column
 * than the number of its type. Asked once for each.
 */
export class ArrayTypes {
  /** By type: that of the elements, 0 where it is no array. */
  readonly #elements = new Map<number, number>();

  /** The types of the elements, by type, of whichever of these types are arrays. */
  async elementsOf(typeIds: readonly number[], ask: Ask): Promise<ReadonlyMap<number, number>> {
    const unknown = [...new Set(typeIds)].filter((id) => !isKnownType(id) && !this.#elements.has(id));
    if (unknown.length > 0) {
      if (this.#elements.size > maxTypes) this.#elements.clear();
      const { rows } = await ask({
        text: `SELECT oid::int8::text, typelem::int8::text FROM pg_catalog.pg_type WHERE oid = ANY ($1::oid[]) AND typcategory = 'A'`,
        values: [`{${unknown.join()}}`],
        rowMode: 'array',
      });
      for (const id of unknown) this.#elements.set(id, 0);
      for (const [id, element] of rows as unknown as readonly (readonly [string, string])[]) {
        this.#elements.set(Number(id), Number(element));
      }
    }
    return this.#elements;
  }
}
