/** HMAC-SHA-256 with a key of its own. @see RFC 2104 */
export type Mac = (message: Uint8Array<ArrayBuffer>) => Uint8Array | Promise<Uint8Array>;

interface NodeCrypto {
  createSecretKey(bytes: Uint8Array): object;
  createHmac(algorithm: 'sha256', key: object): { update(message: Uint8Array): { digest(): Uint8Array } };
}

/** Node's own, where there is one, without an import that an edge runtime or a bundler would stumble over. */
export const nodeCrypto: NodeCrypto | undefined = findNodeCrypto();

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

function findNodeCrypto(): NodeCrypto | undefined {
  // Only Node and what imitates it has a process.
  const host: { readonly process?: { readonly getBuiltinModule?: (id: string) => unknown } } = globalThis;
  const found = host.process?.getBuiltinModule?.('node:crypto');
  if (typeof found !== 'object' || found === null) return undefined;
  return 'createHmac' in found && 'createSecretKey' in found ? (found as NodeCrypto) : undefined;
}
