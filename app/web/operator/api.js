/** The server's JSON API, asked with a token, or by what the browser is signed in to the site by. */

const BASE = new URL('../api/v1', location.href);
const KEPT = 'andiron.operator.token';

/** Something that was asked was not done; the message is a sentence that says why. */
export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export class Api {
  #token = sessionStorage.getItem(KEPT) ?? '';

  get hasToken() {
    return this.#token !== '';
  }

  /** Ask with a token from now on; the tab remembers it, and nothing else does. */
  use(token) {
    this.#token = token;
    if (token) sessionStorage.setItem(KEPT, token);
    else sessionStorage.removeItem(KEPT);
  }

  get(path, query = {}) {
    return this.#ask('GET', path, query);
  }

  delete(path, query = {}) {
    return this.#ask('DELETE', path, query);
  }

  post(path, body) {
    return this.#ask('POST', path, {}, body);
  }

  put(path, body = {}) {
    return this.#ask('PUT', path, {}, body);
  }

  async #ask(method, path, query, body) {
    const url = new URL(BASE.pathname + path, BASE);
    url.search = new URLSearchParams(query);
    const headers = this.#token ? { Authorization: `Bearer ${this.#token}` } : { 'Andiron-Operator': 'page' };
    if (body !== undefined) headers['Content-Type'] = 'application/json';
    let response;
    try {
      response = await fetch(url, {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        cache: 'no-store',
        credentials: 'same-origin',
        redirect: 'error',
        signal: AbortSignal.timeout(30_000),
      });
    } catch {
      throw new Refusal(0, 'The server does not answer.');
    }
    if (response.status === 204) return null;
    const told = await response.json().catch(() => null);
    if (response.ok && told !== null) return told;
    const wait = response.headers.get('Retry-After');
    const detail = told?.detail ?? `The server answered with the status ${response.status}.`;
    throw new Refusal(response.status, response.status === 429 && wait ? `${detail} Wait ${wait} s.` : detail);
  }
}

/** A part of a path. */
export const part = (text) => encodeURIComponent(text);
