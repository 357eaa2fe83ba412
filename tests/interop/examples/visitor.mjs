/** One visitor of a site in a browser of her own: what she does, and what she sees. */

import path from 'node:path';
import { listen } from '../steps.mjs';

const PATIENCE = 60_000; // ms; on a healthy machine things take a fraction of it

export class Visitor {
  /** What went over the wire, `> ` before what was sent. */
  frames = [];
  complaints = [];
  pages = [];

  constructor(name, password, { browser, site, outdir }) {
    Object.assign(this, { name, password, browser, site, outdir });
  }

  /** A window; the first one of a visitor begins with an empty memory. */
  async open(where = '/', options = {}) {
    this.context ??= await this.browser.newContext({ viewport: { width: 900, height: 700 }, ...options });
    this.context.setDefaultTimeout(PATIENCE);
    const page = await this.context.newPage();
    this.pages.push(page);
    this.page = page;
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) this.complaints.push(`${this.name}: ${message.text()} (${message.location().url})`);
    });
    page.on('pageerror', (error) => this.complaints.push(`${this.name}: ${error.stack}`));
    listen(page, (way, text) => this.frames.push(`${way} ${text}`));
    await page.goto(new URL(where, this.site).href);
  }

  async signIn() {
    await this.page.fill('input[name=name], input[name=username]', this.name);
    await this.page.fill('input[name=password]', this.password);
    await this.page.click('button:has-text("Sign in")');
    await this.online();
  }

  async online(page = this.page) {
    await page.locator('andiron-chat[data-stream=online]').waitFor({ state: 'attached' });
  }

  see(selector, options) {
    return this.page.locator(selector, options).first().waitFor();
  }

  /** Add somebody to the contacts, and begin to write. */
  async add(name) {
    await this.page.fill('#add-name', name);
    await this.page.click('#add-person');
    await this.see('#peer-name', { hasText: name });
  }

  async write(text) {
    await this.page.fill('#text', text);
    await this.page.press('#text', 'Enter');
  }

  reads(text) {
    return this.see('.message .body', { hasText: text });
  }

  /** Choose a conversation from the list. */
  async choose(name) {
    await this.page.click(`.conversation[title^="${name}@"]`);
  }

  shown(page = this.page) {
    return page.$$eval('.message .body', (nodes) => nodes.map((node) => node.textContent));
  }

  screenshot(name) {
    return this.page.screenshot({ path: path.join(this.outdir, `${name}.png`), animations: 'disabled' });
  }
}
