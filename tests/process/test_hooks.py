"""raftd's hooks with real shells (hook_driver.c): order, time limits, output, what is left behind, hostile values."""

import json
import os
import pathlib
import queue
import signal
import subprocess
import threading
import uuid

import pytest

import procs
from node import OUR_BUGS, build_dir
from waiting import wait_until

PRE, POST, DETECT, TAKE = "PreFailoverProcesses", "PostFailoverProcesses", "OnFailureDetectionProcesses", "PostTakeMasterProcesses"
NONE, STARTED, OK, FAILED = range(4)
IN_BACKGROUND_MAX = 32


class Hooks:
    """raftd's part that runs hooks, as a process."""

    def __init__(self, directory, config=None, env=None, **popen):
        self.dir, self.runtime = directory, directory / "run"
        self.runtime.mkdir(mode=0o700, exist_ok=True)
        config_file = directory / "config.json"
        config_file.write_text(json.dumps(config or {}))
        self.mark = f"3600.{uuid.uuid4().int % 10**15}"  # a `sleep` of ours, told from all others
        self.log = open(directory / "log", "ab")
        self.process = subprocess.Popen(
            [build_dir() / "tests/fixture/hook_driver", self.runtime, config_file], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self.log, text=True, env={**os.environ, **(env or {})}, cwd=directory, **popen)
        self.events, self.seen = queue.Queue(), []
        threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True).start()
        self.jobs = 0

    def _read(self, stream):
        for line in stream:
            self.events.put(json.loads(line))

    def order(self, what, **fields):
        self.process.stdin.write(json.dumps({"do": what, **fields}) + "\n")
        self.process.stdin.flush()

    def run(self, name, *entries, **fields):
        self.jobs += 1
        job = fields.pop("id", str(self.jobs))
        self.order("run", id=job, list=name, entries=entries, **{"values": {}, **fields})
        return job

    def look(self):
        while not self.events.empty():
            self.seen.append(self.events.get())
        return self.seen

    def all(self, kind, job):
        return [e for e in self.look() if e["event"] == kind and e["id"] == job]

    def wait(self, kind, job="", deadline=20.0, **fields):
        def found():
            return [e for e in self.all(kind, job) if all(e[k] == v for k, v in fields.items())]

        return wait_until(found, deadline, f"{kind} of {job} {fields}; {self.seen[-3:]}", interval=0.005)[0]

    def results(self, name, *entries, **fields):
        """Of a list that has run."""
        job = self.run(name, *entries, **fields)
        self.wait("gone", job)
        return self.all("result", job)

    def output(self, entry, **fields):
        (result,) = self.results(POST, entry, **fields)
        assert result["outcome"] == "ok", result
        return result["output"]

    def sleepers(self):
        return procs.with_argument(lambda a: a.startswith(self.mark))

    def wait_sleepers(self, count):
        wait_until(lambda: len(self.sleepers()) == count, 20, f"{count} processes of the hook")

    def files(self):
        return sorted(p.name for p in self.runtime.iterdir())

    def close(self):
        try:
            self._end()
        finally:
            procs.kill(self.sleepers())

    def _end(self):
        if self.process.poll() is None:
            self.process.stdin.close()  # which ends the loop
            assert self.process.wait(20) == 0
        self.log.close()
        text = (self.dir / "log").read_text(errors="replace")
        assert not OUR_BUGS.search(text), text[-3000:]
        wait_until(lambda: self.files() == [], 10, "no files of hooks")
        self.wait_sleepers(0)


@pytest.fixture
def new_hooks(tmp_path):
    made = []

    def make(config=None, **kwargs):
        directory = tmp_path / str(len(made))
        directory.mkdir()
        made.append(Hooks(directory, config, **kwargs))
        return made[-1]

    yield make
    for hooks in made:
        hooks.close()


@pytest.fixture
def hooks(new_hooks):
    return new_hooks()


# --- order ------------------------------------------------------------------------------------------------------------


def test_entries_run_in_order_until_one_fails(hooks):
    job = hooks.run(PRE, "echo one >>seen", "{onFailure=continue} echo two >>seen; exit 7", "echo three >>seen; false", "echo 4 >>seen")
    assert hooks.wait("done", job)["failed"] is True
    hooks.wait("gone", job)
    assert [(r["outcome"], r["value"]) for r in hooks.all("result", job)] == [("ok", 0), ("exited", 7), ("exited", 1)]
    assert (hooks.dir / "seen").read_text() == "one\ntwo\nthree\n"
    job = hooks.run(POST, "false", "", "kill -KILL $$", "true")
    assert hooks.wait("done", job)["failed"] is False
    assert [(r["i"], r["outcome"], r["value"]) for r in hooks.all("result", job)] == [(0, "exited", 1), (2, "killed", 9), (3, "ok", 0)]
    assert [e["audit"] for e in hooks.all("began", job)][-1] == "Running PostFailoverProcesses hook 4 of 4: true"
    assert hooks.wait("done", hooks.run(POST))["failed"] is False


