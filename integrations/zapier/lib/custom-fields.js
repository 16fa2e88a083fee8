'use strict';

// Custom fields: those that the newest contacts of the location have are fields of their own; all others go by key.

const { path } = require('./api');

const PREFIX = 'cf_';
const LOOKED_AT = 200;

const kind = (value) => {
  if (Array.isArray(value)) return { list: true };
  return typeof value === 'number' ? { type: 'number' } : {};
};

const found = async (z, { inputData: { locationId } }) => {
  if (!locationId) return [];
  const { data } = await z.request({ url: path`/v1/locations/${locationId}/contacts`, params: { limit: LOOKED_AT } });
  const values = Object.assign({}, ...data.contacts.map((contact) => contact.customFieldsByKey));
  const keys = Object.keys(values).sort();
  return keys.map((key) => ({ key: PREFIX + key, label: `Custom: ${key}`, required: false, ...kind(values[key]) }));
};

const others = {
  key: 'customFields',
  label: 'Other Custom Fields',
  dict: true,
  required: false,
  helpText: 'The key of the field on the left, its value on the right.',
};

/** The input, with all custom fields in one place. */
const read = ({ customFields, ...input }) => {
  const own = Object.keys(input).filter((key) => key.startsWith(PREFIX));
  const values = { ...customFields };
  for (const key of own) {
    values[key.slice(PREFIX.length)] = input[key];
    delete input[key];
  }
  return Object.keys(values).length ? { ...input, customFields: values } : input;
};

module.exports = { inputFields: [found, others], read };
