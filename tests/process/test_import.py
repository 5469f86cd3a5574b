"""A node that lived without raft and is switched to it: its decisions come into the group that it founds."""

import pathlib
import sqlite3
import time

import pytest

from test_group import tag, tags
from waiting import wait_until

MANY = 3000
EXIT_CONFIG = 78  # common/proc/proc_contract.h
CHANGES = (
    "begin-downtime/db1/3306/me/why/2h",
    "begin-downtime/db2/3306/me/soon%20over/1s",
    "tag/db1/3306?tag=role=primary",
    "register-candidate/db1/3306/prefer",
    "set-cluster-alias/db1:3306?alias=shop",
    "begin-maintenance/db3/3306/me/disks",
    "submit-pool-instances/web?instances=db1:3306,db2:3306",
    "register-hostname-unresolve/db1/3306/vip1",
    "disable-global-recoveries",
)
QUERIES = {
    "servers": "SELECT hostname, port FROM database_instance",
    "downtimes": "SELECT hostname, port, begin_timestamp, end_timestamp, owner, reason FROM database_instance_downtime "
                 "WHERE end_timestamp > datetime('now')",
    "tags": "SELECT hostname, port, tag_name, tag_value FROM database_instance_tags",
    "candidates": "SELECT hostname, port, promotion_rule FROM candidate_database_instance",
    "aliases": "SELECT cluster_name, alias FROM cluster_alias_override",
    "clusters": "SELECT cluster_id, cluster_name, alias, domain_name FROM cluster_record",
    "maintenances": "SELECT hostname, port, owner, reason, end_timestamp FROM database_instance_maintenance "
                    "WHERE maintenance_active = 1",
    "pools": "SELECT hostname, port, pool FROM database_instance_pool",
    "names": "SELECT hostname, unresolved_hostname FROM hostname_unresolve",
    "switch": "SELECT * FROM global_recovery_disable",
}


def decisions(node):
    return {what: sorted(node.query(sql)) for what, sql in QUERIES.items()}


def live_without_raft(node, changes=CHANGES, servers=0, tags=0):
    """Decisions of each kind; servers and tags: how many more rows are written by another program meanwhile."""
    node.configure(RaftEnabled=False)
    node.start()
    for path in changes:
        node.change(path)
    node.stop()
    with sqlite3.connect(node.backend_file) as db:
        db.executemany("INSERT INTO database_instance (hostname, port, last_checked, last_seen, server_id, version, "
                       "binlog_format, log_bin, log_slave_updates, binary_log_file, binary_log_pos, master_host, "
                       "master_port, slave_sql_running, slave_io_running, master_log_file, read_master_log_pos, "
                       "relay_master_log_file, exec_master_log_pos, num_slave_hosts, slave_hosts, cluster_name) VALUES "
                       "(?, 3306, datetime('now'), datetime('now'), 0, '', '', 0, 0, '', 0, '', 0, 0, 0, '', 0, '', 0, 0, "
                       "'[]', '')", [(f"none{i}.invalid",) for i in range(servers)])
        db.executemany("INSERT INTO database_instance_tags VALUES ('db1', 3306, ?, 'x', datetime('now'))",
                       [(f"many{i}",) for i in range(tags)])
        db.execute("INSERT INTO cluster_record (cluster_id, cluster_name, alias, domain_name, created_at, updated_at) "
                   "VALUES ('c1', 'db1:3306', 'shop', 'example.com', datetime('now'), datetime('now'))")
    db.close()
    # downtimes that end soon have ended; a node without raft sees to that, here nobody does
    wait_until(lambda: len(node.query(QUERIES["downtimes"])) <= 1, 5, "the short downtime is over")
    node.configure(RaftEnabled=True)
    return decisions(node)


def wait_decisions(nodes, expected, deadline=30.0):
    def all_show():
        for node in nodes:
            for what, rows in decisions(node).items():
                assert rows == expected[what], (node.name, what, rows[:10], expected[what][:10])
        return True

    wait_until(all_show, deadline, "the decisions on " + ", ".join(n.name for n in nodes))


def wait_written_by_group(node):
    """Until the backend is the group's: the former one shows the same decisions, and a position as well."""
    def written():
        group = node.query("SELECT value FROM replicated_setting WHERE name = 'cluster_id'")
        return group and group[0][0] == node.info()["ClusterId"] != ""

    wait_until(written, 20, f"the rows of its group in the backend of {node.name}")


def copy_of(node):
    return pathlib.Path(f"{node.backend_file}.before-raft")


def tags_in(file):
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as db:
        return db.execute("SELECT count(*) FROM database_instance_tags").fetchone()[0]


