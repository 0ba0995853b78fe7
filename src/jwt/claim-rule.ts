import { TokenError } from '../errors.ts';

/** Where a claim is: names of members, from the outside inwards. A list, since names have dots and slashes in them. */
export type ClaimPath = readonly string[];

/**
 * What one claim must be for a provider's token to be accepted: this tells the tokens of people from the others that
 * a provider signs with the same keys. A claim that is `null` counts as absent.
 */
export type ClaimRule = {
  readonly claim: ClaimPath;
  /** Where the claim is. Default: the payload. */
  readonly in?: 'header';
  /** What the reader can do about a token that is refused for this. */
  readonly hint?: string;
} & ClaimCondition;

type ClaimCondition =
  | { readonly must: 'be present' | 'be absent' }
  | {
      readonly must: 'be one of' | 'be absent or one of' | 'not be one of';
      readonly values: readonly (string | boolean)[];
    }
  | { readonly must: 'match' | 'be absent or match'; readonly pattern: RegExp }
  | { readonly must: 'differ from'; readonly other: ClaimPath };

/** What has been signed: both parts of a token. */
export interface TokenParts {
  readonly header: object;
  readonly claims: object;
}

/** @throws {TokenError} ERR_TOKEN_CLAIM naming the first claim that breaks a rule, never what is in it */
export function checkClaims(token: TokenParts, rules: readonly ClaimRule[], providerName: string): void {
  for (const rule of rules) {
    if (holds(rule, token)) continue;
    const claim = `"${rule.claim.join('.')}"${rule.in === 'header' ? ' in its header' : ''}`;
    throw new TokenError(
      'ERR_TOKEN_CLAIM',
      refusalOf(rule, claim, providerName),
      rule.hint === undefined ? {} : { hint: rule.hint },
    );
  }
}

/** The value at a path, `undefined` if there is none. */
export function readClaim(claims: object, path: ClaimPath): unknown {
  let value: unknown = claims;
  for (const name of path) {
    // Own members only: a path must not lead into Object.prototype.
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[name];
  }
  return value ?? undefined;
}

function holds(rule: ClaimRule, { header, claims }: TokenParts): boolean {
  const value = readClaim(rule.in === 'header' ? header : claims, rule.claim);
  switch (rule.must) {
    case 'be present':
      return value !== undefined && value !== '';
    case 'be absent':
      return value === undefined;
    case 'be one of':
      return isOneOf(value, rule.values);
    case 'be absent or one of':
      return value === undefined || isOneOf(value, rule.values);
    case 'not be one of':
      return !isOneOf(value, rule.values);
    case 'match':
      return typeof value === 'string' && rule.pattern.test(value);
    case 'be absent or match':
      return value === undefined || (typeof value === 'string' && rule.pattern.test(value));
    default:
      return value !== readClaim(claims, rule.other);
  }
}

function isOneOf(value: unknown, values: readonly unknown[]): boolean {
  return values.includes(value);
}

function refusalOf(rule: ClaimRule, claim: string, name: string): string {
  switch (rule.must) {
    case 'be absent':
      return `the token has ${claim}, with which "${name}" marks tokens of another kind`;
    case 'differ from':
      return `the token speaks for an application: its ${claim} is its "${rule.other.join('.')}"`;
    default:
      return `the token does not have the ${claim} that "${name}" is configured for`;
  }
}

/** True if a list of rules is one: a rule that is misspelt would be a check that somebody believes in. */
export function areClaimRules(rules: unknown): rules is readonly ClaimRule[] {
  return Array.isArray(rules) && rules.every(isClaimRule);
}

function isClaimRule(rule: Readonly<Record<string, unknown>> | null | undefined): boolean {
  if (typeof rule !== 'object' || rule === null || !isClaimPath(rule['claim'])) return false;
  if (rule['in'] !== undefined && rule['in'] !== 'header') return false;
  const { values, pattern } = rule;
  switch (rule['must'] as ClaimRule['must']) {
    case 'be present':
    case 'be absent':
      return true;
    case 'be one of':
    case 'be absent or one of':
    case 'not be one of':
      return Array.isArray(values) && values.length > 0;
    case 'match':
    case 'be absent or match':
      // With these flags a pattern remembers where it was, and answers differently the next time.
      return pattern instanceof RegExp && !pattern.global && !pattern.sticky;
    case 'differ from':
      return isClaimPath(rule['other']);
    default:
      return false;
  }
}

export function isClaimPath(path: unknown): path is ClaimPath {
  return (
    Array.isArray(path) && path.length > 0 && path.every((name) => typeof name === 'string' && name !== '')
  );
}