def test_nobody_waits_for_an_entry_in_the_background(hooks):
    job = hooks.run(PRE, "until [ -e go ]; do sleep 0.02; done; exit 3 &", "echo x")
    assert hooks.wait("done", job)["failed"] is False
    assert [r["i"] for r in hooks.all("result", job)] == [1] and hooks.all("gone", job) == []
    (hooks.dir / "go").touch()
    hooks.wait("gone", job)
    (result,) = [r for r in hooks.all("result", job) if r["i"] == 0]
    assert result["value"] == 3 and " hook 1 of 2 (async) failed in " in result["audit"]


def test_many_in_the_background_wait_their_turn(hooks):
    job = hooks.run(POST, *["until [ -e go ]; do sleep 0.1; done &"] * 100)
    wait_until(lambda: len(hooks.all("began", job)) >= IN_BACKGROUND_MAX, 20, "as many as may run")
    assert hooks.output("echo meanwhile") == "meanwhile"  # one that somebody waits for is not held up
    assert len(hooks.all("began", job)) == len(procs.children(hooks.process.pid)) == IN_BACKGROUND_MAX
    (hooks.dir / "go").touch()
    hooks.wait("gone", job, 60)
    assert [r["outcome"] for r in hooks.all("result", job)] == ["ok"] * 100


def test_what_is_recorded_first_and_what_is_resumed(hooks):
    job = hooks.run(PRE, "echo x", "echo y", "echo z", gate=True)
    hooks.wait("due", job, i=0)
    assert hooks.all("began", job) == []
    hooks.order("go", id=job, i=0)
    hooks.wait("due", job, i=1)
    assert [r["outcome"] for r in hooks.all("result", job)] == ["ok"]
    hooks.order("skip", id=job, i=1)
    assert hooks.wait("done", job)["failed"] is True
    assert hooks.wait("result", job, i=1)["audit"].endswith("with error: not started: not recorded")
    # a hook that another node had begun
    assert [r["i"] for r in hooks.results(PRE, "echo x", "echo y", "echo z", marks=[OK, STARTED, NONE])] == [2]
    assert [r["i"] for r in hooks.results(POST, "echo x", "echo y", "echo z", marks=[OK, STARTED, NONE])] == [1, 2]


# --- processes --------------------------------------------------------------------------------------------------------


def test_time_limit_ends_the_whole_group(hooks):
    stubborn = f"trap '' TERM; (sleep {hooks.mark}1 | sleep {hooks.mark}2) & sleep {hooks.mark}3"
    job = hooks.run(PRE, "{timeout=2s} " + stubborn)
    hooks.wait_sleepers(3)
    result = hooks.wait("result", job)
    assert result["outcome"] == "timed-out" and result["took_us"] >= 4_000_000  # SIGTERM did not do
    assert "it took longer than 2s and was killed" in result["audit"]
    assert hooks.wait("done", job)["failed"] is True
    hooks.wait("gone", job)
    assert hooks.sleepers() == []


def test_configured_limits(new_hooks):
    hooks = new_hooks({"HookTimeoutSeconds": 1, "HookBackgroundTimeoutSeconds": 2})
    job = hooks.run(POST, f"sleep {hooks.mark} &", f"sleep {hooks.mark}", f"sleep {hooks.mark} & echo left behind", "{timeout=0s} sleep 1.5")
    hooks.wait("gone", job)
    results = sorted(hooks.all("result", job), key=lambda r: r["i"])
    assert [r["outcome"] for r in results] == ["timed-out", "timed-out", "ok", "ok"]
    assert results[0]["took_us"] >= 2_000_000 and results[1]["took_us"] >= 1_000_000


def test_what_a_hook_leaves_behind(hooks):
    job = hooks.run(POST, f"sleep {hooks.mark} & setsid sleep {hooks.mark}9 & echo started")
    assert hooks.wait("result", job)["output"] == "started"  # not when they end
    hooks.wait("done", job)
    hooks.wait_sleepers(2)
    assert hooks.all("gone", job) == []
    hooks.order("cancel", id=job)
    hooks.wait_sleepers(1)  # but not what has made itself independent
    hooks.wait("gone", job)
    procs.kill(hooks.sleepers())


