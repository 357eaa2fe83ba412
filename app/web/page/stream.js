/**
 * One XMPP stream over a transport of its own, and signing in on it (RFC 6120
 * section 6). Whose session it carries then is decided elsewhere.
 *
 * It calls the handlers it was given:
 *
 *   authenticating()          the server has offered ways to sign in
 *   element(Element)          an element that is not about signing in; the first
 *                             features that come here are those behind it
 *   refused(condition, words) the account or the server is not accepted
 *   closed(), frame(way, text) as the transport says
 */

import { chooseMechanism, SaslError, toBase64 } from './sasl.js';
import { child, condition, NS, xml } from './xml.js';

const SASL_WORDS = {
  'not-authorized': 'The name or the password is wrong.',
  'account-disabled': 'This account is disabled.',
  'credentials-expired': 'The password has expired.',
  'malformed-request': 'The name or the password is wrong.',
  'mechanism-too-weak': 'The server does not accept this way of signing in.',
  'encryption-required': 'The server accepts passwords over an encrypted connection only.',
  'temporary-auth-failure': 'The server cannot check the password right now. Try again in a moment.',
};

export class Stream {
  #account;
  #privately;
  #on;
  #mechanism = null;
  #signedIn = false;

  constructor(connect, account, privately, handlers) {
    this.#account = account;
    this.#privately = privately;
    this.#on = handlers;
    this.transport = connect({
      opened: () => {},
      element: (element) => this.#receive(element),
      closed: handlers.closed,
      frame: handlers.frame,
    });
  }

  #receive(element) {
    const { localName: name, namespaceURI: namespace } = element;
    if (namespace === NS.sasl) this.#sasl(element);
    else if (namespace === NS.stream && name === 'features' && !this.#signedIn) this.#authenticate(element);
    else this.#on.element(element);
  }

  #authenticate(features) {
    this.#on.authenticating();
    const list = child(features, 'mechanisms', NS.sasl);
    const offered = Array.from(list?.children ?? [], (node) => node.textContent.trim());
    this.#mechanism = chooseMechanism(offered, this.#account, this.#privately);
    if (!this.#mechanism) {
      const words = globalThis.crypto?.subtle
        ? 'The server offers no way to sign in that this page knows.'
        : 'Signing in needs https here: without it the browser keeps its cryptography from this page.';
      this.#on.refused('', words);
      return;
    }
    const { name } = this.#mechanism;
    const first = toBase64(this.#mechanism.first());
    this.transport.send(xml`<auth xmlns='${NS.sasl}' mechanism='${name}'>${first}</auth>`);
  }

  async #sasl(element) {
    const mechanism = this.#mechanism;
    if (!mechanism || this.#signedIn) return;
    try {
      if (element.localName === 'challenge') {
        const answer = await mechanism.next(element.textContent);
        this.transport.send(xml`<response xmlns='${NS.sasl}'>${toBase64(answer)}</response>`);
      } else if (element.localName === 'success') {
        mechanism.finish(element.textContent);
        this.#signedIn = true;
        this.transport.restart();
      } else if (element.localName === 'failure') {
        const { name, text } = condition(element, NS.sasl);
        this.#on.refused(name, SASL_WORDS[name] ?? (text || `The server says: ${name}.`));
      }
    } catch (error) {
      if (!(error instanceof SaslError)) throw error;
      this.#on.refused('', error.message);
    }
  }
}
