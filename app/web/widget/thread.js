/** The conversation that is shown: its messages, who it is with, and scrolling. */

import { h } from './dom.js';
import { Rows, sameDay } from './rows.js';

const WINDOW = 200; // messages in the document at first
const SLACK = 60; // how many more before the oldest leave it
const GROUP = 4 * 60_000; // ms within which messages of one side stand together
const NEAR_END = 80; // px
const NEAR_BEGINNING = 40; // px

export class Thread {
  /** The conversation that is shown, or null. */
  current = null;
  #root;
  #say;
  #chat;
  #archive;
  #rowsOf;
  #rows = new Map(); // message → li
  #limit = WINDOW;
  #last = null;
  #following = true; // the end is in sight, and is to stay so
  #missed = 0;
  #settling = 0;
  #redrawing = 0;
  #size = '';

  constructor(root, say, chat, archive, uploads) {
    this.#root = root;
    this.#say = say;
    this.#chat = chat;
    this.#archive = archive;
    this.#rowsOf = new Rows(say, uploads);
    chat.addEventListener('message', ({ detail }) => detail.conversation === this.current && this.#message(detail.message));
    chat.addEventListener('past', ({ detail }) => detail.conversation === this.current && this.#redrawSoon());
    chat.addEventListener('update', ({ detail }) => this.#update(detail.message));
    chat.addEventListener('peer', ({ detail }) => detail.conversation === this.current && this.#showPeer());
    chat.addEventListener('removed', ({ detail }) => detail.conversation === this.current && this.select(null));
    chat.addEventListener('cleared', () => this.select(null));
    this.#listen();
    this.#showPeer();
  }

  /** Show this conversation, or none. */
  select(conversation) {
    this.current = conversation;
    this.#limit = WINDOW;
    this.#redraw();
    this.#toEnd();
    this.#showPeer();
    this.#showOccupants(false);
    this.#markRead();
    if (conversation && conversation.cursor === null) void this.#archive.older(conversation).catch(() => {});
  }

  /** The page, or the component, came into sight. */
  seen() {
    this.#markRead();
  }

  #part(id) {
    return this.#root.getElementById(id);
  }

  #listen() {
    const scroller = this.#part('scroller');
    scroller.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    this.#part('to-end').addEventListener('click', () => this.#toEnd());
    this.#part('earlier').addEventListener('click', () => this.#earlier());
    this.#part('open-occupants').addEventListener('click', () => this.#showOccupants(this.#part('occupants').hidden));
    // The keyboard of a phone takes room from the list, a picture takes it when it is there: stay at the end.
    const observer = new ResizeObserver(() => this.#following && this.#toEnd());
    observer.observe(scroller);
    observer.observe(this.#part('messages'));
  }

  // --- Who it is with

  #showPeer() {
    const { current } = this;
    const say = this.#say;
    this.#showEmpty();
    // With nobody there it is but the name of this part of the page.
    this.#part('peer-name').textContent = current?.name ?? say('chat');
    this.#part('peer-name').classList.toggle('visually-hidden', !current);
    this.#part('peer-state').textContent = current ? this.#peerState() : '';
    this.#part('typing').textContent = current?.typing ? say('typing', { name: current.typing }) : '';
    const isRoom = current?.isRoom ?? false;
    const people = this.#part('open-occupants');
    const label = say('occupants', { count: current?.resources.size ?? 0 });
    people.hidden = !isRoom;
    people.title = label;
    people.setAttribute('aria-label', label);
    this.#part('leave').hidden = !isRoom;
    this.#part('befriend').hidden = !current || isRoom || current.contact !== null;
    if (!this.#part('occupants').hidden) this.#showOccupants(true);
  }

  #peerState() {
    const { isRoom, refusal, subject, resources, presence, jid, contact, called } = this.current;
    const say = this.#say;
    if (refusal === 'gone') return say('room.gone');
    if (refusal) return say('room.refused', { reason: say.error(refusal) });
    if (isRoom) return subject || say('occupants', { count: resources.size });
    const state = presence ? say(`presence.${presence}`) : jid;
    // Anybody may call himself as somebody else is called: who is no contact is shown with the address.
    return presence && called && !contact ? `${jid} · ${state}` : state;
  }

  #showOccupants(shown) {
    const list = this.#part('occupants');
    list.hidden = !shown;
    this.#part('open-occupants').setAttribute('aria-expanded', String(shown));
    const names = shown ? [...this.current.resources.keys()].sort((one, other) => one.localeCompare(other)) : [];
    list.replaceChildren(...names.map((name) => h('li', {}, name)));
  }

  #showEmpty() {
    const { current } = this;
    const say = this.#say;
    this.#part('empty').hidden = Boolean(current?.messages.length);
    this.#part('composer').hidden = !current;
    this.#part('empty-text').textContent = !current
      ? say('nobody')
      : current.isRoom ? say('helloRoom') : say('hello', { name: current.name });
    this.#part('empty-hint').textContent = current ? '' : say('nobodyHint');
  }

  #markRead() {
    const host = this.#root.host;
    const visible = document.visibilityState === 'visible' && host.getClientRects().length > 0;
    const shown = this.#part('chat').getClientRects().length > 0;
    if (this.current && visible && shown && this.#following) this.#chat.read(this.current);
  }

  // --- Messages

  #message(message) {
    this.#showPeer();
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

  #redrawSoon() {
    this.#redrawing ||= requestAnimationFrame(() => this.#keepingPlace(() => this.#redraw()));
  }

