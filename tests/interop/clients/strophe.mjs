// Strophe.js behind the tests' line protocol.

import { $msg, $pres, Strophe } from "strophe.js";
import { drive, report, RECONNECT_MS } from "./driver.mjs";

let connection;
let quitting = false;

function onMessage(message) {
  const [body] = message.getElementsByTagName("body");
  if (message.getAttribute("type") !== "error" && body) {
    const [delay] = message.getElementsByTagNameNS("urn:xmpp:delay", "delay");
    report("message", {
      from: message.getAttribute("from"),
      body: body.textContent,
      id: message.getAttribute("id"),
      delay: delay?.getAttribute("stamp") ?? null,
    });
  }
  return true;
}

function onStatus(status, condition, signIn) {
  if (status === Strophe.Status.CONNECTED) {
    // A lost connection takes the handlers with it.
    connection.addHandler(onMessage, null, "message");
    if (connection.hasResumed()) report("resumed");
    else report("online", { jid: connection.jid });
  } else if (status === Strophe.Status.DISCONNECTED) {
    report("offline");
    if (!quitting) setTimeout(signIn, RECONNECT_MS);
  } else if (status === Strophe.Status.AUTHFAIL || status === Strophe.Status.ERROR) {
    quitting = true;
    report("error", { text: condition ?? "not-authorized" });
  }
}

drive({
  connect({ url, domain, user, password, resource }) {
    connection = new Strophe.Connection(url, { enableStreamManagement: true });
    connection.sm.onEnabled = () => report("managed");
    const signIn = () =>
      connection.connect(`${user}@${domain}/${resource}`, password, (status, condition) =>
        onStatus(status, condition, signIn),
      );
    signIn();
  },
  presence: () => connection.send($pres()),
  send: ({ to, body, id }) => connection.send($msg({ to, id, type: "chat" }).c("body").t(body)),
  cut: () => connection._proto.socket.terminate(),
  quit() {
    quitting = true;
    connection.disconnect();
  },
});
