"""raftd alone, its probers and apid played: discovery, names, suspicion, requests, periodic work."""

import re
import sqlite3
import time

import pytest

from raftd_driven import ANSWERED, ONE_SHOT, RESET, TIMED_OUT, Raftd, Refused, key
from waiting import pass_time, wait_until

REFRESH, TOPOLOGY, ASYNC = 0, 1, 2
HAS_REPLICAS, IS_ROOT, HURRY = 1, 2, 4
URGENT = 0
DB1, DB2, DB3 = key("db1"), key("db2"), key("db3")


@pytest.fixture
def new_raftd():
    made = []

    def make(**kwargs):
        made.append(Raftd(**kwargs))
        return made[-1]

    yield make
    for raftd in made:
        raftd.close()


@pytest.fixture
def raftd(new_raftd):
    return new_raftd()


def replica_of(host, port=3306, **more):
    return {"sql_thread_state": 1, "io_thread_state": 1, "sql_running": True, "io_running": True,
            "read_coord": {"log_file": "b.1", "log_pos": 4, "type": 0}, **more}


def chain(raftd):
    """db1 ← db2 ← db3, as the servers would tell it."""
    raftd.prober.found(DB1, {"log_bin_enabled": True}, replicas=[{"hostname": "db2", "port": 3306}])
    raftd.prober.found(DB2, replica_of("db1"), source_host="db1", source_port=3306,
                       replicas=[{"hostname": "db3", "port": 3306}])
    raftd.prober.found(DB3, replica_of("db2"), source_host="db2", source_port=3306)


CHAIN_FLAGS = [HAS_REPLICAS | IS_ROOT, HAS_REPLICAS, 0]


def chain_flags(raftd):
    return [raftd.prober.watched[h, 3306][1] & ~HURRY for h in ("db1", "db2", "db3")]


def settle(raftd, *hosts):
    """Polls until all these servers are known and watched."""
    def known():
        raftd.prober.poll()
        return {f"{h}:3306" for h in hosts} <= raftd.instances() and {(h, 3306) for h in hosts} <= raftd.prober.watched.keys()
    wait_until(known, 10, f"{hosts} discovered", interval=0.1)


def column(raftd, host, name):
    rows = raftd.rows(f"SELECT {name} FROM database_instance WHERE hostname = ?", host)
    return rows[0][0] if rows else None


def is_valid(raftd, host):
    return raftd.rows("SELECT last_checked <= last_seen FROM database_instance WHERE hostname = ?", host)[0][0]


# -- discovery

def test_a_topology_is_found_from_one_seed(new_raftd):
    raftd = new_raftd(config={"DiscoverySeeds": ["db2"]})
    chain(raftd)
    settle(raftd, "db1", "db2", "db3")
    raftd.prober.poll()
    wait_until(lambda: column(raftd, "db3", "cluster_name") == "db1:3306", 5)
    wait_until(lambda: (raftd.prober.poll(), column(raftd, "db3", "replication_depth"))[1] == 2, 5)
    assert column(raftd, "db1", "slave_hosts") == '[{"Hostname":"db2","Port":3306}]'
    wait_until(lambda: chain_flags(raftd) == CHAIN_FLAGS, 5)
    wait_until(lambda: raftd.rows("SELECT cluster_name, alias FROM cluster_alias") == [("db1:3306", "db1:3306")], 5)
    # the cluster's record, once its root has been that for some polls
    wait_until(lambda: (raftd.prober.poll(), raftd.rows("SELECT cluster_name FROM cluster_record"))[1] == [("db1:3306",)], 10)
    assert raftd.state["caught_up"] and raftd.state["known_instances"] == 3


def test_discover_answers_when_the_row_is_there(raftd):
    chain(raftd)
    reply = raftd.ask("DISCOVER", key=DB1, mode=TOPOLOGY)
    assert raftd.instances() >= {"db1:3306"}
    assert reply["keys"] == [DB1] and reply["has_instance"]
    assert reply["instance"]["promotion_rule"] == "neutral" and reply["instance"]["is_last_check_valid"]
    settle(raftd, "db1", "db2", "db3")


