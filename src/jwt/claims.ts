/**
 * The claims of a token that nobody has described: `sub` is the user, all else is as the provider wrote it, and the
 * names with a dollar are written by the verifier.
 */
export type Claims = Readonly<Record<string, unknown>> & {
  /** The user. */
  readonly sub: string;
  /** The organisation in which the user acts, whatever the provider calls it. */
  readonly $organization?: string;
  /** The user's roles in the application, whatever the provider calls them. */
  readonly $roles?: readonly string[];
  /** What `sub` was in the token, where the provider says in another claim who the user is. */
  readonly token_sub?: unknown;
};

/** What every provider of a preset writes. */
interface Registered {
  readonly iss: string;
  readonly exp: number;
  readonly iat?: number;
}

type Audience = string | readonly string[];

/** @see https://clerk.com/docs/guides/sessions/session-tokens */
export type ClerkClaims = Claims &
  Registered & {
    readonly azp?: string;
    readonly sid?: string;
    readonly sts?: string;
    /** In which organisation the user acts; absent if in none. */
    readonly o?: {
      readonly id: string;
      readonly slg?: string;
      readonly rol?: string;
      readonly per?: string;
      readonly fpm?: string;
    };
    /** In tokens of the first version, in place of `o`. */
    readonly org_id?: string;
    readonly org_role?: string;
    readonly act?: { readonly sub: string };
  };

/** @see https://docs.stack-auth.com/docs/concepts/jwt */
export type StackAuthClaims = Claims &
  Registered & {
    readonly aud: string;
    readonly project_id?: string;
    readonly email?: string | null;
    readonly email_verified?: boolean;
    readonly selected_team_id?: string | null;
    readonly is_anonymous?: boolean;
    readonly is_restricted?: boolean;
  };

/** @see https://auth0.com/docs/secure/tokens/access-tokens/access-token-profiles */
export type Auth0Claims = Claims &
  Registered & {
    readonly aud: Audience;
    readonly azp?: string;
    readonly scope?: string;
    readonly org_id?: string;
    readonly org_name?: string;
    readonly permissions?: readonly string[];
  };

/** @see https://firebase.google.com/docs/auth/admin/verify-id-tokens */
export type FirebaseClaims = Claims &
  Registered & {
    readonly aud: string;
    readonly auth_time?: number;
    readonly user_id?: string;
    readonly email?: string;
    readonly email_verified?: boolean;
    readonly firebase: { readonly sign_in_provider: string; readonly tenant?: string };
  };

/** @see https://stytch.com/docs/sessions/jwts-v-session-tokens */
export type StytchClaims = Claims &
  Registered & {
    readonly aud: readonly string[];
    readonly 'https://stytch.com/session': { readonly id: string; readonly roles?: readonly string[] };
    /** Of members, in Stytch B2B. */
    readonly 'https://stytch.com/organization'?: { readonly organization_id: string; readonly slug?: string };
  };

/** @see https://www.keycloak.org/docs/latest/server_admin/#_managing_organizations */
export type KeycloakClaims = Claims &
  Registered & {
    readonly aud?: Audience;
    readonly azp?: string;
    readonly sid?: string;
    readonly scope?: string;
    readonly preferred_username?: string;
    readonly realm_access?: { readonly roles: readonly string[] };
    readonly resource_access?: Readonly<Record<string, { readonly roles: readonly string[] }>>;
    /** By the alias of each organisation. */
    readonly organization?: Readonly<Record<string, { readonly id?: string }>>;
  };

/** @see https://supabase.com/docs/guides/auth/jwt-fields */
export type SupabaseClaims = Claims &
  Registered & {
    readonly aud: Audience;
    readonly role: string;
    readonly session_id: string;
    readonly aal?: string;
    readonly email?: string;
    readonly is_anonymous?: boolean;
    /** Written by the server alone. */
    readonly app_metadata?: Readonly<Record<string, unknown>>;
    /** Written by the user: never for a policy. */
    readonly user_metadata?: Readonly<Record<string, unknown>>;
  };

