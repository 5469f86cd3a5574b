"""Hooks of detections and recoveries: when, how often, what they are told, what is recorded. One raftd with played servers."""

import contextlib
import sqlite3

import pytest

from played import Played
from raftd_driven import Raftd
from waiting import wait_until

DETECT, PRE, POST_MASTER, POST, UNSUCCESSFUL = (
    "OnFailureDetectionProcesses", "PreFailoverProcesses", "PostMasterFailoverProcesses", "PostFailoverProcesses",
    "PostUnsuccessfulFailoverProcesses")
LISTS = (DETECT, PRE, POST_MASTER, POST, UNSUCCESSFUL)
EVERY_CLUSTER = {"RecoverMasterClusterFilters": ["*"]}
STARTED, OK, FAILED = 1, 2, 3


def noted(tmp_path, name, *more):
    """An entry that writes down its environment."""
    return f"env | grep ^ORC_ | sort > {tmp_path}/{name}.part; mv {tmp_path}/{name}.part {tmp_path}/{name}; echo {name} >> {tmp_path}/order" + "".join(more)


def told(tmp_path, name):
    return dict(line.split("=", 1) for line in (tmp_path / name).read_text().splitlines())


def order(tmp_path):
    path = tmp_path / "order"
    return path.read_text().split() if path.exists() else []


def marks(raftd):
    """Of each entry that began: whose, which, how it ended, how often."""
    return sorted(raftd.rows("SELECT recovery_uid, hook_list, number, mark, attempts FROM recovery_hook"))


def wait_marks(raftd, count, mark=OK):
    return wait_until(lambda: len([m for m in marks(raftd) if m[3] == mark]) == count and marks(raftd), 20, f"{count} ends of hooks")


def lines(raftd, uid):
    return [m for (m,) in raftd.rows("SELECT message FROM topology_recovery_steps WHERE recovery_uid = ? ORDER BY recovery_step_id", uid)]


@pytest.fixture
def start(request):
    opened = []

    def begin(replicas=("r1", "r2"), **config):
        raftd = Raftd(config=config)
        opened.append(raftd)
        return raftd, Played(raftd, "source", list(replicas))

    yield begin
    failed = request.node.stash.get("failed", False)
    for raftd in opened:
        raftd.close(check=not failed)


def test_each_list_in_its_turn(start, tmp_path):
    raftd, played = start(**EVERY_CLUSTER, **{name: [noted(tmp_path, name)] for name in LISTS})
    played.servers["r1"]["fields"]["instance_alias"] = "one"
    played.die("source")
    uid, failed, code, successful, successor, _ = played.wait_recovery()
    assert (failed, code, successful, successor) == ("source", "DeadMaster", 1, "r1")
    assert order(tmp_path) == [DETECT, PRE, POST_MASTER, POST]
    wait_marks(raftd, 4)
    # a cluster without an alias goes by its name in the record as well
    assert raftd.rows("SELECT cluster_alias, successor_alias FROM topology_recovery") == [("source:3306", "one")]
    assert raftd.rows("SELECT cluster_alias FROM topology_failure_detection") == [("source:3306",)]
    ((detection,),) = raftd.rows("SELECT detection_id FROM topology_failure_detection")
    assert marks(raftd) == sorted([(f"detection-{detection}", DETECT, 0, OK, 1)] + [(uid, name, 0, OK, 1) for name in (PRE, POST_MASTER, POST)])

    detected, before, after = told(tmp_path, DETECT), told(tmp_path, PRE), told(tmp_path, POST)
    same = {"ORC_FAILURE_TYPE": "DeadMaster", "ORC_INSTANCE_TYPE": "master", "ORC_IS_MASTER": "true", "ORC_IS_CO_MASTER": "false",
            "ORC_COMMAND": "", "ORC_FAILED_HOST": "source", "ORC_FAILED_PORT": "3306", "ORC_FAILURE_CLUSTER": "source:3306",
            "ORC_FAILURE_CLUSTER_ALIAS": "source:3306", "ORC_FAILURE_CLUSTER_DOMAIN": "source:3306", "ORC_COUNT_REPLICAS": "2",
            "ORC_REPLICA_HOSTS": "r1:3306,r2:3306", "ORC_IS_DOWNTIMED": "false", "ORC_AUTO_MASTER_RECOVERY": "true",
            "ORC_AUTO_INTERMEDIATE_MASTER_RECOVERY": "false", "ORC_ATTEMPT": "1", "ORC_LOST_REPLICAS": "", "ORC_COUNT_LOST_REPLICAS": "0"}
    for values in (detected, before, after):
        assert {k: values.get(k) for k in same} == same
        assert "be reached" in values["ORC_FAILURE_DESCRIPTION"] or "replicating" in values["ORC_FAILURE_DESCRIPTION"]
    assert (detected["ORC_RECOVERY_UID"], before["ORC_RECOVERY_UID"], after["ORC_RECOVERY_UID"]) == (f"detection-{detection}", uid, uid)
    for values in (detected, before):
        assert values["ORC_IS_SUCCESSFUL"] == "false" and not any(k.startswith("ORC_SUCCESSOR") for k in values)
    assert {k: v for k, v in after.items() if k.startswith("ORC_SUCCESSOR")} == {
        "ORC_SUCCESSOR_HOST": "r1", "ORC_SUCCESSOR_PORT": "3306", "ORC_SUCCESSOR_ALIAS": "one",
        "ORC_SUCCESSOR_BINLOG_COORDINATES": "b.000007:4711"}
    assert after["ORC_IS_SUCCESSFUL"] == "true"

    wait_until(lambda: len([m for m in lines(raftd, uid) if " hook 1 of 1" in m]) == 6, 10, "both lines of each")
    said = [m.split(": ", 1)[1] for m in lines(raftd, uid) if " hook 1 of 1" in m]
    assert [s.split(" hook")[0] for s in said] == [f"{word} {name}" for name in (PRE, POST_MASTER, POST) for word in ("Running", "Completed")]
    wait_until(lambda: len(lines(raftd, f"detection-{detection}")) == 2, 10, "both lines of the detection's")


