'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { createAppHandler } = require('zapier-platform-core');
const { validateAppDefinition } = require('zapier-platform-schema');
const App = require('..');

const ask = async (command) => (await createAppHandler(App)({ command })).results;

test('the definition has no error', async () => {
  const { errors } = validateAppDefinition(await ask('definition'));
  assert.deepEqual(
    errors.map(({ property, message }) => `${property} ${message}`),
    []
  );
  assert.deepEqual(await ask('validate'), []);
});

test('every step shows a sample with an id, under its own key', () => {
  for (const steps of [App.triggers, App.creates, App.searches]) {
    for (const [key, step] of Object.entries(steps)) {
      assert.equal(step.key, key);
      assert.equal(typeof step.operation.sample.id, 'string', key);
    }
  }
});

test('a repeated step has the id that it had, and no other step has it', () => {
  const once = require('../lib/once');
  const bundle = (inputData, zap = '1') => ({ inputData, meta: { zap: { id: zap } } });
  const id = once('create_note', bundle({ onceId: 'msg_1', noteText: 'a' }));
  assert.match(id, /^zap_[0-9a-f]{64}$/);
  assert.equal(once('create_note', bundle({ noteText: 'a', onceId: 'msg_1' })), id);
  const others = [
    once('create_task', bundle({ onceId: 'msg_1', noteText: 'a' })),
    once('create_note', bundle({ onceId: 'msg_2', noteText: 'a' })),
    once('create_note', bundle({ onceId: 'msg_1', noteText: 'b' })),
    once('create_note', bundle({ onceId: 'msg_1', noteText: 'a' }, '2')),
    once('create_note', bundle({ noteText: 'a' })),
    once('create_note', bundle({ noteText: 'a' })),
  ];
  assert.equal(new Set([id, ...others]).size, 7);
});
