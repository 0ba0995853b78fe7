import type { Identity } from '../../session/identity.ts';
import { personOf } from '../person.ts';
import { Refusal } from '../refusal.ts';

export interface SessionPlacesOptions {
  /** Sessions in all. */
  readonly maxSessions: number;
  /** Sessions of one person. Visitors are nobody in particular, and may have all. */
  readonly maxSessionsPerSubject: number;
}

/** Counts sessions, each of which holds a backend, so that no one person has all of them. */
export class SessionPlaces {
  readonly #options: SessionPlacesOptions;
  readonly #ofPerson = new Map<string, number>();
  #taken = 0;

  constructor(options: SessionPlacesOptions) {
    this.#options = options;
  }

  /** How many sessions there are. */
  get taken(): number {
    return this.#taken;
  }

  /** @throws Refusal 53300 when there is no place */
  take(identity: Identity): void {
    const { maxSessions, maxSessionsPerSubject } = this.#options;
    if (this.#taken >= maxSessions) throw new Refusal('sorry, too many clients already', { code: '53300' });
    const person = personOf(identity);
    const own = person === undefined ? 0 : (this.#ofPerson.get(person) ?? 0);
    if (own >= maxSessionsPerSubject) {
      throw new Refusal(`too many sessions of one person: there may be ${maxSessionsPerSubject}`, {
        code: '53300',
        hint: 'End one, or share its connection.',
      });
    }
    this.#taken += 1;
    if (person !== undefined) this.#ofPerson.set(person, own + 1);
  }

  giveBack(identity: Identity): void {
    this.#taken -= 1;
    const person = personOf(identity);
    const own = person === undefined ? undefined : this.#ofPerson.get(person);
    if (person === undefined || own === undefined) return;
    if (own === 1) this.#ofPerson.delete(person);
    else this.#ofPerson.set(person, own - 1);
  }
}
