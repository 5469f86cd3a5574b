"""The supervisor: reload, one data file for one node, commands, and what is wrong before anything starts."""

import os
import pathlib
import re
import signal
import subprocess

import pytest

from supervised import CHILDREN


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
    ({"AuthenticationMethod": "tokens"}, "AuthenticationMethod"),
    ({"UseSSL": True}, "SSLCertFile"),
    ({"UseSSL": True, "SSLCertFile": "/nonexistent", "SSLPrivateKeyFile": "/x"}, "SSLCertFile"),
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
    manual = (pathlib.Path(__file__).parents[3] / "supervisor" / "orchestrator.8").read_text()
    flags = re.findall(r"^  -([\w-]+)", node.run("-help")[2], re.M)
    assert len(flags) > 30
    assert [f for f in flags if not re.search(rf"(?:Fl|,) {re.escape(f)}(?: |$)", manual, re.M)] == []
