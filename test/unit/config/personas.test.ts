import { describe, expect, it } from 'vitest';

import { Problems } from '../../../src/config/fields.ts';
import { checkPersonas } from '../../../src/config/personas.ts';

function problemsOf(section: unknown): readonly string[] {
  const problems = new Problems();
  checkPersonas(section, problems);
  return problems.list.map(({ path, message }) => `${path} ${message}`);
}

describe('personas', () => {
  it('are alice, bob, an admin and one who has expired, unless the config names others', () => {
    const names = (section: unknown): readonly string[] =>
      checkPersonas(section, new Problems()).map(({ name, sub, expiresInSeconds }) =>
        [name, sub, expiresInSeconds].join(' '),
      );
    expect(names(undefined)).toEqual([
      'alice alice 3600',
      'bob bob 3600',
      'admin admin 3600',
      'expired expired -300',
    ]);
    expect(names({ personas: { ann: { sub: 'user_1', expiresInSeconds: 60 } } })).toEqual(['ann user_1 60']);
  });

  it.each([
    [{ personas: [] }, 'dev.personas must be an object, not a list'],
    [
      { personas: { ann: 'user_1' } },
      "dev.personas.ann must be an object, such as { claims: { org_id: 'acme' } }",
    ],
    [{ personas: { ann: { sub: '' } } }, 'dev.personas.ann.sub must be text that is not empty'],
    [{ personas: { ann: { claims: [] } } }, 'dev.personas.ann.claims must be an object, not a list'],
    [
      { personas: { ann: { expiresInSeconds: 0.5 } } },
      'dev.personas.ann.expiresInSeconds must be a whole number, negative for one that has expired',
    ],
    [
      { personas: { ann: { claim: {} } } },
      'dev.personas.ann.claim is unknown; the fields are sub, claims, expiresInSeconds',
    ],
    [{ persona: {} }, 'dev.persona is unknown; did you mean personas?'],
  ])('%j is refused', (section, problem) => {
    expect(problemsOf(section)).toEqual([problem]);
  });
});
