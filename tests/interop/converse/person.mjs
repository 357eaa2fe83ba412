/** One person at one window with Converse.js: what she does, and what she sees. */

import assert from 'node:assert/strict';
import path from 'node:path';
import { listen } from '../steps.mjs';

const PATIENCE = 60_000; // ms; on a healthy machine things take a fraction of it

/** The conversation that is shown, with a person or in a room. */
export const OPEN = ':is(converse-chat, converse-muc)';

// What Converse.js writes to the console whatever the server is.
const ANYWAY = /from="api@search\.jabber\.network"/; // it asks that service about rooms, also where no server connects to others

// What Chromium and Strophe.js write to the console about connections that we broke.
const OUR_DOING =
  /^WebSocket connection to .* failed|^Failed to load resource: |^Access to XMLHttpRequest|^Websocket (error|closed)|^request id \d+\.\d+ error 0 happened/;

export class Person {
  /** What went over the wire, `> ` before what was sent. */
  frames = [];

  /** `play` has the browser, the site's address, the domain, the folder for screenshots and the complaints. */
  constructor(name, play) {
    this.name = name;
    this.play = play;
    this.jid = `${name}@${play.domain}`;
  }

  /** Open the page with a new browser's empty memory; `service` says where the server is. */
  async open(service) {
    const { browser, site, complaints } = this.play;
    this.context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    this.context.setDefaultTimeout(PATIENCE);
    const page = await this.context.newPage();
    this.page = page;
    page.on('console', (message) => {
      const text = message.text();
      if (message.type() !== 'error' || ANYWAY.test(text) || (this.play.broken && OUR_DOING.test(text))) return;
      complaints.push(`${this.name}: ${text} (${message.location().url})`);
    });
    page.on('pageerror', (error) => complaints.push(`${this.name}: ${error.stack}`));
    listen(page, (way, text) => this.saw(way, text));
    // The sponsors' pictures at the foot of the page, which are not here.
    await page.route('https://conversejs.org/**', (route) => route.fulfill({ contentType: 'image/svg+xml', body: '' }));
    await page.goto(`${site.url}/?${new URLSearchParams(service)}`);
  }

  saw(way, frame) {
    this.frames.push(`${way} ${frame}`);
    if (process.env.FRAMES) console.error(`${this.name} ${way} ${frame}`);
  }

  /** Wait until something has come over the wire. */
  async got(text) {
    const end = Date.now() + PATIENCE;
    while (!this.frames.some((frame) => frame.startsWith('< ') && frame.includes(text))) {
      assert.ok(Date.now() < end, `${this.name} waited for ${text} in vain`);
      await new Promise((done) => setTimeout(done, 20));
    }
  }

  async signIn(password) {
    await this.page.fill('input[name=jid]', this.jid);
    await this.page.fill('input[name=password]', password);
    await this.page.click('button[type=submit]');
    await this.online();
  }

  /** Wait until the page shows one's own status. */
  online() {
    return this.see('.userinfo .xmpp-status [data-value]');
  }

  /** Wait until something is visible. */
  see(selector, options) {
    return this.page.locator(selector, options).first().waitFor();
  }

  /** Choose an item in the menu that opens beside something. */
  async choose(place, item) {
    await this.page.locator(`${place} .dropdown-toggle`).first().click();
    await this.page.locator(`${place} ${item}`).first().click();
  }

  /** The dialogue that is open. */
  modal(name) {
    return this.page.locator(`converse-${name}-modal.show`);
  }

  /** Open the conversation with someone by a click in the list of contacts. */
  async talkTo(other) {
    await this.page.click(`.roster-contacts a.open-chat[data-jid="${other.jid}"]`);
    await this.see(`${OPEN} .chatbox-title__text[title="${other.jid}"]`);
  }

  async write(text) {
    await this.page.fill(`${OPEN} .chat-textarea`, text);
    await this.page.press(`${OPEN} .chat-textarea`, 'Enter');
  }

  /** What is said in the open conversation, in order. */
  texts() {
    return this.page.$$eval(`${OPEN} .chat-msg .chat-msg__text`, (nodes) => nodes.map((node) => node.innerText.trim()));
  }

  /** Wait until all these are shown, and see that each is there once. */
  async reads(texts) {
    for (const text of texts) await this.see(`${OPEN} .chat-msg .chat-msg__text`, { hasText: text });
    const shown = await this.texts();
    assert.deepEqual(shown.filter((text) => texts.includes(text)).sort(), [...texts].sort());
  }

  /** Wait for a pause: Converse.js notes a moment later what it sent, and a reload in between makes it miscount. */
  async pause() {
    for (let before = -1; before !== this.frames.length; await new Promise((done) => setTimeout(done, 300))) {
      before = this.frames.length;
    }
  }

  screenshot(name) {
    return this.page.screenshot({ path: path.join(this.play.outdir, `${name}.png`), animations: 'disabled' });
  }
}
