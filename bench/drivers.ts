import type { BenchDatabase } from './database.ts';
import type { BenchDriver } from './drivers/driver.ts';
import { neonHttp } from './drivers/neon-http.ts';
import { neonServerless } from './drivers/neon-serverless.ts';
import { nodePostgres } from './drivers/node-postgres.ts';
import { pglite } from './drivers/pglite.ts';
import { postgresJs } from './drivers/postgres-js.ts';
import type { Ways } from './drivers/ways.ts';
import { compareWithEach, type CompareOptions, type Work } from './measure.ts';
import type { Report } from './report.ts';
import { assertTwentyRows } from './twenty-rows.ts';

export const drivers: readonly BenchDriver[] = [nodePostgres, postgresJs, neonServerless, neonHttp, pglite];

/** What one line of the table may take, also where a round trip takes longer than it does to most, or the machine is busy. */
const maxMs = 10_000;

/** Those that send a query in one round trip, as Drizzle alone does. */
const oneRoundTrip = new Set([nodePostgres, postgresJs, neonServerless]);

/**
 * One indexed select, and a transaction of three statements, by `$withAuth` and in the ways that it takes the place of: each
 * alternative in the same rounds, next door and 5 ms away.
 */
export async function benchDriver(
  driver: BenchDriver,
  database: BenchDatabase,
  report: Report,
  quick: boolean,
): Promise<void> {
  for (const delayMs of driver.isRemote ? [0, 5] : [0]) {
    const opened = await driver.open(database, delayMs);
    const measure = async (what: string, ways: Ways, options: CompareOptions): Promise<void> => {
      const { ours, ...others } = ways;
      for (const way of Object.values(ways) as Work[]) await assertTwentyRows(way);
      report.ways({
        driver: driver.name,
        what: delayMs === 0 ? what : `${what}, ${delayMs} ms away`,
        results: await compareWithEach(ours, others, options),
        targets: {
          ...(oneRoundTrip.has(driver) && { plain: { atLeast: 1 / 1.15 } }),
          byHand: { atLeast: byHandAtLeast(driver, what, delayMs) },
        },
      });
    };
    try {
      const options = optionsFor(delayMs, quick);
      await measure('select', opened.select, options);
      if (opened.another !== undefined && delayMs === 0) {
        await measure('select, as another person each time', opened.another, options);
      }
      await measure('transaction', opened.transaction, options);
    } finally {
      await opened.close();
    }
  }
}

/** Never slower; and where each round trip counts for most, much faster. */
function byHandAtLeast(driver: BenchDriver, what: string, delayMs: number): number {
  if (driver !== nodePostgres || what !== 'select') return 1;
  return delayMs === 0 ? 2 : 4;
}

function optionsFor(delayMs: number, quick: boolean): CompareOptions {
  if (delayMs > 0) return quick ? { rounds: 2, runs: 3 } : { rounds: 8, runs: 4, maxMs };
  // Several rounds: what else the machine does comes and goes, and the median leaves it out.
  return quick ? { rounds: 5, runs: 20 } : { rounds: 15, runs: 100, maxMs };
}
