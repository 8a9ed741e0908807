"""What a call costs in instructions, which no other load on the machine changes."""

import subprocess
from dataclasses import replace

import machine
import report
from compare import told
from subjects import Running, Subject
from turn import closed_loop

# One call at a time and eight at once: few enough for a program that runs fifty times slower.
CONNECTIONS = (1, 8)
WARM_UP_SECONDS = 5
SECONDS = 20
# In these the processor that callgrind plays has no instructions of their own, so they count for far more than they take.
HASHING = "sha256_block_data_order"
MOST_FUNCTIONS = 12


def count(options, programs, upstream):
    output = upstream.directory / "callgrind.out"
    under = ("valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={output}")
    subjects = (
        Subject("token file, strict", "gateway"),
        Subject("JWT ES256, strict", "gateway", callers="es256"),
        Subject("JWT ES256, relaxed", "gateway", callers="es256", durability="relaxed"),
    )
    rows, functions = [], []
    for subject in subjects:
        for connections in CONNECTIONS:
            calls, costs = counted(replace(subject, under=under), programs, upstream, output, connections)
            total = sum(costs.values())
            hashing = sum(cost for name, cost in costs.items() if HASHING in name)
            rows.append([subject.name, str(connections), *(f"{cost / calls:,.0f}" for cost in (total, total - hashing))])
            told(" ".join(rows[-1]))
            functions = functions or largest(costs, calls)
    text = written(machine.described(programs), rows, functions)
    (options.out / "INSTRUCTIONS.md").write_text(text)
    print(text)


def counted(subject, programs, upstream, output, connections):
    """How many calls were made, and the instructions of each function meanwhile."""
    running = Running(subject, programs, upstream)
    pid = str(running.program.process.pid)
    try:
        closed_loop(running, WARM_UP_SECONDS, connections)
        control("-i", "on", pid)
        calls = closed_loop(running, SECONDS, connections)["calls"]
        control("-i", "off", pid)
        control("-d", pid)
    finally:
        running.stop()
    try:
        return calls, costs_in(f"{output}.1")
    finally:
        for written in output.parent.glob(f"{output.name}*"):
            written.unlink()


def control(*arguments):
    subprocess.run(["callgrind_control", *arguments], check=True, capture_output=True)


def costs_in(dump):
    """Instructions by function, those that it has others execute not among them."""
    told = subprocess.run(["callgrind_annotate", "--threshold=100", dump], check=True, capture_output=True, text=True)
    costs = {}
    for line in told.stdout.splitlines():
        number, _, rest = line.strip().partition(" (")
        _, _, name = rest.partition(")")
        name = name.strip().partition(":")[2].partition(" [")[0]
        if name and number.replace(",", "").isdigit():
            costs[name] = costs.get(name, 0) + int(number.replace(",", ""))
    return costs


def largest(costs, calls):
    ranked = sorted(costs.items(), key=lambda cost: -cost[1])[:MOST_FUNCTIONS]
    return [[f"`{name[:90]}`", f"{cost / calls:,.0f}"] for name, cost in ranked]


def written(described, rows, functions):
    parts = [
        "# Instructions a call\n",
        "Written by `bench/instructions`: the gateway under callgrind, which counts what is executed in user space.\n",
        *described,
        "",
        report.table(("callers, durability", "connections", "instructions", "without SHA-256"), rows),
        "",
        "Callgrind's processor has no instructions for SHA-256; on one that has, hashing takes a tenth of what stands here,\n"
        "so compare the last column.\n",
        "## Where they go, of the first row\n",
        report.table(("function", "instructions"), functions),
        "",
    ]
    return "\n".join(parts)
