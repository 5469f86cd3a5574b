"""What looks like the death of a primary and is none: no recovery begins, no node changes anything on any server, and what was seen is
told. Everything may be recovered."""

import contextlib
import re
import socket
import subprocess

import pytest

from flavors import PROBE_PASSWORD, PROBE_USER
from outage import SOON, StatementLog, host_of, key_of, world
from waiting import wait_until

FURTHER = 3  # looks at the primary by every node, after the trouble was seen


class Calm:
    """Between its making and expect()."""

    def __init__(self, w):
        self.w, self.a = w, w.servers["a"]
        self.logs = [StatementLog(server) for server in w.servers]
        self.sizes = {node.name: len(node.log_text()) for node in w.group}
        self.read_only = self._read_only()

    def _read_only(self):
        return {s.name: s.value("SELECT @@global.read_only") for s in self.w.servers}

    def said(self, node, pattern, server=None):
        """Lines of its log since then, about this server."""
        text, server = node.log_text()[self.sizes[node.name]:], server or self.a
        return [line for line in text.splitlines() if re.search(rf"instance={re.escape(server.address)}\b", line) and re.search(pattern, line)]

    def wait_said(self, nodes, pattern, server=None):
        """By one of them at least."""
        wait_until(lambda: any(self.said(node, pattern, server) for node in nodes), SOON, f"somebody to say {pattern}")

    def _wait_looks(self):
        """Of every node: what it holds of the primary has moved on so often."""
        seen = {node.name: set() for node in self.w.group}

        def enough():
            for node in self.w.group:
                seen[node.name].update(node.query("SELECT last_checked, last_attempted_check FROM database_instance "
                                                  "WHERE hostname = ? AND port = ?", self.a.host, self.a.port))
            return min(map(len, seen.values())) > FURTHER

        wait_until(enough, 2 * SOON, f"{FURTHER} more looks of every node", interval=0.1)

    def expect(self):
        """Long enough for everybody to have drawn conclusions: none of them is that the primary is dead."""
        self._wait_looks()
        for node in self.w.group:
            assert node.query("SELECT * FROM topology_recovery") == [] == node.query("SELECT * FROM topology_failure_detection")
            assert not self.said(node, "verdict=(DEAD|HELD)")
        assert [log.changes() for log in self.logs] == [[] for _ in self.logs]

    def wait_healthy(self):
        for node in self.w.group:
            node.wait_instances([s.address for s in self.w.servers], SOON)
        for server in self.w.servers:
            if server.spec.source:
                server.wait_replicating(SOON)
        assert self._read_only() == self.read_only


@contextlib.contextmanager
def nothing_happens(w):
    calm = Calm(w)
    yield calm
    calm.wait_healthy()


def analysis(w, server):
    details = w.group.wait_leader().api("replication-analysis")["Details"] or []
    return next((e["Analysis"] for e in details if e["AnalyzedInstanceKey"] == key_of(server)), "NoProblem")


def cut_probes(server, before):
    """After this statement the nodes' connections end at the server."""
    def cut():
        rows = server.sql(f"SELECT id AS id FROM information_schema.processlist WHERE user='{PROBE_USER}'")
        return server.sql_unlogged([before, *(f"KILL {row['id']}" for row in rows)]) is not None

    wait_until(cut, SOON, "connections to be ended")  # again if one had ended by itself


def connections_are_exhausted(w):
    with nothing_happens(w) as calm:
        former = calm.a.value("SELECT @@global.max_connections")
        calm.a.sql("SET GLOBAL connect_timeout=600")
        taken = [socket.create_connection((calm.a.host, calm.a.port)) for _ in range(12)]
        try:
            cut_probes(calm.a, "SET GLOBAL max_connections=10")
            calm.wait_said(w.group, "(too many connections|errno=1040)")
            calm.expect()
            assert not analysis(w, calm.a).startswith("Dead")
        finally:
            for one in taken:
                one.close()
            wait_until(lambda: calm.a.sql(f"SET GLOBAL max_connections={former}") is not None, SOON, "a free connection")


