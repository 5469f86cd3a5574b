#!/usr/bin/env python3
"""bench_node.py — one node on SQLite: start → leader-check 200, and memory (PSS) of all its processes when idle beside four servers.

Prints measured figures beside the bars of design.md section 11; judges nothing. Needs a build (ORC_BUILD_DIR, default b) and real
MariaDB servers. Runs: BENCH_RUNS (default 10)."""

import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "fixture"))

from measure import Usage, figure, head, row  # noqa: E402
from node import Node  # noqa: E402
from sandbox import Sandbox  # noqa: E402

RUNS = int(os.environ.get("BENCH_RUNS", "10"))
IDLE_SECONDS = 10  # the time over which an idle node's CPU is measured


def start_milliseconds(node):
    node.start(ready_deadline=None)
    began = time.monotonic()
    while True:
        try:
            if node.get("/api/leader-check", timeout=1).status == 200:
                return (time.monotonic() - began) * 1000
        except OSError:
            pass
        if time.monotonic() - began > 30:
            raise SystemExit(f"no leader within 30 s; log: {node.log_tail()}")
        time.sleep(0.002)


def main():
    with Sandbox("mariadb: a > b > c, a > d") as servers, Node(start=False) as node:
        node.configure(DiscoverySeeds=[servers["a"].address], InstancePollSeconds=5, Debug=False)
        fresh = start_milliseconds(node)
        node.wait_instances([s.address for s in servers])
        times = []
        for _ in range(RUNS):
            node.stop()
            times.append(start_milliseconds(node))
        head("one node, 4 real servers")
        figure("start → leader-check 200, new file", fresh, "ms", "≤ 500")
        row(f"start → leader-check 200, {RUNS} restarts", times, "ms", "≤ 500")
        node.wait_instances([s.address for s in servers])
        with Usage(node.processes()) as used:
            time.sleep(IDLE_SECONDS)
        used.rows()
        figure("idle node, all processes: memory (PSS)", used.pss_kib() / 1024, "MiB", "≤ 20")
        figure("idle node, all processes: CPU", used.cpu_seconds() / used.seconds * 100, "% of a processor")


if __name__ == "__main__":
    main()
