/** The tokens that a page gives, one after the other, and when the next is due. */

const EARLY = 60_000; // ms before a token expires
const CLOCKS = 10_000; // ms by which clocks may differ
const LATEST = 2 ** 31 - 1; // ms, the longest that a timer can wait

export class Tokens {
  #last = '';
  #renewal = 0;

  /** Get one from the page's function; empty where there is none. */
  async ask(getToken) {
    this.#last = '';
    this.#last = String((await getToken()) || '');
    return this.#last;
  }

  /** Whether the last has expired, as far as clocks can tell. */
  get expired() {
    return expiryOf(this.#last) <= Date.now() + CLOCKS;
  }

  /** Call `renew` once, before the last one has expired. */
  renewLater(renew) {
    this.stop();
    const left = expiryOf(this.#last) - EARLY - Date.now();
    if (left > 0) this.#renewal = setTimeout(renew, Math.min(left, LATEST));
  }

  /** Renew nothing any more. */
  stop() {
    clearTimeout(this.#renewal);
  }
}

/** When a JSON Web Token expires, in ms; NaN where it does not say. It is not verified: the server does that. */
function expiryOf(token) {
  try {
    const payload = token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/');
    return Number(JSON.parse(atob(payload)).exp) * 1000;
  } catch {
    return NaN;
  }
}
