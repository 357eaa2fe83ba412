/**
 * One XMPP session over whatever transport carries it: binding, stream
 * management (XEP-0198), coming back after a loss, and moving from one
 * transport to another.
 *
 * It dispatches these events:
 *
 *   state     the state or a counter changed; read `status`
 *   stayed    a move to another transport did not succeed; nothing else changed
 *   online    { resumed }: stanzas may be sent; after a resumption nothing was lost
 *   stanza    an Element: message, presence or iq that came in
 *   acked     ids of sent items that the server took over
 *   frame     { way, text, time }: what passed over the wire, secrets masked
 */

import { parseCount, StreamManagement } from './sm.js';
import { Stream } from './stream.js';
import { bare, child, condition, markup, NS, stanzaError, xml } from './xml.js';

const SETUP_PATIENCE = 20_000; // ms from connecting to online
const ACK_DELAY = 200; // ms that an <r/> waits for company
const ACK_EVERY = 10; // stanzas after which it does not wait
const ACK_PATIENCE = 12_000; // ms for the answer
const QUIET = 60_000; // ms without a frame after which we ask whether anyone is there
const TICK = 5_000;
const BACKOFF = { first: 1_000, most: 30_000 };
const CUT_PAUSE = 1_500; // ms after a cut by hand, so that a person sees it
const OUTBOX_LIMIT = 500;
// How long the session may wait for us. Longer would show somebody online who has closed the page;
// who comes back later gets from the archive what he missed.
const RESUMABLE = 60; // s

const STANZAS = new Set(['message', 'presence', 'iq']);
const FATAL = new Set([
  'host-gone',
  'host-unknown',
  'improper-addressing',
  'invalid-from',
  'invalid-namespace',
  'unsupported-version',
]);

const SECRET = /^((?:<body\b[^>]*>)?<(?:auth|response|challenge|success)\b[^>]*>)[^<]+/;

export class Session extends EventTarget {
  /** The full address, once bound. */
  jid = '';
  #account = null;
  #connect;
  #privately;
  #stream = null;
  #next = null; // the stream that is to take the session over from the one that carries it
  #state = { name: 'offline' };
  #sm = null;
  #smOffered = false;
  #outbox = [];
  #owner = ''; // the bare address whose `outbox` waits
  #resumes = 0;
  #losses = 0;
  #asked = null;
  #unasked = 0;
  #lastHeard = 0;
  #timers = {};

  /** `connect(handlers)` makes a transport; `privately` says whether a password may pass in clear. */
  constructor(connect, privately) {
    super();
    this.#connect = connect;
    this.#privately = privately;
  }

  /** What there is to show of the stream. */
  get status() {
    return {
      ...this.#state,
      transport: this.#transport?.label ?? null,
      next: this.#next?.transport.label ?? null,
      jid: this.jid,
      managed: this.#sm !== null,
      sessionId: this.#sm?.id ?? '',
      handledIn: this.#sm?.handled ?? 0,
      handledOut: this.#sm?.acked ?? 0,
      unacked: this.#sm?.unacked.length ?? 0,
      waiting: this.#outbox.length,
      resumes: this.#resumes,
    };
  }

  get online() {
    return this.#state.name === 'online';
  }

  /** Begin a session for whom `chooseMechanism` knows; instead of a token, `getToken` may ask for one. */
  signIn(account) {
    this.#account = account;
    this.start();
  }

