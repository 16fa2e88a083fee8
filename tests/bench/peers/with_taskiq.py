"""taskiq over a Redis stream, its broker that acknowledges, on uvloop. It has no bulk push: a batch is pushed many jobs at once."""

import asyncio

import uvloop
from taskiq.api import run_receiver_task
from taskiq_redis import RedisStreamBroker

import contest

AT_ONCE = 100

counter = contest.Counter()
url, pushing = contest.role()
# The stream is created by whoever comes first, and read from its start.
broker = RedisStreamBroker(url, consumer_id="0", xread_block=1000, socket_timeout=30)


@broker.task(task_name="nothing")
async def nothing(lane: str, record: str, sent: int) -> None:
    counter.run(sent)


async def main():
    if pushing is None:
        broker.is_worker_process = True
        await run_receiver_task(broker, run_startup=True, max_async_tasks=200, max_prefetch=200)
        return
    await broker.startup()
    for batch in contest.batches(pushing):
        for start in range(0, len(batch), AT_ONCE):
            await asyncio.gather(*(nothing.kiq(*work) for work in batch[start : start + AT_ONCE]))
    await broker.shutdown()


uvloop.run(main())
