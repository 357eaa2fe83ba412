/** People at the pages that are open while the server restarts: each writes, reads, and comes back. */

import assert from 'node:assert/strict';
import path from 'node:path';
import { Person } from '../converse/person.mjs';
import { listen } from '../steps.mjs';

const PATIENCE = 60_000; // ms; on a healthy machine things take a fraction of it
// What Chromium itself writes to the console about connections that the server broke.
const ITS_DOING = /^WebSocket connection to .* failed|^Failed to load resource|^Access to XMLHttpRequest/;

/** Wait until something is so, asked again and again. */
export async function until(what, holds) {
  const end = Date.now() + PATIENCE;
  while (!(await holds())) {
    assert.ok(Date.now() < end, `in vain: ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** Wait until someone is shown all these. */
const shown = (person, texts) => until(`${person.name} reads ${texts}`, async () => {
  const there = await person.texts();
  return texts.every((text) => there.includes(text));
});

/** Somebody with our own page or component. */
class Own {
  frames = [];

  constructor(name, { browser, outdir, complaints }) {
    Object.assign(this, { name, browser, outdir, complaints });
  }

  async open(url, prepare = () => {}) {
    this.context = await this.browser.newContext({ viewport: { width: 1280, height: 800 } });
    this.context.setDefaultTimeout(PATIENCE);
    await this.context.grantPermissions(['local-network-access']);
    await prepare(this.context);
    this.page = await this.context.newPage();
    this.page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type()) && !ITS_DOING.test(message.text())) {
        this.complaints.push(`${this.name}: ${message.text()}`);
      }
    });
    this.page.on('pageerror', (error) => this.complaints.push(`${this.name}: ${error.stack}`));
    listen(this.page, (way, text) => this.frames.push(`${way} ${text}`));
    await this.page.goto(url);
  }

  online() {
    return this.page.locator('[data-stream=online]').first().waitFor({ state: 'attached' });
  }

  waiting() {
    return this.page.locator('[data-stream=waiting], [data-stream=connecting]').first().waitFor({ state: 'attached' });
  }

  async write(text) {
    await this.page.fill('#text', text);
    await this.page.press('#text', 'Enter');
  }

  texts() {
    return this.page.locator('.message .body').allTextContents();
  }

  reads(texts) {
    return shown(this, texts);
  }

  screenshot(name) {
    return this.page.screenshot({ path: path.join(this.outdir, `${name}.png`), animations: 'disabled' });
  }
}

/** Somebody at the demonstration page. */
export class Demonstrated extends Own {
  async moveTo(way) {
    await this.page.check(`#ways [value=${way}]`);
    await this.page.locator('#transport', { hasText: way === 'bosh' ? 'BOSH' : 'WebSocket' }).waitFor();
    await this.online();
  }
}

/** Somebody at a page with nothing but the component. */
export class Visiting extends Own {
  async come(site, other, password, transport) {
    const attributes = `sign-in="password" with="${other}" transport="${transport}"`;
    const body = `<!doctype html><html lang="en"><link rel="icon" href="data:,"><script type="module" src="/widget.js"></script><andiron-chat ${attributes}></andiron-chat>`;
    await this.open(`${site}/bare`, (context) => context.route('**/bare', (route) => route.fulfill({ contentType: 'text/html', body })));
    await this.page.evaluate(async (account) => {
      await customElements.whenDefined('andiron-chat');
      document.querySelector('andiron-chat').signIn(account);
    }, { name: this.name, password });
    await this.online();
  }
}

/** Somebody with Converse.js. */
export class Conversing extends Person {
  async come(service, other, password) {
    await this.open(service);
    await this.signIn(password);
    await this.page.evaluate((jid) => { location.hash = `converse/chat?jid=${jid}`; }, other);
    await this.see('converse-chat .chat-textarea');
  }

  reads(texts) {
    return shown(this, texts);
  }
}