  /** Connect, unless a connection is there or on its way. */
  start() {
    if (this.#stream) return;
    clearTimeout(this.#timers.retry);
    this.#stream = this.#open();
    this.#timers.setup = setTimeout(() => this.#drop(), SETUP_PATIENCE);
    this.#enter('connecting');
    this.#transport.open();
  }

  /**
   * Go on over the transport that `connect` makes now, losing nothing.
   *
   * The present one carries the session until the other has signed in, and
   * keeps it when that does not succeed.
   */
  move() {
    if (!this.#stream) {
      this.wake();
    } else if (!this.online) {
      this.#drop(0);
    } else if (!this.#sm?.id) {
      this.leave();
      this.start();
    } else {
      this.#next?.transport.cut();
      clearTimeout(this.#timers.move);
      this.#next = this.#open();
      this.#timers.move = setTimeout(() => this.#stay(), SETUP_PATIENCE);
      this.#changed();
      this.#next.transport.open();
    }
  }

  /**
   * Send a stanza { id, text, keep }, now or as soon as the stream is back.
   *
   * What is not to be kept is dropped while there is no stream, and not sent
   * again in a new session. Returns false when it was not taken.
   */
  send(item) {
    if (this.online) {
      this.#write(item);
    } else if (item.keep && this.#outbox.length < OUTBOX_LIMIT) {
      this.#outbox.push(item);
    } else {
      return false;
    }
    this.#changed();
    return true;
  }

  /** Drop the connection without a word, as a tunnel or a lift does, and come back after a moment. */
  cut() {
    if (this.#stream) this.#drop(CUT_PAUSE);
  }

  /** The network or the page is back: do not sit out the wait, and doubt a connection that slept. */
  wake() {
    if (this.#state.name === 'waiting') this.start();
    else if (this.online) this.#ask();
  }

  /** End the session politely and stay offline; what was not sent yet waits for `start`. */
  leave(reason = 'left') {
    if (this.online) this.#acknowledge();
    this.#end({ reason });
  }

  /** Leave, and forget the account and whatever was not sent. */
  signOut() {
    this.leave('signed-out');
    this.#account = null;
    this.#forget();
    this.#changed();
  }

  /**
   * Drop the connection and return what a later session needs to go on with this one, as plain data.
   *
   * The server keeps the session for a while, whoever looks at another page comes back to it.
   */
  suspend() {
    if (this.online) this.#acknowledge();
    const transport = this.#transport;
    this.#forgetConnection();
    clearTimeout(this.#timers.retry);
    if (!this.#sm?.id) this.#startOver();
    const plain = (item) => ({ ...item, text: String(item.text) });
    const sm = this.#sm && { ...this.#sm, unacked: this.#sm.unacked.map(plain) };
    const kept = { jid: this.jid, outbox: this.#outbox.map(plain), resumes: this.#resumes, sm };
    this.#forget();
    this.#enter('offline', { reason: 'suspended' });
    transport?.cut();
    return kept;
  }

  /** Take what `suspend` gave, before `signIn`. Nobody but its owner will send or resume any of it. */
  restore({ jid, outbox, resumes, sm }) {
    const alive = (item) => ({ ...item, text: markup(item.text) });
    this.jid = jid;
    this.#owner = bare(jid);
    // Who never was in cannot be told from the next.
    this.#outbox = jid ? outbox.map(alive) : [];
    this.#resumes = resumes;
    if (sm) this.#sm = Object.assign(new StreamManagement(), sm, { unacked: sm.unacked.map(alive) });
  }

  // --- The stream's life

  get #transport() {
    return this.#stream?.transport ?? null;
  }

  #open() {
    // A stream that was let go must not touch its successor's.
    const mine = (present, next) => (...given) => {
      if (stream === this.#stream) present(...given);
      else if (stream === this.#next) next(...given);
    };
    const stream = new Stream(this.#connect, this.#account, this.#privately, {
      authenticating: mine(() => this.#enter('authenticating'), () => {}),
      element: mine((element) => this.#receive(element), (element) => this.#takeOver(element)),
      refused: mine((condition) => this.#refused(condition), () => this.#stay()),
      closed: mine(() => this.#lost(), () => this.#stay()),
      frame: (way, text) => this.#frame(way, text),
    });
    return stream;
  }

  /** Let the next stream carry the session, once it has signed in. */
  #takeOver(element) {
    if (element.namespaceURI !== NS.stream) return;
    if (element.localName !== 'features' || !child(element, 'sm', NS.sm)) {
      this.#stay();
      return;
    }
    const { transport: former } = this.#stream;
    const next = this.#next;
    this.#next = null;
    this.#forgetConnection();
    // What still comes by the former way is not counted, so the server sends it again.
    former.cut();
    this.#stream = next;
    this.#timers.setup = setTimeout(() => this.#drop(), SETUP_PATIENCE);
    this.#features(element);
  }

  #stay() {
    this.#forgetNext();
    this.#changed();
    this.#emit('stayed');
  }

  #forgetNext() {
    clearTimeout(this.#timers.move);
    this.#next?.transport.cut();
    this.#next = null;
  }

  #enter(name, facts = {}) {
    this.#state = { name, ...facts };
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new CustomEvent('state'));
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #frame(way, text) {
    const time = Date.now();
    if (way === 'in') this.#lastHeard = time;
    this.#emit('frame', { way, text: text.replace(SECRET, '$1••••••'), time });
  }

  /** Give up this connection and, after a pause, try another. */
  #drop(pause) {
    const transport = this.#transport;
    this.#lost(pause);
    transport?.cut();
  }

  #lost(pause) {
    this.#forgetConnection();
    const grown = Math.min(BACKOFF.most, BACKOFF.first * 2 ** this.#losses);
    this.#losses += 1;
    const wait = pause ?? grown * (0.5 + Math.random() / 2);
    this.#timers.retry = setTimeout(() => this.start(), wait);
    this.#enter('waiting', { until: Date.now() + wait });
  }

  /** Close for good; `facts` say why. */
  #end(facts) {
    const transport = this.#transport;
    this.#forgetConnection();
    clearTimeout(this.#timers.retry);
    this.#startOver();
    this.#losses = 0;
    this.#enter('offline', facts);
    transport?.close();
  }

  #forgetConnection() {
    this.#forgetNext();
    this.#stream = null;
    this.#asked = null;
    this.#unasked = 0;
    clearTimeout(this.#timers.setup);
    clearTimeout(this.#timers.ask);
    clearInterval(this.#timers.tick);
    this.#timers.ask = undefined;
  }

  /** Let the managed session go; what must not be lost waits for the next. */
  #startOver() {
    const unacked = this.#sm?.unacked.filter((item) => item.keep) ?? [];
    this.#outbox = [...unacked, ...this.#outbox];
    this.#sm = null;
  }

  #forget() {
    this.#sm = null;
    this.#outbox = [];
    this.#resumes = 0;
    this.#owner = '';
    this.jid = '';
  }

  #goOnline(resumed) {
    clearTimeout(this.#timers.setup);
    this.#losses = 0;
    this.#timers.tick = setInterval(() => this.#tick(), TICK);
    this.#enter('online');
    this.#emit('online', { resumed });
    const waiting = this.#outbox;
    this.#outbox = [];
    for (const item of waiting) this.#write(item);
    this.#changed();
  }

  // --- What comes in

  #receive(element) {
    const { localName: name, namespaceURI: namespace } = element;
    if (namespace === NS.client && STANZAS.has(name)) this.#stanza(element);
    else if (namespace === NS.sm) this.#nonza(element);
    else if (namespace === NS.stream && name === 'features') this.#features(element);
    else if (namespace === NS.stream && name === 'error') this.#streamError(element);
  }

  #stanza(element) {
    if (this.#state.name === 'binding') {
      this.#bound(element);
      return;
    }
    if (!this.online) return;
    this.#sm?.received();
    this.#emit('stanza', element);
    this.#changed();
  }

  #features(features) {
    this.#smOffered = child(features, 'sm', NS.sm) !== undefined;
    if (this.#sm?.id && this.#smOffered) {
      this.#enter('resuming');
      const { id, handled } = this.#sm;
      this.#transport.send(xml`<resume xmlns='${NS.sm}' previd='${id}' h='${handled}'/>`);
    } else {
      this.#startOver();
      this.#bind();
    }
  }

  #streamError(element) {
    const { name, text } = condition(element, NS.streams);
    if (name === 'conflict') this.#end({ reason: 'replaced' });
    else if (name === 'not-authorized') this.#end({ reason: 'ended' });
    else if (FATAL.has(name)) this.#end({ reason: 'refused', words: text || name });
    else this.#drop();
  }

  // --- Signing in and binding (RFC 6120 sections 6 and 7)

  #refused(condition) {
    // Someone who was in already is not sent away for the server's bad moment.
    if (condition === 'temporary-auth-failure' && this.jid) this.#drop();
    else this.#end({ reason: 'auth', condition });
  }

  #bind() {
    this.#enter('binding');
    this.#transport.send(xml`<iq type='set' id='bind' xmlns='${NS.client}'><bind xmlns='${NS.bind}'/></iq>`);
  }

