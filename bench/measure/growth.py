"""What a call costs as things grow: rules of the policy, accounts, segments of the journal, connections."""

import shutil
import uuid
from dataclasses import dataclass, field

import machine
import report
import turn
from compare import told
from processes import Memory
from report import counted
from subjects import Running, Subject

RULE = """\
  - name: {name}
    principals: ["{principal}"]
    operations: [transfers.reject]
    customers: ["{customer}"]
    accounts: [contoso]
"""

ACCOUNT = """\
  {name}:
    tenant_id: 3a9a35ce-d5be-4814-ab58-4451c36fe157
    client_id: 4bd8b1a5-6d2f-4c11-9c4f-7d2b6f3a9e01
    credential:
      client_secret: {{file: @dir@/client-secret}}
    endpoints:
      authority: http://@http@
      api: @scheme@://@upstream@
      ca_file: @dir@/ca.pem
"""

# The smallest that there are.
SEGMENT = "1MiB"
RULES = (1, 100, 10_000)
GOAL = 1.2


@dataclass
class Case:
    """The gateway with so many of something."""

    name: str
    changes: dict = field(default_factory=dict)
    connections: int = turn.CONNECTIONS
    accounts: int = 0
    segments: int = 0
    # What the others of its group are held against.
    is_base: bool = False

    @property
    def subject(self):
        return Subject(self.name, "gateway", callers="es256", changes=self.changes, accounts=self.accounts)


@dataclass
class Cost:
    cpu_us: float
    calls_a_second: float
    started_ms: float
    loaded: Memory
    failures: int


def groups():
    """Cases by what grows."""
    connections = (1, 16, turn.CONNECTIONS, 256, 1_024, 4_000)
    return {
        "rules for other callers": [with_rules(count, "other-{}") for count in RULES],
        "rules for others' prefixes": [with_rules(count, "other-{}-*") for count in RULES],
        "rules of the caller's own": [with_rules(count, "caller-*") for count in RULES],
        "accounts, in turns": [with_accounts(count) for count in (1, 50)],
        "segments of the journal": [
            Case(counted(count, "segment"), segments=count, is_base=count == 1) for count in (1, 100)
        ],
        "connections": [
            Case(counted(count, "connection"), connections=count, is_base=count == turn.CONNECTIONS)
            for count in connections
        ],
    }


def with_rules(count, principal):
    """The rule that grants is the last of so many; those before it are for customers of their own."""
    rules = "".join(
        RULE.format(name=f"rule {number}", principal=principal.format(number), customer=customer(number))
        for number in range(1, count)
    )
    name = f"{counted(count, 'rule')}, principals `{principal.format('n')}`"
    return Case(name, {"policy:\n": "policy:\n" + rules}, is_base=count == 1)


def customer(number):
    """One of whom no call is."""
    return uuid.UUID(int=(1 << 100) + number)


def with_accounts(count):
    names = [f"account-{number}" for number in range(count)]
    changes = {
        "accounts:\n": "accounts:\n" + "".join(ACCOUNT.format(name=name) for name in names),
        "accounts: [contoso]": f"accounts: [{', '.join(names)}]",
    }
    return Case(counted(count, "account"), changes, accounts=count, is_base=count == 1)


def grow(options, programs, upstream):
    words = [word.strip().lower() for word in options.only.split(",") if word.strip()]
    wanted = {
        name: cases for name, cases in groups().items() if not words or any(word in name.lower() for word in words)
    }
    costs = {}
    for number in range(options.rounds):
        for name, cases in wanted.items():
            for case in cases:
                told(f"round {number + 1} of {options.rounds}: {name}: {case.name}")
                costs.setdefault(case.name, []).append(attempted(case, programs, upstream, options.seconds))
    text = written(options, machine.described(programs), wanted, costs)
    (options.out / "GROWTH.md").write_text(text)
    print(text)


