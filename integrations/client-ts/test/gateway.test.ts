/** The client against a running gateway. `clienty-sync demo --json` prints what the environment has to hold. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { Webhook } from 'standardwebhooks';
import { type HookMessage, verify } from '../src/hooks.js';
import { createClient, ok, ProblemError } from '../src/index.js';

const { CLIENTY_URL: baseUrl = '', CLIENTY_KEY: apiKey = '', CLIENTY_LOCATION: locationId = '' } = process.env;
const skip =
  !(baseUrl && apiKey && locationId) && 'set CLIENTY_URL, CLIENTY_KEY and CLIENTY_LOCATION to test against a gateway';

test('a contact is created, waited for and read', { skip }, async () => {
  const client = createClient({ baseUrl: `${baseUrl}/`, apiKey });
  const id = `ts-${Date.now()}`;
  const data = { firstName: 'Ada', email: `${id}@example.com` };
  const body = { id, type: 'contact.created' as const, locationId, data };
  const { accepted } = await ok(client.POST('/v1/events', { body }));
  const jobId = accepted[0]?.jobId;
  assert.ok(jobId);
  for (let state = 'waiting'; state !== 'done';) {
    ({ state } = await ok(client.GET('/v1/jobs/{jobId}', { params: { path: { jobId } } })));
    assert.notEqual(state, 'dead');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const path = { locationId, contactId: id };
  const view = await ok(client.GET('/v1/locations/{locationId}/contacts/{contactId}', { params: { path } }));
  assert.equal(view.contact.email, data.email);
  assert.deepEqual(view.tasks, []);
});

test('a problem has its code and its fields', { skip }, async () => {
  const client = createClient({ baseUrl, apiKey });
  const wrong = client.POST('/v1/events', { body: { type: 'contact.updated', locationId, contactId: ' ' } as never });
  await assert.rejects(ok(wrong), (error) => {
    assert.ok(error instanceof ProblemError);
    assert.deepEqual([error.status, error.code, error.retryAfter], [422, 'invalid-event', undefined]);
    assert.ok(error.errors.some(({ field }) => field === 'contactId') && error.message.includes('contactId: '));
    return true;
  });
  const stranger = createClient({ baseUrl, apiKey: 'cs_0_none' });
  await assert.rejects(ok(stranger.GET('/v1/locations')), { name: 'ProblemError', status: 401, code: 'unauthorized' });
});

test(
  'a message of a hook is verified, by this function and by the library of the specification',
  { skip },
  async (t) => {
    const server = createServer();
    t.after(() => (server.closeAllConnections(), server.close()));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const asked = (path: string, method: string, body?: unknown) =>
      fetch(baseUrl + path, {
        method,
        headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
        ...(body ? { body: JSON.stringify(body) } : {}),
      });
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const made = await asked('/v1/hooks', 'POST', { url, events: ['contact.created'], ignoreOwn: false });
    const { id, secret } = (await made.json()) as { id: string; secret: string };
    assert.equal(made.status, 201);
    const came = new Promise<HookMessage>((resolve, reject) => {
      server.on('request', async (request, response) => {
        const chunks: Buffer[] = [];
        for await (const chunk of request) chunks.push(chunk as Buffer);
        const body = Buffer.concat(chunks);
        response.writeHead(204).end();
        const message = verify(secret, request.headers, body);
        new Webhook(secret).verify(body, request.headers as Record<string, string>);
        message.then(resolve, reject);
      });
    });
    const email = `hook-${Date.now()}@example.com`;
    const body = { type: 'contact.created' as const, id: email, locationId, data: { email } };
    await ok(createClient({ baseUrl, apiKey }).POST('/v1/events', { body }));
    const message = await came;
    assert.deepEqual([message.type, message.locationId, message.record], ['contact.created', locationId, 'contact']);
    assert.equal(message.data['email'], email);
    assert.equal((await asked(`/v1/hooks/${id}`, 'DELETE')).status, 204);
  }
);
