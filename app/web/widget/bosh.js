/**
 * XMPP over HTTP (BOSH: XEP-0124, XEP-0206) as a transport, with the interface
 * and the handlers that websocket.js describes.
 *
 * One request is held by the server until it has something to say; a second
 * carries what we say meanwhile. Requests are numbered (`rid`), and what they
 * bring is taken in the order of their numbers. One that the network lost is
 * sent again as it was: the server knows its number and does nothing twice.
 */

import { NS, parse, xml } from './xml.js';

const WAIT = 50; // s that the server may hold a request: many a proxy cuts after 60
const RETRIES = [100, 500, 1500]; // ms before a lost request is sent again
const CLOSE_PATIENCE = 2000; // ms for the answer to our goodbye

export class BoshTransport {
  label = 'BOSH';
  #url;
  #domain;
  #on;
  #abort = null;
  #sid = '';
  #rid = 0;
  #most = 1;
  #polling = 0; // ms between requests when the server holds none
  #poll;
  #waiting = [];
  #flushing = false;
  #answers = new Map();
  #next = 0;
  #closing = false;

  constructor(url, domain, handlers) {
    this.#url = url;
    this.#domain = domain;
    this.#on = handlers;
  }

  open() {
    this.#abort = new AbortController();
    // The highest number of a session's last request must stay below 2^53 (section 14.1).
    [this.#rid] = crypto.getRandomValues(new Uint32Array(1));
    this.#next = this.#rid;
    this.#request(
      xml` to='${this.#domain}' wait='${WAIT}' hold='1' ver='1.11' content='text/xml; charset=utf-8' xml:lang='en' xmpp:version='1.0' xmlns:xmpp='${NS.xbosh}'`,
    );
  }

  restart() {
    this.#waiting.push({
      restart: xml` to='${this.#domain}' xml:lang='en' xmpp:restart='true' xmlns:xmpp='${NS.xbosh}'`,
    });
    this.#soon();
  }

  send(text) {
    if (!this.#abort || this.#closing) return;
    this.#waiting.push({ text });
    this.#soon();
  }

  close() {
    if (this.#closing) return;
    if (!this.#abort || !this.#sid) {
      this.#finish();
      return;
    }
    this.#closing = true;
    clearTimeout(this.#poll);
    // A goodbye may go beyond the window: held requests do not hold it up (section 11).
    const texts = this.#waiting.splice(0).map(({ text }) => text);
    this.#request(xml` type='terminate'`, texts);
    setTimeout(() => this.#finish(), CLOSE_PATIENCE);
  }

  cut() {
    clearTimeout(this.#poll);
    this.#abort?.abort();
    this.#abort = null;
    this.#waiting = [];
    this.#answers.clear();
  }

  // --- Out

  // What is said in one turn travels in one request.
  #soon() {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  get #underWay() {
    return this.#rid - this.#next;
  }

  /** Send what waits as far as the window allows, and keep one request at the server. */
  #flush() {
    if (!this.#abort || !this.#sid || this.#closing) return;
    clearTimeout(this.#poll);
    while (this.#waiting.length && this.#underWay < this.#most) {
      const { restart } = this.#waiting[0];
      if (restart) {
        this.#waiting.shift();
        this.#request(restart);
      } else {
        const end = this.#waiting.findIndex((item) => item.restart);
        const items = this.#waiting.splice(0, end < 0 ? this.#waiting.length : end);
        this.#request('', items.map(({ text }) => text));
      }
    }
    if (this.#underWay) return;
    if (this.#polling) this.#poll = setTimeout(() => this.#request(''), this.#polling);
    else this.#request('');
  }

  #request(attributes, texts = []) {
    const sid = this.#sid && xml` sid='${this.#sid}'`;
    const rid = this.#rid;
    this.#rid += 1;
    const body = String(
      xml`<body xmlns='${NS.httpbind}' rid='${rid}'${sid}${attributes}>${texts}</body>`,
    );
    this.#on.frame('out', body);
    this.#post(rid, body, this.#abort);
  }

  async #post(rid, body, abort) {
    for (const pause of this.#sid ? [...RETRIES, null] : [null]) {
      try {
        const answer = await fetch(this.#url, {
          method: 'POST',
          headers: { 'Content-Type': 'text/xml; charset=utf-8' },
          body,
          cache: 'no-store',
          // A goodbye is sent to its end even when the page goes away.
          keepalive: this.#closing,
          signal: abort.signal,
        });
        const text = answer.ok ? await answer.text() : null;
        if (abort === this.#abort) this.#answered(rid, text);
        return;
      } catch {
        if (abort !== this.#abort) return;
        if (pause === null) break;
        await new Promise((done) => setTimeout(done, pause));
        if (abort !== this.#abort) return;
      }
    }
    this.#finish();
  }

  // --- In

  #answered(rid, text) {
    this.#answers.set(rid, text);
    while (this.#abort && this.#answers.has(this.#next)) {
      const answer = this.#answers.get(this.#next);
      this.#answers.delete(this.#next);
      this.#next += 1;
      this.#receive(answer);
    }
    // Whoever heard an answer may have more to say; that may share a request.
    if (this.#abort) this.#soon();
  }

  #receive(text) {
    if (text !== null) this.#on.frame('in', text);
    const body = text === null ? null : parse(text);
    if (body?.namespaceURI !== NS.httpbind || body.localName !== 'body') {
      this.#finish();
      return;
    }
    if (!this.#sid) this.#created(body);
    for (const element of [...body.children]) {
      if (!this.#abort) return;
      this.#on.element(element);
    }
    if (body.getAttribute('type') === 'terminate') this.#finish();
  }

  #created(body) {
    this.#sid = body.getAttribute('sid') ?? '';
    if (!this.#sid) return;
    this.#most = Number(body.getAttribute('requests')) || 2;
    // A server that holds nothing says how often it may be asked (section 12).
    if (body.getAttribute('hold') === '0') this.#polling = 1000 * (Number(body.getAttribute('polling')) || 5);
    this.#on.opened();
  }

  #finish() {
    if (!this.#abort) return;
    this.cut();
    this.#on.closed();
  }
}
