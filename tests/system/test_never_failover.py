"""What looks like the death of a primary and is none: nobody begins a recovery, nothing is changed on any server, and what was seen
is told. Recoveries of everything are allowed."""

import contextlib
import re
import socket
import subprocess

import pytest

from flavors import PROBE_PASSWORD, PROBE_USER
from outage import SOON, StatementLog, host_of, world
from waiting import wait_until

FURTHER = 3  # polls by each node after the trouble was seen


def analysis(w, server):
    details = w.group.wait_leader().api("replication-analysis")["Details"] or []
    found = [e["Analysis"] for e in details if e["AnalyzedInstanceKey"] == {"Hostname": server.host, "Port": server.port}]
    return found[0] if found else "NoProblem"


def said(node, server, pattern, since=0):
    """Lines of its log about that server, from a byte on."""
    text = node.log_text()[since:]
    return [line for line in text.splitlines() if server.address in line and re.search(pattern, line)]


class Calm:
    """Between its making and expect(): no recovery, and no statement of a node that changes anything."""

    def __init__(self, w):
        self.w = w
        self.logs = [StatementLog(server) for server in w.servers]
        self.since = {node.name: len(node.log_text()) for node in w.group}
        self.state = self._state()

    def _state(self):
        return [(s.name, s.value("SELECT @@global.read_only"), s.executed_gtids()) for s in self.w.servers]

    def wait_said(self, node, server, pattern):
        return wait_until(lambda: said(node, server, pattern, self.since[node.name]), SOON, f"{node.name} to say {pattern}")

    def wait_polls(self, how_many=FURTHER):
        """So many more readings or attempts of the primary by each node, whoever asked for them."""
