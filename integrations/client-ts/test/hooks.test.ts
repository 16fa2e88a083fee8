import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes, sign as signWith } from 'node:crypto';
import { test } from 'node:test';
import { Webhook } from 'standardwebhooks';
import { InvalidMessage, verify } from '../src/hooks.js';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const NOW = new Date('2026-11-30T12:00:00Z');
const SECONDS = NOW.getTime() / 1000;
const BODY = '{"type":"contact.updated","data":{"name":"Ada – «ß» 🚀"}}';

/** Signed by the library of the specification. */
const signed = (body = BODY, secret = SECRET, seconds = SECONDS) => ({
  'webhook-id': 'msg_hk_1_7',
  'webhook-timestamp': String(seconds),
  'webhook-signature': new Webhook(secret).sign('msg_hk_1_7', new Date(seconds * 1000), body),
});
const refused = (asked: Promise<unknown>, reason: RegExp) =>
  assert.rejects(asked, (error) => error instanceof InvalidMessage && reason.test(error.message));

test('the reference message of the specification is taken', async () => {
  const headers = {
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  };
  const message = await verify<object>(SECRET, headers, '{"test": 2432232314}', new Date(1614265330_000));
  assert.deepEqual(message, { test: 2432232314 });
});

test('what the library signs is taken, however headers and bodies come', async () => {
  const headers = signed();
  const upper = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toUpperCase(), value]));
  for (const given of [headers, upper, new Headers(headers)]) {
    for (const body of [BODY, Buffer.from(BODY), new Uint8Array(Buffer.from(BODY))]) {
      assert.deepEqual(await verify(SECRET, given, body, NOW), JSON.parse(BODY));
    }
  }
});

test('it agrees with the library on secrets, bodies and alterations', async () => {
  for (let round = 0; round < 200; round += 1) {
    const secret = `whsec_${randomBytes(24 + (round % 41)).toString('base64')}`;
    const body = JSON.stringify({
      round,
      text: randomBytes(round * 7).toString('base64'),
      more: 'ÄÖ🚀'.repeat(round % 5),
    });
    const now = Math.floor(Date.now() / 1000);
    const headers = signed(body, secret, now);
    const altered = [body, body.replace('round', 'ruond'), `${body} `][round % 3] as string;
    const library = () => new Webhook(secret).verify(altered, headers);
    if (altered === body) assert.deepEqual(await verify(secret, headers, body), library());
    else {
      assert.throws(library);
      await refused(verify(secret, headers, altered), /no signature fits/);
    }
  }
});

test('each part that is signed counts', async () => {
  const headers = signed();
  const other = `whsec_${Buffer.alloc(24, 7).toString('base64')}`;
  await refused(verify(other, headers, BODY, NOW), /no signature/);
  await refused(verify(SECRET, { ...headers, 'webhook-id': 'msg_hk_1_8' }, BODY, NOW), /no signature/);
  await refused(verify(SECRET, { ...headers, 'webhook-timestamp': String(SECONDS + 1) }, BODY, NOW), /no signature/);
  const signature = headers['webhook-signature'];
  for (const wrong of [
    'v1,',
    'v1',
    'v1,%%%',
    'v1,AAAA',
    signature.slice(0, -5),
    signature.replace('v1,', 'v2,'),
    'v1a,' + signature.slice(3),
  ]) {
    await refused(verify(SECRET, { ...headers, 'webhook-signature': wrong }, BODY, NOW), /no signature/);
  }
  await assert.rejects(verify('secret', headers, BODY, NOW), TypeError);
  await assert.rejects(verify('whsec_', headers, BODY, NOW), TypeError);
});

test('a message may be five minutes old, or early, and no more', async () => {
  for (const off of [-300, 0, 300]) await verify(SECRET, signed(BODY, SECRET, SECONDS + off), BODY, NOW);
  for (const off of [-301, 301])
    await refused(verify(SECRET, signed(BODY, SECRET, SECONDS + off), BODY, NOW), /5 minutes/);
  for (const wrong of ['', 'x', '1e9', '-1', '1614265330.5', '0x5', '9'.repeat(16)]) {
    await refused(verify(SECRET, { ...signed(), 'webhook-timestamp': wrong }, BODY, NOW), /webhook-timestamp/);
  }
  for (const name of ['webhook-id', 'webhook-timestamp', 'webhook-signature']) {
    await refused(verify(SECRET, { ...signed(), [name]: undefined }, BODY, NOW), new RegExp(name));
  }
});

test('during a rotation either secret is enough, on either side', async () => {
  const next = `whsec_${Buffer.alloc(32, 9).toString('base64')}`;
  const both = {
    ...signed(),
    'webhook-signature': [signed(BODY, next), signed()].map((of) => of['webhook-signature']).join(' '),
  };
  for (const secret of [SECRET, next, [next, SECRET]]) await verify(secret, both, BODY, NOW);
  await verify([next, SECRET], signed(), BODY, NOW);
});

test('a public key checks messages of hooks with v1a', async () => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64');
  const signature = signWith(null, Buffer.from(`msg_hk_1_7.${SECONDS}.${BODY}`), privateKey).toString('base64');
  const headers = { ...signed(), 'webhook-signature': `v1a,${signature}` };
  assert.deepEqual(await verify(`whpk_${raw}`, headers, BODY, NOW), JSON.parse(BODY));
  await refused(verify(`whpk_${raw}`, headers, `${BODY} `, NOW), /no signature/);
});
