#!/usr/bin/env python3
"""bench_fleet.py [SERVERS...] [--minutes M] [--poll S] [--tls] [--grow] — one node on SQLite that watches a fleet of fake servers.

For each number of servers (default 1000 10000): first discovery from seeds, M minutes (default 2) of steady probing, 30 % of them dead,
all connections reset at once, and a restart with all of them known. Of the steady part: the longest time between two probes of one
server as the servers saw it, CPU of each process and per probe, memory per server. --tls: connections are encrypted. --grow prints memory
every minute and how much it grew after the first five: `bench_fleet.py 1000 --minutes 65 --grow` is the hour by hand.

Prints measured figures beside the bars of design.md section 11; judges nothing. Needs a build (ORC_BUILD_DIR, default b). The fake
servers take processors, too; the load is printed."""

import argparse
import contextlib
import pathlib
import sqlite3
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "fixture"))

from fleet import Fleet  # noqa: E402
from measure import Usage, figure, head, name_of, note, pss_kib  # noqa: E402
from node import Node  # noqa: E402
from pki import Pki  # noqa: E402
from waiting import wait_until  # noqa: E402

LOOK_SECONDS = 2.0


def query(node, sql):
    with sqlite3.connect(f"file:{node.dir / 'orchestrator.sqlite3'}?mode=ro", uri=True, timeout=30) as db:
        return db.execute(sql).fetchall()


def wait_probed(node, servers, since=""):
    """Until all are known and have answered, later than since; seconds that it took."""
    began = time.monotonic()
    wait_until(lambda: query(node, f"SELECT COUNT(*) FROM database_instance WHERE last_seen >= last_checked AND last_checked > '{since}'")[0][0]
               == servers, 900, f"{servers} servers probed", interval=0.2)
    return time.monotonic() - began


def probes(node):
    return node.get("/debug/metrics").json()["instance.read_topology"]


class Growth:
    """Memory of each process once a minute."""

    SETTLE = 5  # minutes that are not counted

    def __init__(self, node):
        self.node, self.began, self.minutes = node, time.monotonic(), []

    def look(self):
        if time.monotonic() - self.began < 60 * len(self.minutes):
            return
        found = {f"{name_of(pid)} {pid}": pss_kib(pid) / 1024 for pid in self.node.processes()}
        self.minutes.append(sum(found.values()))
        note(f"minute {len(self.minutes) - 1:4}: {self.minutes[-1]:8.1f} MiB: {', '.join(f'{name} {mib:.1f}' for name, mib in found.items())}")

    def report(self):
        kept = self.minutes[self.SETTLE:]
        if len(kept) > 1:
            figure(f"memory: growth from minute {self.SETTLE} to {len(self.minutes) - 1}", kept[-1] - kept[0], "MiB", "flat")


def bar_of_memory(servers, options):
    if servers < 10000:
        return ""  # what a node needs in any case is more than its share
    return "≤ 140" if options.tls else "≤ 60"


def steady(node, fleet, servers, options):
    growth = Growth(node)
    end, before = time.monotonic() + options.minutes * 60, probes(node)
    fleet.mark()
    with Usage(node.processes()) as used:
        while time.monotonic() < end:
            if options.grow:
                growth.look()
            time.sleep(LOOK_SECONDS)
    count, seen = probes(node) - before, fleet.figures()
    used.rows()
    figure(f"probes per second over {used.seconds:.0f} s", count / used.seconds, "/s")
    figure("longest time between two probes of a server", seen["longest_gap_ms"] / 1000, "s", f"≤ {options.poll * 1.5:g}")
    figure("CPU per probe, all processes", used.cpu_seconds() / max(count, 1) * 1000, "ms", "≤ 0.3")
    figure("CPU, all processes", used.cpu_seconds() / used.seconds, "processors", "≤ 1")
    figure("memory per server, all processes (PSS)", used.pss_kib() / servers, "KiB", bar_of_memory(servers, options))
    growth.report()


def faults(node, fleet, servers, options):
    """What the others notice of those that die, and how all come back."""
    dead = fleet.clusters(slice(0, len(fleet.sources) * 3 // 10))
    living = fleet.addresses[len(dead):]
    fleet.set("die", dead)
    time.sleep(options.poll)
    fleet.mark()
    with Usage(node.processes()) as used:
        time.sleep(options.poll * 4)
    figure("30 % dead: longest time between two probes of a living one", fleet.figures(living)["longest_gap_ms"] / 1000, "s", f"≤ {options.poll * 1.5:g}")
    figure("30 % dead: CPU, all processes", used.cpu_seconds() / used.seconds, "processors", "≤ 1")
    fleet.set("well")
    began, since = time.monotonic(), query(node, "SELECT MAX(last_checked) FROM database_instance")[0][0]
    wait_probed(node, servers, since)
    figure("30 % come back → all of them probed", time.monotonic() - began, "s")
    fleet.mark()
    began, since = time.monotonic(), query(node, "SELECT MAX(last_checked) FROM database_instance")[0][0]
    fleet.drop()
    wait_probed(node, servers, since)
    figure("all connections reset at once → all of them probed", time.monotonic() - began, "s")
    figure("    new connections in a second, at most", fleet.figures()["most_connects_per_s"], "/s")


def table(servers, options):
    head(f"{servers} servers, polled every {options.poll} s by one node, {'TLS' if options.tls else 'plain'}")
    config = {"Debug": False, "InstancePollSeconds": options.poll, "MySQLTopologyUseMutualTLS": options.tls, "MySQLTopologySSLSkipVerify": True}
    with contextlib.ExitStack() as stack:
        cert = Pki(pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))).server() if options.tls else None
        fleet = stack.enter_context(Fleet(servers, tls=cert))
        node = stack.enter_context(Node(config={**config, "DiscoverySeeds": fleet.sources}, start=False))
        began = time.monotonic()
        node.start(ready_deadline=60)
        wait_probed(node, servers)
        figure("first discovery, from one seed in four", time.monotonic() - began, "s")
        time.sleep(options.poll)
        steady(node, fleet, servers, options)
        faults(node, fleet, servers, options)
        node.stop()
        since, began = query(node, "SELECT MAX(last_checked) FROM database_instance")[0][0], time.monotonic()
        node.start(ready_deadline=60)
        figure("restart → leader-check 200", (time.monotonic() - began) * 1000, "ms", "≤ 500")
        wait_probed(node, servers, since)
        figure("restart → all of them probed again", time.monotonic() - began, "s")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("servers", nargs="*", type=int, default=[1000, 10000])
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--poll", type=int, default=5)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--grow", action="store_true")
    options = parser.parse_args()
    for servers in options.servers:
        table(servers, options)


if __name__ == "__main__":
    main()
