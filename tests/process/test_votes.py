"""Who is dead: suspicion, fresh probes, votes. One raftd with played probers, and three whole nodes."""

import re
import time

import pytest

from fleet import Fleet
from proberdrv import CODES
from raftd_driven import ANSWERED, TIMED_OUT, Raftd, key
from waiting import wait_until

SOURCE, R1, R2 = key("source"), key("r1"), key("r2")
YES, CONNECTING = 1, 2


def verdicts(text):
    return re.findall(r"instance=(\S+) verdict=(\S+) failed=(\d+) answered=(\d+) needed=(\d+) analysis=(\w+)", text)


@pytest.fixture
def raftd(request):
    with Raftd(config=getattr(request, "param", {})) as raftd:
        raftd.prober.found(SOURCE, {"log_bin_enabled": True},
                           replicas=[{"hostname": "r1", "port": 3306}, {"hostname": "r2", "port": 3306}])
        for k in (R1, R2):
            replicates(raftd, k)
        raftd.ask("DISCOVER", key=SOURCE, mode=0)
        settle(raftd)
        yield raftd


def replicates(raftd, k, io=YES, errno=0, sql=True, pos=4):
    raftd.prober.found(k, {"sql_thread_state": int(sql), "io_thread_state": io, "sql_running": sql, "io_running": io == YES,
                           "read_coord": {"log_file": "b.1", "log_pos": pos, "type": 0}},
                       source_host="source", source_port=3306, last_io_errno=errno)


def settle(raftd):
    """Polls until all are known, and the source is known to have replicas."""
    def known():
        raftd.prober.poll()
        flags = [raftd.prober.watched.get((host, 3306), (0, 0))[1] for host in ("source", "r1", "r2")]
        return {"source:3306", "r1:3306", "r2:3306"} <= raftd.instances() and [f & 1 for f in flags] == [1, 0, 0]

    wait_until(known, 10, "the servers", interval=0.1)


def first_verdict(raftd):
    return wait_until(lambda: verdicts(raftd.log_text()), 10, "a verdict")[0]


def test_a_refusing_source_whose_replicas_lost_it_is_dead(raftd):
    raftd.prober.gone(SOURCE)
    for k in (R1, R2):
        replicates(raftd, k, CONNECTING, 2003)
    raftd.prober.report(SOURCE)
    assert first_verdict(raftd) == ("source:3306", "DEAD", "1", "0", "1", "DeadMaster")
    wait_until(lambda: raftd.rows("SELECT 1 FROM topology_failure_detection"), 10, "the record")
    assert raftd.rows("SELECT hostname, port, analysis, in_active_period, is_actionable, count_affected_slaves, slave_hosts "
                      "FROM topology_failure_detection") == [("source", 3306, "DeadMaster", 1, 1, 2, "r1:3306,r2:3306")]
    assert sorted(raftd.rows("SELECT witness, is_replica, seen, attempts, reader FROM failure_detection_witness")) == [
        ("r1:3306", 1, "lost its source", 0, "this node"), ("r2:3306", 1, "lost its source", 0, "this node"),
        ("this node", 0, "refused", 2, "")]
    probed = [host for host, _, lane in raftd.prober.asked if lane == 0]
    assert probed.count("source") >= 2 and probed.count("r1") >= 1 and probed.count("r2") >= 1
    raftd.prober.found(SOURCE)
    raftd.prober.report(SOURCE)
    wait_until(lambda: "instance=source:3306 answers again" in raftd.log_text(), 10, "its return")


def fall_silent(raftd):
    raftd.prober.gone(SOURCE)
    raftd.prober.report(SOURCE, evidence=TIMED_OUT)


def refuse(name, **more):
    return lambda step: {"code": CODES[name], "message": "made up", **more}


def test_silent_replicas_connect_anew_and_tell(raftd):
    """Connected and silent, so it may be alive: what they say after one restart counts."""
    def restarted(step):
        replicates(raftd, step["key"], CONNECTING)
        return {"sent": True}

    raftd.prober.on_step = restarted
    fall_silent(raftd)
    assert first_verdict(raftd) == ("source:3306", "DEAD", "1", "0", "1", "DeadMaster")
    steps = raftd.prober.steps
    assert [s["statement"] for s in steps] == ["restart-replica-io"] * 2
    assert {s["key"]["hostname"] for s in steps} == {"r1", "r2"} and len({s["number"] for s in steps}) == 2
    assert all(s["recovery_uid"].startswith("vote-") and s["precondition"] == "3306" for s in steps)  # its server_id
    votes = raftd.metrics.get("detect.votes", 0)
    wait_until(lambda: raftd.metrics.get("detect.votes_dead", 0) >= 2 and raftd.metrics["detect.votes"] > votes, 15, "more votes")
    assert len(steps) == 2 and raftd.metrics["detect.receivers_restarted"] == 2  # once
    assert len(verdicts(raftd.log_text())) == 1
    assert len(raftd.rows("SELECT 1 FROM topology_failure_detection")) == 1


