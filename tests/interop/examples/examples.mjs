/**
 * Two people who are signed in to a site chat on it.
 *
 *   node examples.mjs NAME SITE STRANGER_PORT OUTDIR
 *
 * NAME is the example's, SITE its address; a page of another origin is served on STRANGER_PORT.
 */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import http from 'node:http';
import { hasFailed, launch, step } from '../steps.mjs';
import { Visitor } from './visitor.mjs';

const [name, site, port, outdir] = process.argv.slice(2);
if (!outdir) {
  console.error('usage: node examples.mjs NAME SITE STRANGER_PORT OUTDIR');
  process.exit(2);
}
mkdirSync(outdir, { recursive: true });

const browser = await launch();
const play = { browser, site, outdir };
const juliet = new Visitor('juliet', 'capulet', play);
const romeo = new Visitor('romeo', 'montague', play);

await step('who is not signed in is told to do so', async () => {
  await juliet.open();
  if (await juliet.page.locator('andiron-chat').count()) await juliet.see('#gate-words', { hasText: 'Sign in to this site to chat.' });
  await juliet.screenshot(`${name}-stranger`);
});

/** Where the site keeps who is signed in; null for one that has no cookie. */
const COOKIE = { starlette: 'session', django: 'sessionid', fastapi_jwt: null }[name];

/** Whether somebody else's browser with this cookie is taken for who was given it. */
async function worth(value) {
  const context = await browser.newContext();
  await context.addCookies([{ name: COOKIE, value, url: site }]);
  const page = await context.newPage();
  await page.goto(site);
  const known = await page.locator('andiron-chat').count();
  const [offered] = await page.evaluate(() => new Promise((done) => {
    const socket = new WebSocket(`ws://${location.host}/chat/ws`, 'xmpp');
    socket.onopen = () => socket.send("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>");
    socket.onmessage = ({ data }) => data.includes('features') && done([data.includes('EXTERNAL')]);
  }));
  await context.close();
  assert.equal(Boolean(known), offered, 'site and chat do not agree who this is');
  return offered;
}

const cookieOf = async ({ context }) => (await context.cookies(site)).find(({ name: one }) => one === COOKIE)?.value;
const planted = 'e30='.padEnd(32, 'x');
let stolen;

await step('both sign in to the site, and the chat knows them', async () => {
  await juliet.signIn();
  await romeo.open();
  if (COOKIE) await romeo.context.addCookies([{ name: COOKIE, value: planted, url: site }]);
  await romeo.signIn();
  assert.equal(await juliet.page.textContent('#self-name'), 'juliet');
  assert.equal(await romeo.page.textContent('#self-name'), 'romeo');
});

await step('one writes to the other by name', async () => {
  await juliet.add('romeo');
  await juliet.write('Good evening.');
  await romeo.see('#asking li', { hasText: 'juliet' });
  await romeo.reads('Good evening.');
  await romeo.screenshot(`${name}-asked`);
  await romeo.page.click('#asking button.primary');
  await romeo.write('Good evening to you.');
  await juliet.reads('Good evening to you.');
  await juliet.see('.message[data-state=read]');
  await juliet.see('#peer-state', { hasText: 'online' });
  await juliet.screenshot(`${name}-chat`);
});

await step('another page, and back: the session goes on', async () => {
  await juliet.page.reload();
  await juliet.online();
  await juliet.reads('Good evening to you.');
  await romeo.write('Are you still there?');
  await juliet.reads('Are you still there?');
  assert.deepEqual(await juliet.shown(), ['Good evening.', 'Good evening to you.', 'Are you still there?']);
  assert.ok(juliet.frames.some((frame) => /^< <resumed /.test(frame)), 'the session was not resumed');
});

await step('under a strict policy there were no complaints', async () => {
  const answer = await juliet.page.reload();
  assert.equal(answer.headers()['content-security-policy'], "default-src 'self'");
  await juliet.online();
  // What Chromium says of a page without an icon is none of ours.
  const complaints = [...juliet.complaints, ...romeo.complaints].filter((text) => !/favicon\.ico/.test(text));
  assert.deepEqual(complaints, []);
});

