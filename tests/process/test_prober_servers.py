"""A real prober and real MariaDB and MySQL servers: every field against the servers' own answers, death and silence,
TLS and ways of logging in, steps."""

import re
import select
import socket
import subprocess
import threading
import time
import uuid

import pytest

from flavors import PROBE_PASSWORD, PROBE_USER
from node import build_dir
from pki import Pki
from proberdrv import (ANSWERED, CODES, CONNECT, DONE, HAS_REPLICAS, HURRY, IS_ROOT, REFUSED, RESET, TIMED_OUT, Prober,
                       boottime_us, key)
from sandbox import Sandbox
from waiting import wait_until


@pytest.fixture(scope="module", params=["mariadb", "mysql"])
def servers(request):
    with Sandbox(f"{request.param}: a > b > c, a > d", tls=True, semi_sync=True) as sandbox:
        sandbox.flavor = request.param
        sandbox["a"].sql("CREATE DATABASE meta; CREATE TABLE meta.cluster (alias VARCHAR(64)); "
                         "INSERT INTO meta.cluster VALUES ('shop')")
        sandbox.catch_up("a")
        yield sandbox


@pytest.fixture
def prober():
    with Prober(MySQLTopologySSLSkipVerify=True) as prober:
        yield prober


def variables(server, pattern):
    rows = server.sql(f"SHOW GLOBAL VARIABLES LIKE '{pattern}'")
    return {row["Variable_name"]: row["Value"] for row in rows}


def status_of(server):
    """Replica status in new words; MariaDB's has the old ones."""
    row = server.replication()
    return row and {re.sub("Slave", "Replica", re.sub("Master", "Source", name)): value for name, value in row.items()}


# -- what a probe brings home


@pytest.mark.parametrize("name", "ac")
def test_servers_know_every_statement(servers, name):
    """test_pr_statements.c says so for all versions; here is one of each flavour to ask."""
    record = subprocess.run([build_dir() / "tests/unit/prober/prober_record", servers[name].host, str(servers[name].port), PROBE_USER],
                            input=PROBE_PASSWORD + "\n", capture_output=True, text=True, check=True, timeout=30).stdout
    errors = re.findall(r"^\[(\w+)\] error (\d+)", record, re.M)
    assert errors == ([("GROUP_MEMBERS", "1193")] if servers.flavor == "mysql" else [])  # no group here
    assert len(re.findall(r"^\[\w+\]", record, re.M)) >= 10 and "[PROCESS]\n1\n1\n" in record


def test_own_settings(servers, prober):
    for name in "abcd":
        prober.watch(servers[name].address)
    for name in "abcd":
        server, probe = servers[name], prober.result(servers[name].address, found=True)
        own, inst = variables(server, "%"), probe["inst"]
        assert probe["phase"] == DONE and probe["evidence"] == ANSWERED and not probe["has_read_errors"]
        assert inst["version"] == own["version"] and inst["version_comment"] == own["version_comment"]
        assert inst["major_version"] == ".".join(own["version"].split(".")[:2])
        assert inst["server_id"] == int(own["server_id"]) and inst["read_only"] == (own["read_only"] == "ON")
        assert inst["log_bin_enabled"] and inst["log_replica_updates"]
        assert inst["binlog_format"] == own["binlog_format"]
        assert probe["self_hostname"] == own["hostname"] and probe["report_host"] == own["report_host"]
        assert probe["report_port"] == int(own["report_port"])
        assert inst["self_coord"]["log_file"].startswith("binlog.0") and inst["self_coord"]["log_pos"] > 0
        uptime = int(server.sql("SHOW GLOBAL STATUS LIKE 'Uptime'")[0]["Value"])
        assert uptime - 60 < inst["uptime"] <= uptime
        assert inst["last_discovery_latency_ns"] > 0 and inst["last_check_partial_success"]
        if servers.flavor == "mysql":
            assert inst["server_uuid"] == own["server_uuid"] and inst["gtid_mode"] == "ON"
            assert inst["supports_oracle_gtid"] and inst["binlog_row_image"] == own["binlog_row_image"]
            assert inst["executed_gtid_set"] == server.value("SELECT @@global.gtid_executed")
            assert inst["gtid_purged"] == server.value("SELECT @@global.gtid_purged")
        else:
            assert inst["server_uuid"] == "" and inst["gtid_mode"] == "" and not inst["supports_oracle_gtid"]
            assert probe["gtid_binlog_pos"] == server.value("SELECT @@gtid_binlog_pos") != ""
            assert probe["gtid_current_pos"] == server.value("SELECT @@gtid_current_pos")


