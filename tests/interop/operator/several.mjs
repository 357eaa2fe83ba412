/**
 * Look at the operator's page of a chat that two processes serve, in a real Chromium.
 *
 *   node several.mjs DOOR TOKEN HOMEPID DOORPID OUTDIR
 *
 * DOOR is where the one answers that is not home; alice is signed in by the home, bob by the door.
 */

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { Visitor } from '../examples/visitor.mjs';
import { hasFailed, launch, step } from '../steps.mjs';

const [site, token, home, door, outdir] = process.argv.slice(2);
if (!outdir) {
  console.error('usage: node several.mjs DOOR TOKEN HOMEPID DOORPID OUTDIR');
  process.exit(2);
}
mkdirSync(outdir, { recursive: true });

const browser = await launch();
const rows = '#table tbody tr';
const of = '#process-table tbody tr';

async function signIn(name, options) {
  const operator = new Visitor(name, '', { browser, site, outdir });
  await operator.open('/operator/', options);
  await operator.page.fill('#token', token);
  await operator.page.press('#token', 'Enter');
  await operator.see('[data-live=live]');
  return operator;
}

const operator = await signIn('operator', { viewport: { width: 1280, height: 680 } });
const { page } = operator;

await step('there is a line for each process', async () => {
  await operator.see(of, { hasText: `:${home}` });
  await operator.see(`${of}:has-text(":${door}")`, { hasText: 'door' });
  const lines = await page.$$eval(of, (all) => all.map((row) => [...row.cells].map((cell) => cell.textContent)));
  assert.deepEqual(lines.map(([name, role, sessions]) => [name.split(':').pop(), role, sessions]), [[home, 'home', '1'], [door, 'door', '1']]);
  for (const [, , , , memory, lag] of lines) {
    assert.match(memory, /MiB$/);
    assert.match(lag, / ms$/);
  }
});

await step('sessions tell by which they came, are sorted by it and found', async () => {
  await page.click('th[data-sort=process] button');
  await operator.see('th[data-sort=process][aria-sort]');
  await operator.see(`${rows}:has-text("alice@")`, { hasText: `:${home}` });
  await operator.see(`${rows}:has-text("bob@")`, { hasText: `:${door}` });
  await operator.screenshot('operator-of-several');
  await page.fill('#filter', `:${door}`);
  await operator.see('#range', { hasText: '1 session' });
  await page.click(`${rows} button`);
  const facts = await page.$$eval('.facts > div', (all) => Object.fromEntries(all.map((fact) => [...fact.children].map((part) => part.textContent))));
  assert.deepEqual([facts.Process, facts.Home].map((name) => name.split(':').pop()), [door, home]);
  await operator.screenshot('operator-of-several-session');
});

await step('all of it is there on a phone', async () => {
  const phone = await signIn('phone', { viewport: { width: 390, height: 844 }, colorScheme: 'dark' });
  await phone.see(of, { hasText: `:${door}` });
  await phone.see(`${rows} .process`, { hasText: `:${door}` });
  const [wide, room] = await phone.page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(wide <= room, `it is ${wide} pixels wide`);
  await phone.screenshot('operator-of-several-phone');
  assert.deepEqual([...operator.complaints, ...phone.complaints], []);
});

await browser.close();
process.exitCode = hasFailed() ? 1 : 0;
