"""The node as an operator has it at 3 a.m.: black holes, dead networks, full and locked servers, topologies moved by hand, processes
that die while servers come and go. Real servers; what is promised is a time, so each wait has that time as its deadline."""

import contextlib
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
from waiting import Timeout, wait_until

POLL = 1.0  # the fixture's InstancePollSeconds
PING = 1.0  # interval of pings: PR_SCHED_PING_MS
BUSY = 0.7  # what a busy machine may add to a time
QUIET_LOG = {"Debug": False}  # the default level


def key(server):
    return f"{server.host}/{server.port}"


def valid(node, server):
    return node.instance(server)["IsLastCheckValid"]


def all_valid(node):
    return all(i["IsLastCheckValid"] for i in node.api("all-instances"))


def wait_valid(node, server, deadline=10):
    wait_until(lambda: valid(node, server), deadline, f"{server} to be seen again")


def wait_invalid(node, server, deadline):
    wait_until(lambda: not valid(node, server), deadline, f"{server} to be reported", interval=0.01)


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


def intervals(relays, since, until):
    """Between two probes, of all relays together."""
    found = []
    for relay in relays:
        times = [t for t in list(relay.bursts) if since <= t <= until]
        found += [b - a for a, b in zip(times, times[1:])]
    return sorted(found)


def p95(values):
    return values[int(0.95 * len(values))]


def watch_intervals(node, relays, seconds):
    """(p95 of the probes' intervals, p95 of leader-check's time) while this many seconds pass."""
    begun, checks = time.monotonic(), []
    while time.monotonic() < begun + seconds:
        asked = time.monotonic()
        assert node.get("/api/leader-check").status == 200
        checks.append(time.monotonic() - asked)
        time.sleep(0.05)
    found = intervals(relays, begun, begun + seconds)
    assert len(found) >= len(relays) * (seconds / POLL - 2), f"{len(found)} intervals in {seconds} s"
    return p95(found), p95(sorted(checks))


def test_black_holes_delay_nobody(new_node, mariadb):
    with contextlib.ExitStack() as stack:
        relays = [stack.enter_context(Relay(("127.0.0.1", mariadb[n].port))) for n in "cd" for _ in range(10)]
        well = [f"127.0.0.1:{r.port}" for r in relays]
        node = new_node(seeds=well, config={**QUIET_LOG, "DiscoverByShowSlaveHosts": False, "DiscoveryIgnoreMasterHostnameFilters": ["."]})
        node.wait_instances(well)
        before, _ = watch_intervals(node, relays, 5)
        node.stop()
        holes = [stack.enter_context(contextlib.closing(Hole(f"127.66.{kind}.{i}", 3306, silent=kind == 1)))
                 for kind in (1, 2) for i in range(1, 101)]
        node.configure(DiscoverySeeds=well + [hole.address for hole in holes])
        node.start()
        wait_until(lambda: len(node.api("all-instances")) == 220, 20, "the black holes to be known")
        after, leader_check = watch_intervals(node, relays, 10)
        assert after < 1.2 * before, (before, after)
        assert leader_check < 0.1, leader_check
        assert len(node.api("problems")) == 200
        asked = time.monotonic()  # a new server is not delayed either
        with Relay(("127.0.0.1", mariadb["c"].port)) as late:
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


@pytest.fixture(params=["mariadb", "mysql"])
def pair(request):
    with Sandbox(f"{request.param}: a > b") as made:
        yield made


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


