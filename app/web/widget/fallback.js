/**
 * A transport, as websocket.js describes them, that is the first of several
 * which gets through: one that does not open, soon, is let go for the next.
 */

const OPEN_PATIENCE = 5000; // ms, unless there is no other left

export class FallbackTransport {
  #ways;
  #on;
  #transport = null;
  #timer;

  /** `ways` are functions of handlers that make a transport, the best first. */
  constructor(ways, handlers) {
    this.#ways = [...ways];
    this.#on = handlers;
  }

  get label() {
    return this.#transport?.label ?? 'Automatic';
  }

  open() {
    const [way, ...others] = this.#ways;
    this.#ways = others;
    let opened = false;
    const mine = (handler) => (...given) => transport === this.#transport && handler(...given);
    const next = () => {
      clearTimeout(this.#timer);
      this.#transport.cut();
      this.open();
    };
    const transport = way({
      ...this.#on,
      opened: mine(() => {
        opened = true;
        clearTimeout(this.#timer);
        this.#on.opened();
      }),
      closed: mine(() => {
        if (opened || !others.length) this.#on.closed();
        else next();
      }),
    });
    this.#transport = transport;
    if (others.length) this.#timer = setTimeout(next, OPEN_PATIENCE);
    transport.open();
  }

  restart() {
    this.#transport.restart();
  }

  send(text) {
    this.#transport.send(text);
  }

  close() {
    clearTimeout(this.#timer);
    this.#ways = [];
    this.#transport.close();
  }

  cut() {
    clearTimeout(this.#timer);
    this.#transport?.cut();
  }
}
