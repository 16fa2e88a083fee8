'use strict';

const { path } = require('./api');
const fields = require('./fields');
const samples = require('./samples');

/** Fewer digits would fit half of all contacts. */
const FEWEST_DIGITS = 6;

/** The digits that all ways to write a number share: `+44 (0)20 7183`, `0044 20 7183` and `020 7183` end alike. */
const digits = (phone) =>
  String(phone ?? '')
    .replace('(0)', '')
    .replace(/\D/g, '')
    .replace(/^0+/, '');

const perform = async (z, { inputData: { locationId, email, phone } }) => {
  const [mail, number] = [email?.trim().toLowerCase(), digits(phone)];
  if (!mail && !number) throw new z.errors.Error('Give an email or a phone number to look for', 'nothing-given', 400);
  if (!mail && number.length < FEWEST_DIGITS) {
    throw new z.errors.Error(`A phone number to look for has ${FEWEST_DIGITS} digits or more`, 'too-short', 400);
  }
  const url = path`/v1/locations/${locationId}/contacts`;
  const { data } = await z.request({ url, params: { query: mail || number } });
  // The API finds the text anywhere in name, email and phone.
  const fits = (contact) =>
    (!mail || contact.email?.toLowerCase() === mail) && (!number || digits(contact.phone).endsWith(number));
  return data.contacts.filter(fits).map((contact) => ({ ...contact, contactId: contact.id }));
};

const find = {
  key: 'find_contact',
  noun: 'Contact',
  display: { label: 'Find Contact', description: 'Finds a contact by email, by phone, or by both.' },
  operation: {
    inputFields: [
      fields.location,
      { key: 'email', label: 'Email', required: false },
      { key: 'phone', label: 'Phone', required: false },
    ],
    perform,
    sample: { ...samples.contact, contactId: samples.contact.id },
  },
};

const findOrCreate = {
  key: 'find_contact',
  display: { label: 'Find or Create Contact', description: 'Finds a contact by email or phone, or creates it.' },
  search: 'find_contact',
  create: 'create_contact',
};

module.exports = { searches: { find_contact: find }, searchOrCreates: { find_contact: findOrCreate } };