def test_replication(servers, prober):
    prober.watch(servers["a"].address, servers["b"].address)
    source = prober.result(servers["a"].address, found=True)
    assert source["channels"] == 0 and source["source_host"] == "" and source["inst"]["source_uuid"] == ""
    assert source["inst"]["io_thread_state"] == source["inst"]["sql_thread_state"] == -1
    assert not source["inst"]["seconds_behind_source"] and source["inst"]["relay_coord"]["type"] == 0
    probe = prober.result(servers["b"].address, found=True)
    own, inst = status_of(servers["b"]), probe["inst"]
    assert (probe["source_host"], probe["source_port"]) == (own["Source_Host"], int(own["Source_Port"]))
    assert probe["replication_user"] == own["Source_User"] and inst["has_replication_credentials"]
    assert probe["channels"] == 1 and probe["last_io_errno"] == probe["last_sql_errno"] == 0
    assert inst["read_coord"] == {"log_file": own["Source_Log_File"], "log_pos": int(own["Read_Source_Log_Pos"]), "type": 0}
    assert inst["exec_coord"]["log_pos"] == int(own["Exec_Source_Log_Pos"])
    assert inst["exec_coord"]["log_file"] == own["Relay_Source_Log_File"]
    assert inst["relay_coord"] == {"log_file": own["Relay_Log_File"], "log_pos": int(own["Relay_Log_Pos"]), "type": 1}
    assert inst["io_running"] and inst["sql_running"] and inst["io_thread_state"] == inst["sql_thread_state"] == 1
    assert inst["seconds_behind_source"] == 0 and inst["replication_lag_s"] == 0 and inst["sql_delay"] == 0
    assert inst["allow_tls"] and inst["repl_ssl_ca_file"] == own["Source_SSL_CA_File"] != ""
    assert inst["repl_ssl_verify_server_cert"] == (own["Source_SSL_Verify_Server_Cert"] == "Yes")
    assert not inst["has_replication_filters"] and inst["last_io_error"] == inst["last_sql_error"] == ""
    if servers.flavor == "mysql":
        assert inst["source_uuid"] == own["Source_UUID"] and inst["using_oracle_gtid"]
        assert probe["gtid_io_pos"] == own["Retrieved_Gtid_Set"] and inst["replication_credentials_available"]
    else:
        assert inst["source_uuid"] == "No" and inst["using_mariadb_gtid"] and not inst["using_oracle_gtid"]
        assert probe["gtid_io_pos"] == own["Gtid_IO_Pos"] and not inst["replication_credentials_available"]


def test_asking_for_maxscale_first(servers):
    with Prober(MySQLTopologySSLSkipVerify=True, SkipMaxScaleCheck=False) as prober:
        prober.watch(servers["a"].address)
        assert not prober.result(servers["a"].address, found=True)["inst"]["is_binlog_server"]


def test_heartbeats_move(servers, prober):
    prober.watch(servers["b"].address)
    first = prober.result(servers["b"].address, found=True)
    assert first["heartbeats_received"] >= 0
    moved = wait_until(lambda: next((p for p in prober.results(servers["b"].address)
                                     if p["heartbeats_received"] > first["heartbeats_received"]), None), 15, "a heartbeat")
    assert abs(moved["last_heartbeat_us"] - moved["ended_us"]) < 4_000_000


def test_semi_sync(servers, prober):
    prober.watch(servers["a"].address, servers["d"].address)
    old = "master" if servers.flavor == "mariadb" else "source"
    source, replica = (prober.result(servers[n].address, found=True)["inst"] for n in "ad")
    own = variables(servers["a"], "rpl_semi_sync%")
    assert source["semi_sync_available"] and source["semi_sync_source_enabled"] and source["semi_sync_source_status"]
    assert source["semi_sync_source_timeout_ms"] == int(own[f"rpl_semi_sync_{old}_timeout"]) == 1000
    assert source["semi_sync_source_clients"] == 2
    assert source["semi_sync_source_wait_count"] == (1 if servers.flavor == "mysql" else 0)
    assert source["semi_sync_wait_point"] == own[f"rpl_semi_sync_{old}_wait_point"]
    assert source["semi_sync_source_plugin_new"] == (servers.flavor == "mysql")
    assert replica["semi_sync_replica_enabled"] and replica["semi_sync_replica_status"]
    assert not replica["semi_sync_source_enabled"] and not source["semi_sync_source_gives_up"]
    waits = "rpl_semi_sync_" + ("master_wait_no_slave" if old == "master" else "source_wait_no_replica")
    servers["a"].sql(f"set global {waits} = 0")
    try:
        assert prober.result(servers["a"].address, since=prober.mark(), deadline=15, found=True)["inst"]["semi_sync_source_gives_up"]
    finally:
        servers["a"].sql(f"set global {waits} = 1")


@pytest.mark.parametrize("listing", [False, True])
def test_replicas(servers, listing):
    with Prober(MySQLTopologySSLSkipVerify=True, DiscoverByShowSlaveHosts=listing) as prober:
        prober.watch(servers["a"].address, servers["c"].address)
        probe = prober.result(servers["a"].address, found=True)
        assert probe["replicas_known"] and probe["replicas_by_listing"] == listing
        if listing:
            assert {(r["hostname"], r["port"]) for r in probe["replicas"]} == {
                ("127.0.0.1", servers[n].port) for n in "bd"}
        else:
            assert [(r["hostname"], r["port"], r["user"]) for r in probe["replicas"]] == [("127.0.0.1", 0, "repl")] * 2
        leaf = prober.result(servers["c"].address, found=True)
        assert leaf["replicas_known"] and not leaf["replicas"] and not leaf["replicas_by_listing"]


