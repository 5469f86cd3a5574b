"""`orchestrator -c` on a SQLite file whose rows somebody else wrote with plain SQL, as the historical integration tests do: NULL
times, empty texts, numbers as text, invalid JSON; and read again at each command."""

import sqlite3

import pytest

COLUMNS = """hostname, port, last_checked, last_attempted_check, last_check_partial_success, last_seen, server_id, server_uuid, version,
    binlog_format, log_bin, log_slave_updates, master_host, master_port, slave_sql_running, slave_io_running,
    replication_sql_thread_state, replication_io_thread_state, seconds_behind_master, slave_lag_seconds, slave_hosts, cluster_name,
    replication_depth, master_log_file, data_center"""


def server(host, depth, source="", uuid="", replicas="[]", lag=0, seen="datetime('now')", version="8.0.36", **more):
    values = {"hostname": host, "port": 3306, "last_check_partial_success": 1, "server_id": sum(host.encode()), "server_uuid": uuid,
              "version": version, "binlog_format": "ROW", "log_bin": 1, "log_slave_updates": 1, "master_host": source,
              "master_port": 3306 if source else 0, "slave_sql_running": 1, "slave_io_running": 1, "replication_sql_thread_state": 1,
              "replication_io_thread_state": 1, "seconds_behind_master": lag, "slave_lag_seconds": lag, "slave_hosts": replicas,
              "cluster_name": "p:3306", "replication_depth": depth, "master_log_file": "bin.1" if source else "", "data_center": "",
              **more}
    times = {"last_checked": "datetime('now')", "last_attempted_check": "''", "last_seen": seen}
    names = [name.strip() for name in COLUMNS.split(",")]
    sql = ", ".join(times.get(name, "?") for name in names)
    return f"INSERT INTO database_instance ({COLUMNS}) VALUES ({sql})", [values[name] for name in names if name not in times]


SERVERS = [
    server("p", 0, replicas='[{"Hostname":"a","Port":3306},{"Hostname":"b","Port":3306}]'),
    server("a", 1, "p", lag=7, replicas='[{"Hostname":"c","Port":3306}]'),
    server("b", 1, "p", lag=3, replicas="[{\\\"Hostname\\\":\\\"x\\\",\\\"Port\\\":3306}]"),  # escaped as in MySQL: no JSON
    server("c", 2, "a", lag=None, replicas="", binlog_format="STATEMENT"),
    server("null", 1, "p", seen="NULL", replicas=""),
    server("text", "1", "p", port="3306", server_id="19", log_bin="1", version="5.7.44", slave_lag_seconds="", seen="''"),
]


class Foreign:
    """A node that does not run, on a file that is ours to write."""

    def __init__(self, node):
        self.node, self.file = node, node.dir / "orchestrator.sqlite3"
        node.command("-c", "clusters")  # makes the file

    def sql(self, *statements):
        with sqlite3.connect(self.file) as db:
            for statement in statements:
                rows = db.execute(*(statement if isinstance(statement, tuple) else (statement,))).fetchall()
        db.close()
        return rows

    def says(self, *words, code=0):
        done = self.node.command("-c", *words, check=False)
        assert done.returncode == code, (words, done)
        return done.stdout


@pytest.fixture(scope="module")
def foreign():
    from node import Node

    with Node(start=False) as node:
        file = Foreign(node)
        file.sql(*SERVERS)
        yield file


def test_rows_with_null_and_empty_values_are_shown(foreign):
    assert foreign.says("all-instances").split() == ["p:3306", "a:3306", "b:3306", "null:3306", "text:3306", "c:3306"]
    assert foreign.says("which-replicas", "-i", "p").split() == ["a:3306", "b:3306", "null:3306", "text:3306"]
    assert foreign.says("bulk-instances").split() == ["a:3306", "b:3306", "c:3306", "null:3306", "p:3306", "text:3306"]
    drawing = foreign.says("topology", "-i", "a")
    assert drawing.splitlines()[0].startswith("p:3306 ")
    assert "- null:3306" in drawing and "invalid" in drawing
    assert foreign.says("instance-status", "-i", "null").startswith("[unknown,invalid,")


