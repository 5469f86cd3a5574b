"""Servers, each on a host of its own, and three nodes that may recover everything; what failed, and what nodes send to servers."""

import contextlib
import itertools
import re
import time

from flavors import PROBE_USER
from netns import Net
from sandbox import Sandbox
from waiting import wait_until
from writer import Writer, make_writable_table

SOON = 30
BAR = 5  # seconds to a writable successor of a silent primary on a machine that does nothing else
NODES = ("orc1", "orc2", "orc3")
# Who leads is not the question here. Several primaries in a row fail on purpose.
CONFIG = {"RecoverMasterClusterFilters": ["*"], "InstancePollSeconds": 1, "RecoveryPeriodBlockSeconds": 0,
          "RaftElectionTimeoutMilliseconds": 2000, "RaftHeartbeatMilliseconds": 200}


class World:
    """Servers, each on a host of its own, and three nodes; the primary is whoever is not fenced."""

    def __init__(self, net, servers, group):
        self.net, self.servers, self.group = net, servers, group
        self.alive = list(servers)  # those that have not failed yet; the first one is the primary
        self.talking = list(group)  # nodes that see a majority
        self._written = itertools.count(1, 10**6)  # first numbers of writers: one that is in the table already is refused

    @property
    def primary(self):
        return self.alive[0]

    def next_number(self):
        """For a writer to begin with."""
        return next(self._written)

    def wait_ready(self):
        """All nodes have read all servers, and the replicas what the primary has."""
        for node in self.group:
            node.wait_instances([s.address for s in self.servers], SOON)
        gtids = self.primary.executed_gtids()
        for replica in self.alive[1:]:
            replica.wait_for_gtids(gtids)

    def ended(self, failed):
        """The newest recovery of that server, once it is over."""
        def over():
            leader = self.group.wait_leader(among=self.talking, deadline=SOON)
            found = next(r for r in leader.api("audit-recovery") if r["AnalysisEntry"]["AnalyzedInstanceKey"] == key_of(failed))
            return found if found["RecoveryEndTimestamp"] else None

        return wait_until(over, SOON, f"the end of the recovery of {failed}")

    def fail(self, what, how, undo):
        """The primary fails; another one takes writes; the failed one comes back. Returns who wrote."""
        failed, survivors = self.primary, self.alive[1:]
        self.wait_ready()
        with Writer(self.alive, netns=self.net.netns("app"), first=self.next_number()) as writer:
            writer.wait_written(5)
            began = time.monotonic()
            how(failed)
            new, at = writer.wait_moved(failed, 2 * SOON)
            print(f"{what}, {failed.spec.flavor}: {at - began:.1f} s to a row in another server (bar {BAR})")
            assert new in survivors
            self.expect_recovered(failed, new)
            writer.wait_written(5)
        undo(failed)
        self.alive = [new, *(s for s in survivors if s is not new)]
        self.expect_fenced(failed)
        return writer

    def expect_recovered(self, failed, new):
        found = self.ended(failed)
        assert found["IsSuccessful"] and found["SuccessorKey"] == key_of(new), found

    def expect_fenced(self, failed):
        """And reported; it is the only one that was, and whoever was alive follows the new one."""
        wait_until(lambda: failed.value("SELECT @@global.read_only") == "1", SOON, f"{failed} to be fenced")
        assert writable(self.servers) == [self.primary]
        uid = self.ended(failed)["UID"]
        wait_until(lambda: any("set-read-only" in s["Message"] and failed.address in s["Message"]
                               for s in self.group.wait_leader().api(f"audit-recovery-steps/{uid}")), SOON, "its fence to be recorded")
        for replica in self.alive[1:]:
            replica.wait_for_gtids(self.primary.executed_gtids())


def key_of(server):
    return {"Hostname": server.host, "Port": server.port}


def writable(servers):
    return [s for s in servers if s.state == "running" and s.value("SELECT @@global.read_only") == "0"]


@contextlib.contextmanager
def world(new_group, flavor, topology, **how):
    names = sorted(set(re.findall(r"\w+", topology)))
    with Net(*names, *NODES, "app") as net, \
            Sandbox(f"{flavor}: {topology}", places={n: net.place(n) for n in names}, **how) as servers:
        group = new_group(places=[{**net.place(n, 3000), "raft_port": 10008} for n in NODES],
                          config={"DiscoverySeeds": [servers[names[0]].address], **CONFIG})
        group.wait_leader()
        make_writable_table(servers[names[0]])
        yield World(net, servers, group)


def host_of(net, node):
    return next(n for n in NODES if net.ip(n) == node.host)


READS = re.compile(r"(SELECT|SHOW|SET (SESSION|NAMES|@@SESSION|autocommit))\b", re.I)


class StatementLog:
    """What nodes send to a server from now on: its general log."""

    def __init__(self, server):
        self.server, self.file = server, server.dir / "general.log"
        server.sql(f"SET GLOBAL log_output='FILE', general_log_file='{self.file}', general_log=1")
        rows = server.sql(f"SELECT id AS id FROM information_schema.processlist WHERE user='{PROBE_USER}'")
        self._open = {row["id"] for row in rows}

    def statements(self):
        text = self.file.read_text(errors="replace")
        nodes = self._open | set(re.findall(rf"(\d+) Connect\s+{PROBE_USER}@", text))
        return [what for connection, what in re.findall(r"^.*?(\d+) (?:Query|Execute)\s+(.*)$", text, re.M) if connection in nodes]

    def changes(self):
        return [what for what in self.statements() if not READS.match(what)]
