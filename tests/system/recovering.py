"""Recoveries with real servers: three nodes and a primary with replicas, on hosts of their own, whose primary is replaced again and again.

    with Cluster(new_group, tmp_path, "mariadb") as c:
        c.source.kill(); …
        c.expect_one_source(); c.put_back()       # the old source becomes a replica of the new one
"""

import os
import pathlib
import re
import signal

import procs
from netns import Net
from raftnodes import RaftNode
from sandbox import Sandbox
from waiting import wait_until

SOON = 60  # on a slow machine, with elections in it
NODES = ("orc1", "orc2", "orc3")
HOOKS = ("PreFailoverProcesses", "PostMasterFailoverProcesses", "PostFailoverProcesses", "PostUnsuccessfulFailoverProcesses")
OVER = ("done", "undone")


class HaltingNode(RaftNode):
    """Its raftd stops itself at a point of a recovery: tests/fixture/halting."""

    program_dirs = ("tests/fixture/halting", *RaftNode.program_dirs)

    def halt_at(self, what, name, claim):
        (self.dir / "halt-at").write_text(f"{what} {name} {claim}\n")


class Cluster:
    """servers: as Sandbox has them, without the flavour, "a" being the primary."""

    def __init__(self, new_group, tmp_path, flavor, servers="a > b, a > c", config=None, options=None):
        self.names = sorted(set(re.findall(r"\w+", servers)))
        self.net = Net("db", *NODES)
        try:
            places = {name: self.net.place("db", 3306 + i) for i, name in enumerate(self.names)}
            self.servers = Sandbox(f"{flavor}: {servers}", places=places, options=options or {})
            self.hook_log = tmp_path / "hooks"
            hooks = {key: [f"echo {key} {{recoveryUID}} >> {self.hook_log}"] for key in HOOKS}
            self.source, self.number = self.servers["a"], 0
            self.group = new_group(
                places=[{**self.net.place(n, 3000), "raft_port": 10008} for n in NODES], node_class=HaltingNode,
                config={"DiscoverySeeds": [self.source.address], "RecoverMasterClusterFilters": ["*"], **hooks, **(config or {})})
            self.group.wait_leader()
            self.source.sql("create database was; create table was.here (n int primary key)")
            self.wait_ready()
        except BaseException:
            self.close()
            raise

    def close(self):
        if hasattr(self, "servers"):
            self.servers.destroy()
        self.net.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            for server in self.servers:
                print(f"{server} is {server.state}; its log:\n{server.log_tail(12000 if server.state == 'down' else 3000)}")
        self.group.stop()  # while its network is there
        self.close()

    def __iter__(self):
        return iter(self.servers)

    def replicas(self):
        return [s for s in self.servers if s is not self.source]

    # -- data

    def write(self, server=None):
        self.number += 1
        (server or self.source).sql(f"insert into was.here values ({self.number})")

    def has_all(self, server):
        return server.value("select count(*) from was.here") == str(self.number)

    def catch_up(self):
        for server in self.servers:
            wait_until(lambda: self.has_all(server), SOON, f"{server} to have everything")

    # -- what is known

    def wait_ready(self):
        """Every node knows the servers as they are."""
        self.write()
        self.catch_up()
        for node in self.group:
            known = node.wait_instances([s.address for s in self.servers], SOON)
            assert set(known) == {s.address for s in self.servers}

            def right():
                for i in node.api("all-instances"):
                    own, source = (f"{i[k]['Hostname']}:{i[k]['Port']}" for k in ("Key", "MasterKey"))
                    expected = (":0", False, False) if own == self.source.address else (self.source.address, True, True)
                    if (source, i["ReadOnly"], i["Slave_IO_Running"] and i["Slave_SQL_Running"]) != expected:
                        raise AssertionError(i)
                return True

            wait_until(right, SOON, f"{node.name} to know how they replicate")

    def recoveries(self, node):
        """[(uid, state)]"""
        return node.query("SELECT uid, state FROM recovery_machine ORDER BY began")

    def running(self, node):
        found = [(uid, state) for uid, state in self.recoveries(node) if state not in OVER]
        assert len(found) <= 1, found
        return found

    def wait_over(self, before, why="", nodes=None):
        """Until a recovery that was not there before is over for all of these nodes; [(uid, state)] of the new ones, in order."""
        def over():
            seen = [self.recoveries(node) for node in nodes or self.group]
            new = [[r for r in found if r[0] not in before] for found in seen]
            if not new[0] or any(state not in OVER for found in seen for _, state in found) or any(n != new[0] for n in new):
                raise AssertionError(new)
            return new[0]

        return wait_until(over, SOON, f"the end of the recovery {why}", interval=0.1)

    def hooks(self, uid):
        return [line.split()[0] for line in self.hook_log.read_text().splitlines() if line.split()[1] == uid] if self.hook_log.exists() else []

    def state(self):
        return {s.name: (s.state, s.state == "running" and s.value("select @@global.read_only"), s.state == "running" and s.replication())
                for s in self.servers}

    def writable(self):
        return [s for s in self.servers if s.state == "running" and s.value("select @@global.read_only") == "0"]

    # -- afterwards

    def wait_new_source(self, old):
        self.source = wait_until(lambda: [s for s in self.writable() if s is not old], SOON, f"a new source instead of {old}")[0]
        return self.source

    def expect_one_source(self, *apart):
        """One is writable, and what is written there arrives at the rest of those that run, but for these."""
        self.write()
        for server in self.servers:
            if server.state == "running" and server not in apart:
                wait_until(lambda: self.has_all(server), SOON, f"{server} to follow {self.source}")
        wait_until(lambda: self.writable() == [self.source], SOON, f"{self.source} to be the only one that is writable")

    def put_back(self, old, start=True):
        """The old source comes back, is fenced, and becomes a replica of the new one."""
        if start:
            old.start()
        wait_until(lambda: self.writable() == [self.source], SOON, f"{old} to be fenced")
        self.follow(old)
        self.settle()

    def settle(self):
        """Nothing of the last recovery counts any more."""
        leader = self.group.wait_leader()
        leader.change("ack-all-recoveries?comment=seen")
        for server in self.servers:
            leader.change(f"end-downtime/{server.host}/{server.port}")
        self.wait_ready()

    def follow(self, server):
        if server.flavor.name == "mariadb":
            server.sql("stop slave; reset slave all; set global gtid_slave_pos = @@global.gtid_binlog_pos")
        server.replicate_from(self.source)
        server.wait_replicating()


def stopped(pid):
    return procs.alive(pid) and procs.stopped(pid)


def signal_all(pids, number):
    for pid in pids:
        os.kill(pid, number)


def host_of(net, node):
    return next(n for n in NODES if net.ip(n) == node.host)


def points(root):
    """[(kind, name)] of the tables of raftd."""
    def names(path, macro):
        return re.findall(rf'^{macro}\(\w+, "?([\w-]+)"?', (pathlib.Path(root) / "raftd" / path).read_text(), re.M)

    return ([("state", name) for name in names("recovery/rd_fsm.def", "STATE")] +
            [("result", name) for name in names("recovery/rd_phase.def", "PHASE")] +
            [("hooks", name) for name in names("hooks/rd_hook.def", "RD_HOOK_LIST") if name in HOOKS])


SIGCONT, SIGSTOP = signal.SIGCONT, signal.SIGSTOP
