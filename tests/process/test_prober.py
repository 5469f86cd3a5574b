"""A real prober against servers that misbehave: evidence, deadlines, lanes, limits, credits. Driver: proberdrv.py."""

import asyncio
import time

import pytest

import fakemysqld as fake_
from fakemysqld import FakeMysqld, answers, lie
from proberdrv import (ANSWERED, CONNECT, DETAIL, DONE, HAS_REPLICAS, HURRY, NONE, QUERY, REFUSED, RESET, RESOLVE,
                       TIMED_OUT, UNRESOLVED, Prober)
from waiting import wait_until


@pytest.fixture
def fake():
    with FakeMysqld() as fake:
        yield fake


@pytest.fixture
def prober():
    with Prober() as prober:
        yield prober


@pytest.mark.parametrize("golden", ["mariadb_middle", "mysql97_middle", "mysql57_filtered_replica"])
def test_honest_server_is_found_again_and_again(fake, prober, golden):
    server = fake.listen(answers(golden))
    prober.watch(server)
    first = prober.result(server, found=True)
    assert first["phase"] == DONE and first["evidence"] == ANSWERED and first["error"] == ""
    assert first["ipv4"] == "" or first["ipv4"] == "127.0.0.1"
    assert first["last_answer_us"] >= first["started_us"] and first["failed_attempts"] == 0
    wait_until(lambda: len(list(prober.results(server))) >= 4, 10, "four probes")
    assert fake.seen[server, "connections"] == 1
    last = list(prober.results(server))[-1]
    assert last["ipv4"] == "127.0.0.1"


@pytest.mark.parametrize("behaviour, evidence, phase, number", [
    (fake_.silent, TIMED_OUT, CONNECT, 2013),
    (fake_.half_greeting, TIMED_OUT, CONNECT, 2013),
    (fake_.drip_greeting, TIMED_OUT, CONNECT, 2013),
    (fake_.close_at_once, RESET, CONNECT, 2013),
    (fake_.reset_at_once, RESET, CONNECT, None),
    (fake_.refuses(1040, "Too many connections"), ANSWERED, CONNECT, 1040),
    (fake_.refuses(1129, "Host is blocked"), ANSWERED, CONNECT, 1129),
    (fake_.refuses(1226), ANSWERED, CONNECT, 1226),
    (fake_.greet_then_close, ANSWERED, CONNECT, 2013),
], ids=lambda v: getattr(v, "__name__", None))
def test_evidence_of_failed_logins(fake, prober, behaviour, evidence, phase, number):
    server = fake.listen(behaviour)
    prober.watch(server)
    result = prober.result(server)
    assert (result["evidence"], result["phase"]) == (evidence, phase), result["error"]
    assert result["errno_mysql"] == (number or result["errno_mysql"])  # a reset may come while connecting or after it
    assert not result["found"] and result["error"]
    if evidence == ANSWERED:
        assert result["failed_attempts"] == 0 and result["answered_us"] > 0
    else:
        assert result["failed_attempts"] == 1 and result["first_failed_us"] == result["started_us"]
        assert result["answered_us"] == 0
    assert result["last_answer_us"] == 0


def test_evidence_of_refusal_and_unknown_name(fake, prober):
    gone = fake.listen(fake_.silent)
    fake.stop_listening(gone)
    prober.watch(gone, "no-such-host.invalid:3306")
    assert prober.result(gone)["evidence"] == REFUSED
    unknown = prober.result("no-such-host.invalid:3306", deadline=20)
    assert (unknown["evidence"], unknown["phase"]) == (UNRESOLVED, RESOLVE)
    assert unknown["failed_attempts"] == 0  # says nothing about the server


def test_tls_hang_holds_a_thread_no_longer_than_the_deadline(fake):
    with Prober(MySQLTopologyUseMutualTLS=True, MySQLTopologySSLSkipVerify=True) as prober:
        server = fake.listen(fake_.tls_hang)
        begun = time.monotonic()
        prober.watch(server)
        result = prober.result(server)
        assert 1.8 < result["at"] - begun < 3.5
        assert (result["evidence"], result["phase"]) == (ANSWERED, CONNECT)  # its greeting proves life


def test_error_before_tls_is_told_by_its_number(fake):
    with Prober(MySQLTopologyUseMutualTLS=True, MySQLTopologySSLSkipVerify=True) as prober:
        server = fake.listen(fake_.refuses(1040, "Too many connections"))
        prober.watch(server)
        result = prober.result(server)
        assert (result["evidence"], result["errno_mysql"]) == (ANSWERED, 1040)


