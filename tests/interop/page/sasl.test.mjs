import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseMechanism, SaslError, Scram, toBase64 } from '../../../app/web/widget/sasl.js';

// RFC 7677 section 3
const SHA256 = {
  mechanism: 'SCRAM-SHA-256',
  nonce: 'rOprNGfwEbeRWgbNEkqO',
  first: 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO',
  challenge: 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
  proof: 'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  final: 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
};
// RFC 5802 section 5
const SHA1 = {
  mechanism: 'SCRAM-SHA-1',
  nonce: 'fyko+d2lbbFgONRv9qkxdawL',
  first: 'n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL',
  challenge: 'r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096',
  proof: 'c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=',
  final: 'v=rmF9pqV8S7suAoZWja4dJRkFsKQ=',
};

const begin = ({ mechanism, nonce }) => new Scram(mechanism, 'user', 'pencil', nonce);

for (const example of [SHA256, SHA1]) {
  test(`${example.mechanism} as in its specification, signature with success`, async () => {
    const scram = begin(example);
    assert.equal(scram.first(), example.first);
    assert.equal(await scram.next(toBase64(example.challenge)), example.proof);
    assert.equal(scram.verified, false);
    scram.finish(toBase64(example.final));
    assert.equal(scram.verified, true);
  });

  test(`${example.mechanism} as in its specification, signature before success`, async () => {
    const scram = begin(example);
    await scram.next(toBase64(example.challenge));
    assert.equal(await scram.next(toBase64(example.final)), '');
    scram.finish('');
    assert.equal(scram.verified, true);
  });
}

test('success without proof is no success', async () => {
  const early = begin(SHA256);
  assert.throws(() => early.finish(''), SaslError);
  assert.throws(() => early.finish(toBase64(SHA256.final)), SaslError);
  const wrong = begin(SHA256);
  await wrong.next(toBase64(SHA256.challenge));
  assert.throws(() => wrong.finish(toBase64('v=AAAA')), SaslError);
  assert.throws(() => wrong.finish(''), SaslError);
  assert.throws(() => wrong.finish(toBase64('e=other-error')), SaslError);
});

for (const [what, challenge] of Object.entries({
  'another nonce': 'r=somebodyElse,s=QSXCR+Q6sek8bf92,i=4096',
  'no nonce of its own': `r=${SHA256.nonce},s=QSXCR+Q6sek8bf92,i=4096`,
  'no salt': `r=${SHA256.nonce}x,i=4096`,
  'an extension that must be understood': `m=x,r=${SHA256.nonce}x,s=QSXCR+Q6sek8bf92,i=4096`,
  'too few iterations': `r=${SHA256.nonce}x,s=QSXCR+Q6sek8bf92,i=1`,
  'endless iterations': `r=${SHA256.nonce}x,s=QSXCR+Q6sek8bf92,i=4000000000`,
  'no number of iterations': `r=${SHA256.nonce}x,s=QSXCR+Q6sek8bf92,i=x`,
})) {
  test(`a challenge with ${what} is refused`, async () => {
    await assert.rejects(begin(SHA256).next(toBase64(challenge)), SaslError);
  });
}

test('what is not base64 is refused', async () => {
  await assert.rejects(begin(SHA256).next('***'), SaslError);
});

test('the name is escaped', () => {
  assert.equal(new Scram('SCRAM-SHA-256', 'a=b,c', 'x', 'n').first(), 'n,,n=a=3Db=2Cc,r=n');
});

test('the strongest of what is offered is chosen, and no password is sent where there is SCRAM', () => {
  const person = { name: 'user', password: 'pencil' };
  const choose = (...offered) => chooseMechanism(offered, person, true)?.name;
  assert.equal(choose('PLAIN', 'SCRAM-SHA-1', 'SCRAM-SHA-256'), 'SCRAM-SHA-256');
  assert.equal(choose('SCRAM-SHA-1', 'SCRAM-SHA-512'), 'SCRAM-SHA-512');
  assert.equal(choose('PLAIN'), 'PLAIN');
  assert.equal(chooseMechanism(['PLAIN'], person, false), null);
});

test('a token goes where nobody listens, and what is wrong with it is heard', async () => {
  const token = chooseMechanism(['PLAIN', 'OAUTHBEARER'], { token: 'a.b.c' }, true);
  assert.deepEqual([token.name, token.first()], ['OAUTHBEARER', 'n,,\x01auth=Bearer a.b.c\x01\x01']);
  assert.equal(await token.next(toBase64('{"status":"invalid_token"}')), '\x01');
  assert.equal(chooseMechanism(['PLAIN', 'OAUTHBEARER'], { token: 'a.b.c' }, false), null);
});

test('a visitor is nobody but the visitor, a guest is one where the site knows him', () => {
  const choose = (who, ...offered) => chooseMechanism(offered, who, true)?.name;
  assert.equal(choose({ visitor: true }, 'EXTERNAL'), 'EXTERNAL');
  assert.equal(choose({ visitor: true }, 'PLAIN', 'ANONYMOUS', 'SCRAM-SHA-256'), undefined);
  assert.equal(choose({ visitor: true, guest: true }, 'ANONYMOUS'), 'ANONYMOUS');
  assert.equal(choose({ visitor: true, guest: true }, 'EXTERNAL'), 'EXTERNAL');
});