def test_a_replica_that_connects_anew_saves_its_source(raftd):
    fall_silent(raftd)
    assert first_verdict(raftd)[1] == "HEARD"
    assert not raftd.rows("SELECT 1 FROM topology_failure_detection")


def test_who_answered_meanwhile_is_tested_anew_soon(raftd):
    """Receivers are restarted once in 30 s; but a source that was back fails anew: at once the first time, later twice in 10 s."""
    at = []

    def restarted(step):
        at.append(time.monotonic())
        if len(at) > 4:
            replicates(raftd, step["key"], CONNECTING)
        return {"sent": True}

    def come_back(times):
        raftd.prober.found(SOURCE, {"log_bin_enabled": True})

        def is_back():  # the first answer may end a vote
            raftd.prober.report(SOURCE)
            return raftd.log_text().count("instance=source:3306 answers again") == times

        wait_until(is_back, 10, "the source to be back", interval=0.1)

    def found():
        return [v[1] for v in verdicts(raftd.log_text()) if v[1] != "ALIVE"]

    raftd.prober.on_step = restarted
    for failure in (1, 2):
        fall_silent(raftd)
        assert wait_until(lambda: found()[failure - 1:], 10, "a verdict") == ["HEARD"]
        come_back(failure)
    fall_silent(raftd)
    wait_until(lambda: "DEAD" in found(), 45, "a verdict after the third test")
    assert set(found()[2:]) <= {"UNTESTED", "DEAD"} and len(at) == 6
    assert 8 < at[4] - at[0] < 35


@pytest.mark.parametrize("end", [refuse("BUSY"), refuse("PRECONDITION"), refuse("LATE")])
def test_replicas_that_say_yes_are_no_witnesses(raftd, end):
    """A recovery holds their lock, say: nobody can tell, and nothing is undone since nothing was sent."""
    raftd.prober.on_step = end
    fall_silent(raftd)
    assert first_verdict(raftd)[1] == "UNTESTED"
    assert {s["statement"] for s in raftd.prober.steps} == {"restart-replica-io"}
    assert not raftd.rows("SELECT 1 FROM topology_failure_detection")


def test_replicas_whose_appliers_are_stopped_are_left_alone(raftd):
    """MariaDB would drop what they received and did not apply."""
    for k in (R1, R2):
        replicates(raftd, k, sql=False)
        raftd.prober.report(k)
    fall_silent(raftd)
    assert first_verdict(raftd)[1] == "UNTESTED"
    assert not raftd.prober.steps and not raftd.rows("SELECT 1 FROM topology_failure_detection")


@pytest.mark.parametrize("prober_dies", [False, True])
def test_a_receiver_is_not_left_stopped(raftd, prober_dies):
    """The prober lost the connection with the step on it, or died, and the server stopped the receiver only."""
    def half_done(step):
        running = step["statement"] == "start-replica-io"
        replicates(raftd, step["key"], CONNECTING if running else 0)
        if not running and prober_dies:
            return None
        return {"sent": True} if running else refuse("UNKNOWN_OUTCOME", sent=True)(step)

    raftd.prober.on_step = half_done
    fall_silent(raftd)
    if prober_dies:
        wait_until(lambda: len(raftd.prober.steps) == 2, 10, "the steps")
        raftd.order("prober-down", slot=0)
        wait_until(lambda: raftd.log_text().count("outcome unknown, the prober died with it") == 2, 10, "the steps to be given up")
        raftd.order("prober-up", slot=0)
    wait_until(lambda: raftd.log_text().count("receiver was found stopped after its restart, and is started") == 2, 15, "both to be started")
    started = [s["key"]["hostname"] for s in raftd.prober.steps if s["statement"] == "start-replica-io"]
    assert sorted(started) == ["r1", "r2"]


@pytest.mark.parametrize("raftd", [{"FailureDetectionHoldSeconds": {"sour.e": 1}}], indirect=True)
def test_a_dead_server_is_held_for_as_long_as_was_asked(raftd):
    """It is asked about again after the time: it may have come back, as here."""
    asked = [0]
    original = raftd.prober.result

    def result(k, probe_id=0, evidence=None):
        if k["hostname"] == "source" and probe_id and "verdict=HELD" in raftd.log_text():
            raftd.prober.found(SOURCE, {"log_bin_enabled": True})
            asked[0] += 1
        return original(k, probe_id, evidence)

    raftd.prober.result = result
    raftd.prober.gone(SOURCE)
    for k in (R1, R2):
        replicates(raftd, k, CONNECTING, 2003)
    raftd.prober.report(SOURCE)
    assert first_verdict(raftd)[1] == "ALIVE" and asked[0] >= 1
    assert not raftd.rows("SELECT 1 FROM topology_failure_detection")


def test_a_replica_that_hears_its_source_saves_it(raftd):
    raftd.prober.gone(SOURCE)
    replicates(raftd, R1, CONNECTING, 2003)
    original, position = raftd.prober.result, iter(range(100, 10000))

    def result(k, *args, **kwargs):
        if k["hostname"] == "r2":
            replicates(raftd, R2, pos=next(position))  # something new in each reading
        return original(k, *args, **kwargs)

    raftd.prober.result = result
    raftd.prober.report(SOURCE)
    assert first_verdict(raftd)[1] == "HEARD"


