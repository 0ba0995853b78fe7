import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { startEmbeddedCluster } from '../../../src/embedded/cluster.ts';
import { eventually, isAlive, makeTemporaryFolder } from './project.ts';
import { rowsOf } from './query.ts';

describe('an ephemeral cluster', () => {
  test('is PostgreSQL 18 with UTF-8 and the same locale everywhere', async () => {
    const cluster = await startEmbeddedCluster({ settings: { work_mem: '7MB' } });
    try {
      const [row] = await rowsOf(
        cluster.ownerUrl,
        `SELECT current_setting('server_version_num')::int / 10000, current_user, current_setting('work_mem'),
           current_setting('listen_addresses'), current_setting('TimeZone'), pg_encoding_to_char(encoding), datlocale
         FROM pg_database WHERE datname = current_database()`,
      );
      expect(row).toEqual([18, 'postgres', '7MB', '127.0.0.1', 'UTC', 'UTF8', 'C.UTF-8']);
    } finally {
      await cluster.stop();
    }
  });

  test('refuses a wrong password, and trusts nobody', async () => {
    const cluster = await startEmbeddedCluster();
    try {
      const wrong = new URL(cluster.ownerUrl);
      wrong.password = 'wrong';
      await expect(rowsOf(wrong.href, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
      expect(await rowsOf(cluster.ownerUrl, 'SELECT DISTINCT auth_method FROM pg_hba_file_rules')).toEqual([
        ['scram-sha-256'],
      ]);
    } finally {
      await cluster.stop();
    }
  });

  test('leaves neither its process nor its folder behind, and can be stopped twice', async () => {
    const cluster = await startEmbeddedCluster();
    expect(existsSync(cluster.dataDirectory)).toBe(true);
    await Promise.all([cluster.stop(), cluster.stop()]);
    await cluster.stop();
    expect(existsSync(cluster.dataDirectory)).toBe(false);
    expect(isAlive(cluster.pid)).toBe(false);
  });

  test('says nothing of its password, neither in the log nor in the list of processes', async () => {
    const lines: string[] = [];
    const cluster = await startEmbeddedCluster({ onLog: (line) => lines.push(line) });
    try {
      const { password } = new URL(cluster.ownerUrl);
      expect(lines.join('\n')).toContain('ready to accept connections');
      expect(lines.join('\n')).not.toContain(password);
      if (process.platform === 'linux') {
        expect(await readFile(`/proc/${cluster.pid}/cmdline`, 'utf8')).not.toContain(password);
        expect(await readFile(`/proc/${cluster.pid}/environ`, 'utf8')).not.toContain(password);
      }
    } finally {
      await cluster.stop();
    }
  });

  test('is given up when the signal aborts during the start', async () => {
    const reason = new Error('enough');
    const controller = new AbortController();
    const temporary = await makeTemporaryFolder();
    vi.stubEnv('TMPDIR', temporary);
    try {
      // When initdb says its first word.
      const onLog = (): void => controller.abort(reason);
      await expect(startEmbeddedCluster({ signal: controller.signal, onLog })).rejects.toBe(reason);
      expect(await readdir(temporary)).toEqual([]);
    } finally {
      vi.unstubAllEnvs();
      await rm(temporary, { recursive: true, force: true });
    }
  });

  test('stops when the signal aborts later', async () => {
    const controller = new AbortController();
    const cluster = await startEmbeddedCluster({ signal: controller.signal });
    controller.abort();
    await eventually(() => !existsSync(cluster.dataDirectory) && !isAlive(cluster.pid), 'it has stopped');
  });

  test('has settings that are not for the caller to choose', async () => {
    await expect(startEmbeddedCluster({ settings: { listen_addresses: '*' } })).rejects.toThrow(TypeError);
    await expect(startEmbeddedCluster({ port: 65_536 })).rejects.toThrow(TypeError);
  });

  test('says which setting the server does not know', async () => {
    await expect(startEmbeddedCluster({ settings: { no_such_setting: 'on' } })).rejects.toMatchObject({
      code: 'ERR_POSTGRES_BINARY',
      message: expect.stringContaining('no_such_setting'),
    });
  });
});

test('a port that was asked for and is taken is named', async () => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  try {
    await expect(startEmbeddedCluster({ port })).rejects.toMatchObject({
      code: 'ERR_PORT_IN_USE',
      message: expect.stringContaining(`${port}`),
    });
  } finally {
    server.close();
  }
});

describe('a cluster with a folder', () => {
  let parent: string;
  let dataDirectory: string;

  beforeEach(async () => {
    parent = await makeTemporaryFolder();
    dataDirectory = path.join(parent, 'nested', 'cluster');
  });
  afterEach(() => rm(parent, { recursive: true, force: true }));

  test('keeps its data and its password', async () => {
    const first = await startEmbeddedCluster({ dataDirectory });
    await rowsOf(first.ownerUrl, 'CREATE TABLE kept AS SELECT 42 AS answer');
    await first.stop();
    expect(first.dataDirectory).toBe(dataDirectory);
    expect((await stat(path.join(dataDirectory, 'password'))).mode & 0o777).toBe(0o600);
    expect((await stat(path.join(dataDirectory, 'data'))).mode & 0o077).toBe(0);

    const second = await startEmbeddedCluster({ dataDirectory });
    try {
      expect(new URL(second.ownerUrl).password).toBe(new URL(first.ownerUrl).password);
      expect(await rowsOf(second.ownerUrl, 'SELECT answer FROM kept')).toEqual([[42]]);
    } finally {
      await second.stop();
    }
  });

  test('is not started twice', async () => {
    const cluster = await startEmbeddedCluster({ dataDirectory });
    try {
      await expect(startEmbeddedCluster({ dataDirectory })).rejects.toMatchObject({
        code: 'ERR_POSTGRES_BINARY',
        message: `a server is already running on ${dataDirectory}`,
      });
      expect(await rowsOf(cluster.ownerUrl, 'SELECT 1')).toEqual([[1]]);
    } finally {
      await cluster.stop();
    }
  });

  test('is made once when two starts meet', async () => {
    const starts = await Promise.allSettled([
      startEmbeddedCluster({ dataDirectory }),
      startEmbeddedCluster({ dataDirectory }),
    ]);
    const running = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
    try {
      expect(running).toHaveLength(1);
      for (const cluster of running) expect(await rowsOf(cluster.ownerUrl, 'SELECT 1')).toEqual([[1]]);
    } finally {
      await Promise.all(running.map((cluster) => cluster.stop()));
    }
  });

  test('starts again after its postmaster was killed', async () => {
    const killed = await startEmbeddedCluster({ dataDirectory });
    await rowsOf(killed.ownerUrl, 'CREATE TABLE kept AS SELECT 42 AS answer');
    process.kill(killed.pid, 'SIGKILL');
    await killed.stop();
    expect(existsSync(path.join(dataDirectory, 'data/postmaster.pid'))).toBe(true);

    const again = await startEmbeddedCluster({ dataDirectory });
    try {
      expect(await rowsOf(again.ownerUrl, 'SELECT answer FROM kept')).toEqual([[42]]);
    } finally {
      await again.stop();
    }
  });

  test('starts although the process id of its lock file is now that of another program', async () => {
    await (await startEmbeddedCluster({ dataDirectory })).stop();
    const data = path.join(dataDirectory, 'data');
    const { uid, gid } = await stat(data);
    const other = spawn('sleep', ['60'], { uid, gid, stdio: 'ignore' });
    try {
      await writeFile(path.join(data, 'postmaster.pid'), `${other.pid}\n${data}\n0\n5432\n\n\n\nready\n`);
      const cluster = await startEmbeddedCluster({ dataDirectory });
      expect(await rowsOf(cluster.ownerUrl, 'SELECT 1')).toEqual([[1]]);
      await cluster.stop();
    } finally {
      other.kill();
    }
  });

  test('does not start without its password', async () => {
    await (await startEmbeddedCluster({ dataDirectory })).stop();
    await rm(path.join(dataDirectory, 'password'));
    await expect(startEmbeddedCluster({ dataDirectory })).rejects.toMatchObject({
      code: 'ERR_PASSWORD_UNKNOWN',
    });
  });
});
