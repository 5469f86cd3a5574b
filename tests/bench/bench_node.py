#!/usr/bin/env python3
"""bench_node.py — one node on SQLite: start → leader-check 200, and memory (PSS) of all its processes when idle beside four servers.

Prints measured figures beside the bars of design.md section 11; judges nothing. Needs a build (ORC_BUILD_DIR, default b) and real
MariaDB servers. Runs: BENCH_RUNS (default 10)."""

import os
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "fixture"))

from node import Node  # noqa: E402
from sandbox import Sandbox  # noqa: E402

RUNS = int(os.environ.get("BENCH_RUNS", "10"))
IDLE_SECONDS = 10  # the time over which an idle node's CPU is measured


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def row(name, values, unit, bar):
    print(f"{name:44} median {statistics.median(values):8.1f}  p95 {percentile(values, 0.95):8.1f}  max {max(values):8.1f} {unit:4} bar {bar}")


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


def pss_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def name_of(pid):
    return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()


def main():
    with Sandbox("mariadb: a > b > c, a > d") as servers, Node(start=False) as node:
        node.configure(DiscoverySeeds=[servers["a"].address], InstancePollSeconds=5, Debug=False)
        fresh = start_milliseconds(node)
        node.wait_instances([s.address for s in servers])
        times = []
        for _ in range(RUNS):
            node.stop()
            times.append(start_milliseconds(node))
        print(f"{'start → leader-check 200, new file':44} once   {fresh:8.1f} ms")
        row(f"start → leader-check 200, {RUNS} restarts", times, "ms", "≤ 500")
        node.wait_instances([s.address for s in servers])
        pids = node.processes()
        before = {pid: cpu_seconds(pid) for pid in pids}
        time.sleep(IDLE_SECONDS)
        total = 0
        for pid in pids:
            pss = pss_kib(pid)
            total += pss
            share = (cpu_seconds(pid) - before[pid]) / IDLE_SECONDS * 100
            print(f"    {name_of(pid):20} pid {pid:7}  PSS {pss / 1024:6.1f} MiB  CPU {share:5.2f} %")
        print(f"{'idle node, 4 servers, all processes':44} PSS {total / 1024:.1f} MiB  bar ≤ 20")


if __name__ == "__main__":
    main()
