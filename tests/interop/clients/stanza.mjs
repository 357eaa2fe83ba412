// stanza (stanza.io) behind the tests' line protocol.

import { visit } from "./browser.mjs";
import stanza from "stanza";
import { drive, report, RECONNECT_MS, settle } from "./driver.mjs";

const TOLD = [
  "available", "unavailable", "subscribe", "subscribed", "unsubscribe", "unsubscribed",
  "roster:update", "block", "unblock", "chat:state", "receipt", "message:error", "carbon:received", "carbon:sent",
  "pubsub:published", "pubsub:retracted", "avatar", "mood",
  "groupchat", "muc:join", "muc:leave", "muc:topic", "muc:invite", "muc:unavailable", "muc:destroyed",
];

let client;

function cut() {
  const { transport } = client;
  if (transport.socket) {
    transport.socket.terminate();
    return;
  }
  // As if every answer were lost until the library gives up, which takes it a while.
  transport.process = () => {};
  transport.isEnded = true;
  // It waits for what is not written yet, an acknowledgement it makes meanwhile
  // among it, and would do so for ever.
  for (const [, written] of transport.queue.splice(0)) written();
  transport.queue.push = ([, written]) => written();
  client.emit("--transport-disconnected");
}

drive({
  async connect({ url, origin, domain, user, password, token, resource }) {
    const bosh = url.startsWith("http");
    if (bosh) await visit(origin, (text) => report("blocked", { text }));
    client = stanza.createClient({
      jid: `${user}@${domain}`,
      resource,
      ...(token ? { credentials: { token } } : { password }),
      transports: bosh ? { websocket: false, bosh: url } : { websocket: url, bosh: false },
      autoReconnect: true,
      maxReconnectBackoff: RECONNECT_MS / 1000,
    });
    client.on("session:started", () => report("online", { jid: client.jid }));
    client.on("stream:management:resumed", () => report("resumed"));
    client.on("sm", ({ type }) => type === "enabled" && report("managed"));
    client.on("disconnected", () => report("offline"));
    client.on("auth:failed", () => report("error", { text: "not-authorized" }));
    client.on("stream:error", ({ condition }) => report("error", { text: condition }));
    client.on("message", ({ from, body, id, type, delay }) => {
      if (type === "error" || body === undefined) return;
      report("message", { from, body, id, delay: delay?.timestamp ?? null });
    });
    for (const name of TOLD) client.on(name, (data) => report("happened", { name, data }));
    client.connect();
  },
  presence() {
    client.updateCaps();
    client.sendPresence({ legacyCapabilities: client.disco.getCaps() });
  },
  send: ({ to, body, id }) => void client.sendMessage({ to, id, body, type: "chat" }),
  call: ({ method, arguments: given, key }) => settle(key, client[method](...given)),
  cut,
  quit: () => client.disconnect(),
});
