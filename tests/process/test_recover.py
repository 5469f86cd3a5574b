"""What operators ask of recoveries: one now, what one would do, the end of one. One raftd with played probers, and whole nodes."""

import re
import subprocess
import time

import pytest

from fleet import Fleet
from node import Node, build_dir
from proberdrv import CODES
from raftd_driven import Raftd, Refused, key
from waiting import wait_until

SOURCE, R1, R2, R3 = key("source"), key("r1"), key("r2"), key("r3")
REPLICAS = (R1, R2, R3)
HOOKS = ("PreFailoverProcesses", "PostMasterFailoverProcesses", "PostFailoverProcesses", "PostUnsuccessfulFailoverProcesses")


class World:
    """A source and three replicas on MariaDB GTID, as far as their probes tell; steps change it."""

    def __init__(self, raftd, tmp_path):
        self.raftd, self.prober, self.dir = raftd, raftd.prober, tmp_path
        self.prober.on_step = self.step
        self.special = {}  # statement: what answers it
        self.dead = ()
        self.sources = {k["hostname"]: "source" for k in REPLICAS}
        self.writable = {"source"}
        self.io = {k["hostname"]: 1 for k in REPLICAS}
        self.show()
        raftd.ask("DISCOVER", key=SOURCE, mode=0)
        wait_until(self.known, 10, "the servers", interval=0.1)

    def known(self):
        self.prober.poll()
        flags = [self.prober.watched.get((k["hostname"], 3306), (0, 0))[1] for k in (SOURCE, *REPLICAS)]
        return len(self.raftd.instances()) == 4 and [f & 1 for f in flags] == [1, 0, 0, 0]

    def show(self):
        common = {"log_bin_enabled": True, "log_replica_updates": True, "binlog_format": "ROW"}
        if "source" not in self.dead:
            self.prober.found(SOURCE, {**common, "read_only": "source" not in self.writable}, gtid_current_pos="0-1-9",
                              replicas=list(REPLICAS))
        for k in REPLICAS:
            host = k["hostname"]
            inst = {**common, "server_id": 10 + int(host[1]), "read_only": host not in self.writable}
            if self.sources[host] is None:
                self.prober.found(k, inst, gtid_current_pos="0-1-9")
                continue
            io = self.io[host]
            inst.update(sql_thread_state=1, io_thread_state=io, sql_running=True, io_running=io == 1, using_mariadb_gtid=True)
            self.prober.found(k, inst, source_host=self.sources[host], source_port=3306, channels=1, gtid_current_pos="0-1-9",
                              last_io_errno=2003 if io == 2 else 0)

    def kill(self):
        self.dead = ("source",)
        self.prober.gone(SOURCE)
        self.io = {host: 2 if source == "source" else 1 for host, source in self.sources.items()}
        self.show()
        self.prober.report(SOURCE, first_failed_us=int(time.time() * 1e6))
        wait_until(lambda: "instance=source:3306 verdict=DEAD" in self.raftd.log_text(), 20, "the verdict")

    def step(self, step):
        host, what = step["key"]["hostname"], step["statement"]
        if host in self.dead:
            return {"code": CODES["UNREACHABLE"], "message": "made up"}
        if what in self.special:
            return self.special[what](step)
        return self.carry_out(host, what, step)

    def carry_out(self, host, what, step):
        if what == "set-writable":
            self.writable.add(host)
        elif what == "set-read-only":
            self.writable.discard(host)
        elif what == "reset-replica":
            self.sources[host] = None
        elif what == "point-to":
            self.sources[host] = step["args"][0]["s"]
            self.io[host] = 1
        self.show()
        if what == "break-lock":
            return {"code": CODES["SERVER"], "errno_mysql": 1094, "message": "nobody holds it", "sent": True}
        return {"sent": True}

    def statements(self):
        return [s["statement"] for s in self.prober.steps if s["recovery_uid"][:5] != "vote-"]

    def recover(self, deadline=30, **more):
        return self.raftd.ask("RECOVER", deadline, **{"key": SOURCE, "deadline_us": 2 ** 60, "user": "me", **more})


    def ask(self, **more):
        return self.raftd.post("RECOVER", **{"key": SOURCE, "deadline_us": 2 ** 60, "user": "me", **more})

    def abort(self, uid, user=""):
        return self.raftd.ask("ABORT_RECOVERY", 30, recovery_uid=uid, user=user, deadline_us=2 ** 60)

    def state(self):
        rows = self.raftd.rows("SELECT uid, state FROM recovery_machine")
        return rows[0] if rows else ("", "")

    def wait_state(self, state):
        return wait_until(lambda: self.state()[1] == state and self.state()[0], 20, f"state {state}")

    def hooks_run(self):
        file = self.dir / "hooks"
        return file.read_text().split() if file.exists() else []


