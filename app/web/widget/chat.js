/**
 * The conversations: messages (RFC 6121), copies from one's other devices (XEP-0280), receipts
 * (XEP-0184), what was read (XEP-0333), who is typing (XEP-0085), who is there. It knows a
 * session, no document.
 *
 * It dispatches these events, all but the last three with { conversation }:
 *
 *   added     a conversation is new
 *   removed   one is gone
 *   message   { message }: one more at the end
 *   past      messages came in before others
 *   update    { message }: its state changed
 *   peer      the other side's presence, typing, or the unread count changed
 *   asked     who asks to be a contact has changed
 *   named     { jid }: what somebody is called was learned
 *   cleared   all are gone
 */

import { Conversation } from './conversation.js';
import { chatState, forwarded, readMessage } from './reading.js';
import { bare, child, newId, NS, sendable, stanzaError, xml } from './xml.js';

const CONVERSATION_LIMIT = 1000;
const RESOURCE_LIMIT = 50;
const TYPING_PAUSE = 4_000; // ms without a key until “paused”
const TYPING_LIMIT = 30_000; // ms after which the other side's typing is no longer believed

export class Chat extends EventTarget {
  conversations = new Map();
  /** Messages that came once more with an id that was here already. */
  repeats = 0;
  #session;
  #introduced = new Set();
  #typing = null;
  #doubts = new Map();

