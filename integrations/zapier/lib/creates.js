'use strict';

// Actions: each sends one event, waits for GHL, and gives the record as it is then.

const { path } = require('./api');
const customFields = require('./custom-fields');
const fields = require('./fields');
const { create: callOperation } = require('./call-operation');
const once = require('./once');
const outcome = require('./outcome');
const samples = require('./samples');

const text = (key, label, more) => ({ key, label, required: false, ...more });

const PERSON = [
  text('firstName', 'First Name'),
  text('lastName', 'Last Name'),
  text('email', 'Email'),
  text('phone', 'Phone', { helpText: 'With the country, as +44 20 7183 8750.' }),
  text('companyName', 'Company'),
  text('address1', 'Street'),
  text('city', 'City'),
  text('state', 'State'),
  text('postalCode', 'Postal Code'),
  text('country', 'Country', { helpText: 'Two letters, as GB.' }),
  text('website', 'Website'),
  text('timezone', 'Time Zone', { helpText: 'As Europe/London.' }),
  text('dateOfBirth', 'Date of Birth', { helpText: 'As 1990-09-25.' }),
  text('source', 'Source'),
  text('assignedTo', 'Assigned To', { helpText: 'ID of a GoHighLevel user.' }),
];
const EMPTIED = Object.fromEntries(
  PERSON.filter(({ key }) => key !== 'dateOfBirth').map(({ key, label }) => [key, label])
);
const place = { ...fields.location, altersDynamicFields: true };
const assignedTo = PERSON.at(-1);

/** Event, and what is asked for. `data` makes an event's data of the input and the event's id. */
const ACTIONS = [
  {
    key: 'create_contact',
    record: 'contact',
    label: 'Create Contact',
    description: 'Creates a contact; the same person is not created twice.',
    event: 'contact.created',
    inputFields: [place, ...PERSON, text('tags', 'Tags', { list: true }), ...customFields.inputFields],
    data: (input, id) => ({ ...customFields.read(input), clientyContactId: id }),
  },
  {
    key: 'update_contact',
    record: 'contact',
    label: 'Update Contact',
    description: 'Changes fields of a contact. An empty field stays as it is.',
    event: 'contact.updated',
    inputFields: [
      place,
      fields.contact,
      ...PERSON,
      text('empty', 'Fields to Empty', { list: true, choices: EMPTIED }),
      ...customFields.inputFields,
    ],
    data: ({ empty = [], ...input }) => ({
      ...customFields.read(input),
      ...Object.fromEntries(empty.map((key) => [key, null])),
    }),
  },
  {
    key: 'add_tag',
    record: 'contact',
    label: 'Add Tag to Contact',
    description: 'Adds tags to a contact, or takes some away; all others stay.',
    event: 'contact.tagged',
    inputFields: [
      fields.location,
      fields.contact,
      text('tags', 'Tags', { list: true }),
      text('removeTags', 'Tags to Remove', { list: true }),
    ],
    data: (input) => input,
  },
  {
    key: 'create_task',
    record: 'task',
    label: 'Create Task',
    description: 'Creates a task for a contact.',
    event: 'task.created',
    inputFields: [
      fields.location,
      fields.contact,
      text('title', 'Title', { required: true }),
      text('dueDate', 'Due', { required: true, type: 'datetime' }),
      text('body', 'Description', { type: 'text' }),
      assignedTo,
    ],
    data: (input, id) => ({ ...input, clientyTaskId: id }),
  },
  {
    key: 'create_note',
    record: 'note',
    label: 'Create Note',
    description: 'Adds a note to a contact.',
    event: 'note.created',
    inputFields: [fields.location, fields.contact, text('noteText', 'Text', { required: true, type: 'text' })],
    data: (input, id) => ({ ...input, clientyNoteId: id }),
  },
  {
    key: 'create_appointment',
    record: 'appointment',
    label: 'Create Appointment',
    description: 'Books an appointment in a calendar, if the calendar is free then.',
    event: 'appointment.created',
    inputFields: [
      fields.location,
      fields.contact,
      text('calendarId', 'Calendar', { required: true, dynamic: 'calendar_list.id.name' }),
      text('startTime', 'Start', { required: true, type: 'datetime' }),
      text('endTime', 'End', { type: 'datetime', helpText: "Left empty: the calendar's usual length." }),
      text('title', 'Title'),
      text('status', 'Status', { choices: ['new', 'confirmed', 'cancelled', 'showed', 'noshow', 'invalid'] }),
      text('address', 'Place'),
      text('notes', 'Notes', { type: 'text' }),
      assignedTo,
    ],
    data: (input, id) => ({ ...input, clientyAppointmentId: id }),
  },
];

/** What was filled in: an empty text would take a value away, and an empty list all tags. */
const filled = (input) =>
  Object.fromEntries(Object.entries(input).filter(([, value]) => value != null && value.length !== 0));

/** The record of the event, read anew; only its ids if the key may not read people. */
const read = async (z, record, locationId, contactId, id) => {
  const url = path`/v1/locations/${locationId}/contacts/${contactId}`;
  const { status, data: view } = await z.request({ url, skipThrowForStatus: true });
  if (status !== 200) return { id, contactId };
  if (record === 'contact') return { ...view.contact, contactId: view.contact.id };
  const own = `clienty${record[0].toUpperCase()}${record.slice(1)}Id`;
  const found = view[`${record}s`].find((one) => one[own] === id);
  return { id, contactId, ...found, ...(found?.[`${record}Id`] && { id: found[`${record}Id`] }) };
};

const send =
  ({ key, event: type, record, data: dataOf }) =>
  async (z, bundle) => {
    const { locationId, contactId, onceId, ...input } = bundle.inputData;
    const id = once(key, bundle);
    const body = { id, type, locationId, contactId, data: dataOf(filled(input), id) };
    const { data } = await z.request({ url: '/v1/events', method: 'POST', body });
    const [{ jobId }] = data.accepted;
    const job = await outcome(z, jobId);
    const made = await read(z, record, locationId, contactId ?? id, id);
    return { ...made, jobId, state: job.state, outcome: job.outcome, unapplied: job.unapplied };
  };

const action = (made) => ({
  key: made.key,
  noun: made.record[0].toUpperCase() + made.record.slice(1),
  display: { label: made.label, description: made.description },
  operation: {
    inputFields: [...made.inputFields, fields.once],
    perform: send(made),
    sample: {
      id: samples[made.record][`${made.record}Id`],
      ...samples[made.record],
      jobId: '01a22cf1-d059-74f9-b1ff-3a8f5aea7374',
      state: 'done',
      outcome: 'applied',
    },
  },
});

module.exports = Object.fromEntries([...ACTIONS.map(action), callOperation].map((made) => [made.key, made]));
