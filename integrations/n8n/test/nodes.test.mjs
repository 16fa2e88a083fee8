import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { contextOf } from './n8n.mjs';

const require = createRequire(import.meta.url);
const { ClientySync } = require('../dist/nodes/ClientySync/ClientySync.node.js');
const { ClientySyncTrigger } = require('../dist/nodes/ClientySyncTrigger/ClientySyncTrigger.node.js');
const { dataOf } = require('../dist/nodes/ClientySync/events.js');
const { DateTime } = require('luxon');
const { isSigned } = require('../dist/nodes/ClientySyncTrigger/signature.js');

const { CLIENTY_URL: baseUrl, CLIENTY_KEY: apiKey, CLIENTY_LOCATION: locationId } = process.env;
const skip =
	!(baseUrl && apiKey && locationId) && 'set CLIENTY_URL, CLIENTY_KEY and CLIENTY_LOCATION to test against a gateway';
const credentials = { baseUrl, apiKey };
const node = new ClientySync();
const trigger = new ClientySyncTrigger();

const run = async (resource, operation, parameters, more = {}) => {
	const all = { locationId, resource, operation, ...parameters };
	const { description } = node;
	const context = contextOf({ description, parameters: all, credentials, execution: unique(), ...more });
	const [items] = await node.execute.call(context);
	return items.map(({ json }) => json);
};
const unique = () => `${Date.now()}${Math.random().toString().slice(2, 8)}`;
const newContact = async (fields) =>
	(
		await run('contact', 'create', { fields: { firstName: 'Ada', email: `n8n.${unique()}@example.com`, ...fields } })
	)[0];

test('a message counts if the hook signed it in the last five minutes', () => {
	const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
	const body = Buffer.from('{"test": 2432232314}');
	const now = new Date(1614265330_000);
	// The example of the specification.
	const headers = {
		'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
		'webhook-timestamp': '1614265330',
		'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
	};
	const check = (more = {}, at = now, of = body) => isSigned(secret, { ...headers, ...more }, of, at);
	assert.ok(check());
	assert.ok(check({ 'webhook-signature': `v1,AAAA ${headers['webhook-signature']}` }), 'during a rotation');
	assert.ok(check({}, new Date(+now + 300_000)) && check({}, new Date(+now - 300_000)));
	assert.ok(!check({}, new Date(+now + 301_000)) && !check({}, new Date(+now - 301_000)));
	assert.ok(!check({}, now, Buffer.from('{"test": 2432232315}')));
	for (const name of Object.keys(headers)) assert.ok(!check({ [name]: undefined }), name);
	for (const more of [
		{ 'webhook-id': 'msg_other' },
		{ 'webhook-timestamp': '1614265331' },
		{ 'webhook-timestamp': 'x' },
		{ 'webhook-signature': headers['webhook-signature'].replace('v1,', 'v2,') },
		{ 'webhook-signature': 'v1,' },
		{ 'webhook-signature': '' },
	]) {
		assert.ok(!check(more), JSON.stringify(more));
	}
	assert.ok(!isSigned('whsec_AAAA', headers, body, now));
});

test('times are those of the workflow, unless they say otherwise', () => {
	for (const [given, wanted] of [
		['2027-01-02T10:00:00', '2027-01-02T10:00:00.000+01:00'],
		['2027-07-02 10:00', '2027-07-02T10:00:00.000+02:00'],
		['2027-01-02T10:00:00Z', '2027-01-02T10:00:00.000Z'],
		['2027-01-02T10:00:00-05:00', '2027-01-02T10:00:00.000-05:00'],
		[DateTime.fromISO('2027-01-02T10:00:00', { zone: 'Asia/Tokyo' }), '2027-01-02T10:00:00.000+09:00'],
		['tomorrow', 'tomorrow'],
	]) {
		assert.deepEqual(dataOf({ dueDate: given, fields: { endTime: given } }, 'Europe/Berlin'), {
			dueDate: wanted,
			endTime: wanted,
		});
	}
});

test('a contact is created, found, read, changed and tagged', { skip }, async () => {
	const digits = `2071${unique().slice(-6)}`;
	const made = await newContact({ phone: `+44${digits}`, lastName: 'Lovelace', tags: 'n8n, new' });
	assert.deepEqual([made.state, made.outcome, made.firstName, made.tags], ['done', 'applied', 'Ada', ['n8n', 'new']]);
	for (const asked of [{ email: made.email.toUpperCase() }, { phone: `0${digits}` }, { phone: `+44 (0)${digits}` }]) {
		assert.deepEqual(
			(await run('contact', 'find', asked)).map(({ id }) => id),
			[made.id],
			JSON.stringify(asked),
		);
	}
	assert.deepEqual(await run('contact', 'find', { email: made.email.slice(1) }), []);
	await assert.rejects(run('contact', 'find', { phone: '123' }), /6 digits/);
	const fields = { city: 'London', customFields: '{"newsletter": "Yes"}', lastName: '' };
	const [changed] = await run('contact', 'update', { contactId: made.id, fields });
	const { newsletter } = changed.customFieldsByKey;
	assert.deepEqual(
		[changed.city, newsletter, changed.email, changed.lastName],
		['London', 'Yes', made.email, 'Lovelace'],
	);
	const [tagged] = await run('contact', 'tag', { contactId: made.id, fields: { tags: 'vip', removeTags: 'n8n' } });
	assert.deepEqual(tagged.tags.toSorted(), ['new', 'vip']);
	const [view] = await run('contact', 'get', { contactId: made.id });
	assert.deepEqual([view.contact.id, view.tasks], [made.id, []]);
});

