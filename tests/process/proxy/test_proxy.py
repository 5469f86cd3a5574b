"""Several apids and their leaders: who leads, who answers, what is passed on. Each apid is real; its raftd is played
(apid_driven.py)."""

import http.client
import threading
import time

import pytest

from apid_driven import Elsewhere, boottime_us, error_of
from waiting import wait_until

NOT_LEADER = 14  # ERR_NOT_LEADER
CHANGE = "/api/enable-global-recoveries"
READ = "/api/clusters"


# -- who leads


def test_leader_and_follower_show_what_raftd_says(pair):
    leader, follower = pair
    for node, state, check in ((leader, "Leader", 200), (follower, "Follower", 404)):
        assert node.get("/api/leader-check").status == check
        assert node.get("/api/leader-check").headers.get("X-Orchestrator-Raft-Term") == (str(leader.term) if check == 200 else None)
        assert node.get("/api/leader-check/").body == ('"OK"' if check == 200 else '"Not leader"')
        assert node.get("/api/leader-check/503").status == (200 if check == 200 else 503)
        assert node.get("/health/leader").status == (200 if check == 200 else 503)
        assert node.get("/health/ready").status == 200
        assert (node.get("/api/raft-health").status, node.get("/api/raft-health").body) == (200, '"healthy"')
        assert node.get("/api/raft-state").json() == state
        assert node.get("/api/raft-leader").json() == leader.name
        assert node.get("/api/lb-check").status == 200
        assert node.get("/api/routed-leader-check").status == 200


def test_raft_status_and_info(new_apid):
    node = new_apid()
    members = [{"name": node.name, "id": "7", "role": "voter", "connected": True},
               {"name": "n2:10008", "id": "8", "role": "learner", "last_contact_us": boottime_us(-2), "trouble": "no route"}]
    node.play(node, members=members, cluster_id="c1", commit_index=9, state_hash="abc", state_hash_index=8, phase="member",
              healthy_members=[{"s": "n2:10008"}])
    assert node.get("/api/raft-peers").json() == [node.name, "n2:10008"]
    status = node.get("/api/raft-status").json()
    assert status == {"RaftBind": node.name, "RaftAdvertise": node.name, "State": "Leader", "Healthy": True, "IsPartOfQuorum": True,
                      "Leader": node.name, "LeaderURI": node.uri, "Peers": [node.name, "n2:10008"]}
    info = node.get("/api/raft-info").json()
    assert {k: info[k] for k in status} == status
    assert (info["ClusterId"], info["CommitIndex"], info["StateHash"], info["StateHashIndex"]) == ("c1", 9, "abc", 8)
    assert 0 < info["LeaseMillisecondsLeft"] <= 1000
    assert info["Members"][0]["MillisecondsSinceLastContact"] == -1
    assert info["Members"][1]["MillisecondsSinceLastContact"] >= 2000
    assert info["Members"][1]["Trouble"] == "no route"
    node.replies["NODE_HEALTH"] = {}
    details = node.get("/api/health").json()["Details"]
    assert {k: details[k] for k in ("IsActiveNode", "RaftLeader", "IsRaftLeader", "RaftLeaderURI", "RaftAdvertise",
                                    "RaftHealthyMembers")} == {
        "IsActiveNode": True, "RaftLeader": node.name, "IsRaftLeader": True, "RaftLeaderURI": node.uri, "RaftAdvertise": node.name,
        "RaftHealthyMembers": ["n2:10008"]}
    assert details["ActiveNode"]["Hostname"] == node.name and details["ActiveNode"]["Token"] == ""


def test_without_raft_the_raft_routes_say_so(new_apid):
    node = new_apid(RaftEnabled=False)
    for path in ("raft-state", "raft-leader", "raft-health", "raft-status", "raft-peers", "raft-info", "raft-snapshot", "raft-yield/x",
                 "raft-yield-hint/x", "raft-add-peer/x", "raft-remove-peer/x", "raft-follower-health-report/a/b/c"):
        answer = node.get(f"/api/{path}")
        assert (answer.status, error_of(answer)) == (500, f"{path.split('/')[0]}: not running with raft setup")
    assert node.get("/api/grab-election").json() == {"Code": "OK", "Message": "Node elected as active", "Details": None}
    assert node.get("/api/reelect").json()["Code"] == "OK"


def watch(node, path, until, good):
    """[(asked, answered, status)] in boot time, as fast as it goes."""
    seen = []
    connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=5)
    while boottime_us() < until:
        asked = boottime_us()
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        seen.append((asked, boottime_us(), answer.status))
    connection.close()
    assert any(status == good for _, _, status in seen)
    return seen


