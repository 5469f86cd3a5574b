"""The supervisor with fake children: order of start and end, init's protocol, what children inherit.

Each test has its own directory and processes. fast_orchestrator is the supervisor with short limits."""

import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import time

import pytest

import procs
from node import build_dir
from supervised import CHILDREN, NotifySocket
from waiting import wait_until


# --- start and readiness ---------------------------------------------------------------------------------------------


def test_starts_in_order_and_tells_init_once_all_are_ready(node, tmp_path):
    with NotifySocket(str(tmp_path / "notify")) as init:
        node.order("prober1", "never-ready once")
        node.start("http", NOTIFY_SOCKET=init.address)
        node.wait_event("apid0 ready")
        seen = init.wait("STATUS=3 of 4 processes ready; prober1 starting")
        assert "READY=1" not in seen
        init.wait("READY=1")  # once prober1 was killed and started again
        assert node.starts("prober1") == 2
    order = [line.split()[:2] for line in node.events("(raftd0 ready|apid0 start)")]
    assert order == [["raftd0", "ready"], ["apid0", "start"]]
    assert sorted(name for name in CHILDREN if node.starts(name)) == sorted(CHILDREN)


def test_notifies_an_abstract_socket(node):
    with NotifySocket(f"@orc-test-{os.getpid()}") as init:
        node.start("http", NOTIFY_SOCKET=init.address)
        init.wait("READY=1")
        init.wait("STATUS=4 of 4 processes ready")
        node.signal(signal.SIGHUP)
        seen = init.wait("RELOADING=1")
        init.clear()
        node.signal(signal.SIGTERM)
        seen = init.wait("STOPPING=1")
        assert "WATCHDOG=1" not in seen
        assert node.wait_exit() == 0


def test_watchdog_is_fed(node, tmp_path):
    with NotifySocket(str(tmp_path / "notify")) as init:
        node.start("http", NOTIFY_SOCKET=init.address, WATCHDOG_USEC="200000")
        init.wait("READY=1")
        for _ in range(3):
            init.clear()
            init.wait("WATCHDOG=1")


def test_watchdog_meant_for_another_process_is_not_fed(node, tmp_path):
    with NotifySocket(str(tmp_path / "notify")) as init:
        node.start("http", NOTIFY_SOCKET=init.address, WATCHDOG_USEC="20000", WATCHDOG_PID="1")
        init.wait("READY=1")
        node.stop()
        assert "WATCHDOG=1" not in init.wait("STOPPING=1")


def test_children_inherit_nothing_by_accident(node):
    with open(node.dir / "leak", "w") as leak:
        node.start_ready("http", pass_fds=[leak.fileno()], MYSQL_PASSWORD="secret", NOTIFY_SOCKET="@nobody", TZ="UTC")
    for name in CHILDREN:
        pid = node.pid_of(name)
        fds = {fd.name: os.readlink(fd) for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir()}
        assert fds["0"] == fds["1"] == "/dev/null"
        assert fds["3"].startswith("socket:")
        assert not any("leak" in target or ".node" in target for target in fds.values()), fds
        environment = dict(v.split("=", 1) for v in pathlib.Path(f"/proc/{pid}/environ").read_text().split("\0") if v)
        assert "MYSQL_PASSWORD" not in environment and "NOTIFY_SOCKET" not in environment
        assert environment["TZ"] == "UTC"
        limits = re.search(r"Max open files\s+(\d+)\s+(\d+)", pathlib.Path(f"/proc/{pid}/limits").read_text())
        assert int(limits.group(1)) == min(int(limits.group(2)), 1 << 20)


def test_each_child_gets_its_part_of_the_configuration(node):
    node.start_ready()
    config = {name: node.events(f"^{name} config ")[0] for name in CHILDREN}
    assert "password=topsecret " in config["prober0"] and "password=topsecret " in config["prober1"]
    assert "password= " in config["apid0"] and "password= " in config["raftd0"]
    assert all(f"runtime={node.runtime_dirs()[0]} " in line for line in config.values())
    assert all("mode=0 probers=2" in line for line in config.values())
    assert "topsecret" not in node.log_text()
    assert node.runtime_dirs()[0].stat().st_mode & 0o777 == 0o700


def test_a_missing_program_is_named(node):
    (node.libexec / "orchestrator-prober").unlink()
    code, _, log = node.run("http")
    assert code == 78 and "orchestrator-prober" in log and "ORCHESTRATOR_LIBEXEC" in log
    assert node.runtime_dirs() == []


def test_supervisor_links_no_nanomsg():
    for program in ("supervisor/orchestrator", "tests/fixture/fast_orchestrator"):
        out = subprocess.run(["ldd", build_dir() / program], capture_output=True, text=True, check=True).stdout
        assert "libevent" in out and "nanomsg" not in out


# --- the end ---------------------------------------------------------------------------------------------------------


def test_nothing_outlives_a_killed_supervisor(node):
    node.order("prober0", "hang")
    node.start("http")
    node.wait_event("^apid0 ready")
    node.wait_event("^prober0 hangs")
    os.kill(node.process.pid, signal.SIGKILL)
    wait_until(lambda: node.left() == [], 1, "end of all processes")


def test_what_a_killed_supervisor_left_is_removed_by_the_next(node):
    node.start_ready()
    left = node.runtime_dirs()
    os.kill(node.process.pid, signal.SIGKILL)
    wait_until(lambda: node.left() == [], 1, "end of all processes")
    node.process.wait()
    node.process.stdout.close()
    assert node.runtime_dirs() == left
    node.start("http")
    node.wait_event("^apid0 ready", 2)
    assert len(node.runtime_dirs()) == 1 and node.runtime_dirs() != left
    assert node.stop() == 0


