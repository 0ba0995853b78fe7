import { expect, it } from 'vitest';

import { betterAuth } from '../../../src/jwt/index.ts';
import { createTodoDatabase } from '../../support/todo-app.ts';
import { startBetterAuth } from './better-auth.ts';
import { openDoors } from './doors.ts';
import { queryWhileKeysChange } from './key-changes.ts';

it('no good token is refused and no bad one accepted in 2,000 questions over 40 changes of keys', async () => {
  const database = await createTodoDatabase('key_changes');
  const provider = await startBetterAuth({ databaseUrl: database.ownerUrl });
  const doors = await openDoors(database, [betterAuth({ baseURL: provider.origin })]);
  try {
    const session = await provider.signUp('ann');
    const run = await queryWhileKeysChange({
      doors,
      token: () => provider.token(session),
      changes: Array.from({ length: 40 }, () => () => provider.expireKeys()),
      questionsEach: 50,
    });
    expect(run).toMatchObject({ wronglyRefused: [], wronglyAccepted: [] });
    expect(run.good).toBeGreaterThanOrEqual(2_000);
    expect(run.keys).toBeGreaterThanOrEqual(41);
  } finally {
    await doors.close();
    await provider.close();
    await database.drop();
  }
});
