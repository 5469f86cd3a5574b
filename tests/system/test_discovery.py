"""The main job on real servers of both families: found from one seed, watched, drawn, annotated."""

import datetime
import sqlite3
import time

import pytest

from sandbox import Sandbox
from waiting import wait_until

POLL_SECONDS = 1  # the fixture's InstancePollSeconds


def key(server):
    return f"{server.host}/{server.port}"


def instance(node, server):
    return node.api(f"instance/{key(server)}")


def test_all_are_found_from_one_seed_within_two_polls(new_node, servers, addresses):
    node = new_node(seeds=[servers["c"].address])  # the far end: upwards and downwards again
    started = time.monotonic()
    node.wait_instances(addresses, deadline=10)
    # two polls, and the time four logins take on a busy machine
    assert time.monotonic() - started < 2 * POLL_SECONDS + 1.5


def test_topology_is_drawn(node, servers, addresses):
    node.wait_instances(addresses)
    a, b, c, d = (servers[n].address for n in "abcd")

    def drawn():
        lines = node.api(f"topology/{key(servers['c'])}")["Details"].split("\n")
        heads = [line.split("[")[0].rstrip() for line in lines]
        b_first = servers["b"].port < servers["d"].port
        expected = [a, f"+ {b}", f"  + {c}", f"+ {d}"] if b_first else [a, f"+ {d}", f"+ {b}", f"  + {c}"]
        assert heads == expected, lines
        assert len({line.index("[") for line in lines}) == 1, lines
        assert all(line.split("[")[1].startswith("0s,ok,") for line in lines), lines
        return lines

    lines = wait_until(drawn, 10, "drawing of the settled topology")
    table = node.api(f"topology-tabulated/{a}")["Details"].split("\n")
    assert [row.split("|")[0].strip() for row in table] == [line.split("[")[0].strip() for line in lines]
    assert node.client("-c", "topology", "-i", b).stdout == "\n".join(lines) + "\n"


def sql_row(server, statement):
    rows = server.sql(statement)
    return {name.lower(): value for name, value in rows[-1].items()} if rows else {}


