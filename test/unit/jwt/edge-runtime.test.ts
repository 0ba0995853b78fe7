import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const folder = new URL('../../../src/jwt/', import.meta.url);

// What runs is tried in test/package/edge-runtime.test.ts; this reads the rest.
describe('src/jwt on an edge runtime', () => {
  it('imports nothing but jose, the errors, the look for Node’s cryptography and itself', () => {
    const allowed = [folder, new URL('../errors.ts', folder), new URL('../node-crypto.ts', folder)];
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
    for (const file of files.filter((name) => name.endsWith('.ts'))) {
      const source = readFileSync(new URL(file, folder), 'utf8');
      for (const [, from] of source.matchAll(/^(?:import|export)[^;]*? from '([^']+)';/gm)) {
        if (from === 'jose') continue;
        expect(from, file).toMatch(/^\.\.?\/[a-z0-9/.-]+\.ts$/);
        const { href } = new URL(from ?? '', new URL(file, folder));
        expect(
          allowed.some((place) => href.startsWith(place.href)),
          `${file} imports ${from}`,
        ).toBe(true);
      }
      expect(source, file).not.toMatch(/\bBuffer\b|\brequire\(|import\(/);
    }
  });
});
