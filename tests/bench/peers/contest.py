"""What the contestants in Python have in common: the two roles of a contestant and its words to the driver, as ../README.md tells."""

import os
import sys
import threading
import time

BATCH = 1000
TICK = 0.005


class Counter:
    """Counts the jobs that this process has run, and tells the driver from a thread of its own."""

    def __init__(self):
        self.done = 0
        self.lock = threading.Lock()
        self.teller = None

    def run(self, sent):
        if sent:
            say(f"late {time.time_ns() - sent}")
        with self.lock:
            self.done += 1
            # Not before the first job: a thread would not survive the fork of a pool.
            if self.teller is None:
                self.teller = threading.Thread(target=self.tell, daemon=True)
                self.teller.start()

    def tell(self):
        told = 0
        while True:
            time.sleep(TICK)
            if self.done != told:
                told = self.done
                say(f"done {told}")


def say(line):
    # Around sys.stdout, which some of the peers redirect.
    os.write(1, f"{line}\n".encode())


def batches(arguments):
    """The jobs to push, batch by batch, as (lane, record, sent). Says at the end how many they were."""
    how, first, jobs, lanes, seconds = arguments
    first, jobs, lanes, seconds = int(first), int(jobs), int(lanes), float(seconds)
    size = BATCH if how == "batch" else 1
    began, following, end = time.monotonic(), first, first + jobs
    while following < end and time.monotonic() - began < seconds:
        sent = 0
        if how == "idle":
            time.sleep(0.010)
            sent = time.time_ns()
        until = min(end, following + size)
        yield [(f"location-{n % lanes}", f"record-{n}", sent) for n in range(following, until)]
        following = until
    say(f"pushed {following - first} {time.monotonic() - began}")


def role():
    """The server's URL, and the words after `push`; none of these where it is to work."""
    _, url, verb, *rest = sys.argv
    return url, rest if verb == "push" else None