def server_says(server):
    """The fields of the instance JSON, computed from the server's own answers."""
    mysql = server.flavor.name == "mysql"
    status = sql_row(server, "SHOW REPLICA STATUS" if mysql else "SHOW SLAVE STATUS")
    old = {k.replace("source_", "master_").replace("replica_", "slave_"): v for k, v in status.items()}
    binlog = sql_row(server, "SHOW BINARY LOG STATUS" if mysql else "SHOW MASTER STATUS")
    is_replica = bool(status)

    def value(expression):
        return server.value(f"SELECT {expression}")

    def thread(name):
        return {"Yes": 1, "No": 0}.get(old.get(f"slave_{name}_running"), 2) if is_replica else -1

    def coordinates(log, position, kind=0):
        return {"LogFile": old.get(log, ""), "LogPos": int(old.get(position, 0)), "Type": kind}

    expected = {
        "Key": {"Hostname": server.host, "Port": server.port},
        "ServerID": int(value("@@global.server_id")),
        "ServerUUID": value("@@global.server_uuid") if mysql else "",
        "Version": value("@@global.version"),
        "VersionComment": value("@@global.version_comment"),
        "FlavorName": "MySQL" if mysql else "MariaDB",
        "ReadOnly": value("@@global.read_only") == "1",
        "Binlog_format": value("@@global.binlog_format"),
        "LogBinEnabled": value("@@global.log_bin") == "1",
        "LogReplicationUpdatesEnabled": value("@@global.log_replica_updates" if mysql else "@@global.log_slave_updates") == "1",
        "SelfBinlogCoordinates": {"LogFile": binlog["file"], "LogPos": int(binlog["position"]), "Type": 0},
        "MasterKey": {"Hostname": old.get("master_host", ""), "Port": int(old.get("master_port", 0))},
        "MasterUUID": old.get("master_uuid", "No") if is_replica else "",
        "ReplicationSQLThreadState": thread("sql"),
        "ReplicationIOThreadState": thread("io"),
        "ReplicationSQLThreadRuning": thread("sql") == 1,
        "ReplicationIOThreadRuning": thread("io") == 1,
        "UsingOracleGTID": old.get("auto_position") == "1",
        "UsingMariaDBGTID": not mysql and is_replica and old["using_gtid"] != "No",
        "ReadBinlogCoordinates": coordinates("master_log_file", "read_master_log_pos"),
        "ExecBinlogCoordinates": coordinates("relay_master_log_file", "exec_master_log_pos"),
        "RelaylogCoordinates": coordinates("relay_log_file", "relay_log_pos", 1),
        "LastSQLError": "",
        "LastIOError": "",
        "SecondsBehindMaster": {"Int64": 0, "Valid": is_replica},
        "ReplicationLagSeconds": {"Int64": 0, "Valid": is_replica},
        "SQLDelay": int(old.get("sql_delay", 0)),
        "HasReplicationCredentials": is_replica,
        "HasReplicationFilters": False,
        "AllowTLS": old.get("master_ssl_allowed") == "Yes",
        "IsLastCheckValid": True,
        "IsUpToDate": True,
        "IsRecentlyChecked": True,
        "Problems": [],
        "PromotionRule": "neutral",
        "IsDowntimed": False,
        "GtidErrant": "",
    }
    if mysql:
        expected |= {
            "GTIDMode": value("@@global.gtid_mode"),
            "SupportsOracleGTID": value("@@global.gtid_mode") != "OFF",
            "BinlogRowImage": value("@@global.binlog_row_image"),
            "ExecutedGtidSet": server.executed_gtids(),
            "GtidPurged": value("@@global.gtid_purged"),
        }
    expected |= {
        "InstanceAlias": "", "SuggestedClusterAlias": "", "DataCenter": "", "Region": "", "PhysicalEnvironment": "",
        "IsDetachedMaster": False, "IsDetached": False, "IsCoMaster": False, "UsingPseudoGTID": False,
        "ReplicationCredentialsAvailable": mysql and is_replica,
        "SemiSyncAvailable": not mysql,  # MariaDB has it built in, MySQL as plugins that are not loaded here
        "SemiSyncPriority": 0, "SemiSyncMasterPluginNewVersion": False, "SemiSyncReplicaPluginNewVersion": False,
        "SemiSyncMasterEnabled": False, "SemiSyncReplicaEnabled": False, "SemiSyncMasterStatus": False,
        "SemiSyncMasterTimeout": 0 if mysql else int(value("@@global.rpl_semi_sync_master_timeout")),
        "SemiSyncMasterWaitForReplicaCount": 0, "SemiSyncMasterClients": 0, "SemiSyncReplicaStatus": False,
        "CountMySQLSnapshots": 0, "IsCandidate": False, "UnresolvedHostname": "",
        "DowntimeReason": "", "DowntimeOwner": "", "DowntimeEndTimestamp": "", "ElapsedDowntime": 0,
        "ReplicationSSLCAFile": "", "ReplicationSSLCAPath": "", "ReplicationSSLCert": "", "ReplicationSSLCipher": "",
        "ReplicationSSLCRLFile": "", "ReplicationSSLCRLPath": "", "ReplicationSSLKey": "",
        "ReplicationSSLVerifyServerCert": {"Bool": False, "Valid": False}, "ReplicationTLSVersion": "",
        "ReplicationTLSCiphersuites": "", "ReplicationSourcePublicKeyPath": "",
        "ReplicationGetSourcePublicKey": {"Bool": False, "Valid": False},
        "ReplicationGroupName": "", "ReplicationGroupIsSinglePrimary": False, "ReplicationGroupMemberState": "",
        "ReplicationGroupMemberRole": "", "ReplicationGroupMembers": [],
        "ReplicationGroupPrimaryInstanceKey": {"Hostname": "", "Port": 0}, "QSP": {},
    }
    if not mysql:
        expected |= {"GTIDMode": "", "SupportsOracleGTID": False, "BinlogRowImage": "", "ExecutedGtidSet": "", "GtidPurged": ""}
    for twin, name in (("LogSlaveUpdatesEnabled", "LogReplicationUpdatesEnabled"), ("Slave_SQL_Running", "ReplicationSQLThreadRuning"),
                       ("Slave_IO_Running", "ReplicationIOThreadRuning"), ("SlaveLagSeconds", "ReplicationLagSeconds")):
        expected[twin] = expected[name]
    return expected


