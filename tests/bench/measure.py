"""One contestant, measured once. What the figures mean is in README.md."""

import os
import queue
import signal
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from contestants import BINARIES
from server import Server

WARM_UP = 500
PATIENCE = 20
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Size:
    """How much is measured: the jobs to drain, the pick-ups, and the most seconds a step may take."""

    jobs: int
    picks: int
    push_seconds: float
    drain_seconds: float


class Workers:
    """Worker processes of one contestant, each the leader of its own process group."""

    def __init__(self, command, url, processes, call=None):
        self.words = queue.Queue()
        self.done = [0] * processes
        self.late = []
        self.processes = [start([*command, url, "work"], call) for _ in range(processes)]
        for number, process in enumerate(self.processes):
            threading.Thread(target=self._listen, args=(number, process), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.signal(signal.SIGKILL)
        for process in self.processes:
            process.wait()

    def _listen(self, number, process):
        for line in process.stdout:
            self.words.put((time.monotonic(), number, line.split()))

    def signal(self, number):
        for process in self.processes:
            # One that ended by itself is told of where it is waited for.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)

    def wait_for(self, enough, seconds):
        """Listens until `enough()`, for so many seconds at most. Returns when the last word came, None where none did."""
        end, heard = time.monotonic() + seconds, None
        while not enough():
            try:
                heard, number, words = self.words.get(timeout=max(0, end - time.monotonic()))
            except queue.Empty:
                dead = [process.returncode for process in self.processes if process.poll() is not None]
                if dead:
                    raise RuntimeError(f"a worker ended with {dead}")
                return heard
            match words:
                case ["done", jobs]:
                    self.done[number] = int(jobs)
                case ["late", nanoseconds]:
                    self.late.append(int(nanoseconds) / 1e6)
        return heard

    def cpu(self):
        """Seconds of processor time of all their processes, children included."""
        groups = {process.pid for process in self.processes}
        return sum(seconds for group, seconds in cpu_times() if group in groups)


def start(command, call=None):
    """A process of a contestant; where `call` is a URL its jobs send one call there."""
    env = os.environ | ({"BENCH_CALL": call} if call else {})
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True, env=env)


def cpu_times():
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as stat:
                    fields = stat.read().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            yield int(fields[2]), (int(fields[11]) + int(fields[12])) / TICKS


class Run:
    """The steps of a measurement over one server and its workers. Counts what was pushed, so that no record comes twice."""

    def __init__(self, contestant, server, workers, size):
        self.contestant, self.server, self.workers, self.size = contestant, server, workers, size
        self.pushed = 0

    def push(self, how, jobs, seconds):
        """Pushes, and returns the jobs and the seconds."""
        plan = [how, self.pushed, jobs, self.contestant.lanes, seconds]
        process = start([*self.contestant.command, self.server.url, "push", *map(str, plan)])
        try:
            said = process.communicate(timeout=seconds + PATIENCE)[0].split()
        finally:
            process.kill()
        if process.returncode or said[0] != "pushed":
            raise RuntimeError(f"the push ended with {process.returncode}")
        self.pushed += int(said[1])
        return int(said[1]), float(said[2])

    def all_done(self):
        return sum(self.workers.done) >= self.pushed

    def warm_up(self):
        """Until each process has run jobs, since some take a second to start."""
        end = time.monotonic() + PATIENCE
        while not (all(self.workers.done) and self.all_done()):
            if time.monotonic() > end:
                raise RuntimeError(f"not warm in {PATIENCE} s: {self.workers.done} of {self.pushed} jobs done")
            self.push("batch", WARM_UP, PATIENCE)
            self.workers.wait_for(self.all_done, 2)
        time.sleep(0.3)

    def pick_up(self):
        """Single jobs for idle workers; the ms from before the push to the start of the run."""
        self.push("idle", self.size.picks, PATIENCE)
        self.workers.wait_for(self.all_done, PATIENCE)
        return self.workers.late

    def fill(self):
        """Fills the queue while the workers are stopped, one by one and in batches."""
        self.workers.signal(signal.SIGSTOP)
        self.empty_memory = self.memory()
        jobs = min(self.size.jobs, self.contestant.most)
        single, single_seconds = self.push("single", jobs // 5, self.size.push_seconds / 2)
        batched, batched_seconds = self.push("batch", jobs - single, self.size.push_seconds)
        return {
            "enqueue": single / single_seconds,
            "enqueue_batched": batched / batched_seconds,
            "waiting_bytes": (self.memory() - self.empty_memory) / (single + batched),
        }

    def drain(self):
        """Lets the workers go on; timed to the last job, or to where the time was up."""
        done, cpu, commands = sum(self.workers.done), self.cpu(), self.commands()
        began = time.monotonic()
        self.workers.signal(signal.SIGCONT)
        ended = self.workers.wait_for(self.all_done, self.size.drain_seconds) or began + self.size.drain_seconds
        jobs = sum(self.workers.done) - done
        if not jobs:
            raise RuntimeError(f"no job was done in {self.size.drain_seconds} s")
        figures = {
            "drain": jobs / (ended - began),
            "cpu": (self.cpu() - cpu) / jobs * 1000,
            "commands": (self.commands() - commands) / jobs,
        }
        if self.all_done():
            time.sleep(0.3)
            figures["finished_bytes"] = max(0, self.memory() - self.empty_memory) / jobs
        return figures

    def memory(self):
        return int(self.server.info()["used_memory"])

    def commands(self):
        return int(self.server.info()["total_commands_processed"])

    def cpu(self):
        server = self.server.info()
        return self.workers.cpu() + float(server["used_cpu_user"]) + float(server["used_cpu_sys"])


@contextmanager
def call_server():
    """What jobs call; its URL."""
    process = start([str(BINARIES / "server")])
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


def measure(contestant, size):
    """All figures of one repetition."""
    figures, picks = {}, []
    for processes in (1, 2):
        with Server(contestant.aof) as server, Workers(contestant.command, server.url, processes) as workers:
            run = Run(contestant, server, workers, size)
            run.warm_up()
            if processes == 1:
                picks = run.pick_up()
                figures = run.fill() | run.drain()
            else:
                run.fill()
                figures["drain_two"] = run.drain()["drain"]
    if contestant.calls:
        with (
            call_server() as call,
            Server(contestant.aof) as server,
            Workers(contestant.command, server.url, 1, call) as workers,
        ):
            run = Run(contestant, server, workers, size)
            run.warm_up()
            run.fill()
            figures["drain_calls"] = run.drain()["drain"]
    return figures, picks


def floor(size):
    """Calls a second of a script that does nothing: the price of one round trip, alone and pipelined."""
    figures = {}
    with Server() as server:
        for name, pipeline in (("one at a time", 1), ("32 in a pipeline", 32)):
            command = ["redis-benchmark", "--csv", "-p", str(server.port), "-n", str(size.jobs), "-P", str(pipeline)]
            said = subprocess.run([*command, "EVAL", "return 0", "0"], capture_output=True, text=True, check=True).stdout
            figures[name] = float(said.splitlines()[-1].split('","')[1])
    return figures
