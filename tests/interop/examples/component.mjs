/**
 * What <andiron-chat> does, on the site with Starlette's sessions.
 *
 *   node component.mjs SITE OUTDIR
 */

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { deflateSync } from 'node:zlib';
import { hasFailed, launch, step } from '../steps.mjs';
import { faint } from './contrast.mjs';
import { Visitor } from './visitor.mjs';

const [site, outdir] = process.argv.slice(2);
if (!outdir) {
  console.error('usage: node component.mjs SITE OUTDIR');
  process.exit(2);
}
mkdirSync(outdir, { recursive: true });

const STRICTEST = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; require-trusted-types-for 'script'";

const browser = await launch();
const play = { browser, site, outdir };
const juliet = new Visitor('juliet', 'capulet', play);
const romeo = new Visitor('romeo', 'montague', play);

/** A picture of one colour. */
function picture(width = 60, height = 40) {
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    let crc = ~0;
    for (const byte of body) {
      crc ^= byte;
      for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
    }
    const sum = Buffer.alloc(4);
    sum.writeInt32BE(~crc);
    return Buffer.concat([length, body, sum]);
  };
  const head = Buffer.from([0, 0, width >> 8, width & 255, 0, 0, height >> 8, height & 255, 8, 2, 0, 0, 0]);
  const rows = Buffer.concat(Array.from({ length: height }, () => Buffer.from([0, ...Array.from({ length: width }, () => [181, 64, 13]).flat()])));
  return Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), chunk('IHDR', head), chunk('IDAT', deflateSync(rows)), chunk('IEND', Buffer.alloc(0))]);
}

/** All text has the contrast that it must have. */
async function legible(page) {
  const { measured, found } = await page.evaluate(faint);
  assert.ok(measured > 8, `only ${measured} texts were looked at`);
  assert.deepEqual(found, []);
}

/** A page of the site's own with nothing but the component on it. */
async function bare(visitor, attributes, policy = STRICTEST) {
  // A page that no server has sent comes from the internet, Chromium thinks, and may not go to this machine.
  await visitor.context.grantPermissions(['local-network-access']);
  await visitor.context.route('**/bare', (route) => route.fulfill({
    contentType: 'text/html',
    headers: { 'Content-Security-Policy': policy },
    body: `<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><link rel="icon" href="/pages/none"><script type="module" src="/chat/widget.js"></script><andiron-chat ${attributes}></andiron-chat>`,
  }));
  await visitor.context.route('**/pages/none', (route) => route.fulfill({ contentType: 'image/svg+xml', body: '<svg xmlns="http://www.w3.org/2000/svg"/>' }));
  await visitor.open('/bare');
}

await step('two people are contacts', async () => {
  for (const visitor of [juliet, romeo]) {
    await visitor.open();
    await visitor.signIn();
  }
  await juliet.see('#empty-text', { hasText: 'Nobody is here yet.' });
  assert.ok(await juliet.page.isHidden('#composer'), 'there is nobody to write to');
  assert.ok(await juliet.page.isHidden('.lonely'));
  assert.equal(await juliet.page.locator('h2', { hasText: 'Chat' }).and(juliet.page.locator(':not(.visually-hidden)')).count(), 1);
  await juliet.page.setViewportSize({ width: 400, height: 700 });
  await juliet.see('.lonely', { hasText: 'Add a person' });
  await juliet.page.setViewportSize({ width: 900, height: 700 });
  await juliet.add('romeo');
  await romeo.page.click('#asking button.primary');
  await juliet.see('#peer-state', { hasText: 'online' });
  await romeo.see('#peer-state', { hasText: 'online' });
  await romeo.page.locator('#befriend').waitFor({ state: 'hidden' });
});

await step('typing is seen, and what was read', async () => {
  await juliet.page.type('#text', 'Is it late?');
  await romeo.see('#typing', { hasText: 'juliet is typing…' });
  await juliet.page.press('#text', 'Enter');
  await romeo.reads('Is it late?');
  assert.equal(await romeo.page.textContent('#typing'), '');
  await juliet.see('.message[data-state=read]');
  assert.equal(await juliet.page.textContent('.message .tick title'), 'Read');
});

