/**
 * Drive the demo page in a real Chromium.
 *
 *   node page.mjs BASE_URL LINK_A LINK_B OUTDIR
 *
 * BASE_URL is where the page is, the links are those that the demo prints, and
 * screenshots go to OUTDIR. Exits with 1 when a step failed.
 */

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { lossyProxy } from '../lossy.mjs';
import { hasFailed, launch, listen, step } from '../steps.mjs';

const PATIENCE = 60_000; // ms; on a healthy machine things take a fraction of it
const SHOWN = 60; // messages of one side that the page shows at least; earlier ones go on demand
const OTHER_WINDOW = 'from the other window, in its gap';
// What Chromium itself writes to the console about a connection that we broke.
const OUR_DOING = /^WebSocket connection to .* failed|^Failed to load resource: net::ERR_/;

const [baseUrl, linkA, linkB, outdir] = process.argv.slice(2);
if (!outdir) {
  console.error('usage: node page.mjs BASE_URL LINK_A LINK_B OUTDIR');
  process.exit(2);
}
mkdirSync(outdir, { recursive: true });

const base = new URL(baseUrl);
const proxy = await lossyProxy(base.hostname, Number(base.port || 80));
const browser = await launch();
const complaints = [];

/** One person at one window. */
class Person {
  stanzasIn = 0;
  frames = [];

  static async open(link, options = {}) {
    const person = new Person();
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    context.setDefaultTimeout(PATIENCE);
    const page = await context.newPage();
    person.context = context;
    person.page = page;
    person.name = decodeURIComponent(/#([^:]*)/.exec(link)?.[1] ?? '');
    page.on('console', (message) => {
      const { url } = message.location();
      const bad = ['error', 'warning'].includes(message.type());
      if (bad && !OUR_DOING.test(message.text())) complaints.push(`${message.text()} (${url})`);
    });
    page.on('pageerror', (error) => complaints.push(error.stack));
    listen(page, (_way, text) => person.frames.push(text));
    await page.addInitScript(() => {
      // Selectors see through the component, as Playwright's do.
      const inside = () => document.querySelector('andiron-chat')?.shadowRoot;
      globalThis.$ = (selector) => document.querySelector(selector) ?? inside()?.querySelector(selector) ?? null;
      globalThis.$$ = (selector) => [...document.querySelectorAll(selector), ...(inside()?.querySelectorAll(selector) ?? [])];
      globalThis.focused = () => document.activeElement.shadowRoot?.activeElement ?? document.activeElement;
    });
    await options.prepare?.(page);
    await page.goto(link);
    return person;
  }

  async until(what, predicate, argument) {
    try {
      return await this.page.waitForFunction(predicate, argument, { timeout: PATIENCE });
    } catch (error) {
      throw new Error(`${this.name} waited in vain until ${what}: ${error.message.split('\n')[0]}`);
    }
  }

  text(selector) {
    return this.page.textContent(selector);
  }

  number(selector) {
    return this.text(selector).then(Number);
  }

  online() {
    return this.until('online', () => document.body.dataset.stream === 'online');
  }

  async write(text) {
    await this.page.fill('#text', text);
    await this.page.press('#text', 'Enter');
  }

  /** Write several messages, and perhaps press a button, without a pause in which to send them. */
  burst(texts, button = null) {
    return this.page.evaluate(([lines, selector]) => {
      const field = $('#text');
      for (const line of lines) {
        field.value = line;
        field.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true }));
      }
      if (selector) $(selector).click();
    }, [texts, button]);
  }

  /** What the message list shows of one side, in order. */
  shown(side) {
    return this.page.$$eval(`.message.${side} .body`, (nodes) => nodes.map((node) => node.textContent));
  }

  sees(texts) {
    return this.until(`${texts.length} messages are there, ${texts.at(-1)} the last`, ([count, last]) => {
      const bodies = [...$$('.message.other .body')].map((node) => node.textContent);
      return bodies.length >= count && bodies.includes(last);
    }, [Math.min(texts.length, SHOWN), texts.at(-1)]);
  }

  settled() {
    return this.until('everything is acknowledged and delivered', () => {
      const empty = ['#unacked', '#waiting'].every((id) => $(id).textContent === '0');
      const own = [...$$('.message.own')];
      return empty && own.every((row) => ['delivered', 'read'].includes(row.dataset.state));
    });
  }

  /** Choose a transport in the panel, and wait until it carries the session. */
  async moveTo(value, label = value === 'bosh' ? 'BOSH' : 'WebSocket') {
    await this.page.check(`#ways [value=${value}]`);
    await this.carriedBy(label);
  }

  carriedBy(label) {
    return this.until(`online over ${label}`, (wanted) =>
      document.body.dataset.stream === 'online' && $('#transport').textContent === wanted, label);
  }

  screenshot(name) {
    return this.page.screenshot({ path: path.join(outdir, `${name}.png`), animations: 'disabled' });
  }
}

