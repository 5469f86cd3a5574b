"""The node in an operator's hands: topologies moved by hand, every served command, reloads. Real servers; what is promised is a
time, so each wait has that time as its deadline."""

import contextlib
import re
import time

import pytest

from flavors import PROBE_PASSWORD, REPL_USER
from relay import Relay
from sandbox import Sandbox
from waiting import wait_until
from watching import BUSY, POLL, QUIET_LOG, intervals, key, log_lines

# -- topologies


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
        for poll in (2, 1):
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
        wait_until(lambda: known(node) == everybody, 10 * POLL, f"everybody without {filters}")
    node.configure(DiscoveryIgnoreHostnameFilters=["("])
    answer = node.get("/api/reload-configuration")
    assert answer.status == 500 and "DiscoveryIgnoreHostnameFilters" in answer.json()["Message"]
    node.wait_instances([s.address for s in mariadb], 5)
