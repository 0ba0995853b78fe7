import { sql, type SQL } from 'drizzle-orm';

import { parseAuthSchema } from './auth-schema.ts';

/** Whose seals the database refuses. Exactly one of `subject`, `session` and `tokenId`. */
export interface Revocation {
  /** Every token of a person: the claim `sub`. */
  readonly subject?: string | undefined;
  /** Every token of a session: the claim `sid`. */
  readonly session?: string | undefined;
  /** One token: the claim `jti`. */
  readonly tokenId?: string | undefined;
  /** The issuer whose subject, session or token it is: the claim `iss`. Default: any. */
  readonly issuer?: string | undefined;
  /** Only tokens that were issued before, by the claim `iat`, or that do not say when. Default: all, later ones as well. */
  readonly issuedBefore?: Date | undefined;
  /** When it ends; once the last token has expired that it means, it serves no purpose. Default: never. */
  readonly until?: Date | undefined;
}

/** Where it is said. */
export interface RevocationOptions {
  /** The auth schema's name, as `createAuth({ schema })` has it. Default: the environment's `AUTHORIZE_SCHEMA`, or else `auth`. */
  readonly authSchema?: string | undefined;
}

/**
 * Refuses people, sessions or tokens from now on, in every application and every gateway of the database: the next statement
 * whose policies ask who it is gets 28000, on connections and in sessions that are open as well. Said again, it replaces
 * what was said before.
 *
 * Emits `INSERT INTO auth.revocations … ON CONFLICT … DO UPDATE`, with everything as parameters. Needs the owner.
 *
 * @throws AuthorizeError `ERR_AUTH_SCHEMA`
 * @throws TypeError when not exactly one of `subject`, `session` and `tokenId` is given, or one is empty
 * @example
 * import { revoke } from 'drizzle-authorize/revocations';
 * import { drizzle } from 'drizzle-orm/node-postgres';
 *
 * const ownerDb = drizzle(process.env.DATABASE_URL!);
 * await ownerDb.execute(revoke({ session: 'sess_2abc' }));
 * await ownerDb.execute(revoke({ subject: 'user_1', issuedBefore: new Date() })); // signed out everywhere
 */
export function revoke(revocation: Revocation, options: RevocationOptions = {}): SQL {
  const { claim, value, issuer } = keyOf(revocation, 'revoke');
  const [before, until] = [revocation.issuedBefore, revocation.until].map(
    (time) => time?.toISOString() ?? null,
  );
  return sql`insert into ${tableOf(options)} (claim, value, issuer, issued_before, until)
    values (${claim}, ${value}, ${issuer}, ${before}::timestamptz, ${until}::timestamptz)
    on conflict (claim, value, issuer) do update
    set issued_before = excluded.issued_before, until = excluded.until, revoked_at = excluded.revoked_at`;
}

/**
 * Takes a revocation back. Of `issuer` the same has to be said as was then. Seals go on being compared with the list, at a few
 * microseconds each, until `drizzle-authorize revoke --list` or `setup` finds it empty.
 *
 * Emits `DELETE FROM auth.revocations`, with everything as parameters. Needs the owner.
 *
 * @throws TypeError as {@link revoke}
 */
export function reinstate(revocation: Revocation, options: RevocationOptions = {}): SQL {
  const { claim, value, issuer } = keyOf(revocation, 'reinstate');
  return sql`delete from ${tableOf(options)} where claim = ${claim} and value = ${value} and issuer = ${issuer}`;
}

function tableOf({ authSchema }: RevocationOptions): SQL {
  const named = authSchema ?? (globalThis.process?.env.AUTHORIZE_SCHEMA || undefined);
  // A word that needs no quotes.
  return sql.raw(`${parseAuthSchema(named, 'revoke: authSchema')}.revocations`);
}

function keyOf(
  { subject, session, tokenId, issuer = '' }: Revocation,
  helper: string,
): { readonly claim: string; readonly value: string; readonly issuer: string } {
  const given = Object.entries({ sub: subject, sid: session, jti: tokenId }).filter(
    ([, value]) => value !== undefined,
  );
  const [[claim, value] = []] = given;
  if (given.length !== 1 || claim === undefined || typeof value !== 'string' || value === '') {
    throw new TypeError(`${helper}: name one of subject, session and tokenId, and not an empty one`);
  }
  return { claim, value, issuer };
}
