import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCount, StreamManagement } from '../../../app/web/widget/sm.js';

const LAST = 2 ** 32 - 1;

test('a count is a decimal number below 2^32', () => {
  assert.equal(parseCount('0'), 0);
  assert.equal(parseCount('4294967295'), LAST);
  for (const text of [null, undefined, '', '-1', '+1', '1.0', ' 1', '0x1', '4294967296', '99999999999', 'NaN']) {
    assert.equal(parseCount(text), null, String(text));
  }
});

test('what came in is counted past the wrap', () => {
  const sm = new StreamManagement();
  sm.handled = LAST - 1;
  const seen = [0, 1, 2].map(() => {
    sm.received();
    return sm.handled;
  });
  assert.deepEqual(seen, [LAST, 0, 1]);
});

test('an acknowledgement frees the oldest, in order', () => {
  const sm = new StreamManagement();
  for (const item of ['a', 'b', 'c']) sm.sent(item);
  assert.deepEqual(sm.acknowledge(2), ['a', 'b']);
  assert.deepEqual(sm.unacked, ['c']);
  assert.deepEqual(sm.acknowledge(2), []);
  assert.deepEqual(sm.acknowledge(3), ['c']);
});

test('an acknowledgement is understood across the wrap', () => {
  const sm = new StreamManagement();
  sm.acked = LAST;
  for (const item of ['a', 'b', 'c']) sm.sent(item);
  assert.equal(sm.total(), 2);
  assert.deepEqual(sm.acknowledge(0), ['a']);
  assert.deepEqual(sm.acknowledge(2), ['b', 'c']);
  assert.equal(sm.acked, 2);
});

for (const [acked, sent, h] of [[0, 2, 3], [5, 1, 4], [LAST, 2, 2], [0, 0, LAST], [1, 3, 0]]) {
  test(`${h} handled is refused after ${acked} of ${sent} more, and nothing is freed`, () => {
    const sm = new StreamManagement();
    sm.acked = acked;
    for (let i = 0; i < sent; i += 1) sm.sent(i);
    assert.throws(() => sm.acknowledge(h), RangeError);
    assert.equal(sm.acked, acked);
    assert.equal(sm.unacked.length, sent);
  });
}

test('sends, losses and acknowledgements at random keep the order and lose nothing', () => {
  let seed = 7;
  const random = (below) => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31;
    return Math.floor((seed / 2 ** 31) * below);
  };
  const sm = new StreamManagement();
  sm.acked = LAST - 50;
  let server = sm.acked;
  const confirmed = [];
  for (let i = 0; i < 2000; i += 1) {
    sm.sent(i);
    const ahead = (sm.total() - server + 2 ** 32) % 2 ** 32;
    server = (server + random(ahead + 1)) % 2 ** 32;
    if (random(3) === 0) confirmed.push(...sm.acknowledge(server));
  }
  const all = [...confirmed, ...sm.unacked];
  assert.deepEqual(all, Array.from({ length: 2000 }, (_, i) => i));
  assert.ok(confirmed.length > 1000);
});
