"""orchestrator-client against a mock API: for every command the path it asks and what it prints.

CASES is the table: command line → path asked → canned answer → stdout. All of them end with exit code 0 and an empty
stderr; what goes wrong is in test_connection.py and test_options.py.
"""

import getpass
import shlex

import pytest

from mock_api import error, ok, raw


def key(name):
    host, port = name.rsplit(":", 1)
    return {"Hostname": host, "Port": int(port)}


def instance(name, source=":0", sql=1, io=1, errors=("", ""), **more):
    return {"Key": key(name), "MasterKey": key(source), "ReplicationSQLThreadRuning": sql == 1,
            "ReplicationIOThreadRuning": io == 1, "ReplicationSQLThreadState": sql, "ReplicationIOThreadState": io,
            "LastSQLError": errors[0], "LastIOError": errors[1], **more}


CLUSTER = {"ClusterName": "db1:3306", "ClusterAlias": "shop", "CountInstances": 3}
REPLICAS = [
    instance("db2:3306"),
    instance("db3:3306", sql=0, errors=("\"boom\"", "")),
    instance("db4:3306", io=2, errors=("", "\"cannot connect\"")),
    instance("db5:3306", sql=0, io=0),
]
ALL_REPLICAS = "db2:3306\ndb3:3306\ndb4:3306\ndb5:3306\n"
KEYS = [key("db2:3306"), key("db3:3307")]
BOTH = "db2:3306\ndb3:3307\n"
MOVED = ok(instance("db2:3306", source="db9:3310"))
RELATION = "db2:3306<db9:3310\n"
PROBED = ok(instance("db1:3307"))
ME = getpass.getuser()


def analysis(name, code, structure=None):
    return {"AnalyzedInstanceKey": key(name), "ClusterDetails": CLUSTER, "Analysis": code,
            "StructureAnalysis": structure}


def centre(name):
    return instance("db:1", DataCenter=name)