def test_a_refusing_server_is_alive_and_says_why(new_node, pair):
    node = new_node(seeds=[pair["a"].address], config=QUIET_LOG)
    node.wait_instances([s.address for s in pair])
    b = pair["b"]
    grants = "; ".join(f"GRANT {grant} TO {PROBE_USER}@'%'" for grant in b.flavor.probe_grants)
    for refuse, mend, texts in (
        (f"ALTER USER {PROBE_USER}@'%' ACCOUNT LOCK", unlock(b), ["locked"]),
        (f"ALTER USER {PROBE_USER}@'%' PASSWORD EXPIRE", unlock(b), ["password"]),
        (f"ALTER USER {PROBE_USER}@'%' IDENTIFIED BY 'another'", unlock(b), ["access denied", PROBE_USER]),
        (f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {PROBE_USER}@'%'", grants, ["access denied", "privilege"]),
    ):
        b.sql_unlogged([refuse])
        check_refusal(node, b, *texts)
        b.sql_unlogged([mend])
        wait_valid(node, b, 2 * POLL + BUSY)
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


def test_a_full_server_is_alive(new_node, pair):
    node = new_node(seeds=[pair["a"].address], config=QUIET_LOG)
    node.wait_instances([s.address for s in pair])
    b = pair["b"]
    with full(b):
        wait_invalid(node, b, 3 * POLL)
        answer = node.get(f"/api/discover/{key(b)}")
        assert answer.status == 500 and "Too many connections" in answer.json()["Message"]
        line = log_lines(node, b)[-1]
        assert "evidence=answered" in line and "errno=1040" in line and "does not answer" not in line, line
        assert "last_check_invalid" in node.instance(b)["Problems"]
    wait_valid(node, b, 2 * POLL + BUSY)


# -- servers that change


def test_another_server_on_the_same_port(new_node):
    """Also of the other flavour: nothing of the old one stays, and the log says so."""
    with Sandbox("mysql: a > b, a > c; mariadb: x") as servers:
        a, b, c, x = servers
        node = new_node(seeds=[a.address], config=QUIET_LOG)
        node.wait_instances([s.address for s in (a, b, c)])
        node.configure(DiscoverySeeds=[])
        c.shutdown()
        x.shutdown()
        x.spec.port = c.port
        x.start()

        def is_x():
            shown = node.instance(c)
            seen = [shown[k] for k in ("ServerID", "ServerUUID", "ReplicationDepth", "ClusterName", "ExecutedGtidSet", "AncestryUUID")]
            assert seen == [x.spec.server_id, "", 0, c.address, "", ""], seen
            assert shown["FlavorName"] == "MariaDB" and shown["MasterKey"]["Port"] == 0
            assert len(node.api(f"instance-replicas/{key(a)}")) == 1
            return True

        wait_until(is_x, 3 * POLL, "the other server to be shown")
        assert any(re.search(r"another server.*server_id=\d+ former_server_id=\d+", line) for line in log_lines(node, c))
        x.shutdown()
        c.start()
        wait_until(lambda: node.instance(c)["ReplicationDepth"] == 1 and node.instance(c)["ServerUUID"], 3 * POLL, "the old one again")


class Moved:
    """Two clusters whose servers are moved by hand."""

    def __init__(self, flavor, stack, new_node):
        self.servers = stack.enter_context(Sandbox(f"{flavor}: a > b > c, a > d; {flavor}: x > y"))
        self.node = new_node(seeds=[self.servers["a"].address, self.servers["x"].address], config=QUIET_LOG)
        self.node.wait_instances([s.address for s in self.servers])
        self.names = {s.address: s.name for s in self.servers}

    def name(self, instance_key):
        return self.names.get(f"{instance_key['Hostname']}:{instance_key['Port']}", "")

    def shown(self):
        """{name: "source depth cluster"}, with a * at co-sources."""
        return {self.name(i["Key"]): f"{self.name(i['MasterKey'])} {i['ReplicationDepth']} "
                                     f"{self.names.get(i['ClusterName'])}{'*' if i['IsCoMaster'] else ''}"
                for i in self.node.api("all-instances")}

    def expect(self, drawing=None, **expected):
        """Within two polls; drawing: names of servers in order, as drawn, lines separated by |."""
        def right():
            shown = self.shown()
            assert {n: shown[n] for n in expected} == expected
            if drawing:
                lines = self.node.api(f"topology/{key(self.servers[drawing[-1]])}")["Details"].split("\n")
                heads = [line.split("[")[0].rstrip() for line in lines]
                for address, name in self.names.items():
                    heads = [head.replace(address, name) for head in heads]
                assert heads == drawing.split("|"), heads
            return True

        wait_until(right, 2 * POLL + BUSY, f"{expected}")

    def repoint(self, name, source):
        server = self.servers[name]
        if server.replication():
            server.sql(server.flavor.stop_replica)
        server.replicate_from(self.servers[source])

    def promote(self, name):
        flavor = self.servers[name].flavor
        self.servers[name].sql(f"{flavor.stop_replica}; {flavor.stop_replica.replace('STOP', 'RESET')} ALL; SET GLOBAL read_only=0")


@pytest.mark.parametrize("flavor", ["mariadb", "mysql"])
def test_topologies_moved_by_hand_are_followed(new_node, flavor):
    with contextlib.ExitStack() as stack:
        world = Moved(flavor, stack, new_node)
        world.expect(a=" 0 a", b="a 1 a", c="b 2 a", d="a 1 a", x=" 0 x", y="x 1 x")
        world.repoint("c", "a")
        world.expect(c="a 1 a")
        world.repoint("c", "b")
        world.repoint("d", "c")  # a chain of 4
        world.expect("a|+ b|  + c|    + d", a=" 0 a", b="a 1 a", c="b 2 a", d="c 3 a")
        world.repoint("b", "x")  # a subtree into another cluster
        world.expect("x|+ b|  + c|    + d|+ y" if world.servers["b"].port < world.servers["y"].port else None,
                     a=" 0 a", b="x 1 x", c="b 2 x", d="c 3 x")
        assert {i["ClusterName"]: i["CountInstances"] for i in world.node.api("clusters-info")} == {
            world.servers["a"].address: 1, world.servers["x"].address: 5}
        world.promote("b")
        world.expect("b|+ c|  + d", a=" 0 a", b=" 0 b", c="b 1 b", d="c 2 b", x=" 0 x")
        world.repoint("b", "a")
        world.expect(b="a 1 a", c="b 2 a", d="c 3 a")
        world.repoint("a", "b")  # co-sources
        world.expect(a="b 0 a*", b="a 1 a*", c="b 2 a", d="c 3 a")
        world.promote("a")
        world.expect("a|+ b|  + c|    + d", a=" 0 a", b="a 1 a", c="b 2 a", d="c 3 a")
        world.repoint("a", "d")  # a ring of 4
        world.expect(a="d 0 a", b="a 1 a", c="b 2 a", d="c 3 a")
        world.promote("a")
        world.expect("a|+ b|  + c|    + d", a=" 0 a", b="a 1 a", c="b 2 a", d="c 3 a")
        assert sorted(world.node.api("clusters")) == sorted(world.servers[n].address for n in "ax")
        assert world.node.api("problems") in (None, [])
        moves = [line for line in log_lines(world.node, world.servers["b"]) if "another source" in line]
        assert [re.search(r"source=\"(\S+)\" former_source=\"(\S+)\"", line).groups() for line in moves[:2]] == [
            (world.servers["x"].address, world.servers["a"].address), ("none", world.servers["x"].address)]


def test_errant_transactions(new_node, mysql):
    node = new_node(seeds=[mysql["a"].address])
    node.wait_instances([s.address for s in mysql])
    mysql["a"].sql("CREATE DATABASE errant_base")
    mysql.catch_up("a")
    c = mysql["c"]
    uuid = c.value("SELECT @@server_uuid")
    had = int((re.search(rf"{uuid}:1-?(\d*)", c.executed_gtids()) or [0, 0])[1] or 0)
    c.sql("SET GLOBAL super_read_only=0; CREATE DATABASE errant_on_c; DROP DATABASE errant_on_c")
    try:
        wait_until(lambda: node.instance(c)["GtidErrant"] == f"{uuid}:1-{had + 2}", 3 * POLL, "the errant transactions")
        assert node.instance(c)["Problems"] == ["errant_gtid"]
        assert [p["Key"]["Port"] for p in node.api("problems")] == [c.port]
        assert node.client("-c", "which-gtid-errant", "-i", c.address).stdout == f"{uuid}:1-{had + 2}\n"
        assert "GTID:errant]" in node.client("-c", "topology", "-i", c.address).stdout
    finally:  # others use these servers after us
        mysql["a"].sql(f"DROP DATABASE errant_base; SET gtid_next='{uuid}:{had + 1}'; BEGIN; COMMIT; SET gtid_next='{uuid}:{had + 2}';"
                       "BEGIN; COMMIT; SET gtid_next='AUTOMATIC'")
        mysql.catch_up("a")
    wait_until(lambda: not node.instance(c)["GtidErrant"], 3 * POLL, "nothing to be errant any more")


# -- processes


@pytest.mark.parametrize("seed", [1, 2])
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


# -- what is left behind: log, memory


def log_lines(node, server=None):
    lines = node.log_text().splitlines()
    return [line for line in lines if re.search(rf"instance={re.escape(server.address)}\b", line)] if server else lines


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
    begun = time.monotonic()
    wait_until(lambda: time.monotonic() - begun > 10 * POLL, 12, "ten polls to pass")
    victim.start()
    wait_valid(node, victim, 3 * POLL)
    story = log_lines(node)[started:]
    assert len(story) == 2, story
    assert re.search(rf"NOTICE raftd\[\d+\] probe: server does not answer instance={victim.address} evidence=refused errno=\d+ error=", story[0])
    assert re.search(rf"NOTICE raftd\[\d+\] probe: server answers again instance={victim.address} after_s=1[0-4]\b", story[1]), story
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
    node = new_node(seeds=[mariadb["a"].address], config=QUIET_LOG)
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

    poke(6)
    before = {pid: usage(pid) for pid in node.processes()}
    count = poke(14)
    assert count > 500
    for pid, (memory, files, threads) in before.items():
        now = usage(pid)
        who = f"{procs.name(pid)}: {(memory, files, threads)} before, {now} after {count} requests"
        assert now[0] <= memory + 256, who
        assert now[1] <= files + 4 and now[2] <= threads + 4, who


# -- commands


def commands(a, b, c, k):
    """(client's arguments, its output, command's arguments, its output); None: that one does not have it. client-commands.md, cli.md"""
    everything = f"{a}\n{b}\n{c}\n"
    i, yes, no = f"-i {b}", f"{b}\n", ""
    return [
        ("clusters", f"{a}\n", "clusters", f"{a}\n"),
        ("clusters-alias", f"{a},shop\n", "clusters-alias", f"{a}\tshop\n"),
        ("all-instances", everything, "all-instances", everything),
        ("all-clusters-masters", f"{a}\n", "all-clusters-masters", f"{a}\n"),
        ("dominant-dc", "dc1\n", None, None),
        (f"search -i {b.split(':')[1]}", yes, f"search -pattern {b.split(':')[1]}", yes),
        (None, None, f"find -pattern ^127.*:{b.split(':')[1]}$", yes),
        (f"instance {i}", yes, f"which-instance {i}", yes),
        (f"which-master {i}", f"{a}\n", f"which-master {i}", f"{a}\n"),
        (f"which-master -i {a}", ":0\n", f"which-master -i {a}", no),
        (f"which-replicas -i {a}", f"{b}\n{c}\n", f"which-slaves -i {a}", f"{b}\n{c}\n"),
        (f"which-broken-replicas -i {a}", no, None, None),
        (f"which-cluster-instances {i}", everything, f"which-cluster-instances {i}", everything),
        (f"which-cluster {i}", f"{a}\n", f"which-cluster {i}", f"{a}\n"),
        ("which-cluster -a shop", f"{a}\n", "which-cluster -alias shop", f"{a}\n"),
        (f"which-cluster-alias {i}", "shop\n", f"which-cluster-alias {i}", "shop\n"),
        (None, None, f"which-cluster-domain {i}", "\n"),
        (f"which-cluster-master {i}", f"{a}\n", f"which-cluster-master {i}", f"{a}\n"),
        (f"is-replicating {i}", yes, f"is-replicating {i}", yes),
        (f"is-replicating -i {c}", no, f"is-replicating -i {c}", no),
        (f"is-replication-stopped -i {c}", f"{c}\n", f"is-replication-stopped -i {c}", f"{c}\n"),
        (f"is-replication-stopped {i}", no, f"is-replication-stopped {i}", no),
        (f"which-gtid-errant {i}", "\n", None, None),
        (f"async-discover {i}", ":null\n", None, None),
        (f"discover {i}", yes, f"discover {i}", yes),
        (f"tag {i} -t role=x", yes, f"tag {i} -tag role=x", yes),
        (f"tags {i}", "role=x\n", f"tags {i}", "role=x\n"),
        (f"tag-value {i} -t role", "x\n", f"tag-value {i} -tag role", "x\n"),
        ("tagged -t role=x", yes, "tagged -tag role=x", yes),
        (f"untag {i} -t role", yes, f"tag {i} -tag role=x", yes),
        (f"untag {i} -t role", yes, f"untag {i} -tag role", no),
        (f"begin-downtime {i} -r why -o me -u 1h", yes, f"begin-downtime {i} -reason why -duration 1h", yes),
        ("downtimed", yes, "which-downtimed-instances", yes),
        (f"downtimed -i {a}", yes, f"which-downtimed-instances -i {a}", yes),
        (None, None, "which-lost-in-recovery", no),
        (f"end-downtime {i}", yes, f"end-downtime {i}", yes),
        ("downtimed", no, "which-downtimed-instances", no),
        (f"register-candidate {i} -R prefer", yes, f"register-candidate {i} -promotion-rule must_not", yes),
        ("api -P clusters", f'[ "{a}" ]\n', None, None),
        (f"forget -i {c}", no, None, None),
        (f"discover -i {c}", f"{c}\n", f"forget -i {c}", f"{c}\n"),
        (None, None, f"discover -i {c}", f"{c}\n"),
    ]


def test_every_command_that_is_served(new_node):
    with Sandbox("mysql: a > b, a > c") as servers:
        a, b, c = servers
        node = new_node(seeds=[a.address], config={**QUIET_LOG, "ClusterNameToAlias": {"127": "shop"}, "DetectDataCenterQuery": "SELECT 'dc1'"})
        node.wait_instances([s.address for s in servers])
        wait_until(lambda: node.api("clusters-info")[0]["ClusterAlias"] == "shop", 10, "the alias")
        c.sql("STOP REPLICA")
        wait_until(lambda: node.instance(c)["ReplicationIOThreadState"] == 0, 3 * POLL, "the stopped replica to be seen")
        for client, client_prints, command, command_prints in commands(a.address, b.address, c.address, key(b)):
            for run, line, expected in ((node.client, client, client_prints), (node.command, command, command_prints)):
                if line:
                    done = run("-c", *line.split())
                    assert (done.stdout, done.stderr) == (expected, ""), line
        tree = node.client("-c", "topology", "-i", b.address).stdout
        for name in ("topology", "topology-tabulated", "topology-tags"):
            assert (node.client("-c", name, "-a", "shop").stdout == node.command("-c", name, "-i", b.address).stdout
                    == node.command("-c", name, "-alias", "shop").stdout), name
        assert [line.split()[-2] for line in tree.splitlines()] == [a.address, b.address, c.address]
        block = re.search(rf"{b.address} *(\[.*\])", tree)[1]
        assert node.command("-c", "instance-status", "-i", b.address).stdout == block + "\n"
        for arguments, text in (
            (["-c", "which-instance", "-i", "nowhere:1"], "nowhere:1"),
            (["-c", "topology", "-i", "nowhere:1"], "nowhere:1"),
            (["-c", "discover", "-i", "127.0.0.1:1"], "127.0.0.1:1"),
            (["-c", "relocate", "-i", b.address, "-d", c.address], "Not yet"),
        ):
            for run in (node.client, node.command):
                done = run(*arguments, check=False)
                assert (done.returncode, done.stdout) == (1, "") and text in done.stderr, done


# -- configuration


def reload(node, **keys):
    node.configure(**keys)
    answer = node.get("/api/reload-configuration")
    assert answer.status == 200, answer


def test_the_right_password_by_a_reload(new_node, mariadb):
    node = new_node(seeds=[mariadb["a"].address], config={**QUIET_LOG, "MySQLTopologyPassword": "wrong-secret"})
    addresses = [s.address for s in mariadb]
    node.wait_log(rf"seed: server answers, but cannot be probed instance=.{addresses[0]}. evidence=answered errno=1045 error=.*Access denied", 5)
    reload(node, MySQLTopologyPassword=PROBE_PASSWORD)
    node.wait_instances(addresses, 3 * POLL + BUSY)
    reload(node, MySQLTopologyPassword="wrong-again")  # kept connections are no excuse
    wait_until(lambda: not any(i["IsLastCheckValid"] for i in node.api("all-instances")), 2 * POLL + BUSY, "the password to count")
    reload(node, MySQLTopologyPassword=PROBE_PASSWORD)
    node.wait_instances(addresses, 2 * POLL + BUSY)
    assert "secret" not in node.log_text() and "wrong-again" not in node.log_text()


def test_the_poll_interval_by_a_reload(new_node, mariadb):
    with Relay(("127.0.0.1", mariadb["d"].port)) as relay:
        node = new_node(seeds=[f"127.0.0.1:{relay.port}"], config={"DiscoverByShowSlaveHosts": False})
        for poll in (1, 3, 1):
            node.configure(InstancePollSeconds=poll)
            node.reload()
            begun = time.monotonic()
            wait_until(lambda: (found := intervals([relay], begun + 0.1, begun + 60))[-2:] and abs(found[-1] - poll) < 0.2
                       and abs(found[0] - poll) < poll + 0.2, 4 * poll + 3, f"probes every {poll} s")


def known(node):
    return {i["Key"]["Port"] for i in node.api("all-instances")}


def test_discovery_filters_by_a_reload(new_node, mariadb):
    a, b, c, d = mariadb
    everybody = {s.port for s in mariadb}
    node = new_node(seeds=[a.address])
    node.wait_instances([s.address for s in mariadb])
    for filters, victims in (
        ({"DiscoveryIgnoreReplicaHostnameFilters": [f":{d.port}$"], "DiscoveryIgnoreHostnameFilters": [f":{c.port}$"]}, [c, d]),
        ({"DiscoveryIgnoreMasterHostnameFilters": [f":{a.port}$"]}, [a]),
        ({"DiscoveryIgnoreReplicationUsernameFilters": [f"^{REPL_USER}$"]}, [c]),
    ):
        reload(node, **filters)
        for victim in victims:
            node.api(f"forget/{key(victim)}")
        begun = time.monotonic()  # a forgotten server is not found again for 3 polls
        while time.monotonic() < begun + 4.5 * POLL:
            assert not known(node) & {v.port for v in victims}, filters
            time.sleep(0.2)
        reload(node, **{name: [] for name in filters})
        wait_until(lambda: known(node) == everybody, 3 * POLL, f"everybody without {filters}")
    node.configure(DiscoveryIgnoreHostnameFilters=["("])
    answer = node.get("/api/reload-configuration")
    assert answer.status == 500 and "DiscoveryIgnoreHostnameFilters" in answer.json()["Message"]
    node.wait_instances([s.address for s in mariadb], 5)
