"""`orchestrator` as a command: one-shot on the data, handed to a running service, refused under raft, checks of the configuration."""

import contextlib
import json
import os
import random
import socket
import sqlite3
import time

import pytest

from fleet import Fleet
from waiting import wait_until


@pytest.fixture(params=["service", "one-shot"])
def any_node(request, new_node):
    """The same commands, handed to the running service or run by a one-shot node on the data."""
    node = new_node()
    if request.param == "one-shot":
        node.stop()
    return node


def test_commands(any_node):
    run = any_node.command
    assert run("-c", "clusters").stdout == ""
    assert run("-c", "tag", "-i", "db1", "-tag", "role=backup").stdout == "db1:3306\n"
    assert run("-c", "tags", "-i", "db1:3306").stdout == "role=backup\n"
    assert run("-c", "tag-value", "-i", "db1", "-tag", "role").stdout == "backup\n"
    assert run("-c", "tag-value", "-i", "db1", "-tag", "none").stdout == ""
    assert run("-c", "tagged", "-tag", "role").stdout == "db1:3306\n"
    assert run("-c", "tag", "-i", "db1,db2:3307", "-tag", "x").stdout == "db1:3306\ndb2:3307\n"
    assert run("-c", "begin-downtime", "-i", "db1", "-reason", "a/b", "-duration", "1h").stdout == "db1:3306\n"
    assert run("-c", "end-downtime", "-i", "db1", "cli").stdout == "db1:3306\n"
    assert run("-c", "untag", "-i", "db1", "-tag", "role").stdout == "db1:3306\n"


def test_maintenance_and_hostname_unresolve(any_node):
    run = any_node.command
    assert run("-c", "in-maintenance", "-i", "db1").stdout == ""
    assert run("-c", "begin-maintenance", "-i", "db1", "-reason", "a/b", "-duration", "1h", "-owner", "me").stdout == "db1:3306\n"
    assert run("-c", "in-maintenance", "-i", "db1").stdout == "db1:3306\n"
    again = run("-c", "begin-maintenance", "-i", "db1", "-reason", "c", check=False)
    assert (again.returncode, again.stdout) == (1, "") and "FATAL" in again.stderr
    assert run("-c", "end-maintenance", "-i", "db1").stdout == "db1:3306\n"
    assert run("-c", "in-maintenance", "-i", "db1").stdout == ""
    assert run("-c", "end-maintenance", "-i", "db1").stdout == "db1:3306\n", "also when there is none"
    assert run("-c", "register-hostname-unresolve", "-i", "db1,db2:3307", "-hostname", "vip").stdout == "db1:3306\ndb2:3307\n"
    assert run("-c", "deregister-hostname-unresolve", "-i", "db1").stdout == "db1:3306\n"
    with contextlib.closing(sqlite3.connect(any_node.dir / "orchestrator.sqlite3")) as db:
        assert db.execute("SELECT hostname, unresolved_hostname FROM hostname_unresolve").fetchall() == [("db2", "vip")]
        assert db.execute("SELECT owner, reason, explicitly_bounded FROM database_instance_maintenance").fetchall() == [("me", "a/b", 1)]


def test_resolve(any_node):
    """A server that is not known: its name, and whether its port takes connections."""
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as refusing:
        refusing.bind(("127.0.0.1", 0))
        port, closed = listening.getsockname()[1], refusing.getsockname()[1]
        assert any_node.command("-c", "resolve", "-i", f"localhost:{port}").stdout == f"localhost:{port}\n"
        done = any_node.command("-c", "resolve", "-i", f"127.0.0.1:{closed}", check=False)
        refused = f"dial tcp 127.0.0.1:{closed}: connect: connection refused"
        assert (done.returncode, done.stdout) == (1, "") and refused in done.stderr
        if any_node.pid:
            assert any_node.api(f"resolve/127.0.0.1/{port}") == \
                {"Code": "OK", "Message": "Instance resolved", "Details": {"Hostname": "127.0.0.1", "Port": port}}
            answer = any_node.get(f"/api/resolve/127.0.0.1/{closed}")
            assert answer.status == 500 and answer.json()["Message"] == refused
            answer = any_node.get("/api/resolve/no-such-host.invalid/3306", timeout=30)
            assert answer.status == 500 and answer.json()["Code"] == "ERROR"


