"""Who belongs to the group: lost disks, nodes that come and go, and that none of it needs luck or weakens the majority."""

import sqlite3

import pytest

from test_group import stays, tag, tags
from waiting import wait_until


@pytest.fixture
def group(new_group):
    group = new_group(3)
    group.wait_leader()
    return group


def add_peer(leader, node):
    answer = leader.get(f"/api/raft-add-peer/{node.name}")
    assert answer.status == 200, answer


def remove_peer(leader, node):
    answer = leader.get(f"/api/raft-remove-peer/{node.name}", timeout=20)
    assert answer.status == 200, answer


def member_ids(node):
    return {member["Name"]: member["Id"] for member in node.info()["Members"]}


# -- lost disks

@pytest.mark.parametrize("who", ["follower", "leader"])
@pytest.mark.parametrize("backend", ["backend kept", "backend lost too"])
def test_lost_directory(group, who, backend):
    leader = group.wait_leader()
    victim = leader if who == "leader" else group.others(leader)[0]
    for i in range(5):
        tag(leader, f"t{i}")
    group.wait_same()
    before = member_ids(leader)
    victim.kill()
    victim.wipe()
    if backend == "backend lost too":
        victim.wipe_backend()
    new = group.wait_leader()
    tag(new, "meanwhile")
    victim.start_raft()
    group.wait_members(group)
    group.wait_same()
    assert member_ids(new)[victim.name] != before[victim.name], "it must not speak with its former id"
    assert len(tags(victim)) == 6
    if backend == "backend kept":
        assert len(victim.query("SELECT * FROM audit WHERE audit_type = 'tag'")) <= 6, "audit entries are not written twice"


@pytest.mark.parametrize("back", ["at once", "after the lease"])
def test_all_but_one_lost_their_directories_at_once(group, back):
    """Nothing can be decided then; nobody pretends otherwise, and a leader that has not noticed yet begins no change of
    the members that it couldn't finish. With one of them restored it goes on."""
    leader = group.wait_leader()
    tag(leader, "precious")
    group.wait_same()
    lost = group.others(leader)
    saved = lost[0].dir / "saved"
    for node in lost:
        node.kill()
    lost[0].raft_dir.rename(saved)
    lost[1].wipe()
    if back == "after the lease":
        wait_until(lambda: not leader.leads(), 5, "the end of the lease")
    for node in lost:
        node.start_raft()
    wait_until(lambda: not leader.leads(), 5, "the end of the lease")
    stays(lambda: not any(node.leads() for node in group), 4, "one of three voters decides nothing")
    lost[0].kill()
    lost[0].wipe()
    saved.rename(lost[0].raft_dir)
    lost[0].start_raft()
    group.wait_members(group)
    group.wait_same()
    assert tags(lost[1]) == {"precious": "x"}


def test_all_directories_lost_is_a_new_group(group):
    tag(group.wait_leader(), "gone")
    group.wait_same()
    cluster = group[0].info()["ClusterId"]
    group.stop()
    for node in group:
        node.wipe()
        node.start_raft()
    leader = group.wait_leader()
    assert leader.info()["ClusterId"] != cluster
    group.wait_same()
    assert tags(leader) == {}, "the view of a group that is gone is not believed"


# -- the backend is only a view

def test_lost_backend_is_written_anew(group):
    follower = group.others(group.wait_leader())[0]
    tag(group.wait_leader(), "a")
    group.wait_same()
    follower.kill()
    follower.wipe_backend()
    follower.start_raft()
    group.wait_same()
    assert tags(follower) == {"a": "x"}


def change_backend(node, *statements):
    with sqlite3.connect(node.backend_file) as db:
        for statement in statements:
            db.execute(statement)
    db.close()


@pytest.mark.parametrize("what,statements", {
    "rows changed by hand": ["UPDATE database_instance_tags SET tag_value = 'forged'"],
    "rows of another group": ["UPDATE replicated_setting SET value = 'ffff' WHERE name = 'cluster_id'"],
    "newer than the log": ["UPDATE orchestrator_meta SET value = '900000' WHERE name = 'applied_index'"],
    "half of a rebuild": ["DELETE FROM orchestrator_meta WHERE name = 'state_hash'"],
}.items())
def test_a_backend_that_cannot_be_trusted(group, what, statements):
    follower = group.others(group.wait_leader())[0]
    tag(group.wait_leader(), "a")
    group.wait_same()
    follower.kill()
    change_backend(follower, *statements)
    follower.start_raft()
    follower.wait_log("decisions in the backend are not used: .*; it is written anew")
    group.wait_same()
    assert tags(follower) == {"a": "x"}, what


def test_an_older_backend_gets_what_it_misses(group):
    follower = group.others(group.wait_leader())[0]
    tag(group.wait_leader(), "old")
    group.wait_same()
    follower.kill()
    with sqlite3.connect(follower.backend_file) as db, sqlite3.connect(follower.dir / "old.sqlite3") as old:
        db.backup(old)
    follower.start_raft()
    group.wait_leader()
    tag(group.wait_leader(), "new")
    group.wait_same()
    follower.kill()
    follower.wipe_backend()
    (follower.dir / "old.sqlite3").rename(follower.backend_file)
    follower.start_raft()
    group.wait_same()
    assert "written anew" not in follower.log_text(), "an older state of the same group is believed, and goes on from there"


