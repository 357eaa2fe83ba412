/** The contact list, and who may see whom (RFC 6121 sections 2 and 3). */

import { bare, child, NS, xml } from './xml.js';

const ASKING_LIMIT = 50;

export class Roster {
  /** Bare addresses of those who ask to see us. */
  asking = new Set();
  #chat;
  #session;
  #requests;

  constructor(session, requests, chat) {
    this.#session = session;
    this.#requests = requests;
    this.#chat = chat;
    requests.onPush(NS.roster, (iq) => this.#take(iq));
    session.addEventListener('stanza', ({ detail }) => detail.localName === 'presence' && this.#presence(detail));
    chat.addEventListener('cleared', () => this.#forget());
  }

  /** Bring back who asked, which the server tells once in a session. */
  restore(asking) {
    this.asking = new Set(asking);
    this.#chat.emit('asked');
  }

  /** Get the list; in a session that was resumed it is here. */
  async load() {
    this.#take(await this.#requests.ask('get', '', xml`<query xmlns='${NS.roster}'/>`));
  }

  /** Ask to see somebody, and let oneself be seen. */
  add(jid) {
    this.#tell(jid, 'subscribe');
    this.allow(jid);
  }

  allow(jid) {
    this.#tell(jid, 'subscribed');
    this.#asked(jid, false);
  }

  refuse(jid) {
    this.#tell(jid, 'unsubscribed');
    this.#asked(jid, false);
  }

  #tell(jid, type) {
    this.#session.send({ id: '', text: xml`<presence xmlns='${NS.client}' to='${jid}' type='${type}'/>`, keep: true });
  }

  #forget() {
    this.asking.clear();
    this.#chat.emit('asked');
  }

  #asked(jid, asks) {
    if (asks && this.asking.size < ASKING_LIMIT) this.asking.add(jid);
    else if (!asks) this.asking.delete(jid);
    this.#chat.emit('asked');
  }

  #take(iq) {
    const query = child(iq, 'query', NS.roster);
    for (const item of query?.children ?? []) {
      const jid = item.getAttribute('jid') ?? '';
      const subscription = item.getAttribute('subscription') ?? 'none';
      const known = this.#chat.conversations.get(jid);
      // Somebody who only once was asked, or asks, is no reason for an entry.
      const wanted = ['to', 'from', 'both'].includes(subscription) || item.hasAttribute('ask');
      const conversation = known ?? (wanted && jid.includes('@') ? this.#chat.open(jid) : undefined);
      if (!conversation || conversation.isRoom) continue;
      const name = item.getAttribute('name') ?? '';
      conversation.contact = wanted ? { name, subscription, asking: item.hasAttribute('ask') } : null;
      this.#chat.emit('peer', { conversation });
    }
  }

  #presence(stanza) {
    const type = stanza.getAttribute('type');
    const from = bare(stanza.getAttribute('from') ?? '');
    if (type === 'unsubscribe') this.#asked(from, false);
    if (type !== 'subscribe') return;
    const contact = this.#chat.conversations.get(from)?.contact;
    // Whom we asked ourselves, or see already, may see us.
    if (contact && (contact.asking || ['to', 'both'].includes(contact.subscription))) this.allow(from);
    else this.#asked(from, true);
  }
}