  constructor(session) {
    super();
    this.#session = session;
    session.addEventListener('online', ({ detail }) => detail.resumed || this.#began());
    session.addEventListener('stanza', ({ detail }) => this.#stanza(detail));
    session.addEventListener('acked', ({ detail }) => this.#acked(detail));
  }

  /** The own bare address. */
  get own() {
    return bare(this.#session.jid);
  }

  /** Messages that nobody has looked at. */
  get unread() {
    return [...this.conversations.values()].reduce((sum, { unread }) => sum + unread, 0);
  }

  /** The conversation with this bare address, made if there is none; undefined when there are too many. */
  open(jid, isRoom = false) {
    const known = this.conversations.get(jid);
    if (known) return known;
    if (this.conversations.size >= CONVERSATION_LIMIT) return undefined;
    const conversation = new Conversation(jid, isRoom);
    this.conversations.set(jid, conversation);
    this.emit('added', { conversation });
    return conversation;
  }

  /** Let this one go from the list. */
  remove(conversation) {
    if (!this.conversations.delete(conversation.jid)) return;
    this.theyType(conversation, '');
    this.emit('removed', { conversation });
  }

  send(conversation, written, file = '') {
    const text = sendable(written);
    if (!text.trim()) return;
    const message = { id: newId(), own: true, author: '', text, file, time: Date.now(), state: 'queued' };
    conversation.add(message);
    this.#endTyping();
    this.emit('message', { conversation, message });
    if (!conversation.isRoom) this.greet(conversation);
    this.#post(conversation, message);
  }

  /** A key was pressed in this conversation, or (false) its text was emptied. */
  typing(conversation, active = true) {
    if (this.#typing && (!active || this.#typing.conversation !== conversation)) this.#endTyping('active');
    if (!active) return;
    if (!this.#typing) {
      this.#typing = { conversation };
      this.#state(conversation, 'composing');
    }
    clearTimeout(this.#typing.timer);
    this.#typing.timer = setTimeout(() => this.#endTyping('paused'), TYPING_PAUSE);
  }

  /** Somebody has looked at all that is here. */
  read(conversation) {
    if (!conversation.unread) return;
    conversation.unread = 0;
    const last = conversation.messages.findLast(({ own, markable }) => !own && markable);
    if (last) {
      const text = xml`<message xmlns='${NS.client}' to='${conversation.jid}' type='chat' id='${newId()}'><displayed xmlns='${NS.markers}' id='${last.id}'/><no-permanent-store xmlns='${NS.hints}'/></message>`;
      last.markable = false;
      this.#session.send({ id: '', text, keep: true });
    }
    this.emit('peer', { conversation });
  }

  /**
   * Take what was said, `fresh` if just now; `past` says that an archive has it. Returns whether it is new.
   */
  take(conversation, message, { fresh = false, past = false } = {}) {
    const known = conversation.find(message.own, message.id, message.author);
    if (known) {
      // What waited for us while we were away is in the archive, too, and may have come from there.
      const waited = fresh && known.past && !known.own;
      if (waited) conversation.unread += 1;
      else if (fresh && !known.own) this.repeats += 1;
      known.past &&= past;
      this.emit('peer', { conversation });
      return false;
    }
    message.past = past;
    const atEnd = conversation.add(message, past);
    if (fresh && !message.own) conversation.unread += 1;
    if (atEnd && !past) this.emit('message', { conversation, message });
    else this.emit('past', { conversation });
    return true;
  }

  /** Be seen by this person, also by one who is no contact (RFC 6121 section 4.6). */
  greet(conversation) {
    conversation.greeted = true;
    this.#introduce(conversation.jid);
  }

  /** What a reload of the page should bring back. */
  save() {
    return [...this.conversations.values()].map((conversation) => conversation.save());
  }

  /** Bring back what `save` gave, when the same person is online again, perhaps in the same session. */
  restore(saved, resumed) {
    for (const one of saved) {
      const conversation = this.open(one.jid, one.isRoom);
      if (!conversation) return;
      conversation.restore(one, resumed);
      this.emit('past', { conversation });
      if (conversation.greeted) this.#introduce(conversation.jid);
    }
  }

  /** Forget everybody and everything. */
  clear() {
    this.#endTyping();
    for (const timer of this.#doubts.values()) clearTimeout(timer);
    this.#doubts.clear();
    this.#introduced.clear();
    this.conversations.clear();
    this.repeats = 0;
    this.emit('cleared');
  }

  emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  /** Change what there is to show of a message. */
  update(conversation, message, change) {
    Object.assign(message, change);
    this.emit('update', { conversation, message });
  }

  // --- Out

  #post(conversation, { id, text, file }) {
    const kind = conversation.isRoom ? 'groupchat' : 'chat';
    const data = file && xml`<x xmlns='${NS.oob}'><url>${file}</url></x>`;
    const asked = conversation.isRoom
      ? ''
      : xml`<request xmlns='${NS.receipts}'/><markable xmlns='${NS.markers}'/>`;
    const stanza = xml`<message xmlns='${NS.client}' to='${conversation.jid}' type='${kind}' id='${id}'><body>${text}</body>${data}<active xmlns='${NS.chatstates}'/>${asked}</message>`;
    if (this.#session.send({ id, text: stanza, keep: true })) return;
    this.update(conversation, conversation.find(true, id), { state: 'failed', error: 'resource-constraint' });
  }

  /** Tell this address, once in a session, that we are there. */
  #introduce(jid) {
    if (!this.#session.online || this.#introduced.has(jid)) return;
    this.#introduced.add(jid);
    this.#session.send({ id: '', text: xml`<presence xmlns='${NS.client}' to='${jid}'/>`, keep: false });
  }

  #state(conversation, state) {
    // Nobody who is not there needs to know, least of all an offline store.
    if (!conversation.presence || conversation.presence === 'offline') return;
    const kind = conversation.isRoom ? 'groupchat' : 'chat';
    const text = xml`<message xmlns='${NS.client}' to='${conversation.jid}' type='${kind}'><${state} xmlns='${NS.chatstates}'/><no-store xmlns='${NS.hints}'/></message>`;
    this.#session.send({ id: '', text, keep: false });
  }

  #endTyping(state) {
    if (!this.#typing) return;
    const { conversation, timer } = this.#typing;
    clearTimeout(timer);
    this.#typing = null;
    if (state) this.#state(conversation, state);
  }

  #receipt(to, id) {
    const text = xml`<message xmlns='${NS.client}' to='${to}' type='chat' id='${newId()}'><received xmlns='${NS.receipts}' id='${id}'/><no-permanent-store xmlns='${NS.hints}'/></message>`;
    this.#session.send({ id: '', text, keep: true });
  }

  #began() {
    this.#introduced.clear();
    const copies = xml`<iq xmlns='${NS.client}' type='set' id='${newId()}'><enable xmlns='${NS.carbons}'/></iq>`;
    this.#session.send({ id: '', text: copies, keep: false });
    this.#session.send({ id: '', text: xml`<presence xmlns='${NS.client}'/>`, keep: false });
    for (const conversation of this.conversations.values()) {
      conversation.resources.clear();
      conversation.heard = false;
      this.theyType(conversation, '');
      this.emit('peer', { conversation });
      if (conversation.greeted) this.#introduce(conversation.jid);
    }
  }

  #acked(ids) {
    for (const conversation of this.conversations.values()) {
      for (const id of ids) {
        const message = conversation.find(true, id);
        if (message?.state === 'queued') this.update(conversation, message, { state: 'acked' });
      }
    }
  }

  // --- In

  #stanza(stanza) {
    const from = stanza.getAttribute('from') ?? this.own;
    const type = stanza.getAttribute('type');
    if (stanza.localName === 'presence') this.#presence(stanza, from, type);
    else if (stanza.localName !== 'message') return;
    else if (type === 'error') this.#bounced(stanza, from);
    else if (!this.#copied(stanza, from) && type !== 'groupchat') this.#message(stanza, from);
  }

  /** A copy of what another device of ours sent or got; whether it was one. */
  #copied(stanza, from) {
    if (from !== this.own) return false;
    const sent = child(stanza, 'sent', NS.carbons);
    const copy = forwarded(sent ?? child(stanza, 'received', NS.carbons));
    if (!copy) return false;
    const { message } = copy;
    if (sent) this.#sentElsewhere(message);
    else if (message.getAttribute('type') !== 'groupchat') this.#message(message, message.getAttribute('from') ?? '', true);
    return true;
  }

  #sentElsewhere(stanza) {
    const to = bare(stanza.getAttribute('to') ?? '');
    const said = stanza.getAttribute('type') === 'groupchat' ? null : readMessage(stanza);
    const conversation = said && to.includes('@') ? this.open(to) : this.conversations.get(to);
    if (!conversation) return;
    if (said) this.take(conversation, { ...said, own: true, author: '', state: 'acked' });
    // Who answers, or looks, on another device has read it.
    if (said || child(stanza, 'displayed', NS.markers)) {
      conversation.unread = 0;
      this.emit('peer', { conversation });
    }
  }

  #message(stanza, from, copy = false) {
    const said = readMessage(stanza);
    // Only what somebody wrote opens a conversation.
    const conversation = said && from.includes('@') ? this.open(bare(from)) : this.conversations.get(bare(from));
    if (!conversation || conversation.isRoom) return;
    const received = child(stanza, 'received', NS.receipts);
    if (received) this.#came(conversation, received.getAttribute('id'), 'delivered');
    const displayed = child(stanza, 'displayed', NS.markers);
    if (displayed) this.#readByThem(conversation, displayed.getAttribute('id'));
    const state = chatState(stanza);
    // Who typed a while ago does not type now.
    if (state || said) this.theyType(conversation, state === 'composing' && !said?.delayed ? conversation.name : '');
    if (!said) return;
    const markable = child(stanza, 'markable', NS.markers) !== undefined && stanza.hasAttribute('id');
    if (child(stanza, 'request', NS.receipts) && stanza.hasAttribute('id') && !copy) this.#receipt(from, said.id);
    this.take(conversation, { ...said, own: false, author: '', markable }, { fresh: true });
  }

