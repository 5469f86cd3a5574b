"""raftd and its database: nothing acknowledged is lost by kill -9; a full disk refuses changes and heals; a damaged or
read-only file ends the process with the code that ends the respawn."""

import os
import random
import re
import sqlite3
import subprocess
import time

import pytest

from raftd_driven import Raftd, Refused, key
from waiting import wait_until

BACKEND = ("code", 74)
DB1 = key("db1")


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
def small_disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_nothing_acknowledged_is_lost(new_raftd):
    seed = int(os.environ.get("TEST_SEED") or time.time())
    print(f"TEST_SEED={seed}")
    chance = random.Random(seed)
    raftd = new_raftd()
    acknowledged, asked = {}, {}
    for _ in range(8):
        requests = {}
        for _ in range(chance.randrange(20, 120)):
            k, name, value = key(f"db{chance.randrange(20)}"), f"t{chance.randrange(10)}", f"v{len(asked)}"
            if chance.random() < 0.3:
                request, value = raftd.post("DELETE_TAG", key=k, tag_name=name), None
            else:
                request = raftd.post("PUT_TAG", key=k, tag_name=name, tag_value=value)
            asked[request] = requests[request] = (k["hostname"], name), value
        deadline = time.monotonic() + chance.random() * 0.05
        while time.monotonic() < deadline and len(raftd.replies) < len(requests):
            time.sleep(0.001)
        raftd.kill()
        raftd.start()
        answered = {r for r in requests if r in raftd.replies}
        assert all(raftd.replies.pop(r)["code"] == 0 for r in answered)
        # in order: everything up to the last acknowledged one is there; what came after it may or may not be
        last = max(answered, default=0)
        possible = {}
        for request, (tag, value) in requests.items():
            possible[tag] = [value] if request <= last else possible.get(tag, [acknowledged.get(tag)]) + [value]
        stored = {(h, n): v for h, n, v in raftd.rows("SELECT hostname, tag_name, tag_value FROM database_instance_tags")}
        for tag, values in possible.items():
            assert stored.get(tag) in values, (tag, values, stored.get(tag))
        for tag in acknowledged.keys() - possible.keys():
            assert stored.get(tag) == acknowledged[tag], tag
        acknowledged = stored


def test_what_was_decided_is_decided_again_alike(new_raftd):
    """Index and rows go on where they stopped."""
    raftd = new_raftd()
    first = raftd.ask("PUT_TAG", key=DB1, tag_name="a")["index"]
    for _ in range(3):
        raftd.kill()
        raftd.start()
        assert raftd.ask("PUT_TAG", key=DB1, tag_name="a")["index"] == first + 1
        first += 1


def fill(place):
    with open(place / "filler", "wb", buffering=0) as f:
        try:
            while True:
                f.write(b"x" * 4096)
        except OSError:
            pass


def test_a_full_disk_refuses_changes_and_heals(new_raftd, small_disk):
    raftd = new_raftd(data=small_disk / "o.db")
    raftd.ask("PUT_TAG", key=DB1, tag_name="before")
    raftd.prober.found(key("db2"))
    fill(small_disk)

    def refused():
        try:
            raftd.ask("PUT_TAG", key=DB1, tag_name="lost", tag_value="y" * 100)
        except Refused as e:
            return e
        return None

    error = wait_until(refused, 10, "a refused change")
    assert str(small_disk) in str(error) and "full" in str(error)
    wait_until(lambda: raftd.state.get("backend_ok") is False and raftd.state["backend_failing_since_us"] > 0, 10)
    with pytest.raises(Refused):
        raftd.ask("NODE_HEALTH")
    with pytest.raises(Refused):
        raftd.ask("DISCOVER", key=key("db2"), mode=0)
    assert raftd.state["is_leader"]
    (small_disk / "filler").unlink()
    wait_until(lambda: raftd.state.get("backend_ok"), 10)
    raftd.ask("PUT_TAG", key=DB1, tag_name="after")
    assert raftd.ask("DISCOVER", key=key("db2"), mode=0)["has_instance"]
    tags = {name for name, in raftd.rows("SELECT tag_name FROM database_instance_tags")}
    assert {"before", "after"} <= tags
    log = raftd.log_text()
    assert "cannot be written, changes are refused until it can" in log and "can be written again" in log
    assert log.count("cannot be written") <= 2, "told once, and again only after a minute"


