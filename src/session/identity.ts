/** Who asks: the verified result of a token, or what code that has verified already says. */
export interface Identity {
  /** The Postgres role that the SQL runs as. */
  readonly role: string;
  /** The payload of the token; `sub` is the user. */
  readonly claims: Readonly<Record<string, unknown>>;
  /** When it stops being accepted, in seconds since 1970. Default: never, as far as the identity is concerned. */
  readonly expiresAt?: number;
}
