"""A steady load for long, and whether memory, descriptors and threads stay what they are meanwhile."""

import json
import subprocess
import time
from dataclasses import dataclass

import machine
import report
from compare import told
from report import counted
from subjects import Running, Subject

RATE = 300
SAMPLES = 60
LINES = 12


@dataclass
class Sample:
    minute: float
    rss: float
    pss: float
    descriptors: int
    threads: int
    journal: float


def soak(options, programs, upstream):
    subject = Subject("gateway, JWT ES256, strict", "gateway", callers="es256")
    seconds = options.minutes * 60
    running = Running(subject, programs, upstream)
    samples = [sample(running, 0)]
    try:
        command = [programs.load, "--to", f"127.0.0.1:{running.port}", "--tokens", subject.tokens(running.directory)]
        command += ["--rate", str(RATE), "--seconds", str(seconds)]
        load = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        begun = time.monotonic()
        for number in range(1, SAMPLES + 1):
            time.sleep(max(0, begun + seconds * number / SAMPLES - time.monotonic()))
            samples.append(sample(running, (time.monotonic() - begun) / 60))
            told(str(samples[-1]))
        calls = json.loads(load.communicate()[0])
    finally:
        running.stop()
    text = written(options, machine.described(programs), samples, calls)
    (options.out / "SOAK.md").write_text(text)
    print(text)


def sample(running, minute):
    memory = running.program.memory()
    journal = sum(file.stat().st_size for file in (running.directory / "audit").rglob("*") if file.is_file())
    return Sample(
        minute,
        memory.rss / report.MIB,
        memory.pss / report.MIB,
        running.program.descriptors(),
        running.program.threads(),
        journal / report.MIB,
    )


def written(options, described, samples, calls):
    every = max(1, (len(samples) - 1) // LINES)
    head = ("minute", "RSS MiB", "PSS MiB", "descriptors", "threads", "journal MiB")
    lines = [
        [f"{value:.1f}" for value in (one.minute, one.rss, one.pss)]
        + [str(one.descriptors), str(one.threads), f"{one.journal:.0f}"]
        for one in samples[::every]
    ]
    failed = sum(calls["failures"].values())
    parts = [
        "# Under load for long",
        f"Written by `bench/soak`: {counted(options.minutes, 'minute')} of {RATE} calls a second over 64 connections, JWT "
        f"callers, strict audit. {calls['calls']:,} calls, {failed:,} of them failed; p99 {calls['p99_us'] / 1e3:.2f} ms, the "
        f"longest {calls['max_us'] / 1e3:.0f} ms.",
        "**A trial: the goal is about an hour.**" if options.minutes < 60 else "",
        "\n".join(described),
        report.table(head, lines),
        "The most in the second half against the most in the first, the first tenth left out: "
        + "; ".join(f"{name} {halves(samples, name)}" for name in ("rss", "descriptors", "threads"))
        + ".",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def halves(samples, name):
    """What grows for ever is larger in each half."""
    values = [getattr(one, name) for one in samples[len(samples) // 10 :]]
    middle = len(values) // 2
    first, second = max(values[:middle]), max(values[middle:])
    return f"{second:.4g} : {first:.4g} ({second / first - 1:+.1%})"