def test_a_disk_that_is_full_at_start_is_waited_for(new_raftd, small_disk):
    fill(small_disk)
    raftd = new_raftd(data=small_disk / "o.db", start=False)
    raftd.start(ready=False)
    wait_until(lambda: "cannot be opened, retrying" in raftd.log_text(), 10)
    raftd.wait_ready()
    with pytest.raises(Refused, match="full"):
        raftd.ask("PUT_TAG", key=DB1, tag_name="a")
    (small_disk / "filler").unlink()
    wait_until(lambda: raftd.state.get("is_leader"), 10)
    raftd.ask("PUT_TAG", key=DB1, tag_name="a")


def test_a_read_only_disk_ends_it(new_raftd, small_disk):
    raftd = new_raftd(data=small_disk / "o.db")
    raftd.ask("PUT_TAG", key=DB1, tag_name="a")
    raftd.stop()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    raftd.start(ready=False)
    assert raftd.wait_exit() in (BACKEND, ("code", 77))
    assert str(small_disk) in raftd.log_text()


def test_a_corrupt_file_ends_it(new_raftd):
    raftd = new_raftd()
    raftd.ask("PUT_TAG", key=DB1, tag_name="a")
    raftd.kill()
    for tail in ("-wal", "-shm"):
        raftd.data.with_name(raftd.data.name + tail).unlink(missing_ok=True)
    with open(raftd.data, "r+b") as f:
        f.seek(100)
        f.write(b"\xa5" * 20000)
    raftd.start(ready=False)
    assert raftd.wait_exit() == BACKEND
    assert str(raftd.data) in raftd.log_text()


def test_a_file_that_gets_corrupt_while_it_runs_ends_it(new_raftd):
    raftd = new_raftd()
    raftd.ask("PUT_TAG", key=DB1, tag_name="a")
    with sqlite3.connect(raftd.data, timeout=5) as db:
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_master SET sql = 'CREATE GARBAGE' WHERE name = 'database_instance_tags'")
        db.execute(f"PRAGMA schema_version = {db.execute('PRAGMA schema_version').fetchone()[0] + 1}")
    assert raftd.wait_exit(20) == BACKEND
    assert "an operator is needed" in raftd.log_text() and str(raftd.data) in raftd.log_text()


def test_not_a_database(new_raftd):
    raftd = new_raftd(start=False)
    raftd.data.write_text("this is a text file\n" * 1000)
    raftd.start(ready=False)
    assert raftd.wait_exit() == BACKEND
    assert str(raftd.data) in raftd.log_text()


def test_a_missing_directory(new_raftd):
    raftd = new_raftd(data="/nonexistent-directory/o.db", start=False)
    raftd.start(ready=False)
    assert raftd.wait_exit() == ("code", 78)
    assert "/nonexistent-directory" in raftd.log_text()


def test_a_second_one_on_the_same_file_waits(new_raftd, tmp_path):
    first = new_raftd(data=tmp_path / "o.db")
    second = new_raftd(data=tmp_path / "o.db", start=False)
    second.start(ready=False)
    wait_until(lambda: "in use by another orchestrator" in second.log_text(), 10)
    assert first.ask("PUT_TAG", key=DB1, tag_name="a")
    first.stop()
    wait_until(lambda: second.state.get("is_leader"), 10)


def test_telemetry_survives_a_stop(new_raftd):
    raftd = new_raftd()
    keys = [key(f"s{i}") for i in range(500)]
    for k in keys:
        raftd.prober.found(k)
    for request in [raftd.post("DISCOVER", key=k, mode=0) for k in keys]:
        raftd.answer(request)
    for k in keys:
        raftd.prober.found(k, {"version": "11.0"})
        raftd.prober.report(k)
    wait_until(lambda: raftd.metrics.get("discoveries.results", 0) >= 1000, 10)
    assert raftd.stop() == ("code", 0)
    assert raftd.rows("SELECT count(*) FROM database_instance WHERE version = '11.0'") == [(500,)]


def test_a_foreign_lock_makes_changes_wait_or_fail_clearly(new_raftd):
    raftd = new_raftd()
    with sqlite3.connect(raftd.data, timeout=5, isolation_level=None) as db:
        db.execute("BEGIN IMMEDIATE")
        request = raftd.post("PUT_TAG", key=DB1, tag_name="a")
        began = time.monotonic()
        while time.monotonic() - began < 1:
            raftd.send("a", "SEND_STATE", last_seq=0)  # the loop goes on
            seq = raftd.state.get("seq")
            wait_until(lambda: raftd.state.get("seq") != seq, 2)
        assert request not in raftd.replies
        db.execute("ROLLBACK")
    assert raftd.answer(request)["index"] > 0
    assert not re.search("overrun|a turn of the event loop", raftd.log_text())