await step('a room: entering, who is there, talking', async () => {
  for (const visitor of [juliet, romeo]) {
    await visitor.page.fill('#add-name', 'tea');
    await visitor.page.click('#add-room');
    await visitor.see('#peer-name', { hasText: 'tea' });
  }
  await juliet.see('#peer-state', { hasText: 'People in the room: 2' });
  await juliet.write('Who wants tea?');
  await romeo.see('.message.other .author', { hasText: 'juliet' });
  await romeo.reads('Who wants tea?');
  await romeo.page.type('#text', 'I');
  await juliet.see('#typing', { hasText: 'romeo is typing…' });
  await romeo.page.type('#text', ' do.');
  await romeo.page.press('#text', 'Enter');
  await juliet.reads('I do.');
  await juliet.see('.message.own[data-state=delivered]');
  await juliet.page.click('#open-occupants');
  assert.deepEqual(await juliet.page.$$eval('#occupants li', (items) => items.map((item) => item.textContent)), ['juliet', 'romeo']);
  await juliet.screenshot('component-room');
  await juliet.page.keyboard.press('Escape');
  assert.ok(await juliet.page.isHidden('#occupants'));
});

await step('what nobody has looked at is counted, in the list and for the page', async () => {
  await romeo.page.evaluate(() => {
    globalThis.told = [];
    document.addEventListener('andiron-unread', ({ detail }) => told.push(detail.unread));
    document.addEventListener('andiron-message', ({ detail }) => told.push(detail.text));
  });
  await juliet.choose('romeo');
  await juliet.write('Psst.');
  await juliet.write('Here.');
  await romeo.see('.conversation .badge:visible', { hasText: '2' });
  await romeo.screenshot('component-unread');
  await romeo.choose('juliet');
  await romeo.reads('Here.');
  await romeo.page.waitForFunction(() => told.at(-1) === 0);
  assert.deepEqual(await romeo.page.evaluate(() => told), [1, 'Psst.', 2, 'Here.', 0]);
  assert.equal(await romeo.page.evaluate(() => document.querySelector('andiron-chat').unread), 0);
});

await step('files: a picture is seen, another file is a link', async () => {
  await juliet.page.setInputFiles('#file', { name: 'rose.png', mimeType: 'image/png', buffer: picture() });
  const image = romeo.page.locator('.message.other .file img');
  await image.waitFor();
  assert.equal(await image.getAttribute('alt'), 'rose.png');
  await romeo.page.waitForFunction((node) => node.naturalWidth === 60, await image.elementHandle());
  await juliet.page.setInputFiles('#file', { name: 'letter.txt', mimeType: 'text/plain', buffer: Buffer.from('O gentle Romeo') });
  await romeo.see('.message.other a.file', { hasText: 'letter.txt' });
  await romeo.screenshot('component-files');
  await juliet.page.setInputFiles('#file', { name: 'empty', mimeType: 'text/plain', buffer: Buffer.alloc(0) });
  await juliet.see('#sending', { hasText: 'could not be sent' });
  await juliet.page.setInputFiles('#file', { name: 'broken.png', mimeType: 'image/png', buffer: Buffer.from('O gentle Romeo') });
  await romeo.see('.message.other a.file', { hasText: 'broken.png' });
  assert.equal(await juliet.page.textContent('#sending'), '');
  await juliet.page.setInputFiles('#file', { name: 'wide.png', mimeType: 'image/png', buffer: picture(1600, 200) });
  const wide = romeo.page.locator('.message.other .file img[alt="wide.png"]');
  await romeo.page.waitForFunction((node) => node.naturalWidth === 1600, await wide.elementHandle());
  const [bubble, shown] = await wide.evaluate((node) => [node.closest('.bubble'), node].map((one) => one.getBoundingClientRect().width));
  assert.ok(bubble - shown < 40, `a picture ${shown} wide is in a bubble of ${bubble}`);
});

