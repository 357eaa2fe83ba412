/** What people are called for whom the contact list has no name: as their vCards say (XEP-0054). */

import { child, NS, xml } from './xml.js';

const LONGEST = 200; // characters of a name
const UNSEEN = /[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu; // what would turn the words around a name

export class Names {
  #chat;
  #requests;
  #known = new Map(); // bare address → name, empty where there is none
  #wanted = new Set();
  #busy = false;
  #resumed = false;

  /** Somebody's name that was learned is told by `named`, an event of the chat's, with { jid }. */
  constructor(session, requests, chat) {
    this.#requests = requests;
    this.#chat = chat;
    chat.addEventListener('added', ({ detail }) => this.#want(detail.conversation.jid));
    chat.addEventListener('cleared', () => {
      this.#known.clear();
      this.#wanted.clear();
    });
    session.addEventListener('online', ({ detail }) => {
      this.#resumed = detail.resumed;
      if (detail.resumed) return;
      this.#known.clear();
      for (const jid of chat.conversations.keys()) this.#want(jid);
    });
  }

  /** What this bare address is called, as far as that is known; it is asked for once in a session. */
  of(jid) {
    this.#want(jid);
    return this.#chat.conversations.get(jid)?.name ?? (this.#known.get(jid) || jid.split('@')[0]);
  }

  #want(jid) {
    if (this.#known.has(jid)) return;
    this.#wanted.add(jid);
    // One after the other: a long list is no reason to flood the server.
    if (!this.#busy) void this.#askAll();
  }

  async #askAll() {
    this.#busy = true;
    // The contact list, or what was kept of this conversation, says the name a moment later.
    await null;
    for (const jid of this.#wanted) {
      this.#wanted.delete(jid);
      const { contact, called, isRoom } = this.#chat.conversations.get(jid) ?? {};
      if (!contact?.name && !(called && this.#resumed) && !isRoom) await this.#ask(jid);
    }
    this.#busy = false;
  }

  async #ask(jid) {
    this.#known.set(jid, '');
    try {
      const answer = await this.#requests.ask('get', jid === this.#chat.own ? '' : jid, xml`<vCard xmlns='${NS.vcard}'/>`);
      const card = child(answer, 'vCard', NS.vcard);
      const name = ['FN', 'NICKNAME'].map((part) => card && child(card, part, NS.vcard)?.textContent.replace(UNSEEN, ' ').trim()).find(Boolean);
      if (!name || !this.#known.has(jid)) return;
      this.#known.set(jid, name.slice(0, LONGEST));
    } catch {
      return; // Who may not be asked about keeps the name of the address.
    }
    const conversation = this.#chat.conversations.get(jid);
    if (conversation) conversation.called = this.#known.get(jid);
    this.#chat.emit('named', { jid });
    if (conversation) this.#chat.emit('peer', { conversation });
  }
}
