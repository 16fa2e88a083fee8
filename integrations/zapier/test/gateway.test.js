'use strict';

// The app against a running gateway. `clienty-sync demo --json` prints what the environment has to hold.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { createServer } = require('node:http');
const { test } = require('node:test');
const { createAppTester } = require('zapier-platform-core');
const App = require('..');

const { CLIENTY_URL: baseUrl, CLIENTY_KEY: apiKey, CLIENTY_LOCATION: locationId } = process.env;
const skip =
  !(baseUrl && apiKey && locationId) && 'set CLIENTY_URL, CLIENTY_KEY and CLIENTY_LOCATION to test against a gateway';

const ask = createAppTester(App);
const authData = { baseUrl, apiKey };
const run = (method, inputData = {}, more = {}) =>
  ask(method, { authData, inputData: { locationId, ...inputData }, meta: {}, ...more });
const create = (key, inputData) => run(App.creates[key].operation.perform, inputData);
const find = (inputData) => run(App.searches.find_contact.operation.perform, inputData);

/** Nobody had it before. */
const unique = () => `${Date.now()}${Math.random().toString().slice(2, 8)}`;
const newContact = (more) =>
  create('create_contact', { firstName: 'Ada', email: `zap.${unique()}@example.com`, ...more });

/** A receiver of hooks; `until` gives the first message that fits. */
const receiver = async () => {
  const messages = [];
  const waiting = new Set();
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    messages.push(JSON.parse(body));
    response.writeHead(204).end();
    for (const look of waiting) look();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const until = (fits) =>
    new Promise((resolve) => {
      const look = () => {
        const found = messages.find(fits);
        if (found) (waiting.delete(look), resolve(found));
      };
      (waiting.add(look), look());
    });
  const url = `http://127.0.0.1:${server.address().port}/hook`;
  return { url, messages, until, close: () => server.closeAllConnections() ?? server.close() };
};

test('a key that works connects, one that does not is named as such', { skip }, async () => {
  const me = await ask(App.authentication.test, { authData });
  assert.ok(me.id && me.name && me.roles);
  const wrong = { authData: { baseUrl, apiKey: 'cs_0_none' } };
  await assert.rejects(ask(App.authentication.test, wrong), /AuthenticationError/);
});

test('the dropdown of locations has this one', { skip }, async () => {
  const found = await run(App.triggers.location_list.operation.perform);
  assert.ok(found.some(({ id, name }) => id === locationId && name));
});

test('each trigger subscribes, shows samples as its messages are, and unsubscribes', { skip }, async () => {
  await create('create_note', { contactId: (await newContact()).id, noteText: 'Met' });
  for (const { key, operation } of Object.values(App.triggers).filter(({ operation }) => operation.type === 'hook')) {
    const targetUrl = 'https://hooks.example.com/hooks/standard/1/';
    const subscribeData = await run(operation.performSubscribe, {}, { targetUrl });
    assert.deepEqual(Object.keys(subscribeData), ['id'], key);
    const samples = await run(operation.performList);
    assert.ok(samples.length > 0 && samples.length <= 3, key);
    assert.equal(new Set(samples.map(({ id }) => id)).size, samples.length, key);
    assert.deepEqual(await run(operation.performList), samples, `${key}: the samples stay`);
    for (const name of Object.keys(operation.sample)) {
      const isThere = (sample) => name in sample || ['ghlId', 'clientyId', 'customFieldsByKey'].includes(name);
      assert.ok(samples.some(isThere), `${key}: the sample has ${name}, what comes has not`);
    }
    await run(operation.performUnsubscribe, {}, { subscribeData });
    // Zapier may say it twice.
    await run(operation.performUnsubscribe, {}, { subscribeData });
  }
});

test('an edit triggers a Zap, with the record, until it is turned off', { skip }, async (t) => {
  const [zap, other] = await Promise.all([receiver(), receiver()]);
  t.after(() => (zap.close(), other.close()));
  const { performSubscribe, performUnsubscribe, perform } = App.triggers.contact_updated.operation;
  const subscribe = ({ url: targetUrl }) => run(performSubscribe, { ownToo: true }, { targetUrl });
  const [subscribeData, others] = [await subscribe(zap), await subscribe(other)];
  const contact = await newContact();
  const edit = (city) => create('update_contact', { contactId: contact.id, city });
  await edit('London');
  const cleanedRequest = await zap.until(({ data }) => data.id === contact.id && data.city === 'London');
  const [shown] = await run(perform, {}, { cleanedRequest });
  assert.equal(shown.id, cleanedRequest.id);
  assert.deepEqual([shown.contactId, shown.event, shown.city], [contact.id, 'contact.updated', 'London']);
  assert.ok(shown.changes.includes('city'));
  for (const name of Object.keys(App.triggers.contact_updated.operation.sample))
    assert.ok(name in shown || name === 'customFieldsByKey', name);
  // What is too long for a message comes with ids alone, and is read.
  const { id: ghlId, recordId } = cleanedRequest.data;
  const truncated = { ...cleanedRequest, truncated: true, data: { ghlId, recordId } };
  assert.equal((await run(perform, {}, { cleanedRequest: truncated }))[0].city, 'London');
  await run(performUnsubscribe, {}, { subscribeData });
  const before = zap.messages.length;
  await edit('Paris');
  await other.until(({ data }) => data.city === 'Paris');
  assert.equal(zap.messages.length, before);
  await run(performUnsubscribe, {}, { subscribeData: others });
});

