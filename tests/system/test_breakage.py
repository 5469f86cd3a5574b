"""The node as an operator has it at 3 a.m.: black holes, dead networks, full and locked servers, another server under an old name,
processes that die while servers come and go, what is left in log and memory. Real servers; what is promised is a time, so each wait has that time as its deadline."""

import contextlib
import datetime
import os
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import threading
import time

import pytest

import procs
from flavors import PROBE_PASSWORD, PROBE_USER, REPL_PASSWORD, REPL_USER
from netns import RULES, Net
from relay import Relay
from sandbox import Sandbox
from waiting import wait_until
from wallclock import WallClock
from watching import BUSY, PING, POLL, QUIET_LOG, intervals, key, log_lines, valid, wait_invalid, wait_valid

SEEDS = range(1, 1 + int(os.environ.get("ORC_BREAKAGE_SEEDS", "1")))  # of the tests that choose at random


def probe_threads(server):
    """Connections of ours, as the server counts them."""
    rows = server.sql(f"SELECT id AS id FROM information_schema.processlist WHERE user='{PROBE_USER}'")
    return [row["id"] for row in rows]


def kill_probe(server):
    for thread in probe_threads(server):
        with contextlib.suppress(RuntimeError):  # gone meanwhile
            server.sql(f"KILL {thread}")


# -- black holes


class Hole:
    """A port that never greets: mute ones take the connection, silent ones drop what comes to them (a listener whose queue is full)."""

    def __init__(self, host, port, silent):
        self.address = f"{host}:{port}"
        self.sockets = [socket.create_server((host, port), backlog=0 if silent else 100)]
        for _ in range(3 if silent else 0):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex((host, port))
            self.sockets.append(s)

    def close(self):
        for s in self.sockets:
            s.close()


def p95(values):
    return sorted(values)[int(0.95 * len(values))]


def test_black_holes_delay_nobody(new_node, mariadb):
    """20 healthy servers beside 200 black holes: all are probed as often as without them, and nobody else waits either."""
    seconds = 8
    with contextlib.ExitStack() as stack:
        relays = [stack.enter_context(Relay(("127.0.0.1", mariadb[n].port))) for n in "cd" for _ in range(10)]
        holes = [stack.enter_context(contextlib.closing(Hole(f"127.66.{kind}.{i}", 3306, silent=kind == 1)))
                 for kind in (1, 2) for i in range(1, 101)]
        node = new_node(seeds=[f"127.0.0.1:{r.port}" for r in relays] + [hole.address for hole in holes],
                        config={**QUIET_LOG, "DiscoverByShowSlaveHosts": False, "DiscoveryIgnoreMasterHostnameFilters": ["."]})
        wait_until(lambda: len(node.api("all-instances")) == 220, 20, "all to be known")
        begun, checks = time.monotonic(), []
        while time.monotonic() < begun + seconds:
            asked = time.monotonic()
            assert node.get("/api/leader-check").status == 200
            checks.append(time.monotonic() - asked)
            time.sleep(0.05)
        for relay in relays:
            found = intervals([relay], begun, begun + seconds)
            assert len(found) >= seconds / POLL - 2 and found[-1] < POLL + BUSY, found
        found = intervals(relays, begun, begun + seconds)
        assert p95(found) < 1.2 * POLL and abs(statistics.median(found) - POLL) < 0.1 * POLL, found
        assert p95(checks) < 0.1, sorted(checks)
        assert len(node.api("problems")) == 200
        asked = time.monotonic()  # a new server is not delayed either
        late = stack.enter_context(Relay(("127.0.0.1", mariadb["c"].port)))
        assert node.api(f"discover/127.0.0.1/{late.port}")["Code"] == "OK"
        assert time.monotonic() - asked < 1
        for hole in holes:
            said = [line for line in log_lines(node) if f'instance="{hole.address}"' in line]
            assert len(said) == 1 and "evidence=timed_out" in said[0], said


# -- networks


@pytest.fixture
def far():
    """A primary and two replicas, each on a host of its own, and a host for the node."""
    with Net("a", "b", "c", "orc") as net, Sandbox("mariadb: a > b, a > c", places={n: net.place(n) for n in "abc"}) as made:
        yield net, made


def in_host(net, name, *command):
    subprocess.run(["ip", "netns", "exec", net.netns(name), *command], check=True)


def reject(net, name, how):
    in_host(net, name, "nft", "add", "rule", *RULES.split()[1:], "in", "ip", "saddr", net.ip("orc"), "tcp", "dport", "3306",
            "reject", "with", *how.split())