def test_a_detection_is_told_once_and_without_a_recovery_too(start, tmp_path):
    """No filter names the cluster. Later votes find the same; it is over when the server was back, and the record has its time."""
    raftd, played = start(**{DETECT: [noted(tmp_path, DETECT)], PRE: [noted(tmp_path, PRE)]})
    played.die("source")
    wait_marks(raftd, 1)
    votes = raftd.metrics.get("detect.votes_dead", 0)
    wait_until(lambda: raftd.metrics.get("detect.votes_dead", 0) >= votes + 2, 20, "more votes")
    assert order(tmp_path) == [DETECT] and told(tmp_path, DETECT)["ORC_AUTO_MASTER_RECOVERY"] == "false"
    assert raftd.rows("SELECT count(*) FROM topology_recovery") == [(0,)]
    assert "RecoverMasterClusterFilters does not name the cluster" in raftd.log_text()
    raftd.kill()  # nor is it told again by whoever leads next
    raftd.start()
    wait_until(lambda: raftd.prober.poll() or raftd.log_text().count("is not recovered") >= 2, 30,
               "a vote of the new process, and the end of its hooks", interval=0.2)
    assert order(tmp_path) == [DETECT] and len(marks(raftd)) == 1


def test_a_failing_hook_of_a_detection_puts_its_recovery_off(start, tmp_path):
    """Until the next vote; the rest of the list does not run. That of PreFailoverProcesses ends the recovery."""
    raftd, played = start(**EVERY_CLUSTER, **{DETECT: [noted(tmp_path, DETECT, "; false"), noted(tmp_path, "second")],
                                              PRE: [noted(tmp_path, PRE, "; exit 7"), noted(tmp_path, "third")],
                                              POST: [noted(tmp_path, POST)], UNSUCCESSFUL: [noted(tmp_path, UNSUCCESSFUL)]})
    played.die("source")
    uid, _, _, successful, successor, errors = played.wait_recovery()
    assert (successful, successor, errors) == (0, None, "a hook of PreFailoverProcesses failed")
    assert order(tmp_path) == [DETECT, PRE]
    assert "OnFailureDetectionProcesses failed, a recovery waits for the next vote" in raftd.log_text()
    assert sorted(m[1:] for m in wait_marks(raftd, 2, FAILED)) == [(DETECT, 0, FAILED, 1), (PRE, 0, FAILED, 1)]
    assert {s["statement"] for s in raftd.prober.steps} <= {"restart-replica-io"}  # nothing was changed