  #bound(iq) {
    const jid = child(child(iq, 'bind', NS.bind) ?? iq, 'jid', NS.bind)?.textContent;
    if (iq.getAttribute('type') !== 'result' || !jid) {
      const { name, text } = stanzaError(iq, 'no address');
      this.#end({ reason: 'refused', words: text || name });
      return;
    }
    if (this.#owner && this.#owner !== bare(jid)) this.#outbox = [];
    this.#owner = bare(jid);
    this.jid = jid;
    if (this.#smOffered) {
      this.#enter('enabling');
      this.#transport.send(xml`<enable xmlns='${NS.sm}' resume='true' max='${RESUMABLE}'/>`);
    } else {
      this.#goOnline(false);
    }
  }

  // --- Stream management (XEP-0198)

  #nonza(element) {
    const { name: state } = this.#state;
    const h = parseCount(element.getAttribute('h'));
    switch (element.localName) {
      case 'r':
        this.#acknowledge();
        break;
      case 'a':
        if (this.#sm && this.online) this.#confirmed(h);
        break;
      case 'enabled':
        if (state === 'enabling') this.#enabled(element);
        break;
      case 'resumed':
        if (state === 'resuming') this.#resumed(h);
        break;
      case 'failed':
        if (state === 'enabling') {
          this.#goOnline(false);
        } else if (state === 'resuming') {
          // An expired session may still tell what it had handled (section 5).
          if (h === null || this.#confirmed(h)) {
            this.#startOver();
            this.#bind();
          }
        }
        break;
    }
  }

