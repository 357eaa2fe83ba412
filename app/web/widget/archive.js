/** What was said before, out of the archives of the account and of rooms (XEP-0313). */

import { isFull } from './conversation.js';
import { forwarded, readMessage } from './reading.js';
import { bare, child, NS, newId, xml } from './xml.js';

const PAGE = 50; // messages
const RECENT = 100; // messages of all conversations that a new session begins with
// To look through for something that somebody wrote: other clients have their receipts archived, too.
const PAGES = 20;

export class Archive {
  #chat;
  #requests;
  #queries = new Map();
  #loading = new Set();
  /** Id of the newest message that is known to be here. */
  newest = '';

  constructor(session, requests, chat) {
    this.#requests = requests;
    this.#chat = chat;
    session.addEventListener('stanza', ({ detail }) => detail.localName === 'message' && this.#receive(detail));
    chat.addEventListener('cleared', () => this.#forget());
  }

  /** Get what came since `newest`, or, in an empty page, the latest. */
  async catchUp() {
    if (!this.newest) {
      await this.#page('', '', xml`<max>${RECENT}</max><before/>`);
      return;
    }
    let after = this.newest;
    for (let pages = 0; pages < PAGES; pages += 1) {
      const { last, complete } = await this.#page('', '', xml`<max>${RECENT}</max><after>${after}</after>`);
      if (complete || !last) return;
      after = last;
    }
  }

  /** Get a page of what was said in this conversation before what is here. */
  async older(conversation) {
    if (conversation.complete || this.#loading.has(conversation)) return;
    this.#loading.add(conversation);
    try {
      await this.#older(conversation);
    } finally {
      this.#loading.delete(conversation);
      this.#chat.emit('past', { conversation });
    }
  }

  async #older(conversation) {
    const { jid, isRoom } = conversation;
    const before = conversation.messages.length;
    for (let pages = 0; pages < PAGES && conversation.messages.length === before; pages += 1) {
      const rsm = xml`<max>${PAGE}</max><before>${conversation.cursor ?? ''}</before>`;
      const { first, complete } = await this.#page(isRoom ? jid : '', isRoom ? '' : jid, rsm);
      conversation.cursor = first;
      conversation.complete = complete || !first || isFull(conversation);
      if (conversation.complete) return;
    }
  }

  #forget() {
    this.newest = '';
    this.#queries.clear();
    this.#loading.clear();
  }

  async #page(archive, person, rsm) {
    const id = newId();
    const field = (name, value) => xml`<field var='${name}'><value>${value}</value></field>`;
    const fields = [field('FORM_TYPE', NS.mam), person && field('with', person)].filter(Boolean);
    const form = xml`<x xmlns='${NS.dataForms}' type='submit'>${fields}</x>`;
    this.#queries.set(id, archive);
    try {
      const query = xml`<query xmlns='${NS.mam}' queryid='${id}'>${form}<set xmlns='${NS.rsm}'>${rsm}</set></query>`;
      const answer = await this.#requests.ask('set', archive, query);
      const fin = child(answer, 'fin', NS.mam);
      const set = fin && child(fin, 'set', NS.rsm);
      const last = set && child(set, 'last')?.textContent;
      if (!archive && !person && last) this.newest = last;
      return {
        last,
        first: (set && child(set, 'first')?.textContent) ?? '',
        complete: ['true', '1'].includes(fin?.getAttribute('complete')),
      };
    } finally {
      this.#queries.delete(id);
    }
  }

  #receive(stanza) {
    const result = child(stanza, 'result', NS.mam);
    if (result) this.#result(stanza, result);
    else this.#note(stanza);
  }

  /** Remember where the archive has a message that comes as it is written. */
  #note(stanza) {
    for (const node of stanza.children) {
      const ours = node.namespaceURI === NS.stanzaId && node.getAttribute('by') === this.#chat.own;
      if (ours) this.newest = node.getAttribute('id') ?? this.newest;
    }
  }

  #result(stanza, result) {
    const from = stanza.getAttribute('from') ?? '';
    const archive = this.#queries.get(result.getAttribute('queryid'));
    if (archive === undefined || (archive === '' ? ![this.#chat.own, ''].includes(from) : archive !== from)) return;
    const held = forwarded(result);
    const said = held && readMessage(held.message, held.stamp);
    if (!said) return;
    // What has no id of its own is known by the archive's.
    if (!held.message.hasAttribute('id')) said.id = result.getAttribute('id') ?? said.id;
    said.delayed = false;
    if (archive) this.#fromRoom(this.#chat.conversations.get(archive), held.message, said);
    else this.#fromAccount(held.message, said);
  }

  #fromRoom(conversation, message, said) {
    if (!conversation) return;
    const author = (message.getAttribute('from') ?? '').slice(conversation.jid.length + 1);
    const own = author === conversation.nick;
    this.#chat.take(conversation, { ...said, own, author, ...(own && { state: 'delivered' }) }, { past: true });
  }

  #fromAccount(message, said) {
    if (['groupchat', 'error'].includes(message.getAttribute('type'))) return;
    const from = bare(message.getAttribute('from') ?? this.#chat.own);
    const own = from === this.#chat.own;
    const jid = own ? bare(message.getAttribute('to') ?? '') : from;
    if (!jid.includes('@')) return;
    const conversation = this.#chat.open(jid);
    if (!conversation || conversation.isRoom) return;
    this.#chat.take(conversation, { ...said, own, author: '', ...(own && { state: 'acked' }) }, { past: true });
  }
}