await step('another page: session, rooms and unread messages are there again', async () => {
  const before = romeo.frames.length;
  await romeo.choose('tea');
  await juliet.write('While you look elsewhere.');
  await romeo.see('.conversation .badge:visible', { hasText: '1' });
  await romeo.page.goto(new URL('/converse.js/nothing', site).href);
  await juliet.write('And while you are there.');
  await juliet.see('.message.own[data-state=acked] .body', { hasText: 'And while you are there.' });
  await romeo.page.goBack();
  await romeo.online();
  await romeo.see('.conversation .badge:visible', { hasText: '2' });
  await romeo.see('#peer-name', { hasText: 'tea' });
  await romeo.see('#peer-state', { hasText: 'People in the room: 2' });
  await romeo.see('[data-presence=online] .conversation[title^="juliet@"]');
  assert.deepEqual(await romeo.shown(), ['Who wants tea?', 'I do.']);
  await romeo.choose('juliet');
  await romeo.reads('And while you are there.');
  const frames = romeo.frames.slice(before);
  assert.ok(frames.some((frame) => /^< <resumed /.test(frame)));
  assert.ok(!frames.some((frame) => /^> <presence[^>]*conference/.test(frame)), 'the room was entered once more');
  const texts = (await romeo.shown()).filter(Boolean); // A picture is no text.
  assert.equal(new Set(texts).size, texts.length, `${texts}`);
});

await step('another page in a narrow place: the list stays the list', async () => {
  const { page } = romeo;
  await page.setViewportSize({ width: 390, height: 700 });
  await page.click('#open-people');
  await page.reload();
  await romeo.online();
  await romeo.see('.conversation[title^="juliet@"]');
  assert.ok(await page.isHidden('#text'), 'a conversation was opened that nobody chose');
  await romeo.choose('juliet');
  await page.reload();
  await romeo.see('#text');
  await romeo.reads('And while you are there.');
  await page.setViewportSize({ width: 900, height: 700 });
});

await step('a session that has ended meanwhile: another one has everything, too', async () => {
  await juliet.choose('tea');
  await romeo.choose('tea');
  await romeo.page.goto(new URL('/converse.js/nothing', site).href);
  await romeo.page.evaluate(() => {
    const [key] = Object.keys(sessionStorage);
    const kept = JSON.parse(sessionStorage.getItem(key));
    kept.session.sm.id = 'nothing';
    sessionStorage.setItem(key, JSON.stringify(kept));
  });
  await juliet.write('Is it hot?');
  await romeo.page.goBack();
  await romeo.reads('Is it hot?');
  await romeo.write('Very.');
  await juliet.reads('Very.');
  const texts = await romeo.shown();
  assert.deepEqual(texts, ['Who wants tea?', 'I do.', 'Is it hot?', 'Very.']);
  await juliet.choose('romeo');
  await romeo.choose('juliet');
});

await step('in a new window there is what was said before', async () => {
  const { page: former } = romeo;
  await romeo.open();
  await romeo.online();
  await romeo.choose('juliet');
  await romeo.reads('And while you are there.');
  const [one, other] = [await romeo.shown(former), await romeo.shown()];
  assert.deepEqual(other, one);
  await romeo.page.close();
  romeo.page = former;
});

await step('a window that is opened from another does not take its session', async () => {
  const popup = juliet.context.waitForEvent('page');
  await juliet.page.evaluate(() => void open(location.href));
  const other = await popup;
  await juliet.online(other);
  const id = (page) => page.evaluate(() => document.querySelector('andiron-chat').session.status.sessionId);
  assert.notEqual(await id(other), await id(juliet.page));
  await other.close();
  await juliet.write('Still here.');
  await romeo.reads('Still here.');
});