CASES = [
    # The API as such. Blanks inside strings stay as they are.
    ("api -P clusters", "clusters", raw(["a:1", "b  c", {}]), '[ "a:1", "b  c", {} ]\n'),
    ("api -P /status", "status", ok({"N": [], "x": None}),
     '{ "Code": "OK", "Message": "", "Details": { "N": [], "x": null } }\n'),
    ("api -P lb-check", "lb-check", raw("OK"), '"OK"\n'),
    ("api -P 'search?s=[1-9]{a,b}'", "search?s=[1-9]{a,b}", raw([]), "[]\n"),
    ("api -P 'search?s=a b'", "search?s=a%20b", raw([]), "[]\n"),

    # Discovery and information
    ("async-discover -i db1:3307", "async-discover/db1/3307", ok(), ":null\n"),
    ("discover -i db1:3307", "discover/db1/3307", PROBED, "db1:3307\n"),
    ("forget -i db1:3307", "forget/db1/3307", ok(key("db1:3307")), ""),
    ("forget-cluster -a shop", "forget-cluster/shop", ok(), ""),
    ("topology -a shop", "topology/shop", ok("db1:3306 [0s,ok]\n+ db2:3306 [0s,ok,>>]"),
     "db1:3306 [0s,ok]\n+ db2:3306 [0s,ok,>>]\n"),
    ("topology -a ..", "topology/..", ok("tree"), "tree\n"),
    ("topology -i db1:3306", "topology/db1:3306", ok("tree"), "tree\n"),
    ("topology-tabulated -a shop", "topology-tabulated/shop", ok("a  |b"), "a  |b\n"),
    ("topology-tags -a shop", "topology-tags/shop", ok("a []"), "a []\n"),
    ("snapshot-topologies", "snapshot-topologies", ok("Took 351.871µs"), "Took 351.871µs\n"),
    ("clusters", "clusters-info", raw([CLUSTER, {"ClusterName": "x:1"}]), "db1:3306\nx:1\n"),
    ("clusters-alias", "clusters-info", raw([CLUSTER]), "db1:3306,shop\n"),
    ("search -i 'db 1'", "search?s=db%201", raw(REPLICAS), ALL_REPLICAS),
    ("search -i db1:3306", "search?s=db1:3306", raw([]), ""),
    ("instance -i db1:3307", "instance/db1/3307", raw(instance("db1.example.com:3307")), "db1.example.com:3307\n"),
    ("which-instance -i db1:3307", "instance/db1/3307", raw(instance("db1:3307")), "db1:3307\n"),
    ("which-master -i db2:3306", "instance/db2/3306", raw(instance("db2:3306", "db1:3306")), "db1:3306\n"),
    ("which-master -i db1:3306", "instance/db1/3306", raw(instance("db1:3306")), ":0\n"),
    ("which-replicas -i db1:3306", "instance-replicas/db1/3306", raw(REPLICAS), ALL_REPLICAS),
    ("which-broken-replicas -i db1:3306", "instance-replicas/db1/3306", raw(REPLICAS), "db3:3306\ndb4:3306\n"),
    ("which-cluster-instances -a shop", "cluster/shop", raw(REPLICAS), ALL_REPLICAS),
    ("which-cluster -i db1", "cluster-info/db1", raw(CLUSTER), "db1:3306\n"),
    ("which-cluster-alias -i db1:3306", "cluster-info/db1:3306", raw(CLUSTER), "shop\n"),
    ("which-cluster-master -a shop", "master/shop", raw(instance("db7:3306", ClusterName="db1:3306")), "db1:3306\n"),
    ("all-clusters-masters", "masters", raw(REPLICAS), ALL_REPLICAS),
    ("all-clusters-masters", "masters", raw(None), ""),
    ("all-instances", "all-instances", raw(REPLICAS), ALL_REPLICAS),
    ("which-cluster-osc-replicas -a shop", "cluster-osc-replicas/shop", raw(REPLICAS), ALL_REPLICAS),
    ("which-cluster-osc-running-replicas -a shop", "cluster-osc-replicas/shop", raw(REPLICAS), "db2:3306\n"),
    ("downtimed", "downtimed", raw(REPLICAS), ALL_REPLICAS),
    ("downtimed -a shop", "downtimed/shop", raw([]), ""),
    ("dominant-dc", "masters", raw([centre("fra"), centre("ams"), centre("fra")]), "fra\n"),
    ("dominant-dc", "masters", raw([]), ""),
    ("submit-masters-to-kv-stores", "submit-masters-to-kv-stores",
     ok([{"Key": "mysql/shop", "Value": "db1:3306"}, {"Key": "mysql/shop/port", "Value": "3306"}]),
     "mysql/shop:db1:3306\nmysql/shop/port:3306\n"),
    ("submit-masters-to-kv-stores -a shop -i ignored", "submit-masters-to-kv-stores/shop", ok(), ""),

    # Moving replicas
    ("relocate -i db2 -d db9:3310", "relocate/db2/3306/db9/3310", MOVED, RELATION),
    ("relocate-replicas -i db2 -d db9:3310", "relocate-replicas/db2/3306/db9/3310", ok(REPLICAS), ALL_REPLICAS),
    ("match -i db2 -d db9:3310", "match/db2/3306/db9/3310", MOVED, RELATION),
    ("match-up -i db2", "match-up/db2/3306", MOVED, RELATION),
    ("match-up-replicas -i db2", "match-up-replicas/db2/3306", ok(key("db9:3310")), "db9:3310\n"),
    ("move-up -i db2", "move-up/db2/3306", MOVED, RELATION),
    ("move-below -i db2 -s db9:3310", "move-below/db2/3306/db9/3310", MOVED, RELATION),
    ("move-equivalent -i db2 -d db9:3310", "move-equivalent/db2/3306/db9/3310", MOVED, RELATION),
    ("move-up-replicas -i db2", "move-up-replicas/db2/3306", ok(REPLICAS), ALL_REPLICAS),
    ("make-co-master -i db2", "make-co-master/db2/3306", MOVED, RELATION),
    ("take-master -i db2", "take-master/db2/3306", MOVED, RELATION),
    ("enslave-master -i db2", "take-master/db2/3306", MOVED, RELATION),
    ("move-gtid -i db2 -d db9:3310", "move-below-gtid/db2/3306/db9/3310", MOVED, RELATION),
    ("move-replicas-gtid -i db2 -d db9:3310", "move-replicas-gtid/db2/3306/db9/3310", ok(key("db9:3310")),
     "db9:3310\n"),
    ("move-replicas-gtid -i db2 -d db9:3310", "move-replicas-gtid/db2/3306/db9/3310", ok(REPLICAS), ALL_REPLICAS),
    ("repoint -i db2 -d db9:3310", "repoint/db2/3306/db9/3310", MOVED, RELATION),
    ("repoint-replicas -i db2", "repoint-replicas/db2/3306", ok([]), ""),
    ("take-siblings -i db2", "take-siblings/db2/3306", MOVED, RELATION),

    # Tags and pools
    ("tags -i db1", "tags/db1/3306", raw(["a=1", "b="]), "a=1\nb=\n"),
    ("tag-value -i db1 -t a", "tag-value/db1/3306?tag=a", raw("some value"), "some value\n"),
    ("tag -i db1 -t 'a=x & y'", "tag/db1/3306?tag=a%3Dx%20%26%20y", ok(key("db1:3306")), "db1:3306\n"),
    ("untag -i db1 -t 'a=x y'", "untag/db1/3306?tag=a%3Dx%20y", ok([key("db1:3306")]), "db1:3306\n"),
    ("untag -i db1 -t a", "untag/db1/3306?tag=a", ok([]), ""),
    ("untag-all -t a=1", "untag-all?tag=a%3D1", ok(KEYS), BOTH),
    ("tagged -t 'a,~b'", "tagged?tag=a%2C~b", raw(KEYS), BOTH),
    ("tagged -t a -i db1", "tagged?tag=a", raw(KEYS), BOTH),
    ("submit-pool-instances -l p -i 'db1,db2:3307'", "submit-pool-instances/p?instances=db1%2Cdb2:3307", ok("p"),
     "p\n"),
    ("which-heuristic-cluster-pool-instances -a shop", "heuristic-cluster-pool-instances/shop", ok(REPLICAS),
     ALL_REPLICAS),
    ("which-heuristic-cluster-pool-instances -a shop -l p", "heuristic-cluster-pool-instances/shop/p", ok([]), ""),

    # Downtime, maintenance, registration
    ("begin-downtime -i db1 -r 'new disk' -o ann -u 2h", "begin-downtime/db1/3306/ann/new%20disk/2h",
     ok(key("db1:3306")), "db1:3306\n"),
    ("begin-downtime -i db1 -r why", "begin-downtime/db1/3306/%s/why/10m" % ME, ok(key("db1:3306")), "db1:3306\n"),
    ("begin-downtime -i db1 -r why -u ''", "begin-downtime/db1/3306/%s/why" % ME, ok(key("db1:3306")), "db1:3306\n"),
    ("end-downtime -i db1", "end-downtime/db1/3306", ok(key("db1:3306")), "db1:3306\n"),
    ("begin-maintenance -i db1 -r 'ünsafe?'", "begin-maintenance/db1/3306/%s/%%C3%%BCnsafe%%3F" % ME,
     ok(key("db1:3306")), "db1:3306\n"),
    ("end-maintenance -i db1", "end-maintenance/db1/3306", ok(key("db1:3306")), "db1:3306\n"),
    ("register-candidate -i db1 -R prefer", "register-candidate/db1/3306/prefer", ok(key("db1:3306")), "db1:3306\n"),
    ("register-hostname-unresolve -i db1 -H vip", "register-hostname-unresolve/db1/3306/vip", ok(key("db1:3306")),
     "db1:3306\n"),
    ("deregister-hostname-unresolve -i db1", "deregister-hostname-unresolve/db1/3306", ok(key("db1:3306")),
     "db1:3306\n"),

    # Replication control
    *[(name + " -i db1:3307", name + "/db1/3307", PROBED, "db1:3307\n") for name in (
        "stop-replica", "stop-replica-nice", "start-replica", "restart-replica", "reset-replica",
        "change-master-credentials", "detach-replica", "reattach-replica", "detach-replica-master-host",
        "reattach-replica-master-host", "skip-query", "gtid-errant-reset-master", "gtid-errant-inject-empty",
        "enable-semi-sync-master", "disable-semi-sync-master", "enable-semi-sync-replica",
        "disable-semi-sync-replica", "set-read-only", "set-writeable", "flush-binary-logs")],
    ("stop-slave -i db1:3307", "stop-replica/db1/3307", PROBED, "db1:3307\n"),
    ("detach-slave-master-host -i db1:3307", "detach-replica-master-host/db1/3307", PROBED, "db1:3307\n"),
    ("which-slaves -i db1", "instance-replicas/db1/3306", raw(REPLICAS), ALL_REPLICAS),
    ("which-gtid-errant -i db1", "instance/db1/3306", raw(instance("db1:3306", GtidErrant="u:1-3,\nv:2")),
     "u:1-3,\nv:2\n"),
    ("which-gtid-errant -i db1", "instance/db1/3306", raw(instance("db1:3306", GtidErrant="")), "\n"),
    ("locate-gtid-errant -i db1", "locate-gtid-errant/db1/3306", ok(["bin.1", "bin.2"]), "bin.1\nbin.2\n"),
    ("restart-replica-statements -i db1 -q 'set global x=1'",
     "restart-replica-statements/db1/3306?q=set%20global%20x%3D1", ok(["stop slave;", "set  x;"]),
     '[ "stop slave;", "set  x;" ]\n'),
    ("delay-replication -i db1 -S 30", "delay-replication/db1/3306/30", ok(30), "30\n"),
    ("can-replicate-from -i db1 -d db2", "can-replicate-from/db1/3306/db2/3306", ok(key("db2:3306"), "true"),
     "db2:3306\n"),
    ("can-replicate-from -i db1 -d db2", "can-replicate-from/db1/3306/db2/3306", ok(key("db2:3306"), "false"), ""),
    ("can-replicate-from-gtid -i db1 -d db2", "can-replicate-from-gtid/db1/3306/db2/3306",
     ok(key("db2:3306"), "Orchestrator orc1 says: true"), "db2:3306\n"),
    ("can-replicate-from-gtid -i db1 -d db2", "can-replicate-from-gtid/db1/3306/db2/3306",
     ok(key("db2:3306"), "Orchestrator true.example.com says: false"), ""),
    ("is-replicating -i db2", "instance/db2/3306", raw(instance("db2:3306")), "db2:3306\n"),
    ("is-replicating -i db2", "instance/db2/3306", raw(instance("db2:3306", io=2)), ""),
    ("is-replication-stopped -i db2", "instance/db2/3306", raw(instance("db2:3306", sql=0, io=0)), "db2:3306\n"),
    ("is-replication-stopped -i db2", "instance/db2/3306", raw(instance("db2:3306", sql=-1, io=-1)), ""),
    ("purge-binary-logs -i db1:3307 -n bin.000042", "purge-binary-logs/db1/3307/bin.000042", PROBED, "db1:3307\n"),
    ("last-pseudo-gtid -i db1", "last-pseudo-gtid/db1/3306", ok("drop view if exists `m`.`x`"),
     "drop view if exists `m`.`x`\n"),

    # Recovery
    ("replication-analysis", "replication-analysis",
     ok([analysis("db1:3306", "DeadMaster"), analysis("db2:3306", "NoProblem", ["ErrantGTIDStructureWarning", "x"])]),
     "db1:3306 (cluster db1:3306): DeadMaster\ndb2:3306 (cluster db1:3306): ErrantGTIDStructureWarning\n"),
    ("replication-analysis", "replication-analysis", ok([]), ""),
    ("recover -i db1", "recover/db1/3306", ok(key("db2:3306")), "db2:3306\n"),
    ("recover -i db1 -d db2", "recover/db1/3306/db2/3306", ok(key("db2:3306")), "db2:3306\n"),
    ("graceful-master-takeover -a shop", "graceful-master-takeover/shop", ok({"SuccessorKey": key("db2:3306")}),
     "db2:3306\n"),
    ("graceful-master-takeover -i db1:3306 -d db2", "graceful-master-takeover/db1:3306/db2/3306",
     ok({"SuccessorKey": key("db2:3306")}), "db2:3306\n"),
    ("graceful-master-takeover-auto -a shop -d db2", "graceful-master-takeover-auto/shop/db2/3306",
     ok({"SuccessorKey": key("db2:3306")}), "db2:3306\n"),
    ("force-master-failover -a shop", "force-master-failover/shop", ok({"SuccessorKey": key("db2:3306")}),
     "db2:3306\n"),
    ("force-master-takeover -a shop -d db2:3307", "force-master-takeover/shop/db2/3307",
     ok({"SuccessorKey": key("db2:3307")}), "db2:3307\n"),
    ("ack-cluster-recoveries -a shop -r 'seen it, all'", "ack-recovery/cluster/shop?comment=seen%20it%2C%20all",
     ok("db1:3306"), "db1:3306\n"),
    ("ack-all-recoveries -r 'all seen'", "ack-all-recoveries?comment=all%20seen", ok("all seen"), "all seen\n"),
    ("disable-global-recoveries", "disable-global-recoveries", ok("disabled"), "disabled\n"),
    ("enable-global-recoveries", "enable-global-recoveries", ok("enabled"), "enabled\n"),
    ("check-global-recoveries", "check-global-recoveries", ok("enabled"), "enabled\n"),
    ("raft-health", "raft-health", raw("healthy"), "healthy\n"),
]

