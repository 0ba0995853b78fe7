import type { Duplex } from 'node:stream';

import { MalformedInputError, type ClientInput } from './client-input.ts';
import { negotiateProtocolVersion } from './messages.ts';

/** What a connection was opened for. */
export type Opening =
  | { readonly kind: 'session'; readonly settings: ReadonlyMap<string, string> }
  | { readonly kind: 'cancel'; readonly processId: number; readonly secret: number };

/** A client speaks a version of the protocol that is not served. */
export class ProtocolVersionError extends Error {}

const maxStartupBytes = 10_000;
// What a packet asks for that is no startup packet.
export const cancelRequest = 80_877_102;
export const sslRequest = 80_877_103;
export const gssEncryptionRequest = 80_877_104;

/**
 * Reads packets until one says what the connection is for. Encryption is declined, with the letter that makes a client go
 * on without or give up, as it was told to.
 *
 * @throws MalformedInputError, ProtocolVersionError, InputEndedError
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP
 */
export async function readOpening(input: ClientInput, stream: Duplex): Promise<Opening> {
  const declined = new Set<number>();
  for (;;) {
    const head = await input.peek(8);
    const length = head.readUInt32BE(0);
    const code = head.readUInt32BE(4);
    if (length < 8 || length > maxStartupBytes)
      throw new MalformedInputError('invalid length of startup packet');
    const body = (await input.take(length)).subarray(8);
    if (code === sslRequest || code === gssEncryptionRequest) {
      if (length !== 8 || declined.has(code)) throw new MalformedInputError('invalid startup packet');
      declined.add(code);
      stream.write('N');
    } else if (code === cancelRequest) {
      if (length !== 16) throw new MalformedInputError('invalid length of cancel request');
      return { kind: 'cancel', processId: body.readInt32BE(0), secret: body.readInt32BE(4) };
    } else {
      return { kind: 'session', settings: readSettings(code, body, stream) };
    }
  }
}

function readSettings(version: number, body: Buffer, stream: Duplex): ReadonlyMap<string, string> {
  if (version >>> 16 !== 3)
    throw new ProtocolVersionError('the protocol of PostgreSQL that is served is 3.0');
  const settings = new Map<string, string>();
  const unknownOptions: string[] = [];
  const parts = decodeText(body).split('\0');
  // Name and value in turn, then an empty name, and nothing behind its NUL.
  if (parts.pop() !== '' || parts.pop() !== '' || parts.length % 2 !== 0)
    throw new MalformedInputError('invalid startup packet layout');
  for (let index = 0; index < parts.length; index += 2) {
    const [name = '', value = ''] = parts.slice(index, index + 2);
    if (name === '') throw new MalformedInputError('invalid startup packet layout');
    if (name.startsWith('_pq_.')) unknownOptions.push(name);
    else settings.set(name, value);
  }
  if ((version & 0xffff) !== 0 || unknownOptions.length > 0) {
    stream.write(negotiateProtocolVersion(unknownOptions));
  }
  return settings;
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @throws MalformedInputError when it is not UTF-8 */
export function decodeText(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (error) {
    throw new MalformedInputError('invalid byte sequence for encoding "UTF8"', { cause: error });
  }
}
