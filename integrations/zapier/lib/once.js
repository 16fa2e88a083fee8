'use strict';

const { createHash, randomUUID } = require('node:crypto');

/**
 * The id of an event, which the API accepts once. Zapier tells no id of a run, so the owner of a Zap maps one that stays the
 * same when a step is repeated. All fields are part of it: two steps of a Zap may share a trigger's id, and a step that was
 * corrected before it is replayed is another one.
 */
module.exports = (step, { inputData, meta }) => {
  if (!inputData.onceId) return `zap_${randomUUID()}`;
  const text = JSON.stringify([step, meta?.zap?.id ?? null, Object.entries(inputData).sort()]);
  return `zap_${createHash('sha256').update(text).digest('hex')}`;
};
