"""Failures after which nobody can be promoted, and recoveries that nobody can go on with: what is recorded, and that no lock stays."""

import pytest

import historical
from node import Node
from played import Played
from raftd_driven import Raftd, Refused, key
from waiting import wait_until

EVERY_CLUSTER = {"RecoverMasterClusterFilters": ["*"]}
PRE, POST, UNSUCCESSFUL = "PreFailoverProcesses", "PostFailoverProcesses", "PostUnsuccessfulFailoverProcesses"


def hooks(tmp_path):
    return {name: [f"echo {name} {{failureType}} {{isSuccessful}} >> {tmp_path}/hooks"] for name in (PRE, POST, UNSUCCESSFUL)}


def hooks_run(tmp_path):
    path = tmp_path / "hooks"
    return path.read_text().splitlines() if path.exists() else []


def changes(played):
    """What was sent to servers but to end steps of others."""
    return [s["statement"] for s in played.raftd.prober.steps if s["statement"] not in ("break-lock", "restart-replica-io")]


def test_nobody_is_promoted_when_no_replica_could_be_read(tmp_path):
    """Recorded once, as unsuccessful. Replicas that answer again are voted on anew, and nothing blocks that recovery."""
    with Raftd(config={**EVERY_CLUSTER, **hooks(tmp_path)}) as raftd:
        played = Played(raftd, "source", ["r1", "r2"])
        played.die("source", "r1", "r2")
        _, _, code, successful, successor, errors = played.wait_recovery()
        assert (code, successful, successor) == ("DeadMasterAndReplicas", 0, None)
        assert errors.splitlines()[0] == ("nobody may be promoted: no replica could be read when the failure was voted on: "
                          "those that answer again are voted on anew")
        assert raftd.rows("SELECT analysis, is_actionable FROM topology_failure_detection") == [("DeadMasterAndReplicas", 0)]
        assert raftd.rows("SELECT last_detection_id = detection_id FROM topology_recovery, topology_failure_detection") == [(1,)]
        wait_until(lambda: hooks_run(tmp_path) == [f"{UNSUCCESSFUL} DeadMasterAndReplicas false"], 10, "its hooks")
        votes = raftd.metrics["detect.votes_dead"]
        wait_until(lambda: raftd.metrics["detect.votes_dead"] >= votes + 2, 30, "more votes")
        assert len(played.recoveries()) == 1 and changes(played) == []
        assert raftd.rows("SELECT count(*) FROM database_instance_downtime") == [(0,)]
        for name in ("r1", "r2"):
            played.servers[name]["alive"] = True
        played.tell()
        wait_until(lambda: raftd.prober.poll() or len(played.recoveries()) == 2, 60, "the recovery of what answers again", interval=0.2)
        assert played.recoveries()[-1][2:5] == ("DeadMaster", 1, "r1")
        assert [code for (code,) in raftd.rows("SELECT analysis FROM topology_failure_detection ORDER BY detection_id")] == [
            "DeadMasterAndReplicas", "DeadMaster"]


def test_a_primary_without_replicas_is_not_recovered(tmp_path):
    """Nobody votes on it, nothing is detected; who asks for it gets the reason."""
    with Raftd(config={**EVERY_CLUSTER, **hooks(tmp_path)}) as raftd:
        played = Played(raftd, "source", [])
        played.die("source")

        def refused():
            """Another text while its death is not known yet."""
            with pytest.raises(Refused) as found:
                raftd.ask("RECOVER", 30, key=key("source"), deadline_us=2 ** 60, user="me")
            return "is not dead" not in str(found.value) and str(found.value)

        assert wait_until(refused, 30, "its death to be known", interval=0.2) == (
            "DeadMasterWithoutReplicas: it has no replicas: there is nobody to promote")
        assert raftd.rows("SELECT (SELECT count(*) FROM topology_failure_detection), (SELECT count(*) FROM topology_recovery)") == [(0, 0)]
        assert raftd.prober.steps == [] and hooks_run(tmp_path) == []


STATES = {"hooks": "undone", "choose": "undone", "prepare": "undone", "promote": "undone", "restore": "undone", "repoint": "done",
          "ending": "done"}


def test_a_recovery_without_its_input_ends():
    """Its lock would stay for good. The record says what to look at."""
    with Node() as node:
        node.stop()
        with historical.opened(node.dir / "orchestrator.sqlite3") as db:
            for i, state in enumerate(STATES):
                db.execute("INSERT INTO topology_recovery (recovery_id, uid, hostname, port, in_active_period, start_active_period, analysis,"
                           " end_active_period_unixtime, processing_node_hostname, processcing_node_token, cluster_name, cluster_alias, "
                           " count_affected_slaves, slave_hosts, last_detection_id) "
                           "VALUES (?, ?, ?, 3306, 1, datetime('now'), 'DeadMaster', 0, 'n', 't', ?, '', 0, '', 0)",
                           (i + 1, f"uid:{state}", f"db{i}", f"db{i}:3306"))
                db.execute("INSERT INTO recovery_machine (uid, recovery_id, cluster_id, hostname, port, state, why, began, since, loss, "
                           " dropped, suspects, promoted) VALUES (?, ?, ?, ?, 3306, ?, 'x', 1767323045000000, 1767323046000000, '', '[]', '[]', ?)",
                           (f"uid:{state}", i + 1, f"c{i}", f"db{i}", state, STATES[state] == "done"))
        node.start()

        def ended():
            with historical.opened(node.dir / "orchestrator.sqlite3") as db:
                found = dict(db.execute("SELECT state, count(*) FROM recovery_machine GROUP BY state"))
            return found == {"undone": 5, "done": 2}

        wait_until(ended, 40, "all of them to end")
        for state in STATES:
            found = node.api(f"audit-recovery/uid/uid:{state}?details=true")[0]
            assert "its input is missing" in found["StateReason"] and found["RecoveryEndTimestamp"]
            assert "input is missing" in found["AllErrors"][0] or STATES[state] == "done"
            assert found["IsSuccessful"] == (STATES[state] == "done")
        node.wait_log("is ended, its servers are left as they are")


def test_primaries_that_fail_together_are_recovered_together():
    """Each by its first verdict: nothing is heard of it afterwards, so that there is no second one."""
    names = [f"s{i}" for i in range(8)]
    with Raftd(config=EVERY_CLUSTER) as raftd:
        clusters = {name: Played(raftd, name, [f"r{name}"]) for name in names}
        answer = raftd.prober.hear

        def answer_until_verdict(link, msg, fields):
            host = fields["key"]["hostname"] if msg == "PROBE" else ""
            if host not in clusters or f"instance={host}:3306 verdict=DEAD" not in raftd.log_text():
                answer(link, msg, fields)

        raftd.prober.hear = answer_until_verdict
        raftd.prober.on_step = lambda step: clusters[step["key"]["hostname"].lstrip("r")].step(step)
        for name in names:
            clusters[name].die(name)
        ended = "SELECT hostname, is_successful, successor_hostname FROM topology_recovery WHERE end_recovery IS NOT NULL"
        wait_until(lambda: sorted(raftd.rows(ended)) == [(name, 1, f"r{name}") for name in names], 30, "the end of all recoveries")
