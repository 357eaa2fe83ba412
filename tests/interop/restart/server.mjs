/** `andiron serve` in a process that can be ended in any way, and started again. */

import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import net from 'node:net';

const PATIENCE = 60_000; // ms until it answers

export class Server {
  /** The links that sign in to the demonstration, where `demo` wants that. */
  links = [];

  /** What it is told comes from the environment. */
  constructor(command, port, log, demo = true) {
    Object.assign(this, { command, port, demo, url: `http://127.0.0.1:${port}`, log: createWriteStream(log) });
  }

  async start() {
    const demo = this.demo ? ['--demo'] : [];
    this.process = spawn(this.command, ['serve', ...demo, '--host', '127.0.0.1', '--port', this.port]);
    this.process.stderr.pipe(this.log, { end: false });
    this.process.stdout.on('data', (data) => {
      this.links.push(...(String(data).match(/http:\S+#\S+/g) ?? []));
    });
    const end = Date.now() + PATIENCE;
    while (!(await this.#answers()) || (this.demo && !this.links.length)) {
      if (this.process.exitCode !== null || Date.now() > end) throw new Error('the server did not start');
      await new Promise((done) => setTimeout(done, 50));
    }
  }

  /** End it by a signal; returns how many milliseconds that took. */
  async end(signal) {
    const began = Date.now();
    const exit = once(this.process, 'exit');
    this.process.kill(signal);
    await exit;
    return Date.now() - began;
  }

  #answers() {
    return new Promise((done) => {
      const socket = net.connect(this.port, '127.0.0.1', () => {
        socket.destroy();
        done(true);
      });
      socket.on('error', () => done(false));
    });
  }
}
