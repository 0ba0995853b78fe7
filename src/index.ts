/**
 * What a Drizzle schema file needs to say who may do what: roles, the caller's identity as SQL, and policies; and how
 * to tell the refusals of every entry point from other errors. Imports drizzle-orm and nothing else.
 */
export { AuthorizeError, isAuthorizeError, type ErrorCode } from './errors.ts';
export { auth, authUid, type Auth } from './policy/auth.ts';
export {
  claimEquals,
  claimIncludes,
  hasRole,
  inOrganization,
  type ClaimName,
  type ClaimPredicates,
} from './policy/claims.ts';
export { createAuth, type AuthHelpers, type CreateAuthOptions } from './policy/create-auth.ts';
export { crudPolicy, type CrudPolicyOptions } from './policy/crud-policy.ts';
export { forceRLS } from './policy/force-rls.ts';
export { memberOf, type MemberOfOptions } from './policy/member-of.ts';
export {
  allPolicy,
  deletePolicy,
  insertPolicy,
  selectPolicy,
  updatePolicy,
  type AllPolicyOptions,
  type DeletePolicyOptions,
  type InsertPolicyOptions,
  type PolicyRole,
  type SelectPolicyOptions,
  type UpdatePolicyOptions,
} from './policy/policies.ts';
export { anonymousRole, authenticatedRole, identityRole } from './policy/roles.ts';
