import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const folder = new URL('../../../src/jwt/', import.meta.url);

// What runs is tried in test/package/edge-runtime.test.ts; this reads the rest.
describe('src/jwt on an edge runtime', () => {
  it('imports nothing but jose, the errors, the look for Node’s cryptography and itself', () => {
    for (const file of readdirSync(folder)) {
      const source = readFileSync(new URL(file, folder), 'utf8');
      for (const [, from] of source.matchAll(/^(?:import|export)[^;]*? from '([^']+)';/gm)) {
        expect(from, file).toMatch(/^(?:jose|\.\.\/(?:errors|node-crypto)\.ts|\.\/[a-z-]+\.ts)$/);
      }
      expect(source, file).not.toMatch(/\bBuffer\b|\brequire\(|import\(/);
    }
  });
});