# Those that first make sure that they talk to the leader.
LEADER_CASES = [
    ("raft-leader", "raft-leader", raw("10.0.0.1:10008"), "10.0.0.1:10008\n"),
    ("raft-leader-hostname", "status", ok({"Hostname": "orc1"}), "orc1\n"),
    ("raft-elect-leader -H orc2", "raft-yield-hint/orc2", ok("orc2"), "orc2\n"),
]

# Answered by the script itself; tested below.
LOCAL = ["help", "which-api"]


def names():
    return LOCAL + [shlex.split(case[0])[0] for case in CASES + LEADER_CASES]


@pytest.mark.parametrize("line, path, answer, stdout", CASES, ids=lambda value: value if isinstance(value, str) else "")
def test_command(client, line, path, answer, stdout):
    mock = client.mock({path: answer})
    result = client.run("-c", *shlex.split(line))
    assert (result.stderr, mock.paths(), result.stdout, result.returncode) == ("", [path], stdout, 0)


@pytest.mark.parametrize("line, path, answer, stdout", LEADER_CASES)
def test_leader_command(client, line, path, answer, stdout):
    mock = client.mock({"raft-state": raw("Leader"), path: answer})
    result = client.run("-c", *shlex.split(line))
    assert (result.stderr, mock.paths(), result.stdout, result.returncode) == ("", ["raft-state", path], stdout, 0)