def test_dead_networks_are_reported_and_heal(new_node, far):
    net, servers = far
    connect = 1
    node = new_node(seeds=[servers["a"].address], place=net.place("orc", 3000), config={"MySQLConnectTimeoutSeconds": connect})
    node.wait_instances([s.address for s in servers])
    a, b, c = servers
    # an unanswered ping (or probe) first, then a fresh connect: each may take the connect timeout
    unanswered = max(PING, POLL) + 2 * connect + BUSY
    for victim, fault, deadline in (
        (a, lambda: net.silence("a", 3306), unanswered),
        (b, lambda: net.silence("b", 3306), unanswered),
        (a, lambda: reject(net, "a", "tcp reset"), PING + BUSY),
        (a, lambda: reject(net, "a", "icmp host-unreachable"), unanswered),
        (b, lambda: in_host(net, "b", "ip", "link", "set", "eth0", "down"), unanswered),
    ):
        fault()
        wait_invalid(node, victim, deadline)
        assert valid(node, c)
        net.heal()
        in_host(net, victim.name, "ip", "link", "set", "eth0", "up")
        wait_valid(node, victim, 2 * POLL + connect + BUSY)
    in_host(net, "c", "ip", "link", "delete", "eth0")  # the machine is gone
    wait_invalid(node, c, unanswered)
    # our own network: everything is reported, nothing crashes, everything returns
    in_host(net, "orc", "ip", "link", "set", "eth0", "down")
    in_host(net, "orc", "ip", "link", "set", "eth0", "up")
    wait_until(lambda: valid(node, a) and valid(node, b), 2 * POLL + 3 * connect, "what is reachable again")


class InvalidWatch(threading.Thread):
    """How long each server is reported invalid, at most, while this runs."""

    def __init__(self, node):
        super().__init__(daemon=True)
        self.node, self.since, self.worst, self.done = node, {}, {}, threading.Event()

    def run(self):
        while not self.done.is_set():
            for i in self.node.api("all-instances"):
                name, now = i["Key"]["Port"], time.monotonic()
                if i["IsLastCheckValid"]:
                    self.since.pop(name, None)
                else:
                    self.worst[name] = max(self.worst.get(name, 0), now - self.since.setdefault(name, now))
            time.sleep(0.02)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.join(10)


def test_all_connections_lost_at_once_condemn_nobody(new_node, mariadb):
    with contextlib.ExitStack() as stack:
        def relays(name, count):
            return [stack.enter_context(Relay(("127.0.0.1", mariadb[name].port))) for _ in range(count)]

        sources, others = relays("a", 8), relays("d", 40)
        seeds = [f"127.0.0.1:{r.port}" for r in others + sources]
        node = new_node(seeds=seeds, config={**QUIET_LOG, "ProberProcesses": 1})
        node.wait_instances(seeds + [s.address for s in mariadb])
        marked = len(node.api("all-instances"))
        with InvalidWatch(node) as watch:
            reset = time.monotonic()
            for relay in others + sources:
                relay.reset()
            wait_until(lambda: all(r.accepts[-1] > reset for r in others + sources), 3 * POLL, "all to be connected again")
            again = {r: next(t for t in r.accepts if t > reset) - reset for r in others + sources}
            for server in mariadb:
                kill_probe(server)
            wait_until(lambda: all(probe_threads(s) for s in mariadb), 3 * POLL, "connections after KILL")
        assert max(watch.worst.values(), default=0) < POLL, watch.worst
        assert max(again[r] for r in sources) < statistics.median(again[r] for r in others), sorted(again.values())
        assert len(node.api("all-instances")) == marked
        warnings = [line for line in node.log_text().splitlines() if "many connections were lost" in line]
        assert 1 <= len(warnings) <= 6, warnings
        assert "does not answer" not in node.log_text()


# -- servers that answer, but with no


def unlock(server):
    if server.flavor.name == "mysql":
        return f"ALTER USER {PROBE_USER}@'%' IDENTIFIED BY '{PROBE_PASSWORD}' ACCOUNT UNLOCK"
    return f"SET PASSWORD FOR {PROBE_USER}@'%' = PASSWORD('{PROBE_PASSWORD}'); ALTER USER {PROBE_USER}@'%' ACCOUNT UNLOCK"


