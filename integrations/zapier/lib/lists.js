'use strict';

// Hidden triggers: what dropdowns are filled with.

const { problem } = require('./api');
const { call } = require('./call-operation');

const list = (key, noun, perform) => ({
  [key]: {
    key,
    noun,
    display: { label: `List of ${noun}s`, description: `Fills the dropdowns of ${noun.toLowerCase()}s.`, hidden: true },
    operation: { type: 'polling', perform, sample: { id: 'id', name: 'Name' } },
  },
});

const locations = async (z) => {
  const { data } = await z.request('/v1/locations');
  return data.locations.map(({ locationId: id, name }) => ({ id, name: name ?? id }));
};

const operations = async (z) => {
  const response = await z.request({ url: '/v1/catalog', skipThrowForStatus: true });
  if (response.status === 404) {
    throw new z.errors.Error('This clienty-sync does not list its operations: type the name of one', 'not-found', 404);
  }
  if (response.status !== 200) throw problem(response, z);
  return response.data.actions.map(({ name: id, area, does }) => ({ id, name: `${area}: ${does} (${id})` }));
};

const calendars = async (z, { inputData: { locationId } }) => {
  if (!locationId) return [];
  const { body } = await call(z, 'get-calendars', { locationId });
  return (body?.calendars ?? []).map(({ id, name }) => ({ id, name }));
};

module.exports = {
  ...list('location_list', 'Location', locations),
  ...list('operation_list', 'Operation', operations),
  ...list('calendar_list', 'Calendar', calendars),
};
