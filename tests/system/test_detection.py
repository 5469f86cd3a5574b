"""Who is dead, with real servers: a primary that is silent, and everything that only looks like a failure."""

import re
import sqlite3
from contextlib import closing

from waiting import wait_until

VERDICT = re.compile(r"instance=(\S+) verdict=(\S+) failed=(\d+) answered=(\d+) needed=(\d+) analysis=(\w+)")


def verdicts(node, server):
    return [m.group(2) for m in VERDICT.finditer(node.log_text()) if m.group(1) == server.address]


def recorded(node):
    with closing(sqlite3.connect(f"file:{node.dir}/orchestrator.sqlite3?mode=ro", uri=True)) as db:
        return db.execute("SELECT hostname, port, analysis FROM topology_failure_detection").fetchall()


def test_stopped_primary_is_dead(node, servers):
    source = servers["a"]
    node.wait_instances([s.address for s in servers])
    source.stop()
    try:
        wait_until(lambda: verdicts(node, source), 30, "a verdict")
        assert verdicts(node, source) == ["DEAD"]
        wait_until(lambda: recorded(node), 10, "the record")
        assert recorded(node) == [(source.host, source.port, "DeadMaster")]
    finally:
        source.cont()
    wait_until(lambda: f"instance={source.address} answers again" in node.log_text(), 20, "its return")
    for name in "bd":
        servers[name].wait_replicating()
