"""Turns of all subjects, round by round, so that what a machine does meanwhile meets all of them."""

import sys
from dataclasses import dataclass, field

import machine
import plot
import report
import turn
from subjects import Running, Subject, all_subjects

STARTS = 10
# More than a turn of the gateway has calls on two cores.
TOKENS_SHOWN_ONCE = 100_000


@dataclass
class Results:
    """Turns by subject, in the order of rounds; None where a turn came to nothing."""

    options: object
    machine: list
    subjects: list
    turns: dict = field(default_factory=dict)
    reasons: dict = field(default_factory=dict)
    starts_ms: list = field(default_factory=list)

    @property
    def is_trial(self):
        return self.options.quick or bool(self.options.only) or self.options.rounds < 3


def compare(options, programs, upstream):
    words = [word.strip().lower() for word in options.only.split(",") if word.strip()]
    subjects = [s for s in all_subjects() if not words or any(word in s.name.lower() for word in words)]
    results = Results(options, machine.described(programs), subjects)
    for number in range(options.rounds):
        for subject in subjects:
            told(f"round {number + 1} of {options.rounds}: {subject.name}")
            try:
                measured = turn.measure(subject, programs, upstream, options.seconds)
            except RuntimeError as error:
                measured = None
                results.reasons[subject.name] = str(error)
                told(str(error))
            results.turns.setdefault(subject.name, []).append(measured)
    results.starts_ms = starts(programs, upstream)
    text = report.written(results)
    (options.out / "RESULTS.md").write_text(text)
    (options.out / "results.svg").write_text(plot.drawn(results))
    print(text)


def starts(programs, upstream):
    """Milliseconds from a start of the gateway to its first answer, which includes a token's way."""
    times = []
    for number in range(STARTS):
        told(f"start {number + 1} of {STARTS}")
        running = Running(Subject("start", "gateway", callers="es256"), programs, upstream)
        running.stop()
        times.append(running.started_seconds * 1e3)
    return times


def told(text):
    print(text, file=sys.stderr, flush=True)