@pytest.fixture
def world(request, tmp_path):
    """Nothing recovers by itself: no filter names the cluster."""
    hooks = {name: [f"echo {name} >>{tmp_path}/hooks"] for name in HOOKS}
    more = {name: [value.replace("DIR", str(tmp_path))] if name in HOOKS else value for name, value in getattr(request, "param", {}).items()}
    with Raftd(config={"InstancePollSeconds": 5, **hooks, **more}) as raftd:
        yield World(raftd, tmp_path)


def with_config(**keys):
    return pytest.mark.parametrize("world", [keys], indirect=True)


WAITS_IN_A_HOOK = with_config(PreFailoverProcesses="until [ -e DIR/go ]; do sleep 0.05; done; ! [ -e DIR/no ]")


def refused(code, call, *args, **more):
    with pytest.raises(Refused) as told:
        call(*args, **more)
    assert told.value.code == -CODES[code], told.value
    return str(told.value)


def replays(world):
    """What the choice was made on, dropped into the golden tests, gives the same choice."""
    text = world.raftd.ask("RECOVERY_INPUT", recovery_uid="asked-a~b")["text"]
    assert " chosen_us=" in text
    cases = world.dir / "cases"
    cases.mkdir()
    (cases / "incident.txt").write_text(text)
    subprocess.run([build_dir() / "tests/golden/recovery/golden_recovery", cases, "--update"], timeout=60)  # 1: not all reasons occur
    assert "=> choice: promote r1:3306" in (cases / "incident.txt").read_text()


def expect_figures(world, **expected):
    """Told once a second; pending: counted as often."""
    def told():
        world.prober.poll()
        found = {name: world.raftd.metrics.get("recover.pending" if name == "pending" else f"recover.dead_master.{name}") for name in expected}
        if found != expected:
            raise AssertionError(found)
        return True

    wait_until(told, 20, "the figures", interval=0.1)


def test_a_recovery_is_asked_for(world):
    refused("NOT_FOUND", world.recover)
    refused("NOT_FOUND", world.recover, key=key("nobody"))
    as_if = world.recover(dry_run=True)["text"].split("\n")
    assert as_if[:3] == ["analysis: NoProblem", "not now: source:3306 is not dead", "choice: promote r1:3306"], as_if
    world.kill()
    plan = world.recover(dry_run=True)["text"].split("\n")
    assert plan[:3] == ["analysis: DeadMaster", "not by itself: RecoverMasterClusterFilters does not name the cluster",
                        "choice: promote r1:3306"], plan
    assert any(line.startswith("loss: ") for line in plan) and "promote:" in plan and "repoint:" in plan
    assert "  r2:3306: comes later by name" in plan
    assert world.statements() == [] == world.hooks_run() == world.raftd.rows("SELECT * FROM topology_recovery")
    assert world.recover(uid="a/b")["keys"] == [R1]
    assert world.sources == {"r1": None, "r2": "r1", "r3": "r1"} and world.writable == {"source", "r1"}
    assert world.hooks_run() == list(HOOKS[:3])
    assert world.raftd.rows("SELECT uid, is_successful, successor_hostname FROM topology_recovery") == [("asked-a~b", 1, "r1")]
    # the same change again: its outcome; its name for another one is refused
    assert world.recover(uid="a/b")["keys"] == [R1]
    refused("INVALID", world.recover, uid="a/b", key=R2)
    assert len(world.raftd.rows("SELECT * FROM topology_recovery")) == 1
    refused("PRECONDITION", world.abort, "asked-a~b")
    # nobody follows it any more
    wait_until(lambda: world.prober.poll() or world.raftd.rows("SELECT count(*) FROM database_instance WHERE master_host = 'r1'") == [(2,)], 20,
               "the new rows", interval=0.1)
    assert refused("PRECONDITION", world.recover).startswith("DeadMasterWithoutReplicas: ")
    assert len(world.raftd.rows("SELECT * FROM topology_recovery")) == 1
    refused("NOT_FOUND", world.abort, "none")
    expect_figures(world, start=1, success=1, fail=0, pending=0)
    assert all(world.raftd.metrics[f"recover.time.{state}"] > 0 for state in ("hooks", "fence", "choose", "promote", "repoint", "ending"))
    assert world.raftd.metrics["recover.time.restore"] == 0 < world.raftd.metrics["detect.failures"]
    replays(world)
    text = world.raftd.ask("RECOVERY_INPUT", recovery_uid="asked-a~b", beginning=True)["text"]
    assert [line.split()[0] for line in text.split("\n")[:-1]] == ["recovery", "policy", "failed", "server", "server", "server"]
    assert " forced=1" in text and "skip_hooks" not in text
    refused("NOT_FOUND", world.raftd.ask, "RECOVERY_INPUT", recovery_uid="none")