@pytest.mark.parametrize("how", ["service", "one-shot"])
def test_pools(new_node, how):
    with Fleet(8) as fleet:
        node = new_node(seeds=fleet.sources)
        known = node.wait_instances(fleet.addresses)
        clusters = sorted({instance["ClusterName"] for instance in known.values()})
        assert len(clusters) == 2
        node.get(f"/api/set-cluster-alias/{clusters[0]}?alias=first")
        wait_until(lambda: "first" in [c["ClusterAlias"] for c in node.api("clusters-info")], 10, "the alias")
        if how == "one-shot":
            node.stop()
        run, first, second = node.command, sorted(a for a, i in known.items() if i["ClusterName"] == clusters[0]), fleet.addresses[4:]
        assert run("-c", "cluster-pool-instances").stdout == ""
        assert run("-c", "submit-pool-instances", "-pool", "p", "-i", ",".join(second[:1] + first[:2])).stdout == ""
        assert run("-c", "submit-pool-instances", "-pool", "q", "-i", first[2]).stdout == ""
        assert run("-c", "cluster-pool-instances").stdout.splitlines() == [
            *(f"{clusters[0]}\tfirst\t{pool}\t{member}" for pool, member in (("p", first[0]), ("p", first[1]), ("q", first[2]))),
            f"{clusters[1]}\t{clusters[1]}\tp\t{second[0]}"]
        assert run("-c", "which-heuristic-cluster-pool-instances", "-alias", "first").stdout.split() == first[:3]
        assert run("-c", "which-heuristic-cluster-pool-instances", "-i", first[3], "-pool", "q").stdout.split() == first[2:3]
        assert run("-c", "submit-pool-instances", "-pool", "p").stdout == ""
        assert run("-c", "which-heuristic-cluster-pool-instances", "-alias", "first").stdout.split() == first[2:3]


def test_errors(any_node):
    for arguments, text in (
        (["-c", "which-instance", "-i", "nowhere"], "nowhere:3306"),
        (["-c", "no-such-command"], "no-such-command"),
        (["-c", "relocate", "-i", "a", "-d", "b"], "Not yet"),
        (["-c", "forget"], "-i"),
        (["-c", "begin-downtime", "-i", "db1"], "reason"),
        (["-c", "begin-maintenance", "-i", "db1"], "reason"),
        (["-c", "submit-pool-instances", "-i", "db1"], "-pool"),
        (["-c", "register-hostname-unresolve", "-i", "db1"], "-hostname"),
        (["-c", "discover", "-i", "127.0.0.1:1"], "127.0.0.1:1"),
    ):
        done = any_node.command(*arguments, check=False)
        assert done.returncode == 1, (arguments, done)
        assert text in done.stderr and "FATAL" in done.stderr, (arguments, done.stderr)
        assert done.stdout == ""


def test_a_one_shot_command_is_quick_and_leaves_nothing(new_node):
    node = new_node()
    node.stop()
    began = time.monotonic()
    node.command("-c", "clusters")
    assert time.monotonic() - began < 5
    assert node.processes() == []
    assert os.listdir(node.dir / "run") == []