await step('the past comes in as one looks for it', async () => {
  await juliet.page.evaluate(() => {
    const text = document.querySelector('andiron-chat').shadowRoot.getElementById('text');
    for (let i = 1; i <= 120; i += 1) {
      text.value = `line ${i}`;
      text.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true }));
    }
  });
  await romeo.reads('line 120');
  const later = new Visitor('romeo', 'montague', play);
  later.context = romeo.context;
  await later.open();
  await later.online();
  await later.choose('juliet');
  await later.reads('line 120');
  assert.ok(!(await later.shown()).includes('Is it late?'));
  for (let tries = 0; tries < 20 && !(await later.shown()).includes('Is it late?'); tries += 1) {
    await later.page.locator('#scroller').hover();
    await later.page.mouse.wheel(0, -20_000);
    await later.page.waitForTimeout(100);
  }
  await later.reads('Is it late?');
  await later.page.waitForFunction(() => {
    const bodies = [...document.querySelector('andiron-chat').shadowRoot.querySelectorAll('.body')];
    return bodies.filter((node) => node.textContent.startsWith('line ')).length === 120;
  });
  const texts = (await later.shown()).filter(Boolean);
  assert.deepEqual(texts, [...new Set(texts)]);
  await later.page.close();
});

await step('by the keyboard alone', async () => {
  const { page } = juliet;
  const focused = () => page.evaluate(() => document.activeElement.shadowRoot?.activeElement);
  await page.locator('.conversation').first().focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  assert.equal(await page.textContent('#peer-name'), 'tea');
  await page.keyboard.type('By keys.');
  await page.keyboard.press('Enter');
  await juliet.reads('By keys.');
  assert.ok(await focused() !== undefined);
  const reached = new Set();
  await page.locator('.conversation').first().focus();
  for (let i = 0; i < 25; i += 1) {
    reached.add(await page.evaluate(() => document.activeElement.shadowRoot?.activeElement?.id ?? ''));
    await page.keyboard.press('Tab');
  }
  for (const id of ['add-name', 'add-person', 'add-room', 'open-occupants', 'leave', 'scroller', 'attach', 'text']) {
    assert.ok(reached.has(id), `${id} is not reached by Tab: ${[...reached]}`);
  }
  const nameless = await page.evaluate(() => [...document.querySelector('andiron-chat').shadowRoot.querySelectorAll('button, input, textarea')]
    .filter((node) => node.checkVisibility() && !(node.ariaLabel || node.textContent.trim() || node.labels?.length)).map((node) => node.outerHTML));
  assert.deepEqual(nameless, []);
});

for (const [colorScheme, width, height] of [['light', 900, 700], ['dark', 900, 700], ['light', 390, 844], ['dark', 390, 844]]) {
  await step(`looks, ${width} ${colorScheme}`, async () => {
    const { page } = romeo;
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    if (width > 400) {
      await romeo.choose('juliet');
      await legible(page);
      await romeo.screenshot(`component-chat-${width}-${colorScheme}`);
      return;
    }
    if (await page.isVisible('#text')) {
      await page.focus('#text');
      await page.keyboard.press('Escape');
    }
    await legible(page);
    await romeo.screenshot(`component-list-${width}-${colorScheme}`);
    await page.keyboard.press('Enter');
    await romeo.see('#text');
    await legible(page);
    await romeo.screenshot(`component-chat-${width}-${colorScheme}`);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 0);
  });
}

await step('for one room, in German, dark, under the strictest policy', async () => {
  await bare(juliet, 'room="tea" lang="de" theme="dark"');
  await juliet.online();
  await juliet.reads('Who wants tea?');
  for (const id of ['people', 'open-people', 'leave']) assert.ok(await juliet.page.isHidden(`#${id}`), id);
  assert.equal(await juliet.page.getAttribute('#text', 'placeholder'), 'Nachricht schreiben');
  assert.equal(await juliet.page.locator('.late').count(), 0);
  await juliet.write('Aus einer anderen Seite.');
  await romeo.page.setViewportSize({ width: 900, height: 700 });
  await romeo.choose('tea');
  await romeo.reads('Aus einer anderen Seite.');
  await legible(juliet.page);
  await juliet.screenshot('component-pinned-room');
  await juliet.page.setViewportSize({ width: 320, height: 600 });
  const cut = await juliet.page.evaluate(() => {
    const text = document.querySelector('andiron-chat').shadowRoot.getElementById('text');
    return text.scrollHeight - text.clientHeight;
  });
  assert.ok(cut <= 1, `${cut} pixels of what the empty field says are not in sight`);
  await juliet.page.close();
});

