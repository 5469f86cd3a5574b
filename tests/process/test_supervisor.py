"""The supervisor with fake children: order, restarts, deadlines, reload, init's protocol, one-shot commands.

Each test has its own directory and processes. fast_orchestrator is the supervisor with short limits.
"""

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
from supervised import NotifySocket, Supervised
from waiting import wait_until

CHILDREN = ("raftd0", "prober0", "prober1", "apid0")


@pytest.fixture
def node():
    with Supervised() as n:
        yield n


@pytest.fixture
def real_node():
    with Supervised(program="supervisor/orchestrator") as n:
        yield n


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


# --- reload ----------------------------------------------------------------------------------------------------------


def test_sighup_gives_every_child_the_new_configuration(node):
    node.start_ready()
    node.configure(InstancePollSeconds=17)
    node.signal(signal.SIGHUP)
    for name in ("raftd0", "prober0", "prober1"):
        node.wait_event(f"^{name} reload .* poll=17 ")
    node.wait_log("configuration reloaded: 1 keys changed: InstancePollSeconds")
    os.kill(node.pid_of("prober0"), signal.SIGKILL)
    node.wait_event("^prober0 config .* poll=17 ")


@pytest.mark.parametrize(("text", "says"), [
    ('{"InstancePollSeconds": 1', r"orchestrator\.conf\.json"),
    ('{"InstancePollSeconds": "many"}', "InstancePollSeconds"),
    ('{"BackendDB": "sqlite", "SQLite3DataFile": ""}', "SQLite3DataFile"),
    ('{"BackendDB": "mysql"}', "BackendDB"),
    (None, r"orchestrator\.conf\.json"),
])
def test_a_bad_file_changes_nothing(node, text, says):
    node.start_ready()
    if text is None:
        node.config_file.unlink()
    else:
        node.config_file.write_text(text)
    node.signal(signal.SIGHUP)
    node.wait_log(rf"ERROR .*conf: nothing was reloaded.*{says}")
    node.configure(InstancePollSeconds=23)
    node.signal(signal.SIGHUP)
    node.wait_event("^raftd0 reload .* poll=23 ")
    assert len(node.events("^raftd0 reload")) == 1
    assert all(node.starts(name) == 1 for name in CHILDREN)


def test_keys_that_need_a_restart_keep_their_value_until_then(node):
    node.start_ready()
    node.configure(SQLite3DataFile=str(node.dir / "other.sqlite3"), InstancePollSeconds=29)
    node.signal(signal.SIGHUP)
    node.wait_log("these keys take effect at the next restart: SQLite3DataFile")
    os.kill(node.pid_of("raftd0"), signal.SIGKILL)
    second = node.wait_event("^raftd0 config ", 2)
    assert "poll=29 " in second and second.endswith(f"data={node.data}")


def test_a_reload_asked_for_by_apid_is_answered(node):
    (node.dir / "extra.json").write_text('{"InstancePollSeconds": 31}')
    node.order("apid", f"once reload={node.dir}/extra.json")
    node.start("http")
    answer = node.wait_event("^apid0 reloaded request=7 ")
    assert answer == "apid0 reloaded request=7 code=0 changed: InstancePollSeconds"
    node.wait_event("^raftd0 reload .* poll=31 ")


def test_a_bad_reload_asked_for_by_apid_is_answered_with_the_error(node):
    node.order("apid", "once reload=/nonexistent.json")
    node.start("http")
    answer = node.wait_event("^apid0 reloaded request=7 ")
    assert re.search(r"code=-\d+ nothing was reloaded.*/nonexistent\.json", answer)


# --- one data file, one node; commands -------------------------------------------------------------------------------


def test_a_second_node_on_the_same_data_is_refused(node):
    node.start_ready()
    code, _, log = node.run("http")
    assert code == 75
    assert f"process {node.process.pid}" in log and "SQLite3DataFile" in log
    assert node.stop() == 0


def test_a_command_without_a_service_runs_a_node_of_its_own(node):
    node.order("apid", "done=3")
    code, out, log = node.run("-c", "clusters", "-i", "x:1")
    assert (code, out) == (3, "output of the command\n"), log
    assert re.search(r"mode=1 probers=1 args=5 ", node.events("^apid0 config")[0])  # --config=… -c clusters -i x:1
    assert [line.split()[0] for line in node.events(" stop ")] == ["apid0", "prober0", "raftd0"]
    assert node.runtime_dirs() == []


def test_a_command_beside_a_service_is_handed_to_it(node):
    node.start_ready()
    node.order("apid", "done=0")
    code, out, log = node.run("-c", "clusters")
    assert (code, out) == (0, "output of the command\n"), log
    assert len(node.events("^apid0 config mode=2 ")) == 1
    assert node.starts("raftd0") == 1
    runtime = {re.search(r"runtime=(\S+)", line).group(1) for line in node.events("^apid0 config")}
    assert runtime == {str(node.runtime_dirs()[0])}  # the service's, and it is still there


