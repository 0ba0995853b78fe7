export interface RefusalOptions extends ErrorOptions {
  /** Of the HTTP answer. Default: 400. */
  readonly status?: 400 | 413 | 500 | 507;
  /** A SQLSTATE. Default: empty. */
  readonly code?: string;
  readonly detail?: string;
  readonly hint?: string;
  /** Where in the statement, counted from 1. */
  readonly position?: number;
}

/**
 * A request that the gateway refuses itself, before or after Postgres. The fields are those that a client of Postgres
 * knows: `code` is a SQLSTATE, or empty where Neon's protocol has none.
 */
export class Refusal extends Error {
  readonly status: NonNullable<RefusalOptions['status']>;
  readonly code: string;
  readonly detail: string | undefined;
  readonly hint: string | undefined;
  readonly position: number | undefined;

  constructor(message: string, options: RefusalOptions = {}) {
    super(message, options);
    this.name = 'Refusal';
    this.status = options.status ?? 400;
    this.code = options.code ?? '';
    this.detail = options.detail;
    this.hint = options.hint;
    this.position = options.position;
  }
}
