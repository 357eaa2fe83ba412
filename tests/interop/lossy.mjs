/** A TCP proxy on loopback between browser and server, to lose connections and what is on its way. */

import { once } from 'node:events';
import net from 'node:net';

export async function lossyProxy(host, port) {
  const pairs = new Set();
  let lost = 0;
  let losing = false;

  const server = net.createServer((near) => {
    const far = net.connect(port, host);
    const pair = { near, far };
    pairs.add(pair);
    const end = () => {
      near.destroy();
      far.destroy();
      pairs.delete(pair);
    };
    for (const [from, to] of [[near, far], [far, near]]) {
      from.on('data', (data) => {
        if (losing) lost += data.length;
        else to.write(data);
      });
      from.on('error', end);
      from.on('close', end);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  return {
    url: `http://127.0.0.1:${server.address().port}`,
    /** Bytes that vanished so far. */
    lost: () => lost,
    /** Let everything vanish, both ways, while the connections look healthy. */
    lose() {
      losing = true;
    },
    /** Reset every connection; new ones work. */
    cut() {
      losing = false;
      for (const { near, far } of pairs) {
        near.resetAndDestroy();
        far.resetAndDestroy();
      }
    },
    stop() {
      this.cut();
      server.close();
    },
  };
}
