/**
 * Drive the operator's page in a real Chromium.
 *
 *   node operator.mjs SITE TOKEN OUTDIR
 *
 * SITE is where tests/support/watched.py is served, TOKEN that of its API; pictures of the documentation go to OUTDIR.
 */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { mkdirSync } from 'node:fs';
import { Visitor } from '../examples/visitor.mjs';
import { camera } from '../pictures/camera.mjs';
import { hasFailed, launch, step } from '../steps.mjs';

const [site, token, outdir] = process.argv.slice(2);
if (!outdir) {
  console.error('usage: node operator.mjs SITE TOKEN OUTDIR');
  process.exit(2);
}
mkdirSync(outdir, { recursive: true });

const WORDS = 'a word to nobody else';
const browser = await launch();
const picture = await camera(browser, outdir);
const at = (name) => new Visitor(name, '', { browser, site, outdir });
const view = { viewport: { width: 1180, height: 680 } };
const rows = '#table tbody tr';

const operator = at('operator');
const [juliet, romeo] = [at('juliet'), at('romeo')];

/** Wait for a word that says what was done. */
const said = (text, visitor = operator) => visitor.see('#said', { hasText: text });

async function filter(text) {
  await operator.page.fill('#filter', text);
}

async function visit(visitor) {
  await visitor.open(`/in/${visitor.name}`);
  await visitor.online();
}

/** The client of a page has no stream any more. */
const cutOff = (visitor) => visitor.page.locator('andiron-chat:not([data-stream=online])').waitFor({ state: 'attached' });

await step('nobody gets in without the token', async () => {
  await operator.open('/chat/operator', view);
  assert.equal(operator.page.url(), new URL('/chat/operator/', site).href);
  await operator.see('#token');
  assert.equal(await operator.page.isVisible('#views'), false);
  await operator.page.fill('#token', 'x'.repeat(32));
  await operator.page.press('#token', 'Enter');
  await operator.see('#gate-problem', { hasText: 'not one of those' });
  await operator.page.fill('#token', token);
  await operator.page.press('#token', 'Enter');
  await operator.see(rows);
  await operator.see('[data-live=live]');
  assert.equal(operator.page.url().includes(token), false);
  assert.deepEqual(await operator.page.$$eval('.process, #processes', (all) => all.filter((one) => one.checkVisibility())), [], 'one process need not be told of');
});

await step('sessions are filtered, sorted and paged', async () => {
  const { page } = operator;
  assert.equal(await page.locator(rows).count(), 50);
  await operator.see('#range', { hasText: '1–50 of 55' });
  await page.click('#next');
  await operator.see('#range', { hasText: '51–55 of 55' });
  await page.click('#previous');
  await filter('detached');
  await operator.see('#range', { hasText: '6 sessions' });
  await page.waitForFunction(() => [...document.querySelectorAll('#table td.state')].every((cell) => cell.textContent === 'detached'));
  await filter('nobody of that name');
  await operator.see('.empty', { hasText: 'None of 55 sessions' });
  await filter('');
  await page.click('th[data-sort=address] button');
  await operator.see('th[data-sort=address][aria-sort=descending]');
  await operator.see(`${rows}:first-child`, { hasText: 'viola@localhost' });
  await page.click('th[data-sort=address] button');
  await operator.see(`${rows}:first-child`, { hasText: 'antonio@localhost' });
  await page.click('th[data-sort=unacknowledged] button');
  await page.waitForFunction(() => {
    const waiting = [...document.querySelectorAll('#table tbody td:nth-child(7)')].map((cell) => Number(cell.textContent) || 0);
    return waiting[0] >= 6 && waiting.every((number, at) => !at || number <= waiting[at - 1]);
  });
  await operator.page.mouse.move(0, 0);
  await picture(operator.page, 'operator');
});

await step('a session that begins is there by itself, and its trace tells no words', async () => {
  await filter('juliet');
  await operator.see('.empty');
  await visit(juliet);
  await operator.see(rows, { hasText: 'juliet@localhost' });
  await operator.page.focus(`${rows} button`);
  await operator.page.keyboard.press('Enter');
  await operator.see('#detail-title', { hasText: 'juliet@localhost' });
  await operator.see('.facts', { hasText: 'websocket' });
  await operator.page.click('#trace');
  await operator.see('#trace[aria-checked=true]');
  await juliet.add('nurse');
  await juliet.write(WORDS);
  await operator.see('#trace-lines .in', { hasText: '<body>…</body>' });
  assert.equal((await operator.page.textContent('#trace-lines')).includes(WORDS), false);
  await picture(operator.page, 'operator-session');
});

await step('ending a session ends it in the client', async () => {
  await operator.page.click('#detail-body .danger');
  await operator.page.fill('#ask [name=reason]', 'The play is over');
  await operator.page.click('#ask-do');
  await said('was ended');
  await cutOff(juliet);
  assert.ok(juliet.frames.some((frame) => frame.startsWith('<') && frame.includes('The play is over')));
  await operator.see('#detail-body .problem', { hasText: 'has ended' });
  await operator.see('#trace-lines .event', { hasText: 'closed: kicked' });
  await operator.page.keyboard.press('Escape');
  await operator.see('.empty', { hasText: 'juliet' });
  await filter('');
});

