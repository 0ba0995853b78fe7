import { cpus } from 'node:os';
import { parseArgs } from 'node:util';

import { startBenchDatabase } from './database.ts';
import { benchDriver, drivers } from './drivers.ts';
import { benchGateway } from './gateway.ts';
import { benchHandle } from './handle.ts';
import { benchPolicy } from './policy.ts';
import { Report } from './report.ts';
import { benchTokens } from './tokens.ts';

// What `npm run bench` runs: every promise about speed, next to its alternative, in one run on one machine.

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true },
  },
});
const benches = [...drivers.map(({ name }) => name), 'handle', 'policy', 'tokens', 'gateway'];
const only = values.only ?? benches;
const wanted = (name: string): boolean => only.includes(name);
if (!only.every((name) => benches.includes(name))) {
  process.stderr.write(`--only wants one of: ${benches.join(', ')}\n`);
  process.exit(2);
}

const say = (line: string): void => {
  process.stderr.write(`· ${line}\n`);
};
const report = new Report(say);
say('starting PostgreSQL, with 100,000 rows a table');
const database = await startBenchDatabase();
try {
  for (const driver of drivers) {
    if (wanted(driver.name)) await benchDriver(driver, database, report, values.quick);
  }
  if (wanted('handle')) await benchHandle(report, values.quick);
  if (wanted('policy')) await benchPolicy(database, report, values.quick);
  if (wanted('tokens')) await benchTokens(report, values.quick);
  if (wanted('gateway')) await benchGateway(database, report, values.quick);
} finally {
  await database.stop();
}

const machine = {
  date: new Date().toISOString().slice(0, 10),
  processors: cpus().length,
  model: cpus()[0]?.model ?? '',
  node: process.version,
  postgres: database.version,
};
if (values.json) {
  process.stdout.write(`${JSON.stringify({ machine, rows: report })}\n`);
} else {
  const { date, processors, model, node, postgres } = machine;
  process.stdout.write(
    `\n${report.toMarkdown()}\n\n${date}; ${processors} × ${model}; Node ${node}, PostgreSQL ${postgres}.\n` +
      'Each was measured in turn with its alternative, round by round; the ratio is the median of the rounds.\n',
  );
}
