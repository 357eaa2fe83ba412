/**
 * The conversations: messages (RFC 6121), receipts (XEP-0184), who is typing
 * (XEP-0085), who is there (directed presence). It knows a session, no document.
 *
 * It dispatches these events, all but the last with { conversation }:
 *
 *   added     a conversation is new
 *   message   { message }: one more at the end
 *   update    { message }: its state changed
 *   peer      the other side's presence, typing, or the unread count changed
 *   cleared   all are gone
 */

import { bare, child, condition, newId, NS, sendable, xml } from './xml.js';

const HISTORY_LIMIT = 2000; // messages a conversation
const CONVERSATION_LIMIT = 200;
const RESOURCE_LIMIT = 50;
const STORED_LIMIT = 200; // messages a conversation that survive a reload
const TYPING_PAUSE = 4_000; // ms without a key until “paused”
const TYPING_LIMIT = 30_000; // ms after which the other side's typing is no longer believed

const ERROR_WORDS = {
  'service-unavailable': 'this person cannot be reached',
  'item-not-found': 'there is nobody of this name',
  'remote-server-not-found': 'that server was not found',
  'remote-server-timeout': 'that server does not answer',
  'recipient-unavailable': 'this person cannot be reached',
  'policy-violation': 'the server does not allow it',
  'not-acceptable': 'the server did not accept it',
  'resource-constraint': 'the server is busy',
};

/** One person and what was said. */
export class Conversation {
  messages = [];
  unread = 0;
  typing = false;
  /** The other side's available resources, full address to what they show. */
  resources = new Map();
  /** Whether a presence came in at all. */
  heard = false;
  #byId = new Map();

  constructor(jid) {
    this.jid = jid;
    this.name = jid.slice(0, jid.indexOf('@'));
    this.domain = jid.slice(jid.indexOf('@') + 1);
  }

  /** The best of the other side's presences, or null when none is known. */
  get presence() {
    const shows = new Set(this.resources.values());
    const best = ['online', 'away', 'xa', 'dnd'].find((show) => shows.has(show));
    return best ?? (this.heard ? 'offline' : null);
  }

  find(own, id) {
    return this.#byId.get(`${own} ${id}`);
  }