def test_replication_questions(foreign):
    assert foreign.says("can-replicate-from", "-i", "c", "-d", "b") == ""  # its log format is too small
    assert foreign.says("can-replicate-from", "-i", "b", "-d", "c") == "c:3306\n"
    assert foreign.says("can-replicate-from", "-i", "text", "-d", "a") == ""  # 5.7 below 8.0
    assert foreign.says("can-replicate-from", "-i", "a", "-d", "nowhere", code=1) == ""
    assert foreign.says("can-replicate-from", "-i", "a", code=1) == ""
    assert foreign.says("which-cluster-osc-replicas", "-i", "a").split() == ["a:3306", "b:3306", "c:3306"]
    assert foreign.says("which-cluster-gh-ost-slaves", "-alias", "p:3306").split() == ["b:3306", "a:3306"]
    assert foreign.says("get-cluster-heuristic-lag", "-i", "p") == "7\n"


def test_what_another_program_writes_is_seen_by_the_next_command(foreign):
    foreign.sql("INSERT INTO candidate_database_instance (hostname, port, promotion_rule, last_suggested) VALUES "
                "('a', 3306, 'prefer', datetime('now')), ('b', 3306, 'must_not', datetime('now', '+1 minute'))",
                "INSERT INTO database_instance_downtime (hostname, port, downtime_active, begin_timestamp, end_timestamp, owner, reason) "
                "VALUES ('b', 3306, 1, datetime('now'), datetime('now', '+1 hour'), 'me', 'lost-in-recovery')",
                "INSERT INTO database_instance_tags (hostname, port, tag_name, tag_value) VALUES ('a', 3306, 'role', 'x')",
                "INSERT INTO hostname_resolve (hostname, resolved_hostname, resolved_timestamp) VALUES ('vip', 'p', datetime('now'))",
                "INSERT INTO hostname_unresolve (hostname, unresolved_hostname, last_registered) VALUES ('p', 'w', datetime('now'))")
    assert foreign.says("bulk-promotion-rules") == "a:3306 prefer\nb:3306 must_not\n"
    assert foreign.says("which-lost-in-recovery") == "b:3306\n"
    assert foreign.says("tagged", "-tag", "role") == "a:3306\n"
    assert foreign.says("which-instance", "-i", "vip") == "p:3306\n"
    assert foreign.says("show-resolve-hosts") == "vip p\n"
    assert foreign.says("show-unresolve-hosts") == "p w\n"
    foreign.sql("DELETE FROM database_instance_downtime")
    assert foreign.says("which-downtimed-instances") == ""


def test_the_schema_is_completed(foreign):
    foreign.sql("DROP TABLE host_agent", "DROP TABLE database_instance_pool")
    assert foreign.says("redeploy-internal-db") == "Redeployed internal db\n"
    assert foreign.sql("SELECT count(*) FROM host_agent") == [(0,)]
    assert foreign.says("clusters") == "p:3306\n"


def test_history_of_foreign_rows(foreign):
    assert foreign.says("snapshot-topologies") == ""
    assert foreign.sql("SELECT hostname, master_host FROM database_instance_topology_history ORDER BY hostname")[0] == ("a", "p")


def test_topologies_of_the_past(foreign):
    def recorded(*words, pattern, code=0):
        return foreign.says("topology", *words, "-pattern", pattern, code=code)

    foreign.sql("DELETE FROM database_instance_topology_history")
    for time, cluster, host, source in ((1000000000, "p:3306", "p", ""), (1000000000, "p:3306", "b", "p"), (1000000000, "p:3306", "c", "b"),
                                        (1000003600, "p:3306", "p", ""), (1000003600, "p:3306", "c", "p"), (1000003600, "old:3306", "old", "")):
        foreign.sql(("INSERT INTO database_instance_topology_history (snapshot_unix_timestamp, hostname, port, master_host, master_port, cluster_name, version) "
                     "VALUES (?, ?, 3306, ?, ?, ?, '')", (time, host, source, 3306 if source else 0, cluster)))
    first, second = "p:3306\n- b:3306\n  - c:3306\n", "p:3306\n- c:3306\n"
    assert recorded("-i", "b", pattern="1000000000") == recorded("-alias", "p:3306", pattern="^10+$") == first
    assert recorded("-i", "p", pattern="1000003600") == second
    assert recorded("-i", "p", pattern="^100000") == recorded("-i", "p", pattern="10000%") == recorded("-i", "p", pattern="100000_600") == second
    assert recorded("-alias", "old:3306", pattern="1") == "old:3306\n", "a cluster that is known no more"
    for words, pattern in ((("-i", "p"), "1999"), (("-alias", "nobody"), "1"), (("-i", "p"), "("), (("-i", "p"), "1" * 65)):
        assert recorded(*words, pattern=pattern, code=1) == ""
    for command in ("topology-tabulated", "topology-tags"):
        assert "b:3306" in foreign.says(command, "-i", "p", "-pattern", "1000000000")
    assert "c:3306" in foreign.says("topology", "-i", "p"), "as it is"


