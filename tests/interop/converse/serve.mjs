/** A web site that holds nothing but Converse.js, as npm has it, and the page that starts it. */

import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const TYPES = {
  '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.json': 'application/json',
  '.svg': 'image/svg+xml', '.png': 'image/png', '.wasm': 'application/wasm', '.woff2': 'font/woff2',
};
const HERE = path.dirname(fileURLToPath(import.meta.url));
export const DIST = path.join(HERE, '../node_modules/converse.js/dist');

async function answer(request, response) {
  const { pathname } = new URL(request.url, 'http://site');
  const file = pathname.startsWith('/dist/') ? path.join(DIST, pathname.slice(6)) : path.join(HERE, 'index.html');
  if (!(await stat(file).catch(() => null))?.isFile()) {
    response.writeHead(404).end();
    return;
  }
  const type = TYPES[path.extname(file)] ?? 'application/octet-stream';
  response.writeHead(200, { 'Content-Type': type, 'Cache-Control': 'max-age=3600' });
  createReadStream(file).pipe(response);
}

export async function servePage(port) {
  const server = http.createServer(answer);
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    stop() {
      server.close();
      server.closeAllConnections();
    },
  };
}