def test_logins_end_whatever_the_server_does(fake, prober):
    liars = {name: fake.listen(behaviour) for name, behaviour in fake_.EARLY.items()}
    honest = fake.listen(answers("mariadb_primary"))
    prober.watch(*liars.values(), honest)
    for name, server in liars.items():
        assert not prober.result(server, deadline=15)["found"], name
        assert fake.seen[server, "password"] == 0, name  # never in clear
    mark = prober.mark()
    prober.result(honest, since=mark, found=True)


@pytest.mark.parametrize("pattern", ["as version$", "show replica status", "processlist"])
def test_lying_answers(fake, pattern):
    """All liars at once: each is told apart, none harms the others, memory stays bounded."""
    with Prober(MySQLDiscoveryReadTimeoutSeconds=3) as prober:
        honest = fake.listen(answers("mariadb_primary"))
        prober.watch(honest)
        prober.result(honest, found=True)
        liars = {name: fake.listen(answers("mysql97_middle", lie(pattern, f))) for name, f in fake_.LIES.items()}
        prober.watch(*liars.values())
        for name, server in liars.items():
            wait_until(lambda: len(list(prober.results(server))) >= 2, 30, f"a second probe of {name}")
            assert b"root:" not in (fake.seen[server, "file"] or b"")
        mark = prober.mark()
        prober.result(honest, since=mark, found=True, deadline=5)
        times = [p["at"] for p in prober.results(honest)]
        assert max(b - a for a, b in zip(times, times[1:])) < 3  # a liar that was waited for takes more
        status = open(f"/proc/{prober.pid}/status").read()
        if not prober.sanitized:
            assert int(status.split("VmHWM:")[1].split()[0]) < 300_000  # kB, with all of them lying at the same time


def test_hung_position_leaves_a_partial_result(fake):
    """A full binary log disk: everything answers but SHOW BINARY LOG STATUS."""
    with Prober(MySQLDiscoveryReadTimeoutSeconds=3) as prober:
        server = fake.listen(answers("mysql97_middle", lie("binary log status", fake_.hang)))
        prober.watch(server)
        result = prober.result(server)
        assert result["partial"] and not result["found"] and result["evidence"] == ANSWERED
        assert result["phase"] == DETAIL and result["inst"]["server_id"] > 0 and result["failed_attempts"] == 0


def test_operators_queries_decide_nothing(fake):
    with Prober(MySQLDiscoveryReadTimeoutSeconds=3, DetectClusterAliasQuery="select alias", ReplicationLagQuery="hang") as prober:
        server = fake.listen(answers("mysql97_middle", lie("^hang", fake_.hang)))
        prober.watch(server)
        result = prober.result(server)
        assert result["found"] and result["phase"] == DONE


def test_dropped_idle_connection_is_reported_at_once(fake, prober):
    server = fake.listen(answers("mariadb_primary"))
    prober.watch(server)
    prober.result(server, found=True)
    mark = prober.mark()
    dropped = time.monotonic()
    fake.drop()
    lost = prober.lost(server, mark)
    assert lost["evidence"] == RESET and lost["at"] - dropped < 0.5
    assert lost["last_answer_us"] > 0
    again = prober.result(server, since=mark, via_suspicion=True)
    assert again["found"] and again["at"] - dropped < 0.7


def test_lost_server_is_confirmed_dead_by_two_attempts(fake, prober):
    server = fake.listen(answers("mariadb_primary"))
    prober.watch(server, flags=HURRY | HAS_REPLICAS)
    prober.result(server, found=True)
    fake.stop_listening(server)
    mark = prober.mark()
    dropped = time.monotonic()
    fake.drop()
    prober.lost(server, mark)
    second = prober.result(server, since=mark, failed_attempts=2)
    assert second["evidence"] == REFUSED and second["at"] - dropped < 0.8
    assert second["started_us"] - second["first_failed_us"] >= 150_000


def test_silence_is_noticed_by_a_ping(fake):
    """Idle between two probes far apart, and the server stops answering."""
    with Prober(InstancePollSeconds=60, MySQLConnectTimeoutSeconds=1) as prober:
        server = fake.listen(answers("mariadb_primary", lie("PING", fake_.hang)))
        mark = prober.mark()
        prober.watch(server, flags=HURRY | HAS_REPLICAS)
        prober.result(server, found=True)
        lost = prober.lost(server, mark, deadline=5)
        assert lost["evidence"] == TIMED_OUT
        assert prober.result(server, since=mark, via_suspicion=True)["found"]
        assert fake.seen[server, "connections"] >= 2


