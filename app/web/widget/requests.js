/** Requests and their answers (iq, RFC 6120 section 8.2.3): ours to others, others' to us. */

import { bare, child, newId, NS, stanzaError, xml } from './xml.js';

const PATIENCE = 30_000; // ms
const FEATURES = [NS.chatstates, NS.discoInfo, NS.markers, NS.ping, NS.receipts];

/** An answer that is an error; its message is the condition. */
export class RequestError extends Error {}

export class Requests {
  #session;
  #waiting = new Map();
  #pushes = new Map();

  constructor(session) {
    this.#session = session;
    session.addEventListener('stanza', ({ detail }) => detail.localName === 'iq' && this.#receive(detail));
    session.addEventListener('online', ({ detail }) => detail.resumed || this.clear());
  }

  /** Ask `to` (empty: the own account) and return the answer; rejects with a RequestError. */
  ask(type, to, payload) {
    return new Promise((resolve, reject) => {
      const id = newId();
      const address = to && xml` to='${to}'`;
      const text = xml`<iq xmlns='${NS.client}' type='${type}' id='${id}'${address}>${payload}</iq>`;
      const timer = setTimeout(() => this.#fail(id, 'remote-server-timeout'), PATIENCE);
      this.#waiting.set(id, { to, resolve, reject, timer });
      if (!this.#session.send({ id: '', text, keep: false })) this.#fail(id, 'service-unavailable');
    });
  }

  /** Have `take(iq)` called with what the own account pushes in this namespace. */
  onPush(namespace, take) {
    this.#pushes.set(namespace, take);
  }

  /** Give up what was asked in a stream that is gone. */
  clear() {
    for (const id of [...this.#waiting.keys()]) this.#fail(id, 'recipient-unavailable');
  }

  #fail(id, name) {
    this.#take(id)?.reject(new RequestError(name));
  }

  #take(id) {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    clearTimeout(waiting?.timer);
    return waiting;
  }

  #receive(iq) {
    const type = iq.getAttribute('type');
    const id = iq.getAttribute('id') ?? '';
    if (type === 'get' || type === 'set') {
      this.#answer(iq, type, id);
    } else if (this.#isFrom(iq, this.#waiting.get(id)?.to)) {
      const { resolve, reject } = this.#take(id);
      if (type === 'result') resolve(iq);
      else reject(new RequestError(stanzaError(iq).name));
    }
  }

  /** Whether the iq comes from this address; what names no sender is from the own account. */
  #isFrom(iq, address) {
    const from = iq.getAttribute('from') ?? '';
    if (address === '') return ['', this.#session.jid, bare(this.#session.jid)].includes(from);
    return from === address;
  }

  /** Every request gets exactly one answer. */
  #answer(iq, type, id) {
    const from = iq.getAttribute('from');
    const to = from && xml` to='${from}'`;
    const [payload] = iq.children;
    const push = type === 'set' && this.#isFrom(iq, '') && this.#pushes.get(payload?.namespaceURI);
    let text = xml`<iq xmlns='${NS.client}' type='result' id='${id}'${to}/>`;
    if (push) {
      push(iq);
    } else if (type === 'get' && child(iq, 'query', NS.discoInfo)) {
      const features = FEATURES.map((name) => xml`<feature var='${name}'/>`);
      text = xml`<iq xmlns='${NS.client}' type='result' id='${id}'${to}><query xmlns='${NS.discoInfo}'><identity category='client' type='web' name='Andiron'/>${features}</query></iq>`;
    } else if (type !== 'get' || !child(iq, 'ping', NS.ping)) {
      text = xml`<iq xmlns='${NS.client}' type='error' id='${id}'${to}><error type='cancel'><service-unavailable xmlns='${NS.stanzas}'/></error></iq>`;
    }
    this.#session.send({ id: '', text, keep: false });
  }
}
