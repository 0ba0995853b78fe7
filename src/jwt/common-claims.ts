import type { Claims } from './claims.ts';
import { type ClaimPath, readClaim } from './claim-rule.ts';
import type { Provider } from './provider.ts';

/** The organisation in which the user acts, as text, whatever the provider calls it. Absent if the token names none. */
const organizationClaim = '$organization';
/** The user's roles in the application, as a list of texts, whatever the provider calls them. Absent if there are none. */
const rolesClaim = '$roles';

/**
 * The claims with `$organization` and `$roles`, which say the same for tokens of every provider, so that one policy
 * serves them all. A token's own claims of these names are left out. What is not of the type that the provider
 * documents is not there, so that a policy that asks for it refuses.
 *
 * @param claims are changed
 */
export function withCommonClaims(
  claims: Record<string, unknown> & { readonly sub: string },
  provider: Provider,
): Claims {
  delete claims[organizationClaim];
  delete claims[rolesClaim];
  const organization = organizationOf(claims, provider);
  const roles = rolesOf(firstOf(claims, provider.roleClaims));
  if (organization !== undefined) claims[organizationClaim] = organization;
  if (roles.length > 0) claims[rolesClaim] = roles;
  return claims;
}

function organizationOf(
  claims: object,
  { organizationClaims, organizationForm, organizationsClaim }: Provider,
): string | undefined {
  const value = firstOf(claims, organizationClaims);
  const organization = organizationForm === 'text' ? value : onlyMember(value);
  if (typeof organization !== 'string' || organization === '') return undefined;
  const isListed =
    organizationsClaim === null || readClaim(claims, [...organizationsClaim, organization]) !== undefined;
  return isListed ? organization : undefined;
}

/** Of several organisations none is the one in which the user acts. */
function onlyMember(value: unknown): unknown {
  const names: readonly unknown[] =
    Array.isArray(value) || typeof value !== 'object' || value === null ? [] : Object.keys(value);
  return names.length === 1 ? names[0] : undefined;
}

function rolesOf(value: unknown): readonly string[] {
  const roles: readonly unknown[] = Array.isArray(value) ? value : [value];
  return roles.every((role): role is string => typeof role === 'string' && role !== '') ? roles : [];
}

/** The first that is there decides, also when it is of the wrong type. */
function firstOf(claims: object, paths: readonly ClaimPath[]): unknown {
  for (const path of paths) {
    const value = readClaim(claims, path);
    if (value !== undefined) return value;
  }
  return undefined;
}