def replicas_fail(w):
    with nothing_happens(w) as calm:
        replicas = [s for s in w.servers if s.spec.source]
        for replica in replicas:
            replica.kill()
        for replica in replicas:
            calm.wait_said(w.group, "server does not answer", replica)
        leader = w.group.wait_leader()
        for replica in replicas:
            wait_until(lambda: not leader.instance(replica)["IsLastCheckValid"], SOON, f"{replica} to be shown as dead")
        for replica in replicas:
            replica.start()
        calm.expect()


def appliers_stop(w):
    with nothing_happens(w) as calm:
        replicas = [s for s in w.servers if s.spec.source]
        for replica in replicas:
            replica.sql(f"{replica.flavor.stop_replica} SQL_THREAD")
        calm.expect()
        wait_until(lambda: analysis(w, calm.a) == "AllMasterReplicasNotReplicating", SOON, "the appliers to be missed")
        for replica in replicas:
            replica.sql(replica.flavor.start_replica)


def a_minority_is_cut_off(w):
    with nothing_happens(w) as calm:
        follower = w.group.others(w.group.wait_leader())[0]
        w.net.cut(host_of(w.net, follower), "a")
        calm.wait_said([follower], "server does not answer")
        calm.expect()
        wait_until(lambda: analysis(w, calm.a) == "NoProblem", SOON, "the analysis of the leader, who sees it")
        w.net.heal()


def the_leader_is_cut_off(w):
    with nothing_happens(w) as calm:
        leader = w.group.wait_leader()
        w.net.cut(host_of(w.net, leader), "a")
        calm.wait_said([leader], "verdict=OWN_NETWORK.*the network of the leader")
        wait_until(lambda: "its network is in trouble" in leader.log_text(), 2 * SOON, "leadership to be handed over")
        wait_until(lambda: w.group.wait_leader() is not leader, SOON, "another leader")
        calm.expect()
        wait_until(lambda: analysis(w, calm.a) == "NoProblem", SOON, "the new leader's analysis")
        w.net.heal()


def connections_are_flushed(w):
    """As by a firewall that forgets them: every one is reset, those of the replicas too."""
    with nothing_happens(w) as calm:
        for name in "abc":
            done = subprocess.run(["ip", "netns", "exec", w.net.netns(name), "ss", "-K", "-t", "sport = :3306"], capture_output=True, text=True)
            assert done.returncode == 0 and "ESTAB" in done.stdout, (name, done)
        for node in w.group:  # each has one to the primary
            calm.wait_said([node], "connection lost")
        calm.expect()


def the_probe_password_expires(w):
    with nothing_happens(w) as calm:
        for server in w.servers:
            cut_probes(server, f"ALTER USER {PROBE_USER}@'%' PASSWORD EXPIRE")
        calm.wait_said(w.group, "(password must be changed|password expired|errno=18(20|62))")
        wait_until(lambda: not w.group.wait_leader().instance(calm.a)["IsLastCheckValid"], SOON, "the API to tell")
        calm.expect()
        for server in w.servers:
            server.sql_unlogged([f"ALTER USER {PROBE_USER}@'%' IDENTIFIED BY '{PROBE_PASSWORD}'"])


TROUBLES = (connections_are_exhausted, appliers_stop, connections_are_flushed, a_minority_is_cut_off, the_leader_is_cut_off,
            the_probe_password_expires, replicas_fail)  # the last one: servers that are restarted begin to count connections anew


@pytest.mark.parametrize("flavor", ["mariadb", "mysql"])
def test_primary_that_only_looks_dead(new_group, flavor):
    with world(new_group, flavor, "a > b, a > c") as w:
        w.wait_ready()
        for trouble in TROUBLES:
            print(trouble.__name__)  # for whoever reads a failure
            trouble(w)
