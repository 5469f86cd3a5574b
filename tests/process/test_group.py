"""Three nodes that agree: founding, the end of a leader, restarts, nodes that were away."""

import signal

import pytest

from waiting import wait_until


def stays(condition, seconds, what):
    """For what must not happen: condition() holds all the time."""
    import time

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert condition(), what
        time.sleep(0.05)


def tag(node, name, value="x"):
    return node.change(f"tag/db1/3306?tag={name}={value}")


def tags(node):
    return dict(text.split("=") for text in node.api("tags/db1/3306"))


@pytest.fixture
def group(new_group):
    """Three that have founded."""
    group = new_group(3)
    group.wait_leader()
    return group


# -- founding

def test_three_nodes_found_a_group_and_agree(group):
    tag(group.wait_leader(), "a")
    group.wait_same()
    assert all(node.members() == dict.fromkeys(group.names, "voter") for node in group)
    assert len({node.info()["ClusterId"] for node in group}) == 1
    records = group[0].query("SELECT name, http_uri, version FROM node_record ORDER BY name")
    assert [name for name, _, _ in records] == sorted(group.names) and all(uri and version for _, uri, version in records)


def test_one_is_late(new_group):
    group = new_group(3, started=2)
    leader = group.wait_leader()
    tag(leader, "early")
    late = group[2].start_raft()
    group.wait_members(group)
    group.wait_same()
    assert tags(late) == {"early": "x"}


def test_a_minority_founds_nothing(new_group):
    group = new_group(3, started=1)
    group[0].wait_phase("founding")
    stays(lambda: not group[0].leads() and group[0].phase() == "founding", 3, "one of three must wait")
    assert "at least 2 are needed" in group[0].info()["PhaseWhy"]
    group[1].start_raft()
    group.wait_leader()


def test_different_lists_found_nothing_together(new_group):
    group = new_group(3, started=0)
    group[1].configure(RaftNodes=[group[1].name, group[0].name])
    group[0].start_raft()
    group[1].start_raft()
    group[0].wait_log("RaftNodes")
    stays(lambda: not group[0].leads() and not group[1].leads(), 2, "they are configured differently")
    group[2].start_raft()  # the same list as the first
    group.wait_leader(among=[group[0], group[2]])


def test_no_group_beside_one_that_does_not_work_with_the_newcomers(group):
    """Two of three lost their disks and, with another election timeout, can't talk with the one that still has its own."""
    survivor = group.wait_leader()
    lost = group.others(survivor)
    for node in lost:
        node.kill()
        node.wipe()
        node.configure(RaftElectionTimeoutMilliseconds=700)
    wait_until(lambda: not survivor.leads(), 5, "the end of its lease")
    for node in lost:
        node.start_raft()
        node.wait_log("RaftElectionTimeoutMilliseconds")
    stays(lambda: not any(node.leads() for node in group), 4, "that would be a second group")
    assert any("does not work with this node" in node.info()["PhaseWhy"] for node in lost)


# -- the end of one

def test_kill_of_the_leader_and_restart(group):
    leader = group.wait_leader()
    tag(leader, "before")
    leader.kill()
    new = group.wait_leader()
    tag(new, "after")
    leader.start_raft()
    group.wait_same()
    assert tags(leader) == {"before": "x", "after": "x"}


def test_kill_of_a_follower_and_restart(group):
    leader = group.wait_leader()
    follower = group.others(leader)[0]
    follower.kill()
    term = leader.info()["Term"]
    tag(leader, "meanwhile")
    follower.start_raft()
    group.wait_same()
    assert group.wait_leader() is leader and leader.info()["Term"] == term, "a returning follower disturbs nobody"
    wait_until(lambda: {node.info()["Term"] for node in group} == {term}, 5, "the term as told by everybody")


@pytest.mark.parametrize("child", ["raftd", "apid", "prober"])
def test_kill_of_the_leaders_children(group, child):
    leader = group.wait_leader()
    tag(leader, "before")
    leader.kill_child(child)
    tag(group.wait_leader(), "after")
    group.wait_same()


def test_restart_of_all(group):
    tag(group.wait_leader(), "a")
    position = group.wait_same()
    cluster = group[0].info()["ClusterId"]
    group.stop()
    for node in group:
        node.start_raft()
    leader = group.wait_leader()
    assert leader.info()["ClusterId"] == cluster and tags(leader) == {"a": "x"}
    assert group.wait_same()[0] >= position[0]
    for node in group:
        assert "written anew" not in node.log_text(), "an intact backend is believed"


