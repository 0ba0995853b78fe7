import { AuthorizeError } from '../errors.ts';

/**
 * The version of the auth schema that this release writes; it stands in the comment on the schema. What it takes to change
 * it is said in `prelude-upgrade.ts`.
 */
export const preludeVersion = 3;

/** The comment by which the auth schema is known to be ours, with its version. */
export const preludeComment = `drizzle-authorize prelude ${preludeVersion}`;

/** The version in the comment on an auth schema; undefined where there is none. */
export function versionIn(comment: string | null): number | undefined {
  const version = /^drizzle-authorize prelude (\d+)$/.exec(comment ?? '')?.[1];
  return version === undefined ? undefined : Number(version);
}

/** By so many versions a database may be behind or ahead, so that it and its applications need not change at once. */
const reach = 1;

/**
 * Refuses a database whose auth schema is too old or too new for this release. One that does not say is taken: somebody has
 * removed the comment.
 *
 * @throws AuthorizeError `ERR_PRELUDE_VERSION`
 */
export function assertVersionWithinReach(database: string, comment: string | null): void {
  const version = versionIn(comment) ?? preludeVersion;
  if (Math.abs(version - preludeVersion) <= reach) return;
  const works = `${Math.max(1, preludeVersion - reach)} to ${preludeVersion + reach}`;
  throw new AuthorizeError(
    'ERR_PRELUDE_VERSION',
    `the auth schema of the database '${database}' is of version ${version}, and this release of drizzle-authorize works with ${works}`,
    {
      hint:
        version < preludeVersion
          ? 'run npx drizzle-kit generate and npx drizzle-kit migrate, which take it to this version'
          : 'install a newer drizzle-authorize',
    },
  );
}