const through = (link) => {
  const url = new URL(link);
  return `${proxy.url}${url.pathname}${url.search}${url.hash}`;
};
const numbered = (word, count) => Array.from({ length: count }, (_, i) => `${word} ${i + 1}`);

let alice;
let bob;
const said = { alice: [], bob: [] };

/** Each sees what the other said, once and in order, and knows that it arrived. */
async function complete() {
  await alice.sees(said.bob);
  await bob.sees(said.alice);
  await alice.settled();
  await bob.settled();
  for (const [shown, texts] of [
    [await bob.shown('other'), said.alice],
    [await alice.shown('other'), said.bob],
    [await alice.shown('own'), said.alice],
    [await bob.shown('own'), said.bob],
  ]) {
    assert.ok(shown.length >= Math.min(texts.length, SHOWN));
    assert.deepEqual(shown, texts.slice(-shown.length));
  }
  for (const person of [alice, bob]) assert.equal(await person.text('#repeats'), '0');
}

await step('sign in by link', async () => {
  alice = await Person.open(linkA);
  bob = await Person.open(through(linkB));
  await Promise.all([alice.online(), bob.online()]);
  for (const person of [alice, bob]) {
    assert.ok(!person.page.url().includes('#'), 'the password is still in the address bar');
    await person.until('the other is there', () => $('#peer-state').textContent === 'online');
  }
  assert.equal(await alice.text('#peer-name'), bob.name);
  await alice.screenshot('empty-desktop-light');
});

await step('chat both ways', async () => {
  await alice.page.type('#text', 'Good evening, is the fire lit?');
  await bob.until('the other is seen typing', () => $('#typing').textContent.includes('is typing'));
  await alice.page.press('#text', 'Enter');
  said.alice.push('Good evening, is the fire lit?');
  await bob.sees(said.alice);
  assert.equal(await bob.text('#typing'), '');
  await bob.write('Since six. Bring wood.');
  said.bob.push('Since six. Bring wood.');
  await complete();
});

await step('Shift and Enter begin a new line', async () => {
  await alice.page.type('#text', 'one');
  await alice.page.press('#text', 'Shift+Enter');
  await alice.page.type('#text', 'two');
  await alice.page.press('#text', 'Enter');
  said.alice.push('one\ntwo');
  await complete();
});

await step('markup is text, and only web addresses are links', async () => {
  const texts = [
    '<img src=x onerror="document.title=1"><script>document.title=2</script> & </body>',
    'javascript:alert(1) data:text/html,x https://example.org/a?b=c&d=(e). http://',
    `a${'very'.repeat(120)}long word, controls \u0000\u0008\u001f gone, \u{1f525} \u05e9\u05dc\u05d5\u05dd`,
  ];
  await alice.burst(texts);
  said.alice.push(texts[0], texts[1], texts[2].replace(/[\u0000\u0008\u001f]/g, ''));
  await bob.sees(said.alice);
  const links = await bob.page.$$eval('#messages a', (nodes) => nodes.map((a) => [a.href, a.rel]));
  assert.deepEqual(links, [['https://example.org/a?b=c&d=(e)', 'noopener noreferrer']]);
  assert.equal(await bob.page.$('#messages img, #messages script'), null);
  const overflow = await bob.page.$eval('#scroller', (node) => node.scrollWidth - node.clientWidth);
  assert.equal(overflow, 0, 'a long word does not wrap');
  await complete();
});

await step('cut by the button, messages in flight both ways', async () => {
  const before = numbered('alice before the cut', 5);
  const during = numbered('bob meanwhile', 5);
  const after = numbered('alice in the gap', 3);
  await alice.burst(before, '#cut');
  await Promise.all([bob.burst(during), alice.burst(after)]);
  await alice.until('the gap is seen', () => document.body.dataset.stream === 'waiting');
  assert.match(await alice.text('#stream-state'), /^Reconnecting in \d\.\d s$/);
  await alice.screenshot('gap-desktop-light');
  const states = await alice.page.$$eval('.message.own', (rows) => rows.slice(-3).map((row) => row.dataset.state));
  assert.deepEqual(states, ['queued', 'queued', 'queued']);
  said.alice.push(...before, ...after);
  said.bob.push(...during);
  await complete();
  assert.equal(await alice.text('#resumes'), 'once');
  assert.ok(!alice.frames.some((frame) => frame.startsWith('<close')), 'the cut said goodbye');
});

