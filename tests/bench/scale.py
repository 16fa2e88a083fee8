#!/usr/bin/env python3
"""Measures what this engine's functions cost the Redis server as the backlog grows; `make bench` runs it after bench.py.

    scale.py            1,000 to 1,000,000 jobs that wait over 10,000 lanes; 100,000 due in one second; a click beside an import
    QUICK=1 scale.py    up to 100,000

Times are the server's own, of whole calls. It writes results/scale.md and .json.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from statistics import quantiles

from bench import machine
from contestants import ours
from measure import PATIENCE, Run, Size, Workers
from report import table
from server import Server

RESULTS = Path(os.environ.get("BENCH_RESULTS", Path(__file__).parent / "results"))
QUICK = bool(os.environ.get("QUICK"))
BACKLOGS = [1_000, 10_000, 100_000] if QUICK else [1_000, 10_000, 100_000, 1_000_000]
LANES = 10_000
DUE = 100_000
LATER = 8  # Seconds, as in rust/src/engine.rs.
CLICKS = 200
IMPORT = 1_000_000
DRAIN_SECONDS = 4
HEADS = ["calls", "jobs a call", "mean µs", "p50 µs", "p99 µs", "p99.9 µs", "longest µs", "over 2 ms", "bytes a job"]


class Measured:
    """A server and a worker of this engine."""

    def __init__(self, lanes):
        self.contestant = ours(lanes)
        self.server, self.workers = Server(), None

    def __enter__(self):
        self.server.__enter__()
        self.workers = Workers(self.contestant.command, self.server.url, 1)
        self.run = Run(self.contestant, self.server, self.workers, Size(0, 0, 0, DRAIN_SECONDS))
        self.run.warm_up()
        return self

    def __exit__(self, *error):
        self.workers.__exit__(*error)
        self.server.__exit__(*error)

    def watch(self):
        """From now on calls are counted and timed."""
        self.server.command("CONFIG RESETSTAT")
        self.server.command("CONFIG SET slowlog-log-slower-than 500")
        self.server.command("CONFIG SET slowlog-max-len 100000")
        self.server.command("SLOWLOG RESET")
        self.server.command("CONFIG SET latency-tracking-info-percentiles", '"50 99 99.9"')
        self.before = sum(self.workers.done)

    def figures(self):
        calls = pairs(self.server.info("commandstats")["cmdstat_fcall"])
        percentiles = pairs(self.server.info("latencystats")["latency_percentiles_usec_fcall"])
        slow = [took for took in self.server.slow("fcall")]
        jobs = sum(self.workers.done) - self.before
        return {
            "calls": calls["calls"],
            "jobs a call": jobs / calls["calls"],
            "mean µs": calls["usec_per_call"],
            "p50 µs": percentiles["p50"],
            "p99 µs": percentiles["p99"],
            "p99.9 µs": percentiles["p99.9"],
            "longest µs": max(slow, default=percentiles["p99.9"]),
            "over 2 ms": sum(took > 2000 for took in slow),
        }


def pairs(text):
    return {name: float(value) for name, value in (pair.split("=") for pair in text.split(","))}


def backlog(jobs):
    """A queue with so many jobs, drained for a while: what a step costs while they wait."""
    with Measured(LANES) as measured:
        run, workers = measured.run, measured.workers
        workers.signal(signal.SIGSTOP)
        empty = run.memory()
        run.push("batch", jobs, 60)
        bytes_waiting = (run.memory() - empty) / jobs
        measured.watch()
        workers.signal(signal.SIGCONT)
        workers.wait_for(run.all_done, DRAIN_SECONDS)
        return measured.figures() | {"bytes a job": bytes_waiting}


def due_at_once():
    """So many jobs that become due in one second."""
    with Measured(100) as measured:
        run = measured.run
        began = time.monotonic()
        empty = run.memory()
        run.push("later", DUE, LATER)
        bytes_waiting = (run.memory() - empty) / DUE
        if time.monotonic() - began > LATER:
            raise RuntimeError("the machine is too slow to push them before they are due")
        measured.watch()
        measured.workers.wait_for(run.all_done, LATER + PATIENCE)
        return measured.figures() | {"bytes a job": bytes_waiting}


def click_beside_import():
    """The ms from the push of an interactive job to its start, while one lane holds an import that runs."""
    with Measured(1) as measured:
        run = measured.run
        measured.workers.signal(signal.SIGSTOP)
        run.push("bulk", IMPORT, 60)
        measured.workers.signal(signal.SIGCONT)
        # Others than the one lane of the import.
        run.contestant = ours(LANES)
        run.push("click", CLICKS, PATIENCE)
        measured.workers.wait_for(lambda: len(measured.workers.late) >= CLICKS, PATIENCE)
        left = run.pushed - sum(measured.workers.done)
        hundredths = quantiles(measured.workers.late, n=100)
        return {"p50": hundredths[49], "p99": hundredths[98], "longest": max(measured.workers.late), "left": left}


def main():
    rows = {f"{jobs:,} wait": backlog(jobs) for jobs in BACKLOGS}
    rows[f"{DUE:,} due in one second"] = due_at_once()
    click = click_beside_import()
    result = {"machine": machine(), "rows": rows, "click": click}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "scale.json").write_text(json.dumps(result, indent=2) + "\n")
    text = markdown(result)
    (RESULTS / "scale.md").write_text(text)
    print(text)


def markdown(result):
    at, click = result["machine"], result["click"]
    cells = [[name, *(written(row[head]) for head in HEADS)] for name, row in result["rows"].items()]
    lines = [
        "# As the backlog grows",
        "",
        f"{at['when']}, {at['processors']} × {at['model']}, Redis {at['redis']}, load {at['load_before']:.1f}. {at['note']}".rstrip(),
        "",
        f"Calls of the engine's functions as the server times them, over {LANES:,} lanes (100 for what is due at once), while one worker",
        "process drains. Where other programs want the same processor, the longest call holds their turn as well.",
        "",
        *table(HEADS, cells),
        "",
        f"A click in another lane, while an import of {IMPORT:,} jobs runs ({click['left']:,} left at the end): starts {click['p50']:.2f} ms after",
        f"its push (p50), {click['p99']:.2f} ms (p99), {click['longest']:.2f} ms at the most of {CLICKS}.",
    ]
    return "\n".join(lines) + "\n"


def written(value):
    return f"{value:,.0f}" if value >= 20 or value == int(value) else f"{value:,.1f}"


if __name__ == "__main__":
    # So that servers and workers, which are in sessions of their own, end with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main()
