/** The panel beside the chat: the stream as it lives, the way it goes, and the button that cuts it. */

const STATE_WORDS = {
  offline: 'Offline',
  connecting: 'Connecting',
  authenticating: 'Signing in',
  binding: 'Signing in',
  enabling: 'Signing in',
  resuming: 'Resuming',
  online: 'Online',
  waiting: 'Reconnecting',
};

const FRAME_LIMIT = 300;
const PIP_LIMIT = 24;
const COUNTDOWN = 100; // ms

const byId = (id) => document.getElementById(id);

/** “1.2 s”, then “12 s”: the time until a clock reading in ms. */
function secondsUntil(time) {
  const seconds = Math.max(0, time - Date.now()) / 1000;
  return `${seconds < 9.95 ? seconds.toFixed(1) : Math.round(seconds)} s`;
}

export class Panel {
  #session;
  #chat;
  #frames = [];
  #shown = false;
  #countdown = 0;
  #drawing = 0;

  /** `chat` is the component, `way` how to connect; `choose(way)` is called when somebody wants another. */
  constructor(chat, way, choose) {
    const { session } = chat;
    this.#session = session;
    this.#chat = chat;
    session.addEventListener('state', () => this.#soon());
    session.addEventListener('frame', ({ detail }) => this.#frame(detail));
    byId('cut').addEventListener('click', () => session.cut());
    byId('ways').addEventListener('change', ({ target }) => {
      byId('ways-problem').textContent = '';
      choose(target.value);
    });
    this.#choose(way);
    byId('frames-toggle').addEventListener('click', () => this.#toggleFrames());
    byId('frames-clear').addEventListener('click', () => this.clear());
    this.#draw();
  }

  /** The move did not succeed: the session goes on this way. */
  stay(way) {
    this.#choose(way);
    byId('ways-problem').textContent = 'That way does not get through: nothing was changed.';
  }

  #choose(way) {
    byId('ways').querySelector(`[value="${way}"]`).checked = true;
  }

  // Many counters change at once; a hidden tab draws when it is shown.
  #soon() {
    this.#drawing ||= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    cancelAnimationFrame(this.#drawing);
    this.#drawing = 0;
    const status = this.#session.status;
    const word = STATE_WORDS[status.name];
    document.body.dataset.stream = status.name;
    for (const node of document.querySelectorAll('.state-word')) node.textContent = word;
    byId('h-in').textContent = status.handledIn;
    byId('h-out').textContent = status.handledOut;
    byId('unacked').textContent = status.unacked;
    byId('waiting').textContent = status.waiting;
    byId('transport').textContent = [status.transport ?? '–', status.next].filter(Boolean).join(' → ');
    byId('session-id').textContent = shortId(status);
    byId('session-id').title = status.jid;
    byId('resumes').textContent = status.resumes === 1 ? 'once' : `${status.resumes} times`;
    byId('repeats').textContent = this.#chat.repeats;
    byId('cut').disabled = status.name !== 'online';
    this.#pips(status);
    this.#state(status, word);
  }

  #state(status, word) {
    clearInterval(this.#countdown);
    const line = byId('stream-state');
    if (status.name !== 'waiting') {
      line.textContent = word;
      return;
    }
    const count = () => (line.textContent = `Reconnecting in ${secondsUntil(status.until)}`);
    count();
    this.#countdown = setInterval(count, COUNTDOWN);
  }

  /** One glowing dot for each stanza sent and not acknowledged, an empty one for each not sent. */
  #pips({ unacked, waiting }) {
    const pips = byId('pips');
    const count = Math.min(unacked + waiting, PIP_LIMIT);
    while (pips.childElementCount > count) pips.lastElementChild.remove();
    while (pips.childElementCount < count) pips.append(document.createElement('span'));
    [...pips.children].forEach((pip, at) => pip.classList.toggle('unsent', at >= unacked));
  }

  // --- Frames

  #frame(frame) {
    this.#frames.push(frame);
    if (this.#frames.length > FRAME_LIMIT) this.#frames.shift();
    if (this.#shown) this.#append([frame]);
  }

  #append(frames) {
    const list = byId('frames');
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    list.append(...frames.map(frameRow));
    while (list.childElementCount > FRAME_LIMIT) list.firstElementChild.remove();
    if (atEnd) list.scrollTop = list.scrollHeight;
  }

  #toggleFrames() {
    this.#shown = !this.#shown;
    byId('frames-toggle').setAttribute('aria-checked', this.#shown);
    byId('frames').hidden = byId('frames-clear').hidden = !this.#shown;
    byId('frames').replaceChildren();
    if (this.#shown) this.#append(this.#frames);
  }

  clear() {
    this.#frames = [];
    byId('frames').replaceChildren();
  }
}

function shortId({ name, managed, sessionId }) {
  if (!managed) return name === 'online' ? 'not managed' : '–';
  if (!sessionId) return 'not resumable';
  return sessionId.length > 10 ? `${sessionId.slice(0, 8)}…` : sessionId;
}

function frameRow({ way, text, time }) {
  const row = document.createElement('li');
  row.className = /^(<body\b[^>]*>)?<(message|presence|iq)\b/.test(text) ? `${way} stanza` : way;
  const label = document.createElement('span');
  label.className = 'visually-hidden';
  label.textContent = way === 'in' ? 'received ' : 'sent ';
  const clock = document.createElement('time');
  clock.textContent = new Date(time).toTimeString().slice(0, 8);
  const code = document.createElement('code');
  code.textContent = text;
  row.append(label, clock, code);
  return row;
}
