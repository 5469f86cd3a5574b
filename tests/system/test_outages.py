"""A primary that cannot be reached is replaced, whatever ails it, and never is there a second writable server in the end."""

import contextlib
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

    @property
    def primary(self):
        return self.alive[0]

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
        """The primary fails; another one takes writes; the failed one comes back."""
        failed, survivors = self.primary, self.alive[1:]
        self.wait_ready()
        with Writer(self.alive, netns=self.net.netns("app")) as writer:
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


def isolate_with_leader(w):
    """The leader and the primary see each other, and nobody else. The leader goes on reading, and changes nothing."""
    leader, primary = w.group.wait_leader(), w.primary
    inside = {primary.name, host_of(w.net, leader)}
    log = StatementLog(primary)
    connected = f"SELECT 1 FROM information_schema.processlist WHERE host LIKE '{leader.host}:%'"
    wait_until(lambda: primary.sql(connected), SOON, "the leader's connection to the primary")

    def cut(_):
        w.talking = w.group.others(leader)
        for host in inside:
            for other in set(w.net.hosts) - inside:
                w.net.cut(host, other)

    def heal(_):
        before = len(log.statements())
        wait_until(lambda: len(log.statements()) >= before + 20, SOON, "the isolated leader to read the primary")  # two polls and more
        assert log.changes() == []
        w.net.heal()
        w.talking = list(w.group)

    w.fail("isolated with the leader", cut, heal)
    assert "set global read_only = 1" in log.changes()


def test_mariadb_primaries_fail_in_every_way(new_group):
    with world(new_group, "mariadb", "a > b, a > c, a > d, a > e") as w:
        w.fail("packets dropped", lambda p: w.net.isolate(p.name), lambda p: w.net.heal())
        w.fail("SIGSTOP", lambda p: p.stop(), lambda p: p.cont())
        w.fail("orderly shutdown", lambda p: p.shutdown(), lambda p: p.start())
        isolate_with_leader(w)


def test_mysql_primaries_fail_in_every_way(new_group):
    with world(new_group, "mysql", "a > b, a > c, a > d") as w:
        w.fail("SIGSTOP", lambda p: p.stop(), lambda p: p.cont())
        w.fail("orderly shutdown", lambda p: p.shutdown(), lambda p: p.start())


CALM = 4  # seconds: several polls, and tries of a failed server


def wait_settled(w):
    """One writable server and no recovery under way, for a while. Returns the server."""
    since = {}

    def settled():
        ends = [(r["UID"], r["RecoveryEndTimestamp"]) for r in w.group.wait_leader().api("audit-recovery")]
        state = (tuple(writable(w.servers)), tuple(ends))
        if len(state[0]) != 1 or not all(end for _, end in ends) or not all(s.state == "running" for s in w.servers):
            since.clear()
            raise AssertionError(state)
        if state not in since:
            since.clear()
            since[state] = time.monotonic()
        return state if time.monotonic() - since[state] > CALM else None

    (primary,), ends = wait_until(settled, 3 * SOON, "one writable server and calm", interval=0.2)
    print(f"{primary.name} is writable after {len(ends)} recoveries")
    return primary


def expect_followed(w, primary):
    """By every other server, unless a recovery has said that it is lost."""
    lost = [i["Key"] for i in w.group.wait_leader().api("downtimed") if i["DowntimeReason"] == "lost-in-recovery"]
    gtids = primary.executed_gtids()
    for server in w.servers:
        if server is not primary and key_of(server) not in lost:
            server.wait_for_gtids(gtids)


def test_primary_crashes_and_is_back_at_once(new_group):
    """Be it replaced or not. Semi-synchronous: nothing that was acknowledged may be missing, whoever took it. One application goes where
    writes are taken, and another one knows the first server alone."""
    options = {"*": ["--rpl-semi-sync-master-wait-point=AFTER_SYNC", "--rpl-semi-sync-master-timeout=20000"]}
    with world(new_group, "mariadb", "a > b, a > c, a > d", semi_sync=True, options=options) as w:
        a, app = w.primary, w.net.netns("app")
        w.wait_ready()
        with Writer(w.servers, netns=app) as writer, Writer([a], netns=app, first=10**6) as stubborn:
            for _ in range(3):
                writer.wait_written(20)
                a.kill()
                a.start()
                writer.wait_written(5, 2 * SOON)
            primary = wait_settled(w)
        assert writer.missing_on(primary) == [] == stubborn.missing_on(primary)
        expect_followed(w, primary)
