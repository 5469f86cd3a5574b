"""What tests of times and of the log share: the times that are promised, what a node shows of a server, what it logs."""

import re

from waiting import wait_until

POLL = 1.0  # the fixture's InstancePollSeconds
PING = 1.0  # interval of pings: PR_SCHED_PING_MS
BUSY = 0.7  # what a busy machine may add to a time
QUIET_LOG = {"Debug": False}  # the default level


def key(server):
    return f"{server.host}/{server.port}"


def valid(node, server):
    return node.instance(server)["IsLastCheckValid"]


def wait_valid(node, server, deadline=10):
    wait_until(lambda: valid(node, server), deadline, f"{server} to be seen again")


def wait_invalid(node, server, deadline):
    wait_until(lambda: not valid(node, server), deadline, f"{server} to be reported", interval=0.01)


def log_lines(node, server=None):
    lines = node.log_text().splitlines()
    return [line for line in lines if re.search(rf"instance={re.escape(server.address)}\b", line)] if server else lines


def intervals(relays, since, until):
    """Between two probes, of all relays together."""
    found = []
    for relay in relays:
        times = [t for t in list(relay.bursts) if since <= t <= until]
        found += [b - a for a, b in zip(times, times[1:])]
    return sorted(found)