await step('connection lost with everything on its way', async () => {
  const resumes = [];
  for (let round = 1; round <= 3; round += 1) {
    const lostBefore = proxy.lost();
    proxy.lose();
    const lines = numbered(`bob into the void ${round}`, 10);
    const answers = numbered(`alice to the void ${round}`, 10);
    await Promise.all([bob.burst(lines), alice.burst(answers)]);
    while (proxy.lost() < lostBefore + 2000) await new Promise((done) => setTimeout(done, 20));
    proxy.cut();
    said.bob.push(...lines);
    said.alice.push(...answers);
    await bob.online();
    await complete();
    resumes.push(await bob.text('#resumes'));
  }
  assert.deepEqual(resumes, ['once', '2 times', '3 times']);
});

await step('after all that the server still agrees with every count', async () => {
  const session = await alice.text('#session-id');
  await alice.page.click('#cut');
  await alice.until('it is resumed again', () => $('#resumes').textContent === '2 times');
  assert.equal(await alice.text('#session-id'), session);
  await complete();
  for (const { frames } of [alice, bob]) {
    assert.ok(!frames.some((frame) => frame.includes('undefined-condition')));
  }
});

await step('frames are shown, secrets are not', async () => {
  await alice.page.click('#frames-toggle');
  const frames = await alice.page.$$eval('#frames code', (nodes) => nodes.map((node) => node.textContent));
  assert.ok(frames.length > 50 && frames.length <= 300, `${frames.length} frames`);
  const secret = frames.filter((frame) => /^<(auth|response|challenge|success)\b/.test(frame));
  assert.ok(secret.length >= 4);
  for (const frame of secret) assert.match(frame, /^<\w+[^>]*>(••••••<\/\w+>)?$|^<\w+[^>]*\/>$/);
  await alice.screenshot('frames-desktop-light');
  await alice.page.click('#frames-toggle');
  assert.ok(await alice.page.$eval('#frames', (list) => list.hidden));
});

/** Alice's session moves while both write; what they wrote before, during and after arrives. */
async function moveUnderTraffic(mover, value, name) {
  const lines = (word) => [numbered(`${word} before ${name}`, 5), numbered(`${word} during ${name}`, 5), numbered(`${word} after ${name}`, 5)];
  const [mine, theirs] = [lines('alice'), lines('bob')];
  await Promise.all([alice.burst(mine[0], mover === alice ? `#ways [value=${value}]` : null), bob.burst(theirs[0], mover === bob ? `#ways [value=${value}]` : null)]);
  await Promise.all([alice.burst(mine[1]), bob.burst(theirs[1])]);
  await mover.carriedBy(value === 'bosh' ? 'BOSH' : 'WebSocket');
  await Promise.all([alice.burst(mine[2]), bob.burst(theirs[2])]);
  said.alice.push(...mine.flat());
  said.bob.push(...theirs.flat());
  await complete();
}

await step('a live session moves to BOSH and back, messages under way both ways', async () => {
  const sessions = [await alice.text('#session-id'), await bob.text('#session-id')];
  for (let round = 1; round <= 2; round += 1) {
    await moveUnderTraffic(alice, 'bosh', `alice moves there ${round}`);
    if (round === 1) await alice.screenshot('bosh-desktop-light');
    await moveUnderTraffic(bob, 'bosh', `bob moves there ${round}`);
    await moveUnderTraffic(alice, 'websocket', `alice moves back ${round}`);
    await moveUnderTraffic(bob, 'websocket', `bob moves back ${round}`);
  }
  assert.deepEqual([await alice.text('#session-id'), await bob.text('#session-id')], sessions);
});

await step('over BOSH: typing, a new line, and frames without secrets', async () => {
  await Promise.all([alice.moveTo('bosh'), bob.moveTo('bosh')]);
  await alice.page.type('#text', 'slowly');
  await bob.until('the other is seen typing', () => $('#typing').textContent.includes('is typing'));
  await alice.page.press('#text', 'Enter');
  said.alice.push('slowly');
  await complete();
  await alice.page.click('#frames-toggle');
  const frames = await alice.page.$$eval('#frames code', (nodes) => nodes.map((node) => node.textContent));
  const bodies = frames.filter((frame) => frame.startsWith('<body'));
  assert.ok(bodies.length >= 4, `${bodies.length} bodies`);
  const secret = frames.filter((frame) => /<(auth|response|challenge|success)\b[^>/]*>[^<•]/.test(frame));
  assert.deepEqual(secret, []);
  await alice.screenshot('frames-bosh-desktop-light');
  await alice.page.click('#frames-toggle');
});