def test_async_discover_answers_at_once(raftd):
    raftd.prober.answering = False
    assert not raftd.ask("DISCOVER", key=DB1, mode=ASYNC)["has_instance"]
    raftd.prober.answering = True
    raftd.prober.found(DB1)
    raftd.ask("DISCOVER", key=DB1, mode=ASYNC)
    wait_until(lambda: raftd.instances() == {"db1:3306"}, 5)


def test_an_unreachable_server_is_an_error_with_the_drivers_text(raftd):
    with pytest.raises(Refused, match=r"db1:3306: Can't connect to server \(111\)"):
        raftd.ask("DISCOVER", key=DB1, mode=TOPOLOGY)
    assert raftd.instances() == set()


@pytest.mark.parametrize("host, port", [("", 3306), ("_", 3306), ("//db1", 3306), ("db1", 0), ("a b", 3306)])
def test_invalid_keys_are_refused(raftd, host, port):
    with pytest.raises(Refused, match="not a valid server"):
        raftd.ask("DISCOVER", key=key(host, port), mode=REFRESH)


def test_many_discoveries_at_once(raftd):
    keys = [key(f"s{i}") for i in range(300)]
    for k in keys:
        raftd.prober.found(k)
    requests = [raftd.post("DISCOVER", key=k, mode=REFRESH) for k in keys]
    for request in requests:
        raftd.answer(request)
    assert len(raftd.instances()) == 300


def test_filters(new_raftd):
    raftd = new_raftd(config={"DiscoveryIgnoreHostnameFilters": ["^never"], "DiscoveryIgnoreReplicaHostnameFilters": ["^bad"],
                              "DiscoveryIgnoreReplicationUsernameFilters": ["^backup$"]})
    raftd.prober.found(DB1, {}, replicas=[{"hostname": h, "port": 3306} for h in ("bad1", "never1", "db2", "db3")])
    raftd.prober.found(DB2)
    raftd.prober.found(DB3, replica_of("db1"), source_host="db1", source_port=3306, replication_user="backup")
    raftd.ask("DISCOVER", key=DB1, mode=TOPOLOGY)
    settle(raftd, "db1", "db2")
    assert raftd.instances() == {"db1:3306", "db2:3306"}
    assert {h for h, _ in raftd.prober.watched} == {"db1", "db2", "db3"}
    for k in (key("never1"), DB3):
        assert not raftd.ask("DISCOVER", key=k, mode=TOPOLOGY)["has_instance"]


def test_forget_keeps_it_away_for_three_polls(raftd):
    chain(raftd)
    raftd.ask("DISCOVER", key=DB1, mode=TOPOLOGY)
    settle(raftd, "db1", "db2", "db3")
    raftd.ask("FORGET", key=DB3)
    assert raftd.instances() == {"db1:3306", "db2:3306"}
    wait_until(lambda: ("db3", 3306) not in raftd.prober.watched, 5)
    with pytest.raises(Refused, match="not found"):
        raftd.ask("FORGET", key=DB3)
    forgotten = time.monotonic()
    settle(raftd, "db1", "db2", "db3")
    assert time.monotonic() - forgotten > 2.5


def test_discover_takes_back_what_was_forgotten(raftd):
    raftd.prober.found(DB1)
    raftd.ask("DISCOVER", key=DB1, mode=TOPOLOGY)
    raftd.ask("FORGET", key=DB1)
    raftd.ask("DISCOVER", key=DB1, mode=TOPOLOGY)
    assert raftd.instances() == {"db1:3306"}


def test_a_dead_seed_is_shown_and_a_dead_neighbour_is_not(new_raftd):
    raftd = new_raftd(config={"DiscoverySeeds": ["db1", "db2"]})
    raftd.prober.found(DB2, {}, replicas=[{"hostname": "db3", "port": 3306}])
    settle(raftd, "db1", "db2")
    wait_until(lambda: ("db3", 3306) in raftd.prober.watched, 5)
    raftd.prober.poll()
    assert column(raftd, "db1", "last_seen") is None
    assert raftd.instances() == {"db1:3306", "db2:3306"}


# -- names

