'use strict';

const { problem, read } = require('./api');

const test = async (z) => {
  const response = await z.request({ url: '/v1/me', skipThrowForStatus: true });
  // It is wrong from the start; elsewhere a key that was right has ended.
  if (response.status === 401) throw new z.errors.Error(read(response).message, 'AuthenticationError', 401);
  if (response.status !== 200) throw problem(response, z);
  const me = response.data;
  if (!Array.isArray(me?.roles)) {
    throw new z.errors.Error('This address answers, but not as clienty-sync does', 'InvalidAddress', 400);
  }
  return { id: me.id, name: me.name, roles: me.roles.join(', ') };
};

module.exports = {
  type: 'custom',
  test,
  connectionLabel: '{{name}}',
  fields: [
    {
      key: 'baseUrl',
      label: 'Address',
      required: true,
      placeholder: 'https://sync.example.com',
      helpText: 'Where your clienty-sync is. Whoever runs it knows.',
    },
    {
      key: 'apiKey',
      label: 'API Key',
      required: true,
      type: 'password',
      helpText: 'Made by `clienty-sync keys create`; shown only once. Triggers need the role `admin`.',
    },
  ],
};
