import type { Socket } from 'node:net';

import pg from 'pg';

import { assertOwnBackend, databaseUnreachable } from '../../database/backend.ts';
import { assertLoginIsRole, inspectLogin, type Login, type LoginRow } from '../../database/login.ts';
import { cancelBackend, type Cancellable } from '../cancel-backend.ts';
import { terminate } from './messages.ts';

/** A connection to Postgres that is logged in as an identity role, and that somebody writes messages to. */
export interface BackendConnection {
  readonly stream: Socket;
  readonly login: Login;
  /** What Postgres says of the session's settings, by name. */
  readonly parameters: ReadonlyMap<string, string>;
  /** Asks Postgres to stop what runs. Nobody learns whether it did. */
  cancel(): void;
  /** Ends the session, as far as this side can. */
  close(): void;
}

/**
 * Logs in by a connection URL, looks at what it is logged in as, and takes the connection over from node-postgres, which
 * has done the login with all that it knows of TLS and passwords.
 *
 * @throws AuthorizeError as `SealedPool` does, and the errors of PostgreSQL
 */
export async function openBackendConnection(
  connectionString: string,
  role: string,
  { applicationName, authSchema }: { readonly applicationName: string; readonly authSchema: string },
): Promise<BackendConnection> {
  const client = new pg.Client({
    connectionString,
    connectionTimeoutMillis: 10_000,
    application_name: applicationName,
    keepAlive: true,
  });
  // What breaks is told by the stream.
  client.on('error', ignore);
  const inner = client as unknown as ClientParts;
  const parameters = new Map<string, string>();
  inner.connection.on('parameterStatus', ({ parameterName, parameterValue }) => {
    parameters.set(parameterName, parameterValue);
  });
  try {
    assertOwnBackend(client.host, role);
    await client.connect().catch(unreachable(role));
    const login = await inspectLogin(
      async (text) => (await client.query<LoginRow>({ text, values: [] })).rows,
      authSchema,
    );
    assertLoginIsRole(login, role);
    // After the login, since TLS puts another stream in its place.
    const { stream } = inner.connection;
    stream.removeAllListeners('data');
    stream.setNoDelay(true);
    return {
      stream,
      login,
      parameters,
      cancel: () => {
        cancelBackend(inner);
      },
      close: () => {
        if (stream.writable) stream.write(terminate);
        stream.destroySoon();
      },
    };
  } catch (error) {
    client.end().catch(ignore);
    throw error;
  }
}

/** What node-postgres keeps to itself, and has had since 8.0. */
interface ClientParts extends Cancellable {
  readonly connection: {
    readonly stream: Socket;
    on(
      event: 'parameterStatus',
      listener: (parameter: { readonly parameterName: string; readonly parameterValue: string }) => void,
    ): unknown;
  };
}

// Postgres' own words say enough; those of the network do not.
function unreachable(role: string): (error: unknown) => never {
  return (error) => {
    if (error instanceof pg.DatabaseError) throw error;
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'no answer';
    throw databaseUnreachable(role, code, error);
  };
}

function ignore(): void {
  // The stream, or whoever waits, tells it.
}