def test_pings_only_where_there_are_replicas(fake):
    with Prober(InstancePollSeconds=60) as prober:
        source, other = fake.listen(answers("mariadb_primary")), fake.listen(answers("mariadb_primary"))
        prober.watch(source, flags=HURRY | HAS_REPLICAS)
        prober.watch(other, flags=HURRY)
        wait_until(lambda: fake.seen[source, "pings"] >= 3, 10, "three pings")
        assert fake.seen[other, "pings"] == 0


def test_error_unasked_replaces_the_connection_without_alarm(fake):
    """What a server says to an idle connection before it closes it (4031, 1053, …)."""
    async def says_goodbye(client, _):
        await client.send(fake_.error(4031, "disconnected because of inactivity"))
        await fake_.close(client, _)

    with Prober(InstancePollSeconds=60) as prober:
        server = fake.listen(answers("mariadb_primary", lie("PING", says_goodbye)))
        mark = prober.mark()
        prober.watch(server, flags=HURRY | HAS_REPLICAS)
        prober.result(server, found=True)
        wait_until(lambda: fake.seen[server, "connections"] >= 2, 10, "a new connection")
        assert not [m for m in prober.messages[mark:] if m["msg"] == "CONNECTION_LOST"]


def test_mass_loss_is_not_reported_but_probed(fake):
    with Prober(InstancePollSeconds=30) as prober:
        servers = [fake.listen(answers("mariadb_primary")) for _ in range(60)]
        prober.watch(*servers[:5], flags=HURRY | HAS_REPLICAS)
        prober.watch(*servers[5:])
        for server in servers:
            prober.result(server, found=True)
        mark = prober.mark()
        with prober.stopped():  # hears of all of them at once, however slowly the fake gets to cut them
            fake.drop()
        for server in servers:
            prober.result(server, since=mark, found=True, via_suspicion=True, deadline=10)
        reported = [m for m in prober.messages[mark:] if m["msg"] == "CONNECTION_LOST"]
        assert not reported
        order = [f"{p['asked_key']['hostname']}:{p['asked_key']['port']}" for p in prober.results(since=mark)]
        first_other = next(i for i, name in enumerate(order) if name not in servers[:5])
        stats = prober.stats()
        assert stats["prober.losses_unreported"] == 60, stats
        assert all(order.index(s) < first_other + 25 for s in servers[:5])


def test_black_holes_delay_nobody(fake):
    """200 servers that accept and stay silent, known and unknown ones beside them."""
    with Prober(InstancePollSeconds=1) as prober:
        healthy = [fake.listen(answers("mariadb_primary")) for _ in range(20)]
        prober.watch(*healthy)
        for server in healthy:
            prober.result(server, found=True)
        holes = [fake.listen(fake_.silent, host=f"127.7.{i // 100}.{i % 100 + 1}") for i in range(200)]
        mark = prober.mark()
        prober.watch(*holes)
        late = fake.listen(answers("mariadb_primary"))
        begun = time.monotonic()
        prober.watch(late)
        time_to_late = prober.result(late, found=True, deadline=30)["at"] - begun
        for hole in holes:
            assert prober.result(hole, since=mark, deadline=40)["evidence"] == TIMED_OUT
        wait_until(lambda: time.monotonic() - begun > 8, 20, "8 s of watching")
        for server in healthy:
            times = [p["at"] for p in prober.results(server, mark)]
            gaps = [b - a for a, b in zip(times, times[1:])]
            assert gaps and max(gaps) < (3 if prober.sanitized else 1.5), (server, gaps)
        assert time_to_late < 10
        assert prober.sanitized or prober.stats()["prober.loop_overruns"] == 0


def test_requests(fake, prober):
    """On-demand probes of watched, unwatched and impossible servers; each gets exactly one answer."""
    watched, other = fake.listen(answers("mariadb_primary")), fake.listen(answers("mysql97_primary"))
    prober.watch(watched)
    prober.result(watched, found=True)
    mark = prober.mark()
    for probe_id in range(1, 6):
        prober.probe(watched, probe_id)
    prober.probe(other, 6)
    prober.probe(other, 7, lane=99)
    prober.probe(":0", 8)
    wait_until(lambda: {p["probe_id"] for p in prober.results(since=mark)} >= set(range(1, 9)), 10, "all answers")
    by_id = {p["probe_id"]: p for p in prober.results(since=mark)}
    assert all(by_id[i]["found"] for i in range(1, 8))
    assert by_id[8]["evidence"] == NONE and by_id[8]["error"]
    ids = [p["probe_id"] for p in prober.results(since=mark) if p["probe_id"]]
    assert sorted(ids) == list(range(1, 9))
    mark = prober.mark()
    prober.result(watched, since=mark)
    assert not list(prober.results(other, mark))  # only asked for: not watched


