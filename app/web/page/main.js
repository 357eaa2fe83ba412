/** The page: who signs in, and how session, conversations and screen come together. */

import { BoshTransport } from './bosh.js';
import { Chat } from './chat.js';
import { Drawers } from './drawers.js';
import { FallbackTransport } from './fallback.js';
import { Panel } from './panel.js';
import { Session } from './session.js';
import { View } from './view.js';
import { WebSocketTransport } from './websocket.js';
import { bare, spelled } from './xml.js';

const ACCOUNT = 'andiron.account';
const HISTORY = 'andiron.history';
const WAY = 'andiron.transport';
const LOOPBACK = /^(localhost|.+\.localhost|127(\.\d+){3}|\[::1\])$/;

const LOCALPART = /^[^\s"&'/:<>@]{1,255}$/u;
const DOMAIN = /^[\p{L}\p{N}.:[\]-]{1,255}$/u;

const byId = (id) => document.getElementById(id);
const meta = (name) => document.querySelector(`meta[name="${name}"]`).content;

/** A name as an address of this domain, or the address that it is already. */
const address = (name) => (name.includes('@') ? name : `${name}@${domain}`);

const domain = meta('andiron-domain');
const peers = meta('andiron-peers').split(/[\s,]+/).filter(Boolean).map(address);

const privately = location.protocol === 'https:' || LOOPBACK.test(location.hostname);

function overWebSocket(handlers) {
  const url = new URL('ws', location.href);
  url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
  return new WebSocketTransport(url.href, domain, handlers);
}

function overBosh(handlers) {
  return new BoshTransport(new URL('http-bind', location.href).href, domain, handlers);
}

const ways = {
  automatic: (handlers) => new FallbackTransport([overWebSocket, overBosh], handlers),
  websocket: overWebSocket,
  bosh: overBosh,
};
const LABELS = { automatic: 'WebSocket', websocket: 'WebSocket', bosh: 'BOSH' };
let way = Object.hasOwn(ways, stored(WAY) ?? '') ? stored(WAY) : 'automatic';
let proven = way;

/** Connect this way from now on; a session that is there moves, unless it came this way. */
function choose(wanted) {
  const { transport, next } = session.status;
  if (!next) proven = way;
  way = wanted;
  store(WAY, way);
  if (next || transport !== LABELS[way]) session.move();
}

const session = new Session((handlers) => ways[way](handlers), privately);
const chat = new Chat(session);
const drawers = new Drawers();
const view = new View(chat, peers);
const panel = new Panel(session, chat, way, choose);

let account = null;
let wasOnline = false;

// --- Signing in and out

/** Take `#name:password` out of the address, so that it stays in no history. */
function takeFragment() {
  const [, name, password] = /^#([^:]+):(.*)$/s.exec(location.hash) ?? [];
  if (name === undefined) return null;
  history.replaceState(null, '', location.pathname + location.search);
  try {
    return { name: decodeURIComponent(name), password: decodeURIComponent(password) };
  } catch {
    return null;
  }
}

function stored(key) {
  try {
    return JSON.parse(sessionStorage.getItem(key));
  } catch {
    return null;
  }
}

function store(key, value) {
  try {
    sessionStorage.setItem(key, JSON.stringify(value));
  } catch {
    // A browser may refuse to store anything: then a reload asks for the password again.
  }
}

function signIn({ name, password }) {
  account = { name, password };
  store(ACCOUNT, account);
  const own = address(name);
  byId('self-name').textContent = name;
  byId('self-name').title = own;
  byId('sign-in').hidden = true;
  byId('app').hidden = false;
  session.signIn(account);
  const history = stored(HISTORY);
  if (history?.own === own) chat.restore(history.conversations);
  for (const peer of peers) {
    if (peer !== own) chat.open(peer);
  }
  const [first] = chat.conversations.values();
  if (first) view.select(first);
  view.focus();
}

function signOut() {
  account = null;
  wasOnline = false;
  try {
    sessionStorage.removeItem(ACCOUNT);
    sessionStorage.removeItem(HISTORY);
    sessionStorage.removeItem(WAY);
  } catch {
    // Nothing was stored either.
  }
  session.signOut();
  chat.clear();
}

function askWho(words = '', name = '') {
  drawers.close();
  byId('app').hidden = true;
  byId('sign-in').hidden = false;
  byId('sign-in-error').hidden = !words;
  byId('sign-in-error').textContent = words;
  byId('name').value = name;
  byId('password').value = '';
  byId(name ? 'password' : 'name').focus();
}

function remember() {
  if (account) store(HISTORY, { own: address(account.name), conversations: chat.save() });
}

// --- What the stream's state means for the page

function banner(text, action = '', act = null) {
  byId('banner').hidden = !text;
  // Said again, the same words would be read aloud again.
  if (byId('banner-text').textContent !== text) byId('banner-text').textContent = text;
  const button = byId('banner-button');
  button.hidden = !action;
  button.textContent = action;
  button.onclick = act;
}

function showState() {
  const { name, reason, words } = session.status;
  if (name === 'online') {
    wasOnline = true;
    banner('');
  } else if (name === 'waiting') {
    const lead = wasOnline ? 'The connection is lost.' : 'The server does not answer.';
    banner(`${lead} What you write now is kept and sent once.`, 'Try now', () => session.wake());
  } else if (reason === 'replaced') {
    banner('You signed in elsewhere, and this window was signed out.', 'Use it here', () => session.start());
  } else if (reason === 'refused') {
    banner(words, 'Try again', () => session.start());
  } else if (reason === 'auth' && account) {
    const { name: tried } = account;
    // The demonstration makes new passwords at each start, while pages of the last still come back.
    const late = wasOnline ? ' Perhaps it has changed: open the newest link.' : '';
    signOut();
    askWho(words + late, tried);
  }
}

session.addEventListener('state', showState);
session.addEventListener('stayed', () => {
  way = proven;
  store(WAY, way);
  panel.stay(way);
});
session.addEventListener('online', () => {
  byId('self-name').title = session.jid;
  byId('self-name').textContent = bare(session.jid).split('@')[0];
});

// --- Forms and the browser's own events

byId('sign-in-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const [name] = byId('name').value.trim().split('@');
  const password = byId('password').value;
  byId('password').value = '';
  signIn({ name, password });
});

