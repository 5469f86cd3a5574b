"""Every column of the historical tables has its type in our schema, and is written or not as the table says."""

import re

import pytest

import historical
from fleet import Fleet
from node import Node
from tables import ROOT, rows, sources
from waiting import wait_until

TABLE = rows("columns.txt", 4)
STATES = {(table, column): state for table, column, _, state in TABLE}
LATER = {table for (table, _), state in STATES.items() if state.startswith("later")}
OURS = {"orchestrator_meta", "applied_command", "cluster_record", "node_record", "replicated_setting", "failure_detection_witness",
        "recovery_machine", "recovery_input", "recovery_hook", "failure_vote"}

INTEGERS = {"8": "tinyint", "16": "smallint", "32": "int", "64": "bigint"}
# A primary and a replica of each, as they answered once: tests/golden/prober.
PLAYED = (("mysql57_semi_sync_primary", "mysql80_semi_sync_replica"), ("mysql97_group_primary", "mysql97_group_secondary"),
          ("mariadb_primary", "mariadb_replica"), ("mysql97_primary", "mysql57_filtered_replica"))


def mysql_type(notation):
    """What backend-schema.md section 1 means by it."""
    kind, null = notation.rstrip("?"), "NULL DEFAULT NULL" if notation.endswith("?") else "NOT NULL"
    if kind == "auto":
        return "bigint unsigned NOT NULL AUTO_INCREMENT"
    if kind == "rule":
        return "enum('must', 'prefer', 'neutral', 'prefer_not', 'must_not') NOT NULL DEFAULT 'neutral'"
    if kind in ("ts", "old") and null == "NOT NULL":
        return "timestamp NOT NULL DEFAULT " + ("CURRENT_TIMESTAMP" if kind == "ts" else "'1971-01-01 00:00:00'")
    base = "timestamp" if kind == "ts" else "text" if kind.startswith("txt") else f"varchar({kind.strip('su')})"
    if match := re.fullmatch(r"([ui])(\d+)", kind):
        base = INTEGERS[match[2]] + (" unsigned" if match[1] == "u" else "")
    return f"{base}{' CHARACTER SET utf8' if kind.endswith('u') else ''} {null}"


def ours():
    """{(table, column): definition}; the DDL is what common/db makes: tests/unit/db/test_db_sql.c."""
    text = (ROOT / "tests" / "golden" / "db" / "schema-mysql.sql").read_text()
    return {(table, column): definition for table, body in re.findall(r"^CREATE TABLE (\w+) \((.*?)^\)", text, re.M | re.S)
            for column, definition in re.findall(r"^  ([a-z]\w+) (.*?),?$", body, re.M)}


def test_table():
    assert len(TABLE) == 297
    assert all(re.fullmatch(r"written|(seldom|later): \S.*", state) for state in STATES.values())
    for table in LATER:
        assert len({state for (name, _), state in STATES.items() if name == table}) == 1, table


def test_columns_have_their_types():
    """Nor has a historical table a column of ours: the historical program's statements may be positional."""
    found = ours()
    assert {place for place in found if place[0] not in OURS} == set(STATES)
    wrong = {}
    for table, column, notation, _ in TABLE:
        expected, default = mysql_type(notation), re.search(r" (/\*!80013 )?DEFAULT .*", found[table, column])
        if found[table, column].replace(default[0] if default and "DEFAULT" not in expected else "", "") != expected:
            wrong[table, column] = (found[table, column], expected)
    # signed historically; a flag
    assert set(wrong) == {("topology_failure_detection", "is_actionable")}, wrong
    assert {place for place, definition in found.items() if not re.search("DEFAULT|AUTO_INCREMENT", definition)} == set()
    assert found["database_instance", "replication_group_is_single_primary_mode"].endswith("DEFAULT 1")


def test_who_waits_is_not_written():
    text = (ROOT / "common" / "db" / "db_tables.def").read_text()
    names = {table: name for name, table in re.findall(r'^I?TABLE\((\w+), "(\w+)"\)', text, re.M)}
    tables = (ROOT / "raftd" / "state" / "rd_tables.def").read_text()
    code = "".join(sources("raftd", "common/db", suffixes=(".c",)).values())
    used = set(re.findall(r"\bDB_TABLE_(\w+)\b", code)) | set(re.findall(r"^RD_TABLE\(\w+, (\w+),", tables, re.M))
    assert {names[table] for table in {table for table, _ in STATES}} & used == {names[table] for table, _ in STATES if table not in LATER}


@pytest.fixture(scope="module")
def lived():
    """The file of a node that has watched servers, one of them failing, and made a decision of each kind."""
    config = {"AuditToBackendDB": True, "HostnameResolveMethod": "ip", "ReplicationLagQuery": "select 1",
              "DataCenterPattern": r"127\.(\d+)\.", "RegionPattern": "(127)", "PhysicalEnvironmentPattern": r"127\.(\d+)"}
    with Fleet(2 * len(PLAYED), replicas=1, flavors=PLAYED) as fleet, Node(seeds=fleet.sources, config=config) as node:
        node.wait_instances(fleet.addresses)
        place = fleet.addresses[1].replace(":", "/")
        for path in (f"begin-downtime/{place}/me/why/1h", f"tag/{place}?tag=role=x", f"register-candidate/{place}/prefer",
                     f"begin-maintenance/{place}/me/why", f"register-hostname-unresolve/{place}/vip",
                     f"set-cluster-alias/{fleet.sources[0]}?alias=shop", f"submit-pool-instances/web?instances={fleet.addresses[0]}",
                     "disable-global-recoveries", "snapshot-topologies"):
            assert node.api(path)["Code"] == "OK", path
        yield node.dir / "orchestrator.sqlite3"


def untouched(file):
    """Columns that have their default in every row, by the words of the schema; times that are now: empty."""
    found = set()
    with historical.opened(file) as db:
        for table in {table for table, _ in STATES}:
            for _, column, _, _, default, _ in db.execute(f"PRAGMA table_info({table})"):
                default = {None: "NULL", "CURRENT_TIMESTAMP": "''"}.get(default, default)
                if not db.execute(f"SELECT 1 FROM {table} WHERE {column} IS NOT {default} LIMIT 1").fetchone():
                    found.add((table, column))
    return found


def test_what_is_written_and_what_is_not(lived):
    written = {place for place, state in STATES.items() if state == "written"}

    def all_are():
        assert written & untouched(lived) == set()
        return True

    wait_until(all_are, 30, "a value in each column that is written")
    assert {table for table in LATER if historical.rows(lived, table)} == set()
