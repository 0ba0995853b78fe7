import type { Duplex } from 'node:stream';

import type { Verifier } from '../../jwt/index.ts';
import type { Identity } from '../../session/identity.ts';
import { Refusal } from '../refusal.ts';
import { MalformedInputError, type ClientInput } from './client-input.ts';
import { authenticationCleartextPassword } from './messages.ts';
import { decodeText } from './startup.ts';
import { harmlessSettings } from './wire-policy.ts';

/** For what a session was asked for. */
export interface SessionTarget {
  readonly role: string;
  readonly applicationName: string | undefined;
  /** What of the client's own settings its session begins with. */
  readonly settings: Readonly<Record<string, string>>;
}

/**
 * Judges the settings of a startup packet. Who asks, for what, and how values shall look is taken; the rest is the gateway's
 * to decide, and is dropped, as Neon's proxy does.
 *
 * @throws Refusal
 */
export function judgeSettings(
  asked: ReadonlyMap<string, string>,
  { roles, database }: { readonly roles: readonly string[]; readonly database: string },
): SessionTarget {
  const role = asked.get('user') ?? '';
  if (role === '')
    throw new Refusal('no PostgreSQL user name specified in startup packet', { code: '28000' });
  if (!roles.includes(role)) {
    throw new Refusal('the role is not served by this gateway', {
      code: '28000',
      hint: `connect as one of: ${roles.join(', ')}`,
    });
  }
  if ((asked.get('database') ?? role) !== database) {
    throw new Refusal(`the gateway serves the database '${database}' and no other`, { code: '3D000' });
  }
  if (!['', 'false', 'off', 'no', '0'].includes(asked.get('replication') ?? '')) {
    throw new Refusal('replication is not served', { code: '0A000' });
  }
  // Those of Neon say where a database is, which is decided here.
  const options = (asked.get('options') ?? '').split(/\s+/u).filter((option) => option !== '');
  if (!options.every((option) => /^(?:endpoint|project)=|^neon_/u.test(option))) {
    throw new Refusal('startup options are not taken', {
      code: '0A000',
      hint: 'Use SET for what a session may set.',
    });
  }
  const settings = [...asked].filter(
    ([name, value]) =>
      name !== 'application_name' &&
      harmlessSettings.has(name.toLowerCase()) &&
      /^[\w+\-/:., ]{1,64}$/u.test(value),
  );
  return {
    role,
    applicationName: asked.get('application_name'),
    settings: Object.fromEntries(settings.map(([name, value]) => [name.toLowerCase(), value])),
  };
}

// Longer than any token that is accepted: the verifier says why it is not.
const maxPasswordBytes = 16_384;

/** Who asks, and how to find out later whether that still holds. */
export interface Authenticated {
  readonly identity: Identity;
  /** Verifies the token again; undefined for visitors. @throws AuthorizeError as the verifier */
  readonly verifyAgain: (() => Promise<Identity>) | undefined;
}

/** One object for all visitors. */
const visitor: Identity = Object.freeze({ role: 'anonymous', claims: Object.freeze({}) });

/**
 * Finds out who asks: by the token, which is the password, in the clear, since it has to be read; a visitor is not asked.
 *
 * @throws AuthorizeError as the verifier, Refusal, MalformedInputError, InputEndedError
 */
export async function authenticate(
  role: string,
  {
    client,
    input,
    verifier,
  }: { readonly client: Duplex; readonly input: ClientInput; readonly verifier: Verifier },
): Promise<Authenticated> {
  if (role === visitor.role) return { identity: visitor, verifyAgain: undefined };
  client.write(authenticationCleartextPassword);
  const { type, body } = await input.nextMessage(maxPasswordBytes);
  if (type !== 'p' || body.at(-1) !== 0) throw new MalformedInputError('expected password response');
  const token = decodeText(body.subarray(0, -1));
  if (token === '') {
    throw new Refusal(`no token came for the role '${role}'`, {
      code: '28000',
      hint: 'Give a JWT as the password.',
    });
  }
  const verifyAgain = (): Promise<Identity> => verifier.verify(token, { role });
  return { identity: await verifyAgain(), verifyAgain };
}
