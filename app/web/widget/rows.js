/** One message, or one day, as the list shows it. */

import { h, tick } from './dom.js';
import { fileName } from './files.js';
import { autolink, webLink } from './links.js';

const IMAGES = /\.(avif|gif|jpe?g|png|webp)$/i;

export class Rows {
  #say;
  #uploads;
  #clock;
  #day;
  #full;

  /** `uploads` is where this server's own files begin: pictures of others are not fetched unasked. */
  constructor(say, uploads) {
    this.#say = say;
    this.#uploads = uploads;
    this.#clock = new Intl.DateTimeFormat(say.language, { hour: 'numeric', minute: '2-digit' });
    this.#day = new Intl.DateTimeFormat(say.language, { weekday: 'long', day: 'numeric', month: 'long' });
    this.#full = new Intl.DateTimeFormat(say.language, { dateStyle: 'medium', timeStyle: 'medium' });
  }

  day(time) {
    return h('li', { class: 'day' }, sameDay(time, Date.now()) ? this.#say('today') : this.#day.format(time));
  }

  message(message, { name, isRoom }) {
    const { own, author, time, delayed, id } = message;
    const said = this.#say;
    const clock = h('time', { datetime: new Date(time).toISOString(), title: this.#full.format(time) }, this.#clock.format(time));
    const late = delayed ? [h('span', { class: 'late' }, `${said('delayed')} · `)] : [];
    const who = own ? said('you') : `${author || name}: `;
    const visible = isRoom && !own;
    const row = h('li', { class: `message ${own ? 'own' : 'other'}`, 'data-id': id },
      h('div', { class: 'bubble' },
        h('span', { class: visible ? 'author' : 'author visually-hidden' }, visible ? author : who),
        h('span', { class: 'body', dir: 'auto' }, ...this.#body(message)),
        h('span', { class: 'meta' }, ...late, clock)),
      h('p', { class: 'problem', hidden: true }));
    if (own) this.state(row, message);
    return row;
  }

  /** Show what has become of an own message. */
  state(row, { state, error, errorText }) {
    row.dataset.state = state;
    row.querySelector('.tick')?.remove();
    row.querySelector('.meta').append(tick(state, this.#say(`state.${state}`)));
    const problem = row.querySelector('.problem');
    problem.hidden = state !== 'failed';
    problem.textContent = state === 'failed' ? this.#say('notDelivered', { reason: this.#say.error(error, errorText) }) : '';
  }

  #body({ text, file }) {
    if (!file || !URL.canParse(file)) return autolink(text);
    const url = new URL(file);
    if (!['http:', 'https:'].includes(url.protocol)) return [text];
    const name = fileName(file);
    const link = webLink(url.href, { class: 'file' });
    if (url.href.startsWith(this.#uploads) && IMAGES.test(url.pathname)) {
      const image = h('img', { src: url.href, alt: name, loading: 'lazy', referrerpolicy: 'no-referrer' });
      // What is no picture, or is gone, is a link like other files.
      image.addEventListener('error', () => image.replaceWith(name), { once: true });
      link.append(image);
    } else {
      link.append(name);
    }
    return [link];
  }
}

export function sameDay(one, other) {
  return new Date(one).toDateString() === new Date(other).toDateString();
}