  #enabled(element) {
    this.#sm = new StreamManagement();
    const resume = element.getAttribute('resume');
    if (resume === 'true' || resume === '1') this.#sm.id = element.getAttribute('id') ?? '';
    this.#goOnline(false);
  }

  #resumed(h) {
    if (!this.#confirmed(h)) return;
    this.#resumes += 1;
    for (const item of this.#sm.unacked) this.#transport.send(item.text);
    if (this.#sm.unacked.length) this.#ask();
    this.#goOnline(true);
  }

  /** Take the server's count; false when it was impossible and the stream is over. */
  #confirmed(h) {
    this.#asked = null;
    let items;
    try {
      if (h === null) throw new RangeError('no count');
      items = this.#sm.acknowledge(h);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#miscounted(h);
      return false;
    }
    this.#emit('acked', items.map((item) => item.id));
    if (this.#sm.unacked.length && this.online) this.#askSoon();
    this.#changed();
    return true;
  }

  #miscounted(h) {
    const sent = this.#sm.total();
    const high =
      h !== null && xml`<handled-count-too-high xmlns='${NS.sm}' h='${h}' send-count='${sent}'/>`;
    const transport = this.#transport;
    transport.send(
      xml`<stream:error xmlns:stream='${NS.stream}'><undefined-condition xmlns='${NS.streams}'/>${high}</stream:error>`,
    );
    this.#startOver();
    this.#lost();
    transport.close();
  }

  #acknowledge() {
    if (this.#sm) this.#transport.send(xml`<a xmlns='${NS.sm}' h='${this.#sm.handled}'/>`);
  }

  #write(item) {
    if (!this.#sm) {
      this.#transport.send(item.text);
      this.#emit('acked', [item.id]);
      return;
    }
    this.#sm.sent(item);
    this.#transport.send(item.text);
    this.#unasked += 1;
    if (this.#unasked >= ACK_EVERY) this.#ask();
    else this.#askSoon();
  }

  #askSoon() {
    this.#timers.ask ??= setTimeout(() => this.#ask(), ACK_DELAY);
  }

  #ask() {
    clearTimeout(this.#timers.ask);
    this.#timers.ask = undefined;
    if (!this.#sm || this.#asked) return;
    this.#unasked = 0;
    this.#asked = { at: Date.now(), ticks: 0 };
    this.#transport.send(xml`<r xmlns='${NS.sm}'/>`);
  }

  #tick() {
    const now = Date.now();
    if (this.#asked) {
      this.#asked.ticks += 1;
      // After a sleep the clock has jumped, but the answer may lie unread: give it one more tick.
      if (now - this.#asked.at > ACK_PATIENCE && this.#asked.ticks > 1) this.#drop();
    } else if (now - this.#lastHeard > QUIET) {
      this.#ask();
    }
  }
}