await step('over BOSH: cut by the button, messages in flight both ways', async () => {
  const [before, during, after] = [numbered('alice before the cut over BOSH', 5), numbered('bob meanwhile over BOSH', 5), numbered('alice in that gap', 3)];
  await alice.burst(before, '#cut');
  await Promise.all([bob.burst(during), alice.burst(after)]);
  await alice.until('the gap is seen', () => document.body.dataset.stream === 'waiting');
  said.alice.push(...before, ...after);
  said.bob.push(...during);
  await complete();
  await alice.carriedBy('BOSH');
  assert.ok(!alice.frames.some((frame) => /<body[^>]*type='terminate'/.test(frame)), 'the cut said goodbye');
});

await step('over BOSH: connection lost with everything on its way', async () => {
  for (let round = 1; round <= 3; round += 1) {
    const lostBefore = proxy.lost();
    proxy.lose();
    const lines = numbered(`bob into the void over BOSH ${round}`, 10);
    const answers = numbered(`alice to the void over BOSH ${round}`, 10);
    await Promise.all([bob.burst(lines), alice.burst(answers)]);
    while (proxy.lost() < lostBefore + 2000) await new Promise((done) => setTimeout(done, 20));
    proxy.cut();
    said.bob.push(...lines);
    said.alice.push(...answers);
    await bob.online();
    await complete();
  }
});

await step('a reload keeps the transport', async () => {
  await bob.page.reload();
  await bob.carriedBy('BOSH');
  said.bob.push('after the reload over BOSH');
  await bob.write('after the reload over BOSH');
  await complete();
});

await step('over BOSH: signing out is heard at once, and a session waits for who looks at another page', async () => {
  const third = await Person.open(linkA);
  await third.online();
  await third.moveTo('bosh');
  const peer = await third.page.getAttribute('.conversation', 'title');
  const jid = await third.page.getAttribute('#self-name', 'title');
  assert.ok(peer && jid);
  await third.page.click('#sign-out');
  await third.until('the form is there', () => !$('#sign-in').hidden);
  await heard(jid, true);
  const fourth = await Person.open(linkA);
  await fourth.online();
  await fourth.moveTo('bosh');
  const session = await fourth.text('#session-id');
  await fourth.page.goto('about:blank');
  await fourth.page.goBack();
  await fourth.carriedBy('BOSH');
  assert.equal(await fourth.text('#session-id'), session, 'another page lost the session');
  await third.context.close();
  await fourth.context.close();
});

await step('back by the keyboard', async () => {
  await alice.page.focus('#ways [value=bosh]');
  await alice.page.keyboard.press('ArrowLeft');
  await alice.carriedBy('WebSocket');
  assert.ok(await alice.page.$eval('#ways [value=websocket]', (radio) => radio.checked && radio === focused()));
  await alice.screenshot('ways-focus-desktop-light');
  await bob.moveTo('automatic');
  await complete();
});

await step('without WebSockets the page falls back to BOSH', async () => {
  const behind = await Person.open(linkA, {
    prepare: (page) => page.addInitScript(() => {
      globalThis.WebSocket = class extends WebSocket {
        constructor(url, protocols) {
          super(`${url}-is-not-here`, protocols);
        }
      };
    }),
  });
  await behind.carriedBy('BOSH');
  assert.ok(await behind.page.isChecked('#ways [value=automatic]'));
  await behind.context.close();
});

await step('a WebSocket that hangs is not waited for', async () => {
  const behind = await Person.open(linkA, {
    prepare: (page) => page.routeWebSocket(/\/ws$/, () => {}),
  });
  await behind.carriedBy('BOSH');
  await behind.context.close();
});

await step('where BOSH does not get through, the session stays on its WebSocket', async () => {
  const { page } = alice;
  const session = await alice.text('#session-id');
  const resumes = await alice.text('#resumes');
  await page.route('**/http-bind', (route) => route.abort());
  await page.click('#ways [value=bosh]');
  await alice.until('it says so', () => $('#ways-problem').textContent);
  assert.ok(await page.isChecked('#ways [value=websocket]'));
  await alice.screenshot('stays-desktop-light');
  await page.unroute('**/http-bind');
  said.alice.push('still here');
  await alice.write('still here');
  await complete();
  assert.deepEqual([await alice.text('#session-id'), await alice.text('#resumes')], [session, resumes]);
  await alice.moveTo('bosh');
  assert.equal(await alice.text('#ways-problem'), '');
  await alice.moveTo('websocket');
});

