import { AuthorizeError } from '../errors.ts';

/** @throws AuthorizeError `ERR_USAGE` when the option is given anything but a port */
export function parsePort(
  text: string,
  option: '--port' | '--tcp-port' | '--operations-port' = '--port',
): number {
  const port = Number(text);
  if (/^\d+$/u.test(text) && port <= 65_535) return port;
  throw new AuthorizeError('ERR_USAGE', `${option} must be a number from 0 to 65535`);
}