await step('all are told, and an account is disabled and enabled', async () => {
  await visit(romeo);
  await operator.page.click('#announce');
  await operator.page.fill('#ask [name=body]', 'The doors close in ten minutes');
  await operator.page.click('#ask-do');
  await said('sessions told');
  await operator.page.click('nav a[href="#accounts"]');
  await operator.see('#no-disabled');
  await operator.page.fill('#account', 'nobody');
  await operator.page.press('#account', 'Enter');
  await operator.page.click('#ask-do');
  await operator.see('#ask-problem', { hasText: 'nobody' });
  await operator.page.click('#ask [data-close]');
  await operator.page.fill('#account', 'romeo');
  await operator.page.press('#account', 'Enter');
  await operator.page.click('#ask-do');
  await said('romeo is disabled; 1 session ended');
  await cutOff(romeo);
  assert.ok(romeo.frames.some((frame) => frame.startsWith('<') && frame.includes('The doors close')));
  await operator.page.click('#disabled li button');
  await operator.page.click('#ask-do');
  await said('can sign in again');
  await operator.see('#no-disabled');
});

await step('rooms are listed with who is in them', async () => {
  await operator.page.click('nav a[href="#rooms"]');
  await operator.page.click('#room-table tbody tr:has-text("The globe") button');
  await operator.see('#detail-body .list', { hasText: 'antonio@localhost' });
  await operator.page.keyboard.press('Escape');
});

await step('a setting is changed, and a wrong one refused', async () => {
  await operator.page.click('nav a[href="#settings"]');
  const field = '#set-stream_management_unsolicited_ack_frequency';
  const save = `.setting:has(${field}) [type=submit]`;
  await operator.see('#setting-list', { hasText: 'stream.management.unsolicitedAckFrequency' });
  await operator.page.fill(field, '-1');
  await operator.page.click(save);
  await operator.see(`.setting:has(${field}) .problem`, { hasText: 'a whole number, 0 or more' });
  await operator.page.fill(field, '5');
  await operator.page.click(save);
  await said('is 5 now');
  await operator.page.click('#set-stream_management_active');
  await operator.page.click('.setting:has(#set-stream_management_active) [type=submit]');
  await said('stream_management_active is false now');
  await operator.page.reload();
  await operator.see('#set-stream_management_active:not(:checked)');
  assert.equal(await operator.page.inputValue(field), '5');
  await operator.page.click('#sign-out');
  await operator.see('#token');
});

const portia = at('portia');

await step('the site’s own sign-in lets its operators in, and nobody else', async () => {
  await portia.open('/in/portia', { viewport: { width: 390, height: 844 }, colorScheme: 'dark' });
  await portia.page.goto(new URL('/chat/operator/', site).href);
  await portia.see(rows);
  await portia.see('[data-live=live]');
  assert.equal(await portia.page.isVisible('#sign-out'), false);
  for (const name of ['sessions', 'rooms', 'accounts', 'settings']) {
    await portia.page.click(`nav a[href="#${name}"]`);
    await portia.see(`#${name}`);
    const [wide, room] = await portia.page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(wide <= room, `${name} is ${wide} pixels wide`);
  }
  await portia.page.click('nav a[href="#sessions"]');
  const cut = await portia.page.evaluate(() => [...document.querySelectorAll('.tiles dt')].filter((name) => name.scrollWidth > name.clientWidth).map((name) => name.textContent));
  assert.deepEqual(cut, []);
  await picture(portia.page, 'operator-phone');
  await romeo.page.goto(new URL('/chat/operator/', site).href);
  await romeo.see('#token');
  await romeo.page.click('#again');
  assert.equal(await romeo.page.isVisible('#views'), false);
});

await step('another site’s page can do nothing by the operator’s cookie', async () => {
  // The same host, so that the cookie goes along; another port, so another origin.
  const server = createServer((_request, response) => response.setHeader('Content-Type', 'text/html').end('<!doctype html><link rel="icon" href="data:,"><iframe></iframe>'));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const page = await portia.context.newPage();
  const statuses = [];
  page.on('response', async (response) => {
    if (response.url().includes('/api/')) statuses.push([(await response.request().allHeaders()).cookie !== undefined, response.status()]);
  });
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  const api = new URL('/chat/api/v1/', site).href;
  const tried = await page.evaluate(async ([base, header]) => {
    const json = { 'Content-Type': 'application/json', [header]: 'page' };
    const body = JSON.stringify({ body: 'from elsewhere' });
    const asked = [
      ['announcements', { method: 'POST', headers: json, body }],
      ['sessions?of=viola', { method: 'DELETE', headers: json }],
      ['sessions', {}],
      ['announcements', { method: 'POST', mode: 'no-cors', body }],
    ];
    const done = [];
    for (const [path, init] of asked) {
      done.push(await fetch(base + path, { credentials: 'include', ...init }).then(({ type }) => type, () => 'refused'));
    }
    return done;
  }, [api, 'Andiron-Operator']);
  assert.deepEqual(tried, ['refused', 'refused', 'refused', 'opaque']);
  await page.evaluate((base) => {
    const form = Object.assign(document.createElement('form'), { method: 'post', action: `${base}announcements`, enctype: 'text/plain' });
    document.body.append(form);
    form.submit();
  }, api);
  await page.waitForURL(/announcements/);
  assert.match(await page.textContent('body'), /cross_site/);
  assert.ok(statuses.some(([cookie]) => cookie), 'no cookie went along');
  assert.ok(statuses.every(([, status]) => status === 401 || status === 403), JSON.stringify(statuses));
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  await page.evaluate((address) => { document.querySelector('iframe').src = address; }, new URL('/chat/operator/', site).href);
  await page.waitForFunction(() => {
    try {
      return document.querySelector('iframe').contentDocument === null;
    } catch {
      return true;
    }
  });
  assert.equal(page.frames().some((frame) => frame.url().includes('/operator/')), false);
  await page.close();
  server.close();
});

await step('nothing was complained about', () => {
  const unexpected = [operator, portia].flatMap(({ complaints }) => complaints).filter((text) => !/the server responded with a status of 4/.test(text));
  assert.deepEqual(unexpected, []);
});

await browser.close();
process.exitCode = hasFailed() ? 1 : 0;
