/** The conversations on the screen: list, messages, composer. */

import { autolink } from './links.js';

const WINDOW = 200; // messages in the document at first
const SLACK = 60; // how many more before the oldest leave it
const GROUP = 4 * 60_000; // ms within which messages of one side stand together
const NEAR_END = 80; // px

const SVG = 'http://www.w3.org/2000/svg';
const PRESENCE_WORDS = {
  online: 'online',
  away: 'away',
  xa: 'away for long',
  dnd: 'does not want to be disturbed',
  offline: 'offline',
};
const TICK_WORDS = { queued: 'Sending', acked: 'Sent', delivered: 'Delivered', failed: 'Not delivered' };

const byId = (id) => document.getElementById(id);
const clock = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' });
const day = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

export class View {
  #chat;
  #peers;
  #current = null;
  #rows = new Map(); // message → li
  #items = new Map(); // conversation → li
  #drafts = new Map();
  #limit = WINDOW;
  #last = null;
  #following = true; // the end is in sight, and is to stay so
  #missed = 0;
  #settling = 0;
  #size = '';

  /** `peers` are the demo's bare addresses; `opened(conversation)` is called when one is chosen. */
  constructor(chat, peers) {
    this.#chat = chat;
    this.#peers = peers;
    chat.addEventListener('added', ({ detail }) => this.#added(detail.conversation));
    chat.addEventListener('message', ({ detail }) => this.#message(detail));
    chat.addEventListener('update', ({ detail }) => this.#update(detail.message));
    chat.addEventListener('peer', ({ detail }) => this.#peer(detail.conversation));
    chat.addEventListener('cleared', () => this.#cleared());
    this.#listen();
    this.#showEmpty();
  }

  /** Show this conversation. */
  select(conversation) {
    const text = byId('text');
    if (this.#current) this.#drafts.set(this.#current, text.value);
    this.#current = conversation;
    text.value = this.#drafts.get(conversation) ?? '';
    this.#grow();
    for (const [other, item] of this.#items) {
      item.firstElementChild.setAttribute('aria-current', other === conversation);
    }
    this.#limit = WINDOW;
    this.#redraw();
    this.#toEnd();
    this.#peer(conversation);
    this.#markRead();
    byId('composer').hidden = false;
  }

  /** Put the cursor where one writes; not on a phone, where that opens the keyboard. */
  focus() {
    if (matchMedia('(hover: hover)').matches) byId('text').focus();
  }

  #listen() {
    const text = byId('text');
    text.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#send();
    });
    text.addEventListener('input', () => {
      this.#grow();
      if (this.#current) this.#chat.typing(this.#current, text.value.trim() !== '');
    });
    byId('composer').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#send();
      text.focus();
    });
    byId('scroller').addEventListener('scroll', () => this.#scrolled(), { passive: true });
    byId('to-end').addEventListener('click', () => this.#toEnd());
    byId('earlier').addEventListener('click', () => this.#earlier());
    document.addEventListener('visibilitychange', () => this.#markRead());
    // The keyboard of a phone takes room from the list: stay at its end.
    new ResizeObserver(() => this.#following && this.#toEnd()).observe(byId('scroller'));
  }

  #send() {
    const text = byId('text');
    const value = text.value.trim();
    if (!value || !this.#current) return;
    text.value = '';
    this.#grow();
    this.#chat.send(this.#current, value);
  }

  #grow() {
    const text = byId('text');
    text.style.height = 'auto';
    text.style.height = `${text.scrollHeight + text.offsetHeight - text.clientHeight}px`;
  }

  // --- Conversations

  #added(conversation) {
    const item = byId('conversation-template').content.cloneNode(true).firstElementChild;
    item.firstElementChild.addEventListener('click', () => {
      this.select(conversation);
      item.dispatchEvent(new CustomEvent('chosen', { bubbles: true }));
    });
    const avatar = item.querySelector('.avatar');
    avatar.textContent = [...conversation.name][0].toUpperCase();
    avatar.dataset.hue = [...conversation.jid].reduce((sum, c) => sum + c.codePointAt(0), 0) % 6;
    item.querySelector('.conversation-name').textContent = conversation.name;
    item.firstElementChild.title = conversation.jid;
    this.#items.set(conversation, item);
    byId('conversations').append(item);
    this.#peer(conversation);
  }

  #peer(conversation) {
    const item = this.#items.get(conversation);
    if (!item) return;
    const last = conversation.messages.at(-1);
    item.dataset.presence = conversation.presence ?? '';
    item.querySelector('.conversation-last').textContent = conversation.typing
      ? 'is typing…'
      : (last && `${last.own ? 'You: ' : ''}${last.text}`) || conversation.domain;
    const badge = item.querySelector('.badge');
    badge.hidden = !conversation.unread;
    badge.textContent = conversation.unread > 99 ? '99+' : conversation.unread;
    badge.setAttribute('aria-label', `${conversation.unread} unread`);
    this.#unread();
    if (conversation !== this.#current) return;
    this.#showEmpty();
    byId('peer-name').textContent = conversation.name;
    byId('peer-state').textContent = PRESENCE_WORDS[conversation.presence] ?? conversation.jid;
    byId('typing').textContent = conversation.typing ? `${conversation.name} is typing…` : '';
  }

  #cleared() {
    this.#current = null;
    this.#last = null;
    this.#rows.clear();
    this.#items.clear();
    this.#drafts.clear();
    for (const id of ['conversations', 'messages', 'peer-state', 'typing']) byId(id).replaceChildren();
    byId('peer-name').textContent = 'Andiron';
    byId('text').value = '';
    this.#unread();
    this.#showEmpty();
  }

  #unread() {
    const all = [...this.#chat.conversations.values()];
    const total = all.reduce((sum, { unread }) => sum + unread, 0);
    document.title = total ? `(${total}) Andiron` : 'Andiron';
    byId('elsewhere').hidden = !all.some((one) => one.unread && one !== this.#current);
  }

  #markRead() {
    if (this.#current && document.visibilityState === 'visible' && this.#following) {
      this.#chat.read(this.#current);
    }
  }

  // --- Messages

  #message({ conversation, message }) {
    this.#peer(conversation);
    if (conversation !== this.#current) return;
    const follow = this.#following || message.own;
    this.#append(message);
    if (follow) {
      this.#trim();
      this.#following = true;
      this.#markRead();
      // Measuring after each of many messages would lay the page out as often.
      this.#settling ||= requestAnimationFrame(() => this.#toEnd());
    } else {
      this.#missed += 1;
      this.#showMissed();
    }
  }

  #redraw() {
    const { messages } = this.#current;
    byId('messages').replaceChildren();
    this.#rows.clear();
    this.#last = null;
    for (const message of messages.slice(-this.#limit)) this.#append(message);
    byId('earlier').hidden = messages.length <= this.#limit;
    this.#showEmpty();
  }

  #append(message) {
    const list = byId('messages');
    const last = this.#last;
    if (!last || !sameDay(last.time, message.time)) list.append(dayRow(message.time));
    else if (last.own === message.own && Math.abs(message.time - last.time) < GROUP) {
      this.#rows.get(last)?.classList.add('continued');
    }
    const row = messageRow(message, this.#current.name);
    this.#rows.set(message, row);
    this.#last = message;
    list.append(row);
  }

  #trim() {
    if (this.#rows.size <= this.#limit + SLACK) return;
    const list = byId('messages');
    for (const message of this.#rows.keys()) {
      if (this.#rows.size <= WINDOW) break;
      while (list.firstElementChild !== this.#rows.get(message)) list.firstElementChild.remove();
      list.firstElementChild.remove();
      this.#rows.delete(message);
    }
    this.#limit = WINDOW;
    byId('earlier').hidden = false;
  }

  #earlier() {
    const scroller = byId('scroller');
    const fromEnd = scroller.scrollHeight - scroller.scrollTop;
    this.#limit += WINDOW;
    this.#redraw();
    scroller.scrollTop = scroller.scrollHeight - fromEnd;
    scroller.focus();
  }

  #update(message) {
    const row = this.#rows.get(message);
    if (row) fillState(row, message);
  }

  #showEmpty() {
    const conversation = this.#current;
    byId('empty').hidden = Boolean(conversation?.messages.length);
    byId('composer').hidden = !conversation;
    if (conversation) {
      byId('empty-text').textContent = `Say hello to ${conversation.name}.`;
      const absent = this.#peers.includes(conversation.jid) && conversation.presence !== 'online';
      byId('empty-hint').textContent = absent
        ? `Open the other link in a second window to be ${conversation.name}.`
        : '';
    } else {
      byId('empty-text').textContent = 'Nobody is here yet.';
      byId('empty-hint').textContent = 'Add a person to begin a conversation.';
    }
  }

  // --- Scrolling

  #atEnd() {
    const scroller = byId('scroller');
    return scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_END;
  }

  #scrolled() {
    // A list that grew, or a window that shrank, scrolls too: only a person leaves the end.
    const resized = this.#measured();
    if (this.#following && resized) {
      this.#toEnd();
      return;
    }
    this.#following = this.#atEnd();
    if (this.#following) this.#caughtUp();
    else this.#showMissed();
  }

  /** Whether the list or its window has another size than when this was asked last. */
  #measured() {
    const { clientWidth, clientHeight, scrollHeight } = byId('scroller');
    const size = `${clientWidth} ${clientHeight} ${scrollHeight}`;
    const resized = size !== this.#size;
    this.#size = size;
    return resized;
  }

  #toEnd() {
    cancelAnimationFrame(this.#settling);
    this.#settling = 0;
    const scroller = byId('scroller');
    scroller.scrollTop = scroller.scrollHeight;
    this.#following = true;
    this.#measured();
    this.#caughtUp();
  }

  #caughtUp() {
    this.#missed = 0;
    this.#showMissed();
    this.#markRead();
  }

  #showMissed() {
    byId('to-end').hidden = this.#following;
    byId('to-end-text').textContent = this.#missed ? `${this.#missed} new` : 'Latest';
  }
}