def test_stopped_and_broken_threads(servers, prober):
    replica = servers["c"]
    prober.watch(replica.address)
    prober.result(replica.address, found=True)
    word = "SLAVE" if servers.flavor == "mariadb" else "REPLICA"
    replica.sql(f"STOP {word} IO_THREAD")
    mark = prober.mark()
    stopped = prober.result(replica.address, since=mark + 1)["inst"]
    assert (stopped["io_thread_state"], stopped["sql_thread_state"]) == (0, 1) and not stopped["io_running"]
    replica.sql(f"START {word}; SET GLOBAL read_only=0")
    servers["a"].sql("CREATE TABLE IF NOT EXISTS meta.clash (i INT PRIMARY KEY)")
    servers.catch_up("a")
    replica.sql_unlogged(["INSERT INTO meta.clash VALUES (1)"])
    replica.sql("SET GLOBAL read_only=1")
    servers["a"].sql("INSERT INTO meta.clash VALUES (1)")
    try:
        broken = wait_until(lambda: next((p for p in prober.results(replica.address) if p["last_sql_errno"]), None), 10,
                            "the applier to stop")
        assert broken["inst"]["sql_thread_state"] == 0 and broken["inst"]["io_thread_state"] == 1
        assert broken["last_sql_errno"] == int(status_of(replica)["Last_SQL_Errno"])
        assert broken["inst"]["last_sql_error"][0] == broken["inst"]["last_sql_error"][-1] == '"'
        assert broken["inst"]["seconds_behind_source"] is None and broken["inst"]["replication_lag_s"] is None
    finally:
        replica.sql("SET GLOBAL read_only=0")
        replica.sql_unlogged(["DELETE FROM meta.clash"])
        replica.sql(f"SET GLOBAL read_only=1; START {word}")
        replica.wait_replicating()
        servers["a"].sql("DELETE FROM meta.clash")


def test_operators_queries(servers):
    queries = dict(DetectClusterAliasQuery="select alias from meta.cluster", DetectClusterDomainQuery="select 'db.shop'",
                   DetectInstanceAliasQuery="select concat('n', @@port)", DetectPromotionRuleQuery="select 'prefer'",
                   DetectDataCenterQuery="select 'fra'", DetectRegionQuery="select 'eu'",
                   DetectPhysicalEnvironmentQuery="select 'prod'", DetectSemiSyncEnforcedQuery="select 7",
                   DetectPseudoGTIDQuery="select 1", ReplicationLagQuery="select 12.9",
                   ReplicationCredentialsQuery="select 'u', 'p'")
    with Prober(MySQLTopologySSLSkipVerify=True, **queries) as prober:
        prober.watch(servers["a"].address, servers["b"].address)
        root, replica = (prober.result(servers[n].address, found=True) for n in "ab")
        for probe, server in ((root, servers["a"]), (replica, servers["b"])):
            assert probe["cluster_alias"] == "shop" and probe["detected_promotion_rule"] == "prefer"
            assert probe["inst"]["instance_alias"] == f"n{server.port}" and probe["pseudo_gtid_detected"]
            assert probe["inst"]["semi_sync_priority"] == 7 and probe["inst"]["replication_lag_s"] == 12
            assert probe["detected_data_center"] == "fra" and probe["detected_region"] == "eu"
            assert probe["detected_environment"] == "prod" and probe["inst"]["replication_credentials_available"]
        assert root["cluster_domain"] == "db.shop" and replica["cluster_domain"] == ""
        prober.watch(servers["b"].address, flags=IS_ROOT)
        mark = prober.mark()
        wait_until(lambda: any(p["cluster_domain"] == "db.shop" for p in prober.results(servers["b"].address, mark)), 10,
                   "the domain of a root")


# -- death and silence


# What a probe cannot do without; all that is missing beyond that is said in the log.
BARE_GRANTS = {"mariadb": ["SLAVE MONITOR, BINLOG MONITOR ON *.*"],
               "mysql": ["REPLICATION CLIENT ON *.*", "SELECT ON performance_schema.replication_group_members"]}


