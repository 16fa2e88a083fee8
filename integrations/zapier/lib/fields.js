'use strict';

// Input fields that several steps share.

const location = {
  key: 'locationId',
  label: 'Location',
  required: true,
  dynamic: 'location_list.id.name',
  helpText: 'The GoHighLevel location.',
};

const contact = {
  key: 'contactId',
  label: 'Contact ID',
  required: true,
  helpText: 'From a trigger or from *Find Contact*. The ID that Clienty gave the contact works, too.',
};

const once = {
  key: 'onceId',
  label: 'Only Once For',
  required: false,
  helpText:
    'Map the **ID** of the trigger here. If Zapier repeats this step with the same ID and the same fields, it is done once. Left empty, each repetition counts.',
};

module.exports = { location, contact, once };