def test_a_server_is_filed_under_its_own_name(new_raftd):
    raftd = new_raftd(config={"MySQLHostnameResolveMethod": "@@hostname", "DiscoverySeeds": ["10.0.0.1"]})
    raftd.prober.found(key("10.0.0.1"), self_hostname="db1")
    raftd.prober.found(DB1, self_hostname="db1")
    settle(raftd, "db1")
    assert raftd.instances() == {"db1:3306"}
    wait_until(lambda: raftd.prober.watched.keys() == {("db1", 3306)}, 5)
    assert raftd.rows("SELECT resolved_hostname FROM hostname_resolve WHERE hostname = '10.0.0.1'") == [("db1",)]
    reply = raftd.ask("DISCOVER", key=key("10.0.0.1"), mode=REFRESH)
    assert reply["keys"] == [DB1]
    raftd.kill()
    raftd.start()
    assert raftd.ask("DISCOVER", key=key("10.0.0.1"), mode=REFRESH)["keys"] == [DB1]
    assert raftd.prober.asked[-1][0] == "db1"  # the stored name was used


def test_two_servers_with_one_name_stay_two(new_raftd):
    """Historically they were merged into one row, silently."""
    raftd = new_raftd(config={"MySQLHostnameResolveMethod": "@@hostname"})
    for number in (1, 2):
        raftd.prober.found(key(f"10.0.0.{number}"), {"server_uuid": f"uuid-{number}"}, self_hostname="localhost")
        raftd.ask("DISCOVER", key=key(f"10.0.0.{number}"), mode=REFRESH)
    assert raftd.instances() == {"localhost:3306", "10.0.0.2:3306"}
    wait_until(lambda: raftd.metrics.get("resolve.ambiguous", 0) > 0, 5)


def test_results_wait_for_name_lookups(new_raftd):
    raftd = new_raftd(config={"HostnameResolveMethod": "cname"})
    raftd.prober.names = {"vip": "db1", "db2": "db2", "db1": "db1"}
    raftd.prober.found(DB1)
    raftd.prober.found(DB2, replica_of("vip"), source_host="vip", source_port=3306)
    raftd.ask("DISCOVER", key=DB1, mode=REFRESH)
    raftd.ask("DISCOVER", key=DB2, mode=REFRESH)
    assert column(raftd, "db2", "master_host") == "db1"
    assert column(raftd, "db2", "cluster_name") == "db1:3306"
    assert raftd.instances() == {"db1:3306", "db2:3306"}


def test_a_failed_lookup_leaves_the_name_as_given(new_raftd):
    raftd = new_raftd(config={"HostnameResolveMethod": "ip"})
    raftd.prober.names = {}
    raftd.prober.found(DB1)
    assert raftd.ask("DISCOVER", key=DB1, mode=REFRESH)["keys"] == [DB1]


# -- suspicion

def test_a_killed_server_is_reported_within_a_second(raftd):
    chain(raftd)
    raftd.ask("DISCOVER", key=DB1, mode=TOPOLOGY)
    settle(raftd, "db1", "db2", "db3")
    raftd.prober.poll()
    wait_until(lambda: is_valid(raftd, "db1"), 5)
    del raftd.prober.asked[:]
    raftd.prober.gone(DB1)
    lost = time.monotonic()
    raftd.send("p0", "CONNECTION_LOST", key=DB1, evidence=RESET, at_us=int(time.time() * 1e6))
    wait_until(lambda: not is_valid(raftd, "db1"), 5, interval=0.01)
    assert time.monotonic() - lost < 1
    wait_until(lambda: {("db1", 3306, URGENT), ("db2", 3306, URGENT)} <= set(raftd.prober.asked), 5)
    assert "db3" not in [h for h, _, _ in raftd.prober.asked]
    raftd.prober.found(DB1)
    raftd.prober.poll()
    wait_until(lambda: is_valid(raftd, "db1"), 5)
    assert re.search(r"does not answer instance=db1:3306 evidence=refused.*\n(.*\n)*.*answers again instance=db1:3306", raftd.log_text())


