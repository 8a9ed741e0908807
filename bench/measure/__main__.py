"""What bench/run, bench/growth, bench/instructions and bench/soak do once everything is in place."""

import argparse
import resource
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import compare
import growth
import instructions
import soak
from subjects import BENCH, Programs, prepare
from upstream import Upstream


def main():
    options = parsed()
    # As after Ctrl-C: nothing that was started is left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    # Thousands of connections are more descriptors than programs may have by default.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    directory = Path(tempfile.mkdtemp(prefix="bench-", dir=options.dir))
    upstream = None
    try:
        programs = Programs.of(options)
        prepare(directory)
        upstream = Upstream(programs, directory, options.tokens_shown_once)
        options.do(options, programs, upstream)
    finally:
        if upstream is not None:
            upstream.program.stop()
        shutil.rmtree(directory, ignore_errors=True)


def parsed():
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--programs", type=Path, required=True, help=argparse.SUPPRESS)
    common.add_argument("--gateway", type=Path, help="the gateway's program, in place of one that is built")
    common.add_argument("--dir", type=Path, help="where logs and journals are written, and deleted: another disk")
    common.add_argument("--out", type=Path, default=BENCH, help="where results are written")
    turns = argparse.ArgumentParser(add_help=False)
    turns.add_argument("--rounds", type=int, default=3, help="turns of each subject")
    turns.add_argument("--seconds", type=int, default=5, help="length of each loop of a turn")
    turns.add_argument("--only", default="", help="words, with commas between them: those that have one in their names")
    turns.add_argument("--quick", action="store_true", help="one round of two seconds")
    commands = argparse.ArgumentParser(prog="bench")
    add = commands.add_subparsers(required=True).add_parser
    add("compare", parents=[common, turns]).set_defaults(
        do=compare.compare, tokens_shown_once=compare.TOKENS_SHOWN_ONCE
    )
    add("growth", parents=[common, turns]).set_defaults(do=growth.grow, tokens_shown_once=0)
    add("instructions", parents=[common]).set_defaults(do=instructions.count, tokens_shown_once=0)
    soaking = add("soak", parents=[common])
    soaking.add_argument("--minutes", type=int, default=60)
    soaking.set_defaults(do=soak.soak, tokens_shown_once=0)
    options = commands.parse_args()
    if getattr(options, "quick", False):
        options.rounds, options.seconds = 1, 2
    return options


if __name__ == "__main__":
    sys.exit(main())
