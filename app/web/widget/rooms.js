/** Rooms (XEP-0045): coming in, who is there, what is said, and leaving. */

import { chatState, readMessage } from './reading.js';
import { bare, child, NS, stanzaError, xml } from './xml.js';

const HISTORY = 30; // messages that a room sends to who comes in
const OCCUPANT_LIMIT = 1000;
const TRIES = 3; // of other nicknames where one is taken
const OURS = '110';
const NEW = '201';

export class Rooms {
  #chat;
  #session;
  #requests;
  #tries = new Map();

  constructor(session, requests, chat) {
    this.#session = session;
    this.#requests = requests;
    this.#chat = chat;
    session.addEventListener('stanza', ({ detail }) => this.#stanza(detail));
  }

  /** Come in; the room is made where there is none and one may. Returns its conversation. */
  join(jid, nick) {
    const conversation = this.#chat.open(jid, true);
    if (!conversation) return undefined;
    conversation.nick ||= nick;
    if (!conversation.heard) this.#enter(conversation);
    return conversation;
  }

  leave(conversation) {
    const to = `${conversation.jid}/${conversation.nick}`;
    this.#session.send({ id: '', text: xml`<presence xmlns='${NS.client}' to='${to}' type='unavailable'/>`, keep: false });
    this.#chat.remove(conversation);
  }

  /** Enter all rooms of the list, in a new session. */
  enterAll() {
    for (const conversation of this.#chat.conversations.values()) {
      if (conversation.isRoom) this.#enter(conversation);
    }
  }

  #enter(conversation) {
    conversation.resources.clear();
    conversation.refusal = '';
    const to = `${conversation.jid}/${conversation.nick}`;
    const text = xml`<presence xmlns='${NS.client}' to='${to}'><x xmlns='${NS.muc}'><history maxstanzas='${HISTORY}'/></x></presence>`;
    this.#session.send({ id: '', text, keep: false });
  }

  #stanza(stanza) {
    const from = stanza.getAttribute('from') ?? '';
    const conversation = this.#chat.conversations.get(bare(from));
    if (!conversation?.isRoom) return;
    const nick = from.slice(conversation.jid.length + 1);
    if (stanza.localName === 'presence') this.#presence(conversation, stanza, nick);
    else if (stanza.getAttribute('type') === 'groupchat') this.#message(conversation, stanza, nick);
  }

  #presence(conversation, stanza, nick) {
    const type = stanza.getAttribute('type');
    const x = child(stanza, 'x', NS.mucUser);
    const codes = Array.from(x?.children ?? [], (node) => node.localName === 'status' && node.getAttribute('code'));
    const own = codes.includes(OURS) || (nick === conversation.nick && conversation.heard);
    if (type === 'error') {
      this.#refused(conversation, stanza);
    } else if (type === 'unavailable') {
      conversation.resources.delete(nick);
      if (conversation.typing === nick) this.#chat.theyType(conversation, '');
      if (own) this.#out(conversation, child(x ?? stanza, 'item', NS.mucUser)?.getAttribute('nick'));
    } else {
      if (conversation.resources.size < OCCUPANT_LIMIT || own) conversation.resources.set(nick, 'online');
      if (codes.includes(OURS)) this.#in(conversation, nick, codes.includes(NEW));
    }
    this.#chat.emit('peer', { conversation });
  }

  #in(conversation, nick, isNew) {
    conversation.heard = true;
    conversation.nick = nick;
    conversation.refusal = '';
    this.#tries.delete(conversation);
    // A new room is locked until its owner takes it as it is (section 10.1.2).
    const form = xml`<query xmlns='${NS.mucOwner}'><x xmlns='${NS.dataForms}' type='submit'/></query>`;
    if (isNew) this.#requests.ask('set', conversation.jid, form).catch(({ message }) => (conversation.refusal = message));
  }

  #out(conversation, newNick) {
    if (newNick) {
      conversation.nick = newNick;
      return;
    }
    conversation.heard = false;
    conversation.resources.clear();
    conversation.refusal = 'gone';
  }

  #refused(conversation, stanza) {
    if (conversation.heard) return;
    const { name } = stanzaError(stanza);
    const tries = this.#tries.get(conversation) ?? 0;
    if (name === 'conflict' && tries < TRIES) {
      this.#tries.set(conversation, tries + 1);
      conversation.nick = `${conversation.nick.replace(/ \d$/, '')} ${tries + 2}`;
      this.#enter(conversation);
    } else {
      conversation.refusal = name;
    }
  }

  #message(conversation, stanza, nick) {
    const subject = child(stanza, 'subject');
    const said = readMessage(stanza);
    if (subject && !said) {
      conversation.subject = subject.textContent;
      this.#chat.emit('peer', { conversation });
    }
    const own = nick === conversation.nick;
    const state = chatState(stanza);
    if (nick && !own && (state || said)) {
      if (state === 'composing' && !said) this.#chat.theyType(conversation, nick);
      else if (conversation.typing === nick) this.#chat.theyType(conversation, '');
    }
    if (!said) return;
    const mine = own && conversation.find(true, said.id);
    if (mine) this.#chat.update(conversation, mine, { state: 'delivered' });
    else this.#take(conversation, said, nick, own);
  }

  #take(conversation, said, nick, own) {
    // What a room sends to who comes in was late for nobody.
    const message = { ...said, delayed: false, own, author: nick, ...(own && { state: 'delivered' }) };
    this.#chat.take(conversation, message, { fresh: !said.delayed && Boolean(nick) });
  }
}