  #came(conversation, id, state) {
    const message = conversation.find(true, id);
    if (message && message.state !== 'read') this.update(conversation, message, { state });
  }

  /** Who has read this has read what came before it. */
  #readByThem(conversation, id) {
    const message = conversation.find(true, id);
    if (!message) return;
    const { messages } = conversation;
    for (let at = messages.indexOf(message); at >= 0 && messages[at].state !== 'read'; at -= 1) {
      if (['acked', 'delivered'].includes(messages[at].state)) this.update(conversation, messages[at], { state: 'read' });
    }
  }

  #bounced(stanza, from) {
    const conversation = this.conversations.get(bare(from));
    const message = conversation?.find(true, stanza.getAttribute('id'));
    if (!message || ['delivered', 'read'].includes(message.state)) return;
    const { name, text } = stanzaError(stanza, '');
    this.update(conversation, message, { state: 'failed', error: name, errorText: text });
  }

  /** Somebody (or, with an empty name, nobody) types here. */
  theyType(conversation, name) {
    clearTimeout(this.#doubts.get(conversation));
    this.#doubts.delete(conversation);
    if (name) this.#doubts.set(conversation, setTimeout(() => this.theyType(conversation, ''), TYPING_LIMIT));
    if (conversation.typing === name) return;
    conversation.typing = name;
    this.emit('peer', { conversation });
  }

  #presence(stanza, from, type) {
    const conversation = this.conversations.get(bare(from));
    if (!conversation || conversation.isRoom || bare(from) === this.own) return;
    if (type === 'unavailable') {
      conversation.heard = true;
      conversation.resources.delete(from);
      this.#introduced.delete(from);
      if (!conversation.resources.size) this.theyType(conversation, '');
    } else if (!type) {
      const show = child(stanza, 'show')?.textContent;
      conversation.heard = true;
      if (conversation.resources.size >= RESOURCE_LIMIT && !conversation.resources.has(from)) return;
      conversation.resources.set(from, ['away', 'xa', 'dnd'].includes(show) ? show : 'online');
      // He came after we had told that we are there.
      if (conversation.greeted) this.#introduce(from);
    }
    this.emit('peer', { conversation });
  }
}
