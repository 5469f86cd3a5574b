"""A bad backend file: a clear message that names the file and the remedy, and no crash loop; a full disk: the node stays up,
refuses changes, and goes on by itself when there is space again."""

import os
import sqlite3
import subprocess

import pytest

from waiting import wait_until


def data_file(node):
    return node.dir / "orchestrator.sqlite3"


def ended_with(node, code, *texts):
    assert node.wait_exit(20) == code
    log = node.log_text()
    for text in texts:
        assert text in log, log[-3000:]
    assert log.count("SQLite") < 30, "a crash loop"


def test_a_corrupt_file(new_node):
    node = new_node()
    assert node.get("/api/tag/db1/3306?tag=x").status == 200
    node.kill()
    node.wait_all_gone()
    for tail in ("-wal", "-shm"):
        data_file(node).with_name(data_file(node).name + tail).unlink(missing_ok=True)
    with open(data_file(node), "r+b") as f:
        f.seek(100)
        f.write(b"\xa5" * 20000)
    node.allow_in_log("ERROR")
    node.start(ready_deadline=None)
    ended_with(node, 74, str(data_file(node)))


def test_not_a_database(new_node):
    node = new_node(start=False)
    data_file(node).write_text("this is a text file\n" * 1000)
    node.allow_in_log("ERROR")
    node.start(ready_deadline=None)
    ended_with(node, 74, str(data_file(node)))


def test_a_missing_directory(new_node):
    node = new_node(start=False)
    node.configure(SQLite3DataFile="/nonexistent-directory/orchestrator.sqlite3")
    node.allow_in_log("ERROR")
    node.start(ready_deadline=None)
    assert node.wait_exit(20) in (74, 77, 78)
    assert "/nonexistent-directory" in node.log_text()


def test_half_of_a_group_is_not_believed_without_raft(new_node):
    node = new_node()
    node.stop()
    with sqlite3.connect(data_file(node)) as db:
        db.execute("INSERT OR REPLACE INTO orchestrator_meta (name, value) VALUES ('view', 'rebuilding')")
    db.close()
    node.allow_in_log("ERROR")
    node.start(ready_deadline=None)
    ended_with(node, 78, str(data_file(node)), "only a part of its raft group's rows")


@pytest.fixture
def small_disk(tmp_path):
    """4 MiB of file system."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_read_only_file_system(new_node, small_disk):
    node = new_node(config={"SQLite3DataFile": str(small_disk / "orchestrator.sqlite3")})
    node.stop()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    node.allow_in_log("ERROR")
    node.start(ready_deadline=None)
    assert node.wait_exit(20) in (74, 77)
    assert str(small_disk) in node.log_text()


def test_a_full_disk_refuses_changes_and_heals(new_node, small_disk):
    node = new_node(config={"SQLite3DataFile": str(small_disk / "orchestrator.sqlite3")})
    node.allow_in_log("ERROR")
    assert node.get("/api/tag/db1/3306?tag=before").status == 200
    filler = small_disk / "filler"
    with open(filler, "wb", buffering=0) as f:
        try:
            while True:
                f.write(b"\0" * 4096)
        except OSError:
            pass

    def refused():
        answer = node.get("/api/tag/db1/3306?tag=full", timeout=15)
        return answer.status == 500 and answer.json()["Message"]

    message = wait_until(refused, 20, "a change to be refused on a full disk")
    assert "full" in message or "space" in message, message
    pids = node.processes()
    assert "before=" in node.api("tags/db1/3306")
    wait_until(lambda: node.get("/health/ready").status == 503, 10, "readiness to fail")
    os.unlink(filler)
    wait_until(lambda: node.get("/api/tag/db1/3306?tag=after", timeout=15).status == 200, 20, "changes to be accepted again")
    wait_until(lambda: node.get("/health/ready").status == 200, 10, "readiness to come back")
    assert node.processes() == pids, "nothing was restarted"
    tags = node.api("tags/db1/3306")
    assert "before=" in tags and "after=" in tags
