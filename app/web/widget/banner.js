/** A line across the component that says how the connection is, and what one can do about it. */

import { offer } from './dom.js';

const SLOW = 1_000; // ms

export class Banner {
  #root;
  #waiting = 0;

  constructor(root) {
    this.#root = root;
  }

  /** Say this, with a button for what one can do; no words, no banner. */
  show(words, action = '', act = null) {
    const line = this.#root.getElementById('banner-text');
    this.#root.getElementById('banner').hidden = !words;
    // Said again, the same words would be read aloud again.
    if (line.textContent !== words) line.textContent = words;
    offer(this.#root.getElementById('banner-button'), action, act);
  }

  /** Say this of what takes long; on most pages it takes no time worth a word. */
  showLater(words) {
    this.#waiting ||= setTimeout(() => this.show(words), SLOW);
  }

  /** It took no longer. */
  settle() {
    clearTimeout(this.#waiting);
    this.#waiting = 0;
  }
}