test('a task, a note and an appointment are created, once for each execution', { skip }, async () => {
	const { id: contactId } = await newContact();
	const [task] = await run('task', 'create', { contactId, title: 'Call', dueDate: '2027-01-02T10:00:00' });
	assert.deepEqual([task.title, task.dueDate, task.outcome], ['Call', '2027-01-02T09:00:00Z', 'applied']);
	const [{ body }] = await run('ghl', 'call', { name: 'get-calendars' });
	const startTime = new Date(Date.UTC(2027, 0, 4 + Math.floor(Math.random() * 3000), 15)).toISOString();
	const booked = { contactId, calendarId: body.calendars[0].id, startTime, fields: { title: 'Demo' } };
	const [appointment] = await run('appointment', 'create', booked);
	assert.ok(appointment.appointmentId);
	await assert.rejects(run('appointment', 'create', { ...booked, calendarId: 'none' }), /GHL refuses.*not found/);
	const execution = unique();
	const note = () => run('note', 'create', { contactId, noteText: 'Met' }, { execution });
	const [first, again] = [await note(), await note()];
	assert.ok(first[0].noteId);
	assert.deepEqual(again, first);
	const [other] = await run('note', 'create', { contactId, noteText: 'Met' });
	assert.notEqual(other.noteId, first[0].noteId);
});

test('mistakes are told by field, and may be passed on', { skip }, async () => {
	const wrong = run('ghl', 'call', { name: 'get-contact', parameters: '{"name": 1}' });
	await assert.rejects(wrong, (error) => {
		assert.match(error.message, /The call is wrong/);
		assert.match(error.description, /parameters\.contactId/);
		return true;
	});
	const [passed] = await run('contact', 'get', { contactId: 'none' }, { continues: true });
	assert.match(passed.error, /^Not found: there is no such contact/);
	await assert.rejects(
		run('contact', 'get', { contactId: 'c' }, { credentials: { baseUrl, apiKey: 'no' } }),
		/No valid API key/,
	);
});

test('the dropdown of locations has this one', { skip }, async () => {
	const found = await node.methods.loadOptions.locations.call(contextOf({ credentials }));
	assert.ok(found.some(({ name, value }) => name && value === locationId));
});

test('an edit starts a workflow until it is turned off, and a forged message never does', { skip }, async (t) => {
	const server = createServer();
	t.after(() => (server.closeAllConnections(), server.close()));
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	const kept = {};
	const url = `http://127.0.0.1:${server.address().port}/webhook`;
	const parameters = { events: ['contact.updated'], locations: [locationId], ownToo: true };
	const context = (webhook = {}) =>
		contextOf({ description: trigger.description, parameters, credentials, kept, webhook: { url, ...webhook } });
	const { checkExists, create, delete: remove } = trigger.webhookMethods.default;
	assert.equal(await checkExists.call(context()), false);
	assert.equal(await create.call(context()), true);
	assert.equal(await checkExists.call(context()), true);
	assert.equal(await checkExists.call(context({ url: `${url}/moved` })), false);
	const { id: contactId } = await newContact();
	const came = new Promise((resolve) => {
		server.on('request', async (request, response) => {
			let body = '';
			for await (const chunk of request) body += chunk;
			response.writeHead(204).end();
			if (JSON.parse(body).data.city === 'London') resolve({ headers: request.headers, body: Buffer.from(body) });
		});
	});
	await run('contact', 'update', { contactId, fields: { city: 'London' } });
	const message = await came;
	const { workflowData } = await trigger.webhook.call(context(message));
	assert.deepEqual([workflowData[0][0].json.type, workflowData[0][0].json.data.id], ['contact.updated', contactId]);
	const refused = async (more) => {
		const statuses = [];
		const response = { status: (code) => (statuses.push(code), response), send: () => response, end: () => response };
		assert.deepEqual(await trigger.webhook.call(context({ ...message, ...more, response })), {
			noWebhookResponse: true,
		});
		assert.deepEqual(statuses, [401]);
	};
	await refused({ body: Buffer.from(`${message.body} `) });
	const forged = createHmac('sha256', 'guess').update('x').digest('base64');
	await refused({ headers: { ...message.headers, 'webhook-signature': `v1,${forged}` } });
	assert.equal(await remove.call(context()), true);
	assert.deepEqual(kept, {});
	await refused({});
	assert.equal(await remove.call(context()), true, 'twice is once');
});
