#!/usr/bin/env python3
"""bench_api.py [PART...] — the HTTP API of one node on SQLite beside a fleet of fake servers.

    rates     requests per second of the routes that clients poll, 4 servers, 32 connections (driven by wrk)
    big       leader-check while answers with BENCH_SERVERS (default 5000) instances are on their way, gzip and not

Without arguments both. Prints measured figures beside the bars of design.md section 11; judges nothing. Needs a build
(ORC_BUILD_DIR, default b) and wrk (apt-get install wrk). BENCH_SECONDS (default 10) of each load."""

import contextlib
import http.client
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "fixture"))

from fleet import Fleet  # noqa: E402
from measure import figure, head, line, row  # noqa: E402
from node import Node  # noqa: E402
from waiting import wait_until  # noqa: E402

SERVERS = int(os.environ.get("BENCH_SERVERS", "5000"))
SECONDS = int(os.environ.get("BENCH_SECONDS", "10"))
CONNECTIONS = 32
LUA = """
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("FOUND %f %d %f %f %f\\n", summary.requests / (summary.duration / 1e6),
    e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency.max / 1e3))
end
"""


class Load:
    """wrk on one path; `with` runs it until its time is over or the end of the block."""

    def __init__(self, node, path, connections=CONNECTIONS, seconds=SECONDS, headers=()):
        program = shutil.which("wrk") or sys.exit("this table needs wrk: apt-get install wrk")
        self.script = tempfile.NamedTemporaryFile("w", suffix=".lua")
        self.script.write(LUA)
        self.script.flush()
        asked = [argument for header in headers for argument in ("-H", header)]
        self.command = [program, "-t1", f"-c{connections}", f"-d{seconds}", "-s", self.script.name, *asked, f"http://{node.host}:{node.port}{path}"]

    def run(self):
        """(requests per second, errors, p50, p95 and maximum in milliseconds)"""
        done = subprocess.run(self.command, capture_output=True, text=True, check=True)
        return self.found(done.stdout)

    @staticmethod
    def found(text):
        rate, errors, *latencies = map(float, re.search(r"^FOUND (.*)$", text, re.M).group(1).split())
        return rate, int(errors), *latencies

    def __enter__(self):
        self.popen = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_):
        self.popen.terminate()
        self.popen.communicate()


@contextlib.contextmanager
def node_beside(servers):
    with Fleet(servers) as fleet, Node(seeds=fleet.sources, config={"Debug": False, "InstancePollSeconds": 5}) as node:
        wait_until(lambda: len(node.api("all-instances")) == servers, 300, f"{servers} servers", interval=0.5)
        yield fleet, node


# -- rates


def part_rates():
    head(f"API, 4 servers, {CONNECTIONS} connections")
    with node_beside(4) as (fleet, node):
        host, port = fleet.addresses[1].split(":")
        for path, bar in ((f"/api/instance/{host}/{port}", "≥ 10000/s"), (f"/api/cluster/{fleet.sources[0]}", "≥ 5000/s"),
                          ("/api/replication-analysis", "≥ 5000/s"), ("/api/clusters", ""), ("/api/all-instances", ""), ("/api/leader-check", ""),
                          ("/metrics", "")):
            rate, errors, *latencies = Load(node, path).run()
            times = "  ".join(f"{what} {value:.1f}" for what, value in zip(("p50", "p95", "max"), latencies))
            line(path, f"{rate:8.0f}/s  {times} ms{errors and f'  {errors} ERRORS' or ''}", bar)


# -- big answers


class LeaderCheck(threading.Thread):
    """Asks leader-check every 5 ms on one connection; times in milliseconds."""

    def __init__(self, node):
        super().__init__(daemon=True)
        self.node, self.times, self.ended = node, [], False

    def run(self):
        connection = http.client.HTTPConnection(self.node.host, self.node.port, timeout=30)
        while not self.ended:
            began = time.monotonic()
            connection.request("GET", "/api/leader-check")
            connection.getresponse().read()
            self.times.append((time.monotonic() - began) * 1000)
            time.sleep(0.005)
        connection.close()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended = True
        self.join()


def leader_check_beside(node, name, load, bar=""):
    with contextlib.ExitStack() as stack:
        if load:
            stack.enter_context(load)
        with LeaderCheck(node) as asked:
            time.sleep(SECONDS)
    row(f"leader-check, {name}", asked.times, "ms")
    line("", f"p99 {sorted(asked.times)[int(len(asked.times) * 0.99)]:10.1f} ms  of {len(asked.times)}", bar)


def part_big():
    head(f"leader-check beside answers with {SERVERS} instances")
    with node_beside(SERVERS) as (_, node):
        began = time.monotonic()
        answer = node.get("/api/all-instances", timeout=60)
        figure(f"one answer of /api/all-instances, {len(answer.body) / 1024 / 1024:.1f} MiB", (time.monotonic() - began) * 1000, "ms")
        leader_check_beside(node, "nothing else asked", None)
        leader_check_beside(node, "4 clients read all-instances", Load(node, "/api/all-instances", 4, SECONDS + 5), "p99 < 20")
        leader_check_beside(node, "4 clients read it packed", Load(node, "/api/all-instances", 4, SECONDS + 5, ("Accept-Encoding: gzip",)), "p99 < 20")


PARTS = {"rates": part_rates, "big": part_big}


def main():
    for name in sys.argv[1:] or list(PARTS):
        PARTS[name]()


if __name__ == "__main__":
    main()
