// BullMQ at a concurrency of 128, forgetting finished jobs; in the same two roles and words as the other contestants (../README.md).

import { writeSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Queue, Worker } from 'bullmq';

const BATCH = 1000;
const TICK_MS = 5;

const [url, verb, how, ...numbers] = process.argv.slice(2);
const connection = { host: new URL(url).hostname, port: Number(new URL(url).port), maxRetriesPerRequest: null };
const call = process.env.BENCH_CALL;
const agent = new Agent({ keepAlive: true });
const nanoseconds = () => BigInt(Math.round((performance.timeOrigin + performance.now()) * 1e6));
const say = (line) => writeSync(1, `${line}\n`);

if (verb === 'work') work();
else await push(...numbers.map(Number));

// A third of the price of `fetch`.
function request(url) {
  return new Promise((resolve, reject) => {
    get(url, { agent }, (reply) => reply.on('end', resolve).resume()).on('error', reject);
  });
}

function work() {
  let done = 0;
  let told = 0;
  setInterval(() => {
    if (done !== told) say(`done ${(told = done)}`);
  }, TICK_MS);
  const run = async ({ data }) => {
    if (data.sent) say(`late ${nanoseconds() - BigInt(data.sent)}`);
    if (call) await request(call);
    done += 1;
  };
  new Worker('bench', run, { connection, concurrency: 128, removeOnComplete: { count: 0 } });
}

async function push(first, jobs, lanes, seconds) {
  const queue = new Queue('bench', { connection });
  await queue.waitUntilReady();
  const size = how === 'batch' ? BATCH : 1;
  const end = first + jobs;
  const began = performance.now();
  let next = first;
  while (next < end && performance.now() - began < seconds * 1000) {
    let sent = 0;
    if (how === 'idle') {
      await sleep(10);
      sent = String(nanoseconds());
    }
    const until = Math.min(end, next + size);
    const batch = [];
    for (let n = next; n < until; n++) {
      const data = { lane: `location-${n % lanes}`, record: `record-${n}`, sent };
      batch.push({ name: 'nothing', data, opts: { removeOnComplete: true } });
    }
    if (size === 1) await queue.add(batch[0].name, batch[0].data, batch[0].opts);
    else await queue.addBulk(batch);
    next = until;
  }
  say(`pushed ${next - first} ${(performance.now() - began) / 1000}`);
  await queue.close();
}
