/** Counters and queue of XEP-0198, apart from any stream, clock or document. */

const WRAP = 2 ** 32;

/** Read the value of an `h` attribute; null when it is not a count below 2^32. */
export function parseCount(text) {
  if (!/^\d{1,10}$/.test(text ?? '')) return null;
  const count = Number(text);
  return count < WRAP ? count : null;
}

/** What one session has handled and what it waits to see handled (XEP-0198 sections 4 and 5). */
export class StreamManagement {
  /** The id to resume with; empty when the server does not let us. */
  id = '';
  /** Stanzas that we handled: the `h` that we send. */
  handled = 0;
  /** Stanzas that the server handled: the last `h` that it sent. */
  acked = 0;
  /** What we sent and the server has not counted, oldest first. */
  unacked = [];

  /** Count one message, presence or iq that came in. */
  received() {
    this.handled = (this.handled + 1) % WRAP;
  }

  /** Remember one stanza; call it before the stanza is sent. */
  sent(item) {
    this.unacked.push(item);
  }

  /**
   * Take the server's `h` and return what it confirms, oldest first.
   *
   * Throws a RangeError when it confirms more than was sent; nothing is
   * changed then, and the stream is to be ended.
   */
  acknowledge(h) {
    const count = (h - this.acked + WRAP) % WRAP;
    if (count > this.unacked.length) throw new RangeError(`${h} handled of ${this.total()} sent`);
    this.acked = h;
    return this.unacked.splice(0, count);
  }

  /** How many stanzas were sent in all, modulo 2^32. */
  total() {
    return (this.acked + this.unacked.length) % WRAP;
  }
}
