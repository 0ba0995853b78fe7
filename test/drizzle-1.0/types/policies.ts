import { pgTable, text } from 'drizzle-orm/pg-core';
import {
  anonymousRole,
  auth,
  authenticatedRole,
  authUid,
  crudPolicy,
  forceRLS,
  insertPolicy,
  memberOf,
  selectPolicy,
} from 'drizzle-authorize';
import { expectTypeOf } from 'vitest';

// Compiled by `npm run check`, never run.

export const posts = pgTable.withRLS(
  'posts',
  { userId: text('user_id').notNull().default(auth.userId()), body: text().notNull() },
  ({ userId }) => [
    crudPolicy({ role: authenticatedRole, read: authUid(userId), modify: authUid(userId) }),
    selectPolicy('shown', { to: [authenticatedRole, anonymousRole], using: authUid(userId) }),
  ],
);

export const members = forceRLS(pgTable('members', { userId: text().notNull(), orgId: text().notNull() }));
expectTypeOf(members.$inferSelect).toEqualTypeOf<{ userId: string; orgId: string }>();
selectPolicy('org', {
  to: authenticatedRole,
  using: memberOf(posts.body, { user: members.userId, group: members.orgId }),
});
// @ts-expect-error whose memberships count must be said
memberOf(posts.body, { group: members.orgId });

const using = authUid(posts.userId);
expectTypeOf(using).not.toBeAny();
// @ts-expect-error a select policy checks no new rows
selectPolicy('wrong', { to: 'authenticated', using, withCheck: using });
// @ts-expect-error an insert policy has no rows to start from
insertPolicy('wrong', { to: 'authenticated', using, withCheck: using });
// @ts-expect-error whom it is for must be said
selectPolicy('wrong', { using });