function sameDay(one, other) {
  return new Date(one).toDateString() === new Date(other).toDateString();
}

function dayRow(time) {
  const row = document.createElement('li');
  row.className = 'day';
  row.textContent = sameDay(time, Date.now()) ? 'Today' : day.format(time);
  return row;
}

function messageRow(message, name) {
  const row = byId('message-template').content.cloneNode(true).firstElementChild;
  row.classList.add(message.own ? 'own' : 'other');
  row.querySelector('.author').textContent = message.own ? 'You: ' : `${name}: `;
  row.querySelector('.body').append(...autolink(message.text));
  const time = row.querySelector('time');
  time.dateTime = new Date(message.time).toISOString();
  time.textContent = clock.format(message.time);
  time.title = full.format(message.time);
  row.querySelector('.late').textContent = message.delayed ? 'delayed · ' : '';
  row.dataset.id = message.id;
  if (message.own) fillState(row, message);
  else row.querySelector('.tick').remove();
  return row;
}

function fillState(row, { state, error }) {
  row.dataset.state = state;
  row.querySelector('.tick use').setAttribute('href', `#${state}`);
  row.querySelector('.tick title').textContent = TICK_WORDS[state];
  const problem = row.querySelector('.problem');
  problem.hidden = state !== 'failed';
  problem.textContent = state === 'failed' ? `Not delivered: ${error}.` : '';
}
