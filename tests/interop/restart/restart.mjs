/**
 * Pages in a real Chromium while their server restarts in the middle of conversations.
 *
 *   node restart.mjs ANDIRON PORT PAGE_PORT DOMAIN PASSWORD OUTDIR
 *
 * ANDIRON is the command, which serves at PORT by what the environment says; Converse.js comes from
 * PAGE_PORT. There are the accounts romeo, juliet, helena and lysander with PASSWORD. Screenshots and
 * the server's log go to OUTDIR. Exits with 1 when a step failed.
 */

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { servePage } from '../converse/serve.mjs';
import { hasFailed, launch, step } from '../steps.mjs';
import { Conversing, Demonstrated, until, Visiting } from './people.mjs';
import { Server } from './server.mjs';

const [andiron, port, pagePort, domain, password, outdir] = process.argv.slice(2);
if (!outdir) {
  console.error('usage: node restart.mjs ANDIRON PORT PAGE_PORT DOMAIN PASSWORD OUTDIR');
  process.exit(2);
}
mkdirSync(outdir, { recursive: true });

const server = new Server(andiron, port, path.join(outdir, 'server.log'));
const site = await servePage(Number(pagePort));
const browser = await launch();
const complaints = [];
const play = { browser, site, domain, outdir, complaints, broken: true };
const [one, other] = [new Demonstrated('one', play), new Demonstrated('other', play)];
const [helena, lysander] = [new Visiting('helena', play), new Visiting('lysander', play)];
const [romeo, juliet] = [new Conversing('romeo', play), new Conversing('juliet', play)];
const pairs = [[one, other], [helena, lysander], [romeo, juliet]];
const everybody = pairs.flat();
/** Who resumes: Converse.js has no stream management over BOSH. */
const resuming = everybody.filter((person) => person !== juliet);

const ours = [...pairs[0], ...pairs[1]];

/** How often someone's session was resumed. */
const resumed = (person) => person.frames.filter((frame) => frame.startsWith('<') && frame.includes('<resumed')).length;

/** What was said in each conversation. */
const said = pairs.map(() => []);

/** Both of each pair write something, and wait until both read it. */
function talk(when) {
  return Promise.all(pairs.map(async (pair, index) => {
    for (const person of pair) {
      const line = `${person.name}, ${when}`;
      said[index].push(line);
      await person.write(line);
      for (const each of pair) await each.reads([line]);
    }
  }));
}

await step('all come, one of each pair over WebSocket and the other over BOSH', async () => {
  await server.start();
  await Promise.all([
    one.open(server.links[0]),
    other.open(server.links[1]),
    helena.come(server.url, 'lysander', password, 'websocket'),
    lysander.come(server.url, 'helena', password, 'bosh'),
    romeo.come({ websocket_url: `${server.url.replace('http', 'ws')}/ws` }, juliet.jid, password),
    juliet.come({ bosh_service_url: `${server.url}/http-bind` }, romeo.jid, password),
  ]);
  await Promise.all([one.online(), other.online()]);
  await other.moveTo('bosh');
});

for (const [turn, signal] of ['SIGKILL', 'SIGTERM'].entries()) {
  // Converse.js 14.0.0 forgets at a loss a session that it has resumed once, and what it sent in it.
  const forgetful = turn ? [romeo] : [];

  await step(`${signal}: talk before`, () => talk(`before ${signal}`));

  await step(`${signal}: something is said as the server ends, and while it is away`, async () => {
    // Who has no stream management is promised nothing, and Converse.js sends nothing meanwhile.
    await Promise.all(pairs.map(([person], index) => {
      if (forgetful.includes(person)) return null;
      said[index].push(`${person.name}, as ${signal} comes`);
      return person.write(said[index].at(-1));
    }));
    const exit_ms = await server.end(signal);
    for (const person of ours) await person.waiting();
    for (const [index, person] of [one, helena].entries()) {
      said[index].push(`${person.name}, while it is away, ${signal}`);
      await person.write(said[index].at(-1));
    }
    for (const person of everybody) await person.screenshot(`${signal}-${person.name}-away`);
    return { exit_ms };
  });

  await step(`${signal}: all are back by themselves`, async () => {
    const began = Date.now();
    await server.start();
    const took = { start_ms: Date.now() - began };
    await Promise.all(resuming.filter((person) => !forgetful.includes(person)).map(async (person) => {
      await until(`${person.name} has resumed`, () => resumed(person) === turn + 1 + (person === other));
      took[person.name] = Date.now() - began;
    }));
    await Promise.all(ours.map((person) => person.online()));
    await Promise.all(everybody.map((person) => person.reads(said[pairs.findIndex((pair) => pair.includes(person))])));
    took.all_read_ms = Date.now() - began;
    for (const person of everybody) await person.screenshot(`${signal}-${person.name}-back`);
    return took;
  });

  await step(`${signal}: they talk on; nothing is missing and nothing came twice`, async () => {
    await talk(`after ${signal}`);
    for (const [index, pair] of pairs.entries()) {
      for (const person of pair) assert.deepEqual((await person.texts()).sort(), [...said[index]].sort(), person.name);
    }
  });
}

await step('no complaints in the console', () => assert.deepEqual(complaints, []), true);

await browser.close();
site.stop();
await server.end('SIGTERM');
process.exitCode = hasFailed() ? 1 : 0;