# -- nodes that come and go

def test_a_fourth_and_a_fifth(group):
    leader = group.wait_leader()
    tag(leader, "a")
    for _ in range(2):
        node = group.add(nodes=group.names)
        add_peer(leader, node)
        group.wait_members(group)
    group.wait_same()
    leader.kill()
    group.others(leader)[0].kill()  # two of five
    assert tag(group.wait_leader(), "b").status == 200


def test_blank_nodes_found_no_group_beside_members_they_do_not_name(group):
    """RaftNodes of the first three was not kept up: two of them with lost disks are a majority of that list."""
    leader = group.wait_leader()
    tag(leader, "precious")
    for _ in range(2):
        add_peer(group.wait_leader(), group.add(nodes=group.names))
        group.wait_members(group)
    group.wait_same()
    first, second, down, *later = group
    group.stop()
    first.wipe()
    second.wipe()
    for node in (*later, first, second):
        node.start_raft()
    for node in (first, second):
        node.wait_phase("joining")
    stays(lambda: not any(node.leads() for node in group), 2, "two of five voters decide nothing")
    down.start_raft()
    group.wait_members(group)
    group.wait_same()
    assert tags(first) == {"precious": "x"}


def test_a_stranger_is_not_taken_in(group):
    leader = group.wait_leader()
    stranger = group.add(nodes=group.names)
    wait_until(lambda: "not a member of the group" in stranger.info()["PhaseWhy"], 10, "the stranger to hear why")
    stays(lambda: stranger.phase() == "founding" and not stranger.leads(), 2, "nobody asked for it")
    assert stranger.name not in leader.members()
    stranger.kill()


def test_remove_a_follower(group):
    leader = group.wait_leader()
    gone, stays_in = group.others(leader)
    remove_peer(leader, gone)
    group.wait_members([leader, stays_in], among=[leader, stays_in])
    stays(lambda: gone.name not in leader.members(), 3, "it must not come back by itself")
    assert not gone.leads()
    tag(leader, "without")
    group.wait_same([leader, stays_in])
    add_peer(leader, gone)  # and back again, with what it has
    group.wait_members(group)
    group.wait_same()


def test_remove_the_leader_itself(group):
    leader = group.wait_leader()
    others = group.others(leader)
    remove_peer(leader, leader)
    new = group.wait_leader(among=others)
    group.wait_members(others, among=others)
    stays(lambda: leader.name not in new.members() and not leader.leads(), 3, "it must not come back by itself")
    assert leader.phase() == "removed"
    tag(new, "without")
    group.wait_same(others)


def test_remove_what_is_not_there(group):
    leader = group.wait_leader()
    answer = leader.get("/api/raft-remove-peer/127.0.0.250:10008")
    assert answer.status == 500 and "no member" in answer.body
    answer = leader.get(f"/api/raft-add-peer/{leader.name}")
    assert answer.status == 500 and "is a member already" in answer.body


def test_remove_a_dead_member_and_replace_it(group):
    leader = group.wait_leader()
    dead = group.others(leader)[0]
    dead.kill()
    remove_peer(leader, dead)
    spare = group.add(nodes=group.names)
    add_peer(leader, spare)
    alive = group.others(dead)
    group.wait_members(alive, among=alive)
    group.wait_same(alive)


def test_a_wiped_member_returns_although_the_leader_dies_in_between(group):
    """The old self is removed by one leader, the new one added by the next."""
    for _ in range(3):
        leader = group.wait_leader()
        victim = group.others(leader)[0]
        victim.kill()
        victim.wipe()
        victim.start_raft()
        wait_until(lambda: re_membered(group, leader, victim), 20, "the removal of the former self", interval=0.002)
        leader.kill()
        leader.start_raft()
        group.wait_members(group, deadline=30)
        tag(group.wait_leader(), "a")
        group.wait_same()


def re_membered(group, leader, victim):
    return "its data directory is new" in leader.log_text()


# -- a node that founded alone

def test_alone_and_adopted(group, new_group):
    leader = group.wait_leader()
    tag(leader, "a")
    alone = group.add(nodes=[])
    wait_until(alone.leads, 10, "a lone node to lead")
    add_peer(leader, alone)
    group.wait_members(group, deadline=30)
    group.wait_same()
    assert tags(alone) == {"a": "x"}


def test_alone_with_an_operators_decisions_is_not_adopted(group):
    leader = group.wait_leader()
    alone = group.add(nodes=[])
    wait_until(alone.leads, 10, "a lone node to lead")
    tag(alone, "mine")
    add_peer(leader, alone)
    stays(lambda: alone.leads() and tags(alone) == {"mine": "x"}, 4, "its decisions are not thrown away")
    remove_peer(leader, alone)


def test_alone_survives_kills(new_group):
    group = new_group(1)
    node = group.wait_leader()
    for i in range(3):
        tag(node, f"t{i}")
        node.kill()
        node.start_raft()
        group.wait_leader()
    assert len(tags(node)) == 3
    group.wait_same()
