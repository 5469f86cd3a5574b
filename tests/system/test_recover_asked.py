"""Operators ask for recoveries: three nodes, real servers. No filter names the cluster, so nothing begins by itself."""

import concurrent.futures
import re

import pytest

from sandbox import Sandbox
from waiting import wait_until

SOON = 30
LONG = 120  # of an answer that comes when a recovery has ended
CONFIG = {"InstancePollSeconds": 1}


def state(server):
    """What a recovery could change."""
    if server.pid is None:
        return None
    row = server.replication() or {}
    threads = {name: value for name, value in row.items() if name.endswith(("SQL_Running", "_Host", "_Port", "Master_Server_Id"))}
    return server.value("select @@global.read_only"), server.executed_gtids(), threads


def states(servers):
    return {server.name: state(server) for server in servers}


def ready(new_group, servers, **config):
    group = new_group(3, config={"DiscoverySeeds": [servers["a"].address], **CONFIG, **config})
    for node in group:
        node.wait_instances([s.address for s in servers], SOON)
    servers["a"].sql("create database was; create table was.here (n int primary key); insert into was.here values (1)")
    for name in "bcd":
        servers.catch_up(name)
    return group


def found_dead(group, server):
    def recorded():
        return [d for d in group.wait_leader().api("audit-failure-detection")
                if d["AnalysisEntry"]["AnalyzedInstanceKey"]["Port"] == server.port and d["AnalysisEntry"]["Analysis"] == "DeadMaster"]

    wait_until(recorded, SOON, "the detection")


def place(server):
    return f"{server.host}/{server.port}"


def ask(node, path, **how):
    answer = node.get(f"/api/{path}", timeout=LONG, **how)
    return answer.status, answer.json()


def recover(node, path, **how):
    """A vote that was undecided for once, on a slow machine, is no answer to this test."""
    def asked():
        status, answer = ask(node, path, **how)
        return not re.fullmatch(r"Recovery not attempted(: it .*)?", answer["Message"]) and (status, answer)

    return wait_until(asked, LONG, "the votes", interval=0.5)


def key_of(server):
    return {"Hostname": server.host, "Port": server.port}


def expect_all_follow(source, others):
    source.sql("insert into was.here values (2)")
    for server in others:
        wait_until(lambda: server.value("select count(*) from was.here") == "2", SOON, "the replicas to follow")


def running(node):
    def uid():
        found = [r["UID"] for r in node.api("audit-recovery?details=true") if r["State"] == "hooks"]
        return found and found[0]

    return wait_until(uid, SOON, "a recovery that runs hooks")


