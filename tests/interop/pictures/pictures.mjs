/**
 * Take the pictures of the documentation.
 *
 *   node pictures.mjs SITE LINK_A LINK_B OUTDIR
 *
 * SITE is the tutorial's, the links are those of the demonstration. Each picture goes to OUTDIR
 * as WebP, which Chromium makes of it: small enough to be kept beside the text.
 */

import assert from 'node:assert/strict';
import { camera } from './camera.mjs';
import { hasFailed, launch, step } from '../steps.mjs';
import { Visitor } from '../examples/visitor.mjs';

const [site, linkA, linkB, outdir] = process.argv.slice(2);
if (!outdir) {
  console.error('usage: node pictures.mjs SITE LINK_A LINK_B OUTDIR');
  process.exit(2);
}

const browser = await launch();
const picture = await camera(browser, outdir);

/** Somebody who is signed in by an address, without a form. */
class Guest extends Visitor {
  static async at(where, address, options) {
    const guest = new Guest('', '', { browser, site: address });
    await guest.open(where, options);
    await guest.online();
    return guest;
  }
}

await step('the demonstration', async () => {
  const alice = await Guest.at(linkA, linkA, { viewport: { width: 1180, height: 760 } });
  const bob = await Guest.at(linkB, linkB);
  await alice.see('#peer-state', { hasText: 'online' });
  await alice.write('Good evening, is the fire lit?');
  await bob.reads('is the fire lit?');
  await bob.write('Since six. Bring wood.');
  await alice.reads('Bring wood.');
  await alice.see('.message.own[data-state=read]');
  await picture(alice.page, 'demo');
});

await step('the chat on the page of a site', async () => {
  const juliet = await Guest.at('/in/juliet', site, { viewport: { width: 1000, height: 620 } });
  const [nurse, romeo] = [await Guest.at('/in/nurse', site), await Guest.at('/in/romeo', site)];
  await juliet.choose('romeo');
  await nurse.choose('juliet');
  await nurse.write('Anon, anon!');
  await romeo.choose('juliet');
  await romeo.write('What shall I swear by?');
  await juliet.reads('What shall I swear by?');
  await juliet.write('Do not swear at all.');
  await romeo.reads('Do not swear at all.');
  await romeo.write('Good night, then.');
  await juliet.reads('Good night, then.');
  await juliet.see('.message.own[data-state=read]');
  await juliet.see('.conversation .badge', { hasText: '1' });
  await juliet.page.mouse.move(0, 0);
  await picture(juliet.page, 'site');
  await romeo.page.emulateMedia({ colorScheme: 'dark' });
  await romeo.page.setViewportSize({ width: 400, height: 620 });
  await romeo.see('#text');
  await picture(romeo.page, 'phone');
  assert.deepEqual([...juliet.complaints, ...romeo.complaints].filter((text) => !/favicon\.ico/.test(text)), []);
});

await browser.close();
process.exitCode = hasFailed() ? 1 : 0;
