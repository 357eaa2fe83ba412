/** What is to be seen of whoever is not in: a sentence, or a form to sign in with. */

import { offer } from './dom.js';

const PANES = ['stranger', 'sign-in'];

export class Gate {
  #root;
  #say;

  /** `signIn({ name, password })` is called when the form was filled in. */
  constructor(root, say, domain, signIn) {
    this.#root = root;
    this.#say = say;
    this.#part('sign-in-title').textContent = say('signInTo', { domain });
    this.#part('sign-in').addEventListener('submit', (event) => {
      event.preventDefault();
      const [name] = this.#part('name').value.trim().split('@');
      const password = this.#part('password').value;
      this.#part('password').value = '';
      signIn({ name, password });
    });
  }

  /** Say why nobody is in; `stranger` lets the page say what one can do about it. */
  tell(words, { stranger = false, action = '', act = null } = {}) {
    this.#show('stranger');
    this.#part('gate-words').textContent = words;
    this.#part('stranger-slot').hidden = !stranger;
    offer(this.#part('gate-button'), action, act);
  }

  /** Ask for name and password. */
  ask(words = '', name = '') {
    this.#show('sign-in');
    this.#part('sign-in-error').hidden = !words;
    this.#part('sign-in-error').textContent = words;
    this.#part('name').value = name;
    this.#part('password').value = '';
  }

  hide() {
    for (const id of ['gate', ...PANES]) this.#part(id).hidden = true;
    this.#part('app').hidden = false;
  }

  /** The words for a condition with which signing in failed. */
  words(condition) {
    const say = this.#say;
    const key = { 'malformed-request': 'auth.not-authorized', 'no-token': 'stranger' }[condition] ?? `auth.${condition}`;
    return say.has(key) ? say(key) : say('auth.other', { reason: condition });
  }

  #part(id) {
    return this.#root.getElementById(id);
  }

  #show(which) {
    // Whoever pressed a button that is gone now goes on here.
    const within = this.#root.activeElement !== null;
    this.#part('app').hidden = true;
    this.#part('gate').hidden = false;
    for (const id of PANES) this.#part(id).hidden = id !== which;
    if (within) this.#part(which).querySelector('input, button')?.focus();
  }
}
