"""Who is promoted on real servers, and what becomes of the others: threads that stand still, donors, errant transactions, delays, data centers,
nobody who may; steps that a stopped prober holds; an old source that is a source again."""

import contextlib
import os
import re
import subprocess

import pytest

from recovering import SIGCONT, SIGSTOP, SOON, Cluster, stopped
from waiting import pass_time, wait_until

# a and c are in the east, b in the west
DATA_CENTERS = {"DetectDataCenterQuery": "select elt(@@port - 3305, 'east', 'west', 'east')"}


@pytest.fixture(params=["mariadb", "mysql"])
def cluster(request, new_group, tmp_path):
    with Cluster(new_group, tmp_path, request.param, config=DATA_CENTERS) as c:
        yield c


def receiver(server, order):
    server.sql(f"{order} {'slave' if server.flavor.name == 'mariadb' else 'replica'} io_thread")


def applier(server, order):
    server.sql(f"{order} {'slave' if server.flavor.name == 'mariadb' else 'replica'} sql_thread")


def received_all(c, server):
    source = c.source.executed_gtids()
    if server.flavor.name == "mariadb":
        return server.replication()["Gtid_IO_Pos"] == source
    row = server.replication()
    have = ",".join(filter(None, (row["Retrieved_Gtid_Set"], row["Executed_Gtid_Set"]))).replace("\n", "")
    return server.value(f"select gtid_subset('{source}', '{have}')") == "1"


def wait_received(c, server):
    wait_until(lambda: received_all(c, server), SOON, f"{server} to receive everything")


def rule(c, server, name):
    c.group.wait_leader().change(f"register-candidate/{server.host}/{server.port}/{name}")
    for node in c.group:
        wait_until(lambda: node.instance(server)["PromotionRule"] == name, SOON, f"{node.name} to know the rule of {server}")


def configure(c, **keys):
    for node in c.group:
        node.configure(**keys)
        node.stop()
        node.start_raft()
    c.group.wait_leader()
    c.wait_ready()


def fail_over(c, why):
    """The source dies; who is promoted. (state, why, lost, successor) of the record."""
    before = {uid for uid, _ in c.recoveries(c.group[0])}
    old = c.source
    old.kill()
    new = c.wait_over(before, why)
    assert len(new) == 1, new
    return old, new[0]


def record(c, uid):
    return c.group.wait_leader().api(f"audit-recovery/uid/{uid}?details=true")[0]


def promoted(c, why, expected):
    """Its record, after the source died; expected was promoted."""
    old, (uid, state) = fail_over(c, why)
    found = record(c, uid)
    print(f"{why}: {found}", *(row[0] for row in c.group[0].query("SELECT content FROM recovery_input WHERE recovery_uid = ? ORDER BY part", uid)))
    assert (state, found["SuccessorKey"]["Port"]) == ("done", expected.port), found
    c.source = expected
    wait_until(lambda: c.writable() == [expected], SOON, f"{expected} to be the only one that is writable")
    return old, found


def source_of(server):
    row = server.replication() or {}
    return row.get("Master_Port") or row.get("Source_Port")


def test_who_is_promoted(cluster):
    c = cluster
    a, b, c3 = (c.servers[name] for name in "abc")

    # b has less, and c, which has more, must not be promoted: it gives what it has
    rule(c, c3, "must_not")
    receiver(b, "stop")
    c.write()
    wait_received(c, c3)
    old, found = promoted(c, "donor", b)
    assert c.has_all(b) and found["LostReplicas"] == [], found
    c.expect_one_source()
    rule(c, c3, "neutral")
    c.put_back(old)

    # b -> a, c: a is delayed on purpose, so that c is taken, although a is preferred; the delay stays
    rule(c, a, "prefer")
    change = {"mariadb": "change master to master_delay=600", "mysql": "change replication source to source_delay=600"}
    a.sql(f"{a.flavor.stop_replica}; {change[a.flavor.name]}; {a.flavor.start_replica}")
    for node in c.group:
        wait_until(lambda: node.instance(a)["SQLDelay"] == 600 and node.instance(a)["Slave_SQL_Running"], SOON, "the delay to be known")
    c.write()
    wait_received(c, c3)
    wait_received(c, a)
    old, found = promoted(c, "delayed", c3)
    assert found["LostReplicas"] == [] and a.replication()["SQL_Delay"] == "600", found
    wait_until(lambda: source_of(a) == str(c3.port), SOON, "the delayed one to follow")
    a.sql(f"{a.flavor.stop_replica}; {change[a.flavor.name].replace('600', '0')}; {a.flavor.start_replica}")
    rule(c, a, "neutral")
    c.expect_one_source()
    c.put_back(old)

    # c -> a, b. b wrote something itself
    b.sql("set global read_only=0")
    b.sql("create database if not exists errant")
    b.sql("set global read_only=1")
    for server in (a, b):
        wait_until(lambda: server.replicating(), SOON, f"{server} to replicate")
    old, found = promoted(c, "errant", a)
    expect_errant(c, b, old, found)


