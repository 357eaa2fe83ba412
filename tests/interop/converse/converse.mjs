/**
 * Drive Converse.js in a real Chromium, two people at the same server.
 *
 *   node converse.mjs PAGE_PORT SERVER DOMAIN PASSWORD OUTDIR
 *
 * The page is served at PAGE_PORT of 127.0.0.1, an origin that SERVER, such as
 * http://127.0.0.1:8000, lets in. Romeo comes over WebSocket, by a proxy that can
 * lose his connection, Juliet over BOSH; both have PASSWORD. Screenshots go to
 * OUTDIR. CHROMIUM names the browser (/usr/bin/chromium); with FRAMES=1 all that
 * goes over the wire is printed. Prints a line of JSON for each step, ends at the
 * first that fails, and then exits with 1.
 */

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { client, xml } from '@xmpp/client';
import { WebSocket } from 'ws';
import { lossyProxy } from '../lossy.mjs';
import { hasFailed, launch, step } from '../steps.mjs';
import { OPEN, Person } from './person.mjs';
import { DIST, servePage } from './serve.mjs';

globalThis.WebSocket = WebSocket; // for xmpp.js; Node.js 20 has none
const [pagePort, server, domain, password, outdir] = process.argv.slice(2);
if (!outdir) {
  console.error('usage: node converse.mjs PAGE_PORT SERVER DOMAIN PASSWORD OUTDIR');
  process.exit(2);
}
mkdirSync(outdir, { recursive: true });

const base = new URL(server);
const proxy = await lossyProxy(base.hostname, Number(base.port));
const site = await servePage(Number(pagePort));
const browser = await launch();
const play = { browser, site, domain, outdir, complaints: [], broken: false };
const PICTURE = path.join(DIST, 'images/custom_emojis/converse.png');
const WIDTH = 64; // of the picture, in pixels

const romeo = new Person('romeo', play);
const juliet = new Person('juliet', play);

await step('sign in, one over WebSocket and one over BOSH', async () => {
  await Promise.all([
    romeo.open({ websocket_url: `${proxy.url.replace('http', 'ws')}/ws` }),
    juliet.open({ bosh_service_url: `${proxy.url}/http-bind` }),
  ]);
  await Promise.all([romeo.signIn(password), juliet.signIn(password)]);
  await romeo.screenshot('signed-in');
});

await step('a contact is asked for and approved, and both see each other online', async () => {
  await romeo.choose('.dropdown--contacts', '.add-contact');
  await romeo.modal('add-contact').locator('input[name=jid]').fill(juliet.jid);
  await romeo.modal('add-contact').locator('input[name=name]').fill('Juliet');
  await romeo.modal('add-contact').locator('input[name=groups]').fill('Capulets');
  await romeo.modal('add-contact').locator('button[type=submit]').click();
  await romeo.see('.pending-xmpp-contact .contact-name', { hasText: 'Juliet' });
  await juliet.see('.requesting-xmpp-contact .contact-name', { hasText: 'romeo' });
  await juliet.screenshot('contact-request');
  await juliet.choose('.requesting-xmpp-contact', '.accept-xmpp-request');
  await juliet.modal('accept-contact-request').locator('input[name=name]').fill('Romeo');
  await juliet.modal('accept-contact-request').locator('button[type=submit]').click();
  await romeo.see('[data-group=Capulets] .current-xmpp-contact.both.online .contact-name', { hasText: 'Juliet' });
  await juliet.see('.current-xmpp-contact.both.online .contact-name', { hasText: 'Romeo' });
});

await step('chat both ways, and typing is seen', async () => {
  const said = ['But, soft! what light', 'Ay me! </body> & more'];
  await romeo.talkTo(juliet);
  await juliet.talkTo(romeo);
  await romeo.page.locator(`${OPEN} .chat-textarea`).pressSequentially(said[0]);
  await juliet.see(`${OPEN} .chat-content__notifications`, { hasText: 'Romeo is typing' });
  await romeo.page.press(`${OPEN} .chat-textarea`, 'Enter');
  await juliet.reads(said.slice(0, 1));
  await juliet.write(said[1]);
  await romeo.reads(said);
  await juliet.reads(said);
  await juliet.screenshot('chat');
});

