"""What becomes of a request when the leader is slow, dead, half dead, another one, or not orchestrator at all."""

import re
import threading
import time

import pytest

from apid_driven import Elsewhere, Scripted, error_of, reply
from waiting import wait_until

CHANGE = "/api/enable-global-recoveries"
READ = "/api/clusters"


# -- leaders that are not well


def test_a_slow_leader_is_waited_for(new_apid):
    """Historically 5 s to the first byte was all an operation had."""
    node = new_apid()

    def slowly(connection, head):
        time.sleep(6)
        reply('"done"')(connection, head)

    with Scripted(slowly) as leader:
        node.play(leader)
        answer = node.get(CHANGE, timeout=30)
        assert (answer.status, answer.body) == (200, '"done"')


def test_one_stuck_leader_does_not_stop_other_requests(new_apid):
    node = new_apid()
    release = threading.Event()

    def stuck(connection, head):
        release.wait(30)
        return False

    with Scripted(stuck) as leader:
        node.play(leader)
        clients = [threading.Thread(target=lambda: node.get(CHANGE, timeout=60)) for _ in range(40)]
        for client in clients:
            client.start()
        wait_until(lambda: len(leader.heads) == 40, 10, "all requests at the leader")
        started = time.monotonic()
        for _ in range(20):
            assert node.get("/api/leader-check").status == 404
            assert node.get("/api/raft-health").status == 200
        assert time.monotonic() - started < 2
        release.set()
        for client in clients:
            client.join(20)


def test_a_dead_leader_is_a_503_nothing_was_changed(new_apid):
    node = new_apid().play(Elsewhere("http://127.0.0.1:1"))
    started = time.monotonic()
    answer = node.get(CHANGE)
    assert answer.status == 503 and "nothing was changed" in error_of(answer)
    assert 2.5 < time.monotonic() - started < 6
    assert node.get(READ).status == 503


def test_a_leader_that_dies_over_a_change_is_asked_once(new_apid):
    node = new_apid()
    with Scripted(lambda connection, head: False) as leader:
        node.play(leader)
        answer = node.get(CHANGE)
        assert answer.status == 502 and "the outcome is unknown" in error_of(answer)
        assert len(leader.heads) == 1


def test_a_kept_connection_that_dies_never_repeats_a_change(new_apid):
    node = new_apid()
    first = []

    def once(connection, head):
        if first:
            return False
        first.append(head)
        return reply()(connection, head)

    with Scripted(once) as leader:
        node.play(leader)
        assert node.get(READ).status == 200
        answer = node.get(CHANGE)
        assert answer.status == 502 and "unknown" in error_of(answer)
        assert sum("enable-global" in head for head in leader.heads) == 1


def test_a_read_survives_a_leader_that_hangs_up(new_apid):
    node = new_apid()
    count = []

    def third_time(connection, head):
        count.append(1)
        return False if len(count) < 3 else reply('["c"]')(connection, head)

    with Scripted(third_time) as leader:
        node.play(leader)
        assert node.get(READ).json() == ["c"]


def test_a_leader_that_answers_no_more_after_another_was_elected(new_apid):
    node, new = new_apid(), new_apid()
    new.play(new)
    with Scripted(lambda connection, head: time.sleep(60)) as old:
        node.play(old)
        answers = {}
        clients = [threading.Thread(target=lambda p=p: answers.update({p: node.get(p, timeout=30)})) for p in (READ, CHANGE)]
        for client in clients:
            client.start()
        wait_until(lambda: len(old.heads) == 2, 5, "both at the old leader")
        node.play(new)
        started = time.monotonic()
        for client in clients:
            client.join(15)
        assert time.monotonic() - started < 8
        assert answers[READ].status in (200, 504) and answers[CHANGE].status == 504
        assert "the outcome is unknown" in error_of(answers[CHANGE])
        assert not new.asked_for("SET_GLOBAL_RECOVERIES")


GARBAGE = [
    b"SSH-2.0-OpenSSH_9.2\r\n" * 10,
    b"\x00" * 5000,
    b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzzzz\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
    b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(500)) + b"Content-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200000 + b"\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 " + b"9" * 100 + b"\r\n\r\n",
    b"HTTP/0.9 hello",
    b"",
]


@pytest.mark.parametrize("data", GARBAGE, ids=range(len(GARBAGE)))
def test_a_leader_that_is_none(new_apid, data):
    node = new_apid()

    def babble(connection, head):
        connection.sendall(data)
        return False

    with Scripted(babble) as leader:
        node.play(leader)
        for path in (CHANGE, READ):
            answer = node.get(path)
            assert answer.status == 502, (path, answer)
            assert error_of(answer)
        assert sum("enable-global" in head for head in leader.heads) == 1
        assert node.get("/api/lb-check").status == 200


def test_a_header_with_a_bare_carriage_return_stays_behind(new_apid):
    node = new_apid()
    with Scripted(lambda c, head: c.sendall(b"HTTP/1.1 200 OK\r\nX-A: a\rX-B: b\r\nX-C: c\r\nContent-Length: 2\r\n\r\n[]")) as leader:
        node.play(leader)
        answer = node.get(READ)
        assert (answer.status, answer.headers["X-C"]) == (200, "c")
        assert "X-B" not in answer.headers


# -- the end, and figures


def test_a_node_that_stops_answers_what_waits(new_apid):
    node = new_apid()
    with Scripted(lambda connection, head: time.sleep(60)) as leader:
        node.play(leader)
        answers = []
        client = threading.Thread(target=lambda: answers.append(node.get(CHANGE, timeout=30)))
        client.start()
        wait_until(lambda: leader.heads, 5, "the request at the leader")
        node.publishing = None
        mark = len(node.events)
        node.send("life", "CHILD_STOP", deadline_ms=2000)
        assert node.wait_event("exit", mark) == ("exit", 0)
        client.join(10)
        assert answers and "the outcome is unknown" in error_of(answers[0])


def test_metrics(pair):
    leader, follower = pair
    follower.get(READ)
    figures = dict(re.findall(r"^orchestrator_(proxy_\w+|raft_\w+) (\S+)$", follower.get("/metrics").body, re.M))
    assert float(figures["proxy_relayed_total"]) >= 1 and float(figures["proxy_under_way"]) == 0
    assert float(figures["raft_is_healthy"]) == 1 and float(figures["raft_is_leader"]) == 0
    assert leader.get("/debug/metrics").json()["raft.is_leader"] == 1