def test_what_cannot_be_read_is_said_once_with_the_remedy(servers):
    server, mysql = servers["a"], servers.flavor == "mysql"
    server.sql("; ".join(server.flavor.create_user("bare", "bare", grants=BARE_GRANTS[servers.flavor])))
    with Prober(MySQLTopologyUser="bare", MySQLTopologyPassword="bare", MySQLTopologySSLSkipVerify=True,
                DiscoverByShowSlaveHosts=True, DetectClusterAliasQuery="select alias from meta.cluster",
                DetectRegionQuery="select nonsense", DetectDataCenterQuery="select 'x'") as prober:
        def said(text):
            return [line for line in prober.log.read_text().splitlines() if text in line]

        prober.watch(server.address)
        blind = prober.result(server.address, found=True)
        assert not blind["replicas_known"] and not blind["replicas"]
        wait_until(lambda: len(list(prober.results(server.address))) >= 4, 20, "more probes")
        listing = "REPLICATION SLAVE" if mysql else "REPLICATION MASTER ADMIN"
        expected = {"the listing of replicas": f"GRANT {listing} ON *.* TO 'bare'@'HOST'",
                    "replicas in the process list": "GRANT PROCESS ON *.* TO 'bare'@'HOST'",
                    "the answer to DetectClusterAliasQuery": "GRANT SELECT ON what DetectClusterAliasQuery reads TO",
                    "the answer to DetectRegionQuery": "correct DetectRegionQuery"}
        if mysql:
            expected |= {"received heartbeats": "GRANT SELECT ON performance_schema",
                         "the replication account": "GRANT SELECT ON mysql.slave_master_info"}
        for what, remedy in expected.items():
            line, = said(f"cannot read {what} ")
            assert "WARNING" in line and f'instance="{server.address}"' in line and remedy in line
            assert re.search("denied|nonsense", line), line
        assert len(said("cannot read")) == len(expected), said("cannot read")

        server.sql("GRANT SELECT ON meta.* TO bare@'%'; GRANT PROCESS, REPLICATION SLAVE ON *.* TO bare@'%'" +
                   ("" if mysql else "; GRANT REPLICATION MASTER ADMIN ON *.* TO bare@'%'"))
        wait_until(lambda: said("can read the answer to DetectClusterAliasQuery again"), 10, "news of the query")
        ids = server.sql("SELECT id FROM information_schema.processlist WHERE user = 'bare'")
        server.sql("; ".join(f"KILL {row['id' if 'id' in row else 'ID']}" for row in ids))  # a new login sees more
        wait_until(lambda: said("can read the listing of replicas again"), 10, "news of the listing")
        assert len(prober.result(server.address, found=True, replicas_known=True)["replicas"]) == 2
        assert len(said("cannot read")) == len(expected)
        assert all(" INFO " in line for line in said("can read"))
    server.sql("DROP USER bare@'%'")


def test_slow_query_of_an_operator_is_named(servers):
    server = servers["b"]
    with Prober(MySQLTopologySSLSkipVerify=True, MySQLDiscoveryReadTimeoutSeconds=1, MySQLConnectTimeoutSeconds=1,
                DetectDataCenterQuery="select 'x'", DetectRegionQuery="select sleep(3)",
                DetectPromotionRuleQuery="select 'prefer'") as prober:
        prober.watch(server.address)
        assert prober.result(server.address, found=True)["detected_data_center"] == "x"
        line, = (line for line in prober.log.read_text().splitlines() if "cannot read" in line)
        assert "the answer to DetectRegionQuery " in line and "in time" in line and "faster" in line


def test_killed_server_is_reported_at_once_and_comes_back(servers, prober):
    victim = servers["d"]
    prober.watch(victim.address, flags=HURRY | HAS_REPLICAS)
    prober.result(victim.address, found=True)
    mark = prober.mark()
    killed = time.monotonic()
    victim.kill()
    lost = prober.lost(victim.address, mark)
    assert lost["evidence"] == RESET and lost["at"] - killed < 1.0
    dead = prober.result(victim.address, since=mark, failed_attempts=2)
    assert dead["evidence"] == REFUSED and dead["at"] - killed < 1.5 and dead["last_answer_us"] > 0
    mark = prober.mark()
    victim.start()
    back = prober.result(victim.address, since=mark, found=True)
    assert back["failed_attempts"] == 0 and back["first_failed_us"] == 0
    victim.wait_replicating()


def test_stopped_server_is_noticed_within_the_connect_timeout(servers):
    victim = servers["d"]
    with Prober(MySQLTopologySSLSkipVerify=True, InstancePollSeconds=30, MySQLConnectTimeoutSeconds=1) as prober:
        prober.watch(victim.address, flags=HURRY | HAS_REPLICAS)
        prober.result(victim.address, found=True)
        mark = prober.mark()
        stopped = time.monotonic()
        victim.stop()
        try:
            lost = prober.lost(victim.address, mark)
            assert lost["evidence"] == TIMED_OUT and lost["at"] - stopped < 2.5
            silent = prober.result(victim.address, since=mark)
            assert (silent["evidence"], silent["phase"]) == (TIMED_OUT, CONNECT) and silent["failed_attempts"] == 1
        finally:
            victim.cont()
        assert prober.result(victim.address, since=mark, found=True, deadline=40)


# -- ways of logging in


PLUGINS = {"mariadb": ["mysql_native_password", "ed25519"], "mysql": ["caching_sha2_password", "sha256_password"]}


