"""Dramatiq with its usual middleware: one process with 8 threads and a long prefetch. It has no bulk push."""

import os
import signal

os.environ.setdefault("dramatiq_queue_prefetch", "512")  # Read when it is imported.

import dramatiq
from dramatiq.brokers.redis import RedisBroker

import contest

counter = contest.Counter()
url, pushing = contest.role()
broker = RedisBroker(url=url)
dramatiq.set_broker(broker)


@dramatiq.actor
def nothing(lane, record, sent):
    counter.run(sent)


if pushing is None:
    dramatiq.Worker(broker, worker_threads=8).start()
    signal.pause()
else:
    for batch in contest.batches(pushing):
        for work in batch:
            nothing.send(*work)
