"""The leader is lost at each point of a recovery: killed, cut off from the other nodes, or stopped and woken up later. Whoever leads next
goes on with what is there, or undoes it: in the end one server is writable, the others follow it, and no recovery runs.

The points are those of raftd's own tables: a state, phase or hook list that is added there is tested here, and fails here as long
as no recovery of these comes to it."""

import contextlib
import os
import re

import pytest

from flavors import REPL_PASSWORD, REPL_USER
from node import ROOT
from recovering import SIGCONT, SIGSTOP, SOON, Cluster, host_of, points, signal_all, stopped
from waiting import wait_until

POINTS = points(ROOT)
HOW = ("killed", "cut", "stopped")


# -- how a recovery comes to a point


def die(c):
    c.source.kill()


def die_with_a_backlog(c):
    """What the replicas received is not applied yet."""
    for server in c.replicas():
        server.sql(server.flavor.stop_replica + " SQL_THREAD")
    c.write()
    wait_received(c)
    c.source.kill()


def wait_received(c):
    for server in c.replicas():
        if server.flavor.name == "mariadb":
            wait_until(lambda: server.replication()["Gtid_IO_Pos"] == c.source.executed_gtids(), SOON, f"{server} to receive it")
        else:
            wait_until(lambda: server.value(
                "select gtid_subset(received_transaction_set, @@global.gtid_executed) from performance_schema.replication_connection_status"
            ) == "0", SOON, f"{server} to receive it")


def delay(c, seconds):
    """How late the replicas apply; none has anything to apply when this begins."""
    for server in c.replicas():
        change = {"mariadb": f"change master to master_delay={seconds}", "mysql": f"change replication source to source_delay={seconds}"}
        server.sql(f"{server.flavor.stop_replica}; {change[server.flavor.name]}; {server.flavor.start_replica}")
        server.wait_replicating(SOON)


def return_in_time(c):
    """The candidate needs long to apply what it received: the primary comes back before the promotion."""
    delay(c, 600)
    c.write()
    wait_received(c)
    for server in c.replicas():
        server.sql(f"{server.flavor.stop_replica} SQL_THREAD")
    seen = {node: len(node.log_text()) for node in c.group}
    c.source.kill()
    wait_until(lambda: any("state=prepare" in node.log_text()[seen[node]:] for node in c.group), SOON, "a candidate that applies")
    c.source.start()


def abort_while_waiting(c):
    die_and_lose_maybe(c, "wait:600")
    leader = c.group.wait_leader()
    uid = wait_until(lambda: [uid for uid, state in c.running(leader) if state == "wait"], SOON, "a recovery that waits")[0]
    with contextlib.suppress(OSError):  # the leader may halt before it answers
        leader.get(f"/api/abort-recovery/{uid}", timeout=2)


def configure(c, **keys):
    for node in c.group:
        read = node.log_text().count("configuration reloaded")
        node.configure(**keys)
        node.reload()
        wait_until(lambda: node.log_text().count("configuration reloaded") > read, SOON, f"{node.name} to read its configuration")


def die_and_lose_maybe(c, policy="wait:1"):
    configure(c, PromotionOnPossibleLoss=policy)
    c.source.kill()


def die_and_rejoin(c):
    configure(c, RejoinFailedMaster=True, ReplicationCredentialsQuery=f"select '{REPL_USER}', '{REPL_PASSWORD}'")
    c.source.kill()


WAYS = {
    ("state", "wait"): die_and_lose_maybe,
    ("state", "restore"): abort_while_waiting,
    ("state", "undone"): return_in_time,
    ("result", "restore"): return_in_time,
    ("result", "prepare"): die_with_a_backlog,
    ("hooks", "PostUnsuccessfulFailoverProcesses"): return_in_time,
    ("result", "promote"): die_and_rejoin,  # who leads next is to know where the promoted server stood
    ("state", "rejoin"): die_and_rejoin,
    ("result", "rejoin"): die_and_rejoin,
}
UNDONE = {return_in_time, abort_while_waiting}
AFTERWARDS = {("result", "fence-old"), ("state", "rejoin"), ("result", "rejoin")}  # once the old primary is back


# -- how the leader is lost


