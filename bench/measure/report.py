"""Results as Markdown: ratios first, then goals, then everything that was measured."""

from statistics import median

MIB = 1024 * 1024
GOALS_ROW = "gateway, JWT ES256, strict"

COLUMNS = (
    ("calls/s", lambda turn: turn.calls_a_second, "{:,.0f}"),
    ("CPU µs a call", lambda turn: turn.cpu_us, "{:.1f}"),
    ("p50 ms", lambda turn: turn.p50 / 1e3, "{:.2f}"),
    ("p99 ms", lambda turn: turn.p99 / 1e3, "{:.2f}"),
    ("p99.9 ms", lambda turn: turn.p999 / 1e3, "{:.2f}"),
    ("PSS at rest, MiB", lambda turn: turn.rest.pss / MIB, "{:.1f}"),
    ("PSS loaded, MiB", lambda turn: turn.loaded.pss / MIB, "{:.1f}"),
    ("RSS loaded, MiB", lambda turn: turn.loaded.rss / MIB, "{:.1f}"),
    ("start ms", lambda turn: turn.started_ms, "{:.0f}"),
)


def written(results):
    options = results.options
    parts = [
        "# How fast it is",
        f"Written by `bench/run`: {counted(options.rounds, 'round')} of {options.seconds} s a loop.",
    ]
    if results.is_trial:
        parts.append("**A trial, to see that all of it works, and no measurement**: short, or not of all subjects.")
    parts += [
        "\n".join(results.machine),
        "![calls a second, CPU time and latency of each subject](results.svg)",
        "## Against nginx",
        table(("", "CPU a call", "calls/s", "p99, added ms"), ratios(results)),
        "nginx makes the same PATCH with a token pasted in and logs a line of JSON a call, unbuffered. It knows no "
        "callers: nothing like a JWT's verification is in its figures. Ratios are of the same round; median "
        "(least–most).",
        "## Goals",
        table(("goal", "at most or least", "measured", ""), goals(results)),
        "## All of it",
        table(("", *(name for name, _, _ in COLUMNS)), rows(results)),
        NOTES,
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def table(head, body):
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def rows(results):
    for subject in results.subjects:
        turns = of(results, subject.name)
        name = subject.name + marked(turns)
        if not turns:
            yield [f"{name} (did not start)"] + [""] * len(COLUMNS)
            continue
        yield [name] + [spread([value(turn) for turn in turns], form) for _, value, form in COLUMNS]


def marked(turns):
    """A row with failures says so first."""
    failures = sum(turn.failures for turn in turns)
    return f" **({failures:,} failed calls)**" if failures else ""


def ratios(results):
    for subject in results.subjects:
        turns = results.turns.get(subject.name, [])
        against = results.turns.get("nginx" + over(subject), [])
        alone = results.turns.get("upstream alone" + over(subject), [])
        if subject.kind == "upstream" or not of(results, subject.name):
            continue
        yield [
            subject.name + marked(of(results, subject.name)),
            spread(paired(turns, against, lambda one, other: one.cpu_us / other.cpu_us), "{:.2f}×"),
            spread(paired(turns, against, lambda one, other: one.calls_a_second / other.calls_a_second), "{:.2f}×"),
            spread(added_p99(turns, alone), "{:.2f}"),
        ]


def goals(results):
    """The table of the design's budget; what is measured elsewhere is named."""
    # A row with failures proves nothing.
    turns = [None if turn is None or turn.failures else turn for turn in results.turns.get(GOALS_ROW, [])]
    nginx, alone = results.turns.get("nginx", []), results.turns.get("upstream alone", [])
    cpu = paired(turns, nginx, lambda one, other: one.cpu_us / other.cpu_us)
    rate = paired(turns, nginx, lambda one, other: one.calls_a_second / other.calls_a_second)
    there = [turn for turn in turns if turn]
    rest, loaded = [turn.rest.rss / MIB for turn in there], [turn.loaded.rss / MIB for turn in there]
    tokens = [float(turn.tokens) for turn in there]
    return [
        goal("CPU a call against nginx, strict audit, JWT callers", 1.5, cpu, "{:.2f}×"),
        goal("calls/s against nginx, strict audit, JWT callers", 0.7, rate, "{:.2f}×", at_least=True),
        goal("p99 added to the upstream's at 1,000 calls/s, strict audit", 2.0, added_p99(turns, alone), "{:.2f} ms"),
        goal("memory at rest (RSS)", 30, rest, "{:.1f} MiB"),
        goal("memory under 64 connections (RSS); an hour of it: `bench/soak`", 60, loaded, "{:.1f} MiB"),
        goal("start to first answered call", 300, results.starts_ms, "{:.0f} ms"),
        goal("tokens fetched in a turn; cold calls at once and outages are `tests/it`'s", 1, tokens, "{:.0f}"),
    ]


def goal(name, limit, values, form, at_least=False):
    wanted = ("≥ " if at_least else "≤ ") + form.format(limit)
    if not values:
        return [name, wanted, "not measured", ""]
    found = median(values)
    met = found >= limit if at_least else found <= limit
    missed = f"**missed** by {form.format(abs(found - limit))}, {abs(found / limit - 1):.0%}"
    return [name, wanted, spread(values, form), "met" if met else missed]


def added_p99(turns, alone):
    return paired(turns, alone, lambda one, other: (one.p99 - other.p99) / 1e3)


def paired(turns, others, of_both):
    """What two turns of the same round come to together."""
    return [of_both(one, other) for one, other in zip(turns, others) if one and other]


def of(results, name):
    return [turn for turn in results.turns.get(name, []) if turn]


def over(subject):
    return "" if subject.scheme == "http" else ", HTTPS"


def spread(values, form):
    """Median (least–most)."""
    values = [value for value in values if value is not None]
    if not values:
        return "–"
    told = form.format(median(values))
    if len(values) == 1:
        return told
    return f"{told} ({form.format(min(values))}–{form.format(max(values))})"


def counted(count, noun):
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


NOTES = """\
## How to read it

- calls/s and CPU time are of a closed loop over 64 kept connections by wrk. Latencies are of 1,000 calls a second over 64
  kept connections, counted from the moment at which each call was due, so that a stall is not hidden by the calls that
  it kept from being made. Every call is about a transfer of its own.
- Load, upstream and subject share the machine's cores, so calls/s are what is left for the subject.
- CPU time is what `/proc/PID/stat` says of the subject's processes, the kernel's work for them included, without load and
  upstream. It comes in ticks of 10 ms, so a loop of 5 s is right to about one part in 500. What the kernel does later,
  such as writing dirty pages, is in nobody's figures.
- A failed call is any answer but 2xx, or none, or one of which the upstream has not seen a PATCH.
- The upstream answers at once. It listens over HTTP, and over HTTPS with TLS 1.3; callers of subjects use HTTP in both.
- wrk has one thread, which is what bounds the calls/s of the upstream alone.
- nginx has two workers, HAProxy two threads, Node.js one process, Caddy and the gateway what they take by default. Neither
  HAProxy (without Lua) nor Caddy 2.6 can make the PATCH's body: their callers send it.
- The Node.js service (`bench/node`) has a shared token for callers, fastify, undici, and `@azure/msal-node` for Partner
  Center's token, which it asks for at each call, as Microsoft's examples do.
- The gateway writes two records a call into its journal, and, as all others, a line of log. `strict`: an answer leaves when
  its record is on the disk.
- 16 callers show their JWTs again and again, as services do, and the gateway remembers those that it has verified. Where
  they are new at each call, each is verified; 100,000 take turns, so that a few may have been shown before.
- PSS shares out what processes have in common; RSS counts it in each."""
