import pg from 'pg';

/** What node-postgres keeps of a connection to itself, and has had since 8.0. */
export interface Cancellable {
  readonly host: string;
  readonly port: number;
  readonly ssl: unknown;
  readonly processID: number;
  readonly secretKey: number;
}

interface CancellingConnection {
  connect(port: number | string, host?: string): void;
  requestSsl(): void;
  cancel(processId: number, secretKey: number): void;
  readonly stream: { setTimeout(timeoutMs: number, listener: () => void): unknown; destroy(): unknown };
  on(event: 'connect' | 'sslconnect' | 'error', listener: () => void): unknown;
}

/**
 * Asks Postgres to stop what a connection runs, by a connection of its own. Nobody learns whether it did.
 *
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS
 */
export function cancelBackend({ host, port, ssl, processID, secretKey }: Cancellable): void {
  const connection = new pg.Connection({ ssl } as never) as unknown as CancellingConnection;
  connection.on('error', ignore);
  const send = (): void => {
    // Postgres closes it then.
    connection.cancel(processID, secretKey);
  };
  connection.on('connect', () => {
    if (ssl) connection.requestSsl();
    else send();
  });
  connection.on('sslconnect', send);
  connection.stream.setTimeout(5_000, () => connection.stream.destroy());
  if (host.startsWith('/')) connection.connect(`${host}/.s.PGSQL.${port}`);
  else connection.connect(port, host);
}

function ignore(): void {
  // Whoever waits for what was to be cancelled is told.
}