def probe_as(server, user, password, **config):
    with Prober(MySQLTopologyUser=user, MySQLTopologyPassword=password, **config) as prober:
        prober.probe(server.address, 1)
        return prober.result(server.address, probe_id=1)


def account(servers, **how):
    user = "u" + uuid.uuid4().hex[:12]
    servers["a"].create_user(user, "secret'\"\\pw", **how)
    return user, "secret'\"\\pw"


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("tls", [False, True])
def test_plugins(servers, index, tls):
    user, password = account(servers, plugin=plugin_of(servers, index))
    config = dict(MySQLTopologyUseMutualTLS=tls, MySQLTopologyUseMixedTLS=False, MySQLTopologySSLSkipVerify=True)
    good = probe_as(servers["a"], user, password, **config)
    assert good["found"], good["error"]
    bad = probe_as(servers["a"], user, "wrong", **config)
    assert (bad["evidence"], bad["phase"], bad["errno_mysql"]) == (ANSWERED, CONNECT, 1045)
    assert "wrong" not in bad["error"]


def plugin_of(servers, index):
    return PLUGINS[servers.flavor][index]


@pytest.mark.parametrize("require", ["SSL", "X509"])
def test_account_that_requires_tls(servers, require):
    user, password = account(servers, require=require)
    client = servers.pki.client("prober")
    certificate = dict(MySQLTopologySSLCertFile=str(client.cert), MySQLTopologySSLPrivateKeyFile=str(client.key))
    mixed = probe_as(servers["a"], user, password, MySQLTopologySSLCAFile=str(servers.pki.ca), **certificate)
    assert mixed["found"] and mixed["tls_required"], mixed["error"]
    plain = probe_as(servers["a"], user, password, MySQLTopologyUseMixedTLS=False)
    assert plain["errno_mysql"] == 1045 and not plain["tls_required"]
    without = probe_as(servers["a"], user, password, MySQLTopologySSLCAFile=str(servers.pki.ca))
    assert without["found"] == (require == "SSL")


def test_server_that_requires_tls(servers):
    servers["b"].sql("SET GLOBAL require_secure_transport=ON")
    try:
        mixed = probe_as(servers["b"], PROBE_USER, PROBE_PASSWORD, MySQLTopologySSLCAFile=str(servers.pki.ca))
        assert mixed["found"] and mixed["tls_required"], mixed["error"]
        plain = probe_as(servers["b"], PROBE_USER, PROBE_PASSWORD, MySQLTopologyUseMixedTLS=False)
        assert plain["errno_mysql"] == (3159 if servers.flavor == "mysql" else 1045) and plain["evidence"] == ANSWERED
    finally:
        servers["b"].sql("SET GLOBAL require_secure_transport=OFF")


def test_verdict_is_remembered(servers):
    user, password = account(servers, require="SSL")
    with Prober(MySQLTopologyUser=user, MySQLTopologyPassword=password, MySQLTopologySSLSkipVerify=True) as prober:
        prober.watch(servers["a"].address)
        assert prober.result(servers["a"].address, found=True)["tls_required"]
        word = "Aborted_connects"
        before = int(servers["a"].sql(f"SHOW GLOBAL STATUS LIKE '{word}'")[0]["Value"])
        mark = prober.mark()
        ids = servers["a"].sql(f"SELECT id FROM information_schema.processlist WHERE user='{user}'")
        servers["a"].sql("; ".join(f"KILL {row['id' if 'id' in row else 'ID']}" for row in ids))
        assert prober.result(servers["a"].address, since=mark, found=True)["tls_required"]
        assert int(servers["a"].sql(f"SHOW GLOBAL STATUS LIKE '{word}'")[0]["Value"]) == before  # no plain attempt


@pytest.mark.parametrize("case", ["right", "other CA", "no CA", "other name", "expired", "not verified"])
def test_verification(servers, case, tmp_path):
    """The CA file is the trust root, and the name counts. Only servers' certificates differ here: one server each."""
    if servers.flavor == "mysql" and case == "expired":
        return  # the server itself refuses to use such a certificate
    certificate = {"other name": servers.pki.foreign, "expired": servers.pki.expired}.get(case, servers.pki.server)()
    ca = {"other CA": Pki(tmp_path / "other").ca, "no CA": "", "not verified": ""}.get(case, servers.pki.ca)
    server = servers["d"]
    files = {"ssl_cert": certificate.cert, "ssl_key": certificate.key}
    if servers.flavor == "mysql":
        server.sql("; ".join(f"SET GLOBAL {k}='{v}'" for k, v in files.items()) + "; ALTER INSTANCE RELOAD TLS")
    elif case in ("other name", "expired"):
        server.shutdown()
        before = list(server.spec.options)
        server.spec.options += [f"--{k.replace('_', '-')}={v}" for k, v in files.items()]
        server.start()
    try:
        probe = probe_as(server, PROBE_USER, PROBE_PASSWORD, MySQLTopologyUseMutualTLS=True,
                         MySQLTopologySSLCAFile=str(ca), MySQLTopologySSLSkipVerify=case == "not verified")
    finally:
        if servers.flavor == "mariadb" and case in ("other name", "expired"):
            server.spec.options = before
            server.restart()
    if case in ("right", "not verified"):
        assert probe["found"], probe["error"]
    else:
        assert (probe["evidence"], probe["errno_mysql"]) == (ANSWERED, 2026) and not probe["found"], probe["error"]


