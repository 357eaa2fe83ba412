/** A TCP proxy on loopback before several processes: each connection goes to the first that answers. */

import { once } from 'node:events';
import net from 'node:net';

export async function before(ports) {
  const reach = (near, [port, ...others]) => {
    const far = net.connect(port, '127.0.0.1', () => {
      near.pipe(far).pipe(near);
      near.resume();
    });
    let reached = false;
    far.on('connect', () => { reached = true; });
    far.on('error', () => {
      if (reached || !others.length) near.destroy();
      else reach(near, others);
    });
    far.on('close', () => reached && near.destroy());
    near.on('close', () => far.destroy());
  };
  const server = net.createServer({ pauseOnConnect: true }, (near) => {
    near.on('error', () => near.destroy());
    reach(near, ports);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${server.address().port}`, stop: () => server.close() };
}
