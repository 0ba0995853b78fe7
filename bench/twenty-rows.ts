import type { Work } from './measure.ts';

/** What is compared must be the same answer. */
export async function assertTwentyRows(way: Work): Promise<void> {
  const rows = await way();
  const length = Array.isArray(rows) ? rows.length : Number.NaN;
  if (length !== 20) throw new Error(`expected 20 rows, got ${length}`);
}