await step('an avatar and a name are set, and the other sees them', async () => {
  await juliet.page.click('.show-profile');
  const profile = juliet.modal('profile');
  await profile.locator('input[name=avatar_image]').setInputFiles(PICTURE);
  await profile.locator('input[name=fn]').fill('Juliet Capulet');
  await profile.locator('.image-picker svg.avatar image').waitFor();
  await juliet.screenshot('profile');
  await profile.locator('.save-form').click();
  await profile.waitFor({ state: 'hidden' });
  await juliet.see('.userinfo .avatar image');
  await juliet.see('.userinfo .username', { hasText: 'Juliet Capulet' });
  await romeo.see(`.roster-contacts a[data-jid="${juliet.jid}"] svg.avatar image[href^="data:image/"]`);
  await romeo.see(`${OPEN} .chat-msg svg.avatar image`);
  await romeo.screenshot('avatar');
});

await step('a status is set, and the other sees it', async () => {
  await juliet.page.click('.change-status');
  await juliet.modal('profile').locator('input[value=away]').check();
  await juliet.modal('profile').locator('input[name=status_message]').fill('On the balcony');
  await juliet.modal('profile').locator('#status-tabpanel [type=submit]').click();
  await juliet.modal('profile').locator('.btn-close, [data-bs-dismiss=modal]').first().click();
  await romeo.see('.current-xmpp-contact.away .contact-name', { hasText: 'Juliet' });
  await romeo.see(`${OPEN} .chat-msg__text, ${OPEN} .chat-info`, { hasText: 'Juliet has gone away' });
  await juliet.see('.xmpp-status__msg', { hasText: 'On the balcony' });
});

await step('a file is sent and shown', async () => {
  await juliet.page.locator(`${OPEN} input.fileupload`).setInputFiles(PICTURE);
  for (const person of [juliet, romeo]) {
    await person.see(`${OPEN} .chat-msg img`);
    const width = await person.page.locator(`${OPEN} .chat-msg img`).evaluate((image) => image.decode().then(() => image.naturalWidth));
    assert.equal(width, WIDTH);
  }
  await romeo.screenshot('file');
});

await step('a room is made, and someone is invited into it', async () => {
  await romeo.choose('converse-rooms-list', '.show-add-muc-modal');
  await romeo.modal('add-muc').locator('input[name=chatroom]').fill('Verona');
  await romeo.modal('add-muc').locator('input[name=nickname]').fill('romeo');
  await romeo.modal('add-muc').locator('input[name=join]').click();
  await romeo.see(`${OPEN} .chatbox-title__text`, { hasText: 'Verona' });
  await romeo.see(`${OPEN} .occupant-list`, { hasText: 'romeo' });
  await romeo.choose(`${OPEN} .occupants-header`, '.open-invite-modal');
  await romeo.modal('muc-invite').locator('input[name=invitee_jids]').fill(juliet.jid);
  await romeo.modal('muc-invite').locator('textarea[name=reason]').fill('A word in private');
  await romeo.modal('muc-invite').locator('[type=submit]').click();
  await juliet.see('converse-confirm-modal.show', { hasText: 'A word in private' });
  await juliet.screenshot('invitation');
  await juliet.modal('confirm').locator('[type=submit]').click();
});

await step('the room: both are seen, write, and one changes the name', async () => {
  await juliet.see(`${OPEN} .chatbox-title__text`, { hasText: 'Verona' });
  await juliet.page.fill(`${OPEN} input[name=nick]`, 'juliet');
  await juliet.page.click(`${OPEN} input[name=join]`);
  for (const person of [romeo, juliet]) {
    for (const nick of ['romeo', 'juliet']) await person.see(`${OPEN} .occupant-nick`, { hasText: nick });
  }
  await juliet.write('What man art thou?');
  await romeo.reads(['What man art thou?']);
  await romeo.write('I know not how to tell thee');
  await juliet.reads(['What man art thou?', 'I know not how to tell thee']);
  await juliet.page.locator(`${OPEN} .chat-textarea`).pressSequentially('My ears');
  await romeo.see(`${OPEN} .chat-content__notifications`, { hasText: 'is typing' });
  await juliet.page.fill(`${OPEN} .chat-textarea`, '');
  await juliet.write('/nick capulet');
  for (const person of [romeo, juliet]) await person.see(`${OPEN} .occupant-nick`, { hasText: 'capulet' });
  await romeo.write('/topic By night');
  await juliet.see(`${OPEN} .chat-head__desc`, { hasText: 'By night' });
  await romeo.page.press(`${OPEN} .chat-textarea`, 'ArrowUp');
  await romeo.write('My name is hateful');
  await juliet.reads(['My name is hateful']);
  assert.ok(!(await juliet.texts()).includes('I know not how to tell thee'));
  await romeo.screenshot('room');
});