def expect_errant(c, server, old, found):
    """README: it follows on MySQL, and keeps what it wrote; on MariaDB it cannot, and is named, and left as it is."""
    lost = [k["Port"] for k in found["LostReplicas"]]
    if server.flavor.name == "mysql":
        assert lost == [], found
        c.expect_one_source()
        uuid = server.value("select @@server_uuid")
        wait_until(lambda: uuid in c.group.wait_leader().instance(server)["GtidErrant"], SOON, "its own transactions to be shown")
        return
    assert lost == [server.port] and source_of(server) == str(old.port), found
    leader = c.group.wait_leader()
    assert {i["Key"]["Port"] for i in leader.api("downtimed") if i["DowntimeReason"] == "lost-in-recovery"} == {server.port, old.port}
    why = f"{server.address}.*has transactions that the promoted server lacks"
    assert any(re.search(why, s["Message"]) for s in leader.api(f"audit-recovery-steps/{found['UID']}")), "nobody says why"
    c.expect_one_source(server)


def nobody(c, why, *said):
    """No recovery promotes anybody: it says why, leaves everybody as they are, and is not tried again. Returns the source, dead."""
    replicas = c.replicas()
    old, (uid, state) = fail_over(c, why)
    found = record(c, uid)
    assert state == "undone" and not found["IsSuccessful"], found
    text = "".join(found["AllErrors"])
    assert "nobody may be promoted" in text and all(s in text for s in said), found
    assert "PostUnsuccessfulFailoverProcesses" in c.hooks(uid)
    assert c.writable() == [] and {source_of(s) for s in replicas} == {str(old.port)}
    before = len(c.recoveries(c.group[0]))
    pass_time(3)
    assert len(c.recoveries(c.group[0])) == before, "it is tried over and over"
    return old


def back(c, old):
    old.start()
    for server in c.replicas():
        applier(server, "start")
        server.wait_replicating(SOON)
    c.expect_one_source()
    c.group.wait_leader().change("ack-all-recoveries?comment=seen")


def test_who_is_not_promoted(cluster):
    """Nobody may be; where b, which is elsewhere, may be, it is. And who holds most, but will lose it."""
    c = cluster
    a, b, c3 = (c.servers[name] for name in "abc")
    configure(c, PreventCrossDataCenterMasterFailover=True, FailMasterPromotionOnLagMinutes=60,
              ReplicationLagQuery=f"select if(@@port = {c3.port}, 3600, 0)")
    back(c, nobody(c, "lag and data center", f"{c3.address}: lags too much", f"{b.address}: is in another data center"))
    configure(c, PreventCrossDataCenterMasterFailover=None, FailMasterPromotionOnLagMinutes=None, ReplicationLagQuery=None,
              PreventCrossRegionMasterFailover=True, DetectRegionQuery=f"select if(@@port = {b.port}, 'far', 'near')",
              FailMasterPromotionIfSQLThreadNotUpToDate=True)
    applier(c3, "stop")
    c.write()
    wait_received(c, c3)
    back(c, nobody(c, "applier and region", f"{c3.address}: has not applied what it received", f"{b.address}: is in another region"))
    configure(c, PreventCrossRegionMasterFailover=None, DetectRegionQuery=None, FailMasterPromotionIfSQLThreadNotUpToDate=None,
              PromotionIgnoreHostnameFilters=[f":{c3.port}$"])
    old, found = promoted(c, "another data center", b)
    c.put_back(old)
    configure(c, PromotionIgnoreHostnameFilters=None)

    # c received more than a, and neither of its threads runs: MySQL keeps what c received, MariaDB would throw it away at any START
    applier(c3, "stop")
    c.write()
    wait_received(c, c3)
    wait_until(lambda: c.has_all(a), SOON, "a to have it")
    receiver(a, "stop")
    c.write()
    wait_received(c, c3)
    receiver(c3, "stop")
    is_mariadb = a.flavor.name == "mariadb"
    old, found = promoted(c, "threads", a if is_mariadb else c3)
    assert found["Loss"] not in ("", "none"), found
    c.number -= is_mariadb  # what only c had received
    c.expect_one_source()
    promoted_but_not_made_writable(c)


