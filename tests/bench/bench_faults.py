#!/usr/bin/env python3
"""bench_faults.py [SERVERS] [--tls] [--poll S] [--stage S] — one node and a fleet of fake servers of which a part fails.

First discovery; nothing wrong; 30 % dead, half of them resetting and half of them black holes; those well again; all connections reset
at once; restart with all known. Of each, at least S seconds (default 20): the time until all that can be known is known, the longest
time between two probes of a server that is well, logins, CPU, memory. Prints figures beside the bars of design.md section 11; judges
nothing. Needs a build (ORC_BUILD_DIR, default b). The fleet and a prober open a file per server."""

import argparse
import contextlib
import pathlib
import sqlite3
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "fixture"))

from fleet import Fleet  # noqa: E402
from measure import Usage, figure, head, note  # noqa: E402
from node import Node  # noqa: E402
from pki import Pki  # noqa: E402

DEADLINE = 300


def view(node):
    """(known, of these answering at their last probe) in the backend."""
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(f"file:{node.dir}/orchestrator.sqlite3?mode=ro", uri=True)) as db:
        return db.execute("SELECT COUNT(*), COALESCE(SUM(last_checked <= last_seen), 0) FROM database_instance").fetchone()
    return 0, 0


def wait_view(fleet, node, well):
    """Seconds until all are known and exactly those of `well` answer, read since the mark."""
    began = time.monotonic()
    while view(node) != (len(fleet.addresses), len(well)) or fleet.figures(well)["unprobed"] > 0:
        if time.monotonic() - began > DEADLINE:
            sys.exit(f"not within {DEADLINE} s: {len(well)} of {len(fleet.addresses)} well, but (known, well) is {view(node)}")
        time.sleep(0.2)
    return time.monotonic() - began


def stage(name, fleet, node, well, act, options, always_well=None):
    """The rows of a stage. always_well: whose gaps are told; default: `well`."""
    note(f"-- {name}")
    fleet.mark()
    act()
    with Usage(node.processes()) as used:
        took = wait_view(fleet, node, well)
        time.sleep(max(0, options.stage - took))
    seen = fleet.figures(always_well or well)
    figure("all is known after", took, "s")
    figure("longest time between two probes of a server that is well", seen["longest_gap_ms"] / 1000, "s", f"≤ {options.poll * 1.5:g} in the steady state")
    note(f"logins at once at most {seen['most_logins']}, connections in a second at most {seen['most_connects_per_s']}")
    figure("CPU, all processes", used.cpu_seconds() / used.seconds, "processors", "≤ 1")
    figure("memory per server, all processes (PSS)", used.pss_kib() / len(fleet.addresses), "KiB",
           "" if len(fleet.addresses) < 10000 else "≤ 140" if options.tls else "≤ 60")  # what a node needs in any case is more than a share


def table(servers, options):
    head(f"{servers} servers, polled every {options.poll} s by one node, {'TLS' if options.tls else 'plain'}: faults")
    with contextlib.ExitStack() as stack:
        tls = Pki(stack.enter_context(tempfile.TemporaryDirectory())).server() if options.tls else None
        fleet = stack.enter_context(Fleet(servers, tls=tls))
        node = stack.enter_context(Node(start=False, seeds=fleet.sources, config={
            "InstancePollSeconds": options.poll, "Debug": False, "MySQLTopologyUseMutualTLS": options.tls, "MySQLTopologySSLSkipVerify": True}))
        dead, silent = (fleet.clusters(*(slice(i, None, 20) for i in part)) for part in ((0, 1, 2), (3, 4, 5)))
        well = sorted(set(fleet.addresses) - set(dead) - set(silent))

        def fail():
            fleet.set("die", dead)
            fleet.set("blackhole", silent)
            fleet.drop(silent)

        stage("first discovery", fleet, node, fleet.addresses, node.start, options)
        stage("nothing is wrong", fleet, node, fleet.addresses, lambda: None, options)
        stage(f"{100 - 100 * len(well) // servers} % die, half of them silently", fleet, node, well, fail, options)
        stage("they stay dead", fleet, node, well, lambda: None, options)
        stage("they are well again", fleet, node, fleet.addresses, lambda: fleet.set("well"), options, well)
        stage("all connections are reset at once", fleet, node, fleet.addresses, fleet.drop, options)
        stage("restart with all known", fleet, node, fleet.addresses, node.restart, options)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("servers", nargs="?", type=int, default=10000)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--poll", type=int, default=5)
    parser.add_argument("--stage", type=int, default=20)
    options = parser.parse_args()
    table(options.servers, options)


if __name__ == "__main__":
    main()