def test_a_failed_scheduled_probe_makes_its_replicas_probed(raftd):
    chain(raftd)
    raftd.ask("DISCOVER", key=DB1, mode=TOPOLOGY)
    settle(raftd, "db1", "db2", "db3")
    del raftd.prober.asked[:]
    raftd.prober.gone(DB1)
    raftd.prober.report(DB1, evidence=TIMED_OUT)
    wait_until(lambda: ("db2", 3306, URGENT) in raftd.prober.asked, 5)


def test_a_mass_disconnect_probes_sources_first(raftd):
    sources = [key(f"src{i:02}") for i in range(20)]
    replicas = [key(f"rep{i:02}") for i in range(80)]
    for s in sources:
        raftd.prober.found(s)
    for i, r in enumerate(replicas):
        raftd.prober.found(r, replica_of("x"), source_host=sources[i % 20]["hostname"], source_port=3306)
    for request in [raftd.post("DISCOVER", key=k, mode=REFRESH) for k in sources + replicas]:
        raftd.answer(request)
    del raftd.prober.asked[:]
    raftd.prober.answering = False
    for k in replicas + sources:
        raftd.send("p0", "CONNECTION_LOST", key=k, evidence=RESET)
    wait_until(lambda: raftd.metrics.get("suspicion.connections_lost") == 100, 5)
    # single losses before the mass was noticed were probed at once; then no more than 16 at a time
    assert len(raftd.prober.asked) <= 40
    wait_until(lambda: "many connections were lost at once" in raftd.log_text(), 5)


# -- probers

def test_a_prober_that_comes_back_is_told_everything(raftd):
    chain(raftd)
    raftd.ask("DISCOVER", key=DB1, mode=TOPOLOGY)
    settle(raftd, "db1", "db2", "db3")
    raftd.prober.watched.clear()
    raftd.order("prober-down", slot=0)
    wait_until(lambda: "prober is gone" in raftd.log_text(), 10)
    request = raftd.post("DISCOVER", key=DB1, mode=REFRESH)  # waits for a prober
    raftd.order("prober-up", slot=0)
    raftd.answer(request)
    wait_until(lambda: len(raftd.prober.watched) == 3, 5)


def test_probes_of_a_dead_prober_go_to_the_other(new_raftd):
    raftd = new_raftd(probers=2)
    wait_until(lambda: raftd.metrics.get("prober.up") == 2, 5)
    raftd.prober.answering = False
    keys = [key(f"s{i}") for i in range(20)]
    requests = [raftd.post("DISCOVER", key=k, mode=REFRESH) for k in keys]
    wait_until(lambda: len(raftd.prober.asked) == 20, 5)
    for k in keys:
        raftd.prober.found(k)
    raftd.prober.answering = True
    for slot in (0, 1):
        raftd.order("prober-down", slot=slot)
        raftd.order("prober-up", slot=slot)
    for request in requests:
        raftd.answer(request)


def test_results_are_credited(raftd):
    raftd.prober.found(DB1)
    raftd.ask("DISCOVER", key=DB1, mode=REFRESH)
    for _ in range(1000):
        raftd.prober.report(DB1)
    wait_until(lambda: raftd.prober.credits[0] >= 256 + 960, 10)


# -- decisions and their rows

def test_downtime_tags_candidates(raftd):
    raftd.ask("BEGIN_DOWNTIME", key=DB1, owner="gromit", reason="cheese", duration_s=60)
    (begin, end, owner, reason), = raftd.rows("SELECT strftime('%s', begin_timestamp), strftime('%s', end_timestamp), owner, "
                                              "reason FROM database_instance_downtime")
    assert 60 <= int(end) - int(begin) <= 61 and (owner, reason) == ("gromit", "cheese")
    raftd.ask("END_DOWNTIME", key=DB1)
    assert raftd.rows("SELECT * FROM database_instance_downtime") == []
    assert raftd.ask("PUT_TAG", key=DB1, tag_name="a", tag_value="1")["keys"] == [DB1]
    assert raftd.ask("DELETE_TAG", key=DB1, tag_name="a", has_value=True, tag_value="2")["keys"] == []
    assert raftd.ask("DELETE_TAG", key=DB1, tag_name="a")["keys"] == [DB1]
    raftd.ask("REGISTER_CANDIDATE", key=DB1, promotion_rule="prefer")
    assert raftd.rows("SELECT promotion_rule FROM candidate_database_instance") == [("prefer",)]
    for fields in ({"promotion_rule": "must"}, {"promotion_rule": "x"}):
        with pytest.raises(Refused, match="not supported"):
            raftd.ask("REGISTER_CANDIDATE", key=DB1, **fields)
    with pytest.raises(Refused, match="duration"):
        raftd.ask("BEGIN_DOWNTIME", key=DB1, owner="o", reason="r", duration_s=-1)


