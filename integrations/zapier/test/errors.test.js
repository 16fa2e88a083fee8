'use strict';

// What answers mean that a healthy gateway does not give on request: a server that answers as it is told to.

const assert = require('node:assert/strict');
const { createServer } = require('node:http');
const { after, before, test } = require('node:test');
const { createAppTester } = require('zapier-platform-core');
const App = require('..');

const ask = createAppTester(App);
let answer;
let asked;
const server = createServer((request, response) => {
  asked = request;
  response.writeHead(answer.status, answer.headers).end(answer.body);
});
before(() => new Promise((resolve) => server.listen(0, '127.0.0.1', resolve)));
after(() => server.close());

const authData = (baseUrl = `http://127.0.0.1:${server.address().port}`) => ({ baseUrl, apiKey: 'cs_key' });
const says = (status, said, headers) => {
  const body =
    typeof said === 'string' ? said : JSON.stringify({ type: '/problems/some-code', title: 'Wrong', status, ...said });
  answer = { status, headers, body };
};
const failing = async (method, bundle = { authData: authData(), inputData: {} }) => {
  const error = await ask(method, bundle).then(
    () => assert.fail('it did not fail'),
    (error) => error
  );
  return { name: error.name, ...said(error.message) };
};
const said = (message) => {
  try {
    return JSON.parse(message);
  } catch {
    return { message };
  }
};
const locations = App.triggers.location_list.operation.perform;

test('each field at fault is a line', async () => {
  says(422, {
    detail: 'nothing was stored',
    errors: [
      { field: 'data.email', message: 'is no address' },
      { field: '', message: 'is too long' },
    ],
    moreErrors: 3,
  });
  assert.deepEqual(await failing(locations), {
    name: 'AppError',
    message: 'Wrong: nothing was stored\ndata.email: is no address\nis too long\nand 3 more',
    code: 'some-code',
    status: 422,
  });
});

test('a key that ended asks its owner for another', async () => {
  says(401, { detail: 'this API key was revoked' });
  const { name, message } = await failing(locations);
  assert.equal(name, 'ExpiredAuthError');
  assert.match(message, /^Wrong: this API key was revoked\n/);
  const tested = await failing(App.authentication.test);
  assert.deepEqual([tested.name, tested.code, tested.status], ['AppError', 'AuthenticationError', 401]);
});

test('who asks too much is asked to wait as long as the API says', async () => {
  for (const status of [429, 503]) {
    says(status, { detail: 'later' }, { 'retry-after': '7' });
    assert.deepEqual(await failing(locations), { name: 'ThrottledError', message: 'Wrong: later', delay: 7 });
  }
  says(503, { detail: 'not wiped yet' });
  assert.equal((await failing(locations)).name, 'AppError');
});

test('what is no answer of the API says so', async () => {
  for (const body of ['<html>Bad gateway</html>', '{}', 'null', '']) {
    says(502, body);
    assert.match((await failing(locations)).message, /^No answer of clienty-sync, but 502/, body);
  }
  says(200, '{"hello": 1}');
  assert.equal((await failing(App.authentication.test)).code, 'InvalidAddress');
});

test('a redirect is not followed, and names where it leads', async () => {
  says(301, '', { location: 'https://sync.example.com/v1/locations' });
  const { code, message } = await failing(locations);
  assert.equal(code, 'InvalidAddress');
  assert.match(message, /https:\/\/sync\.example\.com/);
});

test('an address is taken however it is typed, and never without TLS', async () => {
  const here = authData().baseUrl;
  says(200, '{"locations": []}');
  for (const typed of [here, `${here}/`, ` ${here}/v1/ `, `${here}/v1`]) {
    assert.deepEqual(await ask(locations, { authData: authData(typed) }), []);
    assert.equal(asked.url, '/v1/locations');
    assert.equal(asked.headers.authorization, 'Bearer cs_key');
  }
  for (const typed of ['http://sync.example.com', 'sync.example.com', 'ftp://127.0.0.1', '']) {
    assert.equal((await failing(locations, { authData: authData(typed) })).code, 'InvalidAddress', typed);
  }
});

test('the key goes to its own address alone', async () => {
  says(200, '{}');
  await ask((z) => z.request(`${authData().baseUrl}/elsewhere`), { authData: authData('https://sync.example.com') });
  assert.equal(asked.headers.authorization, undefined);
});
