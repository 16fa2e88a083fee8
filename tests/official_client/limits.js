// The limits, as the client reads them.

import assert from 'node:assert/strict';
import { control, place, test, withToken } from './sandbox.js';

const location = place(3);
const search = { locationId: location.id, pageLimit: 1 };
const throttleOnce = () => control('faults', { throttle: 1000, atMost: 1 });

test('a 429 is told with the limits that GHL names', async () => {
  await throttleOnce();
  await assert.rejects(withToken(location).contacts.searchContactsAdvanced(search), ({ code, rateLimit }) => {
    assert.deepEqual([code, rateLimit.scope, rateLimit.max], ['RATE_LIMIT', 'burst', 100]);
    assert.ok(rateLimit.intervalMs > 0 && rateLimit.dailyLimit === 200_000 && rateLimit.dailyRemaining > 0);
    return true;
  });
});

test('a client that repeats such a call gets through', async () => {
  await throttleOnce();
  const { contacts } = withToken(location, { rateLimitRetry: { maxRetries: 1, maxDelayMs: 1 } });
  assert.equal((await contacts.searchContactsAdvanced(search)).contacts.length, 1);
});
