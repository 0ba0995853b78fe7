import type { StackAuthClaims } from '../claims.ts';
import type { ClaimRule } from '../claim-rule.ts';
import type { Provider } from '../provider.ts';
import { toBaseUrl, toMatching } from './parameter.ts';
import { checkOptionNames, fromPreset, type PresetOptions } from './preset.ts';

/** What {@link stackAuth} takes. */
export interface StackAuthOptions extends PresetOptions {
  /** The project's id. */
  readonly projectId: string;
  /**
   * The class of users whose tokens are accepted; each has an issuer, an audience and keys of its own. For more than
   * one, configure more than one provider; each can have other `roles`. Default: `normal`.
   */
  readonly users?: 'normal' | 'restricted' | 'anonymous' | undefined;
  /** Where Stack Auth is, if you host it. Default: `https://api.stack-auth.com`. */
  readonly apiUrl?: string | undefined;
}

/**
 * Stack Auth: access tokens of a project's users. Their `role` is always "authenticated", also for anonymous users:
 * it says nothing.
 *
 * @throws {TypeError} naming the option that is missing, unknown or wrong
 * @example
 * const provider = stackAuth({ projectId: '7b0e3c1a-8b0f-4c1e-9d52-0a6f3f0e9a11' });
 * @see https://docs.stack-auth.com/docs/concepts/jwt
 */
export function stackAuth(options: StackAuthOptions): Provider<StackAuthClaims> {
  checkOptionNames('stackAuth', options, ['projectId', 'users', 'apiUrl']);
  const { users = 'normal', apiUrl = 'https://api.stack-auth.com' } = options;
  const projectId = toMatching('stackAuth', 'projectId', options.projectId, {
    pattern: /^[\w-]+$/,
    expected: 'the id of a project such as 7b0e3c1a-8b0f-4c1e-9d52-0a6f3f0e9a11, not a URL',
  });
  const api = `${toBaseUrl('stackAuth', 'apiUrl', apiUrl, 'https://api.stack-auth.com')}/api/v1`;
  const userClass = userClasses.get(users);
  if (userClass === undefined) {
    throw new TypeError(`stackAuth(): "users" must be 'normal', 'restricted' or 'anonymous'`);
  }
  return fromPreset('stackAuth', options, {
    name: users === 'normal' ? 'Stack Auth' : `Stack Auth (${users} users)`,
    // The address that the issuer would lead to is a redirect for some classes, and none is followed.
    jwksUrl: `${api}/projects/${projectId}/.well-known/jwks.json${userClass.query}`,
    issuers: [`${api}/${userClass.path}/${projectId}`],
    audiences: [`${projectId}${userClass.audienceSuffix}`],
    algorithms: ['ES256'],
    organizationClaims: [['selected_team_id']],
    rules: [
      { claim: ['branch_id'], must: 'be absent or one of', values: ['main'] },
      { claim: ['project_id'], must: 'be absent or one of', values: [projectId] },
      ...userClass.rules,
    ],
  });
}

interface UserClass {
  readonly path: string;
  readonly query: string;
  readonly audienceSuffix: string;
  readonly rules: readonly ClaimRule[];
}

const notAnonymous: ClaimRule = { claim: ['is_anonymous'], must: 'be absent or one of', values: [false] };
const notRestricted: ClaimRule = { claim: ['is_restricted'], must: 'be absent or one of', values: [false] };

const userClasses: ReadonlyMap<string, UserClass> = new Map([
  ['normal', { path: 'projects', query: '', audienceSuffix: '', rules: [notAnonymous, notRestricted] }],
  [
    'restricted',
    {
      path: 'projects-restricted-users',
      query: '?include_restricted=true',
      audienceSuffix: ':restricted',
      rules: [notAnonymous],
    },
  ],
  [
    'anonymous',
    {
      path: 'projects-anonymous-users',
      query: '?include_anonymous=true',
      audienceSuffix: ':anon',
      rules: [],
    },
  ],
]);