await step('the room is configured, and found in the list of rooms', async () => {
  await romeo.choose(`${OPEN} .chatbox-title__buttons`, '.configure-chatroom-button');
  const form = romeo.modal('muc-config');
  for (const name of ['muc#roomconfig_publicroom', 'muc#roomconfig_persistentroom']) {
    await form.locator(`input[name="${name}"]`).check();
  }
  await romeo.screenshot('configuration');
  await form.locator('input[type=submit]').click();
  await romeo.see(`${OPEN} .chat-info`, { hasText: 'configuration has changed' });
  await juliet.choose('converse-rooms-list', '.show-list-muc-modal');
  const list = juliet.modal('muc-list');
  await list.locator('input[name=server]').fill(`conference.${domain}`);
  await list.locator('input[name=list]').click();
  await list.locator('.available-room', { hasText: 'Verona' }).waitFor();
  await list.locator('[data-bs-dismiss=modal]').first().click();
});

await step('a guest is put out of the room', async () => {
  await romeo.write('/kick capulet Enough');
  await juliet.see(`${OPEN} .disconnect-msg`, { hasText: 'You have been kicked' });
  await juliet.see(`${OPEN} .disconnect-msg`, { hasText: 'Enough' });
  await juliet.screenshot('kicked');
});

await step('the network fails while both write, and nothing is missing', async () => {
  await Promise.all([romeo.talkTo(juliet), juliet.talkTo(romeo)]);
  const before = proxy.lost();
  play.broken = true;
  proxy.lose();
  const lines = ['I have night’s cloak', 'to hide me from their eyes'];
  for (const line of lines) await romeo.write(line);
  const answers = ['I would not for the world', 'they saw thee here'];
  for (const line of answers) await juliet.write(line);
  while (proxy.lost() < before + 1500) await new Promise((done) => setTimeout(done, 20));
  proxy.cut();
  for (const person of [romeo, juliet]) await person.reads([...lines, ...answers]);
  await Promise.all([romeo.online(), juliet.online()]);
  play.broken = false;
});

await step('after a reload the session and the conversation are still there', async () => {
  const shown = await Promise.all([romeo.texts(), juliet.texts()]);
  await Promise.all([romeo.pause(), juliet.pause()]);
  for (const person of [romeo, juliet]) person.frames.length = 0;
  await Promise.all([romeo.page.reload(), juliet.page.reload()]);
  await Promise.all([romeo.online(), juliet.online()]);
  await juliet.write('Three words, dear Romeo');
  await romeo.reads(['Three words, dear Romeo']);
  await juliet.reads(['Three words, dear Romeo']);
  assert.deepEqual((await romeo.texts()).sort(), [...shown[0], 'Three words, dear Romeo'].sort());
  assert.deepEqual((await juliet.texts()).sort(), [...shown[1], 'Three words, dear Romeo'].sort());
  assert.ok(romeo.frames.some((frame) => frame.startsWith('< <resumed')), 'not the same session over WebSocket');
  assert.ok(!juliet.frames.some((frame) => frame.includes('<auth')), 'not the same session over BOSH');
  await romeo.screenshot('reloaded');
});

await step('on another device the history, the contacts and the room are there, and both get all', async () => {
  const device = new Person('romeo', play);
  await device.open({ websocket_url: `${proxy.url.replace('http', 'ws')}/ws` });
  await device.signIn(password);
  await device.see('.rooms-list .open-room', { hasText: 'Verona' });
  await device.see('[data-group=Capulets] .contact-name', { hasText: 'Juliet' });
  await device.talkTo(juliet);
  await device.reads(await romeo.texts());
  await device.see(`${OPEN} .chat-msg svg.avatar image`);
  await device.screenshot('another-device');
  await device.write('So thrive my soul');
  await romeo.reads(['So thrive my soul']);
  await juliet.write('A thousand times good night');
  for (const person of [romeo, device]) await person.reads(['A thousand times good night']);
  await device.context.close();
});