def promoted_but_not_made_writable(c):
    """That is left to hooks, or to people; it only does not look for its old source any more."""
    new, = (s for s in c.replicas() if s.state == "running")
    c.group.wait_leader().change("ack-all-recoveries?comment=seen")
    for node in c.group:
        read = node.log_text().count("configuration reloaded")
        node.configure(ApplyMySQLPromotionAfterMasterFailover=False, MasterFailoverDetachReplicaMasterHost=True)
        node.reload()
        wait_until(lambda: node.log_text().count("configuration reloaded") > read, SOON, f"{node.name} to read its configuration")
        wait_until(lambda: node.instance(new)["MasterKey"]["Port"] == c.source.port and node.instance(new)["Slave_IO_Running"], SOON,
                   f"{node.name} to know whom {new} follows")
    old, (uid, state) = fail_over(c, "not made writable")
    found = record(c, uid)
    assert (state, found["SuccessorKey"]["Port"]) == ("done", new.port) and c.writable() == [], found
    row = new.replication()
    assert row.get("Master_Host", row.get("Source_Host")) == f"//{old.host}" and not new.replicating(), row


def test_who_was_refused_is_promoted_only_by_name(cluster):
    """c was away for too long: its source has purged what it lacks. Nobody else may be promoted; an operator may take c all the same."""
    c = cluster
    a, b, c3 = (c.servers[name] for name in "abc")
    rule(c, b, "must_not")
    receiver(c3, "stop")
    c.write()
    wait_until(lambda: c.has_all(b), SOON, "b to have it")
    a.sql("flush binary logs")
    c.write()
    wait_until(lambda: c.has_all(b), SOON, "b to have it")
    newest = a.sql("show binary logs")[-1]["Log_name"]
    wait_until(lambda: a.sql(f"purge binary logs to '{newest}'") == [] and len(a.sql("show binary logs")) == 1, SOON, "nobody to read the old one")
    receiver(c3, "start")
    for node in c.group:
        wait_until(lambda: "1236" in node.instance(c3)["LastIOError"], SOON, f"{node.name} to know that c was refused")
    old, (uid, state) = fail_over(c, "refused")
    found = record(c, uid)
    assert state == "undone" and c.writable() == [], found
    assert f"{b.address}: promotion rule must_not" in str(found["AllErrors"]) and f"{c3.address}: was refused by its source" in str(found["AllErrors"]), found
    before = {uid for uid, _ in c.recoveries(c.group[0])}
    answer = c.group.wait_leader().get(f"/api/recover/{old.host}/{old.port}/{c3.host}/{c3.port}", timeout=SOON)
    assert answer.status == 200, answer
    assert [state for _, state in c.wait_over(before, "asked for")] == ["done"] and c.writable() == [c3]


