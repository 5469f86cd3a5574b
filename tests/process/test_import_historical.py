"""The first start on the backend file of the historical program: alone, in place; and with raft, as the first of three. And back."""

import pathlib

import historical
from test_import import decisions
from waiting import wait_until

# What a node writes of itself whenever it starts, and what it finds out about servers that don't exist.
OF_EACH_START = {"active_node", "node_health", "node_health_history", "orchestrator_db_deployments", "orchestrator_meta", "applied_command",
                 "database_instance_last_analysis", "database_instance_analysis_changelog"}
CHANGING = {"database_instance": ("last_checked", "last_attempted_check", "last_check_partial_success"),
            "cluster_alias": ("last_registered",)}
OURS = {"applied_command", "cluster_record", "node_record", "orchestrator_meta", "replicated_setting", "failure_detection_witness",
        "recovery_machine", "recovery_input", "recovery_hook", "failure_vote"}
DECISIONS = {
    "downtimes": [("bill2.invalid", "orchestrator", "lost-in-recovery"), ("db3.invalid", "alice", "new disks"),
                  ("gone.invalid", "bob", "was it renamed?")],
    "tags": [("db1.invalid", 3306, "role", "writer"), ("db2.invalid", 3306, "backup", ""), ("gone.invalid", 3306, "rack", "r7")],
    "candidates": [("db2.invalid", 3306, "prefer"), ("db3.invalid", 3306, "must_not")],
    "aliases": [("bill1.invalid:3306", "billing")],
    "pools": [("db2.invalid", 3306, "readers"), ("db3.invalid", 3306, "readers")],
    "names": [("db1.invalid", "shop-writer.example.net")],
    "switch": [(1,)],
}


def content(file):
    """{table: rows}, without what a start changes; the downtime that was over may have gone already."""
    found = {}
    with historical.opened(file) as db:
        for table in set(historical.tables(file)) - OF_EACH_START:
            names = [row[1] for row in db.execute(f"PRAGMA table_info({table})") if row[1] not in CHANGING.get(table, ())]
            rows = db.execute(f"SELECT {', '.join(names)} FROM {table}").fetchall()
            found[table] = sorted((row for row in rows if row[-1] != "is over"), key=repr)
    return found


def schema(file):
    with historical.opened(file) as db:
        return {(kind, name): sql for kind, name, sql in db.execute("SELECT type, name, sql FROM sqlite_master")}


def keys(instances):
    return [f"{i['Key']['Hostname']}:{i['Key']['Port']}" for i in instances]


def check_servers(node):
    """What is shown of servers that nobody has asked since."""
    assert node.api("clusters") == ["bill1.invalid:3306", "db1.invalid:3306"]
    assert [(c["ClusterName"], c["ClusterAlias"], c["ClusterDomain"], c["CountInstances"]) for c in node.api("clusters-info")] == [
        ("bill1.invalid:3306", "billing", "", 2), ("db1.invalid:3306", "shop", "shop.db.example.net", 3)]
    drawing = node.api("topology/shop")["Details"].splitlines()
    assert [line.split()[:2] for line in drawing[1:]] == [["-", "db2.invalid:3306"], ["-", "db3.invalid:3306"]]
    assert drawing[2].endswith("downtimed]")
    assert keys(node.api("downtimed")) == ["bill2.invalid:3306", "db3.invalid:3306"]
    three = node.api("instance/db3.invalid/3306")
    assert (three["IsDowntimed"], three["DowntimeOwner"], three["DowntimeReason"]) == (True, "alice", "new disks")
    assert three["LastIOError"] == "\"error connecting to master 'repl@db1.invalid:3306' - retry-time: 60\""
    assert node.api("instance/db1.invalid/3306")["UnresolvedHostname"] == "shop-writer.example.net"
    assert node.api("instance/unseen.invalid/3306")["LastSeenTimestamp"] == ""
    assert {(p["Pool"], p["ClusterAlias"], p["Hostname"]) for p in node.api("cluster-pool-instances")} == {
        ("readers", "shop", "db2.invalid"), ("readers", "shop", "db3.invalid")}


def check_decisions(node):
    assert node.api("tags/db1.invalid/3306") == ["role=writer"]
    assert node.api("tagged?tag=rack") == [{"Hostname": "gone.invalid", "Port": 3306}]
    assert [(r["Hostname"], r["PromotionRule"]) for r in node.api("bulk-promotion-rules")] == [
        ("db2.invalid", "prefer"), ("db3.invalid", "must_not")]
    assert ("db2.invalid", "alice", "rebuild") in {(m["Key"]["Hostname"], m["Owner"], m["Reason"]) for m in node.api("maintenance")}
    assert node.api("check-global-recoveries")["Details"] == "disabled"
    return True


