"""replication-analysis of real servers: what goes wrong is named, as the rules say, by route, command line and client, and remembered."""

import contextlib
import sqlite3

from waiting import wait_until
from watching import key

SOON = 20  # several probes, on a slow machine


def names(servers):
    return {server.address: server.name for server in servers}


def entries(node, servers):
    """{name: entry of replication-analysis}"""
    found = node.api("replication-analysis")["Details"]
    return {names(servers)[f"{e['AnalyzedInstanceKey']['Hostname']}:{e['AnalyzedInstanceKey']['Port']}"]: e for e in found}


def expect(node, servers, expected):
    """Until exactly these servers have exactly these codes; warnings don't count."""
    def right():
        shown = {name: e["Analysis"] for name, e in entries(node, servers).items() if e["Analysis"] != "NoProblem"}
        assert shown == expected, shown
        return True

    wait_until(right, SOON, f"{expected}")


def remembered(node, servers):
    """{name: code} as the backend has it."""
    with contextlib.closing(sqlite3.connect(f"file:{node.dir}/orchestrator.sqlite3?mode=ro", uri=True)) as db:
        return {names(servers)[f"{host}:{port}"]: code
                for host, port, code in db.execute("SELECT hostname, port, analysis FROM database_instance_last_analysis")}


def changes(node, servers):
    """{name: [codes in order]} of the changelog."""
    rows = node.api("replication-analysis-changelog") or []
    return {names(servers)[f"{r['AnalyzedInstanceKey']['Hostname']}:{r['AnalyzedInstanceKey']['Port']}"]:
            [c.split(";")[1].rstrip(",") for c in r["Changelog"]] for r in rows}


def expect_last(node, servers, **codes):
    wait_until(lambda: remembered(node, servers) == codes, SOON, f"the backend to know {codes}")


def test_what_is_wrong_is_named_and_remembered(node, servers):
    a, b, d = servers["a"], servers["b"], servers["d"]
    node.wait_instances([s.address for s in servers])
    expect(node, servers, {})
    expect_last(node, servers, a="NoProblem", b="NoProblem")
    assert changes(node, servers) == {}

    for server in (b, d):
        server.sql(server.flavor.stop_replica)
    expect(node, servers, {"a": "AllMasterReplicasNotReplicating"})
    expect_last(node, servers, a="AllMasterReplicasNotReplicating", b="NoProblem")
    line = f"{a.address} (cluster {a.address}): AllMasterReplicasNotReplicating"
    assert line in node.command("-c", "replication-analysis").stdout
    assert line in node.client("-c", "replication-analysis").stdout
    one = node.api(f"replication-analysis/instance/{key(a)}")["Details"]
    assert [e["Analysis"] for e in one] == ["AllMasterReplicasNotReplicating"]
    assert {r["Port"] for r in one[0]["Replicas"]} == {b.port, d.port}

    for server in (b, d):  # on purpose
        node.api(f"begin-downtime/{key(server)}/me/test/10m")
    wait_until(lambda: entries(node, servers)["a"]["SkippableDueToDowntime"], SOON, "downtime to count")
    assert line not in node.command("-c", "replication-analysis").stdout
    assert line in node.client("-c", "replication-analysis").stdout
    for server in (b, d):
        node.api(f"end-downtime/{key(server)}")
        server.sql(server.flavor.start_replica)
    expect(node, servers, {})
    expect_last(node, servers, a="NoProblem", b="NoProblem")

    a.kill()
    expect(node, servers, {"a": "DeadMaster", "b": "FirstTierReplicaFailingToConnectToMaster",
                           "d": "FirstTierReplicaFailingToConnectToMaster"})
    expect_last(node, servers, a="DeadMaster", b="FirstTierReplicaFailingToConnectToMaster")
    b.kill()
    expect(node, servers, {"a": "DeadMasterAndSomeReplicas", "b": "DeadIntermediateMasterWithSingleReplicaFailingToConnect",
                           "d": "FirstTierReplicaFailingToConnectToMaster"})
    expect_last(node, servers, a="DeadMasterAndSomeReplicas", b="DeadIntermediateMasterWithSingleReplicaFailingToConnect")
    a.start(wait=False)
    b.start()
    a.wait_ready()
    expect(node, servers, {})
    expect_last(node, servers, a="NoProblem", b="NoProblem")

    told = changes(node, servers)
    steps = ["AllMasterReplicasNotReplicating", "NoProblem", "DeadMaster", "DeadMasterAndSomeReplicas", "NoProblem"]
    passed = iter(told["a"])
    assert all(step in passed for step in steps), told  # in this order; others may lie between
    assert all(x != y for codes in told.values() for x, y in zip(codes, codes[1:])), told
