import { format, resolveConfig } from 'prettier';

import {
  auth0,
  betterAuth,
  clerk,
  cognito,
  descope,
  entra,
  firebase,
  google,
  keycloak,
  logto,
  neonAuth,
  okta,
  propelAuth,
  stackAuth,
  stytch,
  stytchB2B,
  supabase,
  workos,
  zitadel,
  type ClaimPath,
  type ClaimRule,
  type Provider,
} from '../src/jwt/index.ts';

interface Entry {
  readonly title: string;
  /** The call as it is written. */
  readonly call: string;
  readonly provider: Provider;
}

function entry<Options extends object>(
  title: string,
  preset: (options: Options) => Provider,
  options: Options,
): Entry {
  return { title, call: `${preset.name}(${toSource(options)})`, provider: preset(options) };
}

const entries: readonly Entry[] = [
  entry('Clerk', clerk, { domain: 'clerk.example.com', authorizedParties: 'https://app.example.com' }),
  entry('Stack Auth', stackAuth, { projectId: 'PROJECT' }),
  entry('Stack Auth, anonymous', stackAuth, { projectId: 'PROJECT', users: 'anonymous' }),
  entry('Auth0', auth0, { domain: 'acme.eu.auth0.com', audience: 'https://api.example.com' }),
  entry('Firebase, Identity Platform', firebase, { projectId: 'my-app-1234' }),
  entry('Stytch', stytch, { projectId: 'project-live-1111' }),
  entry('Stytch B2B', stytchB2B, { projectId: 'project-live-1111' }),
  entry('Keycloak', keycloak, { url: 'https://id.example.com', realm: 'acme', audience: 'notes-api' }),
  entry('Supabase', supabase, { projectRef: 'abcdefghijklmnopqrst' }),
  entry('Supabase, legacy secret', supabase, {
    projectRef: 'abcdefghijklmnopqrst',
    legacySecret: 'the-JWT-secret-of-the-project-as-text',
  }),
  entry('Cognito, access tokens', cognito, {
    userPoolId: 'eu-west-1_AbC123',
    clientId: 'CLIENT',
    tokenUse: 'access',
  }),
  entry('Cognito, ID tokens', cognito, {
    userPoolId: 'eu-west-1_AbC123',
    clientId: 'CLIENT',
    tokenUse: 'id',
  }),
  entry('Entra ID (Azure AD)', entra, {
    tenantId: '72f988bf-86f1-41af-91ab-2d7cd011db47',
    audience: '6e74172b-be56-4843-9ff4-e66a39bb12e3',
  }),
  entry('Entra ID, version 1', entra, {
    tenantId: '72f988bf-86f1-41af-91ab-2d7cd011db47',
    audience: 'api://notes',
    version: 1,
  }),
  entry('Google Identity', google, { clientId: '1234-abcd.apps.googleusercontent.com' }),
  entry('Descope', descope, { projectId: 'P2bQkmTnVdRfGh' }),
  entry('PropelAuth', propelAuth, { authUrl: 'https://auth.example.com' }),
  entry('Better Auth', betterAuth, { baseURL: 'https://app.example.com' }),
  entry('Neon Auth', neonAuth, { url: 'https://ep-x.neonauth.us-east-2.aws.neon.tech/neondb/auth' }),
  entry('WorkOS', workos, { clientId: 'client_01HBEQ' }),
  entry('Okta', okta, { issuer: 'https://acme.okta.com/oauth2/default', audience: 'api://default' }),
  entry('Logto', logto, { endpoint: 'https://acme.logto.app', audience: 'https://api.example.com' }),
  entry('Zitadel', zitadel, { url: 'https://acme.zitadel.cloud', projectId: '69234237810729019' }),
];

