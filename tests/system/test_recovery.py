"""A dead primary is replaced: three nodes, real servers."""

import pytest

from sandbox import Sandbox
from waiting import wait_until

SOON = 30
CONFIG = {"RecoverMasterClusterFilters": ["*"], "InstancePollSeconds": 1}


def writable(servers):
    return [s for s in servers if s.value("select @@global.read_only") == "0"]


def ready(new_group, servers, replicas="bcd", **config):
    """Three nodes that know all servers; each of these has a row."""
    group = new_group(3, config={"DiscoverySeeds": [servers["a"].address], **CONFIG, **config})
    for node in group:
        node.wait_instances([s.address for s in servers], SOON)
    servers["a"].sql("create database was; create table was.here (n int primary key); insert into was.here values (1)")
    for name in replicas:
        servers.catch_up(name)
    return group


def name_channel(server, source):
    make, start = server.flavor.replicate(source.host, source.port, None)
    server.sql(f"STOP REPLICA; RESET REPLICA ALL; {make} FOR CHANNEL 'of {server.name}'; {start}")


def expect_one_source(others):
    """One is writable, and what is written there arrives at the rest."""
    new = wait_until(lambda: writable(others), SOON, "a writable server")[0]
    new.sql("insert into was.here values (2)")
    for server in others:
        wait_until(lambda: server.value("select count(*) from was.here") == "2", SOON, "the replicas to follow")


def expect_fenced(servers):
    a = servers["a"]
    a.start()
    wait_until(lambda: a.value("select @@global.read_only") == "1", SOON, "the old one to be fenced")
    assert len(writable(servers)) == 1


def expect_told_once(ran, detected, node):
    """One run for each detection, whoever led then."""
    of = [d["AnalysisEntry"] for d in node.api("audit-failure-detection")]
    told = [f"{detected} {d['Analysis']} {d['AnalyzedInstanceKey']['Hostname']}:{d['AnalyzedInstanceKey']['Port']}" for d in of]
    assert of and sorted(line for line in ran.read_text().splitlines() if detected in line) == sorted(told)
    return True


@pytest.mark.parametrize("flavor", ["mariadb", "mysql"])
def test_a_killed_primary_is_replaced(new_group, tmp_path, flavor):
    with Sandbox(f"{flavor}: a > b, a > c, a > d") as servers:
        hooks = {key: [f"echo {key} {{failedPort}} {{countLostReplicas}} >> {tmp_path}/hooks"]
                 for key in ("PreFailoverProcesses", "PostMasterFailoverProcesses", "PostFailoverProcesses")}
        for name in "cd" if flavor == "mysql" else "":
            name_channel(servers[name], servers["a"])
        detected = "OnFailureDetectionProcesses"
        hooks[detected] = [f"echo {detected} {{failureType}} {{failedHost}}:{{failedPort}} >> {tmp_path}/hooks"]
        group = ready(new_group, servers, **hooks)
        a, others = servers["a"], [servers[name] for name in "bcd"]
        a.kill()
        expect_one_source(others)
        wait_until(lambda: any("state=done" in node.log_text() for node in group), SOON, "the end of the recovery")
        ran = (tmp_path / "hooks").read_text().splitlines()
        assert [line for line in ran if detected not in line] == [f"{key} {a.port} 0" for key in hooks if key != detected]
        assert ran[0].startswith(f"{detected} DeadMaster")  # before anything is done
        wait_until(lambda: expect_told_once(tmp_path / "hooks", detected, group.wait_leader()), SOON, "a hook for each detection")
        expect_fenced(servers)
        wait_until(lambda: any("RejoinFailedMaster is off" in node.log_text() for node in group), SOON, "it to be compared")
        assert not a.replication()


def test_primary_and_leader_die_together(new_group):
    """Who leads next recovers; and if that one dies too, the old primary is fenced by the next leader."""
    with Sandbox("mariadb: a > b, a > c, a > d") as servers:
        group = ready(new_group, servers)
        leader = group.wait_leader()
        servers["a"].kill()
        leader.kill()
        expect_one_source([servers[name] for name in "bcd"])
        wait_until(lambda: any("state=done" in node.log_text() for node in group.others(leader)), SOON, "its end")
        leader.start_raft()
        second = group.wait_leader()
        second.kill()
        group.wait_leader(among=group.others(second))
        expect_fenced(servers)