await step('a note to oneself from elsewhere does not keep the page from coming back', async () => {
  const device = new Person('romeo', play);
  const service = `${proxy.url.replace('http', 'ws')}/ws`;
  const elsewhere = client({ service, domain, username: 'romeo', password });
  elsewhere.on('error', (error) => play.complaints.push(`elsewhere: ${error}`));
  await elsewhere.start();
  await device.open({ websocket_url: service, persistent_store: 'sessionStorage' });
  await device.signIn(password);
  await elsewhere.send(xml('message', { to: romeo.jid, type: 'chat' }, xml('body', {}, 'My life is my foe’s debt')));
  await elsewhere.stop();
  await device.see(`.open-chat[data-jid="${romeo.jid}"]`);
  await device.talkTo(juliet);
  await device.write('Good night, good night!');
  await juliet.reads(['Good night, good night!']);
  await device.pause();
  await device.page.reload();
  await device.online();
  await device.talkTo(juliet);
  await device.reads(['Good night, good night!']);
  await device.page.click(`.open-chat[data-jid="${romeo.jid}"]`);
  await device.reads(['My life is my foe’s debt']);
  await device.screenshot('note-to-oneself');
  await device.context.close();
});

await step('an admin tells everybody something by a command', async () => {
  await romeo.page.click('.show-client-info');
  const modal = romeo.modal('user-settings');
  await modal.locator('#commands-tab').click();
  await modal.locator('input[name=jid]').fill(domain);
  await modal.locator('converse-adhoc-commands input[type=submit]').click();
  await modal.locator('a[data-command-node="http://jabber.org/protocol/admin#announce"]').click();
  await modal.locator('[name=announcement]').fill('It is the lark');
  await romeo.screenshot('command');
  await modal.locator('input[data-action=complete], input[data-action=execute]').first().click();
  await modal.locator('.alert', { hasText: 'Completed' }).waitFor();
  await romeo.screenshot('command-done');
  await juliet.got('It is the lark');
  await modal.locator('a[data-command-node="http://jabber.org/protocol/admin#disable-user"]').click();
  await modal.locator('[name=accountjids]').fill(`nobody@${domain}`);
  const before = play.complaints.length;
  await modal.locator('input[data-action=complete]').click();
  await modal.locator('.form-help', { hasText: 'There is no account nobody.' }).scrollIntoViewIfNeeded();
  await romeo.screenshot('command-failed');
  // The console is told as well.
  const complaints = play.complaints.splice(before);
  assert.ok(complaints.every((line) => /ad-hoc command|no account nobody/.test(line)), complaints.join());
  await modal.locator('.btn-close, [data-bs-dismiss=modal]').first().click();
});

await step('a blocked contact is not heard', async () => {
  await romeo.choose(`${OPEN} .chatbox-title__buttons`, '.block-user');
  await romeo.modal('confirm').locator('[type=submit]').click();
  for (const [person, other] of [[romeo, juliet], [juliet, romeo]]) {
    await person.page.waitForSelector(`.roster-contacts [data-jid="${other.jid}"]`, { state: 'detached' });
  }
  await juliet.write('Wherefore art thou');
  await juliet.see(`${OPEN} .chat-msg__error`);
  await juliet.screenshot('blocked');
  await romeo.choose('.dropdown--contacts', '[title="Show block list"]');
  await romeo.modal('blocklist').locator('.list-item', { hasText: juliet.jid }).click();
  await romeo.screenshot('blocklist');
  await romeo.modal('blocklist').locator('[type=submit]').click();
  await romeo.modal('blocklist').getByText('No blocked XMPP addresses').waitFor();
  assert.ok(!(await romeo.page.locator('body').innerText()).includes('Wherefore art thou'));
});

await step('the console is free of errors', async () => assert.deepEqual(play.complaints, []), true);

if (hasFailed()) await Promise.all([romeo, juliet].map((person) => person.page && person.screenshot(`failed-${person.name}`)));
await browser.close();
proxy.stop();
site.stop();
process.exit(hasFailed() ? 1 : 0);