def test_a_cancelled_list(hooks):
    job = hooks.run(PRE, f"sleep {hooks.mark} &", f"sleep {hooks.mark}", "echo never")
    hooks.wait_sleepers(2)
    hooks.order("cancel", id=job)
    hooks.wait("gone", job)
    assert [r["outcome"] for r in hooks.all("result", job)] == ["cancelled"] * 2
    assert hooks.sleepers() == []


def test_stop_ends_everything(hooks):
    jobs = [hooks.run(POST, f"sleep {hooks.mark}", "echo never") for _ in range(3)]
    hooks.wait_sleepers(3)
    hooks.order("stop")
    hooks.wait("idle")
    assert hooks.sleepers() == []
    for job in jobs:
        assert hooks.wait("done", job) and [r["outcome"] for r in hooks.all("result", job)] == ["cancelled"]
    assert "the node stops" in hooks.wait("refused", hooks.run(POST, "echo x"))["error"]


def test_killed_raftd_leaves_nothing_behind(hooks):
    hooks.run(POST, f"sleep {hooks.mark}1 | sleep {hooks.mark}2")
    hooks.run(POST, f"trap '' TERM; sleep {hooks.mark}3 &")
    hooks.wait_sleepers(3)
    assert len(hooks.files()) == 2
    hooks.process.kill()
    hooks.process.wait(10)
    hooks.wait_sleepers(0)
    wait_until(lambda: hooks.files() == [], 10, "the texts' files are removed")


def test_killed_watcher_takes_the_shell_along(hooks):
    job = hooks.run(PRE, f"exec sleep {hooks.mark}")
    hooks.wait_sleepers(1)
    (watcher,) = procs.children(hooks.process.pid)
    os.kill(watcher, signal.SIGKILL)
    assert hooks.wait("result", job)["outcome"] == "vanished"
    hooks.wait_sleepers(0)
    hooks.wait("gone", job)
    (left,) = hooks.files()  # removed by the next start
    assert left == f"hook.{watcher}"
    again = Hooks(hooks.dir)
    assert again.output("echo again") == "again"
    again.close()


