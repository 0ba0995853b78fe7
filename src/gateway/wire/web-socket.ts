import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

import { createWebSocketStream, WebSocketServer } from 'ws';

/** Takes over a connection whose request asked for another protocol. */
export type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/**
 * Takes WebSockets on any path, as Neon's proxy does. Their binary frames are one stream of bytes, cut anywhere; a text frame
 * ends it.
 *
 * @param accept gets the stream
 */
export function createUpgradeHandler(
  accept: (stream: Duplex) => void,
  maxFrameBytes: number,
): UpgradeHandler {
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    // Rows would be compressed one by one, with a window for each client.
    perMessageDeflate: false,
    maxPayload: maxFrameBytes,
  });
  return (request, socket, head) => {
    server.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.on('message', (_, isBinary) => {
        if (!isBinary) webSocket.close(1003, 'the protocol is binary');
      });
      accept(createWebSocketStream(webSocket));
    });
  };
}