def attempted(case, programs, upstream, seconds):
    """What a case costs; None where it came to nothing, which the others must not suffer from."""
    try:
        return cost(case, programs, upstream, seconds)
    except RuntimeError as error:
        told(str(error))
        return None


def cost(case, programs, upstream, seconds):
    has_past = case.segments > 1
    if has_past:
        lay_down(case.segments, programs, upstream)
    running = Running(case.subject, programs, upstream, keep_journal=has_past)
    try:
        turn.closed_loop(running, case.subject.warm_up_seconds, case.connections)
        closed, cpu, loaded, failures = turn.watched_loop(running, seconds, case.connections)
    finally:
        running.stop()
    return Cost(
        cpu_us=cpu / closed["calls"] * 1e6,
        calls_a_second=closed["calls"] / closed["seconds"],
        started_ms=running.started_seconds * 1e3,
        loaded=loaded,
        failures=failures,
    )


def lay_down(segments, programs, upstream):
    """Puts a journal of at least so many segments in place, made once for all rounds."""
    audit, made = upstream.directory / "audit", upstream.directory / "made"
    if not made.exists():
        fill(segments, programs, upstream)
        audit.rename(made)
    shutil.rmtree(audit, ignore_errors=True)
    shutil.copytree(made, audit)


def fill(segments, programs, upstream):
    """Leaves a journal of at least so many segments."""
    changes = {"  durability: @durability@": f"  durability: relaxed\n  segment_bytes: {SEGMENT}"}
    running = Running(Subject("filling", "gateway", callers="es256", changes=changes), programs, upstream)
    try:
        while len(list((running.directory / "audit").rglob("*.jsonl"))) < segments:
            turn.closed_loop(running, 1)
    finally:
        running.program.stop()


def written(options, described, wanted, costs):
    parts = [
        "# What a call costs as things grow",
        f"Written by `bench/growth`: {counted(options.rounds, 'round')} of {options.seconds} s, JWT callers, strict "
        "audit, 64 connections where nothing else is said. Median (least–most); ratios are to the line without one, "
        "within a round.",
    ]
    if options.quick or options.only or options.rounds < 3:
        parts.append("**A trial, to see that all of it works, and no measurement.**")
    parts.append("\n".join(described))
    head = ("", "CPU µs a call", "ratio", "calls/s", "RSS MiB", "start ms")
    for name, cases in wanted.items():
        base = costs[next(case.name for case in cases if case.is_base)]
        rows = [row(case, costs[case.name], base) for case in cases]
        parts += [f"## {name[0].upper()}{name[1:]}", report.table(head, rows)]
    goals = list(verdicts(wanted, costs))
    if goals:
        parts += ["## Goal", "\n".join(goals)]
    return "\n\n".join(parts) + "\n"


def row(case, costs, base):
    there = [one for one in costs if one]
    if not there:
        return [f"{case.name} (did not start)"] + [""] * 5
    return [
        case.name + report.marked(there),
        report.spread([one.cpu_us for one in there], "{:.1f}"),
        "" if case.is_base else report.spread(ratios(costs, base), "{:.2f}×"),
        report.spread([one.calls_a_second for one in there], "{:,.0f}"),
        report.spread([one.loaded.rss / report.MIB for one in there], "{:.1f}"),
        report.spread([one.started_ms for one in there], "{:.0f}"),
    ]


def ratios(costs, base):
    return report.paired(costs, base, lambda one, other: one.cpu_us / other.cpu_us)


def verdicts(wanted, costs):
    """10,000 rules against one."""
    for name, cases in wanted.items():
        if "rules" not in name:
            continue
        of_both = ratios(costs[cases[-1].name], costs[cases[0].name])
        _, limit, measured, verdict = report.goal(name, GOAL, of_both, "{:.2f}×")
        yield f"- {name}, 10,000 : 1 in CPU a call: {limit}; measured {measured}: {verdict}"