@pytest.mark.parametrize("line, path, answer, stdout", LEADER_CASES)
def test_leader_command_on_a_follower(client, line, path, answer, stdout):
    mock = client.mock({"raft-state": raw("Follower"), path: answer})
    result = client.run("-c", *shlex.split(line))
    assert (mock.paths(), result.stdout, result.returncode) == (["raft-state"], "", 1)
    assert "is not the raft leader" in result.stderr


def test_leader_command_without_raft(client):
    client.mock({"raft-state": error("raft-state: not running with raft setup")})
    result = client.run("-c", "raft-leader")
    assert (result.stderr, result.stdout, result.returncode) == ("raft-state: not running with raft setup\n", "", 1)


def test_help_needs_neither_tools_nor_server(client):
    for args in (["-c", "help"], ["-h"], ["--help"], ["-help", "x"], ["-h", "x"], ["-c", "forget", "-h"]):
        result = client.run(*args, PATH="/nonexistent")
        assert (result.stderr, result.returncode) == ("", 0)
        assert "  begin-downtime -i [-o] -r [-u] " in result.stdout
        assert "  topology -a|-i " in result.stdout


def test_which_api_of_a_single_endpoint_asks_nothing(client):
    mock = client.mock()
    result = client.run("-c", "which-api")
    assert (result.stdout, result.returncode, mock.paths()) == (mock.url + "/api\n", 0, [])


