/** Steps taken in a real Chromium, each told to steps.py as a line of JSON. */

import { chromium } from 'playwright-core';

const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
];

/** The browser that CHROMIUM names, or /usr/bin/chromium. */
export function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: FLAGS });
}

let failed = false;

/** Run one step; after one that failed, the others would only wait in vain. */
export async function step(name, run, always = false) {
  if (failed && !always) return;
  const began = Date.now();
  try {
    const facts = (await run()) ?? {};
    console.log(JSON.stringify({ step: name, ok: true, ms: Date.now() - began, ...facts }));
  } catch (error) {
    failed = true;
    console.log(JSON.stringify({ step: name, ok: false, ms: Date.now() - began, error: error.stack }));
  }
}

/** Whether a step failed. */
export const hasFailed = () => failed;

/** Have `saw(way, text)` told of all XMPP that goes over a page's wires, `>` out and `<` in. */
export function listen(page, saw) {
  page.on('websocket', (socket) => {
    socket.on('framesent', ({ payload }) => saw('>', payload));
    socket.on('framereceived', ({ payload }) => saw('<', payload));
  });
  const byBosh = (message) => message.url().endsWith('/http-bind');
  page.on('request', (request) => byBosh(request) && saw('>', request.postData()));
  page.on('response', (response) => {
    // Of an answer that is cut short there is nothing to see.
    if (byBosh(response)) response.text().then((text) => saw('<', text), () => {});
  });
}