def test_without_hooks_and_with_a_candidate(world):
    world.kill()
    assert "choice: promote r3:3306" in world.recover(candidate=R3, dry_run=True)["text"]
    # what keeps it from beginning by itself does not count
    world.raftd.ask("SET_GLOBAL_RECOVERIES", enabled=False)
    world.raftd.ask("BEGIN_DOWNTIME", key=SOURCE, owner="me", reason="x")
    assert "not by itself: recoveries are disabled globally" in world.recover(dry_run=True)["text"]
    assert world.recover(candidate=R3, skip_hooks=True)["keys"] == [R3]
    assert world.sources == {"r1": "r3", "r2": "r3", "r3": None} and world.hooks_run() == []


def test_asked_for_twice(world):
    """As a historical client script does. The new source was read since, its replicas were not: nobody else is promoted."""
    world.kill()
    assert world.recover()["keys"] == [R1]
    for k in (R2, R3):  # as slow as they can be
        world.prober.found(k, {"log_bin_enabled": True, "log_replica_updates": True, "binlog_format": "ROW", "server_id": 10 + int(k["hostname"][1]),
                               "read_only": True, "sql_thread_state": 1, "io_thread_state": 2, "sql_running": True, "using_mariadb_gtid": True},
                           source_host="source", source_port=3306, channels=1, gtid_current_pos="0-1-9", last_io_errno=2003)
        world.raftd.ask("DISCOVER", key=k, mode=0)
    world.raftd.ask("DISCOVER", key=R1, mode=0)
    assert "r1:3306 has taken its place already (recovery " in refused("PRECONDITION", world.recover)
    assert world.writable == {"source", "r1"} and len(world.raftd.rows("SELECT * FROM topology_recovery")) == 1


def test_a_candidate_that_cannot_be(world):
    world.kill()
    reply = world.recover(candidate=key("nobody"))
    assert (reply["keys"], reply["message"]) == (
        [], "nobody may be promoted: nobody:3306 cannot be promoted: it is no server of this cluster; everything is as it was")
    assert world.writable == {"source"}


@WAITS_IN_A_HOOK
def test_one_at_a_time(world):
    """Whoever asks for another one meanwhile is told; the first one goes on. One that waits no longer is told as well."""
    world.kill()
    first = world.ask(uid="one")
    world.wait_state("hooks")
    assert "another recovery of the cluster is running " in refused("BUSY", world.recover)
    assert "is still under way (hooks)" in refused("TIMEOUT", world.recover, uid="one", deadline_us=1)
    (world.dir / "go").touch()
    assert world.raftd.answer(first, 30)["keys"] == [R1]


@WAITS_IN_A_HOOK
def test_what_a_hook_forbids_is_not_attempted(world):
    (world.dir / "no").touch()
    (world.dir / "go").touch()
    world.kill()
    assert refused("PRECONDITION", world.recover) == "a hook of PreFailoverProcesses failed"
    assert world.statements() == [] == world.hooks_run()


@WAITS_IN_A_HOOK
def test_an_abort_before_anything_was_done(world):
    world.kill()
    asked = world.ask()
    assert world.abort(world.wait_state("hooks"))["message"] == "asked by an operator"
    assert refused("PRECONDITION", world.raftd.answer, asked) == "asked by an operator"
    assert world.statements() == [] == world.hooks_run() and world.state()[1] == "undone"


@WAITS_IN_A_HOOK
def test_an_abort_of_one_whose_leader_is_gone(world):
    """Whether its server is dead is not known yet, and nobody asks any more."""
    world.kill()
    world.ask(uid="once")
    uid = world.wait_state("hooks")
    world.prober.answering = False
    world.raftd.kill()
    world.raftd.start()
    assert world.abort(uid)["message"] == "the leader is gone, and the failure is not confirmed"
    assert world.state() == (uid, "undone") and world.statements() == []


@with_config(PromotionOnPossibleLoss="wait:600", AuditToBackendDB=True)
def test_an_abort_undoes_what_was_changed(world):
    world.kill()
    asked = world.ask(uid="x")
    uid = world.wait_state("wait")
    assert world.abort(uid, "gromit")["keys"] == []
    reply = world.raftd.answer(asked)
    assert (reply["keys"], reply["message"]) == ([], "asked by an operator: by gromit; everything is as it was") and world.state()[1] == "undone"
    assert world.raftd.rows("SELECT all_errors FROM topology_recovery") == [("asked by an operator: by gromit\neverything is as it was",)]
    said = [m for m, in world.raftd.rows("SELECT message FROM topology_recovery_steps")]
    assert len([m for m in said if re.search(": (wait|choose): abort, asked by an operator: by gromit$", m)]) == 1, said  # news: choose
    wait_until(lambda: world.raftd.rows("SELECT message FROM audit WHERE audit_type = 'abort-recovery'") ==
               [(f"recovery {uid}, by gromit: asked by an operator",)], 20, "its line in the audit")
    assert world.recover(uid="x")["message"] == reply["message"]
    assert set(world.sources.values()) == {"source"} and world.writable == {"source"}
    assert world.hooks_run() == ["PreFailoverProcesses", "PostUnsuccessfulFailoverProcesses"]
    expect_figures(world, start=1, success=0, fail=1, pending=0)
    assert world.raftd.metrics["recover.time.wait"] > 0 < world.raftd.metrics["recover.time.restore"]


