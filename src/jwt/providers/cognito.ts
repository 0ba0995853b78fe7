import type { CognitoClaims } from '../claims.ts';
import type { ClaimRule } from '../claim-rule.ts';
import type { Provider } from '../provider.ts';
import { toMatching, toSwitch, toTexts, uuid } from './parameter.ts';
import { checkOptionNames, fromPreset, type PresetOptions } from './preset.ts';

/** What {@link cognito} takes. */
export interface CognitoOptions extends PresetOptions {
  /** Such as `eu-west-1_AbC123`; the region is in it. */
  readonly userPoolId: string;
  /** The app clients whose tokens are accepted. */
  readonly clientId: string | readonly string[];
  /** Which of the two tokens of a user is sent: access tokens name the client in `client_id`, ID tokens in `aud`. */
  readonly tokenUse: 'access' | 'id';
  /** Accept access tokens of applications that act for nobody (client credentials). Default: false. */
  readonly machines?: boolean | undefined;
}

/**
 * Amazon Cognito: tokens of a user pool.
 *
 * @throws {TypeError} naming the option that is missing, unknown or wrong
 * @example
 * const provider = cognito({ userPoolId: 'eu-west-1_AbC123', clientId: '57cbishk4j24', tokenUse: 'access' });
 * @see https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-tokens-verifying-a-jwt.html
 */
export function cognito(options: CognitoOptions): Provider<CognitoClaims> {
  checkOptionNames('cognito', options, ['userPoolId', 'clientId', 'tokenUse', 'machines']);
  const userPoolId = toMatching('cognito', 'userPoolId', options.userPoolId, {
    pattern: /^[a-z]{2}(?:-[a-z]+)+-\d+_[A-Za-z0-9]+$/,
    expected: 'the id of a user pool such as eu-west-1_AbC123, which begins with its region',
  });
  const clientIds = toTexts('cognito', 'clientId', options.clientId, 'the id of an app client');
  const tokenUse = toMatching('cognito', 'tokenUse', options.tokenUse, {
    pattern: /^(?:access|id)$/,
    expected: "'access' or 'id'",
  });
  const machines = toSwitch('cognito', 'machines', options.machines);
  const [region] = userPoolId.split('_');
  const issuer = `https://cognito-idp.${region}.amazonaws.com/${userPoolId}`;
  return fromPreset('cognito', options, {
    name: 'Cognito',
    jwksUrl: `${issuer}/.well-known/jwks.json`,
    issuers: [issuer],
    audiences: tokenUse === 'id' ? clientIds : null,
    algorithms: ['RS256'],
    maxLifetimeSeconds: 86_400,
    roleClaims: [['cognito:groups']],
    rules: [
      {
        claim: ['token_use'],
        must: 'be one of',
        values: [tokenUse],
        hint: 'send the token that "tokenUse" names, or name the one that is sent',
      },
      ...(tokenUse === 'access' ? [clientRule(clientIds)] : []),
      ...(tokenUse === 'access' && !machines ? [userRule] : []),
    ],
  });
}

function clientRule(values: readonly string[]): ClaimRule {
  return { claim: ['client_id'], must: 'be one of', values };
}

/** An application has its client id as `sub`. */
const userRule: ClaimRule = {
  claim: ['sub'],
  must: 'match',
  pattern: uuid,
  hint: 'tokens of applications are accepted with machines: true',
};