# -- steps


def step(prober, server, statement, number, uid="r1", term=1, args=(), precondition="", within_ms=3000):
    prober.send("STEP", recovery_uid=uid, term=term, number=number, key=key(server.address), statement=statement,
                args=[{"s": a} for a in args], precondition=precondition, not_after_us=boottime_us(within_ms))
    return prober.expect("STEP_RESULT", recovery_uid=uid, term=term, number=number, deadline=15)


def next_step(prober, server, *args, **how):
    """After another one: the server notices the end of that one's connection, which frees the lock, a little later."""
    wait_until(lambda: server.value("SELECT IS_USED_LOCK('orchestrator.step')") is None, 10, "the former step to free its lock")
    return step(prober, server, *args, **how)


def read_only(server):
    return server.value("SELECT @@global.read_only") == "1"


def test_steps_change_the_server_once(servers, prober):
    server = servers["c"]
    own_id = server.value("SELECT @@global.server_id")
    assert read_only(server)
    done = step(prober, server, "set-writable", 1, precondition=own_id)
    assert done["code"] == 0 and done["sent"] and not read_only(server), done
    server.sql("SET GLOBAL read_only=1")
    mark = prober.mark()
    prober.send("STEP", recovery_uid="r1", term=1, number=1, key=key(server.address), statement="set-writable",
                precondition=own_id, not_after_us=boottime_us(3000))
    again = prober.expect("STEP_RESULT", since=mark, number=1)
    assert again["code"] == CODES["EXISTS"] and not again["sent"] and read_only(server)
    assert re.findall(r' (\w+) prober\S+ step: "set-writable" .* result=(\w+)', prober.log.read_text()) == [
        ("INFO", "OK"), ("INFO", "EXISTS")], "raftd tells what came of a step"
    assert step(prober, server, "set-read-only", 2)["code"] == 0
    assert step(prober, server, "stop-replica-io", 3)["code"] == 0
    assert status_of(server)["Replica_IO_Running"] == "No"
    server.sql("START SLAVE" if servers.flavor == "mariadb" else "START REPLICA")
    server.wait_replicating()


def test_step_by_uuid_and_super_read_only(servers):
    if servers.flavor != "mysql":
        return
    server = servers["c"]
    with Prober(MySQLTopologySSLSkipVerify=True, UseSuperReadOnly=True) as prober:
        own = server.value("SELECT @@global.server_uuid")
        assert step(prober, server, "set-read-only", 1, precondition=own.upper())["code"] == 0
        assert server.value("SELECT @@global.super_read_only") == "1"
        assert step(prober, server, "set-writable", 2, precondition=own)["code"] == 0
        assert server.value("SELECT @@global.super_read_only") == "0" and not read_only(server)
        server.sql("SET GLOBAL read_only=1")


@pytest.mark.parametrize("how, code", [
    (dict(within_ms=0), "LATE"), (dict(within_ms=-5000), "LATE"), (dict(precondition="999999"), "PRECONDITION"),
    (dict(precondition="00000000-0000-0000-0000-000000000000"), "PRECONDITION"), (dict(statement="drop-everything"), "UNSUPPORTED"),
    (dict(args=["1"]), "INVALID"), (dict(number=0), "INVALID"), (dict(uid=""), "INVALID"),
], ids=str)
def test_refused_steps_leave_the_server_alone(servers, prober, how, code):
    server = servers["c"]
    refused = step(prober, server, **{"statement": "set-writable", "number": 1, **how})
    assert refused["code"] == CODES[code] and not refused["sent"] and refused["message"], refused
    assert read_only(server)


def test_older_term_is_over(servers, prober):
    server = servers["c"]
    assert step(prober, server, "set-read-only", 5, term=7)["code"] == 0
    old = step(prober, server, "set-writable", 6, uid="another", term=6)
    assert old["code"] == CODES["LATE"] and read_only(server)


def test_held_lock_refuses_the_step(servers, prober):
    server = servers["c"]
    holder = Prober(MySQLTopologySSLSkipVerify=True, DetectDataCenterQuery="select get_lock('orchestrator.step', 0)")
    with holder:
        holder.watch(server.address)
        holder.result(server.address, found=True)
        busy = step(prober, server, "set-writable", 1)
        assert busy["code"] == CODES["BUSY"] and not busy["sent"] and read_only(server)
    wait_until(lambda: server.value("SELECT IS_USED_LOCK('orchestrator.step')") is None, 10, "the lock to be free")
    assert step(prober, server, "set-read-only", 2)["code"] == 0
    wait_until(lambda: server.value("SELECT IS_USED_LOCK('orchestrator.step')") is None, 10, "a step to free its lock")