def test_too_many_connections_is_an_answer(raftd):
    """The probe that fails without an answer begins the vote; what it answers ends it."""
    raftd.prober.gone(SOURCE)
    for k in (R1, R2):
        replicates(raftd, k, CONNECTING, 1040)
    original = raftd.prober.result

    def result(k, probe_id=0, evidence=None):
        r = original(k, probe_id, evidence)
        if k["hostname"] == "source" and probe_id:
            r.update(evidence=ANSWERED, errno_mysql=1040, error="Too many connections")
        return r

    raftd.prober.result = result
    raftd.prober.report(SOURCE)
    found = first_verdict(raftd)
    assert found[1] == "ALIVE" and found[2] == "0"
    assert "too many connections" in raftd.log_text()
    told = wait_until(lambda: raftd.rows("SELECT verdict, description, seen, failed, answered, needed FROM failure_vote WHERE hostname = 'source'"),
                      10, "the vote to be written down")
    assert told == [("ALIVE", "it answers (too many connections)", "this node: answered (too many connections)", 0, 1, 1)]


def votes(raftd):
    return raftd.rows("SELECT verdict, analysis, description, seen, failed, answered, needed FROM failure_vote WHERE hostname = 'source'")


def test_a_server_that_answers_and_cannot_be_read_is_told_of(raftd):
    """Nobody suspects it, so nobody votes; but the analysis shows it as dead, since nobody can read its replicas either."""
    expired = {"evidence": ANSWERED, "found": False, "partial": False, "errno_mysql": 1862, "error": "Your password has expired"}
    for k in (SOURCE, R1, R2):
        raftd.prober.report(k, **expired)
    told = wait_until(lambda: votes(raftd), 10, "what it answers to be written down")
    assert told == [("ALIVE", "NoProblem", "it answers (password expired)", "this node: answered (password expired)", 0, 1, 1)]
    assert raftd.metrics.get("detect.votes", 0) == 0
    raftd.prober.report(SOURCE, **{**expired, "errno_mysql": 1040})
    wait_until(lambda: votes(raftd)[0][2] == "it answers (too many connections)", 10, "its other answer to be written down")
    assert raftd.rows("SELECT hostname FROM failure_vote") == [("source",)]  # not of those that nobody follows


@pytest.mark.parametrize("raftd", [{"FailureDetectionHoldSeconds": {"sour.e": 3600}}], indirect=True)
def test_a_held_verdict_is_told_while_it_holds(raftd):
    raftd.prober.gone(SOURCE)
    for k in (R1, R2):
        replicates(raftd, k, CONNECTING, 2003)
    raftd.prober.report(SOURCE)
    told = wait_until(lambda: votes(raftd), 10, "the vote to be written down")
    assert [vote[:2] for vote in told] == [("HELD", "DeadMaster")] and "this node: refused" in told[0][3]
    assert not raftd.rows("SELECT 1 FROM topology_failure_detection")


def test_a_verdict_is_told_with_its_newest_analysis(raftd):
    """One replica is back meanwhile: the next vote finds the same, and another kind of failure."""
    raftd.prober.gone(SOURCE)
    raftd.prober.gone(R2)
    replicates(raftd, R1, CONNECTING, 2003)
    raftd.prober.report(SOURCE)
    wait_until(lambda: [vote[:2] for vote in votes(raftd)] == [("DEAD", "DeadMasterAndSomeReplicas")], 20, "the first vote to be told")
    replicates(raftd, R2, CONNECTING, 2003)
    wait_until(lambda: [vote[:2] for vote in votes(raftd)] == [("DEAD", "DeadMaster")], 20, "the next vote to be told")
    assert set(raftd.rows("SELECT analysis FROM topology_failure_detection")) >= {("DeadMasterAndSomeReplicas",)}


@pytest.mark.parametrize("quorum", ["majority", "Leader"])
def test_three_nodes_vote(new_group, quorum):
    """A voter that is slow may be missing; the leader and another one are enough. Or the leader alone, where that is wanted."""
    needed = {"majority": 2, "Leader": 1}[quorum]
    with Fleet(4, 3) as fleet:
        group = new_group(3, config={"DiscoverySeeds": fleet.sources, "InstancePollSeconds": 1, "FailureDetectionQuorum": quorum})
        source = fleet.sources[0]
        for node in group:
            node.wait_instances(fleet.addresses, 30)

        def dead(node):
            return [v for v in verdicts(node.log_text()) if v[:2] == (source, "DEAD") and int(v[2]) >= needed]

        fleet.stop()
        leader = wait_until(lambda: [node for node in group if dead(node)], 30, "a vote")[0]
        assert dead(leader)[0][3:] == ("0", str(needed), "DeadMasterAndReplicas")
        told = re.compile(rf"told \S+ what is seen of instance={source}")
        assert any(told.search(node.log_text()) for node in group if node is not leader) == (quorum == "majority")
        fleet.start()
        wait_until(lambda: f"instance={source} answers again" in leader.log_text(), 30, "its return")
