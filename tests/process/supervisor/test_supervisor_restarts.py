"""The supervisor with fake children that end, hang or lie: who is started again, and when."""

import os
import re
import signal
import time

import pytest

import procs
from supervised import CHILDREN
from waiting import wait_until


# --- ends and restarts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHILDREN)
def test_a_killed_child_is_back_at_once(real_node, name):
    real_node.start_ready()
    began = time.monotonic()
    os.kill(real_node.pid_of(name), signal.SIGKILL)
    real_node.wait_event(f"^{name} ready", 2)
    assert time.monotonic() - began < 2
    assert all(real_node.starts(other) == 1 for other in CHILDREN if other != name)
    role, slot, generation = name[:-1], name[-1], real_node.events(f"^{name} start ")[0].split("generation=")[1]
    hears = "apid0" if name == "raftd0" else "raftd0"
    real_node.wait_event(f"^{hears} peer {role}{slot} down generation={generation}$")
    real_node.wait_event(f"^{hears} peer {role}{slot} up ", 2 if name == "apid0" else 1)


def test_killed_in_a_loop_at_any_moment_it_is_back_within_two_seconds(real_node):
    real_node.start_ready()
    for round_ in range(12):
        name = CHILDREN[round_ % len(CHILDREN)]
        count = real_node.starts(name)
        os.kill(real_node.pid_of(name), signal.SIGKILL)
        real_node.wait_event(f"^{name} start ", count + 1, deadline=2)
        if round_ % 3 > 0:  # else it may be hit again before it is ready
            wait_until(lambda n=name: "ready" in real_node.events(f"^{n} (start|ready)")[-1], 2, f"{name} ready again")
        elif round_ % 2:
            os.kill(real_node.pid_of(name), signal.SIGKILL)
            real_node.wait_event(f"^{name} start ", count + 2, deadline=2)
    for name in CHILDREN:
        wait_until(lambda n=name: "ready" in real_node.events(f"^{n} (start|ready)")[-1], 2, f"{name} ready at the end")
    assert real_node.stop() == 0


def test_a_child_asked_to_end_by_somebody_else_is_back_at_once(node):
    node.start_ready()
    os.kill(node.pid_of("apid0"), signal.SIGTERM)
    node.wait_event("^apid0 ready", 2)
    assert node.events("^apid0 stop")


def test_crashes_wait_longer_and_longer_until_it_is_given_up(node):
    node.order("prober", "exit=1")
    node.start("http")
    assert node.wait_exit() == 75
    waits = [int(ms) for ms in re.findall(r"prober0 ended: exit code 1; starting it again in (\d+) ms", node.log_text())]
    waits += [0] * (4 - len(waits))  # the other prober may have been the first to fail too often
    assert all(w in (0, *range(90, 201), *range(40, 51)) for w in waits), waits
    assert re.search(r"prober[01] ended: exit code 1; it failed too often, stopping the node", node.log_text())
    assert node.starts("prober0") <= 5 and node.starts("prober1") <= 5
    assert node.events("^raftd0 stop") and node.runtime_dirs() == []


def test_backoff_doubles(node):
    node.order("raftd", "crash")
    node.start("http")
    assert node.wait_exit() == 75
    waits = [int(ms) for ms in re.findall(r"raftd ended: signal 6 .*; starting it again in (\d+) ms", node.log_text())]
    assert len(waits) == 4
    for wait, wanted in zip(waits, (50, 100, 200, 200)):
        assert wanted - 20 <= wait <= wanted
    assert node.starts("raftd0") == 5
    assert node.starts("apid0") == 0  # it waits for raftd


def test_the_first_crash_after_being_ready_does_not_wait(node):
    node.order("apid", "once late-crash")
    node.start("http")
    node.wait_event("^apid0 ready", 2)
    node.wait_log(r"apid ended: signal 6 .*; starting it again in 0 ms")