const introduction = `# Identity providers

<!-- Generated from the presets by \`npm run docs\`; a test fails when it is old. -->

A provider is one line of configuration, in \`withAuth()\`, \`createVerifier()\` or \`authorize.config.ts\`:

\`\`\`ts
import { clerk } from 'drizzle-authorize/jwt';

const providers = [
  clerk({ domain: 'clerk.example.com', authorizedParties: 'https://app.example.com' }),
];
\`\`\`

A preset knows where the keys are, who the issuer is, and which of the tokens that these keys sign speak for a person. The others,
such as refresh tokens, ID tokens where access tokens are expected, and tokens of applications, are refused with \`ERR_TOKEN_CLAIM\`. A
wrong parameter is a \`TypeError\` that says what was expected.

For any other provider with OpenID Connect Discovery there is \`oidc({ issuer, audience })\`; for a key set at a URL
\`jwks({ url, issuer, audience })\`; for an application that signs its own tokens \`customKeys({ keys, issuer, audience })\`.

## Who the user is

\`auth.user_id()\` and \`identity.claims.sub\` are the claim in the column "user". Where that is not \`sub\`, since \`sub\` means something
else there, the token's own \`sub\` stays readable as \`token_sub\`: \`auth.claim('token_sub')\`. \`jwks()\`, \`customKeys()\` and \`oidc()\`
take \`userIdClaim\` for the same.

## Which role

The Postgres role comes from the connection, never from a token: a claim such as \`role\` is for policies to read, like any other.
\`roles\` lists the roles that a provider's tokens may be used for (default: \`authenticated\`). With \`roleFrom: 'role'\` a token is
refused besides unless that claim names the role of the connection.

## Options of every preset

| option | |
| --- | --- |
| \`roles\`, \`roleFrom\` | as above |
| \`jwksUrl\` | where the keys are fetched instead: a proxy, or the provider's address inside your network. What tokens must say stays |
| \`algorithms\` | the signature algorithms that are accepted |
| \`maxLifetimeSeconds\` | the longest time between \`iat\` and \`exp\`; \`null\`: any |
| \`name\` | what error messages call the provider |

\`machines: true\`, where a preset has it, accepts tokens of applications that act for nobody; \`anonymous: true\` accepts users who have
not signed in. Both are off by default.
`;

const limits = `## What a preset cannot know

- Google: without \`hostedDomain\`, everybody with a Google account is authenticated.
- Auth0 and Logto give out opaque tokens, which cannot be verified, unless the application asks for your API by its \`audience\` or
  \`resource\`.
- Supabase: users can write \`user_metadata\` themselves; policies must not read it.
- Descope: \`dct\` is the tenant that the client has chosen; \`tenants\` lists those that the user belongs to.
- Entra ID: sovereign clouds, B2C and External ID have other hosts; use \`oidc()\` for them. Open registration of any tenant is not
  offered: list the tenants.
- Zitadel: service users look like people.
- Clerk, WorkOS (\`act\`) and PropelAuth (\`impersonator_user_id\`): tokens of an administrator who acts as a user are accepted; a
  policy can look at these claims.
`;

const organisations = `## One policy for every provider

The verifier puts the organisation in which somebody acts into the claim \`$organization\`, and the roles that the user has in the
application into \`$roles\`, wherever the token has them; a token's own claims of these names are left out. So one policy serves the
tokens of all providers:

\`\`\`ts
import { authenticatedRole, deletePolicy, hasRole, inOrganization, selectPolicy } from 'drizzle-authorize';
import { sql } from 'drizzle-orm';
import { pgTable, text } from 'drizzle-orm/pg-core';

export const documents = pgTable('documents', { id: text().primaryKey(), org: text().notNull() }, (t) => [
  selectPolicy('of my organisation', { to: authenticatedRole, using: inOrganization(t.org) }),
  deletePolicy('admins delete', {
    to: authenticatedRole,
    using: sql\`\${inOrganization(t.org)} and \${hasRole('admin')}\`,
  }),
]);
\`\`\`

\`claimEquals(t.org, ['o', 'id'])\` and \`claimIncludes('permissions', 'read:notes')\` read a claim by the provider's own name. All of them
refuse when the claim is missing or of another type, such as a list where a text is expected. \`organizationClaim\` and \`roleClaim\` of
any provider name another place, such as \`organizationClaim: ['app_metadata', 'team']\`.

- Of a Keycloak token the organisation is the alias of the one that it names; a token that names several acts in none.
- Of a Descope token it is \`dct\`, if the user belongs to that tenant by \`tenants\`.
- Roles are texts or lists of texts; Zitadel's roles, which are an object, are read with \`auth.session()\`.
- In Clerk's first version of tokens a role is \`org:admin\`, in the second \`admin\`.
- Organisations of two providers can have the same id: use ids that are unique, or a provider for each database.
- Neon's own proxy, in place of the gateway, does not make these claims; \`inOrganization()\` shows nothing there.

A preset types what \`verify()\` gives: with \`createVerifier({ providers: [clerk(…), auth0(…)] })\`, \`identity.claims\` is
\`ClerkClaims | Auth0Claims\`. These types say what the provider documents; only what the preset has a rule for is checked.`;

