"""A real prober and real MariaDB and MySQL servers: every field against the servers' own answers, death and silence,
TLS and ways of logging in."""

import re
import subprocess
import time
import uuid

import pytest

from flavors import PROBE_PASSWORD, PROBE_USER
from node import build_dir
from pki import Pki
from proberdrv import ANSWERED, CONNECT, DONE, HAS_REPLICAS, HURRY, IS_ROOT, REFUSED, RESET, TIMED_OUT, Prober
from waiting import wait_until


def variables(server, pattern):
    rows = server.sql(f"SHOW GLOBAL VARIABLES LIKE '{pattern}'")
    return {row["Variable_name"]: row["Value"] for row in rows}


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
    own, inst = servers["b"].replica_status(), probe["inst"]
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
        assert broken["last_sql_errno"] == int(replica.replica_status()["Last_SQL_Errno"])
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
