"""A member is its name: all addresses may change at once. And the first discovery of many servers by three nodes."""

import pytest

from fakemysqld import FakeMysqld, answers
from raftnodes import Group, RaftNode
from test_group import tag, tags
from waiting import wait_until


class NamedNode(RaftNode):
    """Sees a /etc/hosts of its own, in a mount namespace."""

    hosts_file = None

    def _command(self, *arguments):
        enter = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', str(self.hosts_file)]
        return [*enter, *super()._command(*arguments)] if arguments[0] == "http" else super()._command(*arguments)


@pytest.fixture
def named(tmp_path, request, artefacts):
    group = Group(3, started=0, node_class=NamedNode)
    for number, node in enumerate(group):
        node.hosts_file = tmp_path / "hosts"
        port = node.name.rpartition(":")[2]
        node.raft_port, node.name = port, f"node{number}.example:{port}"
    group.names = [node.name for node in group]
    with group:
        yield group


def move(group, first):
    """Node number n has the address 127.0.0.<first + n> from now on."""
    lines = [f"127.0.0.{first + number} node{number}.example" for number in range(len(group.nodes))]
    group[0].hosts_file.write_text("127.0.0.1 localhost\n" + "\n".join(lines) + "\n")
    for number, node in enumerate(group):
        node.host = f"127.0.0.{first + number}"
        node.configure(RaftBind=f"{node.host}:{node.raft_port}", RaftAdvertise=node.name, RaftNodes=group.names,
                       ListenAddress=f"{node.host}:{node.port}")


def test_all_addresses_change_at_once(named):
    move(named, 2)
    for node in named:
        node.start_raft()
    tag(named.wait_leader(), "before")
    named.wait_same()
    named.stop()
    move(named, 42)
    for node in named:
        node.start_raft()
    leader = named.wait_leader()
    tag(leader, "after")
    named.wait_same()
    assert tags(leader) == {"before": "x", "after": "x"}
    assert set(leader.members()) == set(named.names)


def test_one_address_changes_while_the_others_run(named):
    move(named, 2)
    for node in named:
        node.start_raft()
    leader = named.wait_leader()
    moved = named.others(leader)[0]
    number = named.nodes.index(moved)
    moved.stop()
    text = moved.hosts_file.read_text().replace(f"127.0.0.{2 + number} ", f"127.0.0.{52 + number} ")
    moved.hosts_file.write_text(text)
    moved.host = f"127.0.0.{52 + number}"
    moved.configure(RaftBind=f"{moved.host}:{moved.raft_port}", ListenAddress=f"{moved.host}:{moved.port}")
    moved.start_raft()
    tag(leader, "after")
    named.wait_same()


def test_first_discovery_of_many_servers_is_a_few_commands(new_group):
    """Three nodes find the same servers; the leader lists each of them once, many in one command."""
    with FakeMysqld() as fake:
        servers = [fake.listen(answers("mariadb_primary")) for _ in range(150)]
        group = new_group(3, config={"DiscoverySeeds": servers, "InstancePollSeconds": 5})
        group.wait_leader()

        def all_listed():
            listed = group[0].query("SELECT count(*) FROM database_instance")[0][0]
            assert listed >= len(servers), listed
            return True

        wait_until(all_listed, 40, "all servers to be listed")
        index, _ = group.wait_same(deadline=40)
        # the first probes are spread over a poll's 5 s, and what is found within 100 ms is one command
        assert index < 8 + len(servers) // 2, f"{index} entries for {len(servers)} servers"
        for node in group:
            figures = node.get("/debug/metrics").json()
            assert figures["raft.link.dropped_full"] == 0
