"""What happens to a primary that was replaced and comes back. One raftd with played probers."""

import contextlib
import sqlite3

import pytest

from proberdrv import CODES
from raftd_driven import Raftd, key
from waiting import pass_time, wait_until

SOON = 20
OLD, R1, R2 = key("old"), key("r1"), key("r2")
CONFIG = {"RecoverMasterClusterFilters": ["*"], "RecoveryPeriodBlockSeconds": 0}


class Cluster:
    """old > r1, r2 on MariaDB, as far as a recovery can tell; steps change it."""

    def __init__(self, raftd):
        self.raftd, self.prober = raftd, raftd.prober
        self.writable, self.source = {"old"}, {"r1": "old", "r2": "old"}
        self.prober.on_step, self.numbers, self.repeated = self.step, {}, 0
        self.dies_at = None  # a step after which its server is gone
        self.errors = {}  # on which a replica of anybody but "old" stops
        self.show("old", "r1", "r2")
        raftd.ask("DISCOVER", key=OLD, mode=0)
        wait_until(lambda: self.poll() or {"old:3306", "r1:3306", "r2:3306"} <= raftd.instances(), SOON, "the servers", interval=0.1)
        wait_until(lambda: self.poll() or self.prober.watched.get(("old", 3306), (0, 0))[1] & 1, SOON, "its replicas to be known", interval=0.1)

    def poll(self):
        self.prober.poll()

    def show(self, *names):
        for name in names:
            source = self.source.get(name)
            inst = {"server_id": len(name) + ord(name[-1]), "log_bin_enabled": True, "log_replica_updates": True, "read_only": name not in self.writable,
                    "using_mariadb_gtid": source is not None, "binlog_format": "ROW"}
            probe = {"gtid_current_pos": "0-1-5", "gtid_binlog_pos": "0-1-5", "channels": int(source is not None)}
            if source:
                lost = (source, 3306) not in self.prober.servers
                inst |= {"sql_thread_state": 1, "io_thread_state": 2 if lost else 1, "sql_running": True, "io_running": not lost}
                probe |= {"source_host": source, "source_port": 3306, "last_io_errno": 2003 if lost else 0, "gtid_io_pos": "0-1-5"}
            if source not in (None, "old") and name in self.errors:
                inst |= {"io_thread_state": 0, "io_running": False}
                probe |= {"last_io_errno": self.errors[name]}
            replicas = [{"hostname": r, "port": 3306} for r, s in self.source.items() if s == name]
            self.prober.found(key(name), inst, replicas=replicas, **probe)

    def step(self, step):
        name, what, uid = step["key"]["hostname"], step["statement"], step["recovery_uid"]
        if step["number"] <= self.numbers.get(uid, 0):  # as prober/pr_fence.c does
            self.repeated += 1
            return {"code": CODES["EXISTS"], "message": "was given already"}
        self.numbers[uid] = step["number"]
        if (name, 3306) not in self.prober.servers:
            return {"code": CODES["UNAVAILABLE"], "message": "refused"}
        if what == "set-writable":
            self.writable.add(name)
        elif what == "set-read-only":
            self.writable.discard(name)
        elif what == "reset-replica":
            del self.source[name]
        elif what == "point-to":
            self.source[name] = step["args"][0]["s"]
        if what == self.dies_at:
            self.prober.gone(step["key"])
        self.show(*(n for n, _ in self.prober.servers))
        return {"sent": True}

    def die(self, name):
        self.prober.gone(key(name))
        self.show(*(n for n, _ in self.prober.servers))
        self.prober.report(key(name))

    def start(self, name):
        """As its configuration says: writable."""
        self.writable.add(name)
        self.show(name)
        self.prober.report(key(name))

    def fences(self):
        return sum(s["statement"] == "set-read-only" and s["key"] == OLD for s in self.prober.steps)


@pytest.fixture
def cluster(request):
    with Raftd(config=CONFIG, **getattr(request, "param", {})) as raftd:
        yield Cluster(raftd)


def ended(cluster):
    """Recoveries that have promoted somebody; who carries one out after its end (a fence) says its state as well."""
    return cluster.raftd.log_text().count('state=done: "over"')


def recover(cluster, name, how_many=1):
    cluster.die(name)
    wait_until(lambda: ended(cluster) == how_many, SOON, "the end of the recovery")
    return next(iter(cluster.writable - {"old", name}))