await step('another window of the same person, whose resumption is refused', async () => {
  let refuse = false;
  const second = await Person.open(linkA, {
    prepare: (page) => page.routeWebSocket(/\/ws$/, (near) => {
      const far = near.connectToServer();
      near.onMessage((text) => far.send(refuse ? text.replace(/previd='[^']*'/, "previd='nobody'") : text));
    }),
  });
  await second.online();
  assert.equal(await alice.page.getAttribute('body', 'data-stream'), 'online');
  const session = await second.text('#session-id');
  refuse = true;
  await second.page.click('#cut');
  await second.write(OTHER_WINDOW);
  said.alice.push(OTHER_WINDOW);
  await bob.sees(said.alice);
  await second.online();
  assert.notEqual(await second.text('#session-id'), session);
  assert.equal(await second.text('#resumes'), '0 times');
  assert.deepEqual((await bob.shown('other')).slice(-SHOWN), said.alice.slice(-SHOWN));
  await second.page.click('#sign-out');
  await second.until('the form is there', () => !$('#sign-in').hidden);
  await second.context.close();
});

await step('a stream replaced elsewhere is left to the other, and 2,000 messages stay usable', async () => {
  const third = await Person.open(linkA, {
    prepare: (page) => page.addInitScript(() => {
      globalThis.WebSocket = class extends WebSocket {
        constructor(...given) {
          super(...given);
          globalThis.socket = this;
        }
      };
    }),
  });
  await third.online();
  const counted = await third.number('#h-in');
  const peer = await third.page.getAttribute('.conversation', 'title');
  const began = Date.now();
  await third.page.evaluate((from) => {
    // The server did not send these: it must not hear our count of them.
    socket.send = () => {};
    for (let i = 1; i <= 2100; i += 1) {
      const data = `<message xmlns='jabber:client' type='chat' from='${from}/x' id='flood-${i}'><body>flood ${i}</body></message>`;
      socket.dispatchEvent(new MessageEvent('message', { data }));
    }
  }, peer);
  await third.until('the last of 2,100 is there', () =>
    [...$$('.message .body')].at(-1)?.textContent === 'flood 2100');
  const took = Date.now() - began;
  const rows = () => third.page.$$eval('.message', (nodes) => nodes.length);
  assert.ok((await rows()) <= 260, `${await rows()} messages in the document`);
  assert.ok((await third.number('#h-in')) >= counted + 2100);
  await third.page.$eval('#earlier', (button) => button.click());
  assert.equal(await rows(), 400);

  await third.page.evaluate(() => {
    const data = "<stream:error xmlns:stream='http://etherx.jabber.org/streams'><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>";
    socket.dispatchEvent(new MessageEvent('message', { data }));
  });
  await third.until('it says so', () => $('#banner-text').textContent.includes('elsewhere'));
  await third.page.waitForTimeout(1500);
  assert.equal(await third.page.getAttribute('body', 'data-stream'), 'offline');
  await third.screenshot('replaced-desktop-light');
  await third.page.click('#banner-button');
  await third.online();
  await third.context.close();
  return { flood_ms: took };
});

await step('a reload signs in again and keeps what was said', async () => {
  const latest = async (side) => (await bob.shown(side)).slice(-SHOWN);
  const before = [await latest('own'), await latest('other')];
  await bob.page.reload();
  await bob.online();
  assert.deepEqual([await latest('own'), await latest('other')], before);
  said.bob.push('after the reload');
  await bob.write('after the reload');
  await complete();
});

for (const [scheme, device, viewport] of [
  ['light', 'desktop', { width: 1280, height: 800 }],
  ['dark', 'desktop', { width: 1280, height: 800 }],
  ['light', 'phone', { width: 390, height: 844 }],
  ['dark', 'phone', { width: 390, height: 844 }],
]) {
  await step(`looks, ${device} ${scheme}`, async () => {
    const { page } = alice;
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
    await page.setViewportSize(viewport);
    if (!(await page.isVisible('#text'))) await page.click('.conversation');
    await alice.screenshot(`chat-${device}-${scheme}`);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.equal(overflow, 0, 'the page is wider than the window');
    if (device !== 'phone') return;
    const opener = '#open-stream';
    await page.click(opener);
    assert.equal(await page.getAttribute(opener, 'aria-expanded'), 'true');
    await alice.screenshot(`stream-phone-${scheme}`);
    assert.ok(await page.$eval('#stream', (node) => node.contains(focused())));
    await page.keyboard.press('Escape');
    assert.equal(await page.getAttribute(opener, 'aria-expanded'), 'false');
    assert.ok(await page.$eval(opener, (node) => node === focused()));
    await page.focus('#text');
    await page.keyboard.press('Escape');
    await alice.screenshot(`people-phone-${scheme}`);
    assert.equal(await page.evaluate(() => focused().title), await page.getAttribute('.conversation', 'title'));
    await page.keyboard.press('Enter');
    assert.equal(await alice.text('#peer-name'), bob.name);
  });
}

await step('the narrowest phone', async () => {
  await alice.page.setViewportSize({ width: 360, height: 640 });
  await alice.page.fill('#text', numbered('a line', 5).join('\n'));
  await alice.screenshot('composer-narrow-dark');
  assert.equal(await alice.page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 0);
  await alice.page.fill('#text', '');
  await alice.page.setViewportSize({ width: 1280, height: 800 });
});

await step('the keyboard alone', async () => {
  const { page } = alice;
  await page.focus('#add-name');
  await page.keyboard.type('somebody here');
  await page.keyboard.press('Enter');
  assert.match(await alice.text('#add-error'), /name@domain/);
  await page.focus('#add-name');
  await page.keyboard.press('Control+A');
  await page.keyboard.type('Carol');
  await page.keyboard.press('Enter');
  assert.equal(await alice.text('#peer-name'), 'carol');
  assert.ok(await page.$eval('#text', (field) => field === focused()));
  for (const before of ['attach', 'scroller']) {
    await page.keyboard.press('Shift+Tab');
    assert.equal(await page.evaluate(() => focused().id), before);
  }
  await page.focus('.conversation');
  await page.keyboard.press('Enter');
  assert.equal(await alice.text('#peer-name'), bob.name);
});

/** Bob hears from the server that this very window of Alice's came or went. */
async function heard(jid, gone) {
  const deadline = Date.now() + PATIENCE;
  const matches = (frame) =>
    (frame.match(/<presence\b[^>]*>/g) ?? []).some((tag) => tag.includes(jid) && gone === /type=.unavailable/.test(tag));
  while (!bob.frames.some(matches)) {
    assert.ok(Date.now() < deadline, `nothing was heard of ${jid}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

await step('sign out', async () => {
  const jid = await alice.page.getAttribute('#self-name', 'title');
  await alice.page.click('#sign-out');
  await alice.until('the form is there', () => !$('#sign-in').hidden);
  await heard(jid, true);
  const last = alice.frames.filter((frame) => /^<(a|close)\b/.test(frame)).slice(-3).map((frame) => frame.slice(0, 3));
  assert.ok(last.includes('<a ') && last.includes('<cl'), `the goodbye was ${last}`);
  assert.equal(await alice.page.evaluate(() => sessionStorage.length), 0);
  assert.equal(await alice.page.$('#messages li'), null);
});

await step('sign in by the form', async () => {
  const [, name, password] = /#([^:]+):(.*)$/.exec(linkA).map(decodeURIComponent);
  await alice.page.fill('#name', name);
  await alice.page.fill('#password', password);
  await alice.page.press('#password', 'Enter');
  await alice.online();
  assert.equal(await alice.page.inputValue('#password'), '');
  await heard(await alice.page.getAttribute('#self-name', 'title'), false);
});

await step('a wrong password is told', async () => {
  const wrong = await Person.open(`${linkA}x`);
  await wrong.until('the words are there', () => $('#sign-in-error').textContent.includes('wrong'));
  assert.ok(!wrong.page.url().includes('#'));
  assert.equal(await wrong.page.evaluate(() => sessionStorage.length), 0);
  await wrong.screenshot('wrong-password-desktop-light');
  await wrong.page.setViewportSize({ width: 390, height: 844 });
  await wrong.page.emulateMedia({ colorScheme: 'dark' });
  await wrong.screenshot('wrong-password-phone-dark');
  await wrong.context.close();
});

await step('no complaints in the console', () => {
  assert.deepEqual(complaints, []);
}, true);

await browser.close();
proxy.stop();
process.exitCode = hasFailed() ? 1 : 0;
