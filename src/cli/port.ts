import { AuthorizeError } from '../errors.ts';

/** @throws AuthorizeError `ERR_USAGE` when `--port` is given anything but a port */
export function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d+$/u.test(text) && port <= 65_535) return port;
  throw new AuthorizeError('ERR_USAGE', '--port must be a number from 0 to 65535');
}