def test_hooks_inherit_nothing(new_hooks, tmp_path):
    with open(tmp_path / "leak", "w") as leak:
        hooks = new_hooks(env={"MYSQL_PWD": "secret", "TZ": "UTC", "ORC_ROLE": "raftd"}, pass_fds=[leak.fileno()])
        fds = hooks.output("for f in /proc/$$/fd/*; do echo ${f##*/} $(readlink $f); done").splitlines()
    fds = dict((f + " ").split(" ", 1) for f in fds)
    assert fds.keys() - {"3", "255"} == {"0", "1", "2"}  # those two are bash's
    assert "leak" not in str(fds) and fds["0"].strip() == "/dev/null" and fds["1"] == fds["2"] and "pipe:" in fds["1"]
    env = dict(line.split("=", 1) for line in hooks.output("env", values={"failed_host": "db1", "failed_port": 3306}).splitlines())
    ours = {k: v for k, v in env.items() if k.startswith("ORC_")}
    assert ours["ORC_FAILED_HOST"] == "db1" and ours["ORC_FAILED_PORT"] == "3306"
    assert not {"MYSQL_PWD", "ORC_ROLE", "ORC_SUCCESSOR_HOST"} & env.keys() and env["TZ"] == "UTC"
    assert env.keys() - ours.keys() <= {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ", "TMPDIR", "PWD", "SHLVL", "_"}
    facts = hooks.output("umask; ulimit -n; stat -c %a \"$0\"; grep SigBlk /proc/self/status; grep SigIgn /proc/self/status").split()
    assert facts[0] == "0022" and int(facts[1]) <= 1024 and facts[2] == "700"
    assert int(facts[4], 16) == int(facts[6], 16) == 0
    (result,) = hooks.results(TAKE, 'echo "$1 $2 $ORC_SUCCESSOR_HOST {failedHost}"', args=["new:1", "old:2"],
                              values={"successor_host": "new:1", "failed_host": "old:2"})
    assert result["output"] == "new:1 old:2 new:1 {failedHost}"


def test_descriptors_are_closed(hooks):
    def fds():
        return len(list(pathlib.Path(f"/proc/{hooks.process.pid}/fd").iterdir()))

    hooks.output("echo warm")
    before = fds()
    hooks.results(POST, *["echo x", "echo y &", "exec >/dev/null 2>&1; exit 1"] * 10)
    assert fds() == before
    assert procs.children(hooks.process.pid) == []


def test_what_cannot_start(new_hooks):
    hooks = new_hooks({"ProcessesShellCommand": "/nonexistent/shell"})
    (result,) = hooks.results(PRE, "echo x")
    assert (result["outcome"], result["value"]) == ("exited", 127)
    assert result["output"] == "cannot run /nonexistent/shell: No such file or directory (ProcessesShellCommand)"
    hooks.runtime.rmdir()
    (result,) = hooks.results(PRE, "echo x")
    assert result["outcome"] == "not-started" and "run/hook." in result["audit"] and "No such file" in result["audit"]
    hooks.runtime.mkdir()


# --- output -----------------------------------------------------------------------------------------------------------


def test_output_is_bounded_and_text(hooks):
    (result,) = hooks.results(POST, "seq 100000; echo the end >&2")
    assert result["bytes"] == 588895 + 8 and len(result["output"]) <= 4096
    assert result["output"].endswith("\n99999\n100000\nthe end")
    (result,) = hooks.results(POST, "head -c 200000 /dev/urandom; printf '\\000\\377\\033[1mz\\303'")
    assert result["bytes"] == 200008 and result["output"].endswith("??[1mz?") and result["outcome"] == "ok"


def test_endless_output_does_not_hold_up_the_loop(hooks):
    job = hooks.run(POST, "{timeout=1s} yes")
    wait_until(lambda: len(hooks.all("began", job)) == 1, 10, "it runs")
    assert hooks.output("echo meanwhile") == "meanwhile"
    result = hooks.wait("result", job)
    assert result["outcome"] == "timed-out" and len(result["output"]) <= 4096 and result["output"].endswith("y\ny")
    assert result["bytes"] < 2e6 + 8 * result["took_us"]  # 6.4 MB a second, and what was in the pipe
    hooks.wait("gone", job)


# --- values -----------------------------------------------------------------------------------------------------------

PLACES = """printf '<%s>' @
printf '<%s>' "@" a"@"b
printf '<%s>' '@' a'@'b
printf '<%s>' "$(printf %s @)" "$(printf %s '@')" "`printf %s "@"`"
cat <<END
it's <@>
END
# @ don't
x=@; y="it's @"; printf '<%s>' "$x" "$y"
"""
VALUES = ["payments", "two words", "", "$(touch pwned)", "`touch pwned`", "'; touch pwned; '", '"; touch pwned; "', "; touch pwned #",
          "\ntouch pwned\n#", "\nEND\ntouch pwned\n", "& touch pwned &", "\\", "\\'", "*", "~", "!!", "${HOME}", "Zürich (eu) <1>"]


def expected(value):
    """What PLACES print; $() drops line ends at the end."""
    cut = value.rstrip("\n")
    return f"<{value}>" + f"<{value}><a{value}b>" * 2 + f"<{cut}>" * 3 + f"it's <{value}>\n<{value}><it's {value}>"


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_hostile_values_are_text(new_hooks, shell):
    hooks = new_hooks({"ProcessesShellCommand": shell})
    text = "(\n" + PLACES.replace("@", "{failureClusterAlias}") + ") >out"
    for value in VALUES:
        hooks.output(text, values={"failure_cluster_alias": value})
        assert (hooks.dir / "out").read_text() == expected(value), repr(value)
        assert sorted(p.name for p in hooks.dir.iterdir()) == ["config.json", "log", "out", "run"], repr(value)


def test_hostile_names_stay_harmless_in_a_second_shell(hooks):
    host = "x';$(touch pwned)`touch pwned`\""
    inner = hooks.output("bash -c 'echo {failedHost}'; bash -c \"echo {failedHost}\"; echo \"$ORC_FAILED_HOST\"", values={"failed_host": host})
    assert inner.splitlines() == ["x____touch pwned__touch pwned__"] * 2 + [host]
    assert not (hooks.dir / "pwned").exists()


def test_ordinary_values_are_as_ever(hooks):
    values = {"failed_host": "db1.example.com", "failed_port": 3306, "lost_replicas": "db2:3306,db3:3306", "failure_type": "DeadMaster"}
    entry = "echo {failureType} '{failedHost}:{failedPort}' \"{lostReplicas}\" {successorHost} {isSuccessful}"
    job = hooks.run(DETECT, entry, values=values)
    began = hooks.wait("began", job)
    assert began["command"] == "echo DeadMaster 'db1.example.com:3306' \"db2:3306,db3:3306\" {successorHost} false"
    assert hooks.wait("result", job)["output"] == "DeadMaster db1.example.com:3306 db2:3306,db3:3306 {successorHost} false"
