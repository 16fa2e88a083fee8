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

    def info(self):
        """The answer to INFO as a dictionary of strings."""
        self.link.sendall(b"INFO\r\n")
        length = int(self.lines.readline()[1:])
        text = self.lines.read(length + 2).decode()
        return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
