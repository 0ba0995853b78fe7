import { PgDialect } from 'drizzle-orm/pg-core';
import type pg from 'pg';

import { withOwnerTransaction, type OwnerDatabase } from '../database/owner-transaction.ts';
import { noteWhetherRevoking } from '../database/seal-keys.ts';
import { AuthorizeError } from '../errors.ts';
import { reinstate, revoke as revokeSql, type Revocation } from '../revocations.ts';
import { authSchemaOf } from './auth-schema.ts';
import { parseOptions, type Command, type ExitCode } from './command.ts';
import { readEnvironment } from './env-file.ts';
import { ownerUrlOf } from './owner-url.ts';
import { print, printDone, printWarning } from './terminal.ts';

const options = {
  subject: { type: 'string' },
  session: { type: 'string' },
  'token-id': { type: 'string' },
  issuer: { type: 'string' },
  'issued-before': { type: 'string' },
  until: { type: 'string' },
  remove: { type: 'boolean' },
  list: { type: 'boolean' },
  url: { type: 'string' },
  'auth-schema': { type: 'string' },
  'read-env': { type: 'string' },
  json: { type: 'boolean' },
} as const;

const help = `drizzle-authorize revoke: refuses people, sessions and tokens

Writes into revocations of the auth schema. From then on the database itself refuses their seals, in every
application and gateway, on connections and in sessions that are open as well.

Usage: drizzle-authorize revoke --subject SUB | --session SID | --token-id JTI [options]
       drizzle-authorize revoke --list

  --subject SUB          every token of a person
  --session SID          every token of a session
  --token-id JTI         one token
  --issuer URL           of this issuer alone
  --issued-before TIME   only tokens issued before: now, or a time such as 2026-12-01T10:00Z;
                         with --subject that signs a person out everywhere
  --until TIME           for a while; default: until it is removed
  --remove               take it back
  --list                 what is revoked; what is over is left out
  --url URL              the owner's connection; default: DATABASE_URL
  --auth-schema NAME     default: AUTHORIZE_SCHEMA, or the one that the migrations have made
  --read-env FILE        take variables from there that the environment does not have
  --json                 print one JSON object`;

export const revoke: Command = {
  summary: 'refuse people, sessions and tokens from now on',
  help,
  async run(args): Promise<ExitCode> {
    const values = parseOptions(args, options);
    const json = values.json === true;
    const environment = await readEnvironment(values['read-env']);
    const ownerUrl = ownerUrlOf(values.url, environment);
    const authSchema = await authSchemaOf(ownerUrl, values['auth-schema'], environment);
    const owned = { ownerUrl, authSchema };
    const { subject, session, issuer } = values;
    const named = { subject, session, tokenId: values['token-id'], issuer };
    if (values.list === true) {
      const revocations = await inDatabase(owned, (client) => listed(client, authSchema));
      if (json) print(JSON.stringify({ revocations }));
      else for (const row of revocations) printWarning(lineOf(row));
      if (!json && revocations.length === 0) printDone('nothing is revoked');
      return 0;
    }

    const revocation: Revocation = {
      ...named,
      issuedBefore: timeOf('--issued-before', values['issued-before']),
      until: timeOf('--until', values.until),
    };
    const statement = statementOf(() =>
      (values.remove === true ? reinstate : revokeSql)(revocation, { authSchema }),
    );
    const changed = await inDatabase(owned, async (client) => {
      const { rowCount } = await client.query(statement.sql, [...statement.params]);
      await noteWhetherRevoking(client, authSchema);
      return rowCount ?? 0;
    });
    if (json) print(JSON.stringify({ changed }));
    else if (values.remove !== true) printDone('revoked: the next statement is refused');
    else if (changed === 0) printWarning('nothing of the kind was revoked');
    else printDone('removed: later statements are let through');
    return values.remove === true && changed === 0 ? 1 : 0;
  },
};

function statementOf(make: () => ReturnType<typeof revokeSql>): {
  readonly sql: string;
  readonly params: readonly unknown[];
} {
  try {
    return new PgDialect().sqlToQuery(make());
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new AuthorizeError('ERR_USAGE', 'name one of --subject, --session and --token-id, or pass --list');
  }
}

function timeOf(option: string, text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  const time = text === 'now' ? new Date() : new Date(text);
  // A date without a time, or a time without a zone, would be of wherever this runs.
  const isWhole = text === 'now' || /T.*(Z|[+-]\d\d:?\d\d)$/i.test(text);
  if (isWhole && !Number.isNaN(time.getTime())) return time;
  throw new AuthorizeError('ERR_USAGE', `${option} '${text}' is not a time with its zone`, {
    hint: 'write it as 2026-12-01T10:00Z, or now',
  });
}

/** @throws AuthorizeError `ERR_MIGRATIONS_MISSING` for an auth schema of before there were revocations */
async function inDatabase<T>(
  owned: Required<OwnerDatabase>,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const { authSchema } = owned;
  return withOwnerTransaction(owned, async (client, database) => {
    const { rows } = await client.query<{ there: boolean }>(
      `SELECT to_regclass('${authSchema}.revocations') IS NOT NULL AS there`,
    );
    if (rows[0]?.there === true) return work(client);
    throw new AuthorizeError(
      'ERR_MIGRATIONS_MISSING',
      `the database '${database}' has no ${authSchema}.revocations yet`,
      {
        hint: 'run npx drizzle-kit generate and npx drizzle-kit migrate, which upgrade the auth schema',
      },
    );
  });
}

interface Row {
  readonly claim: string;
  readonly value: string;
  readonly issuer: string;
  readonly issuedBefore: Date | null;
  readonly until: Date | null;
  readonly revokedAt: Date;
}

async function listed(client: pg.Client, authSchema: string): Promise<readonly Row[]> {
  await noteWhetherRevoking(client, authSchema);
  const { rows } = await client.query<Row>(
    `SELECT claim, value, issuer, issued_before AS "issuedBefore", until, revoked_at AS "revokedAt"
    FROM ${authSchema}.revocations WHERE until IS NULL OR until > now() ORDER BY revoked_at DESC, claim, value`,
  );
  return rows;
}

function lineOf({ claim, value, issuer, issuedBefore, until, revokedAt }: Row): string {
  return [
    `${claim} ${value}`,
    ...(issuer === '' ? [] : [`of ${issuer}`]),
    ...(issuedBefore === null ? [] : [`issued before ${issuedBefore.toISOString()}`]),
    `since ${revokedAt.toISOString()}`,
    ...(until === null ? [] : [`until ${until.toISOString()}`]),
  ].join(', ');
}
