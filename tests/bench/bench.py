#!/usr/bin/env python3
"""Measures this engine beside other job queues on this machine; `make bench` runs it, README.md says what the figures mean.

    bench.py [NAME...]      only the contestants whose name contains one of these words
    QUICK=1 bench.py        a look in two minutes: one repetition, fewer jobs

BENCH_NOTE is a sentence to print beside the machine; BENCH_RESULTS a folder to write into instead of ./results; BENCH_REPETITIONS how often each
is measured instead of three times.
"""

import datetime
import json
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path
from statistics import median, quantiles

import report
from contestants import CONTESTANTS, REFERENCE
from measure import Size, floor, measure

RESULTS = Path(os.environ.get("BENCH_RESULTS", Path(__file__).parent / "results"))
QUICK = bool(os.environ.get("QUICK"))
REPETITIONS = int(os.environ.get("BENCH_REPETITIONS", 1 if QUICK else 3))
SIZE = Size(20_000, 50, 0.5, 1) if QUICK else Size(100_000, 150, 1.5, 2.5)


def main(words):
    chosen = [one for one in CONTESTANTS if not words or any(word.lower() in one.name.lower() for word in words)]
    missing = {one.name: why for one in chosen if (why := one.missing())}
    running = [one for one in chosen if one.name not in missing]
    measured = {one.name: [] for one in running}
    before = machine()
    # One after the other in each repetition, so that a slow minute of the machine meets all of them.
    for repetition in range(REPETITIONS):
        for one in running:
            print(f"{repetition + 1}/{REPETITIONS} {one.name}", file=sys.stderr)
            try:
                measured[one.name].append(measure(one, SIZE))
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                print(f"  failed: {error}", file=sys.stderr)
                missing[one.name] = f"failed in repetition {repetition + 1}: {error}"
    result = {
        "machine": before | {"load_after": os.getloadavg()[0]},
        "jobs": SIZE.jobs,
        "repetitions": REPETITIONS,
        "reference": REFERENCE,
        "floor": floor(SIZE),
        "contestants": [describe(one) | summary(measured[one.name]) for one in running if measured[one.name]],
        "missing": missing,
    }
    write(result)


def describe(one):
    return {"name": one.name, "version": one.version, "settings": one.note, "ours": one.ours}


def summary(repetitions):
    """Medians over the repetitions; the pick-ups of all of them together."""
    figures, picks = {}, []
    for name in {name for measured, _ in repetitions for name in measured}:
        figures[name] = median(measured[name] for measured, _ in repetitions if name in measured)
    for _, some in repetitions:
        picks += some
    if len(picks) > 1:
        hundredths = quantiles(picks, n=100)
        figures |= {"pick_p50": hundredths[49], "pick_p99": hundredths[98]}
    return {"figures": dict(sorted(figures.items())), "repetitions": [measured for measured, _ in repetitions]}


def machine():
    redis = subprocess.run(["redis-server", "--version"], capture_output=True, text=True, check=True).stdout
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "")
    return {
        "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "processors": os.cpu_count(),
        "model": model or platform.machine(),
        "redis": redis.split("v=")[1].split()[0],
        "load_before": os.getloadavg()[0],
        "note": os.environ.get("BENCH_NOTE", ""),
    }


def write(result):
    RESULTS.mkdir(exist_ok=True)
    name = "quick" if QUICK else "bench"
    table = report.markdown(result, f"{name}.svg")
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
    (RESULTS / f"{name}.svg").write_text(report.svg(result))
    (RESULTS / f"{name}.md").write_text(table)
    print(table)


if __name__ == "__main__":
    # So that servers and workers, which are in sessions of their own, end with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main(sys.argv[1:])