def test_an_abort_that_comes_too_late(world):
    """The candidate may be writable: the recovery goes on, and who asked for it hears how it ended."""
    sent = []
    world.special["set-writable"] = lambda step: sent.append(step)
    world.kill()
    asked = world.ask()
    uid = world.wait_state("promote")
    wait_until(lambda: sent, 20, "the step")
    assert "can not be aborted any more" in refused("PRECONDITION", world.abort, uid)
    del world.special["set-writable"]
    world.carry_out("r1", "set-writable", sent[0])
    same = {name: sent[0][name] for name in ("recovery_uid", "term", "number", "key")}
    world.raftd.send("p0", "STEP_RESULT", **same, sent=True)
    assert world.raftd.answer(asked, 30)["keys"] == [R1]


@WAITS_IN_A_HOOK
def test_raftd_dies_and_is_asked_again(world):
    """The answer to the first request is lost; the recovery is not."""
    world.kill()
    world.ask(uid="once")
    world.wait_state("hooks")
    world.raftd.kill()
    (world.dir / "go").touch()
    world.raftd.start()
    wait_until(lambda: world.prober.poll() or world.state()[1] in ("done", "undone"), 60, "its end", interval=0.2)
    if world.state()[1] == "done":
        assert world.recover(uid="once")["keys"] == [R1]
    else:  # the failure was not found again in time
        refused("PRECONDITION", world.recover, uid="once")
    assert len(world.raftd.rows("SELECT * FROM topology_recovery")) == 1


# --- whole nodes ------------------------------------------------------------------------------------------------------


def place(address):
    return address.replace(":", "/")


def test_what_is_well_is_not_recovered():
    with Fleet(4, 3) as fleet, Node(seeds=fleet.sources, config={"InstancePollSeconds": 1}) as node:
        node.wait_instances(fleet.addresses)
        source, replica = fleet.addresses[:2]
        host, port = source.split(":")
        for path in (f"recover/{place(source)}", f"recover-lite/{place(source)}", f"recover/{place(source)}/{place(replica)}",
                     f"recover/{place(source)}?skipProcesses=true"):
            answer = node.get(f"/api/{path}")
            assert (answer.status, answer.json()) == (500, {"Code": "ERROR", "Message": "Recovery not attempted",
                                                            "Details": {"Hostname": host, "Port": int(port)}}), path
        assert node.get("/api/recover/nobody/3306").json()["Message"] == "Recovery not attempted"
        assert node.get("/api/recover/nobody/x").status == 500 == node.get("/api/recover/nobody/3306?dry-run=true").status
        plan = node.api(f"recover/{place(source)}?dry-run=true")
        assert (plan["Code"], plan["Message"]) == ("OK", "Dry run: nothing was changed")
        assert plan["Details"][:2] == ["analysis: NoProblem", f"not now: {source} is not dead"]
        assert node.request("POST", f"/api/recover/{place(source)}").json()["Message"] == "Recovery not attempted"
        assert "there is no recovery none" in node.get("/api/abort-recovery/none").json()["Message"]
        assert node.get("/api/recovery-input/none").status == 500 == node.get(f"/api/recovery-input/{'x' * 200}").status
        # the command prints nothing, and that is no error; the client says so
        done = node.command("-c", "recover", "-i", source)
        assert (done.stdout, done.returncode) == ("", 0)
        done = node.command("-c", "recover-lite", "-i", source, "-d", replica, "-noop")
        assert done.stdout.split("\n")[:2] == plan["Details"][:2]
        done = node.client("-c", "recover", "-i", source, check=False)
        assert done.returncode == 1 and "Recovery not attempted" in done.stderr
        assert node.api("audit-recovery") == []
        node.stop()
        done = node.command("-c", "recover", "-i", source, check=False)
        assert done.returncode == 1 and "only a running service recovers" in done.stderr


def test_large_plans_are_told_whole():
    """A source with 64 replicas, each with its lines; longer than what raftd's messages used to hold."""
    with Fleet(65, 64) as fleet, Node(seeds=fleet.sources) as node:
        node.wait_instances(fleet.addresses)
        lines = node.api(f"recover/{place(fleet.sources[0])}?dry-run=true")["Details"]
        assert sum(map(len, lines)) > 4096
        assert all(any(address in line for line in lines) for address in fleet.addresses[1:])