def test_a_downtime_expires_by_itself(raftd):
    raftd.ask("BEGIN_DOWNTIME", key=DB1, owner="o", reason="r", duration_s=1)
    wait_until(lambda: raftd.rows("SELECT * FROM database_instance_downtime") == [], 10)


def test_a_downtime_expires_beside_changes_that_never_end(raftd):
    """On a slow disk there is always one under way."""
    raftd.ask("BEGIN_DOWNTIME", key=DB1, owner="o", reason="r", duration_s=1)
    db = sqlite3.connect(raftd.data, isolation_level=None)
    for _ in range(2):
        db.execute("BEGIN IMMEDIATE")
        under_way = raftd.post("PUT_TAG", key=DB2, tag_name="a", tag_value="1")
        pass_time(2.5)  # somebody looks once a second
        db.execute("COMMIT")
        raftd.answer(under_way)
    db.close()
    assert raftd.rows("SELECT * FROM database_instance_downtime") == []


def test_rules_by_query_are_registered_under_the_servers_own_name(new_raftd):
    """Historically under the name asked for, and with every probe."""
    raftd = new_raftd(config={"MySQLHostnameResolveMethod": "@@hostname"})
    for k in (key("vip"), DB1):
        raftd.prober.found(k, self_hostname="db1", detected_promotion_rule="prefer_not")
    raftd.ask("DISCOVER", key=key("vip"), mode=REFRESH)
    rows = wait_until(lambda: raftd.rows("SELECT hostname, promotion_rule FROM candidate_database_instance"), 5)
    assert rows == [("db1", "prefer_not")]
    index = raftd.ask("PUT_TAG", key=DB1, tag_name="a")["index"]
    for _ in range(5):
        raftd.ask("DISCOVER", key=key("vip"), mode=REFRESH)
    assert raftd.ask("PUT_TAG", key=DB1, tag_name="a")["index"] == index + 1


def test_changes_by_hand_are_taken_up(raftd):
    raftd.ask("PUT_TAG", key=DB1, tag_name="a", tag_value="1")
    with sqlite3.connect(raftd.data, timeout=5) as db:
        db.execute("DELETE FROM database_instance_tags")
        db.execute("INSERT INTO database_instance (hostname, port) VALUES ('byhand', 3306)")
    wait_until(lambda: ("byhand", 3306) in raftd.prober.watched, 5)
    assert raftd.ask("DELETE_TAG", key=DB1, tag_name="a")["keys"] == []


# -- audit

def test_audit_goes_where_it_is_configured(new_raftd, tmp_path):
    file = tmp_path / "audit.log"
    raftd = new_raftd(config={"AuditToBackendDB": True, "AuditLogFile": str(file)})
    raftd.prober.found(DB1)
    raftd.ask("DISCOVER", key=DB1, mode=REFRESH)
    raftd.ask("BEGIN_DOWNTIME", key=DB1, owner="o\to", reason="two\nlines", duration_s=60)
    raftd.ask("WRITE_AUDIT", type="test", message="m", key=key("", 0))
    rows = wait_until(lambda: [r for r in raftd.rows(
        "SELECT audit_type, hostname, port, cluster_name, message FROM audit ORDER BY audit_id")] if len(raftd.rows(
            "SELECT 1 FROM audit")) == 2 else None, 5)
    assert rows == [("begin-downtime", "db1", 3306, "db1:3306", "owner: o\to, reason: two\nlines"), ("test", "", 0, "", "m")]
    lines = wait_until(lambda: file.read_text().splitlines() if len(file.read_text().splitlines()) == 2 else None, 5)
    assert lines[0].split("\t")[1:] == ["begin-downtime", "db1", "3306", "[db1:3306]", "owner: o o, reason: two lines"]
    assert file.stat().st_mode & 0o777 == 0o640
    assert raftd.stop() == ("code", 0)
    assert file.read_text().splitlines()[-1].split("\t")[1] == "shutdown"


