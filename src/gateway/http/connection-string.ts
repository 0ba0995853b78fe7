import { Refusal } from '../refusal.ts';

export interface Target {
  readonly role: string;
  readonly database: string;
}

/**
 * Reads the header `Neon-Connection-String`. Only the user and the database count: host, port, password and parameters
 * are ignored, because the gateway decides where it connects and with what.
 *
 * The checks come in Neon's order, with Neon's words.
 *
 * @throws Refusal
 */
export function parseConnectionString(header: string | undefined): Target {
  if (header === undefined) throw new Refusal('invalid header: neon-connection-string');
  if (!URL.canParse(header)) throw new Refusal('invalid connection string: not a URL');
  const url = new URL(header);
  if (url.protocol !== 'postgres:' && url.protocol !== 'postgresql:') throw new Refusal('incorrect scheme');
  if (url.pathname === '') throw new Refusal('missing database name');
  const [, database = ''] = url.pathname.split('/');
  const role = decode(url.username);
  if (role === '') throw new Refusal('missing username');
  return { role, database: decode(database) };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (error) {
    throw new Refusal('invalid username: not UTF-8', { cause: error });
  }
}
