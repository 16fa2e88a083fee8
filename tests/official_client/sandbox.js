// The sandbox, and clients for it. A client knows GHL's address alone, so it is told another one here.

import { test as nodeTest } from 'node:test';
import { inspect } from 'node:util';

import { HighLevel } from '@gohighlevel/api-client';

export const url = process.env.GHL_API_URL ?? 'http://127.0.0.1:4010';
HighLevel.BASE_URL = url;

/** Asks the sandbox itself, beside the API. */
export async function control(path, body) {
  const init = body && { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  const reply = await fetch(`${url}/_sandbox/${path}`, init);
  if (!reply.ok) throw new Error(`${path}: ${reply.status} ${await reply.text()}`);
  return reply.status === 204 ? undefined : reply.json();
}

const known = await control('locations');

/** A location, for each file another one where there are enough: together they send more than a location may in ten seconds. */
export const place = (number) => known[number % known.length];

/** A client with the location's Private Integration Token. */
export function withToken(location, more = {}) {
  return new HighLevel({ privateIntegrationToken: location.token, logLevel: 'none', ...more });
}

/** A client that logs in as an app does, and what it logs in with. */
export async function asApp(more = {}) {
  const { clientId, clientSecret } = (await control('oauth')).settings;
  const client = new HighLevel({ clientId, clientSecret, logLevel: 'none', ...more });
  client.oauth.MARKETPLACE_URL = url;
  return { client, clientId, clientSecret };
}

/** Tells such a client whose login it has to use, for calls that do not say so themselves. */
export const meant = (location) => ({ headers: { locationId: location.id } });

/** A test. Of a call that fails it shows what was sent and what the client made of the answer. */
export function test(name, body) {
  return nodeTest(name, async () => {
    try {
      await body();
    } catch (error) {
      const { code, statusCode, response, request } = error;
      if (request) {
        const { method, baseURL, url, params, data } = request;
        const sent = { method, baseURL, url, params, data };
        console.error(inspect({ test: name, code, statusCode, response, sent }, { depth: 6 }));
      }
      throw error;
    }
  });
}
