/**
 * SASL: the visitor as the site knows him (EXTERNAL, RFC 4422), a token (OAUTHBEARER, RFC 7628), a
 * password (SCRAM, RFC 5802 and 7677, by WebCrypto, or PLAIN, RFC 4616), or nobody (ANONYMOUS, RFC 4505).
 */

const SCRAM_HASHES = { 'SCRAM-SHA-256': 'SHA-256', 'SCRAM-SHA-512': 'SHA-512', 'SCRAM-SHA-1': 'SHA-1' };
const ITERATIONS = { least: 4096, most: 5_000_000 };

const encoder = new TextEncoder();

/** The server did not keep to the mechanism, or could not prove that it knows the account. */
export class SaslError extends Error {}

export function toBase64(data) {
  const bytes = typeof data === 'string' ? encoder.encode(data) : data;
  return btoa(String.fromCharCode(...bytes));
}

function fromBase64(text) {
  try {
    return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  } catch {
    throw new SaslError('The server sent something that is not base64.');
  }
}

// SASLprep (RFC 4013) without its tables of prohibited characters: those are the server's to refuse.
function prepare(text) {
  return text
    .replace(/\p{Zs}/gu, ' ')
    .replace(/[\u{AD}\u{34F}\u{1806}\u{180B}-\u{180D}\u{200B}-\u{200D}\u{2060}\u{FE00}-\u{FE0F}\u{FEFF}]/gu, '')
    .normalize('NFKC');
}

/** The `key=value` pairs of a SCRAM message. */
function attributes(message) {
  return Object.fromEntries(message.split(',').map((part) => [part[0], part.slice(2)]));
}

/** One SCRAM exchange without channel binding. Call `first`, then `next` for each answer. */
export class Scram {
  #hash;
  #password;
  #nonce;
  #bare;
  #signature = null;
  /** Whether the server has proved that it knows the account. */
  verified = false;

  constructor(mechanism, name, password, nonce = toBase64(crypto.getRandomValues(new Uint8Array(18)))) {
    this.name = mechanism;
    this.#hash = SCRAM_HASHES[mechanism];
    this.#password = prepare(password);
    this.#nonce = nonce;
    const escaped = prepare(name).replace(/=/g, '=3D').replace(/,/g, '=2C');
    this.#bare = `n=${escaped},r=${nonce}`;
  }

  first() {
    return `n,,${this.#bare}`;
  }

  /** Answer a challenge: the proof after the first, nothing after the last. */
  async next(base64) {
    const message = new TextDecoder().decode(fromBase64(base64));
    if (this.#signature) {
      this.#verify(message);
      return '';
    }
    return this.#prove(message);
  }

  /** Take what came with success; throws when the server has not proved itself. */
  finish(base64) {
    if (!this.verified && base64) this.#verify(new TextDecoder().decode(fromBase64(base64)));
    if (!this.verified) throw new SaslError('The server did not prove that it knows this account.');
  }

  async #prove(serverFirst) {
    const { r: nonce = '', s: salt = '', i = '', m } = attributes(serverFirst);
    const iterations = Number(i);
    if (m !== undefined || !nonce.startsWith(this.#nonce) || nonce === this.#nonce || !salt) {
      throw new SaslError('The server’s challenge does not fit our request.');
    }
    if (!(iterations >= ITERATIONS.least && iterations <= ITERATIONS.most)) {
      throw new SaslError('The server asks for an unreasonable number of iterations.');
    }
    const withoutProof = `c=biws,r=${nonce}`;
    const signed = [this.#bare, serverFirst, withoutProof].join(',');
    const salted = await this.#salt(fromBase64(salt), iterations);
    const clientKey = await this.#hmac(salted, 'Client Key');
    const storedKey = new Uint8Array(await crypto.subtle.digest(this.#hash, clientKey));
    const signature = await this.#hmac(storedKey, signed);
    this.#signature = toBase64(await this.#hmac(await this.#hmac(salted, 'Server Key'), signed));
    return `${withoutProof},p=${toBase64(clientKey.map((byte, at) => byte ^ signature[at]))}`;
  }

  #verify(serverFinal) {
    if (!this.#signature || attributes(serverFinal).v !== this.#signature) {
      throw new SaslError('The server did not prove that it knows this account.');
    }
    this.verified = true;
  }

  async #salt(salt, iterations) {
    const usages = ['deriveBits'];
    const key = await crypto.subtle.importKey('raw', encoder.encode(this.#password), 'PBKDF2', false, usages);
    const bits = { 'SHA-1': 160, 'SHA-256': 256, 'SHA-512': 512 }[this.#hash];
    const parameters = { name: 'PBKDF2', hash: this.#hash, salt, iterations };
    return new Uint8Array(await crypto.subtle.deriveBits(parameters, key, bits));
  }

  async #hmac(key, text) {
    const algorithm = { name: 'HMAC', hash: this.#hash };
    const imported = await crypto.subtle.importKey('raw', key, algorithm, false, ['sign']);
    return new Uint8Array(await crypto.subtle.sign('HMAC', imported, encoder.encode(text)));
  }
}

/** A mechanism of one message, which is answered with success or failure. */
class Single {
  #message;
  #objection;

  /** `objection` answers a challenge, which says what is wrong with the message (RFC 7628 section 3.2.3). */
  constructor(name, message, objection = null) {
    this.name = name;
    this.#message = message;
    this.#objection = objection;
  }

  first() {
    return this.#message;
  }

  async next() {
    if (this.#objection === null) throw new SaslError('The server challenged what was said already.');
    return this.#objection;
  }

  finish() {}
}

/**
 * Choose among the mechanisms that the server offers; null when none will do.
 *
 * `who` is one of { visitor, guest }, { token } and { name, password }. `privately` says that nobody
 * between the page and the server can listen (https or loopback): only then may a token pass, or
 * a password as it is, and that only where SCRAM cannot be used.
 */
export function chooseMechanism(offered, who, privately) {
  if (who.visitor && offered.includes('EXTERNAL')) return new Single('EXTERNAL', '');
  if (who.guest && offered.includes('ANONYMOUS')) return new Single('ANONYMOUS', '');
  if (who.token && privately && offered.includes('OAUTHBEARER')) {
    return new Single('OAUTHBEARER', `n,,\x01auth=Bearer ${who.token}\x01\x01`, '\x01');
  }
  if (who.password === undefined) return null;
  const scram = globalThis.crypto?.subtle && Object.keys(SCRAM_HASHES).find((name) => offered.includes(name));
  if (scram) return new Scram(scram, who.name, who.password);
  return privately && offered.includes('PLAIN') ? new Single('PLAIN', `\0${who.name}\0${who.password}`) : null;
}