@pytest.mark.parametrize("msg", ["STATE", "LEASE"])
@pytest.mark.parametrize("path,good,bad", [("/api/leader-check", 200, 404), ("/health/leader", 200, 503), ("/api/raft-health", 200, 500)])
def test_a_lease_runs_out_while_nobody_says_so(new_apid, msg, path, good, bad):
    node = new_apid()
    node.play(node)
    node.publishing = False
    end = boottime_us(0.7)
    node.seq += 1
    if msg == "LEASE":
        node.send("e", "LEASE", seq=node.seq, is_leader=True, term=node.term, lease_end_us=end, quorum_until_us=end)
    else:
        node.send("e", "STATE", seq=node.seq, lease_end_us=end, quorum_until_us=end, **node.state)
    left = wait_until(lambda: node.get("/api/raft-info").json()["LeaseMillisecondsLeft"] < 700, 5, "the last lease", interval=0.01)
    assert left
    seen = watch(node, path, end + 400_000, good)
    assert not [s for s in seen if s[2] == good and s[0] >= end], "200 after the lease"
    assert not [s for s in seen if s[2] != good and s[1] < end], "given up too early"
    assert {s[2] for s in seen if s[0] >= end} == {bad}


def test_a_dead_raftd_ends_leadership_at_once(pair):
    leader, _ = pair
    leader.lease_s = 60
    wait_until(lambda: leader.get("/api/raft-info").json()["LeaseMillisecondsLeft"] > 50000, 5, "a long lease")
    leader.publishing = False
    leader.raftd(False)
    wait_until(lambda: leader.get("/api/leader-check").status == 404, 5, "404")
    assert leader.get("/api/raft-state").json() == "Shutdown"
    assert leader.get("/api/raft-health").status == 500
    leader.seq = 0
    leader.raftd(True)
    leader.publishing = True
    wait_until(lambda: leader.get("/api/leader-check").status == 200, 10, "200 again")


# -- passing on


def test_a_follower_passes_reads_and_changes_on(pair):
    leader, follower = pair
    leader.replies["SET_GLOBAL_RECOVERIES"] = {"index": 42}
    answer = follower.get(CHANGE)
    assert (answer.status, answer.json()["Details"], answer.headers["X-Orchestrator-Raft-Index"]) == (200, "enabled", "42")
    assert "X-Orchestrator-Stale" not in answer.headers
    assert len(leader.asked_for("SET_GLOBAL_RECOVERIES")) == 1 and not follower.asked_for("SET_GLOBAL_RECOVERIES")
    assert [f["index"] for f in follower.asked_for("WAIT_INDEX")] == [42]
    assert leader.get(CHANGE).headers["X-Orchestrator-Raft-Index"] == "42"
    assert (follower.get(READ).status, follower.get(READ).body) == (200, "null")
    missing = follower.get("/api/instance/nowhere/1")
    assert missing.status == 500 and error_of(missing)
    assert follower.get("/api/nothing").status == 404
    assert len(follower.asked_for("WAIT_INDEX")) == 1


def test_the_answer_to_a_change_waits_for_this_nodes_view(pair):
    leader, follower = pair
    leader.replies["SET_GLOBAL_RECOVERIES"] = {"index": 5}
    follower.mute.add("WAIT_INDEX")
    answers = []
    client = threading.Thread(target=lambda: answers.append(follower.get(CHANGE)))
    client.start()
    wait = wait_until(lambda: follower.asked_for("WAIT_INDEX"), 5, "WAIT_INDEX")[0]
    assert 0 < wait["deadline_us"] - boottime_us() <= 5_000_000
    client.join(0.3)
    assert not answers, "answered before the view had it"
    follower.send("a", "REPLY", request_id=wait["request_id"], index=5)
    client.join(5)
    assert answers[0].status == 200 and "X-Orchestrator-Stale" not in answers[0].headers
    follower.mute.clear()
    follower.replies["WAIT_INDEX"] = {"code": -11, "message": "timed out"}
    late = follower.get(CHANGE)
    assert (late.status, late.headers["X-Orchestrator-Stale"], late.headers["X-Orchestrator-Raft-Index"]) == (200, "true", "5")


def test_without_a_leader(new_apid):
    node = new_apid().play(None, raft_state="Candidate", phase_why="waiting for n2:10008")
    answer = node.get(READ)
    assert (answer.status, answer.headers["X-Orchestrator-Stale"]) == (200, "true")
    refused = node.get(CHANGE)
    assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
    assert "no raft leader" in error_of(refused) and "waiting for n2:10008" in error_of(refused)
    assert not node.asked_for("SET_GLOBAL_RECOVERIES")
    assert node.get("/api/routed-leader-check").status == 404
    assert node.get("/api/raft-leader").json() == ""


def test_before_raftd_has_spoken_nobody_leads(new_apid):
    node = new_apid()
    assert node.get(CHANGE).status == 503
    assert node.get(READ).headers["X-Orchestrator-Stale"] == "true"
    assert node.get("/api/raft-state").json() == "Candidate"