  /** Draw anew, and let what is in sight stay where it is. */
  #keepingPlace(draw) {
    const scroller = this.#part('scroller');
    const fromEnd = scroller.scrollHeight - scroller.scrollTop;
    const following = this.#following;
    draw();
    if (following) this.#toEnd();
    else scroller.scrollTop = scroller.scrollHeight - fromEnd;
  }

  #redraw() {
    cancelAnimationFrame(this.#redrawing);
    this.#redrawing = 0;
    const list = this.#part('messages');
    const messages = this.current?.messages ?? [];
    // What was said long ago is not news to be read aloud.
    list.setAttribute('aria-live', 'off');
    list.replaceChildren();
    this.#rows.clear();
    this.#last = null;
    for (const message of messages.slice(-this.#limit)) this.#append(message);
    this.#showWhetherEarlier();
    this.#showEmpty();
    requestAnimationFrame(() => list.setAttribute('aria-live', 'polite'));
  }

  #showWhetherEarlier() {
    const { current } = this;
    const kept = current && current.cursor !== null && !current.complete;
    this.#part('earlier').hidden = !kept && !(current?.messages.length > this.#limit);
  }

  #append(message) {
    const list = this.#part('messages');
    const last = this.#last;
    if (!last || !sameDay(last.time, message.time)) list.append(this.#rowsOf.day(message.time));
    else if (last.own === message.own && last.author === message.author && Math.abs(message.time - last.time) < GROUP) {
      this.#rows.get(last)?.classList.add('continued');
    }
    const row = this.#rowsOf.message(message, this.current);
    if (this.#rows.get(last)?.classList.contains('continued')) row.classList.add('continues');
    this.#rows.set(message, row);
    this.#last = message;
    list.append(row);
  }

  #trim() {
    if (this.#rows.size <= this.#limit + SLACK) return;
    const list = this.#part('messages');
    for (const message of this.#rows.keys()) {
      if (this.#rows.size <= WINDOW) break;
      while (list.firstElementChild !== this.#rows.get(message)) list.firstElementChild.remove();
      list.firstElementChild.remove();
      this.#rows.delete(message);
    }
    this.#limit = WINDOW;
    this.#showWhetherEarlier();
  }

  #earlier() {
    this.#extend();
    this.#part('scroller').focus();
  }

  /** Show more of the past: what is here, or what the archive has. */
  #extend() {
    const { current } = this;
    if (!current) return;
    const more = current.messages.length > this.#limit;
    this.#limit += WINDOW;
    if (more) this.#keepingPlace(() => this.#redraw());
    else void this.#archive.older(current).catch(() => {});
  }

  #update(message) {
    const row = this.#rows.get(message);
    if (row) this.#rowsOf.state(row, message);
  }

  // --- Scrolling

  #scrolled() {
    // A list that grew, or a window that shrank, scrolls too: only a person leaves the end.
    const resized = this.#measured();
    if (this.#following && resized) {
      this.#toEnd();
      return;
    }
    const { scrollHeight, scrollTop, clientHeight } = this.#part('scroller');
    this.#following = scrollHeight - scrollTop - clientHeight < NEAR_END;
    if (this.#following) this.#caughtUp();
    else this.#showMissed();
    if (scrollTop < NEAR_BEGINNING && scrollHeight > clientHeight && !this.#following) this.#extend();
  }

  /** Whether the list or its window has another size than when this was asked last. */
  #measured() {
    const { clientWidth, clientHeight, scrollHeight } = this.#part('scroller');
    const size = `${clientWidth} ${clientHeight} ${scrollHeight}`;
    const resized = size !== this.#size;
    this.#size = size;
    return resized;
  }

  #toEnd() {
    cancelAnimationFrame(this.#settling);
    this.#settling = 0;
    const scroller = this.#part('scroller');
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
    this.#part('to-end').hidden = this.#following;
    this.#part('to-end-text').textContent = this.#missed ? this.#say('missed', { count: this.#missed }) : this.#say('latest');
  }
}