def lose(c, lost, how, pid):
    if how == "killed":
        lost.kill()
    elif how == "cut":
        for other in c.group.others(lost):
            c.net.cut(host_of(c.net, lost), host_of(c.net, other))
        os.kill(pid, SIGCONT)
    else:
        signal_all(lost.processes(), SIGSTOP)


def bring_back(c, lost, how):
    if how == "killed":
        lost.start_raft()
    elif how == "cut":
        c.net.heal()
    else:
        signal_all(lost.processes(), SIGCONT)


def lose_at(c, point, how, claim):
    for node in c.group:
        node.halt_at(*point, claim)
    old, before = c.source, {uid for uid, _ in c.recoveries(c.group[0])}
    way = WAYS.get(point, die)
    way(c)
    if point in AFTERWARDS:
        c.wait_new_source(old)
        old.start()
    pid = int(wait_until(lambda: claim.exists() and claim.read_text(), SOON, f"the recovery to come to {point}"))
    lost = next(node for node in c.group if pid in node.children("raftd"))
    wait_until(lambda: stopped(pid), SOON, "the leader to halt")
    for server in set(c.writable()) - {old}:
        c.write(server)  # an application that has noticed
    lose(c, lost, how, pid)
    others = c.group.others(lost)
    c.group.wait_leader(among=others, deadline=SOON)
    if how == "stopped":
        bring_back(c, lost, how)  # wakes up in the middle of what the others do
    return old, before, lost, way


def expect_hooks(c, new):
    for uid, state in new:
        ran = c.hooks(uid)
        assert ran.count("PreFailoverProcesses") <= 1, ran
        if state == "done":
            assert "PostMasterFailoverProcesses" in ran and "PostFailoverProcesses" in ran, ran
            assert "PostUnsuccessfulFailoverProcesses" not in ran, ran
        elif ran:
            assert "PostUnsuccessfulFailoverProcesses" in ran, ran


def one_round(c, point, how, claim):
    old, before, lost, way = lose_at(c, point, how, claim)
    lead = [node for node in c.group if node is not lost or how == "stopped"]
    if way is abort_while_waiting:  # nothing begins anew by itself: an operator ended it
        wait_until(lambda: any(state == "undone" for uid, state in c.recoveries(lead[0]) if uid not in before), SOON, "its end")
        old.spec.source = None  # it comes back writable: nobody makes it so
        old.start()
    if way not in UNDONE:
        c.wait_new_source(old)
    c.wait_over(before, f"({point}, {how})", lead)
    if way is return_in_time:
        delay(c, 0)
    c.expect_one_source(*([] if way in UNDONE else [old]))
    if how != "stopped":
        bring_back(c, lost, how)
    new = c.wait_over(before, f"({point}, {how})")
    assert [state for _, state in new].count("done") == (0 if way in UNDONE else 1), new
    expect_hooks(c, new)
    if way is die_and_rejoin:
        if old.state == "down":
            old.start()
        wait_until(lambda: c.has_all(old), SOON, f"{old} to follow {c.source}")
        c.wait_over(before, f"({point}, {how})")
    if way in (die_and_lose_maybe, die_and_rejoin, abort_while_waiting):
        configure(c, PromotionOnPossibleLoss=None, RejoinFailedMaster=None, ReplicationCredentialsQuery=None)
    if way in UNDONE or way is die_and_rejoin:
        c.settle()
    else:
        c.put_back(old, start=old.state == "down")


ROUNDS = int(os.environ.get("ORC_STEPS_ROUNDS", "1"))  # 3: each point in each of the ways
ONLY = re.compile(os.environ.get("ORC_STEPS_ONLY", ""))


@pytest.mark.parametrize("flavor, first", [(f, (i + r) % len(HOW)) for i, f in enumerate(("mariadb", "mysql")) for r in range(ROUNDS)])
def test_the_leader_is_lost_at_each_point(new_group, tmp_path, flavor, first):
    with Cluster(new_group, tmp_path, flavor) as c:
        for i, point in enumerate(POINTS):
            if ONLY.search(" ".join(point)):
                one_round(c, point, HOW[(i + first) % len(HOW)], tmp_path / f"claim{i}")
