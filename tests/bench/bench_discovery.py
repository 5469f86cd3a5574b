#!/usr/bin/env python3
"""bench_discovery.py [SERVERS] — three nodes on one machine discover a fleet of fake servers from seeds: what becomes of raft.

Prints, until all nodes know all servers and have probed each of them: time, commands in the log by kind and their bytes, terms (a
change of leadership), the longest gap of leader-check, memory and CPU of the processes. Judges nothing. SERVERS: default 10000.
BENCH_REPLICAS: of each source (default 3); BENCH_POLL: InstancePollSeconds (default 60: here three nodes and the servers share the
processors); BENCH_DEADLINE: seconds (default 900); BENCH_RECORDS=1 prints the series. Needs a build (ORC_BUILD_DIR, default b) and root."""

import contextlib
import os
import pathlib
import sys
import threading
import time

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS / "fixture"))

from fleet import Fleet  # noqa: E402
from measure import cpu_seconds, head, name_of, pss_kib  # noqa: E402
from raftnodes import Group, commands  # noqa: E402

SERVERS = int(sys.argv[1]) if len(sys.argv) > 1 else 10000
REPLICAS = int(os.environ.get("BENCH_REPLICAS", "3"))
POLL = int(os.environ.get("BENCH_POLL", "60"))
DEADLINE = int(os.environ.get("BENCH_DEADLINE", "900"))


class Leadership(threading.Thread):
    """Asks all nodes for leader-check: the longest time without a leader, and how often another one answered."""

    def __init__(self, group):
        super().__init__(daemon=True)
        self.group, self.gap, self.changes, self.slowest, self.ended = group, 0.0, 0, 0.0, False

    def run(self):
        last, seen = None, time.monotonic()
        while not self.ended:
            for node in self.group:
                began = time.monotonic()
                leads = node.leads()
                self.slowest = max(self.slowest, time.monotonic() - began)
                if leads:
                    self.changes += last not in (None, node)
                    self.gap, last, seen = max(self.gap, time.monotonic() - seen), node, time.monotonic()
            time.sleep(0.05)


def known(node):
    with contextlib.suppress(OSError):
        return node.query("SELECT COUNT(*), SUM(last_checked <= last_seen) FROM database_instance")[0]
    return 0, 0


def report(group, began, watch, cpu):
    leader = group.wait_leader()
    counts = [known(node) for node in group]
    print(f"of {SERVERS} servers {', '.join(f'{n} known {probed} answering' for n, probed in counts)} after {time.monotonic() - began:.1f} s; "
          f"load {os.getloadavg()[0]:.1f}")
    found, total = commands(leader), 0
    for op, sizes in sorted(found.items(), key=lambda item: -sum(item[1])):
        total += sum(sizes)
        print(f"    {len(sizes):7} {op:36} {sum(sizes) / 1024:9.1f} KiB, largest {max(sizes)}")
    log = sum(f.stat().st_size for f in leader.raft_dir.iterdir()) / 1024 / 1024
    print(f"commands {sum(map(len, found.values()))}, {total / 1024:.0f} KiB; RaftDataDir {log:.1f} MiB; backend "
          f"{leader.backend_file.stat().st_size / 1024 / 1024:.1f} MiB")
    print(f"leadership: term {leader.info()['Term']}, {watch.changes} changes, longest time without {watch.gap * 1000:.0f} ms, "
          f"slowest leader-check {watch.slowest * 1000:.0f} ms")
    for node in group:
        role = "leader" if node is leader else "follower"
        for pid in node.processes():
            print(f"    {role:9} {name_of(pid):20} PSS {pss_kib(pid) / 1024:7.1f} MiB  CPU {cpu_seconds(pid) - cpu.get(pid, 0):7.1f} s")
        figures = node.get("/debug/metrics").json()
        kept = ("raft.elections_won", "raft.slow_writes", "raft.log.slowest_batch_us", "raft.messages_undelivered", "discoveries.candidates",
                "discoveries.candidate_overflows", "propose.refused", "propose.unknown", "write.rows_dropped", "raft.view_overflows")
        print("   ", role, {name: figures.get(name) for name in kept})


def main():
    head(f"first discovery of {SERVERS} servers by three nodes")
    with Fleet(SERVERS, replicas=REPLICAS, processes=3) as fleet, \
            Group(3, config={"Debug": False, "InstancePollSeconds": POLL, "DiscoverySeeds": fleet.sources}) as group:
        began = time.monotonic()
        group.wait_leader()
        watch, cpu = Leadership(group), {}
        watch.start()
        while True:
            counts = [known(node) for node in group]
            if os.environ.get("BENCH_RECORDS"):
                print(f"{time.monotonic() - began:7.1f} s: " + ", ".join(f"{n} known {probed} probed" for n, probed in counts), flush=True)
            if all(n == SERVERS and probed == SERVERS for n, probed in counts):
                break
            if time.monotonic() - began > DEADLINE:
                break
            time.sleep(1)
        report(group, began, watch, cpu)
        watch.ended = True
        watch.join()


if __name__ == "__main__":
    main()
