import type { KeycloakClaims } from '../claims.ts';
import type { ClaimRule } from '../claim-rule.ts';
import type { Provider } from '../provider.ts';
import { toBaseUrl, toMatching, toSwitch, toTexts } from './parameter.ts';
import { checkOptionNames, fromPreset, type PresetOptions } from './preset.ts';

/** What {@link keycloak} takes. */
export interface KeycloakOptions extends PresetOptions {
  /**
   * Where people reach Keycloak, `https://id.example.com`, with `/auth` behind it before version 17. If this program
   * reaches it elsewhere, give that as `jwksUrl`.
   */
  readonly url: string;
  readonly realm: string;
  /** What must be in `aud`. One realm's keys sign for all of its clients, so give this, `clientId` or both. */
  readonly audience?: string | readonly string[] | undefined;
  /** The clients that may ask for tokens (`azp`). */
  readonly clientId?: string | readonly string[] | undefined;
  /** Accept tokens of service accounts, which are no people. Default: false. */
  readonly machines?: boolean | undefined;
}

/**
 * Keycloak: access tokens of a realm's users. The `account` in `aud` that Keycloak writes by itself is no audience of
 * yours.
 *
 * @throws {TypeError} naming the option that is missing, unknown or wrong
 * @example
 * const provider = keycloak({ url: 'https://id.example.com', realm: 'acme', audience: 'notes-api' });
 * @see https://www.keycloak.org/docs/latest/server_admin/#audience-support
 */
export function keycloak(options: KeycloakOptions): Provider<KeycloakClaims> {
  checkOptionNames('keycloak', options, ['url', 'realm', 'audience', 'clientId', 'machines']);
  const { audience, clientId } = options;
  const url = toBaseUrl('keycloak', 'url', options.url, 'https://id.example.com');
  const realm = toMatching('keycloak', 'realm', options.realm, {
    pattern: /^[\w.-]+$/,
    expected: 'the name of a realm, not a URL',
  });
  if (audience === undefined && clientId === undefined) {
    throw new TypeError(
      'keycloak(): "audience" or "clientId" is required, since all clients of a realm share its keys',
    );
  }
  const issuer = `${url}/realms/${realm}`;
  return fromPreset('keycloak', options, {
    name: 'Keycloak',
    jwksUrl: `${issuer}/protocol/openid-connect/certs`,
    issuers: [issuer],
    audiences: audience === undefined ? null : toTexts('keycloak', 'audience', audience, 'an audience'),
    algorithms: ['RS256'],
    // Its members are the organisations that the user has asked for.
    organizationClaims: [['organization']],
    organizationForm: 'only member',
    roleClaims: [['realm_access', 'roles']],
    rules: [
      {
        claim: ['typ'],
        must: 'be one of',
        values: ['Bearer'],
        hint: 'send the access token, not the ID or refresh token',
      },
      { claim: ['sub'], must: 'be present', hint: 'give the client the scope "basic", which writes "sub"' },
      ...(clientId === undefined ? [] : [clientRule(clientId)]),
      ...(toSwitch('keycloak', 'machines', options.machines) ? [] : [noMachine]),
    ],
  });
}

function clientRule(clientId: unknown): ClaimRule {
  const values = toTexts('keycloak', 'clientId', clientId, 'the id of a client');
  return { claim: ['azp'], must: 'be one of', values };
}

const noMachine: ClaimRule = {
  claim: ['preferred_username'],
  must: 'be absent or match',
  pattern: /^(?!service-account-)/,
  hint: 'tokens of service accounts are accepted with machines: true',
};
