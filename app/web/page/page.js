/** The demonstration: `<andiron-chat>` on a bare page, and beside it the stream as it lives. */

import { Drawer } from './drawer.js';
import { Panel } from './panel.js';

const WAY = 'andiron.transport';
const WAYS = new Set(['automatic', 'websocket', 'bosh']);
const LABELS = { automatic: 'WebSocket', websocket: 'WebSocket', bosh: 'BOSH' };
const GONE = new Set(['auth', 'ended', 'signed-out']);

const chat = document.querySelector('andiron-chat');
const peers = document.querySelector('meta[name="andiron-peers"]').content.split(' ').filter(Boolean);
const stored = sessionStorage.getItem(WAY);
let way = WAYS.has(stored) ? stored : 'automatic';
let proven = way;
chat.setAttribute('transport', way);
const given = takeFragment();

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

/** Connect this way from now on; a session that is there moves, unless it came this way. */
function choose(wanted) {
  const { transport, next } = chat.session.status;
  if (!next) proven = way;
  remember(wanted);
  if (next || transport !== LABELS[way]) chat.session.move();
}

function remember(wanted) {
  way = wanted;
  chat.setAttribute('transport', way);
  sessionStorage.setItem(WAY, way);
}

await customElements.whenDefined('andiron-chat');

const drawer = new Drawer('stream', 'open-stream', chat);
const panel = new Panel(chat, way, choose);

chat.session.addEventListener('stayed', () => {
  remember(proven);
  panel.stay(way);
});
chat.addEventListener('andiron-state', ({ detail: { state, reason, address } }) => {
  const gone = state === 'offline' && GONE.has(reason);
  document.body.classList.toggle('signed-out', gone);
  if (gone) {
    drawer.close();
    panel.clear();
    sessionStorage.removeItem(WAY);
  }
  if (state !== 'online') return;
  for (const peer of peers) {
    if (peer !== address) chat.open(peer, { select: false });
  }
});
chat.addEventListener('andiron-unread', ({ detail: { unread } }) => {
  document.title = unread ? `(${unread}) Andiron` : 'Andiron';
});
addEventListener('hashchange', () => {
  const other = takeFragment();
  if (other) chat.signIn(other);
});

document.body.classList.toggle('signed-out', !given && chat.session.status.name === 'offline');
if (given) chat.signIn(given);