@contextlib.contextmanager
def applier_held_up(server):
    """It runs, and waits for a lock that somebody has on the table."""
    client = subprocess.Popen([*server.flavor.client_command(), "--no-defaults", "--unbuffered", "--skip-column-names", f"--socket={server.socket}",
                               "--user=root"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        client.stdin.write("lock tables was.here read; select 'locked';\n")
        client.stdin.flush()
        assert client.stdout.readline().strip() == "locked"
        yield
    finally:
        client.communicate(timeout=SOON)  # its connection ends, and its lock


def test_the_promotion_waits_for_the_applier(cluster):
    """DelayMasterPromotionIfSQLThreadNotUpToDate: as long as it takes, where it would be given up after a second."""
    c = cluster
    b, c3 = c.servers["b"], c.servers["c"]
    rule(c, b, "must_not")
    configure(c, InstanceBulkOperationsWaitTimeoutSeconds=1)
    with applier_held_up(c3):
        c.write()
        wait_received(c, c3)
        old = nobody(c, "given up")
    back(c, old)
    configure(c, DelayMasterPromotionIfSQLThreadNotUpToDate=True)
    before = {uid for uid, _ in c.recoveries(c.group[0])}
    with applier_held_up(c3):
        c.write()
        wait_received(c, c3)
        c.source.kill()
        wait_until(lambda: {state for uid, state in c.recoveries(c.group[0]) if uid not in before} == {"prepare"}, SOON, "it to prepare")
        pass_time(5)
        assert c.writable() == [] and [state for uid, state in c.recoveries(c.group[0]) if uid not in before] == ["prepare"]
    assert [state for _, state in c.wait_over(before, "delayed")] == ["done"]
    assert c.writable() == [c3] and c.has_all(c3)


def a_stopped_probers_steps_come_too_late(c, claim, state):
    """The leader's probers stop with steps in their hands, and wake up after the time in which these may be sent."""
    for node in c.group:
        node.halt_at("state", state, claim)
    old, before = c.source, {uid for uid, _ in c.recoveries(c.group[0])}
    old.kill()
    pid = int(wait_until(lambda: claim.exists() and claim.read_text(), SOON, f"the recovery to come to {state}"))
    node = next(node for node in c.group if pid in node.children("raftd"))
    wait_until(lambda: stopped(pid), SOON, "the leader to halt")
    seen, probers = len(node.log_text()), node.children("prober")
    for prober in probers:
        os.kill(prober, SIGSTOP)
    os.kill(pid, SIGCONT)
    pass_time(1.2)  # a lease is 0.4 s; the supervisor takes a prober for dead after 3 s
    for prober in probers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(prober, SIGCONT)
    c.wait_new_source(old)
    new = c.wait_over(before, f"(probers stopped in {state})")
    assert [s for _, s in new].count("done") == 1, new
    c.expect_one_source()
    late = re.search(r'step: "(break-lock|set-writable|stop-replica)".* result=LATE sent=0', node.log_text()[seen:])
    assert late or node.children("prober") != probers, "nothing came late"
    c.put_back(old)


def a_source_again_is_not_fenced(c):
    """It failed, was replaced, and replaced that one later: when it returns once more, and nobody took its place, it is not fenced as it
    was then."""
    again, (other, third) = c.source, c.replicas()
    rule(c, third, "must_not")
    old, _ = promoted(c, "first", other)
    c.put_back(old)
    old, _ = promoted(c, "again", again)
    c.put_back(old)
    leader = c.group.wait_leader()
    leader.change("disable-global-recoveries")
    seen = len(leader.log_text())
    again.spec.source = None  # it comes back writable
    again.kill()
    dead = re.compile(rf"instance={again.address} verdict=DEAD")
    wait_until(lambda: dead.search(leader.log_text()[seen:]), SOON, "the failure to be found")
    again.start()
    wait_until(lambda: f"detect: instance={again.address} answers again" in leader.log_text()[seen:], SOON, "its return to be seen")
    pass_time(2)  # fences are tried four times a second
    assert c.writable() == [again]
    c.expect_one_source()


def test_steps_of_another_time(cluster, tmp_path):
    for state in ("fence", "promote", "repoint"):
        a_stopped_probers_steps_come_too_late(cluster, tmp_path / f"claim-{state}", state)
    a_source_again_is_not_fenced(cluster)