await step('the same with Converse.js', async () => {
  await juliet.page.route('https://conversejs.org/**', (route) => route.fulfill({ contentType: 'image/svg+xml', body: '' }));
  await juliet.page.goto(new URL('/converse', site).href);
  await juliet.page.click('.roster-contacts a.open-chat[data-jid="romeo@localhost"]');
  await juliet.see('.chat-msg__text', { hasText: 'Are you still there?' });
  await juliet.page.fill('.chat-textarea', 'Here, with another client.');
  await juliet.page.press('.chat-textarea', 'Enter');
  await romeo.reads('Here, with another client.');
  await romeo.write('And I can read you.');
  await juliet.see('.chat-msg__text', { hasText: 'And I can read you.' });
  await juliet.screenshot(`${name}-converse`);
});

/** What a page of another origin gets, in the browser of somebody who is signed in. */
async function attempts(base) {
  const settled = (promise) => promise.then(() => 'something', () => 'nothing');
  const socket = new WebSocket(`${base.replace('http', 'ws')}/chat/ws`, 'xmpp');
  const body = "<body xmlns='http://jabber.org/protocol/httpbind' rid='1' to='localhost' wait='1' hold='1' ver='1.6' content='text/xml; charset=utf-8' xml:lang='en' xmlns:xmpp='urn:xmpp:xbosh' xmpp:version='1.0'/>";
  return {
    websocket: await settled(new Promise((open, fail) => Object.assign(socket, { onopen: open, onerror: fail }))),
    bosh: await settled(fetch(`${base}/chat/http-bind`, { method: 'POST', body, credentials: 'include' }).then((answer) => answer.text())),
    widget: await settled(import(`${base}/chat/widget.js`)),
  };
}

await step('a page of another origin gets nothing', async () => {
  const server = http.createServer((_request, response) => response.setHeader('Content-Type', 'text/html').end('<!doctype html>'));
  server.listen(Number(port), '127.0.0.1');
  await once(server, 'listening');
  const page = await romeo.context.newPage();
  await page.goto(`http://127.0.0.1:${port}/`);
  const origin = new URL(site).origin;
  const cookies = await romeo.context.cookies(`${origin}/chat/ws`);
  if (name !== 'fastapi_jwt') assert.ok(cookies.length, 'there is no cookie to be stolen');
  assert.deepEqual(await page.evaluate(attempts, origin), { websocket: 'nothing', bosh: 'nothing', widget: 'nothing' });
  await page.close();
  server.close();
  server.closeAllConnections();
});

await step('a cookie that was planted is worth nothing, and a stolen one what it is worth on the site', async () => {
  if (!COOKIE) return;
  stolen = await cookieOf(romeo);
  assert.notEqual(stolen, planted);
  assert.equal(await worth(planted), false);
  assert.equal(await worth(stolen), true);
});

await step('a page that has tokens comes back with a fresh one in time, and loses nothing', async () => {
  if (name !== 'fastapi_jwt') return;
  const early = new Visitor('juliet', 'capulet', play);
  early.context = await browser.newContext();
  await early.context.clock.install();
  await early.open();
  await early.signIn();
  const auths = () => early.frames.filter((frame) => frame.startsWith('> <auth')).length;
  assert.equal(auths(), 1);
  await early.page.clock.fastForward('59:30');
  await early.page.waitForFunction(() => document.querySelector('andiron-chat').session.status.resumes === 1);
  assert.equal(auths(), 2);
  await early.context.close();
});

await step('who signs out of the site loses the stream, in every window', async () => {
  const [first] = romeo.pages;
  let second = first;
  if (name !== 'fastapi_jwt') {
    await romeo.open();
    await romeo.online();
    second = romeo.page;
  }
  await first.click('button:has-text("Sign out")');
  await second.locator('#gate-words', { hasText: /signed out|Sign in/ }).waitFor();
  await first.locator('input[name=password]').first().waitFor();
  romeo.page = second;
  await romeo.screenshot(`${name}-signed-out`);
  assert.ok(romeo.frames.some((frame) => /^< .*<not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/.test(frame)));
});

await step('where the site forgets a session, a stolen cookie is worth nothing any more', async () => {
  // Starlette's cookie is the session itself, and lasts as long as it was made for.
  if (name === 'django') assert.equal(await worth(stolen), false);
});

await browser.close();
process.exitCode = hasFailed() ? 1 : 0;
