"""Who is dead, with real servers: a primary that is silent, and everything that only looks like a failure."""

import contextlib
import re
import socket
import sqlite3

import pytest

from flavors import PROBE_PASSWORD, PROBE_USER
from netns import Net
from sandbox import Sandbox
from waiting import pass_time, wait_until
from watching import log_lines, wait_invalid, wait_valid

VERDICT = re.compile(r"instance=(\S+) verdict=(\S+) failed=(\d+) answered=(\d+) needed=(\d+) analysis=(\w+)")
SOON = 20  # several probes, on a slow machine

CALM = {"RaftElectionTimeoutMilliseconds": 2000, "RaftHeartbeatMilliseconds": 200}  # who leads is not the question here
NODES = ("orc1", "orc2", "orc3")


def verdicts(node, server):
    """[(verdict, how many failed, how many were answered, analysis)], in order"""
    return [(m[2], int(m[3]), int(m[4]), m[6]) for m in VERDICT.finditer(node.log_text()) if m[1] == server.address]


def recorded(node):
    with contextlib.closing(sqlite3.connect(f"file:{node.dir}/orchestrator.sqlite3?mode=ro", uri=True)) as db:
        return db.execute("SELECT hostname, port, analysis FROM topology_failure_detection").fetchall()


def analysis(node, server):
    details = node.api("replication-analysis")["Details"] or []
    found = [e["Analysis"] for e in details if e["AnalyzedInstanceKey"] == {"Hostname": server.host, "Port": server.port}]
    return found[0] if found else "NoProblem"


def expect_alive(nodes, *servers):
    """Nobody was taken for dead, not even for a moment."""
    pass_time(2)  # two pings, and what follows
    for node in nodes:
        assert recorded(node) == []
        assert not [v for server in servers for v in verdicts(node, server) if v[0] in ("DEAD", "HELD")], node.log_text()[-5000:]


def wait_dead(nodes, server):
    """The verdict, and the record of each node."""
    def dead():
        return [v for node in nodes for v in verdicts(node, server) if v[0] == "DEAD"]

    verdict = wait_until(dead, 2 * SOON, f"{server} to be found dead")[0]
    for node in nodes:
        found = wait_until(lambda: recorded(node), SOON, f"{node} to record it")
        assert found == [(server.host, server.port, verdict[3])] and verdict[3].startswith("DeadMaster")
    return verdict


def cut_probes(server, before=""):
    """Ends the node's connections at the server, as a firewall would that is flushed."""
    def cut():
        ids = server.sql(f"SELECT id FROM information_schema.processlist WHERE user='{PROBE_USER}'")
        return server.sql_unlogged([*filter(None, [before]), *(f"KILL {row.get('id') or row['ID']}" for row in ids)]) is not None

    wait_until(cut, SOON, "connections to be ended")  # again if one had ended by itself


def test_stopped_primary_is_dead(node, servers):
    """Its replicas say Yes as long as they don't have to connect anew."""
    source = servers["a"]
    node.wait_instances([s.address for s in servers])
    source.stop()
    try:
        assert wait_dead([node], source)[1:3] == (1, 0)
    finally:
        source.cont()
    wait_until(lambda: f"instance={source.address} answers again" in node.log_text(), SOON, "its return")
    for name in "bd":
        servers[name].wait_replicating()


def test_replicas_fail_and_connections_are_reset(node, servers):
    a, b, c, d = servers
    node.wait_instances([s.address for s in servers])
    for leaf in (c, d):
        leaf.kill()
    for leaf in (c, d):
        wait_invalid(node, leaf, SOON)
        leaf.start()
    for replica in (b, d):
        replica.sql(replica.flavor.stop_replica + " SQL_THREAD")
    wait_until(lambda: analysis(node, a) == "AllMasterReplicasNotReplicating", SOON, "the appliers to be missed")
    before = len(log_lines(node))
    for server in servers:
        cut_probes(server)
    wait_until(lambda: any("connection lost" in line and a.address in line for line in log_lines(node)[before:]), SOON, "the cut to be seen")
    for server in servers:
        wait_valid(node, server, SOON)
    expect_alive([node], a, b)
    for replica in (b, d):
        replica.sql(replica.flavor.start_replica)
        replica.wait_replicating()


def test_servers_that_answer_with_errors_are_alive(node, servers):
    a = servers["a"]
    node.wait_instances([s.address for s in servers])
    before = int(a.value("SELECT @@global.max_connections"))
    taken = [socket.create_connection((a.host, a.port)) for _ in range(12)]
    try:
        cut_probes(a, "SET GLOBAL max_connections=10")
        wait_until(lambda: any("errno=1040" in line and "server answers" in line for line in log_lines(node, a)), SOON, "1040 to be named")
        expect_alive([node], a)
    finally:
        for one in taken:
            one.close()
        wait_until(lambda: a.sql(f"SET GLOBAL max_connections={before}") is not None, SOON, "a free connection")
    wait_valid(node, a, SOON)
    a.sql_unlogged([f"ALTER USER {PROBE_USER}@'%' PASSWORD EXPIRE"])
    try:
        cut_probes(a)
        wait_until(lambda: any(re.search("errno=18(20|62)", line) for line in log_lines(node, a)), SOON, "the password to be named")
        expect_alive([node], a)
    finally:
        a.sql_unlogged([f"ALTER USER {PROBE_USER}@'%' IDENTIFIED BY '{PROBE_PASSWORD}'"])
    wait_valid(node, a, SOON)


@pytest.fixture
def far(new_group):
    """A primary, two replicas and three nodes, each on a host of its own."""
    with Net("a", "b", "c", *NODES) as net, Sandbox("mariadb: a > b, a > c", places={n: net.place(n) for n in "abc"}) as servers:
        group = new_group(places=[{**net.place(n, 3000), "raft_port": 10008} for n in NODES], config={"DiscoverySeeds": [servers["a"].address], **CALM})
        group.wait_leader()
        for node in group:
            node.wait_instances([s.address for s in servers], SOON)
        yield net, servers, group


def wait_said(node, server, what):
    wait_until(lambda: any(what in line for line in log_lines(node, server)), SOON, f"{node.name} to say: {what}")


def host_of(net, node):
    return next(n for n in NODES if net.ip(n) == node.host)


def test_it_is_dead_when_a_majority_says_so(far):
    """Cut off from one node, whoever that is, it is alive; a leader that alone cannot reach it lets another one lead. When its
    packets are dropped everywhere, it is dead."""
    net, servers, group = far
    a, leader = servers["a"], group.wait_leader()
    follower = group.others(leader)[0]
    net.cut(host_of(net, follower), "a")
    wait_said(follower, a, "server does not answer")  # what its API shows is the leader's view
    expect_alive(group, a)
    net.heal()
    wait_said(follower, a, "server answers again")

    net.cut(host_of(net, leader), "a")
    wait_until(lambda: "its network is in trouble" in leader.log_text(), 2 * SOON, "leadership to be handed over")
    assert "OWN_NETWORK" in [v[0] for v in verdicts(leader, a)] and "sees=answered" in leader.log_text()
    others = group.others(leader)
    wait_until(lambda: any(node.leads() for node in others), SOON, "another leader")
    expect_alive(group, a)
    net.heal()
    wait_said(leader, a, "server answers again")

    net.silence("a", 3306)
    verdict = wait_dead(list(group), a)
    assert verdict[1] >= 2 and verdict[2] == 0
    net.heal()
    for name in "bc":
        servers[name].wait_replicating(60)