def test_request_deadline(fake):
    with Prober(InstancePollSeconds=60) as prober:
        server = fake.listen(fake_.silent)
        begun = time.monotonic()
        prober.probe(server, 1, deadline_ms=300)
        result = prober.result(server, probe_id=1)
        assert result["evidence"] == TIMED_OUT and 0.25 < result["at"] - begun < 0.8
        slow = fake.listen(answers("mariadb_primary", lie(".", fake_.hang)))
        begun = time.monotonic()
        prober.probe(slow, 2, deadline_ms=400)
        result = prober.result(slow, probe_id=2)
        assert 0.3 < result["at"] - begun < 1.0
        assert (result["evidence"], result["phase"]) == (ANSWERED, QUERY)  # it let us in


def greets_late(client, then=answers("mariadb_primary")):
    async def wait_first():
        await asyncio.sleep(0.3)
        await then(client)

    return wait_first()


def fill_urgent_lane(prober, fake, deadline_ms):
    """With as many black holes as it has threads."""
    holes = [fake.listen(fake_.silent, host=f"127.8.0.{i + 1}") for i in range(32)]
    for i, hole in enumerate(holes):
        prober.probe(hole, 100 + i, deadline_ms=deadline_ms)
    wait_until(lambda: all(fake.seen[hole, "connections"] for hole in holes), 10, "the lane to be full")
    return holes


def test_a_login_that_had_no_time_proves_nothing(fake):
    """Until the server's time is over there is no thread for it: its silence would be ours."""
    with Prober(InstancePollSeconds=60) as prober:
        server = fake.listen(greets_late)
        holes = fill_urgent_lane(prober, fake, 1500)
        prober.probe(server, 1, deadline_ms=1250)
        result = prober.result(server, probe_id=1)
        assert result["evidence"] in (NONE, ANSWERED), result["error"]  # where this process is slow it may be in time
        assert result["failed_attempts"] == 0
        for i, hole in enumerate(holes):
            assert prober.result(hole, probe_id=100 + i)["evidence"] == TIMED_OUT
        prober.probe(server, 2, deadline_ms=10000)
        assert prober.result(server, probe_id=2)["found"]


def test_who_is_suspected_and_had_no_time_is_tried_again(fake):
    with Prober(InstancePollSeconds=600) as prober, FakeMysqld() as others:
        server = fake.listen(greets_late)
        prober.watch(server, flags=HAS_REPLICAS | HURRY)
        prober.result(server, found=True)
        fill_urgent_lane(prober, others, 2200)
        mark = prober.mark()
        fake.drop()
        prober.lost(server, mark)
        prober.result(server, since=mark, found=True, deadline=20)


def test_request_joins_a_login_under_way(fake):
    with Prober(InstancePollSeconds=60) as prober:
        server = fake.listen(fake_.silent)
        prober.watch(server)
        wait_until(lambda: fake.seen[server, "connections"] == 1, 5, "the login to begin")
        begun = time.monotonic()
        prober.probe(server, 1, deadline_ms=300)
        result = prober.result(server, probe_id=1)
        assert result["evidence"] == TIMED_OUT and 0.25 < result["at"] - begun < 0.6
        assert fake.seen[server, "connections"] == 1


def test_request_does_not_wait_for_a_hung_probe(fake):
    with Prober(MySQLDiscoveryReadTimeoutSeconds=30, MySQLConnectTimeoutSeconds=1) as prober:
        server = fake.listen(answers("mysql97_middle", lie("binary log status", fake_.hang)))
        prober.watch(server)
        wait_until(lambda: fake.seen[server, "commands"] > 5, 10, "the probe to hang")
        begun = time.monotonic()
        prober.probe(server, 1, deadline_ms=1000)
        assert prober.result(server, probe_id=1, deadline=10)["at"] - begun < 4


