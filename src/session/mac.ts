import type { NodeCrypto } from '../node-crypto.ts';

/** HMAC-SHA-256 with a key of its own. @see RFC 2104 */
export type Mac = (message: Uint8Array<ArrayBuffer>) => Uint8Array | Promise<Uint8Array>;

/**
 * Measured on Node 20, for a seal of 200 characters: 17 µs with WebCrypto, which goes through a thread pool, 4 µs with
 * `node:crypto`. Both give the same bytes.
 *
 * @param node `undefined` for WebCrypto
 */
export async function createMac(bytes: Uint8Array, node: NodeCrypto | undefined): Promise<Mac> {
  if (node !== undefined) {
    const key = node.createSecretKey(bytes);
    return (message) => node.createHmac('sha256', key).update(message).digest();
  }
  const key = await crypto.subtle.importKey(
    'raw',
    Uint8Array.from(bytes),
    { name: 'HMAC', hash: 'SHA-256' },
    false,
    ['sign'],
  );
  return async (message) => new Uint8Array(await crypto.subtle.sign('HMAC', key, message));
}
