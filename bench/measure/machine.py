"""What was measured on, and with: nothing that tells whose machine it is."""

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from subjects import BENCH


def described(programs):
    """Lines of a Markdown list."""
    memory = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[1]) / 1024 / 1024
    return [
        f"- Processor: {processor()}, {os.cpu_count()} cores; memory: {memory:.0f} GiB; load when it began: "
        f"{os.getloadavg()[0]:.2f}",
        f"- Linux {platform.release()}, {system()}",
        f"- {first_line([programs.gateway, '--version'])}, commit {commit()}; {first_line(['rustc', '--version'])}",
        f"- {first_line(['nginx', '-v'])}; {first_line(['haproxy', '-v'])}; Caddy {first_line(['caddy', 'version'])}; "
        f"Node.js {first_line([programs.node, '--version'])}; {first_line(['wrk', '-v'])}",
    ]


def processor():
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def system():
    found = re.search(r'^PRETTY_NAME="(.+)"$', Path("/etc/os-release").read_text(), re.MULTILINE)
    return found[1] if found else "unknown"


def commit():
    """The commit of the source, which a program of somebody else's building may not be of."""
    git = ["git", "-C", BENCH]
    head = first_line([*git, "rev-parse", "--short", "HEAD"])
    changed = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", "../src", "../Cargo.lock"], check=False).returncode
    return f"{head} with changes" if changed else head


def first_line(command):
    """What a program says first, without addresses and dates."""
    if shutil.which(command[0]) is None:
        return f"no {Path(command[0]).name}"
    told = subprocess.run(command, check=False, capture_output=True, text=True)
    lines = (told.stdout + told.stderr).splitlines()
    unwanted = r" - https://\S+| \[epoll\].*|nginx version: |\d{4}/\d\d/\d\d"
    return re.sub(unwanted, "", lines[0]).strip() if lines else "?"
