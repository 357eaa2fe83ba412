// xmpp.js (@xmpp/client) behind the tests' line protocol.

import { WebSocket } from "ws";
import { client, xml } from "@xmpp/client";
import parse from "ltx/lib/parse.js";
import { drive, report, RECONNECT_MS, settle } from "./driver.mjs";

globalThis.WebSocket = WebSocket;

const SM = "urn:xmpp:sm:3";
let xmpp;

function onElement(element) {
  if (element.is("enabled", SM)) report("managed");
}

function onStanza(stanza) {
  if (!stanza.is("iq")) report("stanza", { xml: stanza.toString() });
  const body = stanza.getChildText("body");
  if (!stanza.is("message") || stanza.attrs.type === "error" || body === null) return;
  report("message", {
    from: stanza.attrs.from,
    body,
    id: stanza.attrs.id,
    delay: stanza.getChild("delay", "urn:xmpp:delay")?.attrs.stamp ?? null,
  });
}

drive({
  async connect({ url, domain, user, password, token, resource }) {
    xmpp = client({ service: url, domain, resource, username: user, password: token || password });
    xmpp.reconnect.delay = RECONNECT_MS;
    xmpp.on("online", (jid) => report("online", { jid: jid.toString() }));
    xmpp.on("disconnect", () => report("offline"));
    xmpp.on("error", (error) => report("error", { text: error.message }));
    xmpp.on("element", onElement);
    xmpp.on("stanza", onStanza);
    xmpp.streamManagement.on("resumed", () => report("resumed"));
    await xmpp.start();
  },
  presence: () => xmpp.send(xml("presence")),
  send: ({ to, body, id }) =>
    xmpp.send(xml("message", { to, id, type: "chat" }, xml("body", {}, body))),
  iq: ({ type, to, payload, key }) =>
    settle(key, xmpp.iqCaller.request(xml("iq", to ? { type, to } : { type }, parse(payload))).then(String)),
  raw: ({ xml: text }) => xmpp.send(parse(text)),
  cut: () => xmpp.socket.socket.terminate(),
  quit: () => xmpp.stop(),
});