def test_whoever_holds_the_lock_can_be_ended(servers, prober):
    server = servers["c"]
    nobody = step(prober, server, "break-lock", 1)
    assert nobody["code"] == CODES["SERVER"] and nobody["errno_mysql"] == 1094, nobody
    holder = Prober(MySQLTopologySSLSkipVerify=True, DetectDataCenterQuery="select get_lock('orchestrator.step', 0)")
    with holder:
        holder.watch(server.address)
        holder.result(server.address, found=True)
        assert step(prober, server, "break-lock", 2)["code"] == 0
        assert read_only(server)
    wait_until(lambda: server.value("SELECT IS_USED_LOCK('orchestrator.step')") is None, 10, "the lock to be free")


def never_executed(servers):
    return "0-1-99999999" if servers.flavor == "mariadb" else "3e11fa47-71ca-11e1-9e33-c80aa9429562:1"


def test_a_step_that_waits_is_waited_for(servers):
    """However short other answers are waited for: applying may take hours."""
    with Prober(MySQLTopologySSLSkipVerify=True, MySQLTopologyReadTimeoutSeconds=1) as prober:
        end = next_step(prober, servers["c"], "wait-executed", 1, args=[never_executed(servers), "6"])
        assert end["code"] == CODES["TIMEOUT"], end


def test_steps_of_recoveries(servers, prober):
    server = servers["c"]
    applied = server.value("SELECT @@global." + ("gtid_slave_pos" if servers.flavor == "mariadb" else "gtid_executed"))
    done = step(prober, server, "wait-executed", 1, args=["".join(applied.split()), "5"])
    assert done["code"] == 0 and done["sent"], done
    assert next_step(prober, server, "wait-executed", 2, args=[never_executed(servers), "1"])["code"] == CODES["TIMEOUT"]
    before = status_of(server)
    assert next_step(prober, server, "stop-replica", 3)["code"] == 0
    assert next_step(prober, server, "point-to", 4, args=["//elsewhere", "3306"])["code"] == 0
    detached = status_of(server)
    assert detached["Source_Host"] == "//elsewhere"
    kept = ["Source_User", "Source_SSL_Allowed", "Using_Gtid" if servers.flavor == "mariadb" else "Auto_Position"]
    assert [detached[k] for k in kept] == [before[k] for k in kept] and before[kept[2]] not in ("No", "0")
    assert next_step(prober, server, "point-to", 5, args=[before["Source_Host"], before["Source_Port"]])["code"] == 0
    assert next_step(prober, server, "start-replica", 6)["code"] == 0
    server.wait_replicating()


def test_the_only_channel_may_have_a_name(servers, prober):
    if servers.flavor != "mysql":
        return
    server, source = servers["c"], servers["b"]
    make, start = server.flavor.replicate(source.host, source.port, None)
    server.sql(f"STOP REPLICA; RESET REPLICA ALL; {make} FOR CHANNEL 'it''s up'")
    try:
        # without the name: errno 3079, as the default channel is there too
        assert next_step(prober, server, "point-to", 1, args=["elsewhere", "3306"])["code"] == 0
        assert (status_of(server)["Source_Host"], status_of(server)["Channel_Name"]) == ("elsewhere", "it's up")
        assert next_step(prober, server, "point-to", 2, args=[source.host, str(source.port)])["code"] == 0
        assert next_step(prober, server, "start-replica", 3)["code"] == 0  # means all channels
        server.wait_replicating()
        server.sql(f"{make} FOR CHANNEL 'other'")
        refused = next_step(prober, server, "point-to", 4, args=["elsewhere", "3306"])
        assert (refused["code"], refused["sent"]) == (CODES["PRECONDITION"], False), refused
        assert next_step(prober, server, "stop-replica", 5)["code"] == next_step(prober, server, "reset-replica", 6)["code"] == 0
        assert status_of(server) is None
    finally:
        server.sql(f"STOP REPLICA; RESET REPLICA ALL; {make}; {start}")
        server.wait_replicating()


def test_following_by_an_account_that_requires_a_certificate(servers):
    """ReplicationCredentialsQuery may name files: CA, certificate and key, which the replica has."""
    server, source, client = servers["d"], servers["a"], servers.pki.client("prober")
    user, password = "x509", "x509-pw"
    source.create_user(user, password, require="X509", grants=["REPLICATION SLAVE ON *.*"])
    servers.catch_up("a")
    old = "SLAVE" if servers.flavor == "mariadb" else "REPLICA"
    server.sql(f"STOP {old}; RESET {old} ALL")
    query = f"select '{user}', '{password}', '{servers.pki.ca}', '{client.cert}', '{client.key}'"
    with Prober(MySQLTopologySSLSkipVerify=True, ReplicationCredentialsQuery=query) as prober:
        done = step(prober, server, "follow", 1, args=[source.host, str(source.port)])
        assert done["code"] == 0 and done["sent"], done
        done = next_step(prober, server, "start-replica", 2)
        assert done["code"] == 0, done
    server.wait_replicating()
    assert status_of(server)["Source_User"] == user
    server.sql(f"STOP {old}; RESET {old} ALL")
    server.replicate_from(source, tls=servers.pki)
    server.wait_replicating()


