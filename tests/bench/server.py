"""A redis-server of one's own on a free port, and the little that the driver asks of it."""

import socket
import subprocess
import tempfile
import time


class Server:
    def __init__(self, aof=False):
        self.folder = tempfile.TemporaryDirectory(prefix="bench-redis-")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", self.folder.name]
        options += ["--appendonly", "yes" if aof else "no", "--appendfsync", "everysec"]
        self.process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
        self.url = f"redis://127.0.0.1:{self.port}"

    def __enter__(self):
        for _ in range(500):
            try:
                self.link = socket.create_connection(("127.0.0.1", self.port))
                self.lines = self.link.makefile("rb")
                return self
            except ConnectionRefusedError:
                time.sleep(0.01)
        raise RuntimeError("redis-server does not come up")

    def __exit__(self, *_):
        self.link.close()
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()

    def command(self, *words):
        """The answer to an inline command: text, number, or a list of them."""
        self.link.sendall(" ".join(words).encode() + b"\r\n")
        return self._answer()

    def _answer(self):
        kind, line = (head := self.lines.readline())[:1], head[1:-2].decode()
        match kind:
            case b"*":
                return [self._answer() for _ in range(int(line))]
            case b"$":
                return self.lines.read(int(line) + 2)[:-2].decode(errors="replace")
            case b":":
                return int(line)
            case b"-":
                raise RuntimeError(line)
            case _:
                return line

    def slow(self, name):
        """The microseconds of each call of a command that was slow enough for the log of slow ones."""
        return [entry[2] for entry in self.command("SLOWLOG GET -1") if entry[3][0].lower() == name]

    def info(self, section="default"):
        """The answer to INFO as a dictionary of strings."""
        text = self.command(f"INFO {section}")
        return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
