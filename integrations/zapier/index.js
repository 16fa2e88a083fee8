'use strict';

const { version: platformVersion } = require('zapier-platform-core');
const { version } = require('./package.json');
const api = require('./lib/api');
const authentication = require('./lib/authentication');
const creates = require('./lib/creates');
const lists = require('./lib/lists');
const { searches, searchOrCreates } = require('./lib/searches');
const triggers = require('./lib/triggers');

module.exports = {
  version,
  platformVersion,
  flags: { cleanInputData: true },
  authentication,
  beforeRequest: [api.authorize],
  afterResponse: [api.refuse],
  triggers: { ...triggers, ...lists },
  creates,
  searches,
  searchOrCreates,
};
