"""A dead primary is replaced: three nodes, real servers."""

import pytest

from sandbox import Sandbox
from waiting import wait_until

SOON = 30


def follows(server, source):
    rows = server.replication()
    return bool(rows) and server.replicating() and str(source.port) in str(rows)


@pytest.mark.parametrize("flavor", ["mariadb", "mysql"])
def test_a_killed_primary_is_replaced(new_group, flavor):
    with Sandbox(f"{flavor}: a > b, a > c, a > d") as servers:
        a, others = servers["a"], [servers[name] for name in "bcd"]
        group = new_group(3, config={"DiscoverySeeds": [a.address], "RecoverMasterClusterFilters": ["*"],
                                     "InstancePollSeconds": 1})
        group.wait_leader()
        for node in group:
            node.wait_instances([s.address for s in servers], SOON)
        a.sql("create database was; create table was.here (n int primary key); insert into was.here values (1)")
        for server in others:
            servers.catch_up(server.name)

        a.kill()
        new = wait_until(lambda: next((s for s in others if s.value("select @@global.read_only") == "0"), None), SOON,
                         "a writable server")
        new.sql("insert into was.here values (2)")
        for server in others:
            if server is not new:
                wait_until(lambda: server.value("select count(*) from was.here") == "2", SOON, "replicas to follow")
        wait_until(lambda: any("state=done" in node.log_text() for node in group), SOON, "the end of the recovery")

        a.start()
        wait_until(lambda: a.value("select @@global.read_only") == "1", SOON, "the old one to be fenced")
        assert sum(s.value("select @@global.read_only") == "0" for s in servers) == 1
