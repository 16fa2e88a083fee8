'use strict';

const { path } = require('./api');
const fields = require('./fields');
const once = require('./once');
const outcome = require('./outcome');

const bodyOf = (z, text) => {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new z.errors.Error(`The body is no JSON: ${error.message}`, 'invalid-body', 400);
  }
};

/** GHL's answer to a call, or only the state of its job if there is none yet. */
const call = async (z, operation, body) => {
  const { data } = await z.request({ url: path`/v1/operations/${operation}`, method: 'POST', body });
  const { state } = await outcome(z, data.jobId);
  if (state !== 'done') return { id: data.jobId, state };
  const { data: reply } = await z.request(path`/v1/jobs/${data.jobId}/reply`);
  return { id: data.jobId, state, ...reply };
};

const perform = async (z, bundle) => {
  const { locationId, operation, parameters, body, confirm } = bundle.inputData;
  const id = once('call_operation', bundle);
  return call(z, operation, { id, locationId, parameters, body: bodyOf(z, body), confirm });
};

const create = {
  key: 'call_operation',
  noun: 'Operation',
  display: {
    label: 'Call Any GoHighLevel Operation',
    description: "Calls one of GoHighLevel's operations, within the limit of the location, and gives its answer.",
  },
  operation: {
    inputFields: [
      fields.location,
      {
        key: 'operation',
        label: 'Operation',
        required: true,
        dynamic: 'operation_list.id.name',
        helpText: 'Its name, as `get-contact`. `clienty-sync catalog show NAME` shows what it takes.',
      },
      {
        key: 'parameters',
        label: 'Parameters',
        dict: true,
        required: false,
        helpText: 'Those of the path and of the query.',
      },
      { key: 'body', label: 'Body', type: 'text', required: false, helpText: 'As JSON.' },
      {
        key: 'confirm',
        label: 'Confirm',
        type: 'boolean',
        required: false,
        helpText: 'Needed by operations that must never be repeated: money, messages to people.',
      },
      fields.once,
    ],
    perform,
    sample: {
      id: '01a22cf2-2319-725f-87f0-3fe2a5332a43',
      state: 'done',
      status: 200,
      body: { contact: { id: 'ocQHyuzHvysMo5N5VsXc' } },
    },
  },
};

module.exports = { call, create };