def test_it_is_fenced_whenever_it_comes_back_writable(cluster):
    recover(cluster, "old")
    for _ in range(3):  # the second time nobody holds a vote about it any more
        cluster.start("old")
        wait_until(lambda: cluster.poll() or "old" not in cluster.writable, SOON, "its fence", interval=0.1)
        cluster.die("old")
    cluster.start("old")
    wait_until(lambda: cluster.poll() or "old" not in cluster.writable, SOON, "its fence", interval=0.1)
    cluster.raftd.ask("END_DOWNTIME", key=OLD)
    fences = cluster.fences()
    cluster.start("old")  # an operator took it back
    for _ in range(15):
        cluster.poll()
        pass_time(0.1)
    assert cluster.fences() == fences and "old" in cluster.writable


@pytest.mark.parametrize("its_input_is_kept", [True, False])
def test_it_is_fenced_by_the_next_raftd(cluster, its_input_is_kept):
    """Probers remember what the former one sent. What a recovery was decided on is kept of the newest ones only."""
    recover(cluster, "old")
    wait_until(lambda: cluster.fences() >= 3, SOON, "some fences that fail")
    cluster.raftd.kill()
    if not its_input_is_kept:
        with contextlib.closing(sqlite3.connect(cluster.raftd.data)) as db, db:
            db.execute("DELETE FROM recovery_input")
            db.execute("UPDATE recovery_machine SET input_parts = 0")
    cluster.raftd.start()
    cluster.start("old")
    wait_until(lambda: cluster.poll() or "old" not in cluster.writable, SOON, "its fence", interval=0.1)
    assert cluster.repeated == 0


def test_it_is_fenced_although_a_replica_follows_it(cluster):
    """One that the recovery had not known. Unless it was made the source again: then nobody else is."""
    new = recover(cluster, "old")
    cluster.start("old")
    wait_until(lambda: cluster.poll() or "old" not in cluster.writable, SOON, "its fence", interval=0.1)
    cluster.die("old")
    cluster.source["r9"] = "old"
    cluster.show("r9")
    cluster.raftd.ask("DISCOVER", key=key("r9"), mode=0)
    wait_until(lambda: cluster.poll() or "r9:3306" in cluster.raftd.instances(), SOON, "a replica of the old one", interval=0.1)
    for _ in range(2):
        pass_time(1.2)  # a fence anew is not sent within a second of the former one
        cluster.start("old")
        wait_until(lambda: cluster.prober.report(key(new)) or cluster.poll() or "old" not in cluster.writable, SOON, "its fence", interval=0.1)
    pass_time(1.2)
    cluster.writable.discard(new)
    cluster.show(new)
    cluster.prober.report(key(new))
    cluster.poll()
    fences = cluster.fences()
    cluster.start("old")
    for _ in range(30):
        cluster.prober.report(key(new))
        cluster.poll()
        pass_time(0.1)
    assert cluster.fences() == fences and "old" in cluster.writable


def test_it_is_recovered_only_as_the_source_that_it_was_made_again(cluster):
    """Its downtime was ended, and it dies. Operators may have put it anywhere since it was read; whom the recovery promoted is the source."""
    raftd = cluster.raftd
    new = recover(cluster, "old")
    cluster.start("old")
    wait_until(lambda: cluster.poll() or "old" not in cluster.writable, SOON, "its fence", interval=0.1)
    cluster.source["r9"] = "old"
    cluster.show("r9", "old")
    raftd.ask("DISCOVER", key=key("r9"), mode=0)
    wait_until(lambda: cluster.poll() or "r9:3306" in raftd.instances(), SOON, "a replica of the old one", interval=0.1)
    raftd.ask("END_DOWNTIME", key=OLD)
    cluster.die("old")
    wait_until(lambda: cluster.poll() or "instance=old:3306 is not recovered: a recovery has replaced it" in raftd.log_text(), SOON, "a refusal", interval=0.1)
    assert cluster.writable == {new}
    assert "not by itself: a recovery has replaced it" in raftd.ask("RECOVER", 30, key=OLD, deadline_us=2 ** 60, user="me", dry_run=True)["text"]
    cluster.start("old")
    seen = "SELECT last_seen > datetime(end_recovery, '+12 seconds') FROM database_instance i, topology_recovery WHERE i.hostname = 'old' AND NOT i.read_only"
    wait_until(lambda: cluster.poll() or cluster.prober.report(OLD) or raftd.rows(seen) == [(1,)], SOON, "it to be seen writable", interval=0.1)
    cluster.die("old")
    wait_until(lambda: cluster.poll() or ended(cluster) == 2, SOON, "its recovery", interval=0.1)
    assert "r9" in cluster.writable


