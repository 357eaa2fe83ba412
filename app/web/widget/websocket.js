/**
 * XMPP over WebSocket (RFC 7395) as a transport.
 *
 * A transport carries one stream: top-level elements out and in. The session
 * knows no more of it than this, so that another transport can take its place:
 *
 *   label                 its name, to be shown
 *   open()                connect and send the stream header
 *   restart()             send a new stream header, after SASL
 *   send(text)            send one top-level element
 *   close()               end the stream politely
 *   cut()                 drop the connection without a word; nothing is reported after that
 *
 * and calls the handlers it was given:
 *
 *   opened()              the server's stream header arrived
 *   element(Element)      one top-level element arrived
 *   closed()              the connection is over, for whatever reason
 *   frame(way, text)      'in' or 'out': what passed over the wire
 */

import { NS, parse, xml } from './xml.js';

const CLOSE_PATIENCE = 2000; // ms for the server's <close/> after ours

export class WebSocketTransport {
  label = 'WebSocket';
  #url;
  #domain;
  #on;
  #socket = null;
  #closing = false;

  constructor(url, domain, handlers) {
    this.#url = url;
    this.#domain = domain;
    this.#on = handlers;
  }

  open() {
    this.#socket = new WebSocket(this.#url, 'xmpp');
    this.#socket.onopen = () => this.restart();
    this.#socket.onmessage = (event) => this.#receive(event.data);
    this.#socket.onclose = () => this.#finish();
  }

  restart() {
    this.send(xml`<open xmlns='${NS.framing}' to='${this.#domain}' version='1.0'/>`);
  }

  send(text) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#on.frame('out', String(text));
    this.#socket.send(String(text));
  }

  close() {
    if (this.#closing) return;
    if (this.#socket?.readyState !== WebSocket.OPEN) {
      this.#finish();
      return;
    }
    this.#closing = true;
    this.send(xml`<close xmlns='${NS.framing}'/>`);
    setTimeout(() => this.#finish(), CLOSE_PATIENCE);
  }

  cut() {
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #receive(text) {
    if (typeof text !== 'string') {
      this.#finish();
      return;
    }
    this.#on.frame('in', text);
    const element = parse(text);
    if (element.namespaceURI !== NS.framing) this.#on.element(element);
    else if (element.localName === 'open') this.#on.opened();
    else if (element.localName === 'close') this.#closed();
  }

  #closed() {
    if (!this.#closing) this.send(xml`<close xmlns='${NS.framing}'/>`);
    this.#finish();
  }

  #finish() {
    if (!this.#socket) return;
    this.cut();
    this.#on.closed();
  }
}