def test_power_cut_of_all(group):
    tag(group.wait_leader(), "a")
    group.wait_same()
    for node in group:
        node.kill()
    for node in group:
        node.start_raft()
    assert tags(group.wait_leader()) == {"a": "x"}
    group.wait_same()


def test_without_a_majority_nobody_leads(group):
    leader = group.wait_leader()
    for node in group.others(leader):
        node.kill()
    wait_until(lambda: not leader.leads() and not leader.healthy(), 5, "the rest of a group to give up")
    answer = leader.get("/api/tag/db1/3306?tag=lost=x")
    assert answer.status != 200
    group.others(leader)[0].start_raft()
    group.wait_leader()
    assert leader.healthy()


def test_a_frozen_leader_is_replaced_and_follows(group):
    leader = group.wait_leader()
    leader.freeze()
    try:
        new = group.wait_leader(among=group.others(leader))
        tag(new, "meanwhile")
    finally:
        leader.thaw()
    group.wait_leader()
    group.wait_same()
    assert tags(leader) == {"meanwhile": "x"}


def test_sigterm_of_the_leader_hands_over(group):
    leader = group.wait_leader()
    leader.signal_child("raftd", signal.SIGCONT)  # it runs
    assert leader.stop() == 0
    assert "handing leadership over: this node stops" in leader.log_text()
    new = group.wait_leader(deadline=5)
    assert new.info()["Term"] >= 2
    tag(new, "a")
    leader.start_raft()
    group.wait_same()


# -- an operator hands over

def test_yield_to_a_node(group):
    leader = group.wait_leader()
    target = group.others(leader)[0]
    assert leader.get(f"/api/raft-yield/{target.name}").status == 200
    wait_until(target.leads, 5, f"{target.name} to lead")
    assert group.wait_leader() is target


def test_reelect(group):
    leader = group.wait_leader()
    assert leader.get("/api/reelect").status == 200
    wait_until(lambda: group.wait_leader() is not leader, 10, "another leader")


def test_yield_hint_of_nobody(group):
    """All of them give way for 5 seconds, and then one leads again."""
    leader = group.wait_leader()
    assert leader.get("/api/raft-yield-hint/no-such-host").status == 200
    wait_until(lambda: not leader.leads(), 5, "the leader to give way")
    group.wait_leader()
    assert tag(group.wait_leader(), "a").status == 200


def test_yield_hint_of_this_host(group):
    import socket

    leader = group.wait_leader()
    assert leader.get(f"/api/raft-yield-hint/{socket.gethostname()}").status == 200
    stays(leader.leads, 1, "its host name contains the hint")


# -- through any node

def test_changes_and_reads_through_followers(group):
    leader = group.wait_leader()
    follower, other = group.others(leader)
    assert tag(follower, "a").headers.get("X-Orchestrator-Raft-Index")
    follower.change("begin-maintenance/db1/3306/me/why")
    follower.change("register-candidate/db1/3306/prefer")
    follower.change("submit-pool-instances/p?instances=db1:3306,db2:3306")
    follower.change("set-cluster-alias/db1:3306?alias=first")
    follower.change("disable-global-recoveries")
    group.wait_same()
    assert tags(other) == {"a": "x"}
    assert other.api("check-global-recoveries")["Details"] == "disabled"
    other.change("enable-global-recoveries")
    assert leader.api("check-global-recoveries")["Details"] == "enabled"


def test_states_of_the_nodes(group):
    leader = group.wait_leader()
    states = {node.name: node.api("raft-state") for node in group}
    assert states.pop(leader.name) == "Leader" and set(states.values()) == {"Follower"}
    for node in group:
        assert node.api("raft-leader") == leader.name
        assert sorted(node.api("raft-peers")) == sorted(group.names)
        assert node.get("/api/raft-health").status == 200
        assert node.get("/api/leader-check").status == (200 if node is leader else 404)
    wait_until(lambda: len(leader.api("health")["Details"]["RaftHealthyMembers"] or []) >= 2, 25, "health reports of followers")


# -- what is refused

def test_a_second_process_on_the_directory(group, new_group):
    twin = group.add(nodes=group.names, config={"RaftDataDir": str(group[0].raft_dir)}, start=False)
    twin.start_raft()
    twin.wait_log("in use|is used by|another process")
    assert group.wait_leader(among=group.nodes[:3])


def test_a_directory_of_another_member(group):
    node = group[0]
    node.kill()
    node.configure(RaftBind="127.0.0.9:10009")
    node.start_raft()
    assert node.wait_exit() != 0
    assert "belongs to member" in node.log_text()