  add(message) {
    this.messages.push(message);
    this.#byId.set(`${message.own} ${message.id}`, message);
    if (this.messages.length > HISTORY_LIMIT) {
      const { own, id } = this.messages.shift();
      this.#byId.delete(`${own} ${id}`);
    }
  }
}

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
    session.addEventListener('online', ({ detail }) => this.#online(detail.resumed));
    session.addEventListener('stanza', ({ detail }) => this.#stanza(detail));
    session.addEventListener('acked', ({ detail }) => this.#acked(detail));
  }

  /** The conversation with this bare address, made if there is none; undefined when there are too many. */
  open(jid) {
    const known = this.conversations.get(jid);
    if (known) return known;
    if (this.conversations.size >= CONVERSATION_LIMIT) return undefined;
    const conversation = new Conversation(jid);
    this.conversations.set(jid, conversation);
    this.#introduce(jid);
    this.#emit('added', { conversation });
    return conversation;
  }

  send(conversation, written) {
    const text = sendable(written);
    if (!text.trim()) return;
    const message = { id: newId(), own: true, text, time: Date.now(), state: 'queued' };
    conversation.add(message);
    this.#endTyping();
    this.#emit('message', { conversation, message });
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

  read(conversation) {
    if (!conversation.unread) return;
    conversation.unread = 0;
    this.#emit('peer', { conversation });
  }

  /** What a reload of the page should bring back. */
  save() {
    return [...this.conversations.values()].map(({ jid, messages }) => ({
      jid,
      messages: messages.slice(-STORED_LIMIT),
    }));
  }

  /** Bring back what `save` gave; what the server never confirmed is sent again, with its id. */
  restore(saved) {
    for (const { jid, messages } of saved) {
      const conversation = this.open(jid);
      for (const message of messages) {
        conversation.add(message);
        this.#emit('message', { conversation, message });
        if (message.state === 'queued') this.#post(conversation, message);
      }
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
    this.#emit('cleared');
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  // --- Out

  #post(conversation, message) {
    const text = xml`<message xmlns='${NS.client}' to='${conversation.jid}' type='chat' id='${message.id}'><body>${message.text}</body><active xmlns='${NS.chatstates}'/><request xmlns='${NS.receipts}'/></message>`;
    if (this.#session.send({ id: message.id, text, keep: true })) return;
    this.#update(conversation, message, { state: 'failed', error: 'too many messages are waiting' });
  }

  #state(conversation, state) {
    // Nobody who is not there needs to know, least of all an offline store.
    if (!conversation.presence || conversation.presence === 'offline') return;
    const text = xml`<message xmlns='${NS.client}' to='${conversation.jid}' type='chat'><${state} xmlns='${NS.chatstates}'/><no-store xmlns='${NS.hints}'/></message>`;
    this.#session.send({ id: '', text, keep: false });
  }

  #endTyping(state) {
    if (!this.#typing) return;
    const { conversation, timer } = this.#typing;
    clearTimeout(timer);
    this.#typing = null;
    if (state) this.#state(conversation, state);
  }

  /** Tell this address, once in a session, that we are there (RFC 6121 section 4.6). */
  #introduce(jid) {
    if (!this.#session.online || this.#introduced.has(jid)) return;
    this.#introduced.add(jid);
    this.#session.send({ id: '', text: xml`<presence xmlns='${NS.client}' to='${jid}'/>`, keep: false });
  }

  #online(resumed) {
    if (resumed) return;
    this.#introduced.clear();
    this.#session.send({ id: '', text: xml`<presence xmlns='${NS.client}'/>`, keep: false });
    for (const conversation of this.conversations.values()) {
      conversation.resources.clear();
      conversation.heard = false;
      conversation.typing = false;
      this.#emit('peer', { conversation });
      this.#introduce(conversation.jid);
    }
  }

  #acked(ids) {
    for (const conversation of this.conversations.values()) {
      for (const id of ids) {
        const message = conversation.find(true, id);
        if (message?.state === 'queued') this.#update(conversation, message, { state: 'acked' });
      }
    }
  }

  #update(conversation, message, change) {
    Object.assign(message, change);
    this.#emit('update', { conversation, message });
  }

  // --- In

  #stanza(stanza) {
    const from = stanza.getAttribute('from') ?? bare(this.#session.jid);
    if (stanza.localName === 'iq') this.#iq(stanza);
    else if (stanza.localName === 'presence') this.#presence(stanza, from);
    else if (stanza.getAttribute('type') === 'error') this.#bounced(stanza, from);
    else if (stanza.getAttribute('type') !== 'groupchat') this.#message(stanza, from);
  }

  #message(stanza, from) {
    const body = child(stanza, 'body');
    const received = child(stanza, 'received', NS.receipts);
    // Only what somebody wrote opens a conversation.
    const conversation = body && from.includes('@') ? this.open(bare(from)) : this.conversations.get(bare(from));
    if (!conversation) return;
    if (received) this.#delivered(conversation, received.getAttribute('id'));
    const state = [...stanza.children].find((node) => node.namespaceURI === NS.chatstates)?.localName;
    const stamp = Date.parse(child(stanza, 'delay', NS.delay)?.getAttribute('stamp') ?? '');
    const delayed = !Number.isNaN(stamp);
    // Who typed a while ago does not type now.
    if (state || body) this.#theyType(conversation, state === 'composing' && !delayed);
    if (!body) return;
    const id = stanza.getAttribute('id') || newId();
    if (child(stanza, 'request', NS.receipts) && stanza.getAttribute('id')) this.#receipt(from, id);
    if (conversation.find(false, id)) {
      this.repeats += 1;
      this.#emit('peer', { conversation });
      return;
    }
    const time = delayed ? stamp : Date.now();
    const message = { id, own: false, text: body.textContent, time, delayed };
    conversation.add(message);
    conversation.unread += 1;
    this.#emit('message', { conversation, message });
  }

  #receipt(to, id) {
    const text = xml`<message xmlns='${NS.client}' to='${to}' type='chat' id='${newId()}'><received xmlns='${NS.receipts}' id='${id}'/></message>`;
    this.#session.send({ id: '', text, keep: true });
  }

  #delivered(conversation, id) {
    const message = conversation.find(true, id);
    if (message && message.state !== 'delivered') this.#update(conversation, message, { state: 'delivered' });
  }

  #bounced(stanza, from) {
    const conversation = this.conversations.get(bare(from));
    const message = conversation?.find(true, stanza.getAttribute('id'));
    if (!message || message.state === 'delivered') return;
    const error = child(stanza, 'error');
    const { name, text } = error ? condition(error, NS.stanzas) : { name: '', text: '' };
    this.#update(conversation, message, { state: 'failed', error: ERROR_WORDS[name] ?? (text || name) });
  }

  #theyType(conversation, typing) {
    clearTimeout(this.#doubts.get(conversation));
    if (typing) {
      this.#doubts.set(conversation, setTimeout(() => this.#theyType(conversation, false), TYPING_LIMIT));
    }
    if (conversation.typing === typing) return;
    conversation.typing = typing;
    this.#emit('peer', { conversation });
  }

  #presence(stanza, from) {
    const conversation = this.conversations.get(bare(from));
    if (!conversation || bare(from) === bare(this.#session.jid)) return;
    const type = stanza.getAttribute('type');
    if (type === 'unavailable') {
      conversation.heard = true;
      conversation.resources.delete(from);
      this.#introduced.delete(from);
      if (!conversation.resources.size) this.#theyType(conversation, false);
    } else if (!type) {
      const show = child(stanza, 'show')?.textContent;
      conversation.heard = true;
      if (conversation.resources.size >= RESOURCE_LIMIT && !conversation.resources.has(from)) return;
      conversation.resources.set(from, ['away', 'xa', 'dnd'].includes(show) ? show : 'online');
      this.#introduce(from);
    }
    this.#emit('peer', { conversation });
  }

  /** Every request gets exactly one answer. */
  #iq(stanza) {
    const type = stanza.getAttribute('type');
    if (type !== 'get' && type !== 'set') return;
    const id = stanza.getAttribute('id') ?? '';
    const from = stanza.getAttribute('from');
    const to = from && xml` to='${from}'`;
    let text;
    if (type === 'get' && child(stanza, 'ping', NS.ping)) {
      text = xml`<iq xmlns='${NS.client}' type='result' id='${id}'${to}/>`;
    } else if (type === 'get' && child(stanza, 'query', NS.discoInfo)) {
      const features = [NS.chatstates, NS.discoInfo, NS.ping, NS.receipts].map((v) => xml`<feature var='${v}'/>`);
      text = xml`<iq xmlns='${NS.client}' type='result' id='${id}'${to}><query xmlns='${NS.discoInfo}'><identity category='client' type='web' name='Andiron'/>${features}</query></iq>`;
    } else {
      text = xml`<iq xmlns='${NS.client}' type='error' id='${id}'${to}><error type='cancel'><service-unavailable xmlns='${NS.stanzas}'/></error></iq>`;
    }
    this.#session.send({ id: '', text, keep: false });
  }
}
