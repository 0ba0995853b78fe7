import type { FirebaseClaims } from '../claims.ts';
import type { ClaimRule } from '../claim-rule.ts';
import type { Provider } from '../provider.ts';
import { toMatching, toSwitch, toTexts } from './parameter.ts';
import { checkOptionNames, fromPreset, type PresetOptions } from './preset.ts';

/** What {@link firebase} takes. */
export interface FirebaseOptions extends PresetOptions {
  /** The project's id, not its number: all projects of the world share their keys, and this alone tells yours. */
  readonly projectId: string;
  /** The tenants of Identity Platform whose users are accepted. Default: users of no tenant. */
  readonly tenant?: string | readonly string[] | undefined;
  /** Accept anonymous sign-ins, which anybody can make as many of as they like. Default: false. */
  readonly anonymous?: boolean | undefined;
}

/**
 * Firebase Auth and Identity Platform of Google Cloud: ID tokens of a project's users.
 *
 * @throws {TypeError} naming the option that is missing, unknown or wrong
 * @example
 * const provider = firebase({ projectId: 'my-app-1234' });
 * @see https://firebase.google.com/docs/auth/admin/verify-id-tokens
 */
export function firebase(options: FirebaseOptions): Provider<FirebaseClaims> {
  checkOptionNames('firebase', options, ['projectId', 'tenant', 'anonymous']);
  const projectId = toMatching('firebase', 'projectId', options.projectId, {
    pattern: /^(?=.*[a-z])[a-z0-9][a-z0-9.:-]*$/,
    expected: 'the id of a project such as my-app-1234, neither its number nor a URL',
  });
  return fromPreset('firebase', options, {
    name: 'Firebase',
    jwksUrl: 'https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com',
    issuers: [`https://securetoken.google.com/${projectId}`],
    audiences: [projectId],
    algorithms: ['RS256'],
    maxLifetimeSeconds: 3_600,
    organizationClaims: [['firebase', 'tenant']],
    rules: [
      { claim: ['kid'], in: 'header', must: 'be present' },
      { claim: ['sub'], must: 'match', pattern: /^[^]{1,128}$/ },
      // What blocking functions are called with.
      { claim: ['event_type'], must: 'be absent' },
      { claim: ['firebase', 'sign_in_provider'], must: 'be present' },
      tenantRule(options.tenant),
      ...(toSwitch('firebase', 'anonymous', options.anonymous) ? [] : [noAnonymous]),
    ],
  });
}

const noAnonymous: ClaimRule = {
  claim: ['firebase', 'sign_in_provider'],
  must: 'not be one of',
  values: ['anonymous'],
  hint: 'anonymous sign-ins are accepted with anonymous: true',
};

function tenantRule(tenant: unknown): ClaimRule {
  const claim = ['firebase', 'tenant'];
  if (tenant === undefined) {
    return { claim, must: 'be absent', hint: 'name the tenants whose users are accepted in "tenant"' };
  }
  return {
    claim,
    must: 'be one of',
    values: toTexts('firebase', 'tenant', tenant, 'the id of a tenant'),
  };
}
