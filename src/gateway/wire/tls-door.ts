import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket, type SecureContext } from 'node:tls';

import { errorResponse } from './messages.ts';
import { cancelRequest, gssEncryptionRequest, sslRequest } from './startup.ts';

export interface TlsDoorOptions {
  /** Of the certificate that is used now. */
  readonly secureContext: () => SecureContext;
  /** Serves the PostgreSQL protocol on what has come through. */
  readonly accept: (client: Duplex) => void;
}

/** What stands in front of the PostgreSQL protocol over TCP where there is a certificate. */
export interface TlsDoor {
  readonly accept: (socket: Socket) => void;
  /** Cuts off whoever stands in it. */
  close(): void;
}

/** Until TLS begins. */
const deadlineMs = 15_000;
const maxWaiting = 100;
/** For a client to read that it is refused. */
const farewellMs = 1_000;

/**
 * Has each client turn TLS on before anything else, as PostgreSQL does with `hostssl` alone: a token is the password, and is not
 * asked for in the clear. A CancelRequest may come without, since the libraries of PostgreSQL before 17 send it so.
 *
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL
 */
export function createTlsDoor({ secureContext, accept }: TlsDoorOptions): TlsDoor {
  const waiting = new Set<Socket>();

  async function serve(socket: Socket): Promise<void> {
    let code = await nextCode(socket);
    if (code === gssEncryptionRequest) {
      drop(socket);
      socket.write('N');
      code = await nextCode(socket);
    }
    if (code === undefined) {
      socket.destroy();
    } else if (code === sslRequest) {
      drop(socket);
      // Sent in the clear, by anybody on the way, and would be taken for a part of what is encrypted (CVE-2021-23222).
      if (socket.readableLength > 0) {
        socket.destroy();
        return;
      }
      socket.write('S');
      accept(new TLSSocket(socket, { isServer: true, secureContext: secureContext() }));
    } else if (code === cancelRequest) {
      accept(socket);
    } else {
      socket.end(refusal);
      socket.resume();
      setTimeout(() => socket.destroy(), farewellMs).unref();
    }
  }

  return {
    accept: (socket) => {
      socket.on('error', ignore);
      if (waiting.size >= maxWaiting) {
        socket.destroy();
        return;
      }
      waiting.add(socket);
      const deadline = setTimeout(() => socket.destroy(), deadlineMs);
      serve(socket)
        .catch(() => socket.destroy())
        .finally(() => {
          clearTimeout(deadline);
          waiting.delete(socket);
        });
    },
    close: () => {
      for (const socket of waiting) socket.destroy();
    },
  };
}

const refusal = errorResponse({
  severity: 'FATAL',
  code: '28000',
  message: 'the gateway takes connections with TLS alone',
  hint: 'Connect with sslmode=require, or as your client calls it.',
});

const headBytes = 8;

/** What the next packet asks for, without taking it; undefined when the client has gone. */
function nextCode(socket: Socket): Promise<number | undefined> {
  return new Promise((resolve) => {
    const look = (): void => {
      const head = socket.read(headBytes) as Buffer | null;
      if (head === null) {
        if (socket.readableEnded || socket.destroyed) end(undefined);
        return;
      }
      socket.unshift(head);
      // One that is too short for its code is refused by whoever reads it.
      end(head.length < headBytes ? 0 : head.readUInt32BE(4));
    };
    const gone = (): void => {
      end(undefined);
    };
    const end = (code: number | undefined): void => {
      socket.off('readable', look).off('close', gone).off('end', gone);
      resolve(code);
    };
    socket.on('readable', look).on('close', gone).on('end', gone);
    look();
  });
}

/** Takes the packet that has been looked at, which is its head alone. */
function drop(socket: Socket): void {
  socket.read(headBytes);
}

function ignore(): void {
  // What broke is told by the end.
}
