import assert from 'node:assert/strict';
import { test } from 'node:test';
import { spelled } from '../../../app/web/widget/xml.js';

test('a domain is one however it is typed', () => {
  for (const host of ['münchen.example', 'xn--mnchen-3ya.example', 'MÜNCHEN.example.', 'mu\u0308nchen.example']) {
    assert.equal(spelled(host, 'münchen.example'), 'münchen.example');
  }
  assert.equal(spelled('localhost.', 'localhost'), 'localhost');
  assert.equal(spelled('[0:0::1]', '[::1]'), '[::1]');
});

test('another domain stays as it is', () => {
  for (const host of ['munchen.example', 'elsewhere.example.', 'a b', '']) assert.equal(spelled(host, 'münchen.example'), host);
});