def test_entries_in_the_background_let_the_next_ones_begin(start, tmp_path):
    """Each is recorded before it starts, several at once."""
    raftd, played = start(**EVERY_CLUSTER, **{name: [f"echo {name} >> {tmp_path}/one &", noted(tmp_path, name), f"echo {name} >> {tmp_path}/two &",
                                                     f"echo {name} >> {tmp_path}/three &"] for name in (DETECT, PRE, POST_MASTER, POST)})
    played.die("source")
    assert played.wait_recovery()[3:5] == (1, "r1")
    assert order(tmp_path) == [DETECT, PRE, POST_MASTER, POST]
    assert {m[4] for m in wait_marks(raftd, 16)} == {1}
    for name in ("one", "two", "three"):
        assert sorted((tmp_path / name).read_text().split()) == sorted([DETECT, PRE, POST_MASTER, POST])


@pytest.mark.parametrize("hook", [DETECT, PRE, POST])
def test_hooks_when_their_node_dies(start, tmp_path, hook):
    """Those before the promotion began at most once, those after it run at least once: with the same uid, and counted."""
    until = f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done"
    raftd, played = start(**EVERY_CLUSTER, **{hook: [noted(tmp_path, hook, f"; {until}")]})
    played.die("source")
    wait_until(lambda: order(tmp_path) == [hook], 20, "the hook")
    first = told(tmp_path, hook)
    wait_until(lambda: [m[3] for m in marks(raftd)] == [STARTED], 10, "its mark")
    raftd.kill()
    (tmp_path / "go").touch()
    raftd.start()
    uid, *_, successful, successor, _ = wait_until(lambda: raftd.prober.poll() or played.recoveries(), 60, "its end", interval=0.2)[-1]
    assert (successful, successor) == (1, "r1")
    again = hook == POST
    assert order(tmp_path) == [hook] * (1 + again)
    assert [m[3:] for m in wait_marks(raftd, 1, OK if again else STARTED)] == [(OK, 2) if again else (STARTED, 1)]
    second = told(tmp_path, hook)
    assert second == ({**first, "ORC_ATTEMPT": "2"} if again else first)
    assert first["ORC_ATTEMPT"] == "1" and (hook == DETECT or first["ORC_RECOVERY_UID"] == uid)


def test_hooks_of_a_failure_that_outlast_their_recovery(start, tmp_path):
    """Its time is over while they run: who leads next runs them again all the same, once."""
    until = f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done"
    raftd, played = start(**EVERY_CLUSTER, PromotionOnPossibleLoss="abort", **{UNSUCCESSFUL: [noted(tmp_path, UNSUCCESSFUL, f"; {until}")]})
    played.die("source")
    wait_until(lambda: order(tmp_path) == [UNSUCCESSFUL], 20, "the hook")
    wait_until(lambda: [m[3] for m in marks(raftd)] == [STARTED], 10, "its mark")
    raftd.kill()
    (tmp_path / "go").touch()
    with contextlib.closing(sqlite3.connect(raftd.data)) as db, db:
        db.execute("UPDATE recovery_machine SET state = 'undone'")  # as after a minute
    raftd.start()
    wait_until(lambda: raftd.prober.poll() or order(tmp_path) == [UNSUCCESSFUL] * 2, 30, "it to run again", interval=0.2)
    assert [m[3:] for m in wait_marks(raftd, 1)] == [(OK, 2)]
    assert told(tmp_path, UNSUCCESSFUL)["ORC_ATTEMPT"] == "2"
    raftd.kill()
    raftd.start()
    leads = raftd.metrics.get("detect.votes_dead", 0)
    wait_until(lambda: raftd.prober.poll() or raftd.metrics.get("detect.votes_dead", 0) > leads, 30, "a vote", interval=0.2)
    assert order(tmp_path) == [UNSUCCESSFUL] * 2


def test_failures_of_ignored_servers_are_no_failures(start, tmp_path):
    raftd, played = start(**EVERY_CLUSTER, RecoveryIgnoreHostnameFilters=["^sour"], **{DETECT: [noted(tmp_path, DETECT)]})
    played.die("source")
    wait_until(lambda: raftd.log_text().count("is not recovered: RecoveryIgnoreHostnameFilters names the server"), 20, "a verdict")
    wait_until(lambda: raftd.metrics.get("detect.votes_dead", 0) >= 2, 20, "another one")
    assert raftd.rows("SELECT count(*) FROM topology_failure_detection") == [(0,)] and order(tmp_path) == []
