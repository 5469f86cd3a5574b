"""What is shown of detections and recoveries, and what acknowledging them does: on the rows of a database that the historical program left,
and on rows of our own."""

import re

import pytest

import historical
from fleet import Fleet
from node import ROOT, Node
from waiting import wait_until

START, END = "2026-01-02 03:04:05", "2026-01-02 03:04:09"


def shape(name):
    """[key]: tests/compat/json_keys.txt."""
    text = (ROOT / "tests" / "compat" / "json_keys.txt").read_text()
    return re.findall(r"^(\w+) ", re.search(rf"^\[{name}\] elsewhere.*\n((?:\w+ .*\n)+)", text, re.M)[1], re.M)


def put(db, table, **values):
    db.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})", list(values.values()))


def recovery(db, number, host, **more):
    put(db, "topology_recovery", **{
        "recovery_id": number, "uid": f"uid:{number}", "hostname": host, "port": 3306, "in_active_period": 1,
        "start_active_period": START, "end_active_period_unixtime": 0, "processing_node_hostname": "orc1", "processcing_node_token": "t",
        "successor_hostname": "", "successor_port": 0, "analysis": "DeadMaster", "cluster_name": f"{host}:3306", "cluster_alias": "",
        "count_affected_slaves": 2, "slave_hosts": "s2:3306,s1:3306", "last_detection_id": number, **more})


def rows(db):
    """Times lie far behind: AuditPurgeDays of the node is longer."""
    recovery(db, 1, "old", is_successful=1, successor_hostname="s1", successor_port=3306, end_recovery=END, lost_slaves="s2:3306",
             participating_instances="s1:3306,s2:3306", cluster_alias="shop", in_active_period=0, end_active_period_unixtime=1767323049)
    recovery(db, 2, "db1", all_errors="one\ntwo", cluster_alias="shop")
    recovery(db, 3, "db2")
    recovery(db, 4, "db3", is_successful=1, successor_hostname="s9", successor_port=3306, acknowledged=1, acknowledged_by="me",
             acknowledge_comment="ok", acknowledged_at=END, in_active_period=0, end_active_period_unixtime=1767323049)
    db.execute("UPDATE topology_recovery SET end_recovery = datetime('now') WHERE recovery_id = 4")
    for message in ("begins", "ends"):
        put(db, "topology_recovery_steps", recovery_uid="uid:2", audit_at=START, message=message)
    put(db, "recovery_machine", uid="uid:3", recovery_id=3, cluster_id="c3", hostname="db2", port=3306, state="of-a-newer-build", why="it goes on",
        began=1767323045000000, since=1767323046000000, loss="none", dropped="[]", suspects="[]")
    put(db, "blocked_topology_recovery", hostname="s1", port=3306, cluster_name="s1:3306", analysis="DeadMaster",
        last_blocked_timestamp=END, blocking_recovery_id=2)
    for number, host, analysis in ((2, "db1", "DeadMaster"), (5, "db2", "UnreachableMaster")):
        put(db, "topology_failure_detection", detection_id=number, hostname=host, port=3306, in_active_period=1, start_active_period=START,
            end_active_period_unixtime=0, processing_node_hostname="orc1", processcing_node_token="t", analysis=analysis,
            cluster_name=f"{host}:3306", cluster_alias="shop", count_affected_slaves=1, slave_hosts="s1:3306", is_actionable=1)
    put(db, "failure_vote", hostname="s1", port=3306, verdict="ALIVE", analysis="NoProblem", description="it answers (too many connections)",
        seen="n1:10008: answered (too many connections); n2:10008: no answer", failed=0, answered=1, needed=2)
    db.execute("UPDATE failure_vote SET decided_at = datetime('now')")
    put(db, "failure_detection_witness", detection_id=2, witness="n1:10008", seen="refused", cause="refused", errno_mysql=2003, attempts=2)


@pytest.fixture
def node():
    """Nothing ends by itself while a test lasts."""
    config = {"AuditPurgeDays": 36500, "RecoveryPeriodBlockSeconds": 3000000000, "FailureDetectionPeriodBlockMinutes": 50000000}
    with Node(config=config) as node:
        node.stop()
        with historical.opened(node.dir / "orchestrator.sqlite3") as db:
            rows(db)
        node.start()
        yield node


def ids(node, path):
    return [r["Id"] for r in node.api(path)]


