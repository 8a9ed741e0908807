"""Programs that are measured: started, looked at through /proc, and ended."""

import http.client
import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass
class Memory:
    """In bytes, summed over the processes of a program."""

    pss: int
    rss: int


class Program:
    """A running program, with the processes that it started itself."""

    def __init__(self, command, log, environment=None):
        self.log = log
        self.begun = time.monotonic()
        with open(log, "wb") as output:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
            )

    def pids(self):
        """Its process and, in turn, that process's children."""
        found = [self.process.pid]
        for pid in found:
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                found += [int(child) for child in children.read_text().split()]
        return found

    def cpu_seconds(self):
        """Time on a processor so far, in ticks of usually 10 ms, of which the kernel keeps the sum exactly."""
        ticks = 0
        for pid in self.pids():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / TICKS_A_SECOND

    def memory(self):
        total = Memory(0, 0)
        for pid in self.pids():
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                name, _, rest = line.partition(":")
                if name == "Pss":
                    total.pss += int(rest.split()[0]) * 1024
                elif name == "Rss":
                    total.rss += int(rest.split()[0]) * 1024
        return total

    def descriptors(self):
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in self.pids())

    def threads(self):
        return sum(len(os.listdir(f"/proc/{pid}/task")) for pid in self.pids())

    def wait_for_answer(self, port, request, patience=120):
        """Makes a call again and again until it is answered with 200; returns the seconds since the start."""
        while True:
            if status_of(port, request) == 200:
                return time.monotonic() - self.begun
            if self.process.poll() is not None or time.monotonic() - self.begun > patience:
                self.stop()
                raise RuntimeError(f"no answer:\n{Path(self.log).read_text()[-2000:]}")
            time.sleep(0.001)

    def stop(self):
        self.process.stdin.close()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def status_of(port, request):
    """The status of one call over a connection of its own, or None."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(**request)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
