import * as neon from 'drizzle-orm/neon';
import { index, pgTable, text } from 'drizzle-orm/pg-core';

import * as own from '../../src/index.ts';

// Compiled by `npm run check`, never run: what drizzle-orm/neon takes, ours takes, so that one import is all that changes.

for (const { anonymousRole, authenticatedRole, authUid, crudPolicy } of [neon, own]) {
  pgTable('todos', { userId: text('user_id').notNull() }, (t) => [
    index().on(t.userId),
    crudPolicy({ role: authenticatedRole, read: authUid(t.userId), modify: authUid(t.userId) }),
    crudPolicy({ role: [anonymousRole, 'editor'], read: true, modify: null }),
    ...crudPolicy({ role: 'public', read: false, modify: null }).filter((policy) => policy !== undefined),
  ]);
}
