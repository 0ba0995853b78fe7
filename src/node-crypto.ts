/** What is used of Node's `node:crypto`; `hash` is there since Node 20.12. */
export interface NodeCrypto {
  createSecretKey(bytes: Uint8Array): object;
  createHmac(algorithm: 'sha256', key: object): { update(message: Uint8Array): { digest(): Uint8Array } };
  readonly hash?: (algorithm: 'sha256', data: string, encoding: 'base64url') => string;
}

/**
 * Node's own cryptography, where there is one, without an import that an edge runtime or a bundler would stumble over. It
 * answers at once, where WebCrypto has to go through a thread pool.
 */
export const nodeCrypto: NodeCrypto | undefined = findNodeCrypto();

function findNodeCrypto(): NodeCrypto | undefined {
  // Only Node and what imitates it has a process.
  const host: { readonly process?: { readonly getBuiltinModule?: (id: string) => unknown } } = globalThis;
  const found = host.process?.getBuiltinModule?.('node:crypto');
  if (typeof found !== 'object' || found === null) return undefined;
  return 'createHmac' in found && 'createSecretKey' in found ? (found as NodeCrypto) : undefined;
}