def test_what_root_creates_belongs_to_the_owner_of_the_directory(new_node):
    """An operator's command, before the service has ever run, must not shut out the service's user."""
    assert os.geteuid() == 0, "tests run as root"
    node = new_node(start=False)
    place = node.dir / "data"
    place.mkdir()
    os.chown(place, 12345, 23456)
    node.configure(SQLite3DataFile=str(place / "o.db"), AuditLogFile=str(place / "audit.log"))
    node.command("-c", "begin-downtime", "-i", "db1", "-reason", "x")
    made = {f.name: (f.stat().st_uid, f.stat().st_gid, f.stat().st_mode & 0o777) for f in place.iterdir()}
    assert {"o.db", "o.db.lock", "o.db.node", "audit.log"} <= made.keys()
    assert set(made.values()) == {(12345, 23456, 0o640)}, made


def test_help(new_node):
    node = new_node(start=False)
    listed = node.command("help")
    assert "which-cluster-instances" in listed.stderr and listed.stdout == ""
    assert node.command("-c", "help").stderr.count("\n") > 127
    assert node.command("help", "tag").stdout.startswith("tag:")
    assert node.command("nonsense", check=False).returncode == 1
    version = node.command("--version").stdout.splitlines()
    assert len(version) == 2


def test_raft_refuses_commands(new_node):
    node = new_node(start=False)
    node.configure(RaftEnabled=True, RaftDataDir=str(node.dir))
    done = node.command("-c", "clusters", check=False)
    assert done.returncode == 1
    assert "--ignore-raft-setup" in done.stderr and "orchestrator-client" in done.stderr
    assert node.command("--ignore-raft-setup", "-c", "clusters").returncode == 0


def test_check_and_print_config(new_node):
    node = new_node(start=False)
    node.configure(MySQLTopologyPassword="hunter2-secret")
    assert node.command("-t").returncode == 0
    printed = node.command("--print-config").stdout
    assert "hunter2-secret" not in printed
    assert json.loads(printed)["SQLite3DataFile"] == str(node.dir / "orchestrator.sqlite3")
    node.configure(InstancePollSeconds="five")
    bad = node.command("-t", check=False)
    assert bad.returncode == 78 and "InstancePollSeconds" in bad.stderr


def test_secrets_are_nowhere(new_node):
    node = new_node(config={"MySQLTopologyPassword": "hunter2-secret"})
    seen = node.log_text() + node.get("/debug/metrics").body + node.get("/metrics").body + json.dumps(node.api("health"))
    for pid in node.processes():
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            seen += f.read().decode()
        with open(f"/proc/{pid}/environ", "rb") as f:
            seen += f.read().decode()
    assert "hunter2-secret" not in seen


def test_garbage_on_the_sockets_between_the_processes(node):
    rng = random.Random(1)
    doors = sorted(p for p in (node.dir / "run").rglob("*") if p.is_socket())
    assert {d.name.split(".")[0] for d in doors} >= {"a", "ctl", "e", "p0"}
    for door in doors:
        for _ in range(20):
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(1)
                s.connect(str(door))
                try:
                    s.sendall(b"\x00SP\x00\x00\x10\x00\x00" + rng.randbytes(rng.randrange(1, 3000)) if rng.random() < 0.5
                              else rng.randbytes(rng.randrange(1, 3000)))
                    s.recv(100)
                except OSError:
                    pass
    assert node.api("health")["Code"] == "OK"
    assert node.get("/api/tag/db1/3306?tag=x").status == 200


def test_dump_config(new_node):
    node = new_node(start=False)
    node.configure(MySQLTopologyPassword="hunter2-secret")
    dumped = node.command("-c", "dump-config").stdout
    assert dumped.count("\n") == 1 and dumped.endswith("}\n")
    assert json.loads(dumped)["MySQLTopologyPassword"] == "hunter2-secret"  # as historically
    node.configure(RaftEnabled=True, RaftDataDir=str(node.dir))
    refused = node.command("-c", "dump-config", check=False)
    assert (refused.returncode, refused.stdout) == (1, "") and "--ignore-raft-setup" in refused.stderr
    assert json.loads(node.command("--ignore-raft-setup", "-c", "dump-config").stdout)["RaftEnabled"] is True
