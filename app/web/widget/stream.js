/**
 * One XMPP stream over a transport of its own, and signing in on it (RFC 6120
 * section 6). Whose session it carries then is decided elsewhere.
 *
 * It calls the handlers it was given:
 *
 *   authenticating()          the server has offered ways to sign in
 *   element(Element)          an element that is not about signing in; the first
 *                             features that come here are those behind it
 *   refused(condition)        the account or the server is not accepted: a condition of SASL,
 *                             or `no-mechanism`, `no-token`, `no-cryptography`, `no-proof`
 *   closed(), frame(way, text) as the transport says
 */

import { chooseMechanism, SaslError, toBase64 } from './sasl.js';
import { child, condition, NS, xml } from './xml.js';

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
    if (namespace === NS.sasl) void this.#sasl(element);
    else if (namespace === NS.stream && name === 'features' && !this.#signedIn) void this.#authenticate(element);
    else this.#on.element(element);
  }

  async #authenticate(features) {
    this.#on.authenticating();
    const list = child(features, 'mechanisms', NS.sasl);
    const offered = Array.from(list?.children ?? [], (node) => node.textContent.trim());
    const who = { ...this.#account };
    if (who.getToken) who.token = await this.#token(who.getToken);
    if (who.token === '') {
      this.#on.refused('no-token');
      return;
    }
    this.#mechanism = chooseMechanism(offered, who, this.#privately);
    if (!this.#mechanism) {
      const unable = who.password !== undefined && !globalThis.crypto?.subtle;
      this.#on.refused(unable ? 'no-cryptography' : 'no-mechanism');
      return;
    }
    const { name } = this.#mechanism;
    // An empty message is a message, too (RFC 6120 section 6.4.2).
    const first = toBase64(this.#mechanism.first()) || '=';
    this.transport.send(xml`<auth xmlns='${NS.sasl}' mechanism='${name}'>${first}</auth>`);
  }

  /** What the page has for a token; empty where it has none or fails. */
  async #token(getToken) {
    try {
      return String((await getToken()) || '');
    } catch (error) {
      console.error(error);
      return '';
    }
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
        this.#on.refused(condition(element, NS.sasl).name);
      }
    } catch (error) {
      if (!(error instanceof SaslError)) throw error;
      this.#on.refused('no-proof');
    }
  }
}