def test_a_quiet_end_before_being_ready_is_a_failure_even_after_a_good_life(node):
    node.start_ready()
    node.order("prober0", "exit=0")
    os.kill(node.pid_of("prober0"), signal.SIGKILL)
    assert node.wait_exit() == 75
    assert node.starts("prober0") == 1 + 5


GARBAGE = """#!/usr/bin/python3 -I
import os, struct, time
try:
    for frame in (b"", b"\\x97", b"\\x97\\x01\\x02\\x03\\x04\\x05\\x06\\x07", b"\\xdd\\xff\\xff\\xff\\xff", b"\\x91" * 4000, os.urandom(70000)):
        os.write(3, struct.pack(">I", len(frame)) + frame)
    os.write(3, b"\\xff" * 70000)
except OSError:
    pass
time.sleep(60)
"""


def test_a_child_that_speaks_garbage_harms_nobody(node):
    program = node.libexec / "orchestrator-prober"
    program.rename(node.dir / "good")
    program.write_text(GARBAGE)
    program.chmod(0o755)
    node.configure(ProberProcesses=1)
    node.start("http")
    node.wait_log("ipc: dropped a message")
    node.wait_log("prober is not ready after")
    (node.dir / "good").rename(program)
    node.wait_event("^prober0 ready")
    node.wait_log("the node is ready")
    assert node.starts("raftd0") == node.starts("apid0") == 1


@pytest.mark.parametrize("code", [64, 74, 76, 77, 78])
@pytest.mark.parametrize("order", ["exit", "late-exit"])
def test_codes_for_operators_end_the_node(node, code, order):
    node.order("raftd", f"{order}={code}")
    node.start("http")
    assert node.wait_exit() == code
    assert node.starts("raftd0") == 1
    assert re.search(rf"raftd ended: exit code {code} \(\w+\); stopping the node: \w+", node.log_text())
    assert node.left() == []


def test_a_stopped_child_is_noticed_and_replaced(node):
    node.start_ready()
    for name in ("prober0", "apid0"):
        os.kill(node.pid_of(name), signal.SIGSTOP)
        node.wait_event(f"^{name} ready", 2)
    assert len(re.findall("has given no sign of life", node.log_text())) == 2


def test_a_child_with_a_stuck_loop_is_replaced(node):
    node.order("raftd", "once hang")
    node.start("http")
    node.wait_event("^raftd0 hangs")
    node.wait_event("^raftd0 ready", 2)


def test_a_child_that_is_never_ready_is_replaced(node):
    node.order("raftd", "once never-ready")
    node.start("http")
    node.wait_event("^raftd0 ready")
    assert re.search(r"raftd is not ready after \d+ ms, killing it", node.log_text())
    assert node.starts("raftd0") == 2


def test_a_program_that_cannot_be_executed_ends_the_node(node):
    (node.libexec / "orchestrator-prober").unlink()
    (node.libexec / "orchestrator-prober").write_text("#!/nonexistent\n")
    (node.libexec / "orchestrator-prober").chmod(0o755)
    code, _, log = node.run("http")
    assert code == 77 and "cannot execute" in log


def test_a_pause_of_the_supervisor_is_nobody_elses_fault(node):
    node.start_ready()
    os.kill(node.process.pid, signal.SIGSTOP)
    wait_until(lambda: procs.stopped(node.process.pid), 5, "stopped supervisor")
    end = time.monotonic() + 2.5  # longer than a child may be silent
    wait_until(lambda: time.monotonic() > end, 5, "the pause")
    os.kill(node.process.pid, signal.SIGCONT)
    node.wait_log("the supervisor was not running for")
    node.signal(signal.SIGHUP)  # and it goes on
    node.wait_log("configuration reloaded")
    assert all(node.starts(name) == 1 for name in CHILDREN)


def test_a_slow_callback_is_named(node):
    node.order("apid", "busy")
    node.start("http")
    node.wait_log(r"WARNING apid\[\d+\] proc: a turn of the event loop took \d+ ms of CPU time")
