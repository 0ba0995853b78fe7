import type { EntraClaims } from '../claims.ts';
import type { ClaimRule } from '../claim-rule.ts';
import type { Provider } from '../provider.ts';
import { toMatching, toSwitch, toTexts, uuid } from './parameter.ts';
import { checkOptionNames, fromPreset, type PresetOptions } from './preset.ts';

/** What {@link entra} takes. */
export interface EntraOptions extends PresetOptions {
  /** The tenants whose users are accepted, by their ids: all tenants of the world share their keys. */
  readonly tenantId: string | readonly string[];
  /** What must be in `aud`: the API's client id, and its App ID URI (`api://…`) where tokens have that. */
  readonly audience: string | readonly string[];
  /** What the API's manifest says in `accessTokenAcceptedVersion`; `null` there is 1. Default: 2. */
  readonly version?: 1 | 2 | undefined;
  /** Accept tokens of applications that act for nobody. Default: false. */
  readonly machines?: boolean | undefined;
  /** `oid` is one person in the tenant, `sub` one person in one application. Default: `oid`. */
  readonly userIdClaim?: 'oid' | 'sub' | undefined;
}

/**
 * Microsoft Entra ID (Azure AD): access tokens for an API. The user's id is `oid`, which the identity has as `sub`;
 * what the token has there is `token_sub`.
 *
 * @throws {TypeError} naming the option that is missing, unknown or wrong
 * @example
 * const provider = entra({
 *   tenantId: '72f988bf-86f1-41af-91ab-2d7cd011db47',
 *   audience: '6e74172b-be56-4843-9ff4-e66a39bb12e3',
 * });
 * @see https://learn.microsoft.com/en-us/entra/identity-platform/access-tokens
 */
export function entra(options: EntraOptions): Provider<EntraClaims> {
  checkOptionNames('entra', options, ['tenantId', 'audience', 'version', 'machines', 'userIdClaim']);
  const { version = 2, userIdClaim = 'oid' } = options;
  const shape = {
    pattern: uuid,
    expected: 'the id of a tenant such as 72f988bf-86f1-41af-91ab-2d7cd011db47, or a list of such',
  };
  const given: readonly unknown[] = Array.isArray(options.tenantId) ? options.tenantId : [options.tenantId];
  const tenants = given.map((tenant) => toMatching('entra', 'tenantId', tenant, shape).toLowerCase());
  if (tenants.length === 0) throw new TypeError(`entra(): "tenantId" must be ${shape.expected}`);
  if (version !== 1 && version !== 2) throw new TypeError('entra(): "version" must be 1 or 2');
  if (userIdClaim !== 'oid' && userIdClaim !== 'sub') {
    throw new TypeError(`entra(): "userIdClaim" must be 'oid' or 'sub'`);
  }
  const host = 'https://login.microsoftonline.com';
  const [only = ''] = tenants;
  const authority = `${host}/${tenants.length === 1 ? only : 'common'}/discovery`;
  return fromPreset('entra', options, {
    name: 'Entra ID',
    jwksUrl: version === 2 ? `${authority}/v2.0/keys` : `${authority}/keys`,
    issuers: tenants.map((tenant) =>
      version === 2 ? `${host}/${tenant}/v2.0` : `https://sts.windows.net/${tenant}/`,
    ),
    audiences: toTexts('entra', 'audience', options.audience, 'the client id or App ID URI of your API'),
    // The keys do not say what they are for, and an RSA key can do more.
    algorithms: ['RS256'],
    userIdClaim,
    maxLifetimeSeconds: 100_800,
    organizationClaims: [['tid']],
    roleClaims: [['roles']],
    rules: [
      { claim: ['ver'], must: 'be one of', values: [`${version}.0`] },
      { claim: ['tid'], must: 'be absent or one of', values: tenants },
      ...(toSwitch('entra', 'machines', options.machines) ? [] : userRules),
    ],
  });
}

const hint =
  'ID tokens have no "scp", and tokens of applications neither; the latter are accepted with machines: true';
const userRules: readonly ClaimRule[] = [
  { claim: ['scp'], must: 'be present', hint },
  { claim: ['idtyp'], must: 'not be one of', values: ['app'], hint },
];