def test_commands_at_the_same_time_wait_for_each_other(node):
    node.order("apid", "done=0")
    node.start("-c", "clusters")
    code, out, log = node.run("-c", "clusters")
    assert (code, out) == (0, "output of the command\n"), log
    assert node.wait_exit() == 0


@pytest.mark.parametrize("order", ["exit=78", "crash", "late-crash", "late-exit=0"])
def test_a_command_is_not_repeated_when_its_process_ends(node, order):
    node.order("apid", order)
    code, _, log = node.run("-c", "forget", "-i", "x:1")
    assert code == 1 and "apid ended before the command did" in log
    assert node.starts("apid0") == 1 and node.runtime_dirs() == []


def test_an_interrupted_command_fails(node):
    node.start("-c", "discover", "-i", "x:1")
    node.wait_event("^apid0 ready")
    node.signal(signal.SIGINT)
    assert node.wait_exit() == 1
    assert node.left() == []


def test_help_needs_neither_data_nor_configuration(node):
    node.order("apid", "done=0")
    node.config_file.write_text("{}")
    for words in (["help"], ["help", "topology"], ["-c", "help"]):
        code, out, log = node.run(*words)
        assert (code, out) == (0, "output of the command\n"), log
    assert node.starts("raftd0") == node.starts("prober0") == 0


def test_with_raft_commands_are_refused(node):
    node.configure(RaftEnabled=True, RaftDataDir=str(node.dir))
    code, out, log = node.run("-c", "clusters")
    assert code == 1 and out == "" and "orchestrator-client" in log and "--ignore-raft-setup" in log
    node.order("apid", "done=0")
    assert node.run("--ignore-raft-setup", "-c", "clusters")[:2] == (0, "output of the command\n")


@pytest.mark.parametrize(("keys", "says"), [
    ({"BackendDB": "mysql"}, "BackendDB"),
    ({"SQLite3DataFile": ":memory:"}, "memory"),
    ({"AuthenticationMethod": "multi"}, "HTTPAuthUser"),
    ({"AuthenticationMethod": "token"}, "AuthenticationMethod"),
    ({"UseSSL": True}, "UseSSL"),
    ({"InstancePollSeconds": "x"}, "InstancePollSeconds"),
])
def test_what_cannot_work_is_said_before_anything_starts(node, keys, says):
    node.configure(**keys)
    for words in (["http"], ["-t"]):
        code, out, log = node.run(*words)
        assert code == 78 and says in log and out == "", log
    assert node.events() == [] and node.runtime_dirs() == []


def test_data_that_cannot_be_locked_is_named(node):
    node.configure(SQLite3DataFile="/nonexistent/dir/data.sqlite3")
    for words in (["http"], ["-t"]):
        code, out, log = node.run(*words)
        assert code == 78 and "/nonexistent/dir/data.sqlite3" in log and "SQLite3DataFile" in log and out == ""


def test_missing_tls_files_are_named_before_anything_starts(node):
    node.configure(MySQLTopologyUseMutualTLS=True, MySQLTopologySSLCAFile="/nonexistent/ca.pem")
    for words in (["http"], ["-t"]):
        code, out, log = node.run(*words)
        assert code == 78 and "MySQLTopologySSLCAFile" in log and "/nonexistent/ca.pem" in log and out == ""
    assert node.events() == []


def test_words(node):
    assert node.run()[0] == 0
    assert node.run("-t")[:2] == (0, "configuration OK\n")
    code, out, _ = node.run("--print-config")
    assert code == 0 and '"MySQLTopologyPassword": "********"' in out and "topsecret" not in out
    printed = node.dir / "printed.json"
    printed.write_text(out)
    assert subprocess.run([node.program, f"--config={printed}", "--check-config"], check=False).returncode == 0
    assert len(node.run("--version")[1].splitlines()) == 2
    assert node.run("nonsense")[0] == 1
    assert node.run("-nonsense")[0] == 2
    code, out, log = node.run("-help")
    assert code == 0 and "-promotion-rule string" in log
    assert node.run("-d", "a", "-s", "b", "-c", "relocate")[0] == 1


def test_the_manual_names_every_flag(node):
    manual = (pathlib.Path(__file__).parents[2] / "supervisor" / "orchestrator.8").read_text()
    flags = re.findall(r"^  -([\w-]+)", node.run("-help")[2], re.M)
    assert len(flags) > 30
    assert [f for f in flags if not re.search(rf"(?:Fl|,) {re.escape(f)}(?: |$)", manual, re.M)] == []


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