def test_a_replica_that_stops_when_it_is_repointed_is_named(cluster):
    """Its steps went well, and its receiver stopped a moment later."""
    cluster.errors = {"r1": 1236, "r2": 1236}
    last = {"r1": "r2", "r2": "r1"}[recover(cluster, "old")]

    def lost():
        cluster.poll()
        return cluster.raftd.rows("SELECT lost_slaves FROM topology_recovery") == [(f"{last}:3306",)]

    wait_until(lost, SOON, "its name in the record", interval=0.1)
    assert ("lost-in-recovery",) in cluster.raftd.rows("SELECT reason FROM database_instance_downtime WHERE hostname = ?", last)
    assert f"lost: {last}:3306: stopped on error 1236" in str(cluster.raftd.rows("SELECT message FROM topology_recovery_steps"))


@pytest.mark.parametrize("cluster", [{"program": "tests/fixture/orchestrator-raftd"}], ids=["waits 5 s"], indirect=True)
def test_a_candidate_that_dies_while_it_is_promoted_is_replaced(cluster):
    """Nobody follows it yet, and it never comes back. Whether it became writable is not known."""
    dead = []

    def step(step):
        if step["statement"] != "set-writable" or dead:
            return cluster.step(step)
        dead.append(step["key"]["hostname"])
        cluster.die(dead[0])
        return {"code": CODES["UNKNOWN_OUTCOME"], "sent": True, "message": "the connection is lost"}

    cluster.prober.on_step = step
    cluster.die("old")
    wait_until(lambda: cluster.poll() or "state=done" in cluster.raftd.log_text(), 80, "the end of the recovery", interval=0.2)
    last = {"r1": "r2", "r2": "r1"}[dead[0]]
    assert cluster.writable - {"old"} == {last}
    for _ in range(2):  # it may have become writable, and is so after each restart
        cluster.start(dead[0])
        wait_until(lambda: cluster.poll() or dead[0] not in cluster.writable, SOON, "its fence", interval=0.1)
        cluster.die(dead[0])


def test_a_new_primary_that_dies_unread_is_replaced_too(cluster):
    """All that was read of it is that it replicates from the former one."""
    raftd = cluster.raftd
    cluster.dies_at = "reset-replica"
    new = recover(cluster, "old")
    last = "r2" if new == "r1" else "r1"
    cluster.dies_at = None
    cluster.prober.report(key(last))  # its replica is read, it itself is not
    wait_until(lambda: f'instance={last}:3306 source="{new}:3306"' in raftd.log_text(), SOON, "the replica to be read")
    assert recover(cluster, new, 2) == last
    assert f"instance={new}:3306 was promoted in place of old:3306" in raftd.log_text()
    assert [r[0] for r in raftd.rows("SELECT analysis FROM topology_recovery ORDER BY recovery_id")] == ["DeadMaster"] * 2


def test_a_former_recovery_of_a_server_that_fails_again_is_left_alone(cluster):
    """It was promoted meanwhile: of its failures the newest one counts, and is looked after."""
    def ended(how_many):
        wait_until(lambda: cluster.poll() or cluster.raftd.rows("SELECT count(*) FROM topology_recovery WHERE is_successful AND end_recovery IS NOT NULL")
                   == [(how_many,)], SOON, f"the end of {how_many} recoveries", interval=0.1)

    new = recover(cluster, "old")
    cluster.source["old"] = new
    cluster.writable.discard("old")
    cluster.show("old", new)
    wait_until(lambda: cluster.poll() or ("old", 3306) in cluster.prober.watched and cluster.raftd.rows(
        "SELECT master_host FROM database_instance WHERE hostname = 'old'") == [(new,)], SOON, "it to follow", interval=0.1)
    cluster.raftd.ask("END_DOWNTIME", key=OLD)
    cluster.die(new)
    ended(2)
    assert "old" in cluster.writable
    cluster.die("old")
    ended(3)
    for _ in range(25):  # whoever leads looks at all of them every second
        cluster.poll()
        pass_time(0.1)
    cluster.prober.on_step = lambda step: None  # it is fenced still
    assert "state=done is carried out here" not in cluster.raftd.log_text()
