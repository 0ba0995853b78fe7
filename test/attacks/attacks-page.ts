import type { Tier } from '../../src/attacks/attack.ts';
import { attacks } from '../../src/attacks/attacks.ts';
import { mixUps } from './mix-ups.ts';

/** What succeeded in one place. */
export interface Column {
  readonly title: string;
  /** None where what is behind it decides. */
  readonly succeeded?: readonly string[];
  /** Where tokens of two people pass through one database object. */
  readonly mixedUp?: readonly string[];
}

const tierNames: Readonly<Record<Tier, string>> = {
  stopped: 'stopped',
  harden: '`setup --harden` as the owner, or the gateway',
  superuser: '`setup --harden` as a superuser, or the gateway',
  gateway: 'the gateway',
  'any-host': 'the schema alone',
};

/** The table of README.md: how many succeed where. */
export function attacksTable(columns: readonly Column[]): string {
  const rows = columns.map(({ title, succeeded, mixedUp }) => [
    title,
    ofAll(succeeded, attacks),
    ofAll(mixedUp, mixUps),
  ]);
  return table(['where the SQL comes in', 'attacks that succeed', 'mix-ups of tokens'], rows);
}

/** docs/attacks.md: each attack, what stops it, and where it succeeds. */
export function attacksPage(columns: readonly Column[]): string {
  const places = (id: string): string => {
    const where = columns
      .filter(({ succeeded }) => succeeded?.includes(id) === true)
      .map(({ title }) => title);
    return where.join('; ');
  };
  return `# Attacks

Made by \`npm run test:full -- test/attacks --update\`, from one run. Each attack is a row of \`src/attacks/\`, tried as SQL that is injected into
a query of a person who is signed in, in every way that a place has: in one text behind another statement, one after the other
in a transaction, and each in one of its own. "By hand" is a transaction with \`set_config('request.jwt.claims', …)\` and \`SET LOCAL ROLE\`, over a
pool that logs in as the owner of the tables, as an authenticator that may become a service role, as a member of the identity role, or as
a superuser. Where nothing else is said, nothing has been hardened.

${attacksTable(columns)}

${table(
  ['', 'attack', 'stopped by', 'what to do', 'succeeds'],
  attacks.map(({ id, name, tier, fix }) => [id, name, tierNames[tier], fix, places(id)]),
)}

## Tokens that are mixed up

All of these happen with the \`$withAuth\` of drizzle-orm 0.45's neon-http, in front of a gateway that knows what to do with a token, and none with ours.

${table(
  ['', 'what happens'],
  mixUps.map(({ id, name }) => [id, name]),
)}
`;
}

function ofAll(some: readonly string[] | undefined, all: readonly unknown[]): string {
  return some === undefined ? '' : `${some.length} of ${all.length}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const escaped = rows.map((row) => row.map((cell) => cell.replaceAll('|', String.raw`\|`)));
  const widths = head.map((title, index) =>
    Math.max(3, title.length, ...escaped.map((row) => row[index]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...escaped.map(line)].join('\n');
}
