'use strict';

// Every event that hooks tell of, as a trigger. A new event is a line of the table.

const { path, problem } = require('./api');
const fields = require('./fields');
const samples = require('./samples');

/** Event; label; when it triggers; whether its record is there to be shown. */
const EVENTS = [
  ['contact.created', 'New Contact', 'a contact is new', true],
  ['contact.updated', 'Updated Contact', 'a contact is changed', true],
  ['contact.deleted', 'Deleted Contact', 'a contact is deleted', false],
  ['contact.erased', 'Erased Contact', "a person's data is erased, so that you erase your copy", false],
  ['task.created', 'New Task', 'a task is new', true],
  ['task.updated', 'Updated Task', 'a task is changed', true],
  ['task.completed', 'Completed Task', 'a task is completed', true],
  ['task.deleted', 'Deleted Task', 'a task is deleted', false],
  ['note.created', 'New Note', 'a note is new', true],
  ['note.updated', 'Updated Note', 'a note is changed', true],
  ['note.deleted', 'Deleted Note', 'a note is deleted', false],
  ['appointment.created', 'New Appointment', 'an appointment is booked', true],
  ['appointment.updated', 'Updated Appointment', 'an appointment is moved or changed', true],
  ['appointment.deleted', 'Deleted Appointment', 'an appointment is deleted', false],
  ['write.refused', 'Refused Write', 'GoHighLevel does not take what Clienty or a Zap wrote', true],
];

const LISTS = { task: 'tasks', note: 'notes', appointment: 'appointments' };

const inputFields = [
  { ...fields.location, required: false, helpText: 'Left empty: all locations that the API key sees.' },
  {
    key: 'ownToo',
    label: 'Also What Zaps Wrote',
    type: 'boolean',
    default: 'no',
    helpText:
      'Whether it also triggers for what your Zaps wrote with this connection. A Zap that triggers itself never ends.',
  },
];

/** The record of a message, under the id of the message: a step that Zapier repeats gets the same. */
const shown = ({ id, type, timestamp, locationId, contactId, recordId, origin, changes, data }) => ({
  ...data,
  id,
  event: type,
  changedAt: timestamp,
  locationId,
  contactId,
  recordId,
  origin,
  changes,
});

/** A record that is too long for a message is read. One that is gone by now stays with its ids. */
const whole = async (z, message) => {
  const url = path`/v1/locations/${message.locationId}/contacts/${message.contactId}`;
  const { status, data: view } = await z.request({ url, skipThrowForStatus: true });
  if (status !== 200) return message;
  const list = view[LISTS[message.record]];
  const record = list ? list.find(({ recordId }) => recordId === message.recordId) : view.contact;
  return { ...message, data: record ?? message.data };
};

const perform = async (z, { cleanedRequest: message }) => {
  return [shown(message.truncated ? await whole(z, message) : message)];
};

const subscribe =
  (event) =>
  async (z, { targetUrl, inputData }) => {
    const body = { targetUrl, event, locationId: inputData.locationId, ignoreOwn: inputData.ownToo !== true };
    const { data } = await z.request({ url: '/v1/hooks', method: 'POST', body });
    // Its secret stays out of what Zapier keeps.
    return { id: data.id };
  };

const unsubscribe = async (z, { subscribeData }) => {
  const url = path`/v1/hooks/${subscribeData.id}`;
  const response = await z.request({ url, method: 'DELETE', skipThrowForStatus: true });
  if (response.status !== 204 && response.status !== 404) throw problem(response, z);
  return {};
};

const performList =
  (event) =>
  async (z, { inputData }) => {
    const params = { event, locationId: inputData.locationId, limit: 3 };
    const { data } = await z.request({ url: '/v1/hooks/sample', params });
    return data.map(shown);
  };

const sampleOf = (event, record, isThere) => {
  const { id, recordId, contactId = id, ...rest } = samples[record];
  return shown({
    id: 'msg_hk_0193_1234',
    type: event,
    timestamp: '2026-11-30T09:00:00Z',
    locationId: 've9EPM428h8vShlRW1KT',
    contactId,
    recordId,
    origin: 'ghl',
    changes: [],
    data: isThere ? rest : { ghlId: id ?? rest[`${record}Id`], clientyId: null },
  });
};

const trigger = ([event, label, when, isThere]) => {
  const [of] = event.split('.');
  const record = of in samples ? of : 'contact';
  const noun = label.split(' ').at(-1);
  return {
    key: event.replace('.', '_'),
    noun,
    display: { label, description: `Triggers when ${when}.` },
    operation: {
      type: 'hook',
      inputFields,
      performSubscribe: subscribe(event),
      performUnsubscribe: unsubscribe,
      perform,
      performList: performList(event),
      sample: sampleOf(event, record, isThere),
    },
  };
};

module.exports = Object.fromEntries(EVENTS.map(trigger).map((made) => [made.key, made]));
