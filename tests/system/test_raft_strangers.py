"""Real nodes and those who are none: RaftUseTLS with every wrong certificate, and plain strangers with and without it."""

import os
import socket
import ssl

import pytest

from chaos_faults import RAFT_PORT, place
from netns import Net
from pki import Pki
from strangers import RAFT, frame, hello, only_a_refusal, read_all
from waiting import wait_until

HOSTS = ("n1", "n2", "n3")


@pytest.fixture(scope="module")
def net():
    with Net(*HOSTS) as made:
        yield made


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


def node_cert(pki, file, *names, **how):
    return pki.issue(file, names[0], names, usage="serverAuth,clientAuth", **how)


def tls_keys(cert):
    return {"RaftUseTLS": True, "RaftTLSCAFile": str(cert.ca), "RaftTLSCertFile": str(cert.cert), "RaftTLSKeyFile": str(cert.key)}


def group_of(net, new_group, cert_of=None):
    group = new_group(places=[place(net, host) for host in HOSTS], config={"Debug": False}, started=0)
    for node, host in zip(group, HOSTS):
        node.configure(**(tls_keys(cert_of(host)) if cert_of else {}))
        node.start_raft()
    return group


@pytest.fixture
def tls_group(net, new_group, pki):
    group = group_of(net, new_group, lambda host: node_cert(pki, host, net.ip(host)))
    group.wait_leader()
    yield group
    assert works(group)
    assert all("RaftUseTLS is off" not in node.log_text() for node in group)


@pytest.fixture
def plain_group(net, new_group):
    group = group_of(net, new_group)
    group.wait_leader()
    yield group
    assert works(group)


def works(group):
    """Everybody takes part, whoever has knocked."""
    leader = group.wait_leader()
    assert group.others(leader)[0].get("/api/tag/10.9.0.1/3306?tag=a%3Db", timeout=10).status == 200
    return group.wait_same()


def knock(node, cert=None, what=None):
    """What the node sends to a TLS client with this certificate who then says hello; handshake included in the trust."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if cert:
        context.load_cert_chain(cert.cert, cert.key)
    with socket.create_connection((node.host, RAFT_PORT), timeout=10) as raw:
        try:
            with context.wrap_socket(raw) as s:
                s.sendall(what or hello(name=node.name))
                return read_all(s)
        except (ssl.SSLError, ConnectionError, BrokenPipeError):
            return b""


def member_hello(group, node):
    """As if another member of the group said it."""
    return hello(name=group.others(node)[0].name, cluster_id=node.info()["ClusterId"], state=3)


def test_a_group_with_tls_works_and_survives_its_leader(tls_group):
    leader = tls_group.wait_leader()
    leader.kill()
    tls_group.wait_leader(among=tls_group.others(leader))
    leader.start_raft()
    assert works(tls_group)


def test_tls_strangers_get_nothing(tls_group, net, pki):
    node = tls_group[0]
    strangers = {
        "no certificate": None,
        "foreign name": node_cert(pki, "elsewhere", "elsewhere.example"),
        "expired": node_cert(pki, "expired-node", net.ip("n2"), dates=("20200101000000Z", "20200201000000Z")),
        "another authority": node_cert(Pki(pki.directory / "another", "another CA"), "n2", net.ip("n2")),
        "not for clients": pki.issue("server-only", net.ip("n2"), [net.ip("n2")], usage="serverAuth"),
    }
    for what, cert in strangers.items():
        assert knock(node, cert, member_hello(tls_group, node)) == b"", what
    with socket.create_connection((node.host, RAFT_PORT), timeout=10) as s:
        s.sendall(member_hello(tls_group, node))
        assert len(read_all(s)) <= 7  # an alert of TLS


def test_a_node_with_a_wrong_certificate_does_not_get_in(tls_group, net, pki):
    """One of the members itself comes back with another's certificate: the others go on without it, and it says why."""
    leader = tls_group.wait_leader()
    node = tls_group.others(leader)[0]
    node.stop()
    node.configure(**tls_keys(node_cert(pki, "elsewhere", "elsewhere.example")))
    node.start_raft()
    node.wait_log("RaftTLSCertFile")
    wait_until(lambda: any("made out to" in other.log_text() for other in tls_group.others(node)), 15, "a refusal in the others' logs")
    wait_until(lambda: node.get("/api/raft-health").status == 500, 10, "raft-health 500 of the node that is out")
    assert node.get("/api/leader-check").status == 404
    assert tls_group.wait_leader(among=tls_group.others(node)).change("tag/10.9.0.1/3306?tag=a%3Dc").status == 200
    node.stop()
    host = HOSTS[tls_group.nodes.index(node)]
    node.configure(**tls_keys(node_cert(pki, host, net.ip(host))))
    node.start_raft()
    wait_until(node.healthy, 20, "the node with its own certificate")


def test_plain_strangers_get_a_refusal_at_most(plain_group):
    node = plain_group[0]
    wrong = {"not a member": hello(name="stranger:1"), "garbage": os.urandom(64), "http": b"GET / HTTP/1.1\r\n\r\n",
             "raft without a hello": frame(RAFT, b"x" * 100),
             "another group": hello(name=plain_group[1].name, cluster_id="0" * 32, state=3)}
    for what, data in wrong.items():
        with socket.create_connection((node.host, RAFT_PORT), timeout=10) as s:
            s.sendall(data)
            answer = read_all(s)
        assert len(answer) <= 1100, what
        if answer:
            only_a_refusal(answer)