byId('sign-out').addEventListener('click', () => {
  signOut();
  askWho();
});

byId('add').addEventListener('submit', (event) => {
  event.preventDefault();
  const typed = byId('add-name').value.trim().toLowerCase();
  const [local, given = domain, ...rest] = typed.split('@');
  const host = spelled(given, domain);
  const jid = `${local}@${host}`;
  let error = '';
  if (!LOCALPART.test(local) || !DOMAIN.test(host) || rest.length) error = 'Write a name, or name@domain.';
  else if (jid === bare(session.jid)) error = 'That is you.';
  const conversation = error ? undefined : chat.open(jid);
  if (!error && !conversation) error = 'There are too many conversations.';
  byId('add-error').textContent = error;
  byId('add-error').hidden = !error;
  if (!conversation) return;
  byId('add-name').value = '';
  view.select(conversation);
  drawers.close();
  view.focus();
});

byId('conversations').addEventListener('chosen', () => {
  drawers.close();
  view.focus();
});

addEventListener('online', () => session.wake());
addEventListener('pageshow', (event) => event.persisted && session.wake());
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') session.wake();
  else remember();
});
addEventListener('pagehide', (event) => {
  remember();
  // A page kept for the way back resumes its session then.
  if (!event.persisted) session.leave();
});
addEventListener('hashchange', () => {
  const other = takeFragment();
  if (!other) return;
  signOut();
  signIn(other);
});

for (const node of document.querySelectorAll('.domain')) node.textContent = domain;

const given = takeFragment();
const known = given ?? stored(ACCOUNT);
if (known) signIn(known);
else askWho();
