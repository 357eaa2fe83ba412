/** Asks again and again, while somebody looks: seldom where the answer takes its time. */

const OFTEN = 2_000; // ms
const SELDOM = 30_000;
const SHARE = 20; // times as long between two questions as the last one took

export class Live {
  #ask;
  #tell;
  #timer = 0;
  #asking = false;
  #again = false;
  #running = false;
  #failed = 0;

  /** `ask` is awaited; `tell` hears `live`, `paused`, or `lost` with the error. */
  constructor(ask, tell) {
    this.#ask = ask;
    this.#tell = tell;
    document.addEventListener('visibilitychange', () => this.#running && this.now());
  }

  start() {
    this.#running = true;
    this.now();
  }

  stop() {
    this.#running = false;
    clearTimeout(this.#timer);
  }

  /** Ask at once, or as soon as the question on its way is answered. */
  async now() {
    if (!this.#running) return;
    if (this.#asking) {
      this.#again = true;
      return;
    }
    clearTimeout(this.#timer);
    if (document.hidden) {
      this.#tell('paused');
      return;
    }
    this.#asking = true;
    const began = performance.now();
    try {
      await this.#ask();
      this.#failed = 0;
      if (this.#running) this.#tell('live');
    } catch (error) {
      this.#failed += 1;
      if (this.#running) this.#tell('lost', error);
    }
    this.#asking = false;
    if (!this.#running) return;
    if (this.#again) {
      this.#again = false;
      this.now();
      return;
    }
    const took = performance.now() - began;
    const wait = Math.max(OFTEN, took * SHARE) * 2 ** Math.min(this.#failed, 4);
    this.#timer = setTimeout(() => this.now(), Math.min(wait, SELDOM));
  }
}