def test_without_audit_configuration_it_is_logged(raftd):
    raftd.ask("PUT_TAG", key=DB1, tag_name="a", tag_value="1")
    raftd.ask("DELETE_TAG", key=DB1, tag_name="a")
    wait_until(lambda: 'audit: type=delete-instance-tag instance="db1:3306"' in raftd.log_text(), 5)


# -- the node

def test_health_writes_the_nodes_row(raftd):
    raftd.ask("NODE_HEALTH")
    assert raftd.rows("SELECT hostname, token FROM node_health") == [("node1.example", "0123456789abcdef")]
    assert raftd.rows("SELECT hostname FROM active_node WHERE anchor = 1") == [("node1.example",)]
    first = raftd.rows("SELECT incrementing_indicator FROM node_health")[0][0]
    wait_until(lambda: raftd.rows("SELECT incrementing_indicator FROM node_health")[0][0] > first, 5)


def test_state_is_published_and_leads(raftd):
    wait_until(lambda: raftd.state.get("is_leader") and raftd.state["lease_end_us"] > time.clock_gettime(time.CLOCK_BOOTTIME) * 1e6, 5)
    seq = raftd.state["seq"]
    raftd.send("a", "SEND_STATE", last_seq=0)
    wait_until(lambda: raftd.state["seq"] > seq, 5)
    wait_until(lambda: raftd.metrics["elect.is_elected"] == 1, 5)


def test_a_one_shot_node_watches_nothing(new_raftd):
    raftd = new_raftd(mode=ONE_SHOT, config={"DiscoverySeeds": ["db9"]})
    chain(raftd)
    assert raftd.ask("DISCOVER", key=DB1, mode=TOPOLOGY)["has_instance"]
    wait_until(lambda: raftd.instances() == {"db1:3306", "db2:3306", "db3:3306"}, 5)
    assert raftd.prober.watched == {} and "db9" not in [h for h, _, _ in raftd.prober.asked]
    assert raftd.rows("SELECT hostname FROM active_node WHERE hostname != ''") == []


def test_known_servers_are_known_after_a_restart(raftd):
    chain(raftd)
    raftd.ask("DISCOVER", key=DB1, mode=TOPOLOGY)
    settle(raftd, "db1", "db2", "db3")
    wait_until(lambda: (raftd.prober.poll(), chain_flags(raftd))[1] == CHAIN_FLAGS, 5)
    assert raftd.stop() == ("code", 0)
    raftd.prober.servers.clear()
    raftd.start()
    wait_until(lambda: len(raftd.prober.watched) == 3, 5)
    assert chain_flags(raftd) == CHAIN_FLAGS
    assert column(raftd, "db3", "cluster_name") == "db1:3306"
    assert not wait_until(lambda: raftd.state.get("is_leader") and raftd.state, 5)["caught_up"]


def test_garbage_from_probers_is_harmless(raftd):
    raftd.prober.report(key("", 0), found=True)
    raftd.prober.report(DB1, found=True, phase=99, evidence=99, replicas=[{"hostname": "\x01\x02", "port": 70000}] * 100,
                        source_host="a,b\n", source_port=-5)
    raftd.prober.report(DB2, found=False, evidence=12345, error="\x00".join("ab") if False else "x" * 1000)
    raftd.send("p0", "RESOLVED", request_id=77, hostname="x", resolved="y")
    raftd.send("p0", "STEP_RESULT", number=3)
    raftd.send("p0", "CONNECTION_LOST", key=key("nobody"), evidence=77)
    raftd.send("a", "DISCOVER", request_id=1000, key=DB1, mode=77)
    wait_until(lambda: raftd.replies.get(1000, {}).get("code", 0) < 0, 5)
    assert raftd.ask("NODE_HEALTH")["code"] == 0