def test_every_field_is_what_the_server_says(node, servers, addresses):
    node.wait_instances(addresses)
    servers["a"].sql("CREATE DATABASE IF NOT EXISTS fields")
    servers.catch_up("a")
    for server in servers:
        def equal():
            shown, at = instance(node, server), time.time()
            expected = server_says(server)
            different = {k: (shown.get(k), v) for k, v in expected.items() if shown.get(k) != v}
            assert not different, f"{server.name}: shown, expected: {different}"
            return shown, at

        shown, at = wait_until(equal, 15, f"instance JSON of {server.name} equal to its own answers")
        assert abs(shown["Uptime"] - int(server.sql("SHOW GLOBAL STATUS LIKE 'Uptime'")[0]["Value"])) <= 5
        elsewhere = {"Uptime", "LastDiscoveryLatency", "ClusterName", "ReplicationDepth", "LastSeenTimestamp", "SecondsSinceLastSeen",
                     "Replicas", "SlaveHosts", "AncestryUUID"}  # checked below and in test_replicas_and_ancestry
        assert len(shown) == 102 and set(shown) == set(server_says(server)) | elsewhere
        assert shown["SecondsSinceLastSeen"]["Valid"] and shown["SecondsSinceLastSeen"]["Int64"] <= 2
        seen = datetime.datetime.fromisoformat(shown["LastSeenTimestamp"]).replace(tzinfo=datetime.timezone.utc)
        assert abs(seen.timestamp() - at) < 5
        assert shown["SlaveHosts"] == shown["Replicas"]
        assert shown["ClusterName"] == servers["a"].address
        assert shown["ReplicationDepth"] == {"a": 0, "b": 1, "c": 2, "d": 1}[server.name]
        assert shown["LastDiscoveryLatency"] > 0


def test_replicas_and_ancestry(node, servers, addresses):
    node.wait_instances(addresses)
    below = {"a": "bd", "b": "c", "c": "", "d": ""}
    for name, names in below.items():
        expected = sorted(servers[n].address for n in names)
        shown = node.api(f"instance-replicas/{key(servers[name])}")
        assert sorted(f"{i['Key']['Hostname']}:{i['Key']['Port']}" for i in shown) == expected
    if servers["a"].flavor.name == "mysql":
        uuids = [servers[n].value("SELECT @@server_uuid") for n in "abc"]

        def ancestry():
            return instance(node, servers["c"])["AncestryUUID"] == ",".join(uuids)

        wait_until(ancestry, 10, "ancestry of the replica of a replica")


def test_a_new_server_appears(node, new_sandbox_server, servers, addresses):
    node.wait_instances(addresses)
    added = new_sandbox_server("d > e")
    node.wait_instances([*addresses, added.address], deadline=10)


@pytest.fixture
def new_sandbox_server(servers):
    """Adds a server to the shared sandbox; gone at the end of the test."""
    names = []

    def add(chain):
        servers.add(f"{servers['a'].flavor.name}: {chain}")
        names.append(chain.split(">")[-1].strip())
        return servers[names[-1]]

    yield add
    for name in names:
        servers.remove(name)


def test_killed_servers_are_reported_within_a_second_and_come_back(new_node, servers, addresses):
    """One without replicas, whose idle connection ends; one with, which is pinged besides."""
    node = new_node(seeds=[servers["c"].address], config={"InstancePollSeconds": 60})  # no poll finds it
    node.wait_instances(addresses)
    victims = [servers[name] for name in "da"]
    for victim in victims:
        victim.kill()
        killed = time.monotonic()
        wait_until(lambda: not instance(node, victim)["IsLastCheckValid"], 5, "the killed server to be reported", interval=0.01)
        took = time.monotonic() - killed
        assert took < 1.0 + 0.3, took  # 0.3: the kernel frees a killed server's memory before it closes its sockets
        assert "last_check_invalid" in instance(node, victim)["Problems"]
    for victim in victims:
        victim.start()
        assert node.api(f"discover/{key(victim)}")["Code"] == "OK"
    node.wait_instances(addresses, deadline=5)


def test_a_stopped_primary_is_reported(node, servers, addresses):
    """SIGSTOP: TCP connects still succeed, only the ping's deadline tells."""
    node.wait_instances(addresses)
    servers["a"].stop()
    try:
        wait_until(lambda: not instance(node, servers["a"])["IsLastCheckValid"], 10, "the stopped primary to be reported")
    finally:
        servers["a"].cont()
    node.wait_instances(addresses, deadline=20)


def test_annotations_are_kept_over_a_restart(node, servers, addresses):
    node.wait_instances(addresses)
    b = servers["b"]
    assert node.client("-c", "begin-downtime", "-i", b.address, "-o", "me", "-r", "new disks", "-u", "1h").stdout == f"{b.address}\n"
    assert node.client("-c", "tag", "-i", b.address, "-t", "role=backup").stdout == f"{b.address}\n"
    assert node.client("-c", "register-candidate", "-i", b.address, "-R", "must_not").stdout == f"{b.address}\n"
    for _ in range(2):
        shown = instance(node, b)
        assert (shown["IsDowntimed"], shown["DowntimeOwner"], shown["DowntimeReason"]) == (True, "me", "new disks")
        assert 3500 < shown["ElapsedDowntime"] / 1e9 + 3600 <= 3601 or shown["ElapsedDowntime"] >= 0
        assert shown["PromotionRule"] == "must_not"
        assert node.api(f"tags/{key(b)}") == ["role=backup"]
        assert node.client("-c", "tagged", "-t", "role=backup").stdout == f"{b.address}\n"
        assert node.client("-c", "downtimed").stdout == f"{b.address}\n"
        node.restart()
        node.wait_instances(addresses)
    assert node.client("-c", "end-downtime", "-i", b.address).stdout == f"{b.address}\n"
    assert not instance(node, b)["IsDowntimed"]
    assert node.client("-c", "untag", "-i", b.address, "-t", "role").stdout == f"{b.address}\n"
    assert node.api(f"tags/{key(b)}") == []


