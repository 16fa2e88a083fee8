// All that the client can do with contacts, but tasks and notes.

import assert from 'node:assert/strict';

import { HighLevel } from '@gohighlevel/api-client';

import { place, test, withToken } from './sandbox.js';

const location = place(1);
const locationId = location.id;
const person = {
  locationId,
  firstName: 'Ada',
  lastName: 'King',
  email: 'ada.king@example.com',
  phone: '+12025550143',
  tags: ['mathematics'],
};

const { contacts, businesses, calendars, locations, users, campaigns, workflows } = withToken(location);

test('a contact is created, read, changed, found and deleted', async () => {
  const { contact: created } = await contacts.createContact(person);
  const at = { contactId: created.id };
  const read = async () => (await contacts.getContact(at)).contact;
  const kept = await read();
  for (const [field, value] of Object.entries(person)) assert.deepEqual(kept[field], value, field);

  const { succeded, contact: updated } = await contacts.updateContact(at, { city: 'London' });
  assert.deepEqual([succeded, updated.city, (await read()).city], [true, 'London', 'London']);

  assert.deepEqual((await contacts.addTags(at, { tags: ['Engines'] })).tags, ['mathematics', 'engines']);
  assert.deepEqual((await contacts.removeTags(at, { tags: ['mathematics'] })).tags, ['engines']);
  assert.deepEqual((await read()).tags, ['engines']);

  const byEmail = { field: 'email', operator: 'eq', value: person.email };
  const { contacts: found, total } = await contacts.searchContactsAdvanced({ locationId, pageLimit: 20, filters: [byEmail] });
  assert.deepEqual([found.map(({ id }) => id), total], [[created.id], 1]);
  const { contact: same } = await contacts.getDuplicateContact({ locationId, email: person.email });
  assert.equal(same.id, created.id);
  const { contacts: listed } = await contacts.getContacts({ locationId, limit: 100 });
  assert.ok(listed.some(({ id }) => id === created.id));

  assert.equal((await contacts.deleteContact(at)).succeded, true);
  await assert.rejects(read, ({ statusCode, message }) => statusCode === 400 && message.includes('not found'));
});

test('a second contact with the same e-mail is refused, and upserted into the first', async () => {
  const { contact: first } = await contacts.createContact(person);
  await assert.rejects(contacts.createContact(person), ({ code, response }) => {
    assert.deepEqual([code, response.meta.contactId, response.meta.matchingField], ['VALIDATION', first.id, 'email']);
    return true;
  });
  const again = await contacts.upsertContact({ ...person, city: 'Paris' });
  assert.deepEqual([again.new, again.contact.id, again.contact.city], [false, first.id, 'Paris']);
  const other = await contacts.upsertContact({ locationId, email: 'charles@example.com' });
  assert.equal(other.new, true);
  for (const contactId of [first.id, other.contact.id]) await contacts.deleteContact({ contactId });
});

test('what GHL refuses is told in its words', async () => {
  const wrong = contacts.createContact({ ...person, shoeSize: 38 });
  await assert.rejects(wrong, { code: 'VALIDATION', statusCode: 422, message: 'property shoeSize should not exist' });
  const foreign = contacts.createContact({ ...person, locationId: 'anotherLocation00001' });
  await assert.rejects(foreign, { statusCode: 403 });
  const stranger = new HighLevel({ privateIntegrationToken: 'pit-nobody', logLevel: 'none' });
  await assert.rejects(stranger.contacts.getContact({ contactId: 'x' }), { code: 'AUTHENTICATION', statusCode: 401 });
});

test('a contact joins and leaves what it can be part of', async () => {
  const contactId = (await contacts.createContact(person)).contact.id;
  const at = { contactId };
  const one = async (list) => (await list)[0].id;

  const follower = await one(users.getUserByLocation({ locationId }).then(({ users }) => users));
  assert.deepEqual((await contacts.addFollowersContact(at, { followers: [follower] })).followersAdded, [follower]);
  assert.deepEqual((await contacts.removeFollowersContact(at, { followers: [follower] })).followersRemoved, [follower]);

  const campaignId = await one(campaigns.getCampaigns({ locationId }).then(({ campaigns }) => campaigns));
  await contacts.addContactToCampaign({ ...at, campaignId }, {});
  await contacts.removeContactFromCampaign({ ...at, campaignId });
  await contacts.addContactToCampaign({ ...at, campaignId }, {});
  await contacts.removeContactFromEveryCampaign(at);

  const workflowId = await one(workflows.getWorkflow({ locationId }).then(({ workflows }) => workflows));
  await contacts.addContactToWorkflow({ ...at, workflowId }, {});
  await contacts.deleteContactFromWorkflow({ ...at, workflowId }, {});

  const { buiseness: business } = await businesses.createBusiness({ locationId, name: 'Analytical Engines' });
  await contacts.addRemoveContactFromBusiness({ locationId, ids: [contactId], businessId: business.id });
  const inBusiness = await contacts.getContactsByBusinessId({ locationId, businessId: business.id });
  assert.deepEqual(inBusiness.contacts.map(({ id }) => id), [contactId]);

  const tagged = await contacts.createAssociation({ type: 'add' }, { locationId, contacts: [contactId], tags: ['all'] });
  assert.deepEqual(tagged.responses.map(({ type }) => type), ['success']);
  await contacts.deleteContact(at);
});

test("a contact's appointments and a location's fields are read", async () => {
  const { contacts: found } = await contacts.searchContactsAdvanced({ locationId, pageLimit: 100 });
  const events = await Promise.all(
    found.slice(0, 20).map(({ id: contactId }) => contacts.getAppointmentsForContact({ contactId })),
  );
  assert.ok(events.some(({ events }) => events.length > 0));
  assert.ok((await calendars.getCalendars({ locationId })).calendars.length > 0);
  assert.ok((await locations.getCustomFields({ locationId })).customFields.length > 0);
  assert.equal((await locations.getLocation({ locationId })).location.id, locationId);
});
