import { AuthorizeError } from '../errors.ts';

// The first minor release of each version that has every fix of a hole in row level security:
// CVE-2025-8713 (statistics show hidden rows), and before it CVE-2023-39418, CVE-2024-10976.
const firstSafeMinor: Readonly<Record<number, number>> = { 15: 14, 16: 10, 17: 6 };
const oldestMajor = 15;

/**
 * Refuses a server whose row level security has known holes.
 *
 * @param version `server_version_num`, such as 180004
 * @throws AuthorizeError `ERR_SERVER_UNSUPPORTED`
 * @see https://www.postgresql.org/support/security/
 */
export function assertServerSupported(version: number): void {
  const major = Math.floor(version / 10_000);
  const minor = version % 10_000;
  if (major < oldestMajor) {
    throw new AuthorizeError(
      'ERR_SERVER_UNSUPPORTED',
      `PostgreSQL ${major} is too old; ${oldestMajor} is the oldest`,
    );
  }
  const safe = firstSafeMinor[major] ?? 0;
  if (minor < safe) {
    throw new AuthorizeError(
      'ERR_SERVER_UNSUPPORTED',
      `PostgreSQL ${major}.${minor} has a known hole in row level security, mended in ${major}.${safe}`,
    );
  }
}