def test_stops_in_order_and_leaves_nothing(real_node):
    real_node.start_ready()
    assert real_node.stop() == 0
    order = [line.split()[0] for line in real_node.events(" stop ")]
    assert order[0] == "apid0" and order[3] == "raftd0" and sorted(order[1:3]) == ["prober0", "prober1"]
    deadlines = [int(line.split("deadline_ms=")[1]) for line in real_node.events(" stop ")]
    assert 2500 < deadlines[0] <= 3000 and 4000 < deadlines[1] <= 5000 and 9000 < deadlines[3] <= 10000
    # not news for anybody, but for a leader that hands over
    assert [line.split()[:3] for line in real_node.events(" peer .* down ")] == [["raftd0", "peer", "apid0"]]
    assert real_node.left() == [] and real_node.runtime_dirs() == []
    assert pathlib.Path(f"{real_node.data}.node").read_text() == ""


def test_a_deaf_child_does_not_cost_the_others_their_orderly_end(node):
    node.order("apid", "deaf")
    node.start_ready()
    began = time.monotonic()
    assert node.stop() == 0
    assert time.monotonic() - began < 2.5
    assert "apid did not stop in time, killing it" in node.log_text()
    assert len(node.events("^(prober0|prober1|raftd0) stop")) == 3
    assert node.left() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_everything_at_once(real_node, number):
    for role in ("raftd", "prober", "apid"):
        real_node.order(role, "deaf")
    real_node.start_ready()
    real_node.signal(number)
    real_node.wait_event("^apid0 stop")
    time.sleep(0.2)  # more than SAME_SIGNAL_MS
    began = time.monotonic()
    real_node.signal(number)
    assert real_node.wait_exit(2) == 0
    assert time.monotonic() - began < 1
    assert real_node.left() == []


def test_a_signal_sent_twice_by_whoever_stops_it_is_one(real_node):
    """timeout(1) signals the process, then its group; that must not cost the orderly end."""
    real_node.start_ready()
    for signo in (signal.SIGSTOP, signal.SIGTERM, signal.SIGINT, signal.SIGCONT):  # both in one turn of its loop
        real_node.signal(signo)
    assert real_node.wait_exit(10) == 0
    assert "at once" not in real_node.log_text() and real_node.left() == []


def test_stopping_while_a_child_waits_for_its_restart(real_node):
    real_node.order("prober0", "exit=1")
    real_node.start("http")
    real_node.wait_log("prober0 ended: exit code 1; starting it again in 4000 ms")
    assert real_node.stop(2) == 0


def test_signals_from_a_terminal_reach_the_supervisor_only(node):
    node.start_ready()
    os.killpg(node.process.pid, signal.SIGHUP)
    node.wait_log("configuration reloaded")
    os.killpg(node.process.pid, signal.SIGINT)
    assert node.wait_exit() == 0
    assert all(node.starts(name) == 1 for name in CHILDREN)
    assert len(node.events(" stop ")) == 4


def test_as_pid_1_it_reaps_orphans(node):
    node.order("apid", "orphan")
    node.start("http", prefix=["unshare", "-pf", "--mount-proc", "--kill-child"])
    node.wait_event("^apid0 ready")
    supervisor = wait_until(lambda: procs.children(node.process.pid)[0], 5, "the supervisor")

    def sleeper():
        return [p for p in procs.children(supervisor) if procs.name(p) == "sleep"]

    orphan = wait_until(sleeper, 5, "an orphan of the supervisor")[0]
    wait_until(lambda: not pathlib.Path(f"/proc/{orphan}").exists(), 5, "the reaped orphan")
    os.kill(supervisor, signal.SIGTERM)
    assert node.wait_exit() == 0


# --- the children's side ---------------------------------------------------------------------------------------------


def child_by_hand(env=None, lifeline=None):
    """A child without a supervisor; lifeline: a socket to give it as descriptor 3."""

    def put_lifeline():
        os.dup2(lifeline, 3, inheritable=True)

    return subprocess.Popen([build_dir() / "tests/fixture/fake_child"], env=env or {}, stderr=subprocess.PIPE, text=True,
                            close_fds=False, preexec_fn=put_lifeline if lifeline is not None else None)


@pytest.mark.parametrize("env", [{}, {"ORC_ROLE": "raftd", "ORC_GENERATION": "0"}, {"ORC_ROLE": "raftd", "ORC_GENERATION": "7"}])
def test_a_child_started_by_hand_says_so(env):
    with open("/dev/null") as no_socket:
        child = child_by_hand(env, no_socket.fileno())
        _, log = child.communicate(timeout=10)
    assert child.returncode == 64 and "orchestrator http" in log


def test_a_child_of_another_build_says_so():
    ours, its = socket.socketpair()
    with ours, its:
        child = child_by_hand({"ORC_ROLE": "raftd", "ORC_GENERATION": "7"}, its.fileno())
        ours.sendall(struct.pack(">I", 8) + b"\x97garbage")
        _, log = child.communicate(timeout=10)
    assert child.returncode == 76 and "another build" in log


def test_a_child_without_a_supervisor_ends_at_once():
    ours, its = socket.socketpair()
    child = child_by_hand({"ORC_ROLE": "raftd", "ORC_GENERATION": "7"}, its.fileno())
    its.close()
    ours.close()
    _, log = child.communicate(timeout=1)
    assert child.returncode == 79 and "lost the supervisor" in log
