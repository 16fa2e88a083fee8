// OAuth: the client's own link, code exchange, refresh and exchange of an agency's login for a location's.

import assert from 'node:assert/strict';

import { UserType } from '@gohighlevel/api-client';

import { asApp, control, meant, place, test } from './sandbox.js';

const location = place(0);
const REDIRECT = 'http://127.0.0.1:1/oauth/callback';
const SCOPES = 'contacts.readonly contacts.write locations/tasks.readonly oauth.readonly oauth.write';

/** Follows the client's link, chooses as a customer does, and logs in with the code that comes back. */
async function install({ client, clientId, clientSecret }, on, userType) {
  const link = new URL(client.oauth.getAuthorizationUrl(clientId, REDIRECT, SCOPES));
  const page = await fetch(link);
  assert.equal(page.status, 200, await page.text());
  link.pathname = '/v2/oauth/approve';
  link.searchParams.set('on', on);
  const back = new URL((await fetch(link, { redirect: 'manual' })).headers.get('location'));
  assert.ok(back.href.startsWith(REDIRECT), back.href);
  const login = await client.oauth.getAccessToken({
    client_id: clientId,
    client_secret: clientSecret,
    grant_type: 'authorization_code',
    code: back.searchParams.get('code'),
    user_type: userType,
    redirect_uri: REDIRECT,
  });
  assert.equal(login.userType, userType);
  await client.getSessionStorage().setSession(login.locationId ?? login.companyId, login);
  return login;
}

async function counts() {
  const { codes = 0, refreshes = 0, exchanges = 0, refused = 0 } = (await control('oauth')).counts;
  return { codes, refreshes, exchanges, refused };
}

async function anyContact(client) {
  const { contacts } = await client.contacts.searchContactsAdvanced({ locationId: location.id, pageLimit: 1 });
  return contacts[0].id;
}

test('a location logs in, and a token that ran out is renewed once, however many calls need it', async () => {
  const app = await asApp();
  const login = await install(app, location.id, UserType.Location);
  assert.equal(login.locationId, location.id);
  const contactId = await anyContact(app.client);

  const before = await counts();
  await control('oauth/expire', { holder: location.id });
  const calls = Array.from({ length: 10 }, () => app.client.contacts.getContact({ contactId }, meant(location)));
  for (const { contact } of await Promise.all(calls)) assert.equal(contact.id, contactId);
  assert.deepEqual(await counts(), { ...before, refreshes: before.refreshes + 1 });
  const stored = await app.client.getSessionStorage().getSession(location.id);
  assert.notEqual(stored.refresh_token, login.refresh_token, 'each refresh gives another refresh token');
});

test('a refresh token works once', async () => {
  const app = await asApp();
  const login = await install(app, location.id, UserType.Location);
  const { client, clientId, clientSecret } = app;
  const again = () =>
    client.oauth.refreshToken(login.refresh_token, clientId, clientSecret, 'refresh_token', UserType.Location);
  await again();
  await assert.rejects(again, { code: 'VALIDATION', statusCode: 400, message: 'invalid_grant' });
});

test('a login that was revoked is told as such', async () => {
  const app = await asApp();
  await install(app, location.id, UserType.Location);
  await control('oauth/revoke', { holder: location.id });
  const call = app.client.contacts.getContact({ contactId: 'whoever' }, meant(location));
  await assert.rejects(call, { code: 'AUTHENTICATION', statusCode: 401 });
});

test('an agency lists its locations and gets the login of one', async () => {
  const app = await asApp();
  const { companyId } = await install(app, 'company', UserType.Company);
  const appId = app.clientId.split('-')[0];
  const { locations, count } = await app.client.oauth.getInstalledLocation({ companyId, appId, isInstalled: true });
  assert.ok(locations.some(({ _id, isInstalled }) => _id === location.id && isInstalled));
  assert.equal(count, locations.length);

  const login = await app.client.oauth.getLocationAccessToken({ companyId, locationId: location.id });
  assert.equal(login.locationId, location.id);
  await app.client.getSessionStorage().setSession(location.id, login);
  assert.ok(await anyContact(app.client));
});
