import type { ClerkClaims } from '../claims.ts';
import type { ClaimRule } from '../claim-rule.ts';
import type { Provider } from '../provider.ts';
import { toHost, toMatching, toSwitch } from './parameter.ts';
import { checkOptionNames, fromPreset, type PresetOptions } from './preset.ts';

/** What {@link clerk} takes. */
export interface ClerkOptions extends PresetOptions {
  /** The Frontend API's host: `clerk.example.com`, or `verb-noun-00.clerk.accounts.dev` in development. */
  readonly domain: string;
  /**
   * The origins of the sites that may ask for tokens (`azp`), such as `https://app.example.com`. `null` says, on
   * purpose, that `azp` is not checked: native applications have none.
   */
  readonly authorizedParties: string | readonly string[] | null;
  /** Accept tokens of JWT templates as well. Default: false. */
  readonly templates?: boolean | undefined;
  /** Accept people who have not finished signing in (`sts: "pending"`). Default: false. */
  readonly pending?: boolean | undefined;
}

/**
 * Clerk: session tokens of people. Refused are machine, OAuth and, unless asked for, template tokens, which the same
 * key signs.
 *
 * @throws {TypeError} naming the option that is missing, unknown or wrong
 * @example
 * const provider = clerk({ domain: 'clerk.example.com', authorizedParties: 'https://app.example.com' });
 * @see https://clerk.com/docs/guides/sessions/session-tokens
 */
export function clerk(options: ClerkOptions): Provider<ClerkClaims> {
  checkOptionNames('clerk', options, ['domain', 'authorizedParties', 'templates', 'pending']);
  const issuer = `https://${toHost('clerk', 'domain', options.domain, 'clerk.example.com')}`;
  const templates = toSwitch('clerk', 'templates', options.templates);
  const pending = toSwitch('clerk', 'pending', options.pending);
  return fromPreset('clerk', options, {
    name: 'Clerk',
    jwksUrl: `${issuer}/.well-known/jwks.json`,
    issuers: [issuer],
    audiences: null,
    algorithms: ['RS256'],
    organizationClaims: [['o', 'id'], ['org_id']],
    roleClaims: [['o', 'rol'], ['org_role']],
    rules: [
      ...partyRules(options.authorizedParties),
      { claim: ['typ'], in: 'header', must: 'be absent or one of', values: ['JWT'] },
      {
        claim: ['cat'],
        in: 'header',
        must: 'be absent or one of',
        values: [category.session, category.none, ...(templates ? [category.template] : [])],
        hint: 'tokens of JWT templates are accepted with templates: true',
      },
      { claim: ['sub'], must: 'match', pattern: /^user_/ },
      ...(pending
        ? []
        : [{ claim: ['sts'], must: 'be absent or one of', values: ['active'] } satisfies ClaimRule]),
    ],
  });
}

/** What Clerk writes into the header's `cat` for each class of token. */
const category = {
  session: 'cl_B7d4PD111AAA',
  template: 'cl_B7d4PD222AAA',
  none: 'cl_I7d4PD111III',
} as const;

const origin = {
  // Of browser extensions as well, which URL has no origin for.
  pattern: /^[a-z][a-z0-9+.-]*:\/\/[^/?#\s]+$/,
  expected: 'made of origins such as https://app.example.com, without a slash at the end',
};

function partyRules(parties: unknown): readonly ClaimRule[] {
  if (parties === null) return [];
  const list: readonly unknown[] = Array.isArray(parties) ? parties : [parties];
  if (parties === undefined || list.length === 0) {
    throw new TypeError(
      'clerk(): "authorizedParties" is required: the origins of your sites, or null if "azp" is not to be checked',
    );
  }
  const values = list.map((party) => toMatching('clerk', 'authorizedParties', party, origin));
  return [{ claim: ['azp'], must: 'be one of', values }];
}
