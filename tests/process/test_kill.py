"""kill -9 of any child at any moment, in a loop, while commands are issued: nothing acknowledged is lost, HTTP is back within 2 s.

How the test knows: a writer issues tags one after the other and records those that were answered with OK; in the end every
recorded one must be shown, with the value acknowledged last (or a later one whose outcome is unknown)."""

import random
import sqlite3
import threading
import time

import pytest

from waiting import wait_until

CHILDREN = ["raftd", "prober", "apid"]
BACK_SECONDS = 2.0


class Writer(threading.Thread):
    """Issues numbered tags until stopped."""

    def __init__(self, node):
        super().__init__(daemon=True)
        self.node, self.acked, self.tried, self.unknown, self.stopped = node, {}, 0, 0, threading.Event()

    def run(self):
        while not self.stopped.is_set():
            self.tried += 1
            name, value = f"t{self.tried % 50}", str(self.tried)
            try:
                answer = self.node.request("POST", f"/api/tag/db1/3306?tag={name}={value}", timeout=15)
                if answer.status == 200:
                    self.acked[name] = int(value)
                    continue
                assert answer.status == 500, answer
            except OSError:
                pass
            self.unknown += 1
            time.sleep(0.02)  # the door is closed: don't spin

    def end(self):
        self.stopped.set()
        self.join(30)
        assert not self.is_alive()


def shown_tags(node):
    return dict(tag.split("=") for tag in node.api("tags/db1/3306"))


def check_nothing_lost(shown, writer):
    assert len(writer.acked) == 50
    for name, value in writer.acked.items():
        assert name in shown, f"{name}={value} was acknowledged and is gone"
        assert int(shown[name]) >= value, f"{name}={value} was acknowledged, shown is the older {shown[name]}"


def http_is_back(node, since):
    wait_until(lambda: node.get("/api/leader-check", timeout=1).status == 200, 10, "HTTP after a kill")
    return time.monotonic() - since


def test_nothing_acknowledged_is_lost(node):
    writer = Writer(node)
    writer.start()
    rng = random.Random(20261122)
    slowest = {}
    for round_ in range(30):
        before = len(writer.acked), writer.tried
        victim = CHILDREN[round_ % 3]
        node.kill_child(victim)
        killed = time.monotonic()
        slowest[victim] = max(slowest.get(victim, 0), http_is_back(node, killed))
        wait_until(lambda: writer.tried > before[1] + rng.randrange(1, 40), 10, "the writer to go on")
    wait_until(lambda: len(writer.acked) == 50, 20, "all names to have been acknowledged once")
    writer.end()
    assert max(slowest.values()) < BACK_SECONDS * (2 if node.sanitized else 1), slowest
    check_nothing_lost(shown_tags(node), writer)
    node.restart()
    check_nothing_lost(shown_tags(node), writer)
    node.stop()
    with sqlite3.connect(f"file:{node.dir}/orchestrator.sqlite3?mode=ro", uri=True) as db:
        rows = dict(db.execute("SELECT tag_name, tag_value FROM database_instance_tags WHERE hostname = 'db1'"))
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    check_nothing_lost(rows, writer)


def test_nothing_acknowledged_is_lost_when_all_are_killed_at_once(node):
    writer = Writer(node)
    writer.start()
    for _ in range(5):
        seen = writer.tried
        wait_until(lambda: writer.tried > seen + 30, 10, "the writer to go on")
        node.kill()  # the supervisor; its children follow
        node.wait_all_gone()
        node.start()
    wait_until(lambda: len(writer.acked) == 50, 20, "all names to have been acknowledged once")
    writer.end()
    check_nothing_lost(shown_tags(node), writer)


@pytest.mark.parametrize("name", CHILDREN)
def test_a_stopped_child_is_noticed_and_replaced(node, name):
    old = node.child(name)
    node.signal_child(name, 19)  # SIGSTOP
    node.wait_child_replaced(name, old, deadline=10)
    wait_until(lambda: node.get("/api/leader-check", timeout=1).status == 200, 10, "the node to answer again")
    assert node.api("health")["Code"] == "OK"