# -- silent replicas are made to connect anew


def receiver(server):
    """Connection id of its receiver; None while it is not connected."""
    return server.value("SELECT id FROM information_schema.processlist WHERE state LIKE 'Waiting for % to send event'")


def reconnects(server, before):
    wait_until(lambda: receiver(server) not in (None, before), 15, "another receiver")
    status = status_of(server)
    assert status["Replica_IO_Running"] == status["Replica_SQL_Running"] == "Yes"


def test_receiver_connects_anew(servers, prober):
    server = servers["c"]
    before = wait_until(lambda: receiver(server), 15, "its receiver")
    done = step(prober, server, "restart-replica-io", 1, precondition=server.value("SELECT @@global.server_id"))
    assert done["code"] == 0 and done["sent"], done
    reconnects(server, before)
    old = "SLAVE" if servers.flavor == "mariadb" else "REPLICA"
    for thread in "SQL", "IO":  # one of them stands still; nobody starts it
        server.sql(f"STOP {old} {thread}_THREAD")
        refused = next_step(prober, server, "restart-replica-io", 2 if thread == "SQL" else 3)
        assert refused["code"] == CODES["PRECONDITION"] and not refused["sent"], refused
        assert status_of(server)[f"Replica_{thread}_Running"] == "No"
        server.sql(f"START {old} {thread}_THREAD")
    assert step(prober, servers["a"], "restart-replica-io", 4)["code"] == CODES["PRECONDITION"]  # no replica
    server.wait_replicating()


class Cutting:
    """Forwards one connection after the other, and hangs up as soon as the word has been passed on."""

    def __init__(self, target, word):
        self.target, self.word, self.cut = target, word, threading.Event()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while not self.cut.is_set():
            client, _ = self.socket.accept()
            with client, socket.create_connection(self.target) as server:
                self._forward(client, server)

    def _forward(self, client, server):
        while True:
            for source in select.select([client, server], [], [])[0]:
                data = source.recv(65536)
                if not data:
                    return
                (server if source is client else client).sendall(data)
                if source is client and self.word in data:
                    self.cut.set()
                    return


def test_receiver_runs_though_whoever_stopped_it_is_gone(servers):
    """The connection ends before the server has begun: as if the prober were killed right after sending."""
    server = servers["c"]
    with Prober(MySQLTopologyUseMixedTLS=False) as prober:
        between = Cutting((server.host, server.port), b"io_thread; start")
        before = wait_until(lambda: receiver(server), 15, "its receiver")
        prober.send("STEP", recovery_uid="r1", term=1, number=1, key=key(between.address), statement="restart-replica-io",
                    not_after_us=boottime_us(5000))
        lost = prober.expect("STEP_RESULT", number=1, deadline=15)
        assert between.cut.is_set() and lost["code"] == CODES["UNKNOWN_OUTCOME"] and lost["sent"], lost
    reconnects(server, before)


def test_receiver_of_a_silent_source(servers, prober):
    """It is told within the time that a vote waits, and says that it cannot connect."""
    source, server = servers["a"], servers["b"]
    before = wait_until(lambda: receiver(server), 15, "its receiver")
    source.stop()
    try:
        done = step(prober, server, "restart-replica-io", 1)
        assert done["code"] == 0, done
        assert status_of(server)["Replica_IO_Running"] == "Connecting"
        if servers.flavor == "mariadb":  # lent for the time of the step, so that it takes less
            assert server.value("SELECT @@rpl_semi_sync_slave_kill_conn_timeout") == "5"
    finally:
        source.cont()
    reconnects(server, before)


def test_error_of_the_server_is_told(servers, prober):
    failed = step(prober, servers["c"], "kill-query", 1, args=["999999"])
    assert failed["code"] == CODES["SERVER"] and failed["errno_mysql"] == 1094 and failed["sent"]


def test_step_on_a_dead_server(servers, prober):
    victim = servers["d"]
    victim.kill()
    try:
        assert step(prober, victim, "set-writable", 1)["code"] == CODES["UNREACHABLE"]
    finally:
        victim.start()
        victim.wait_replicating()


def test_step_on_a_silent_server_is_late_or_unreachable_but_never_sent(servers, prober):
    victim = servers["d"]
    victim.stop()
    try:
        result = step(prober, victim, "set-writable", 1, within_ms=500)
        assert result["code"] in (CODES["LATE"], CODES["UNREACHABLE"]) and not result["sent"]
    finally:
        victim.cont()
    assert read_only(victim)
    victim.wait_replicating()
