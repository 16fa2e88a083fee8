"""Who is measured, in which client, with which settings."""

import json
import re
import shutil
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
BINARIES = HERE / "rust/target/release"
PYTHON = str(HERE / ".venv/bin/python")


@dataclass(frozen=True)
class Contestant:
    name: str
    command: tuple
    note: str
    lanes: int = 100
    aof: bool = False
    version: str = ""
    most: int = 1_000_000  # Waiting jobs that it can bear.
    ours: bool = False
    calls: bool = False  # Its jobs can send a call.

    def missing(self):
        """Why it can't be measured; None where it can."""
        absent = [word for word in self.command if word.startswith("/") and not Path(word).exists()]
        if self.command[0] == "ruby" and not shutil.which("sidekiq"):
            absent.append("sidekiq")
        if self.command[0] == "node" and not (HERE / "node_modules/bullmq").exists():
            absent.append("node_modules/bullmq")
        return f"not installed ({Path(absent[0]).name} is absent): `make bench-peers`" if absent else None


def crate(name):
    locked = tomllib.loads((HERE / "rust/Cargo.lock").read_text())["package"]
    return next(package["version"] for package in locked if package["name"] == name)


def npm(name):
    return json.loads((HERE / "package.json").read_text())["dependencies"][name]


def pypi(name):
    return re.search(rf"^{name}(?:\[.*\])?==(.*)$", (HERE / "requirements.txt").read_text(), re.MULTILINE)[1]


def ours(lanes, aof=False):
    name = f"this engine, {lanes:,} lane{'s' if lanes > 1 else ''}{', AOF' if aof else ''}"
    note = "limiter, leases, fairness, coalescing; batches of 64, a lane's turn of 4, 256 at once"
    return Contestant(name, (str(BINARIES / "engine"),), note, lanes, aof, crate("job-engine"), ours=True, calls=not aof)


def python(module):
    return PYTHON, str(HERE / f"peers/with_{module}.py")


def rust(name, *words):
    return str(BINARIES / name), *words


def apalis(name, mode, note):
    return Contestant(name, rust("apalis", mode), note, version=crate("apalis-redis"), most=7_000, calls=True)


def gem(name):
    """Debian's package of it: the registry of gems is one more that a machine may not reach."""
    if not shutil.which("dpkg-query"):
        return ""
    query = ["dpkg-query", "--show", "--showformat", "${Version}", f"ruby-{name}"]
    return subprocess.run(query, capture_output=True, text=True).stdout.split("+")[0]


PEERS = [
    apalis("apalis-redis", "safe", "batches of 100, polled each ms; 7,000 jobs, since it jams for good above 8,000"),
    apalis("apalis-redis, bare", "bare", "the same with locks, results and events off: no guarantees"),
    Contestant(
        "rusty-sidekiq",
        rust("sidekiq"),
        "64 workers; loses what a dead process held",
        version=crate("rusty-sidekiq"),
        calls=True,
    ),
    Contestant("BullMQ", ("node", str(HERE / "peers/bullmq.js")), "128 at once", version=npm("bullmq"), calls=True),
    Contestant(
        "Sidekiq",
        ("ruby", str(HERE / "peers/sidekiq.rb")),
        "10 threads; loses what a dead process held",
        version=gem("sidekiq"),
    ),
    Contestant("Celery", python("celery"), "solo pool, acknowledged late", version=pypi("celery")),
    Contestant("Dramatiq", python("dramatiq"), "8 threads, prefetch of 512", version=pypi("dramatiq")),
    Contestant("taskiq", python("taskiq"), "stream broker, 200 at once, uvloop", version=pypi("taskiq")),
]

OURS = [ours(lanes, aof) for aof in (False, True) for lanes in (1, 100, 10_000)]
REFERENCE = ours(10_000).name
CONTESTANTS = OURS + PEERS
