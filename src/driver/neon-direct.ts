import { assertLoginIsRole, inspectLogin, type Login, type LoginRow } from '../database/login.ts';
import { AuthorizeError } from '../errors.ts';
import type { Identity } from '../session/identity.ts';
import { prologue } from '../session/prologue.ts';
import { ReusableSeals, type ReusableSeal } from '../session/reusable-seals.ts';
import type { SealKey } from '../session/seal-key.ts';
import type { IdentitySource } from './bearer.ts';
import type { NeonClient, NeonQuery, QueryRunner } from './neon-client.ts';
import { neonFailure } from './neon-failure.ts';
import { remembered, type Remembered } from './remembered.ts';

export interface SealedEndpointOptions {
  readonly client: NeonClient;
  /** The identity role that the client logs in as. */
  readonly role: string;
  readonly key: () => Promise<SealKey>;
  readonly authSchema: string;
  /** The client logs in as somebody else, on purpose: the prologue then sets the role as well. */
  readonly allowPrivilegedLogin: boolean;
}

/** An endpoint that is logged in to with a password, and told with each request who asks. */
export class SealedEndpoint {
  readonly #options: SealedEndpointOptions;
  readonly #login: Remembered<Login>;
  readonly #seals: ReusableSeals;

  constructor(options: SealedEndpointOptions) {
    this.#options = options;
    this.#seals = new ReusableSeals(options.key, {
      // Which backend answers is the endpoint's choice, request by request.
      anyBackend: true,
    });
    this.#login = remembered(() => this.#inspect());
  }

  runner(identity: IdentitySource): QueryRunner {
    return {
      one: async (query, identified) => {
        const person = await identity();
        identified(person);
        const [result] = await this.#run(person, [query], query.opts);
        return result;
      },
      all: async (queries, options, identified) => {
        const person = await identity();
        identified(person);
        return this.#run(person, queries, options);
      },
    };
  }

  /** Prologue and queries are one request and one transaction: when the prologue fails, none of them runs. */
  async #run(
    identity: Identity,
    queries: readonly NeonQuery[],
    options: object | undefined,
  ): Promise<readonly unknown[]> {
    const { client } = this.#options;
    const seal = await this.#seal(identity);
    const { text, values } = prologue(seal.text, {
      authSchema: this.#options.authSchema,
      role: this.#options.allowPrivilegedLogin ? identity.role : undefined,
      checked: seal.checked,
    });
    try {
      const [, ...results] = await client.transaction([client.query(text, values), ...queries], options);
      seal.checked = true;
      return results;
    } catch (error) {
      // The clock that seals are made by may be wrong by now, and the database another one.
      if (error instanceof Error && 'code' in error && error.code === '28000') this.#login.forget();
      throw error;
    }
  }

  async #seal(identity: Identity): Promise<ReusableSeal> {
    const { role } = this.#options;
    if (identity.role !== role) {
      throw new AuthorizeError(
        'ERR_ROLE_WITHOUT_CLIENT',
        `this client serves '${role}', not '${identity.role}'`,
      );
    }
    const login = await this.#login.get();
    return this.#seals.find(identity, login) ?? this.#seals.make(identity, login);
  }

  async #inspect(): Promise<Login> {
    const { client, role, authSchema, allowPrivilegedLogin } = this.#options;
    const ask = async (text: string): Promise<readonly LoginRow[]> =>
      (await client.query(text, [], { arrayMode: false, fullResults: false })) as readonly LoginRow[];
    const login = await inspectLogin(ask, authSchema).catch((error: unknown) => {
      throw neonFailure(error);
    });
    if (!allowPrivilegedLogin) assertLoginIsRole(login, role);
    return login;
  }
}