def test_who_stands_under_a_domain(foreign):
    assert foreign.says("which-heuristic-domain-instance", "-i", "a", code=1) == foreign.says("set-heuristic-domain-instance", "-i", "a", code=1) == ""
    foreign.sql("INSERT INTO cluster_domain_name (cluster_name, domain_name, last_registered) VALUES ('p:3306', 'shop.example', datetime('now'))")
    assert foreign.says("which-heuristic-domain-instance", "-i", "a", code=1) == "", "nobody yet"
    assert foreign.says("set-heuristic-domain-instance", "-i", "a") == "p:3306\n"
    assert foreign.says("which-heuristic-domain-instance", "-alias", "p:3306") == "p:3306\n"
    assert foreign.sql("SELECT hostname, attribute_name, attribute_value FROM host_attributes") == [("*", "shop.example", "p:3306")]
    foreign.sql("UPDATE host_attributes SET attribute_value = 'b'")
    assert foreign.says("which-heuristic-domain-instance", "-i", "c") == "b:3306\n", "somebody else registered it"
    foreign.sql("UPDATE database_instance SET read_only = 1 WHERE hostname = 'p'")
    assert foreign.says("set-heuristic-domain-instance", "-i", "c", code=1) == "", "no writable primary"
    foreign.sql("UPDATE database_instance SET read_only = 0 WHERE hostname = 'p'")


def test_untag_all_and_names(foreign):
    foreign.sql("INSERT INTO database_instance_tags (hostname, port, tag_name, tag_value) VALUES ('b', 3306, 'old', ''), ('c', 3306, 'old', '')")
    assert foreign.says("untag-all", "-tag", "old=") == "b:3306\nc:3306\n"
    assert foreign.says("untag-all", "-tag", "old", code=1) == ""
    assert foreign.says("reset-hostname-resolve-cache") == "hostname resolve cache cleared\n"
    assert foreign.says("show-resolve-hosts") == ""


def test_failures_that_rows_tell_of(foreign):
    foreign.sql("DELETE FROM database_instance_downtime")
    assert foreign.says("replication-analysis") == "p:3306 (cluster p:3306): NoFailoverSupportStructureWarning\n"
    foreign.sql("UPDATE database_instance SET last_seen = datetime('now', '-1 hour'), last_check_partial_success = 0 WHERE hostname = 'p'")
    assert foreign.says("replication-analysis") == "p:3306 (cluster p:3306): UnreachableMaster, NoFailoverSupportStructureWarning\n"
    foreign.sql("UPDATE database_instance SET slave_io_running = 0, last_io_error = 'error connecting to master ''r@p:3306''' "
                "WHERE hostname IN ('a', 'b')",
                "INSERT INTO database_instance_downtime (hostname, port, downtime_active, begin_timestamp, end_timestamp, owner, reason) "
                "VALUES ('a', 3306, 1, datetime('now'), datetime('now', '+1 hour'), 'me', 'x')")
    assert foreign.says("replication-analysis").splitlines() == [
        "p:3306 (cluster p:3306): DeadMasterAndSomeReplicas, NoFailoverSupportStructureWarning",
        "b:3306 (cluster p:3306): FirstTierReplicaFailingToConnectToMaster"]  # that of a is not to be looked at
