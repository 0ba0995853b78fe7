import { beforeAll, describe, expect, it } from 'vitest';
import { createVerifier, customKeys } from '../../../src/jwt/index.ts';
import { createSigner, frozenClock, issuer, type Signer } from './signer.ts';

let signer: Signer;
beforeAll(async () => {
  signer = await createSigner('ES256');
});

type Options = Partial<Parameters<typeof customKeys>[0]>;

async function use(claims: Record<string, unknown>, options: Options, role?: string): Promise<unknown> {
  const provider = customKeys({ keys: signer.publicJwk, issuer, ...options });
  const verifier = createVerifier({ providers: [provider], now: frozenClock().now });
  try {
    return (await verifier.verify(await signer.sign(claims), { role })).role;
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error;
  }
}

const refused = 'ERR_PROVIDER_ROLE';

describe('the role', () => {
  it('never comes from a claim', async () => {
    for (const role of ['service_role', 'postgres', 'editor', 7]) {
      expect(await use({ role }, {})).toBe('authenticated');
      expect(await use({ role }, { roles: ['authenticated', 'editor'] })).toBe('authenticated');
    }
  });

  it('is refused with roleFrom unless the claim names the very role that is asked for', async () => {
    const options = { roles: ['authenticated', 'editor'], roleFrom: 'role' };
    expect(await use({ role: 'editor' }, options, 'editor')).toBe('editor');
    expect(await use({ role: 'authenticated' }, options)).toBe('authenticated');
    for (const role of ['authenticated', 'Editor', '', undefined, null, ['editor'], { editor: true }]) {
      expect(await use({ role }, options, 'editor'), JSON.stringify(role)).toBe(refused);
    }
    expect(await use({ role: 'editor' }, options)).toBe(refused);
  });

  it('is refused with roleFrom when the configuration does not list it', async () => {
    const options = { roles: ['authenticated'], roleFrom: 'role' };
    expect(await use({ role: 'service_role' }, options, 'service_role')).toBe(refused);
    expect(await use({ role: 'editor' }, options, 'editor')).toBe(refused);
  });

  it('is read from the claim that roleFrom names', async () => {
    const options = { roles: ['editor'], roleFrom: 'https://app.example/role' };
    expect(await use({ 'https://app.example/role': 'editor', role: 'x' }, options, 'editor')).toBe('editor');
    expect(await use({ role: 'editor' }, options, 'editor')).toBe(refused);
    expect(await use({}, { roles: ['editor'], roleFrom: 'toString' }, 'editor')).toBe(refused);
  });
});

describe('the user', () => {
  it('is the claim that userIdClaim names, as sub of the identity; the token’s own sub is kept', async () => {
    const provider = customKeys({ keys: signer.publicJwk, issuer, userIdClaim: 'uid' });
    const verifier = createVerifier({ providers: [provider], now: frozenClock().now });
    const { claims } = await verifier.verify(await signer.sign({ sub: 'ann@example.test', uid: '00u1' }));
    expect(claims).toMatchObject({ sub: '00u1', uid: '00u1', token_sub: 'ann@example.test' });
    expect(Object.isFrozen(claims)).toBe(true);

    const without = await verifier.verify(await signer.sign({ sub: undefined, uid: '00u1' }));
    expect(without.claims).toMatchObject({ sub: '00u1' });
    expect(without.claims).not.toHaveProperty('token_sub');
    await expect(verifier.verify(await signer.sign())).rejects.toMatchObject({ code: 'ERR_TOKEN_CLAIM' });
  });
});

it('a provider made by hand is refused when a rule in it is none', () => {
  const safe = customKeys({ keys: signer.publicJwk, issuer });
  const wrong: readonly object[] = [
    { rules: undefined },
    { rules: [{ claim: 'azp', must: 'be present' }] },
    { rules: [{ claim: [], must: 'be present' }] },
    { rules: [{ claim: ['azp'], must: 'exist' }] },
    { rules: [{ claim: ['azp'], must: 'be one of' }] },
    { rules: [{ claim: ['azp'], must: 'be one of', values: [] }] },
    { rules: [{ claim: ['azp'], must: 'match', pattern: /x/g }] },
    { rules: [{ claim: ['azp'], must: 'match', pattern: 'x' }] },
    { rules: [{ claim: ['azp'], must: 'differ from' }] },
    { rules: [{ claim: ['azp'], in: 'body', must: 'be present' }] },
    { rules: [null] },
    { userIdClaim: undefined },
    { roleFrom: undefined },
    { maxLifetimeSeconds: Number.POSITIVE_INFINITY },
    { organizationClaims: ['org_id'] },
    { roleClaims: undefined },
  ];
  for (const change of wrong) {
    const unsafe = { ...safe, ...change };
    expect(() => createVerifier({ providers: [unsafe] }), JSON.stringify(change)).toThrow(TypeError);
  }
});
