/** `<andiron-chat>`: how session, conversations and screen come together. docs/widget.md says how it is used. */

import { addressOf } from './addresses.js';
import { Archive } from './archive.js';
import { Banner } from './banner.js';
import { Chat } from './chat.js';
import { Composer } from './composer.js';
import { h } from './dom.js';
import { Gate } from './gate.js';
import { Names } from './names.js';
import { People } from './people.js';
import { whoSignsIn } from './person.js';
import { Requests } from './requests.js';
import { Rooms } from './rooms.js';
import { Roster } from './roster.js';
import { Session } from './session.js';
import { Store } from './store.js';
import { template } from './template.js';
import { Thread } from './thread.js';
import { Tokens } from './tokens.js';
import { isPrivate, waysTo } from './ways.js';
import { wordsOf } from './words.js';

const BASE = new URL('./', import.meta.url);
const STYLE = new URL('widget.css', BASE).href;
const RANDOM = /^[0-9a-f]{32}$/; // what the server calls a guest

/**
 * Make `<andiron-chat>` known. `domain` is the server's, `rooms` where its rooms are, empty where
 * there are none, `upload` whether it takes files.
 */
export function define({ domain, rooms: roomsHost, upload: takesFiles }) {
  class AndironChat extends HTMLElement {
    static observedAttributes = ['room', 'with', 'token'];
    /** The stream, for a page that shows it. */
    session;
    #say;
    #root = this.attachShadow({ mode: 'open' });
    #chat;
    #requests;
    #roster;
    #names;
    #rooms;
    #archive;
    #banner;
    #gate;
    #people;
    #thread;
    #composer;
    #store;
    #kept = null;
    #password = null;
    #getToken = null;
    #begun = false;
    #wasOnline = false;
    #tokens = new Tokens();
    #unread = 0;
    #abort = null;

    // --- What a page may use

    /** An async function that returns a token to sign in with. */
    get getToken() {
      return this.#getToken;
    }

    set getToken(getToken) {
      this.#getToken = getToken;
      this.start();
    }

    /** How many messages nobody has looked at. */
    get unread() {
      return this.#unread;
    }

    /** Sign in by name and password, where `sign-in="password"`. */
    signIn({ name, password }) {
      this.signOut();
      this.#password = { name, password };
      this.#begin();
    }

    /** Messages that came once more though they were here, for a page that shows the stream. */
    get repeats() {
      return this.#chat.repeats;
    }

    /** Sign in again, after somebody has signed in to the site without a new page. */
    start() {
      if (!this.#begun) this.#begin();
    }

    signOut() {
      this.#leave();
      this.#showGate();
    }

    /** Show the conversation with a person of this name, or of this address; also before the sign-in. */
    open(name, { select = true } = {}) {
      const jid = addressOf(name, domain);
      const conversation = jid && this.#chat.open(jid);
      if (!conversation) return;
      this.#chat.greet(conversation);
      if (select) this.#select(conversation);
    }

    /** Enter a room of this name, or of this address, and show it. */
    join(name) {
      const jid = roomsHost && addressOf(name, roomsHost);
      const conversation = jid && this.session.online && this.#rooms.join(jid, this.#nick);
      if (conversation) this.#select(conversation);
    }

    focus() {
      this.#composer.focus();
    }

    // --- The element's life

    connectedCallback() {
      if (!this.#say) this.#build();
      this.#abort = new AbortController();
      const { signal } = this.#abort;
      const wake = () => this.session.wake();
      addEventListener('online', wake, { signal });
      // A page that is kept for the way back lets its session go to the next, and takes it up then.
      addEventListener('pagehide', () => this.#suspend(), { signal });
      addEventListener('pageshow', (event) => event.persisted && this.#begin(), { signal });
      document.addEventListener('visibilitychange', () => {
        if (document.visibilityState !== 'visible') return;
        wake();
        this.#thread.seen();
      }, { signal });
      this.#begin();
    }

    disconnectedCallback() {
      this.#abort.abort();
      this.#suspend();
    }

    attributeChangedCallback(name, _old, value) {
      if (!this.#say || !this.isConnected) return;
      if (name !== 'token') this.#pin();
      else if (value) this.start();
    }

    #build() {
      const language = this.closest('[lang]')?.lang || document.documentElement.lang;
      const say = wordsOf(language, ...navigator.languages);
      this.#say = say;
      // A page may have set it before this module was there.
      if (Object.hasOwn(this, 'getToken')) {
        this.#getToken = this.getToken;
        delete this.getToken;
      }
      const style = h('link', { rel: 'stylesheet', href: STYLE });
      const shown = h('div', { class: 'all', lang: say.language, hidden: true }, ...template(say));
      for (const event of ['load', 'error']) style.addEventListener(event, () => (shown.hidden = false));
      this.#root.append(style, shown);
      const pinned = this.getAttribute('room') ?? this.getAttribute('with') ?? '';
      this.#store = new Store([BASE.pathname, pinned].join(':'));
      const ways = waysTo(BASE, domain);
      const way = () => ways[this.getAttribute('transport')] ?? ways.automatic;
      this.session = new Session((handlers) => way()(handlers), isPrivate(BASE));
      this.#chat = new Chat(this.session);
      this.#requests = new Requests(this.session);
      this.#roster = new Roster(this.session, this.#requests, this.#chat);
      this.#names = new Names(this.session, this.#requests, this.#chat);
      this.#rooms = new Rooms(this.session, this.#requests, this.#chat);
      this.#archive = new Archive(this.session, this.#requests, this.#chat);
      this.#banner = new Banner(this.#root);
      this.#gate = new Gate(this.#root, say, domain, (person) => this.signIn(person));
      this.#people = new People(this.#root, say, this.#chat, this.#roster, this.#names, (conversation) => {
        this.#select(conversation);
        this.focus();
      });
      this.#thread = new Thread(this.#root, say, this.#chat, this.#archive, new URL('upload/', BASE).href);
      this.#composer = new Composer(this.#root, say, this.#chat, this.#requests, domain);
      this.#part('add-room').hidden = !roomsHost;
      this.#part('attach').hidden = !takesFiles;
      this.#listen();
    }

    #part(id) {
      return this.#root.getElementById(id);
    }

    #listen() {
      this.session.addEventListener('state', () => this.#showState());
      this.session.addEventListener('online', ({ detail }) => void this.#online(detail.resumed));
      this.#chat.addEventListener('added', ({ detail }) => this.#thread.current ?? this.#preselect(detail.conversation));
      this.#chat.addEventListener('peer', () => this.#count());
      this.#chat.addEventListener('message', ({ detail }) => this.#came(detail));
      this.#chat.addEventListener('named', ({ detail }) => detail.jid === this.#chat.own && this.#showSelf());
      this.#chat.addEventListener('cleared', () => this.#count());
      this.#chat.addEventListener('removed', () => {
        this.#count();
        this.#show(false);
      });
      this.#part('sign-out').addEventListener('click', () => this.signOut());
      this.#part('open-people').addEventListener('click', () => this.#back());
      this.#part('leave').addEventListener('click', () => this.#rooms.leave(this.#thread.current));
      this.#part('befriend').addEventListener('click', () => {
        this.#roster.add(this.#thread.current.jid);
        this.focus();
      });
      this.#part('add').addEventListener('submit', (event) => {
        event.preventDefault();
        this.#add(event.submitter?.id === 'add-room');
      });
      this.#root.addEventListener('keydown', (event) => event.key === 'Escape' && this.#back());
    }

    // --- Signing in and out

    #begin() {
      if (!this.isConnected || !this.#say) return;
      this.#kept ??= this.#store.take();
      this.#password ??= this.#kept?.password ?? null;
      const account = whoSignsIn(this, this.#password);
      this.#part('sign-out').hidden = this.getAttribute('sign-in') !== 'password';
      if (!account) {
        this.#showGate();
        return;
      }
      this.#begun = true;
      this.#gate.hide();
      this.#pin();
      if (this.#kept) this.session.restore(this.#kept.session);
      this.session.signIn(account.getToken ? { getToken: () => this.#tokens.ask(() => this.#getToken()) } : account);
    }

    #suspend() {
      if (!this.#begun) return;
      const kept = {
        own: this.#chat.own,
        session: this.session.suspend(),
        conversations: this.#wasOnline ? this.#chat.save() : (this.#kept?.conversations ?? []),
        shown: this.#thread.current?.jid ?? this.#kept?.shown ?? '',
        reading: this.#part('app').classList.contains('reading'),
        newest: this.#archive.newest || (this.#kept?.newest ?? ''),
        asking: this.#wasOnline ? [...this.#roster.asking] : (this.#kept?.asking ?? []),
        password: this.#password,
      };
      this.#store.keep(kept);
      this.#forget();
    }

    #leave() {
      this.#store.take();
      this.#password = null;
      this.session.signOut();
      this.#forget();
    }

    #forget() {
      this.#tokens.stop();
      this.#begun = false;
      this.#wasOnline = false;
      this.#kept = null;
      this.#requests.clear();
      this.#chat.clear();
      this.#people.select(null);
      this.#composer.select(null);
    }

    #showGate() {
      if (this.getAttribute('sign-in') === 'password') this.#gate.ask();
      else this.#gate.tell(this.#say('stranger'), { stranger: true });
    }

    async #online(resumed) {
      const kept = this.#kept;
      this.#kept = null;
      this.#wasOnline = true;
      if (kept && kept.own === this.#chat.own) {
        this.#archive.newest = kept.newest;
        this.#chat.restore(kept.conversations, resumed);
        if (resumed) this.#roster.restore(kept.asking);
        const shown = this.#chat.conversations.get(kept.shown);
        if (shown && !this.#pinned) {
          this.#preselect(shown);
          this.#show(kept.reading);
        }
      }
      if (!resumed) this.#rooms.enterAll();
      const { jid } = this.session;
      this.#showSelf();
      this.#part('self-name').title = jid;
      this.#pin();
      this.#tokens.renewLater(() => this.session.move());
      if (resumed && !kept) return;
      const both = [this.#roster.load(), resumed ? null : this.#archive.catchUp()];
      await Promise.allSettled(both);
    }

    #showSelf() {
      this.#part('self-name').textContent = this.#readable(this.#names.of(this.#chat.own));
    }

    /** A name of ours; to a guest's nobody could put a face. */
    #readable(name) {
      const isGuest = this.getAttribute('sign-in') === 'guest' && RANDOM.test(name);
      return isGuest ? `${this.#say('guest')} ${name.slice(0, 4)}` : name;
    }

    // --- What the stream's state means

    #showState() {
      const say = this.#say;
      const { name, reason, words, condition } = this.session.status;
      if (this.dataset.stream !== name) {
        this.dataset.stream = name;
        this.#tell('andiron-state', { state: name, reason: reason ?? '', address: this.#chat.own });
      }
      const settled = ['online', 'waiting', 'offline'].includes(name);
      if (settled) this.#banner.settle();
      if (name === 'online') {
        this.#banner.show('');
      } else if (name === 'waiting') {
        this.#banner.show(say(this.#wasOnline ? 'lost' : 'noAnswer'), say('tryNow'), () => this.session.wake());
      } else if (!settled) {
        if (!this.#wasOnline) this.#banner.showLater(say('connecting'));
      } else if (reason === 'replaced') {
        this.#banner.show(say('elsewhere'), say('here'), () => this.session.start());
      } else if (reason === 'refused') {
        this.#banner.show(words, say('tryAgain'), () => this.session.start());
      } else if (reason === 'ended' && this.#begun) {
        this.#ended();
      } else if (reason === 'auth' && this.#begun) {
        this.#refused(condition);
      }
    }

    /** The site has ended the session; where only a token has expired, another may begin. */
    #ended() {
      if (this.#tokens.expired) {
        queueMicrotask(() => this.session.start());
        return;
      }
      const { name } = this.#password ?? {};
      this.#leave();
      if (name === undefined) this.#gate.tell(this.#say('ended'), { stranger: true });
      else this.#gate.ask(this.#say('ended'), name);
    }

    #refused(condition) {
      const { name } = this.#password ?? {};
      const stranger = name === undefined && ['no-mechanism', 'no-token', 'not-authorized'].includes(condition);
      this.#leave();
      if (name !== undefined) this.#gate.ask(this.#gate.words(condition), name);
      else if (stranger) this.#gate.tell(this.#say('stranger'), { stranger });
      else this.#gate.tell(this.#gate.words(condition), { action: this.#say('tryAgain'), act: () => this.#begin() });
    }

    // --- Conversations

    get #nick() {
      return this.getAttribute('nick') || this.#readable(this.#chat.own.split('@')[0]);
    }

    get #pinned() {
      return this.getAttribute('room') ?? this.getAttribute('with');
    }

    /** Show the one room, or person, that the page wants, and nothing beside it. */
    #pin() {
      this.#part('app').classList.toggle('pinned', Boolean(this.#pinned));
      const room = this.getAttribute('room');
      if (room) this.join(room);
      else if (this.hasAttribute('with')) this.open(this.getAttribute('with'));
    }

    /** Where there is room for both, list and conversation, some conversation is shown. */
    #preselect(conversation) {
      if (!this.#pinned) this.#choose(conversation);
    }

    #select(conversation) {
      this.#choose(conversation);
      this.#show(true);
    }

    #choose(conversation) {
      this.#thread.select(conversation);
      this.#people.select(conversation);
      this.#composer.select(conversation);
    }

    /** In a narrow place, show the conversation or the list. */
    #show(conversation) {
      this.#part('app').classList.toggle('reading', conversation || Boolean(this.#pinned));
      if (conversation) this.#thread.seen();
    }

    #back() {
      if (!this.#part('occupants').hidden) {
        this.#part('open-occupants').click();
        this.#part('open-occupants').focus();
        return;
      }
      if (this.#pinned || !this.#part('open-people').getClientRects().length) return;
      this.#show(false);
      this.#people.focus();
    }

    #add(wantsRoom) {
      const typed = this.#part('add-name').value;
      const jid = addressOf(typed, wantsRoom ? roomsHost : domain);
      const isRoom = wantsRoom || Boolean(roomsHost) && jid.endsWith(`@${roomsHost}`);
      let error = '';
      let conversation;
      if (!jid) error = this.#say('notAName');
      else if (jid === this.#chat.own) error = this.#say('self');
      else conversation = isRoom ? this.#rooms.join(jid, this.#nick) : this.#chat.open(jid);
      if (!error && !conversation) error = this.#say('tooMany');
      this.#part('add-error').textContent = error;
      this.#part('add-error').hidden = !error;
      if (!conversation) return;
      if (!isRoom) {
        this.#chat.greet(conversation);
        if (!conversation.contact) this.#roster.add(jid);
      }
      this.#part('add-name').value = '';
      this.#select(conversation);
      this.focus();
    }

    // --- What the page is told

    #tell(event, detail) {
      this.dispatchEvent(new CustomEvent(event, { detail, bubbles: true }));
    }

    #count() {
      const { unread } = this.#chat;
      const elsewhere = [...this.#chat.conversations.values()].some((one) => one.unread && one !== this.#thread.current);
      this.#part('elsewhere').hidden = !elsewhere;
      if (unread === this.#unread) return;
      this.#unread = unread;
      this.#tell('andiron-unread', { unread });
    }

    #came({ conversation, message }) {
      this.#count();
      if (message.own) return;
      const { jid, isRoom } = conversation;
      this.#tell('andiron-message', { conversation: jid, room: isRoom, from: message.author || conversation.name, text: message.text });
    }
  }

  // Of two servers on one page the first has it.
  if (!customElements.get('andiron-chat')) customElements.define('andiron-chat', AndironChat);
}
