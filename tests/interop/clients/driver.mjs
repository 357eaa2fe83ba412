// The line protocol that every client driver speaks with the tests: one JSON
// object a line, commands on standard input, events on standard output.
//
//   {"command": "connect", "url", "origin", "domain", "user", "password", "token", "resource"}
//                             by a token where there is one,
//                             over WebSocket or, as a page of that origin, over BOSH
//   {"command": "presence"}
//   {"command": "send", "to", "body", "id"}
//   {"command": "cut"}        destroy the socket, as a network that vanishes would
//   {"command": "restore"}    reload the page and take the cached session up again
//   {"command": "attach"}     show another page, told the session's sid and rid
//   {"command": "call", "method", "arguments", "key"}   call what the library offers
//   {"command": "iq", "type", "to", "payload", "key"}   ask by iq; the payload is XML
//   {"command": "raw", "xml"}                           send any stanza
//   {"command": "quit"}       close the stream properly
//
//   {"event": "online", "jid"}      signed in and bound
//   {"event": "managed"}            stream management is on
//   {"event": "attached", "jid"}    restored or attached
//   {"event": "blocked", "text"}    CORS forbids to go on
//   {"event": "resumed"}            the stream went on over a new socket
//   {"event": "offline"}            the socket is gone
//   {"event": "message", "from", "body", "id", "delay"}
//   {"event": "returned", "key", "value"}   what a call returned, or an iq's answer as XML
//   {"event": "refused", "key", "text"}     the error that it ended with
//   {"event": "happened", "name", "data"}   what the library told, by its own name
//   {"event": "stanza", "xml"}              one that came
//   {"event": "error", "text"}
//
// After a lost socket a driver connects again by itself, as an application would.

import { createInterface } from "node:readline";

// What a library prints must not end up between the events.
console.log = console.info = console.debug = console.error;

export const RECONNECT_MS = 100;

export function report(event, fields = {}) {
  process.stdout.write(JSON.stringify({ event, ...fields }) + "\n");
}

/** Tell the tests how a promise ends. */
export async function settle(key, promise) {
  try {
    report("returned", { key, value: (await promise) ?? null });
  } catch (error) {
    report("refused", { key, text: error?.condition ?? error?.error?.condition ?? String(error?.message ?? error) });
  }
}

// A Buffer's JSON becomes a Buffer again.
const revive = (_, value) => (value?.type === "Buffer" ? Buffer.from(value.data) : value);

export function drive(commands) {
  // It ends no page, and must not end this: stanza asks for acknowledgements without waiting.
  process.on("unhandledRejection", (error) => console.error(error));
  const lines = createInterface({ input: process.stdin });
  lines.on("line", async (line) => {
    const { command, ...argument } = JSON.parse(line, revive);
    try {
      await commands[command](argument);
    } catch (error) {
      report("error", { text: String(error?.message ?? error) });
    }
  });
  lines.on("close", () => process.exit(0));
}