await step('for one person, without a WebSocket', async () => {
  await bare(juliet, 'with="romeo" transport="bosh"');
  await juliet.online();
  assert.equal(await juliet.page.evaluate(() => document.querySelector('andiron-chat').session.status.transport), 'BOSH');
  await juliet.reads('line 120');
  await juliet.see('#peer-name', { hasText: 'romeo' });
  await juliet.screenshot('component-pinned-person');
  await juliet.page.close();
});

await step('a guest comes in without a name', async () => {
  const guest = new Visitor('guest', '', play);
  guest.context = await browser.newContext({ viewport: { width: 500, height: 600 } });
  await bare(guest, 'sign-in="guest" room="tea" nick="A guest"');
  await guest.online();
  await guest.reads('Who wants tea?');
  await guest.write('May I?');
  await romeo.see('.message.other .author', { hasText: 'A guest' });
  await guest.page.close();
  await bare(guest, 'sign-in="guest" lang="de"');
  await guest.see('#self-name', { hasText: /^Gast [0-9a-f]{4}$/ });
  assert.deepEqual(guest.complaints, []);
  await guest.context.close();
});

await step('a room is left', async () => {
  await romeo.page.click('#leave');
  await romeo.see('.conversation', { hasText: 'juliet' });
  assert.equal(await romeo.page.locator('.conversation', { hasText: 'tea' }).count(), 0);
});

await step('people are called as they call themselves', async () => {
  [juliet.page] = juliet.pages;
  await juliet.page.evaluate(() => new Promise((resolve) => {
    const { session } = document.querySelector('andiron-chat');
    session.addEventListener('stanza', ({ detail }) => detail.getAttribute('id') === 'card' && resolve());
    const text = "<iq xmlns='jabber:client' type='set' id='card'><vCard xmlns='vcard-temp'><FN>Juliet Capulet</FN></vCard></iq>";
    session.send({ id: '', text, keep: false });
  }));
  await juliet.page.reload();
  await juliet.see('#self-name', { hasText: 'Juliet Capulet' });
  const anew = new Visitor('romeo', 'montague', play);
  await anew.open();
  await anew.signIn();
  await anew.see('.conversation-name', { hasText: 'Juliet Capulet' });
  await anew.choose('juliet');
  await anew.see('#peer-name', { hasText: 'Juliet Capulet' });
  await anew.page.reload();
  await anew.see('#peer-name', { hasText: 'Juliet Capulet' });
  assert.equal(anew.frames.filter((frame) => /^> <iq.* to='juliet@[^']*'><vCard/.test(frame)).length, 1);
  await anew.context.close();
  const guest = new Visitor('guest', '', play);
  guest.context = await browser.newContext({ viewport: { width: 900, height: 600 } });
  await bare(guest, 'sign-in="guest" with="juliet"');
  await guest.see('#peer-name', { hasText: 'Juliet Capulet' });
  await guest.write('Who are you?');
  await juliet.page.locator('.conversation', { hasText: 'Who are you?' }).click();
  await juliet.write('Juliet.');
  await guest.see('#peer-state', { hasText: /^juliet@.* · online$/ });
  await guest.context.close();
});

await step('the next who signs in at this window sees and sends nothing of the last', async () => {
  [juliet.page] = juliet.pages;
  await juliet.page.evaluate(() => document.querySelector('andiron-chat').session.cut());
  await juliet.choose('romeo');
  await juliet.write('Never sent by anybody else.');
  await juliet.context.clearCookies();
  await juliet.page.goto(new URL('/', site).href);
  const sent = juliet.frames.length;
  Object.assign(juliet, { name: 'romeo', password: 'montague' });
  await juliet.signIn();
  await juliet.choose('juliet');
  await juliet.reads('line 120');
  assert.ok(!juliet.frames.slice(sent).some((frame) => frame.includes('Never sent')));
  assert.ok(!(await juliet.shown()).includes('Never sent by anybody else.'));
});

await step('there were no complaints', () => {
  const complaints = [...juliet.complaints, ...romeo.complaints].filter((text) => !/favicon\.ico|converse\.js\/nothing/.test(text));
  assert.deepEqual(complaints, []);
});

await browser.close();
process.exitCode = hasFailed() ? 1 : 0;
