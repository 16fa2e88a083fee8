'use strict';

const { path } = require('./api');

/** Zapier ends a step after 30 seconds. */
const PATIENCE_MS = 20_000;
const FIRST_MS = 250;
const LONGEST_MS = 2_000;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * The job, once GHL took or refused what was asked; after 20 seconds as it stands then: it is done all the same, later.
 * One that failed for good is an error, so that the owner of the Zap hears of it.
 */
module.exports = async (z, jobId) => {
  const url = path`/v1/jobs/${jobId}`;
  let waited = 0;
  for (let pause = FIRST_MS; ; pause = Math.min(2 * pause, LONGEST_MS)) {
    const { data: job } = await z.request(url);
    if (job.state === 'dead' || job.state === 'discarded') {
      const reason = job.lastError ?? job.discarded?.reason ?? job.why ?? 'no reason is known';
      throw new z.errors.Error(`It was not done: ${reason} (job ${jobId})`, `job-${job.state}`, 422);
    }
    if (job.state === 'done' || waited >= PATIENCE_MS) return job;
    await sleep(pause);
    waited += pause;
  }
};