test('a contact is created, found, changed and tagged', { skip }, async () => {
  const digits = `2071${unique().slice(-6)}`;
  const made = await newContact({ phone: `+44${digits}`, tags: ['zap'] });
  assert.deepEqual([made.state, made.outcome, made.firstName], ['done', 'applied', 'Ada']);
  assert.equal(made.contactId, made.id);
  const { email } = made;
  for (const input of [
    { email },
    { email: ` ${email.toUpperCase()}` },
    { phone: `+44 (0)${digits}` },
    { phone: `0${digits}` },
    { email, phone: `0044${digits}` },
  ]) {
    assert.deepEqual(
      (await find(input)).map(({ id }) => id),
      [made.id],
      JSON.stringify(input)
    );
  }
  assert.deepEqual(await find({ email: email.slice(1) }), [], 'a part of an address is another address');
  assert.deepEqual(await find({ email, phone: '+15550100100' }), []);
  await assert.rejects(find({}), /Give an email/);
  await assert.rejects(find({ phone: '123' }), /6 digits/);
  const empty = { firstName: '', tags: [], empty: ['phone'] };
  const changed = await create('update_contact', { contactId: made.id, city: 'London', ...empty });
  assert.deepEqual([changed.firstName, changed.tags], ['Ada', ['zap']], 'an empty field changes nothing');
  assert.deepEqual([changed.city, changed.phone, changed.email], ['London', null, email]);
  const tagged = await create('add_tag', { contactId: made.id, tags: ['vip'], removeTags: ['zap'] });
  assert.deepEqual(tagged.tags, ['vip']);
});

test('a task and a note are created with their ids', { skip }, async () => {
  const { id: contactId } = await newContact();
  const task = await create('create_task', { contactId, title: 'Call Ada', dueDate: '2027-01-02T10:00:00Z' });
  assert.deepEqual([task.title, task.id, task.outcome], ['Call Ada', task.taskId, 'applied']);
  const note = await create('create_note', { contactId, noteText: 'Met' });
  assert.ok(note.noteId && note.id === note.noteId);
});

test('an appointment is booked, and a refusal tells its reason', { skip }, async () => {
  const [{ id: calendarId }] = await run(App.triggers.calendar_list.operation.perform);
  const { id: contactId } = await newContact();
  const startTime = new Date(Date.UTC(2027, 0, 4 + Math.floor(Math.random() * 3000), 15)).toISOString();
  const booked = await create('create_appointment', { contactId, calendarId, startTime, title: 'Demo' });
  assert.deepEqual([booked.title, booked.id], ['Demo', booked.appointmentId]);
  await assert.rejects(
    create('create_appointment', { contactId, calendarId: 'none', startTime }),
    /GHL refuses.*not found/
  );
});

test('a step that is repeated is done once', { skip }, async () => {
  const input = { contactId: (await newContact()).id, noteText: 'Once', onceId: unique() };
  const [first, again] = [await create('create_note', input), await create('create_note', input)];
  assert.deepEqual([again.jobId, again.id], [first.jobId, first.id]);
});

test('any operation is called, and mistakes are named by field', { skip }, async () => {
  const { id: contactId } = await newContact();
  const { status, body } = await create('call_operation', { operation: 'get-contact', parameters: { contactId } });
  assert.deepEqual([status, body.contact.id], [200, contactId]);
  const noted = await create('call_operation', {
    operation: 'create-note',
    parameters: { contactId },
    body: '{"body": "Met"}',
  });
  assert.equal(noted.body.note.body, 'Met');
  await assert.rejects(
    create('call_operation', { operation: 'get-contact', parameters: { name: 'x' } }),
    /parameters\.contactId/
  );
  await assert.rejects(create('call_operation', { operation: 'get-contact', body: '{' }), /no JSON/);
});

test('the dropdown of operations has them all', { skip }, async (t) => {
  const found = await run(App.triggers.operation_list.operation.perform).catch((error) => error);
  if (found instanceof Error && /not-found/.test(found.message))
    return t.skip('this gateway does not list its operations');
  assert.ok(found.length > 500 && found.some(({ id }) => id === 'get-contact'));
});

test('custom fields of the location are fields to fill in', { skip }, async () => {
  const { inputFields, perform } = App.creates.update_contact.operation;
  const fields = () => run(inputFields.find((field) => typeof field === 'function'));
  const { id: contactId } = await newContact();
  await run(perform, { contactId, customFields: { newsletter: 'Yes' } });
  assert.ok((await fields()).some(({ key }) => key === 'cf_newsletter'));
  const changed = await run(perform, { contactId, cf_newsletter: 'No' });
  assert.equal(changed.customFieldsByKey.newsletter, 'No');
});