/** @see https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html */
export type CognitoClaims = Claims &
  Registered & {
    readonly token_use: 'access' | 'id';
    readonly aud?: string;
    readonly client_id?: string;
    readonly username?: string;
    readonly scope?: string;
    readonly 'cognito:username'?: string;
    readonly 'cognito:groups'?: readonly string[];
  };

/** @see https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference */
export type EntraClaims = Claims &
  Registered & {
    readonly aud: string;
    readonly tid: string;
    readonly oid?: string;
    readonly ver?: '1.0' | '2.0';
    readonly scp?: string;
    readonly roles?: readonly string[];
    readonly groups?: readonly string[];
    readonly preferred_username?: string;
  };

/** @see https://developers.google.com/identity/openid-connect/reference */
export type GoogleClaims = Claims &
  Registered & {
    readonly aud: string;
    readonly azp?: string;
    readonly email?: string;
    readonly email_verified?: boolean;
    readonly hd?: string;
  };

/** @see https://docs.descope.com/session-overview */
export type DescopeClaims = Claims &
  Registered & {
    readonly drn?: string;
    readonly dct?: string;
    readonly tenants?: Readonly<
      Record<string, { readonly roles?: readonly string[]; readonly permissions?: readonly string[] }>
    >;
    readonly roles?: readonly string[];
    readonly permissions?: readonly string[];
  };

interface PropelAuthOrganization {
  readonly org_id: string;
  readonly org_name: string;
  readonly user_role: string;
  readonly user_permissions: readonly string[];
}

/** @see https://docs.propelauth.com/overview/user-management/user-properties */
export type PropelAuthClaims = Claims &
  Registered & {
    readonly user_id: string;
    readonly email?: string;
    /** The one in which the user acts, if the token was made for one. */
    readonly org_member_info?: PropelAuthOrganization;
    readonly org_id_to_org_member_info?: Readonly<Record<string, PropelAuthOrganization>>;
    readonly impersonator_user_id?: string;
  };

/** @see https://www.better-auth.com/docs/plugins/jwt */
export type BetterAuthClaims = Claims &
  Registered & {
    readonly aud: Audience;
    readonly id?: string;
    readonly name?: string;
    readonly email?: string;
    readonly emailVerified?: boolean;
    /** If `definePayload` writes it. */
    readonly org_id?: string;
    readonly role?: string;
  };

/** @see https://neon.com/docs/auth/guides/plugins/jwt */
export type NeonAuthClaims = Claims &
  Registered & {
    readonly aud: Audience;
    readonly id?: string;
    readonly name?: string;
    readonly email?: string;
    readonly emailVerified?: boolean;
    readonly role?: string;
    readonly o?: { readonly id: string; readonly slug?: string; readonly role?: string };
  };

/** @see https://workos.com/docs/reference/authkit/session-tokens */
export type WorkosClaims = Claims &
  Registered & {
    readonly sid: string;
    readonly org_id?: string;
    readonly role?: string;
    readonly roles?: readonly string[];
    readonly permissions?: readonly string[];
    readonly act?: { readonly sub: string };
  };

/** @see https://developer.okta.com/docs/guides/validate-access-tokens */
export type OktaClaims = Claims &
  Registered & {
    readonly aud: string;
    readonly uid: string;
    readonly cid?: string;
    readonly scp?: readonly string[];
    readonly groups?: readonly string[];
  };

/** @see https://docs.logto.io/authorization/validate-access-tokens */
export type LogtoClaims = Claims &
  Registered & {
    readonly aud: Audience;
    readonly client_id?: string;
    readonly scope?: string;
    readonly organization_id?: string;
  };

/** @see https://zitadel.com/docs/apis/openidoauth/claims */
export type ZitadelClaims = Claims &
  Registered & {
    readonly aud: Audience;
    readonly azp?: string;
    readonly 'urn:zitadel:iam:user:resourceowner:id'?: string;
    /** By role, the organisations that grant it. */
    readonly 'urn:zitadel:iam:org:project:roles'?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  };