def test_one_alone(new_group):
    group = new_group(1, config={"RaftNodes": []}, started=0)
    node = group[0]
    node.configure(RaftNodes=[])
    expected = live_without_raft(node, servers=600)
    assert all(expected.values()), expected
    node.start_raft()
    group.wait_leader()
    wait_written_by_group(node)
    wait_decisions([node], expected)
    assert tags_in(copy_of(node)) == len(expected["tags"])
    before = copy_of(node).stat()
    assert before.st_mode & 0o777 == 0o640
    node.kill()
    node.start_raft()
    group.wait_leader()
    wait_decisions([node], expected)
    assert (copy_of(node).stat().st_ino, copy_of(node).stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert node.log.read_text().count("are imported; the former backend is kept") == 1


def test_two_blank_nodes_beside_it(new_group):
    group = new_group(3, started=0)
    expected = live_without_raft(group[2])
    for node in group:
        node.start_raft()
    group.wait_leader()
    group.wait_same()
    wait_decisions(group, expected)
    assert copy_of(group[2]).exists() and not copy_of(group[0]).exists()


def test_the_decisions_of_one_node_count(new_group):
    group = new_group(3, started=0)
    few = live_without_raft(group[0], ["tag/db9/3306?tag=dropped=1"])
    expected = live_without_raft(group[1])
    for node in group:
        node.start_raft()
    group.wait_leader()
    group.wait_same()
    wait_decisions(group, expected)
    wait_until(lambda: "2 decisions of this node's time without raft are dropped" in group[0].log.read_text(), 5,
               "says what it drops")
    assert tags_in(copy_of(group[0])) == len(few["tags"]) and tags_in(copy_of(group[1])) == len(expected["tags"])


def test_nothing_is_changed_while_decisions_are_taken_over(new_group):
    """What an operator ends before the import of its begin would come back."""
    group = new_group(3, started=0)
    expected = live_without_raft(group[0])
    for node in group.nodes[:2]:
        node.start_raft()  # without the third the two wait for 5 s before they decide who imports
    leader = group.wait_leader()
    first = leader.get("/api/end-downtime/db1/3306", timeout=10)
    assert first.status == 500 and "try again" in first.body and leader.info()["ClusterId"] == "", first.body
    leader.change("end-downtime/db1/3306")
    assert leader.info()["ClusterId"] != ""
    group.wait_same()
    wait_decisions(group.running(), {**expected, "downtimes": []})


def without_raft(node, *paths):
    """It had lived in a group."""
    if node.running:
        node.stop()
    node.configure(RaftEnabled=False)
    node.start()
    for path in paths:
        node.change(path)
    node.restart()
    found = tags(node)
    node.stop()
    node.configure(RaftEnabled=True)
    return found


def test_raft_is_switched_off_for_a_while(new_group):
    """The group went on meanwhile: what operators changed on this node alone is neither merged nor dropped unasked."""
    group = new_group(3)
    leader = group.wait_leader()
    tag(leader, "before")
    group.wait_same()
    node = group.others(leader)[0]
    without_raft(node)
    node.start_raft()
    group.wait_same()
    assert without_raft(node, "tag/db1/3306?tag=alone=x", "untag/db1/3306?tag=before") == {"alone": "x"}
    tag(group.wait_leader(), "meanwhile")
    node.start_raft()
    assert node.wait_exit(15) == EXIT_CONFIG, node.log_tail()
    assert "while RaftEnabled was off, and its group knows nothing of that. To give these changes up, move " in node.log_text()
    node.backend_file.rename(node.dir / "mine.sqlite3")
    node.start_raft()
    group.wait_same()
    assert tags(node) == {"before": "x", "meanwhile": "x"}


def test_what_was_changed_without_raft_can_be_kept(new_group):
    group = new_group(2)
    tag(group.wait_leader(), "before")
    group.wait_same()
    group.stop()
    without_raft(group[0], "tag/db1/3306?tag=alone=x", "untag/db1/3306?tag=before")
    for node in group:
        node.wipe()
        node.start_raft()
    group.wait_leader()
    group.wait_same()
    wait_until(lambda: [tags(node) for node in group] == [{"alone": "x"}] * 2, 10, "the tags of the one on both")


def test_killed_in_the_middle_again_and_again(new_group):
    group = new_group(3, started=0)
    expected = live_without_raft(group[0], servers=1000, tags=MANY)
    for node in group:
        node.start_raft()

    def shown():
        return max(node.query("SELECT count(*) FROM database_instance_tags")[0][0] for node in group.nodes[1:]
                   if node.backend_file.exists() and node.backend_file.stat().st_size)

    def reached(n):
        try:
            return shown() >= n
        except (sqlite3.Error, ValueError):
            return False

    unfinished = 0
    for n in range(1, MANY, MANY // 12):
        wait_until(lambda n=n: reached(n), 30, f"{n} tags are imported", interval=0.005)
        group[0].kill()
        unfinished += shown() < len(expected["tags"])
        group[0].start_raft()
    assert unfinished >= 3, "the import was killed in the middle"
    group.wait_leader()
    group.wait_same(deadline=60)
    wait_decisions(group, expected)


def test_all_killed_at_once(new_group):
    group = new_group(3, started=0)
    expected = live_without_raft(group[0], tags=MANY)
    for delay in (0.5, 1.0, 1.5, 2.0, 2.5):
        for node in group:
            node.start_raft()
        time.sleep(delay)  # anywhere: before, in, or after the import
        for node in group:
            node.kill()
    for node in group:
        node.start_raft()
    group.wait_leader()
    group.wait_same(deadline=60)
    wait_decisions(group, expected)
    assert tags_in(copy_of(group[0])) == len(expected["tags"])


@pytest.mark.parametrize("started", [2])
def test_it_is_late(new_group, started):
    """The group has decided without it: its own decisions are kept in the copy only."""
    group = new_group(3, started=0)
    live_without_raft(group[2], ["tag/db1/3306?tag=late=1"])
    for node in group.nodes[:started]:
        node.start_raft()
    leader = group.wait_leader()
    wait_until(lambda: leader.info()["ClusterId"], 20, "the group has an id")
    leader.change("tag/db1/3306?tag=early=1")
    group[2].start_raft()
    group.wait_members(group)
    group.wait_same()
    assert [row[2] for row in decisions(group[2])["tags"]] == ["early"]
    assert tags_in(copy_of(group[2])) == 1
