// Strophe.js behind the tests' line protocol.

import { visit } from "./browser.mjs";
import { $msg, $pres, Strophe } from "strophe.js";
import { drive, report, RECONNECT_MS } from "./driver.mjs";

const SENT_AFTER = 0.3; // seconds

let connection;
let quitting = false;
let retry;
let open;

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
  } else if (status === Strophe.Status.ATTACHED) {
    connection.addHandler(onMessage, null, "message");
    report("attached", { jid: connection.jid });
  } else if (status === Strophe.Status.DISCONNECTED) {
    report("offline");
    // Of an attempt that failed it may tell twice.
    clearTimeout(retry);
    if (!quitting) retry = setTimeout(signIn, RECONNECT_MS);
  } else if (status === Strophe.Status.AUTHFAIL || status === Strophe.Status.ERROR) {
    quitting = true;
    report("error", { text: condition ?? "not-authorized" });
  }
}

/**
 * What the end of a page does to a connection: its requests are aborted, its timers are gone.
 *
 * Strophe counts a request whose page goes before it was sent, and has no word for the gap.
 */
async function leavePage() {
  const { _requests: requests } = connection._proto;
  const sent = () => requests.length && requests.every((request) => request.age() > SENT_AFTER);
  while (!sent()) await new Promise((done) => setTimeout(done, 20));
  clearTimeout(connection._idleTimeout);
  connection._proto._abortAllRequests();
}

drive({
  async connect({ url, origin, domain, user, password, token, resource }) {
    const bosh = url.startsWith("http");
    open = async () => {
      if (bosh) await visit(origin, (text) => report("blocked", { text }));
      connection = new Strophe.Connection(url, bosh ? { keepalive: true } : { enableStreamManagement: true });
      if (!bosh) connection.sm.onEnabled = () => report("managed");
    };
    await open();
    const signIn = () =>
      connection.connect(`${user}@${domain}/${resource}`, token || password, (status, condition) =>
        onStatus(status, condition, signIn),
      );
    signIn();
  },
  presence: () => connection.send($pres()),
  send: ({ to, body, id }) => connection.send($msg({ to, id, type: "chat" }).c("body").t(body)),
  cut: () => connection._proto.socket.terminate(),
  async restore() {
    const { jid } = connection;
    await leavePage();
    await open();
    connection.restore(Strophe.getBareJidFromJid(jid), onStatus);
  },
  async attach() {
    const { jid } = connection;
    await leavePage();
    const { sid, rid } = connection._proto;
    sessionStorage.clear();
    await open();
    connection.attach(jid, sid, rid, onStatus);
  },
  quit() {
    quitting = true;
    connection.disconnect();
  },
});