def test_in_place_and_back(new_node):
    node = new_node(start=False)
    file = node.dir / "orchestrator.sqlite3"
    historical.make(file)
    found, made = content(file), schema(file)

    node.start()
    assert "(taken over from the historical program)" in node.log_text()
    check_servers(node)
    check_decisions(node)
    assert [(a["AuditType"], a["Message"]) for a in node.api("audit")] == [("begin-downtime", "owner: alice, reason: new disks")]
    node.stop()
    kept, ours = content(file), schema(file)
    assert {table: kept[table] for table in found} == found  # every row of every table, those that are not ours too
    assert set(historical.tables(file)) == {name for kind, name in made if kind == "table"} | OURS
    assert {name for name, sql in made.items() if ours.get(name) != sql} == {  # their place is taken by what admits two a second
        ("index", "in_active_end_period_uidx_topology_recovery"),
        ("index", "host_port_active_recoverable_uidx_topology_failure_detection")}

    node.start()  # once is enough
    assert node.log_text().count("(taken over from the historical program)") == 1
    node.stop()
    assert (content(file), schema(file)) == (kept, ours)

    historical.come_back(file)  # and forth again: its downtime counts here too
    node.start()
    assert any("back.invalid" in row for row in historical.rows(file, "topology_failure_detection"))
    check_servers(node)
    check_decisions(node)
    node.stop()
    assert ("back.invalid", "went back") in {(row[0], row[-1]) for row in historical.rows(file, "database_instance_downtime")}


def wait_taken_over(group):
    """The decisions on all of them, once."""
    expected = {what: rows for what, rows in DECISIONS.items() if what != "downtimes"}

    def taken_over():
        for node in group:
            found = decisions(node)
            assert {what: found[what] for what in expected} == expected, node.name
            assert sorted((row[0], *row[4:]) for row in found["downtimes"]) == DECISIONS["downtimes"], node.name
            assert ("db2.invalid", 3306, "alice", "rebuild") in {row[:4] for row in found["maintenances"]}, node.name
            assert len(found["servers"]) == 6, node.name
        return True

    group.wait_leader()
    group.wait_same()
    wait_until(taken_over, 30, "the decisions on all three")
    wait_until(lambda: check_decisions(group.wait_leader()), 10, "the leader shows them")


def without_empty(rows):
    """No successor is an empty text there, NULL here: either column admits both."""
    return [[None if value == "" else value for value in row] for row in rows]


def test_as_the_first_of_three(new_group):
    group = new_group(3, started=0)
    historical.make(group[0].backend_file)
    before = content(group[0].backend_file)
    for node in group:
        node.start_raft()
    wait_taken_over(group)
    copy = f"{group[0].backend_file}.before-raft"
    assert {table: rows for table, rows in content(copy).items() if table in before} == before
    historical.come_back(copy)
    here = content(group[0].backend_file)
    for table in ("topology_failure_detection", "topology_recovery", "topology_recovery_steps", "audit", "raft_log", "async_request", "orchestrator_metadata"):
        assert without_empty(here[table]) == without_empty(before[table]) != [], table


def test_three_that_were_a_group(new_group):
    """Each has the decisions; and in its RaftDataDir what the historical program keeps there."""
    group = new_group(3, started=0)
    for node in group:
        historical.make(node.backend_file)
        (node.raft_dir / "snapshots" / "7-9-1704096000").mkdir(parents=True)
        historical.make(node.raft_dir / "raft_store.db")  # its raft_log and raft_store are two of those tables
    kept = [historical.rows(node.raft_dir / "raft_store.db", "raft_log") for node in group]
    for node in group:
        node.start_raft()
    wait_taken_over(group)
    assert [historical.rows(node.raft_dir / "raft_store.db", "raft_log") for node in group] == kept
    for node in group:
        assert (node.raft_dir / "snapshots" / "7-9-1704096000").is_dir()
        copy = pathlib.Path(f"{node.backend_file}.before-raft")
        wait_until(copy.exists, 20, f"the copy of {node.name}")
        assert historical.rows(copy, "cluster_alias_override") == DECISIONS["aliases"]