def test_recoveries_are_listed_by_what_one_asks_for(node):
    assert ids(node, "audit-recovery") == [4, 3, 2, 1] == ids(node, "audit-recovery/0") == ids(node, "audit-recovery/id/x")
    assert ids(node, "audit-recovery/1") == []
    assert ids(node, "audit-recovery?unacknowledged=true") == [3, 2, 1]
    assert ids(node, "audit-recovery/id/2") == [2] == ids(node, "audit-recovery/uid/uid:2")
    assert ids(node, "audit-recovery/cluster/db1:3306") == [2] and ids(node, "audit-recovery/cluster/shop") == []
    assert ids(node, "audit-recovery/alias/shop") == [2, 1] and ids(node, "audit-recovery/alias/shop/1") == []
    assert ids(node, "active-cluster-recovery/db1:3306") == [2] and ids(node, "active-cluster-recovery/db3:3306") == []
    assert ids(node, "recently-active-cluster-recovery/db3:3306") == [4] and ids(node, "recently-active-cluster-recovery/old:3306") == []
    assert ids(node, "recently-active-instance-recovery/s9/3306") == [4] and ids(node, "recently-active-instance-recovery/db3/3306") == []
    assert [s["Message"] for s in node.api("audit-recovery-steps/uid:2")] == ["begins", "ends"]
    assert node.api("audit-recovery-steps/none") == []
    assert ids(node, "audit-failure-detection") == [5, 2] == ids(node, "audit-failure-detection/alias/shop")
    assert ids(node, "audit-failure-detection/id/2") == [2] and ids(node, "audit-failure-detection/1") == []
    assert [b["FailedInstanceKey"]["Hostname"] for b in node.api("blocked-recoveries")] == ["s1"]
    assert len(node.api("blocked-recoveries/cluster/s1:3306")) == 1 and node.api("blocked-recoveries/cluster/x") == []


def test_objects_are_the_historical_ones(node):
    old, two = node.api("audit-recovery/id/1")[0], node.api("audit-recovery/id/2")[0]
    found = node.api("audit-failure-detection/id/2")[0]
    assert list(old) == list(found) == shape("TopologyRecovery")
    assert list(node.api("audit-recovery-steps/uid:2")[0]) == shape("TopologyRecoveryStep")
    assert list(node.api("blocked-recoveries")[0]) == shape("BlockedTopologyRecovery")
    key = {name: {"Hostname": name, "Port": 3306} for name in ("s1", "s2")}
    assert (old["SuccessorKey"], old["LostReplicas"], old["ParticipatingInstanceKeys"]) == (key["s1"], [key["s2"]], [key["s1"], key["s2"]])
    assert (old["AllErrors"], old["IsSuccessful"], old["IsActive"]) == ([""], True, False)
    assert (old["RecoveryStartTimestamp"], old["RecoveryEndTimestamp"], old["RecoveryType"]) == (START, END, "NotMasterRecovery")
    entry = old["AnalysisEntry"]
    assert (entry["Analysis"], entry["CountReplicas"], entry["Replicas"], entry["StructureAnalysis"], entry["StartActivePeriod"]) == (
        "DeadMaster", 2, [key["s1"], key["s2"]], None, "")
    assert (two["SuccessorKey"], two["AllErrors"], two["IsActive"]) == ({"Hostname": "", "Port": 0}, ["one", "two"], True)
    assert (found["SuccessorKey"], found["AllErrors"], found["RelatedRecoveryId"], found["UID"]) == (None, None, 2, "")
    assert found["AnalysisEntry"]["StartActivePeriod"] == START == found["RecoveryStartTimestamp"]


def test_details_are_behind_the_historical_keys(node):
    found = node.api("audit-failure-detection/id/2?details=true")[0]
    assert list(found)[:-1] == shape("TopologyRecovery")
    assert found["Votes"] == [{"Witness": "n1:10008", "IsReplica": False, "Seen": "refused", "Cause": "refused", "ErrorNumber": 2003,
                               "Attempts": 2, "Reader": "", "SeenAt": ""}]
    runs = node.api("audit-recovery/id/3?details=true")[0]
    assert (runs["State"], runs["StateReason"], runs["StateSince"], runs["Loss"]) == ("of-a-newer-build", "it goes on", "2026-01-02 03:04:06", "none")
    assert list(node.api("audit-recovery/id/2?details=true")[0]) == shape("TopologyRecovery")  # of the historical program's


def test_votes_that_confirmed_nothing_are_told(node):
    vote, = node.api("failure-votes")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", vote.pop("DecidedAt"))
    assert vote == (
        {"Key": {"Hostname": "s1", "Port": 3306}, "Verdict": "ALIVE", "Analysis": "NoProblem", "Description": "it answers (too many connections)",
         "Seen": "n1:10008: answered (too many connections); n2:10008: no answer", "Failed": 0, "Answered": 1, "Needed": 2})


