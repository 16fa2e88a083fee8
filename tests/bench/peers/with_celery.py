"""Celery: acknowledged after the run, results and gossip off. It has no bulk push."""

import os

from celery import Celery

import contest

counter = contest.Counter()
app = Celery("bench")
app.conf.update(
    task_acks_late=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=128,
    worker_redirect_stdouts=False,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
)


@app.task(name="nothing")
def nothing(lane, record, sent):
    counter.run(sent)


def main():
    url, pushing = contest.role()
    app.conf.broker_url = url
    if pushing is None:
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=ERROR"]
        app.worker_main(["worker", "--pool=solo", f"--hostname=bench-{os.getpid()}", *quiet])
    else:
        with app.producer_pool.acquire() as producer:
            for batch in contest.batches(pushing):
                for work in batch:
                    nothing.apply_async(work, producer=producer)


if __name__ == "__main__":
    main()