# --- ERROR ---

def test_error_shows_message_and_details(client):
    client.mock({"recover/db1/3306": error("2026-01-05 ERROR  can't\n'do'\tthat\n", key("db1:3306"))})
    result = client.run("-c", "recover", "-i", "db1")
    assert result.stderr == "2026-01-05 ERROR cant do that\n"
    assert result.stdout == '{ "Hostname": "db1", "Port": 3306 }\n'
    assert result.returncode == 1


def test_error_details_zero_and_null(client):
    client.mock({"begin-maintenance/db1/3306/me/r": error("already", 0), "forget/db1/3306": error("unknown")})
    assert client.run("-c", "begin-maintenance", "-i", "db1", "-o", "me", "-r", "r").stdout == "0\n"
    result = client.run("-c", "forget", "-i", "db1")
    assert (result.stdout, result.stderr, result.returncode) == ("", "unknown\n", 1)


def test_error_of_api_command_is_the_envelope(client):
    client.mock({"forget/db1/3306": error("it's  unknown")})
    result = client.run("-c", "api", "-P", "forget/db1/3306")
    assert result.stdout == '{ "Code": "ERROR", "Message": "it\'s  unknown", "Details": null }\n'
    assert (result.stderr, result.returncode) == ("", 1)


def test_unexpected_shape(client):
    client.mock({"clusters-info": raw([1]), "masters": raw("x")})
    for command in "clusters", "all-clusters-masters":
        result = client.run("-c", command)
        assert (result.stdout, result.returncode) == ("", 5)
        assert "unexpected answer from " in result.stderr
