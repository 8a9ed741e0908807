"""One turn of one subject: as many calls as it takes, and then calls at a steady rate."""

import json
import subprocess
import threading
from dataclasses import dataclass

from processes import Memory
from subjects import BENCH, Running

CONNECTIONS = 64
RATE = 1_000


@dataclass
class Turn:
    """What one turn of a subject has shown. Times are microseconds, memory is bytes."""

    started_ms: float | None
    calls_a_second: float
    cpu_us: float
    p50: float
    p99: float
    p999: float
    rest: Memory
    loaded: Memory
    tokens: int
    failures: int


def measure(subject, programs, upstream, seconds):
    """Starts a subject, measures it, and ends it."""
    tokens = upstream.counts()["tokens"]
    running = Running(subject, programs, upstream)
    try:
        rest = running.program.memory()
        closed_loop(running, subject.warm_up_seconds)
        closed, cpu, loaded, failures = watched_loop(running, seconds)
        opened = open_loop(running, programs, seconds)
    finally:
        running.stop()
    failed = sum(opened["failures"].values())
    started = running.started_seconds
    return Turn(
        started_ms=None if started is None else started * 1e3,
        calls_a_second=closed["calls"] / closed["seconds"],
        cpu_us=cpu / closed["calls"] * 1e6,
        p50=opened["p50_us"],
        p99=opened["p99_us"],
        p999=opened["p999_us"],
        rest=rest,
        loaded=loaded,
        tokens=upstream.counts()["tokens"] - tokens,
        failures=failures + failed,
    )


def watched_loop(running, seconds, connections=CONNECTIONS):
    """A closed loop, with the subject's time on processors, its largest memory, and how many calls failed."""
    patches = running.upstream.counts()["patches"]
    largest = running.program.memory()
    over = threading.Event()

    def watch():
        while not over.wait(0.25):
            now = running.program.memory()
            largest.pss, largest.rss = max(largest.pss, now.pss), max(largest.rss, now.rss)

    watcher = threading.Thread(target=watch)
    cpu = running.program.cpu_seconds()
    watcher.start()
    try:
        result = closed_loop(running, seconds, connections)
        cpu = running.program.cpu_seconds() - cpu
    finally:
        over.set()
        watcher.join()
    forwarded = running.upstream.counts()["patches"] - patches
    return result, cpu, largest, max(result["failures"], result["calls"] - forwarded)


def closed_loop(running, seconds, connections=CONNECTIONS):
    """Calls over so many connections, each as soon as the one before is answered."""
    subject = running.subject
    scheme = subject.scheme if subject.kind == "upstream" else "http"
    command = ["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--timeout", "10s"]
    command += ["-s", BENCH / "wrk/reject.lua", f"{scheme}://127.0.0.1:{running.port}", "--"]
    command += ["patch" if subject.kind == "upstream" else "post", "body" if subject.with_body else "bare"]
    command += [subject.tokens(running.directory), str(subject.accounts)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    result = next(line for line in told.splitlines() if line.startswith("result "))
    return json.loads(result.removeprefix("result "))


def open_loop(running, programs, seconds, rate=RATE):
    """Calls at a steady rate, whose times count from when they were due."""
    subject = running.subject
    command = [programs.load, "--to", f"127.0.0.1:{running.port}", "--tokens", subject.tokens(running.directory)]
    command += ["--rate", str(rate), "--seconds", str(seconds), "--connections", str(CONNECTIONS)]
    if subject.kind == "upstream":
        command += ["--call", "patch"]
        if subject.scheme == "https":
            command += ["--ca", running.directory / "ca.pem"]
    if subject.with_body:
        command += ["--body"]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(told)