def test_an_analysis_tells_who_saw_it():
    with Fleet(2, replicas=1) as fleet, Node(seeds=fleet.sources, config={"InstancePollSeconds": 1}) as node:
        node.wait_instances(fleet.addresses)
        fleet.stop()

        def detected():
            for entry in node.api("replication-analysis?details=true")["Details"]:
                if entry["DetectionId"] > 0 and entry["LastVote"] is not None:
                    return entry

        entry = wait_until(detected, 30, "a detection and its vote")
        assert {vote["Witness"]: vote["Seen"] for vote in entry["Votes"]}["this node"] == "refused"
        assert (entry["LastVote"]["Verdict"], entry["LastVote"]["Failed"]) == ("DEAD", 1)
        assert not any("Votes" in entry for entry in node.api("replication-analysis")["Details"])


def test_recoveries_are_acknowledged(node):
    for path in ("ack-all-recoveries", "ack-recovery/2", "ack-recovery/uid/uid:2?comment=%20", "ack-recovery/instance/db1/3306"):
        answer = node.get("/api/" + path)
        assert answer.status == 500 and answer.json()["Message"].endswith("No acknowledge comment given")
    assert ids(node, "audit-recovery?unacknowledged=true") == [3, 2, 1]
    answer = node.api("ack-recovery/instance/db1/3306?comment=seen%20it")
    assert (answer["Code"], answer["Details"]) == ("OK", {"Hostname": "db1", "Port": 3306})
    two = node.api("audit-recovery/id/2")[0]
    assert (two["Acknowledged"], two["AcknowledgedComment"], two["IsActive"], two["RecoveryEndTimestamp"]) == (True, "seen it", False, "")
    assert two["AcknowledgedBy"] != "" and two["AcknowledgedAt"] != ""
    assert node.api("blocked-recoveries") == []
    assert [d["IsActive"] for d in node.api("audit-failure-detection")] == [True, False]
    # one that runs goes on
    assert node.api("ack-recovery/uid/uid:3?comment=x")["Details"] == "uid:3"
    three = node.api("audit-recovery/id/3")[0]
    assert (three["Acknowledged"], three["IsActive"]) == (True, True)
    assert node.api("ack-recovery/99?comment=x")["Code"] == "OK"
    assert node.get("/api/ack-recovery/x?comment=x").status == 500
    assert node.api("ack-all-recoveries?comment=the%20rest")["Details"] == "the rest"
    assert ids(node, "audit-recovery?unacknowledged=true") == []


def test_commands_acknowledge_as_well(node):
    assert node.command("-c", "ack-instance-recoveries", "-i", "db2:3306", "-reason", "seen").stdout == "1 recoveries acknowledged\n"
    assert node.command("-c", "ack-all-recoveries", "-reason", "seen").stdout == "2 recoveries acknowledged\n"
    assert node.command("-c", "ack-all-recoveries", "-reason", "seen").stdout == "0 recoveries acknowledged\n"
    assert node.command("-c", "disable-global-recoveries").stdout.startswith("OK:")
    assert node.command("-c", "check-global-recoveries").stdout == "OK: Global recoveries disabled: true\n"
    assert node.command("-c", "enable-global-recoveries").stdout.startswith("OK:")
    assert node.client("-c", "ack-all-recoveries", "-r", "seen").stdout == "seen\n"


def test_what_is_old_ends_by_itself(node):
    """As the configuration says when the node starts next."""
    node.stop()
    node.configure(AuditPurgeDays=1, RecoveryPeriodBlockSeconds=1, FailureDetectionPeriodBlockMinutes=1)
    node.start()
    # that of a machine which runs stays; the rest is as old as the rows say
    wait_until(lambda: ids(node, "audit-recovery") == [3] and ids(node, "audit-failure-detection") == [], 20, "the end of old records")
    assert node.api("audit-recovery-steps/uid:2") == [] == node.api("blocked-recoveries")


def test_the_downtime_of_a_lost_server_ends_when_it_replicates_again():
    with Fleet(2, replicas=1) as fleet, Node(seeds=fleet.sources, config={"InstancePollSeconds": 1}) as node:
        node.wait_instances(fleet.addresses)
        node.stop()
        with historical.opened(node.dir / "orchestrator.sqlite3") as db:
            for reason, address in (("lost-in-recovery", fleet.addresses[1]), ("new disks", fleet.addresses[0])):
                host, port = address.split(":")
                put(db, "database_instance_downtime", hostname=host, port=int(port), downtime_active=1, owner="orchestrator", reason=reason,
                    begin_timestamp=START, end_timestamp="2999-01-01 00:00:00")
        node.start()
        wait_until(lambda: [i["DowntimeReason"] for i in node.api("downtimed")] == ["new disks"], 20, "the end of the downtime")
        assert "was lost in a recovery and is back" in node.log_text()
