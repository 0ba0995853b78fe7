import type { Identity } from '../session/identity.ts';

/**
 * Whose limits count: one person of one issuer, with however many tokens. Undefined for visitors, who are nobody in
 * particular.
 */
export function personOf({ claims }: Pick<Identity, 'claims'>): string | undefined {
  const { iss, sub } = claims;
  return typeof sub === 'string' ? `${typeof iss === 'string' ? iss : ''} ${sub}` : undefined;
}