def test_known_servers_are_there_at_once_after_a_restart(node, servers, addresses):
    node.wait_instances(addresses)
    node.configure(DiscoverySeeds=[])
    node.restart()
    shown = {f"{i['Key']['Hostname']}:{i['Key']['Port']}" for i in node.api("all-instances")}
    assert shown == set(addresses)
    node.wait_instances(addresses, deadline=10)


def test_forget_and_discover_again(node, servers, addresses):
    node.wait_instances(addresses)
    node.configure(DiscoverySeeds=[])
    assert node.client("-c", "forget", "-i", servers["d"].address).returncode == 0
    assert node.client("-c", "discover", "-i", servers["d"].address).stdout == f"{servers['d'].address}\n"
    node.wait_instances(addresses, deadline=10)
    assert node.client("-c", "forget", "-i", "no-such:1", check=False).returncode == 1


def test_clusters_and_search(node, servers, addresses):
    node.wait_instances(addresses)
    name = servers["a"].address
    assert node.api("clusters") == [name]
    info = node.api("clusters-info")
    assert [i["ClusterName"] for i in info] == [name]
    assert info[0]["CountInstances"] == 4
    assert node.api(f"cluster-info/{name}") == info[0]
    assert len(node.api(f"cluster/{name}")) == 4
    assert node.api(f"master/{servers['c'].address}")["Key"]["Port"] == servers["a"].port
    assert [i["Key"]["Port"] for i in node.api(f"search/{servers['b'].port}")] == [servers["b"].port]
    assert node.api("problems") is None
    assert node.client("-c", "which-master", "-i", servers["c"].address).stdout == f"{servers['b'].address}\n"
    assert sorted(node.command("-c", "all-instances").stdout.split()) == sorted(addresses)
    assert node.command("-c", "which-cluster", "-i", servers["c"].address).stdout == f"{name}\n"


def test_discover_of_an_unreachable_server_says_why(node, servers):
    answer = node.get("/api/discover/127.0.0.1/1")
    assert answer.status == 500
    assert answer.json()["Code"] == "ERROR"
    assert "127.0.0.1:1" in answer.json()["Message"]


def test_both_families_in_one_node(new_node, shared_mariadb, shared_mysql):
    node = new_node(seeds=[shared_mariadb["a"].address, shared_mysql["a"].address])
    node.wait_instances([s.address for sandbox in (shared_mariadb, shared_mysql) for s in sandbox], deadline=30)
    assert sorted(node.api("clusters")) == sorted([shared_mariadb["a"].address, shared_mysql["a"].address])


def test_a_ring_is_one_cluster_with_a_record_of_its_own(new_node):
    """Co-sources: both drawn at depth one, one of them names the cluster, which has its unchanging id like any other."""
    with Sandbox("mysql: m > n > m, n > o") as ring:
        node = new_node(seeds=[ring["o"].address])
        node.wait_instances([s.address for s in ring])
        m, n, o = (ring[name].address for name in "mno")
        first, second = sorted([m, n], key=lambda address: int(address.split(":")[1]))

        def drawn():
            lines = node.api(f"topology/{o}")["Details"].split("\n")
            expected = [f"+ {first}", f"+ {second}"]
            expected.insert(expected.index(f"+ {n}") + 1, f"  + {o}")
            assert [line.split("[")[0].rstrip() for line in lines] == expected
            return True

        wait_until(drawn, 15, "the drawing of the ring")
        (name,) = node.api("clusters")
        assert name in (m, n)  # whichever was found first keeps it
        assert all(instance(node, ring[name])["IsCoMaster"] for name in "mn")

        def recorded():
            with sqlite3.connect(f"file:{node.dir}/orchestrator.sqlite3?mode=ro", uri=True) as db:
                return db.execute("SELECT cluster_id FROM cluster_record WHERE cluster_name = ?", [name]).fetchall()

        assert len(wait_until(recorded, 20, "the cluster's record")) == 1
