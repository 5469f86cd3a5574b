"""The links between the processes of a node while these are killed at any moment, under load: each link is back within 2 s, and
both of its ends agree on which process is at the other one.

How the test knows: at level debug each process logs when a link goes up or down, with its own generation and the other's. Which
generations run is what the supervisor logged last. ORC_KILLS=N kills N times instead of some dozens; the supervisor allows 30 ends by
signal of each process within a minute, so many kills take a while."""

import collections
import os
import pathlib
import random
import re
import subprocess
import threading
import time

import pytest

import ports
from node import build_dir
from waiting import wait_until

KILLS = int(os.environ.get("ORC_KILLS", 40))
SERVERS = 400
BACK_SECONDS = 2.0
PER_MINUTE = 28
VICTIMS = [("raftd", 0), ("prober", 0), ("apid", 0), ("raftd", 0), ("prober", 1), ("apid", 0)]
STARTED = re.compile(r"started (\w+) pid=(\d+) generation=(\d+)$")
LINK = re.compile(r"link is (up|down)(?: \((.*)\))? link=(.+) generation=(\d+) peer=(\d+)$")


class Log:
    """The node's log as it grows: who runs, and which links are up, as (link, own generation, the other's)."""

    def __init__(self, node):
        self.file = open(node.log, errors="replace")
        self.rest, self.running, self.generations = "", {}, {}
        self.up, self.ups, self.downs = {}, collections.Counter(), collections.Counter()

    def read(self):
        *lines, self.rest = (self.rest + self.file.read()).split("\n")
        for line in lines:
            if found := STARTED.search(line):
                self.running[found[1]] = int(found[2]), int(found[3])
                self.generations[int(found[3])] = found[1]
            elif (found := LINK.search(line)) and found[3] != "lifeline" and int(found[4]) in self.generations:
                end = found[3], int(found[4]), int(found[5])
                if found[1] == "up":
                    self.up[end] = True
                    self.ups[end] += 1
                else:
                    self.up.pop(end, None)
                    self.downs[end] += 1

    def missing(self):
        """Ends of links that are to be up."""
        self.read()
        raftd, apid = self.running["raftd"][1], self.running["apid"][1]
        wanted = [("apid", raftd, apid), ("raftd", apid, raftd), ("events", apid, raftd)]
        for slot in (0, 1):
            prober = self.running[f"prober{slot}"][1]
            wanted += [(f"prober {slot}", raftd, prober), ("raftd", prober, raftd)]
        return [end for end in wanted if end not in self.up]

    def wait_links(self, deadline):
        def none_missing():
            if left := self.missing():
                raise AssertionError(f"down: {left}, running: {self.running}")
            return True
        wait_until(none_missing, deadline, "all links", interval=0.01)

    def check_ends_agree(self):
        """Each end went up once, and down once at most: when the other process ended."""
        self.read()
        alive = {generation for _, generation in self.running.values()}
        assert set(self.ups.values()) == {1} and set(self.downs.values()) <= {1}, (self.ups, self.downs)
        for end in self.downs:
            assert self.ups[end] == 1 and end[2] not in alive, end
        for end in self.up:  # never told of the end: only who did not live to see it
            assert end[2] in alive or end[1] not in alive, end


class Load(threading.Thread):
    """Changes and look-ups of one client; failures are what kills do, and the business of test_kill.py."""

    def __init__(self, node, number):
        super().__init__(daemon=True)
        self.node, self.number, self.done, self.stopped = node, number, 0, threading.Event()

    def run(self):
        while not self.stopped.is_set():
            try:
                self.node.request("POST", f"/api/tag/db{self.number}/3306?tag=t={self.done}", timeout=5)
                self.done += 1
            except OSError:
                self.stopped.wait(0.01)


class Pace:
    """Not more kills of a process than the supervisor takes for the work of somebody outside."""

    def __init__(self):
        self.kills = collections.defaultdict(lambda: collections.deque(maxlen=PER_MINUTE))

    def wait(self, name):
        kills = self.kills[name]
        if len(kills) == PER_MINUTE:
            time.sleep(max(0.0, kills[0] + 60 - time.monotonic()))
        kills.append(time.monotonic())


@pytest.fixture
def servers():
    """Well-behaved servers, one per address of this machine."""
    holder = pathlib.Path("/tmp") / f"orchestrator-links-{os.getpid()}"
    holder.mkdir()
    port = ports.reserve(holder)[0]
    fake = subprocess.Popen([build_dir() / "tests/unit/prober/fakemysqld", str(port)])
    yield [f"127.0.{4 + n // 250}.{1 + n % 250}:{port}" for n in range(SERVERS)]
    fake.kill()
    fake.wait()
    holder.rmdir()


def sockets(node):
    return sorted(p.name for p in (node.dir / "run").rglob("*") if p.is_socket())


def open_files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def kill(log, name, pace):
    """Whoever has this name now; None when it has ended already."""
    pace.wait(name)
    log.read()
    try:
        os.kill(log.running[name][0], 9)
    except ProcessLookupError:
        pass


def wait_started(log, name, former):
    def started():
        log.read()
        return log.running[name][1] != former
    wait_until(started, 5, f"{name} started again", interval=0.005)


def test_links_are_back_after_each_kill(new_node, servers):
    node = new_node(seeds=servers, config={"ProberProcesses": 2})
    log, pace, rng = Log(node), Pace(), random.Random(20261122)
    log.wait_links(10)
    wait_until(lambda: len(node.api("all-instances")) >= SERVERS, 30, "servers discovered")
    loads = [Load(node, number) for number in range(4)]
    for load in loads:
        load.start()
    slowest = collections.Counter()
    for round_ in range(KILLS):
        role, slot = VICTIMS[round_ % len(VICTIMS)]
        name = f"{role}{slot}" if role == "prober" else role
        generation = log.running[name][1]
        kill(log, name, pace)
        if rng.random() < 0.35:  # again, while it starts or greets
            wait_started(log, name, generation)
            time.sleep(rng.random() * 0.1)
            generation = log.running[name][1]
            kill(log, name, pace)
        killed = time.monotonic()
        wait_started(log, name, generation)
        log.wait_links(10)
        slowest[role] = max(slowest[role], time.monotonic() - killed)
        time.sleep(rng.random() * 0.1)  # any moment
    before = sum(load.done for load in loads)
    wait_until(lambda: sum(load.done for load in loads) > before + 10, 10, "changes to be made")
    for load in loads:
        load.stopped.set()
        load.join(10)
    print(f"slowest: {dict(slowest)}")
    assert max(slowest.values()) < BACK_SECONDS * (2 if node.sanitized else 1), slowest
    log.check_ends_agree()
    raftd, apid = log.running["raftd"][1], log.running["apid"][1]
    assert sockets(node) == sorted([f"a.{raftd}.{apid}", f"e.{raftd}.{apid}", "ctl",
                                    *(f"p{n}.{raftd}.{log.running[f'prober{n}'][1]}" for n in (0, 1))])


def test_a_restarting_neighbour_costs_no_descriptors(new_node):
    """raftd has the sockets of every prober and apid that there was, one after the other."""
    node = new_node(config={"ProberProcesses": 2})
    log, pace = Log(node), Pace()
    log.wait_links(10)
    pid = log.running["raftd"][0]
    before = open_files(pid)
    for name in ["prober0", "prober1", "apid"] * 5:
        generation = log.running[name][1]
        kill(log, name, pace)
        wait_started(log, name, generation)
        log.wait_links(10)
    assert log.running["raftd"][0] == pid
    wait_until(lambda: open_files(pid) <= before, 5, "raftd to have as many open files as at first")
