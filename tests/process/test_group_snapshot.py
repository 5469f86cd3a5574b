"""Snapshots between whole nodes: who was away for more entries than are kept, or lost its disk, gets one in pieces; whoever
dies meanwhile. The raftd of this group has small limits (tests/fixture/meson.build): 50 entries are kept, pieces have 64 bytes."""

import re

import pytest

from raftnodes import SmallRaftNode
from test_group import tag, tags
from test_group_trouble import write_many
from waiting import wait_until

KEPT = 50


@pytest.fixture
def group(new_group):
    """Three that have founded, with so many rows that a snapshot takes thousands of pieces."""
    group = new_group(3, node_class=SmallRaftNode)
    leader = group.wait_leader()
    for pool in range(25):
        members = ",".join(f"server-{pool}-{i}" for i in range(250))
        leader.change(f"submit-pool-instances/pool{pool}?instances={members}")
    tag(leader, "before")
    group.wait_same()
    return group


def pass_by(group, node):
    """More commands than are kept, and a snapshot behind them, while this node is away."""
    others = group.others(node)
    leader = group.wait_leader(among=others)
    write_many(leader, 5 * KEPT)
    enough = leader.info()["CommitIndex"] - 3 * KEPT
    for other in others:
        wait_until(lambda: other.get("/api/raft-snapshot", timeout=20).status == 200 and newest_snapshot(other) >= enough, 20,
                   f"a snapshot of {other.name}")
    return leader


def newest_snapshot(node):
    """Its index, from the file's name."""
    return max((int(f.stem.split("-")[2]) for f in node.raft_dir.glob("snapshot-*.orc")), default=0)


def count(node, text):
    return len(re.findall(text, node.log_text()))


RECEIVING, TAKEN = "receiving snapshot index", "state taken from a snapshot"


def begins_to_receive(node):
    """Starts it; returns in the middle of a transfer."""
    before = count(node, RECEIVING)
    node.start_raft()
    wait_until(lambda: count(node, RECEIVING) > before, 20, "the transfer to begin", interval=0.002)


def all_the_same(group, node, transfers=1):
    group.wait_members(group)
    group.wait_same()
    assert count(node, TAKEN) >= 1, "a snapshot was needed"
    assert count(node, RECEIVING) >= transfers
    for each in group:
        assert "differ" not in each.log_text()
    tag(group.wait_leader(), "after")
    group.wait_same()
    assert {"before": "x", "after": "x"}.items() <= tags(node).items()


def test_away_for_more_than_is_kept(group):
    away = group.others(group.wait_leader())[0]
    away.kill()
    pass_by(group, away)
    away.start_raft()
    all_the_same(group, away)


def test_wiped_disk(group):
    away = group.others(group.wait_leader())[0]
    away.kill()
    pass_by(group, away)
    away.wipe()
    away.wipe_backend()
    away.start_raft()
    all_the_same(group, away)


def test_kill_of_the_receiver(group):
    """Twice: what is left of a broken transfer is no obstacle."""
    away = group.others(group.wait_leader())[0]
    away.kill()
    pass_by(group, away)
    for _ in range(2):
        begins_to_receive(away)
        away.kill()
        assert count(away, TAKEN) == 0, "it was killed in the middle"
    away.start_raft()
    all_the_same(group, away, transfers=3)
    assert not [f.name for f in away.raft_dir.iterdir() if "tmp" in f.name or "part" in f.name], "leftovers"


def test_kill_of_the_sender(group):
    away = group.others(group.wait_leader())[0]
    away.kill()
    sender = pass_by(group, away)
    begins_to_receive(away)
    sender.kill()
    assert count(away, TAKEN) == 0, "it was killed in the middle"
    group.wait_leader(among=group.others(sender))
    group.wait_same(group.others(sender))
    sender.start_raft()
    all_the_same(group, away, transfers=2)


def test_a_frozen_receiver_holds_nobody_up(group):
    """The leader goes on, and gives the transfer up only when there is no progress for long; thawed, it goes on."""
    away = group.others(group.wait_leader())[0]
    away.kill()
    leader = pass_by(group, away)
    begins_to_receive(away)
    away.freeze()
    try:
        write_many(leader, 5 * KEPT)
        assert leader.leads()
    finally:
        away.thaw()
    all_the_same(group, away)
