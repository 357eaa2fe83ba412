/** The list of conversations, and of those who ask to be in it. */

import { h } from './dom.js';
import { fileName } from './files.js';

const HUES = 6;

export class People {
  #root;
  #say;
  #chat;
  #roster;
  #names;
  #items = new Map(); // conversation → li
  #current = null;
  #choose;
  #sorting = 0;

  /** `choose(conversation)` is called when somebody wants to see one. */
  constructor(root, say, chat, roster, names, choose) {
    this.#root = root;
    this.#say = say;
    this.#chat = chat;
    this.#roster = roster;
    this.#names = names;
    this.#choose = choose;
    chat.addEventListener('added', ({ detail }) => this.#added(detail.conversation));
    chat.addEventListener('removed', ({ detail }) => this.#removed(detail.conversation));
    for (const type of ['message', 'past']) {
      chat.addEventListener(type, ({ detail }) => {
        this.#show(detail.conversation);
        this.#sort();
      });
    }
    chat.addEventListener('peer', ({ detail }) => this.#show(detail.conversation));
    chat.addEventListener('asked', () => this.#showAsking());
    chat.addEventListener('named', ({ detail }) => roster.asking.has(detail.jid) && this.#showAsking());
    chat.addEventListener('cleared', () => {
      this.#items.clear();
      this.#list.replaceChildren();
    });
    this.#list.addEventListener('keydown', (event) => this.#move(event));
  }

  /** Mark the one that is shown. */
  select(conversation) {
    this.#current = conversation;
    for (const [other, item] of this.#items) {
      item.firstElementChild.setAttribute('aria-current', String(other === conversation));
    }
  }

  focus() {
    (this.#items.get(this.#current) ?? this.#list.firstElementChild)?.firstElementChild.focus();
  }

  /** Our own domain, of which nobody needs to be told. */
  get #home() {
    return this.#chat.own.split('@')[1];
  }

  get #list() {
    return this.#root.getElementById('conversations');
  }

  #added(conversation) {
    const avatar = h('span', { class: 'avatar', 'aria-hidden': 'true', 'data-hue': String(hue(conversation.jid)) });
    const button = h('button', { type: 'button', class: 'conversation', title: conversation.jid, 'aria-current': 'false' },
      avatar,
      h('span', { class: 'conversation-text' },
        h('span', { class: 'conversation-name' }),
        h('span', { class: 'visually-hidden presence-word' }),
        h('span', { class: 'conversation-last' })),
      h('span', { class: 'badge', hidden: true }));
    button.addEventListener('click', () => this.#choose(conversation));
    const item = h('li', {}, button);
    this.#items.set(conversation, item);
    this.#list.append(item);
    this.#show(conversation);
    this.#sort();
  }

  #removed(conversation) {
    this.#items.get(conversation)?.remove();
    this.#items.delete(conversation);
  }

  #show(conversation) {
    const item = this.#items.get(conversation);
    if (!item) return;
    const say = this.#say;
    const { name, presence, typing, unread, isRoom } = conversation;
    const part = (selector) => item.querySelector(selector);
    item.dataset.presence = isRoom ? '' : (presence ?? '');
    part('.avatar').textContent = isRoom ? '#' : [...name][0]?.toUpperCase();
    part('.conversation-name').textContent = name;
    part('.presence-word').textContent = isRoom ? say('room') : presence && say(`presence.${presence}`);
    part('.conversation-last').textContent = typing
      ? say('typing', { name: typing })
      : (lastWords(conversation, say) ?? (conversation.domain === this.#home ? '' : conversation.domain));
    const badge = part('.badge');
    badge.hidden = !unread;
    badge.textContent = unread > 99 ? '99+' : unread;
    badge.setAttribute('aria-label', say('unread', { count: unread }));
    badge.setAttribute('role', 'img');
  }

  // Who spoke last comes first, then by name.
  #sort() {
    this.#sorting ||= requestAnimationFrame(() => {
      this.#sorting = 0;
      const sorted = [...this.#items].sort(([one], [other]) => latest(other) - latest(one) || one.name.localeCompare(other.name));
      const focused = this.#root.activeElement;
      sorted.forEach(([, item], at) => {
        if (this.#list.children[at] !== item) this.#list.insertBefore(item, this.#list.children[at] ?? null);
      });
      if (this.#list.contains(focused)) focused.focus();
    });
  }

  /** The arrows go from one to the next. */
  #move(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const buttons = [...this.#list.querySelectorAll('button')];
    const next = buttons[buttons.indexOf(this.#root.activeElement) + step];
    if (!next) return;
    event.preventDefault();
    next.focus();
  }

  #showAsking() {
    const list = this.#root.getElementById('asking');
    const say = this.#say;
    const items = [...this.#roster.asking].map((jid) => {
      const allow = h('button', { type: 'button', class: 'primary' }, say('allow'));
      const refuse = h('button', { type: 'button', class: 'quiet' }, say('refuse'));
      allow.addEventListener('click', () => {
        this.#roster.add(jid);
        this.#chat.open(jid);
      });
      refuse.addEventListener('click', () => this.#roster.refuse(jid));
      // Anybody may call himself as somebody else is called.
      const name = this.#names.of(jid);
      const who = jid.startsWith(`${name}@`) ? name : `${name} (${jid})`;
      return h('li', { title: jid }, h('p', {}, say('asks', { name: who })), allow, refuse);
    });
    list.hidden = !items.length;
    list.replaceChildren(...items);
  }
}

function latest({ messages }) {
  return messages.at(-1)?.time ?? 0;
}

function hue(jid) {
  return [...jid].reduce((sum, character) => sum + character.codePointAt(0), 0) % HUES;
}

/** Who said what last; undefined where a person has said nothing. */
function lastWords({ messages, isRoom, subject }, say) {
  const last = messages.at(-1);
  if (!last) return isRoom ? subject || say('room') : undefined;
  const text = last.file ? fileName(last.file) : last.text;
  if (last.own) return `${say('you')}${text}`;
  return last.author ? `${last.author}: ${text}` : text;
}
