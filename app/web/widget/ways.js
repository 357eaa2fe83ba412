/** How to reach the server: by WebSocket, by BOSH, or by the first of them that gets through. */

import { BoshTransport } from './bosh.js';
import { FallbackTransport } from './fallback.js';
import { WebSocketTransport } from './websocket.js';

const LOOPBACK = /^(localhost|.+\.localhost|127(\.\d+){3}|\[::1\])$/;

/** Whether nobody can listen on the way to this server. */
export function isPrivate({ protocol, hostname }) {
  return protocol === 'https:' || LOOPBACK.test(hostname);
}

/** `base` is where the server's paths begin. Returns functions of handlers that make a transport. */
export function waysTo(base, domain) {
  const socket = new URL('ws', base);
  socket.protocol = base.protocol === 'https:' ? 'wss:' : 'ws:';
  const websocket = (handlers) => new WebSocketTransport(socket.href, domain, handlers);
  const bosh = (handlers) => new BoshTransport(new URL('http-bind', base).href, domain, handlers);
  return {
    automatic: (handlers) => new FallbackTransport([websocket, bosh], handlers),
    websocket,
    bosh,
  };
}
