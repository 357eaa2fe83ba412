"""The command's options, and the soak that they mean."""

import argparse
import random
import tempfile
from pathlib import Path

import uvloop

from soaking import cuts, fellows, losses, restarts


def _parser(described: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=described, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--sessions", type=int, default=1000)
    add("--seconds", type=float, default=60)
    add("--warm", type=float, default=10, help="seconds of a rage before, without --restart")
    add("--rate", type=float, default=1.0, help="messages/s of each session")
    add("--life", type=float, help="a connection's mean life, seconds; 0 kills none (20)")
    add("--expiry", type=int, help="seconds to resume in (30; with --restart 300)")
    add("--bosh", type=float, default=0.0, help="the share of sessions over BOSH")
    add("--room", type=int, default=0, help="how many are in a room; with --restart")
    add("--asleep", type=int, default=0, help="with --restart: more sessions, that hibernate")
    add("--restart", type=float, default=0, help="seconds between two ends of the server")
    add("--processes", type=int, default=1, help="with --restart: so many, of which one ends")
    add("--times", type=int, default=0, help="how often it ends, instead of --seconds")
    add("--cluster", default="unix", choices=("unix", "redis"), help="by what they meet")
    add("--nginx", action="store_true", help="with --processes: in front, round robin")
    add("--cut", type=cuts.Cut.read, nargs="+", help="on three machines: who is cut off from whom")
    add("--database", default="", help="the URL of an empty one (SQLite)")
    add("--durability", default="process", choices=("process", "disk"))
    add("--archive", action=argparse.BooleanOptionalAction, default=True)
    add("--seed", type=int, default=random.randrange(10**6))
    return parser


def main(described: str | None) -> int:
    """Run the soak that the command line wants; return the exit status."""
    options = _parser(described).parse_args()
    if options.life is None:
        options.life = 0 if options.restart or options.cut else 20
    if options.expiry is None:
        options.expiry = 300 if options.restart or options.cut else 30
    random.seed(options.seed)
    soak = restarts.soak if options.restart else losses.soak
    if options.processes > 1:
        soak = fellows.soak
    if options.cut:
        soak = cuts.soak
    with tempfile.TemporaryDirectory(prefix="andiron-soak-") as directory:
        good = uvloop.run(soak(options, Path(directory)))
    return int(not good)