@pytest.mark.parametrize("flavor", ["mariadb", "mysql"])
def test_looked_at_given_up_and_done(new_group, tmp_path, flavor):
    """A dry run touches nothing, of a primary that is well and of a dead one; nor does a recovery that is given up in time."""
    hook = f"echo ran >> {tmp_path}/hooks; until [ -e {tmp_path}/go ]; do sleep 0.1; done"
    with Sandbox(f"{flavor}: a > b, a > c, a > d") as servers, concurrent.futures.ThreadPoolExecutor() as pool:
        group = ready(new_group, servers, PreFailoverProcesses=[hook])
        a, others = servers["a"], [servers[name] for name in "bcd"]
        first, second, third = sorted(others, key=lambda s: s.port)  # with the same transactions: the first by name
        leader = group.wait_leader()
        follower, other = group.others(leader)
        before = states(servers)
        status, plan = ask(follower, f"recover/{place(a)}?dry-run=true")
        assert (status, plan["Message"]) == (200, "Dry run: nothing was changed")
        assert f"not now: {a.address} is not dead" in plan["Details"]
        assert ask(follower, f"recover/{place(a)}") == (500, {"Code": "ERROR", "Message": "Recovery not attempted", "Details": key_of(a)})
        assert states(servers) == before

        a.kill()
        found_dead(group, a)
        wait_until(lambda: all(s.replication()[s.flavor.io_column] == "Connecting" for s in others), SOON, "the replicas to miss it")
        before = states(servers)
        status, plan = ask(follower, f"recover/{place(a)}?dry-run=true")
        assert status == 200 and f"choice: promote {first.address}" in plan["Details"], plan
        assert "not by itself: RecoverMasterClusterFilters does not name the cluster" in plan["Details"]
        _, plan = ask(follower, f"recover-lite/{place(a)}/{place(second)}?dry-run=true")
        assert f"choice: promote {second.address}" in plan["Details"], plan
        assert follower.api("audit-recovery") == [] and states(servers) == before

        asked = pool.submit(recover, follower, f"recover/{place(a)}")
        uid = running(leader)
        assert ask(other, f"recover/{place(a)}")[1]["Message"].startswith("Recovery not attempted: another recovery of the cluster is running")
        assert ask(other, f"abort-recovery/{uid}")[1] == {"Code": "OK", "Message": "Recovery aborted: asked by an operator", "Details": uid}
        status, answer = asked.result()
        assert (status, answer["Message"]) == (500, "Recovery not attempted: asked by an operator")
        assert states(servers) == before

        # without hooks: nothing waits for anybody
        assert recover(follower, f"recover-lite/{place(a)}/{place(second)}") == (200, {
            "Code": "OK", "Message": f"Recovery executed on {a.address}", "Details": key_of(second)})
        assert (tmp_path / "hooks").read_text() == "ran\n"
        assert [s.value("select @@global.read_only") for s in (first, second, third)] == ["1", "0", "1"]
        expect_all_follow(second, [first, third])
        # whoever answered has seen it
        done = follower.api("audit-recovery")[0]
        assert (done["IsSuccessful"], done["SuccessorKey"]) == (True, key_of(second))
        replayed = follower.api(f"recovery-input/{done['UID']}")["Details"]
        assert " chosen_us=" in replayed[0] and all(" answered=1" in line for line in replayed[3:])
        assert [line.split()[0] for line in replayed] == ["recovery", "policy", "failed"] + ["server"] * 3


def test_the_leader_dies_while_it_is_waited_for(new_group, tmp_path):
    """The client hears that nobody knows the outcome; it asks again under the same name, and is told."""
    hook = f"echo ran >> {tmp_path}/hooks; until [ -e {tmp_path}/go ]; do sleep 0.1; done"
    with Sandbox("mariadb: a > b, a > c, a > d") as servers, concurrent.futures.ThreadPoolExecutor() as pool:
        group = ready(new_group, servers, PreFailoverProcesses=[hook])
        a, others = servers["a"], [servers[name] for name in "bcd"]
        leader = group.wait_leader()
        follower = group.others(leader)[0]
        name = {"Idempotency-Key": "after/the/storm"}
        a.kill()
        found_dead(group, a)
        asked = pool.submit(recover, follower, f"recover/{place(a)}", headers=name)
        running(leader)
        leader.kill()
        status, answer = asked.result()
        assert status in (502, 504) and "the outcome is unknown" in answer["Message"], answer
        second = group.wait_leader(among=group.others(leader))
        (tmp_path / "go").touch()
        ended = wait_until(lambda: [r for r in second.api("audit-recovery") if r["RecoveryEndTimestamp"]], 60, "its end")[0]
        status, answer = ask(follower, f"recover/{place(a)}", headers=name)
        assert len(second.api("audit-recovery")) == 1
        if ended["IsSuccessful"]:
            assert (status, answer["Details"]) == (200, ended["SuccessorKey"])
            new = next(s for s in others if s.port == answer["Details"]["Port"])
            assert [s for s in others if s.value("select @@global.read_only") == "0"] == [new]
            expect_all_follow(new, [s for s in others if s is not new])
        else:  # not found dead again in time: undone
            assert status == 500 and "attempted" in answer["Message"]
            assert all(s.value("select @@global.read_only") == "1" for s in others)
