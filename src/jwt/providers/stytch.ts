import type { StytchClaims } from '../claims.ts';
import type { ClaimRule } from '../claim-rule.ts';
import type { Provider } from '../provider.ts';
import { toHost, toMatching } from './parameter.ts';
import { checkOptionNames, fromPreset, type PresetOptions } from './preset.ts';

/** What {@link stytch} and {@link stytchB2B} take. */
export interface StytchOptions extends PresetOptions {
  /** The project's id, `project-live-…` or `project-test-…`. */
  readonly projectId: string;
  /** The custom domain that your application reaches Stytch at, if it does. */
  readonly domain?: string | undefined;
}

/**
 * Stytch for consumers: session tokens of users. Machine tokens and those of Connected Apps, which the same keys
 * sign, are refused.
 *
 * @throws {TypeError} naming the option that is missing, unknown or wrong
 * @example
 * const provider = stytch({ projectId: 'project-live-0a1b2c3d-1111-4222-8333-444455556666' });
 * @see https://stytch.com/docs/guides/sessions/using-jwts
 */
export function stytch(options: StytchOptions): Provider<StytchClaims> {
  return toStytch('stytch', options, {
    name: 'Stytch',
    path: 'v1/sessions/jwks',
    organizationClaims: [],
    rules: [{ claim: ['sub'], must: 'match', pattern: /^user-/ }],
  });
}

/**
 * Stytch for businesses: session tokens of members, each of whom belongs to one organisation.
 *
 * @throws {TypeError} naming the option that is missing, unknown or wrong
 * @example
 * const provider = stytchB2B({ projectId: 'project-live-0a1b2c3d-1111-4222-8333-444455556666' });
 * @see https://stytch.com/docs/b2b/guides/sessions/resources/using-jwts
 */
export function stytchB2B(options: StytchOptions): Provider<StytchClaims> {
  return toStytch('stytchB2B', options, {
    name: 'Stytch B2B',
    path: 'v1/b2b/sessions/jwks',
    organizationClaims: [organization],
    rules: [
      { claim: ['sub'], must: 'match', pattern: /^member-/ },
      { claim: organization, must: 'be present' },
    ],
  });
}

const session = 'https://stytch.com/session';
const organization = ['https://stytch.com/organization', 'organization_id'];

interface Product extends Pick<Provider, 'name' | 'organizationClaims' | 'rules'> {
  readonly path: string;
}

function toStytch(caller: string, options: StytchOptions, product: Product): Provider<StytchClaims> {
  checkOptionNames(caller, options, ['projectId', 'domain']);
  const projectId = toMatching(caller, 'projectId', options.projectId, {
    pattern: /^project-(?:live|test)-[\w-]+$/,
    expected: 'the id of a project, which begins with project-live- or project-test-',
  });
  const base =
    options.domain === undefined
      ? undefined
      : `https://${toHost(caller, 'domain', options.domain, 'login.example.com')}`;
  const host = projectId.startsWith('project-live-') ? 'api.stytch.com' : 'test.stytch.com';
  const rules: readonly ClaimRule[] = [
    { claim: ['typ'], in: 'header', must: 'be one of', values: ['JWT'] },
    { claim: [session, 'id'], must: 'be present', hint: 'send the JWT of a session' },
  ];
  return fromPreset(caller, options, {
    name: product.name,
    jwksUrl:
      base === undefined ? `https://${host}/${product.path}/${projectId}` : `${base}/.well-known/jwks.json`,
    // The first is no URL.
    issuers: [`stytch.com/${projectId}`, ...(base === undefined ? [] : [base])],
    audiences: [projectId],
    algorithms: ['RS256'],
    maxLifetimeSeconds: 300,
    organizationClaims: product.organizationClaims,
    roleClaims: [[session, 'roles']],
    rules: [...rules, ...product.rules],
  });
}
