import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { afterEach, expect, it } from 'vitest';

import { createIssuer } from '../../support/issuer.ts';
import { createLinkedFolder } from '../../support/linked-folder.ts';
import { createTodoDatabase } from '../../support/todo-app.ts';
import { eventually } from '../embedded/project.ts';
import {
  ask,
  configText,
  environmentOf,
  isClosed,
  ready,
  somebodyWaits,
  startGateway,
  withLockedTodos,
} from './gateway-daemon.ts';

const cleanup: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const step of cleanup.splice(0).toReversed()) await step();
});

it('gateway waits 10 s for the last request and no longer, and says with exit code 1 that it was cut off', async () => {
  const database = await createTodoDatabase('gateway_drain');
  cleanup.push(() => database.drop());
  const folder = await createLinkedFolder('gateway');
  cleanup.push(() => folder.remove());
  const issuer = await createIssuer();
  await writeFile(join(folder.path, 'authorize.config.ts'), configText(issuer, ''));
  const daemon = startGateway(['--json', '--port', '0'], { cwd: folder.path, env: environmentOf(database) });
  cleanup.push(async () => {
    daemon.child.kill('SIGKILL');
    await daemon.ended;
  });
  const { url } = await ready(daemon);

  await withLockedTodos(database.ownerUrl, async ({ requestWaits }) => {
    const answer = ask(url, database.name, 'select title from todos', await issuer.token('bob')).catch(
      (error: unknown) => error,
    );
    await requestWaits();
    const start = Date.now();
    daemon.child.kill('SIGTERM');
    await eventually(() => isClosed(url), 'no connection is taken');
    expect(await answer).toBeInstanceOf(Error);
    expect(Date.now() - start).toBeGreaterThan(9_500);
    expect(await daemon.ended).toEqual({ code: 1, signal: null });
    expect(Date.now() - start).toBeLessThan(20_000);
    expect(daemon.output.stderr).toContain('what was still at work after 10 s has been cut off');
    expect(await somebodyWaits(database.ownerUrl)).toBe(false);
  });
});