def hold_connection(server):
    return subprocess.Popen([*server.flavor.client_command(), "--no-defaults", "--protocol=TCP", f"--host={server.host}",
                             f"--port={server.port}", f"--user={REPL_USER}", "--execute=SELECT SLEEP(60)"], stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "MYSQL_PWD": REPL_PASSWORD})


def check_refusal(node, server, *texts):
    """A refusing server is reported as such: alive, and why; in the log and to who asks."""
    kill_probe(server)
    wait_invalid(node, server, 2 * POLL)
    answer = node.get(f"/api/discover/{key(server)}")
    assert answer.status == 500 and all(t.lower() in answer.json()["Message"].lower() for t in (server.address, *texts)), answer
    line = log_lines(node, server)[-1]
    assert "evidence=answered" in line and "does not answer" not in line, line
    assert all(t.lower() in line.lower() for t in texts), line


def test_a_refusing_server_is_alive_and_says_why(new_node, servers):
    node = new_node(seeds=[servers["a"].address], config=QUIET_LOG)
    node.wait_instances([s.address for s in servers])
    d = servers["d"]
    grants = "; ".join(f"GRANT {grant} TO {PROBE_USER}@'%'" for grant in d.flavor.probe_grants)
    for refuse, mend, texts in (
        (f"ALTER USER {PROBE_USER}@'%' ACCOUNT LOCK", unlock(d), ["locked"]),
        (f"ALTER USER {PROBE_USER}@'%' PASSWORD EXPIRE", unlock(d), ["password"]),
        (f"ALTER USER {PROBE_USER}@'%' IDENTIFIED BY 'another'", unlock(d), ["access denied", PROBE_USER]),
        (f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {PROBE_USER}@'%'", grants, ["access denied", "privilege"]),
    ):
        d.sql_unlogged([refuse])
        try:
            check_refusal(node, d, *texts)
        finally:
            d.sql_unlogged([mend])
        wait_valid(node, d, 2 * POLL + BUSY)
    assert PROBE_PASSWORD not in node.log_text()


@contextlib.contextmanager
def full(server):
    """No place left on the server, nor the extra one that administrators have; our connection is killed."""
    thread = probe_threads(server)[0]
    held = [hold_connection(server) for _ in range(13)]
    root = subprocess.Popen([*server.flavor.client_command(), "--no-defaults", f"--socket={server.socket}", "--user=root",
                             "--unbuffered"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        wait_until(lambda: int(server.value(f"SELECT COUNT(*) FROM information_schema.processlist WHERE user='{REPL_USER}'")) >= 13,
                   10, "connections to be held")
        root.stdin.write(f"SET GLOBAL max_connections=10; KILL {thread};\n")
        root.stdin.flush()
        yield
        root.communicate("SET GLOBAL max_connections=200;\n", timeout=10)
    finally:
        for process in (*held, root):
            process.kill()
            process.wait()


def test_a_full_server_is_alive(new_node, servers):
    node = new_node(seeds=[servers["a"].address], config=QUIET_LOG)
    node.wait_instances([s.address for s in servers])
    d = servers["d"]
    with full(d):
        wait_invalid(node, d, 3 * POLL)
        answer = node.get(f"/api/discover/{key(d)}")
        assert answer.status == 500 and "Too many connections" in answer.json()["Message"]
        line = log_lines(node, d)[-1]
        assert "evidence=answered" in line and "errno=1040" in line and "does not answer" not in line, line
        assert "last_check_invalid" in node.instance(d)["Problems"]
    wait_valid(node, d, 2 * POLL + BUSY)


# -- servers that change


def test_another_server_on_the_same_port(new_node):
    """Also of the other flavour: nothing of the old one stays, and the log says so."""
    with Sandbox("mysql: a > c; mariadb: x") as servers:
        a, c, x = servers
        node = new_node(seeds=[a.address], config=QUIET_LOG)
        node.wait_instances([a.address, c.address])
        node.configure(DiscoverySeeds=[])
        x.shutdown()
        x.spec.port = c.port
        c.kill()
        x.start()

        def is_x():
            shown = node.instance(c)
            seen = [shown[k] for k in ("ServerID", "ServerUUID", "ReplicationDepth", "ClusterName", "ExecutedGtidSet", "AncestryUUID")]
            assert seen == [x.spec.server_id, "", 0, c.address, "", ""], seen
            assert shown["FlavorName"] == "MariaDB" and shown["MasterKey"]["Port"] == 0
            assert not node.api(f"instance-replicas/{key(a)}")
            return True

        wait_until(is_x, 3 * POLL, "the other server to be shown")
        assert any(re.search(r"another server.*server_id=\d+ former_server_id=\d+", line) for line in log_lines(node, c))
        x.kill()
        c.start()
        wait_until(lambda: node.instance(c)["ReplicationDepth"] == 1 and node.instance(c)["ServerUUID"], 3 * POLL, "the old one again")


# -- processes


@pytest.mark.parametrize("seed", SEEDS)
def test_processes_die_and_stop_while_servers_come_and_go(new_node, mariadb, seed):
    node = new_node(seeds=[mariadb["a"].address], config=QUIET_LOG)
    addresses = [s.address for s in mariadb]
    node.wait_instances(addresses)
    rng = random.Random(seed)
    faults = [(child, number) for child in ("raftd", "prober", "apid") for number in (signal.SIGKILL, signal.SIGSTOP)]
    rng.shuffle(faults)
    for child, number in faults:
        server = mariadb[rng.choice("bcd")]
        if server.state == "down":
            server.start()
        else:
            server.kill()
        pid = node.signal_child(child, number)
        node.wait_child_replaced(child, pid, 12)
        node.wait_leader(12)
    down = [s.address for s in mariadb if s.state == "down"]
    wait_until(lambda: {f"{i['Key']['Hostname']}:{i['Key']['Port']}" for i in node.api("all-instances") if not i["IsLastCheckValid"]}
               == set(down), 10, f"exactly {down} to be reported")
    for server in mariadb:
        if server.address in down:
            server.start()
    node.wait_instances(addresses, 10)
    wait_until(lambda: node.client("-c", "topology", "-i", addresses[0]).stdout.count("0s,ok,") == 4, 10, "all to replicate again")
    errors = [line for line in node.log_text().splitlines() if " ERROR " in line]
    assert len(errors) == 3 and all("no sign of life" in line for line in errors), errors


def test_killed_supervisor_and_an_older_file(new_node, mariadb):
    node = new_node(seeds=[mariadb["a"].address], config=QUIET_LOG)
    addresses = [s.address for s in mariadb]
    node.wait_instances(addresses)
    assert node.client("-c", "tag", "-i", addresses[0], "-t", "old=1").returncode == 0
    node.stop()
    older = node.dir / "older"
    older.mkdir()
    for file in node.dir.glob("orchestrator.sqlite3*"):
        shutil.copy(file, older)
    node.start()
    assert node.client("-c", "tag", "-i", addresses[0], "-t", "new=1").returncode == 0
    node.kill()
    node.wait_all_gone(3)
    node.start()
    node.wait_instances(addresses, 10)
    assert node.api(f"tags/{key(mariadb['a'])}") == ["new=1", "old=1"]
    node.stop()
    for file in node.dir.glob("orchestrator.sqlite3*"):
        file.unlink()
    for file in older.iterdir():
        shutil.copy(file, node.dir)
    mariadb["d"].kill()
    node.start()
    wait_until(lambda: [valid(node, s) for s in mariadb] == [True, True, True, False], 10, "the truth in place of an older file's")
    assert node.api(f"tags/{key(mariadb['a'])}") == ["old=1"]


def test_a_wall_clock_that_jumps(new_node, mariadb, tmp_path):
    """Nobody is reported or forgotten, whatever the clock says; what is due by the clock (a downtime's end) happens."""
    clock = WallClock(tmp_path)
    node = new_node(seeds=[mariadb["a"].address], config=QUIET_LOG, env=clock.env)
    addresses = [s.address for s in mariadb]
    node.wait_instances(addresses)
    node.configure(DiscoverySeeds=[])
    for name, duration in (("b", "1h"), ("c", "90d")):
        answer = node.client("-c", "begin-downtime", "-i", mariadb[name].address, "-r", "why", "-u", duration)
        assert answer.returncode == 0, answer

    def one_is_over():
        answer = node.client("-c", "downtimed")
        assert answer.stdout == f"{mariadb['c'].address}\n", answer
        return True

    with InvalidWatch(node) as watch:
        for offset in ("+30d", "-400d", "+0", "-1h"):
            clock.jump(offset)
            jumped = time.time() + {"+30d": 30, "-400d": -400, "+0": 0, "-1h": -1 / 24}[offset] * 86400

            def seen():
                shown = node.wait_instances(addresses, 1)
                dates = [datetime.datetime.fromisoformat(i["LastSeenTimestamp"] + "+00:00").timestamp() for i in shown.values()]
                assert all(jumped <= date + 1 < jumped + 20 for date in dates), dates
                return all(i["IsRecentlyChecked"] for i in shown.values())

            wait_until(seen, 3 * POLL, f"the time after {offset}")
            assert node.get("/api/leader-check").status == 200
            # the shorter one ends in the month that goes by, as soon as somebody looks at the clock
            wait_until(one_is_over, 5, "one downtime of two")
    assert not watch.worst, watch.worst
    clock.jump("-400d")
    node.restart()  # on a file from the future
    assert len(node.api("all-instances")) == 4
    node.wait_instances(addresses, 3 * POLL)
    assert node.client("-c", "tag", "-i", addresses[0], "-t", "x=1").returncode == 0
    assert " ERROR " not in node.log_text() and "forgotten" not in node.log_text()


# -- what is left behind: log, memory


def test_the_log_tells_the_story(new_node, mariadb):
    """Default level; any time zone; one server goes and comes back; another one never answers."""
    node = new_node(seeds=[mariadb["a"].address, "127.66.9.9:1"], config=QUIET_LOG, env={"TZ": "Asia/Tokyo"})
    addresses = [s.address for s in mariadb]
    wait_until(lambda: sum(i["IsLastCheckValid"] for i in node.api("all-instances")) == 4, 10, "the servers to be found")
    node.wait_log(r"WARNING raftd\[\d+\] discover: seed: server does not answer instance=\"127\.66\.9\.9:1\" evidence=refused")
    started = len(log_lines(node))
    assert started <= 14, node.log_text()
    victim = mariadb["c"]
    victim.kill()
    wait_invalid(node, victim, 2 * POLL)
    time.sleep(4 * POLL)  # in which nothing more is said
    victim.start()
    wait_valid(node, victim, 3 * POLL)
    story = log_lines(node)[started:]
    assert len(story) == 2, story
    # a killed server resets what reaches it until its sockets are gone
    assert re.search(rf"NOTICE raftd\[\d+\] probe: server does not answer instance={victim.address} evidence=(?:refused|reset) errno=\d+ error=", story[0])
    assert re.search(rf"NOTICE raftd\[\d+\] probe: server answers again instance={victim.address} after_s=[4-7]\b", story[1]), story
    for line in log_lines(node):
        stamp = time.strptime(line[:19], "%Y-%m-%d %H:%M:%S")
        assert abs(time.mktime(stamp) - time.timezone - time.time()) < 120, f"not UTC: {line}"
    assert PROBE_PASSWORD not in node.log_text()
    assert len(addresses) == 4


def usage(pid):
    """(private memory in KiB, descriptors, threads)."""
    with open(f"/proc/{pid}/smaps_rollup") as f:
        private = sum(int(line.split()[1]) for line in f if line.startswith(("Private_Dirty:", "Swap:")))
    return private, len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{pid}/task"))


def test_a_node_that_is_poked_does_not_grow(new_node, mariadb):
    # apid keeps a sample of each discovery for as long as that: with the default, 120 s, it would grow all the way
    node = new_node(seeds=[mariadb["a"].address], config={**QUIET_LOG, "DiscoveryCollectionRetentionSeconds": 1})
    node.wait_instances([s.address for s in mariadb])
    a, k = mariadb["a"].address, key(mariadb["a"])
    paths = ["all-instances", "clusters", "clusters-info", f"cluster/{a}", f"topology/{k}", f"topology-tabulated/{a}", "problems",
             f"instance/{k}", f"instance-replicas/{k}", "search/127", "health", "leader-check", f"refresh/{k}", f"discover/{k}",
             "discover/127.0.0.1/1", f"tags/{k}", "audit", "downtimed", "async-discover/127.0.0.1/2", "relocate/a/1/b/2", "nonsense",
             "../metrics", "../debug/metrics"]

    def poke(seconds):
        begun, count = time.monotonic(), 0
        while time.monotonic() - begun < seconds:
            for path in paths:
                node.get(f"/api/{path}")
                count += 1
        return count

    poke(4)
    before = {pid: usage(pid) for pid in node.processes()}
    count = poke(8)
    assert count > 300
    for pid, (memory, files, threads) in before.items():
        now = usage(pid)
        who = f"{procs.name(pid)}: {(memory, files, threads)} before, {now} after {count} requests"
        assert node.sanitized or now[0] <= memory + 256, who  # sanitizers keep what was freed
        assert now[1] <= files + 4 and now[2] <= threads + 4, who
