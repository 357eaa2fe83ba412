/**
 * Two people with Converse.js, in two browsers, at two processes of one chat, of which each is killed once.
 *
 *   node fellows.mjs ANDIRON PORT OTHER_PORT PAGE_PORT DOMAIN PASSWORD OUTDIR
 *
 * ANDIRON is the command, which serves at both ports by what the environment says; Converse.js comes
 * from PAGE_PORT. There are the accounts romeo and juliet with PASSWORD. Each comes by a proxy of their
 * own that goes to their process, and to the other's while that is away. Screenshots and the servers'
 * logs go to OUTDIR. Exits with 1 when a step failed.
 */

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { OPEN } from '../converse/person.mjs';
import { servePage } from '../converse/serve.mjs';
import { Conversing, until } from '../restart/people.mjs';
import { Server } from '../restart/server.mjs';
import { hasFailed, launch, step } from '../steps.mjs';
import { before } from './proxy.mjs';

const [andiron, port, otherPort, pagePort, domain, password, outdir] = process.argv.slice(2);
if (!outdir) {
  console.error('usage: node fellows.mjs ANDIRON PORT OTHER_PORT PAGE_PORT DOMAIN PASSWORD OUTDIR');
  process.exit(2);
}
mkdirSync(outdir, { recursive: true });

const [first, second] = [port, otherPort].map((each) => new Server(andiron, each, path.join(outdir, `${each}.log`), false));
const proxies = await Promise.all([before([port, otherPort]), before([otherPort, port])]);
const site = await servePage(Number(pagePort));
const browsers = await Promise.all([launch(), launch()]);
const complaints = [];
const [romeo, juliet] = ['romeo', 'juliet'].map(
  (name, index) => new Conversing(name, { browser: browsers[index], site, domain, outdir, complaints, broken: true }),
);
const both = [romeo, juliet];
const ROOM = `verona@conference.${domain}`;
/** What was said in each conversation. */
const said = { chat: [], room: [] };

const resumed = (person) => person.frames.filter((frame) => frame.startsWith('< <resumed')).length;

/** Have both open a conversation. */
async function turnTo(where) {
  await Promise.all(both.map(async (person, index) => {
    const target = where === 'room' ? `room?jid=${ROOM}` : `chat?jid=${both[1 - index].jid}`;
    await person.page.evaluate((hash) => { location.hash = hash; }, `converse/${target}`);
    const jid = where === 'room' ? ROOM : both[1 - index].jid;
    await person.see(`${where === 'room' ? 'converse-muc' : 'converse-chat'} .chatbox-title__text[title="${jid}"]`);
  }));
}

/** Both write something in what is open, and wait until both read all that was said there, once. */
async function talk(where, when) {
  await turnTo(where);
  for (const person of both) {
    const line = `${person.name} ${when}`;
    said[where].push(line);
    await person.write(line);
    await Promise.all(both.map((each) => each.reads([line])));
  }
  for (const person of both) {
    assert.deepEqual((await person.texts()).filter((text) => said[where].includes(text)).sort(), [...said[where]].sort(), person.name);
  }
}

/** End a process without a word, while both write; all come back. */
async function lose(server, name, losing) {
  await turnTo('chat');
  const counts = both.map(resumed);
  for (const person of losing) {
    said.chat.push(`${person.name} as the ${name} is killed`);
    await person.write(said.chat.at(-1));
  }
  await server.end('SIGKILL');
  const began = Date.now();
  await Promise.all(losing.map((person) => until(`${person.name} has resumed`, () => resumed(person) > counts[both.indexOf(person)])));
  const back_ms = Date.now() - began;
  await Promise.all(both.map((person) => person.reads(said.chat)));
  for (const person of both) await person.screenshot(`${name}-killed-${person.name}`);
  return { back_ms };
}

await step('each comes by a process of their own', async () => {
  await first.start();
  await second.start();
  await Promise.all(both.map((person, index) => person.come(
    { websocket_url: `${proxies[index].url.replace('http', 'ws')}/ws` },
    both[1 - index].jid,
    password,
  )));
});

await step('they talk', () => talk('chat', 'by two processes'));

await step('they talk in a room', async () => {
  await romeo.page.evaluate((hash) => { location.hash = hash; }, `converse/room?jid=${ROOM}`);
  await romeo.page.fill(`${OPEN} input[name=nick]`, 'romeo');
  await romeo.page.click(`${OPEN} input[name=join]`);
  await romeo.see(`${OPEN} .occupant-list`, { hasText: 'romeo' });
  await juliet.page.evaluate((hash) => { location.hash = hash; }, `converse/room?jid=${ROOM}`);
  await juliet.page.fill(`${OPEN} input[name=nick]`, 'juliet');
  await juliet.page.click(`${OPEN} input[name=join]`);
  for (const person of both) {
    for (const nick of ['romeo', 'juliet']) await person.see(`${OPEN} .occupant-nick`, { hasText: nick });
  }
  await talk('room', 'in the room');
  for (const person of both) await person.screenshot(`room-${person.name}`);
});

await step('the door is killed, and whoever came by it comes by the other', () => lose(second, 'door', [juliet]));

await step('they talk on', async () => {
  await talk('chat', 'after the door');
  await talk('room', 'there after the door');
});

await step('the home is killed, and both come by what was a door', async () => {
  await second.start();
  return lose(first, 'home', both);
});

await step('they talk on, where it was', async () => {
  await talk('chat', 'after the home');
  await talk('room', 'there after the home');
  for (const person of both) await person.screenshot(`after-${person.name}`);
});

await step('after a reload all is there', async () => {
  await first.start();
  await Promise.all(both.map((person) => person.pause()));
  await Promise.all(both.map((person) => person.page.reload()));
  await Promise.all(both.map((person) => person.online()));
  await talk('chat', 'after a reload');
  await talk('room', 'there after a reload');
  for (const person of both) await person.screenshot(`reloaded-${person.name}`);
});

await step('no complaints in the console', () => assert.deepEqual(complaints, []), true);

if (hasFailed()) await Promise.all(both.map((person) => person.page && person.screenshot(`failed-${person.name}`)));
await Promise.all(browsers.map((browser) => browser.close()));
for (const proxy of proxies) proxy.stop();
site.stop();
for (const server of [first, second]) if (server.process && server.process.exitCode === null && !server.process.killed) await server.end('SIGTERM');
process.exit(hasFailed() ? 1 : 0);