/** The text of docs/providers.md. */
export async function providersPage(): Promise<string> {
  const calls = [
    '## Configuration',
    '',
    '```ts',
    ...entries.map(({ title, call }) => `// ${title}\n${call};`),
    '```',
  ].join('\n');
  const sources = table(
    ['provider', 'key set', 'issuer'],
    entries.map(({ title, provider }) => [title, keysOf(provider), codes(provider.issuers)]),
  );
  const claims = table(
    [
      'provider',
      'audience',
      'algorithms',
      'user',
      'organisation',
      'roles in the application',
      'lives at most',
    ],
    entries.map(({ title, provider }) => [
      title,
      provider.audiences === null ? 'not checked' : codes(provider.audiences),
      provider.algorithms.join(', '),
      code(provider.userIdClaim),
      codes(provider.organizationClaims.map(pathText)),
      codes(provider.roleClaims.map(pathText)),
      duration(provider.maxLifetimeSeconds),
    ]),
  );
  const rules = table(
    ['provider', 'what must hold of a token'],
    entries.map(({ title, provider }) => [
      title,
      provider.rules.map(ruleText).join('; ') || 'nothing besides',
    ]),
  );
  const page = [
    introduction,
    calls,
    `## Where the keys are, and who the issuer is\n\n${sources}`,
    'Issuers are compared to the letter. Key sets are fetched when the first token needs them.',
    `## What is in the tokens\n\n${claims}`,
    organisations,
    `## Which tokens are accepted\n\n${rules}`,
    limits,
  ].join('\n\n');
  return format(page, { ...(await resolveConfig('docs/providers.md')), parser: 'markdown' });
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => '---'), ...rows];
  return lines.map((cells) => `| ${cells.map(cellText).join(' | ')} |`).join('\n');
}

function cellText(text: string): string {
  return text.replaceAll('|', '\\|');
}

function keysOf({ keys }: Provider): string {
  if ('jwksUrl' in keys) return code(keys.jwksUrl.href);
  if ('secret' in keys) return 'the secret';
  throw new Error('a preset has its keys at a URL, or a secret');
}

function ruleText(rule: ClaimRule): string {
  const claim = `${code(pathText(rule.claim))}${rule.in === 'header' ? ' in the header' : ''}`;
  return `${claim} must ${conditionText(rule)}`;
}

function conditionText(rule: ClaimRule): string {
  if ('pattern' in rule) return `${rule.must} ${code(String(rule.pattern))}`;
  if ('other' in rule) return `${rule.must} ${code(pathText(rule.other))}`;
  if (!('values' in rule)) return rule.must;
  const must = rule.values.length === 1 ? rule.must.replace('one of', '').trim() : rule.must;
  return `${must} ${codes(rule.values.map(String))}`;
}

function pathText(path: ClaimPath): string {
  const [first = '', ...rest] = path;
  return `${first}${rest.map((name) => `.${name}`).join('')}`;
}

function duration(seconds: number | null): string {
  if (seconds === null) return 'any time';
  if (seconds % 86_400 === 0 && seconds > 86_400) return `${seconds / 86_400} days`;
  return seconds % 3_600 === 0 ? `${seconds / 3_600} h` : `${seconds / 60} min`;
}

function codes(texts: readonly string[]): string {
  return texts.map(code).join(', ');
}

function code(text: string): string {
  return `\`${text}\``;
}

/** A flat object as TypeScript. */
function toSource(options: object): string {
  const members = Object.entries(options).map(
    ([name, value]: [string, unknown]) =>
      `${name}: ${typeof value === 'string' ? `'${value}'` : String(value)}`,
  );
  return `{ ${members.join(', ')} }`;
}