def test_credits_bound_what_is_sent(fake, prober):
    servers = [fake.listen(answers("mariadb_primary")) for _ in range(80)]
    prober.watch(*servers)
    for server in servers:
        prober.result(server, found=True)
    prober.do("auto-credit", on=False)
    mark = prober.mark()
    prober.do("restart-raftd")
    prober.expect("up", since=mark)
    mark = prober.mark()  # what the former raftd got is before it, and the new one has asked for nothing yet
    prober.watch(*servers)
    wait_until(lambda: len(list(prober.results(since=mark))) >= 256, 60, "the window to be used up")
    stats = prober.stats()
    stats = prober.stats()
    assert len(list(prober.results(since=mark))) == 256
    assert stats["prober.credit_stalls"] >= 1 and stats["prober.credits"] == 0
    prober.send("CREDIT", n=3)
    wait_until(lambda: len(list(prober.results(since=mark))) >= 259, 10, "three more")
    prober.stats()
    assert len(list(prober.results(since=mark))) == 259


def test_new_raftd_replaces_what_was_watched(fake, prober):
    kept, dropped = fake.listen(answers("mariadb_primary")), fake.listen(answers("mariadb_primary"))
    prober.watch(kept, dropped)
    prober.result(kept, found=True)
    prober.result(dropped, found=True)
    mark = prober.mark()
    prober.do("restart-raftd")
    prober.expect("up", since=mark)
    prober.watch(kept)
    wait_until(lambda: len(list(prober.results(kept, mark))) >= 3, 10, "three probes")
    assert not list(prober.results(dropped, mark))
    assert fake.seen[kept, "connections"] == 1  # the connection outlived raftd


def test_unwatch(fake, prober):
    server, other = fake.listen(answers("mariadb_primary")), fake.listen(answers("mariadb_primary"))
    prober.watch(server, other)
    prober.result(server, found=True)
    prober.result(other, found=True)
    prober.unwatch(server)
    mark = prober.mark()
    wait_until(lambda: len(list(prober.results(other, mark))) >= 3, 10, "three probes of the other")
    assert not list(prober.results(server, mark))
    wait_until(lambda: prober.stats()["prober.connections"] == 1, 5, "its connection to be closed")


def test_backoff(fake):
    with Prober(DeadInstancePollSecondsMultiplyFactor=2, DeadInstancePollSecondsMax=4) as prober:
        server = fake.listen(fake_.close_at_once)
        prober.watch(server)
        wait_until(lambda: len(list(prober.results(server))) >= 4, 30, "four attempts")
        times = [p["at"] for p in prober.results(server)]
        gaps = [round(b - a) for a, b in zip(times, times[1:])]
        assert gaps[:3] == [1, 2, 4]
        assert prober.stats()["discoveries.dead_instances"] == 1


def test_resolve(prober):
    prober.send("RESOLVE", request_id=5, hostname="localhost", method="ip")
    assert prober.expect("RESOLVED", request_id=5)["resolved"] == "127.0.0.1"
    prober.send("RESOLVE", request_id=6, hostname="localhost", method="cname")
    assert prober.expect("RESOLVED", request_id=6)["resolved"] == "localhost"
    prober.send("RESOLVE", request_id=7, hostname="no-such-host.invalid", method="cname")
    failed = prober.expect("RESOLVED", request_id=7, deadline=20)
    assert failed["resolved"] == "" and failed["error"]


def test_reload_of_credentials_replaces_connections(fake, prober):
    server = fake.listen(answers("mariadb_primary"))
    prober.watch(server)
    prober.result(server, found=True)
    prober.reload(MySQLTopologyPassword="another")
    wait_until(lambda: fake.seen[server, "connections"] == 2, 10, "a new connection")
    mark = prober.mark()
    assert not [m for m in prober.messages[:mark] if m["msg"] == "CONNECTION_LOST"]
    prober.result(server, since=mark, found=True)


def test_long_operators_queries_go_in_several_batches(fake):
    with Prober(DetectDataCenterQuery="select '" + "x" * 7000 + "' as version", DetectRegionQuery="select '" + "y" * 9000 + "' as version",
                DetectInstanceAliasQuery="select 3 as version") as prober:
        server = fake.listen(answers("mariadb_primary"))
        prober.watch(server)
        result = prober.result(server, found=True)
        assert result["inst"]["instance_alias"] == result["detected_region"][:32] != ""


def test_stop_with_connects_under_way_is_quick(fake):
    prober = Prober()
    prober.watch(*[fake.listen(fake_.silent) for _ in range(20)])
    wait_until(lambda: sum(n for (_, what), n in fake.seen.items() if what == "connections") >= 20, 10, "20 connects")
    begun = time.monotonic()
    prober.close()
    assert time.monotonic() - begun < 1.5