def test_changes_of_one_node_are_the_leaders(pair):
    leader, follower = pair
    for path in ("reload-configuration", "raft-yield/x", "raft-yield-hint/x", "grab-election"):
        answer = follower.get(f"/api/{path}")
        assert (answer.status, answer.json()) == (500, {"Code": "ERROR", "Message": "Unauthorized", "Details": None}), path
    assert "Unable to grab election" in error_of(leader.get("/api/grab-election"))
    assert leader.get("/api/raft-yield/n9").json() == {"Code": "OK", "Message": "Asynchronously yielded", "Details": None}
    assert leader.get("/api/raft-yield-hint/dc2").json()["Details"] == "dc2"
    assert follower.get("/api/raft-snapshot").json() == "snapshot created"
    assert follower.asked_for("RAFT_SNAPSHOT") and not leader.asked_for("RAFT_SNAPSHOT")
    assert leader.get("/api/raft-follower-health-report/t0k/1.2.3.4:1/n2:10008").json() == "health reported"
    assert leader.asked_for("FOLLOWER_HEALTH_REPORT")[0]["raft_advertise"] == "n2:10008"
    leader.replies["RAFT_ADD_PEER"] = {"message": "n4:10008", "index": 6}
    assert follower.get("/api/raft-add-peer/n4").json() == "n4:10008"  # passed on
    leader.replies["RAFT_REMOVE_PEER"] = {"code": -4, "message": "n5:10008 is no member"}
    assert error_of(follower.get("/api/raft-remove-peer/n5")) == "Cannot remove raft peer: n5:10008 is no member"
    assert follower.get("/api/reelect").json()["Message"] == "Set re-elections"
    assert leader.asked_for("STEP_DOWN") and not follower.asked_for("STEP_DOWN")


def test_a_leader_whose_lease_ran_out_says_that_reads_may_be_old(new_apid):
    node = new_apid()
    node.lease_s = -1
    node.play(node)
    assert node.get(READ).headers["X-Orchestrator-Stale"] == "true"
    assert node.get("/api/leader-check").status == 404


def test_nodes_that_take_each_other_for_the_leader(new_apid):
    a, b = new_apid(), new_apid()
    a.play(b)
    b.play(a)
    started = time.monotonic()
    answer = a.get(CHANGE)
    assert 2.5 < time.monotonic() - started < 6
    assert answer.status == 503 and not a.asked and not b.asked
    stale = a.get(READ)
    assert (stale.status, stale.headers["X-Orchestrator-Stale"]) == (200, "true")
    refused = a.get(CHANGE, {"X-Orchestrator-Relayed": "n9"})
    assert (refused.status, refused.headers["X-Orchestrator-Not-Leader"]) == (503, "true")
    assert "nothing was done" in error_of(refused)


def test_a_new_leader_is_found_while_requests_wait(new_apid):
    old, new, follower = new_apid(), new_apid(), new_apid()
    follower.play(old)
    old.kill()
    new.play(new)
    new.replies["SET_GLOBAL_RECOVERIES"] = {"index": 3}
    answers = {}
    clients = [threading.Thread(target=lambda p=p: answers.update({p: follower.get(p)})) for p in (READ, CHANGE)]
    for client in clients:
        client.start()
    time.sleep(0.3)  # an election
    assert not answers
    follower.play(new)
    for client in clients:
        client.join(10)
    assert [answers[p].status for p in (READ, CHANGE)] == [200, 200]
    assert len(new.asked_for("SET_GLOBAL_RECOVERIES")) == 1


def test_a_waiting_request_is_answered_here_when_this_node_is_elected(new_apid):
    node = new_apid()
    node.play(Elsewhere("http://127.0.0.1:1"))
    node.replies["SET_GLOBAL_RECOVERIES"] = {"index": 3}
    answers = []
    client = threading.Thread(target=lambda: answers.append(node.get(CHANGE)))
    client.start()
    time.sleep(0.2)
    node.play(node)
    client.join(5)
    assert answers[0].status == 200 and answers[0].headers["X-Orchestrator-Raft-Index"] == "3"


def test_a_change_that_raftd_refused_as_no_leader_goes_to_the_next_one(pair):
    leader, other = pair
    leader.replies["SET_GLOBAL_RECOVERIES"] = {"code": -NOT_LEADER, "message": "not leader"}
    other.replies["SET_GLOBAL_RECOVERIES"] = {"index": 8}
    refused = leader.get(CHANGE, {"X-Orchestrator-Relayed": "n9"})
    assert (refused.status, refused.headers["X-Orchestrator-Not-Leader"]) == (503, "true")
    answers = []
    client = threading.Thread(target=lambda: answers.append(leader.get(CHANGE)))
    client.start()
    wait_until(lambda: len(leader.asked_for("SET_GLOBAL_RECOVERIES")) > 1, 5, "the refused change")
    other.play(other)
    leader.play(other)
    client.join(10)
    assert answers[0].status == 200 and answers[0].headers["X-Orchestrator-Raft-Index"] == "8"
    assert leader.asked_for("WAIT_INDEX")
