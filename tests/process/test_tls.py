"""The HTTP API over TLS: whose certificate is taken, units of certificates, reloads, and those who begin a handshake and
never end it. Real apids; one whole node whose key is asked for at the terminal, and one group of three."""

import base64
import contextlib
import http.client
import json
import os
import pathlib
import pty
import random
import re
import socket
import ssl
import subprocess
import time
import warnings

import pytest

from apid_driven import Apid, Scripted, reply
from node import Node
from pki import Pki
from raftnodes import RaftNode
from waiting import wait_until

RAFT = {"RaftEnabled": True, "RaftDataDir": "/nonexistent"}
READ, CHANGE = "/api/clusters", "/api/enable-global-recoveries"
SHAKE_S = 5  # AP_SHAKE_MS
SHAKES_MAX = 512
LONG = json.dumps(["x" * 1000] * 5000)


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


def https(cert, **more):
    return {"UseSSL": True, "SSLCertFile": str(cert.cert), "SSLPrivateKeyFile": str(cert.key), "SSLCAFile": str(cert.ca), **more}


def trusting(ca, cert=None):
    context = ssl.create_default_context(cafile=ca)
    if cert:
        context.load_cert_chain(cert.cert, cert.key)
    return context


@pytest.fixture
def new_apid():
    with contextlib.ExitStack() as stack:
        def make(config, **how):
            apid = stack.enter_context(Apid({**RAFT, **config}, **how))
            return apid.play(apid) if how.get("tls") else apid

        yield make


@pytest.fixture
def apid(new_apid, pki):
    return new_apid(https(pki.server()), tls=trusting(pki.ca))


def connect(apid):
    return socket.create_connection(("localhost", apid.port), timeout=10)


def ended(connection, deadline=0.0):
    """Has the server closed it?"""
    connection.settimeout(deadline or 0.01)
    try:
        return connection.recv(1) == b""
    except (TimeoutError, BlockingIOError):
        return False
    except OSError:
        return True


# -- certificates

def test_https_and_nothing_else(apid):
    for _ in range(2):
        assert (apid.get("/api/lb-check").status, apid.get("/api/lb-check").body) == (200, '"OK"')
    keep = http.client.HTTPSConnection("localhost", apid.port, timeout=10, context=apid.tls)
    for _ in range(3):  # one connection, several requests
        keep.request("GET", "/debug/metrics")
        assert keep.getresponse().read().startswith(b"{")
    keep.close()
    with connect(apid) as plain:
        plain.sendall(b"GET /api/lb-check HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"400 Bad Request" in plain.makefile("rb").readline()
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with connect(apid) as s, pytest.raises(OSError):
        old.wrap_socket(s)
    with connect(apid) as s, apid.tls.wrap_socket(s, server_hostname="localhost") as tls:
        assert tls.version() == "TLSv1.3" and not tls.session_reused
        tls.sendall(b"GET /api/lb-check HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        tls.suppress_ragged_eofs = False
        assert tls.makefile("rb").read().endswith(b'"OK"')  # and the end is announced


MTLS = {"UseMutualTLS": True, "SSLValidOUs": ["dba", "ops"]}


def status_with(apid, cert, path=READ):
    """Of an answer, or None when there is no connection."""
    try:
        with connect(apid) as s, trusting(cert.ca if cert else apid_ca(apid), cert).wrap_socket(s, server_hostname="localhost") as tls:
            tls.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
            text = tls.makefile("rb").read().decode()
            return (int(text.split()[1]), text.rsplit("\r\n\r\n", 1)[1]) if text else None
    except (ssl.SSLError, ConnectionError):
        return None


def apid_ca(apid):
    return apid.config["SSLCAFile"]


def test_certificates_need_a_unit(new_apid, pki):
    good, either = pki.client("good", units=["ops"]), pki.client("either", units=["web", "dba"])
    wrong, none = pki.client("wrong", units=["Ops", "ops "]), pki.client("none")
    server = pki.issue("posing", "x", units=["ops"])  # for servers only
    late = pki.issue("late", "x", usage="clientAuth", units=["ops"], dates=("20200101000000Z", "20200201000000Z"))
    strangers = Pki(pki.directory / "others", "another CA").client("good", units=["ops"])
    strangers = strangers._replace(ca=pki.ca)  # it trusts us, we don't trust it
    apid = new_apid({**https(pki.server()), **MTLS}, tls=trusting(pki.ca, good))
    refused = (401, "Invalid OU\n")
    assert [status_with(apid, c)[0] for c in (good, either)] == [200, 200]
    assert [status_with(apid, c) for c in (wrong, none, None)] == [refused] * 3
    assert [status_with(apid, c) for c in (server, late, strangers)] == [None] * 3
    log = wait_until(lambda: re.search(r"no TLS connection with .*", apid.log_text()), 5, "a word about it in the log")
    assert "certificate" in log[0]
    # the exemption is of the status check alone: historically any address that contained its text
    for path, status in (("/api/status", 500), ("/api/status/", 500), ("/health/live", 200), ("/api/clusters?x=/api/status", 401),
                         ("/api/clusters?/api/status", 401), ("/api/health", 401), ("/api/lb-check", 401), ("/api/status/x", 401),
                         ("/api//status", 401), ("/nothing/api/status", 401), ("/metrics", 401), ("/", 401)):
        assert status_with(apid, None, path)[0] in (status, 200 if status == 500 else status), path
    apid.reload(StatusOUVerify=True)
    wait_until(lambda: status_with(apid, None, "/api/status") == refused, 10, "the new configuration")
    assert status_with(apid, None, "/health/live") == refused
    assert status_with(apid, good, "/health/live")[0] == 200
    apid.reload(SSLValidOUs=[])
    wait_until(lambda: status_with(apid, good) == refused, 10, "the new configuration")


def test_units_without_tls_are_nobodys(new_apid):
    apid = new_apid({"UseMutualTLS": True, "SSLValidOUs": ["ops"]})
    assert (apid.get(READ).status, apid.get(READ).body) == (401, "No TLS\n")


def test_a_reload_reads_the_certificate_again(new_apid, pki, tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    def put(which):
        cert.write_bytes(which.cert.read_bytes())
        key.write_bytes(which.key.read_bytes())

    def shown():
        return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("localhost", apid.port)))

    first, second = (pki.server(name) for name in ("first", "second"))
    put(first)
    apid = new_apid({**https(first), "SSLCertFile": str(cert), "SSLPrivateKeyFile": str(key)}, tls=trusting(pki.ca))
    kept = http.client.HTTPSConnection("localhost", apid.port, timeout=10, context=apid.tls)
    kept.request("GET", "/api/lb-check")
    assert kept.getresponse().read() == b'"OK"'
    put(second)
    apid.reload()
    wait_until(lambda: shown() == ssl.PEM_cert_to_DER_cert(second.cert.read_text()), 10, "the second certificate")
    key.write_bytes(first.key.read_bytes())  # does not belong to it
    apid.reload()
    wait_until(lambda: "SSLPrivateKeyFile" in apid.log_text() and "stays in use" in apid.log_text(), 10, "an error in the log")
    assert shown() == ssl.PEM_cert_to_DER_cert(second.cert.read_text())
    kept.request("GET", "/api/lb-check")  # whoever is connected stays
    assert kept.getresponse().read() == b'"OK"'
    kept.close()


# -- those who mean no good

def test_half_handshakes_keep_nobody_out(apid):
    hello = ssl.MemoryBIO()
    client = apid.tls.wrap_bio(ssl.MemoryBIO(), hello, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    hello = hello.read()
    pieces = (b"", hello[:1], hello[:100], hello)
    began = time.monotonic()
    half = [connect(apid) for _ in range(40)]
    for number, connection in enumerate(half):
        connection.sendall(pieces[number % len(pieces)])
    while time.monotonic() < began + 1:
        assert apid.get("/api/lb-check", timeout=2).status == 200
    assert not any(ended(c) for c in half if c is half[0] or c is half[1])
    wait_until(lambda: all(ended(c) or c.fileno() < 0 for c in half[:3]), SHAKE_S + 15, "their end")
    assert time.monotonic() > began + SHAKE_S - 1
    wait_until(lambda: figure(apid, "tls_unfinished") == 0, 10, "the end of all")
    assert figure(apid, "tls_late_total") >= 10 and figure(apid, "connections") == 1
    for connection in half:
        connection.close()


def figure(apid, name):
    return int(re.search(rf"^orchestrator_http_{name} (\d+)", apid.get("/metrics").body, re.M)[1])


def test_of_too_many_half_handshakes_the_oldest_go(apid):
    half = []
    for _ in range(SHAKES_MAX + 20):
        half.append(connect(apid))
    assert apid.get("/api/lb-check", timeout=5).status == 200
    wait_until(lambda: all(ended(c) for c in half[:10]), 10, "the end of the oldest")
    assert figure(apid, "tls_crowded_total") >= 20
    for connection in half:
        connection.close()


def test_garbage(apid):
    dice = random.Random(5)
    for _ in range(60):
        with connect(apid) as s, contextlib.suppress(OSError):
            s.sendall(dice.choice((b"", b"\x16\x03\x01")) + dice.randbytes(dice.randrange(1, 3000)))
            if dice.random() < 0.5:
                s.shutdown(socket.SHUT_WR)
                s.settimeout(1)
                s.recv(100)
    assert apid.get("/api/lb-check", timeout=5).status == 200
    assert len(re.findall("no TLS connection with", apid.log_text())) < 20  # it floods no log


def test_clients_that_end_inside_a_request(apid):
    for bytes_sent in (b"", b"GET /api/clu", b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n" * 20, b"\0" * 40000):
        for how in ("close", "unwrap"):
            with connect(apid) as s, contextlib.suppress(OSError):
                tls = apid.tls.wrap_socket(s, server_hostname="localhost")
                tls.sendall(bytes_sent)
                if how == "unwrap":
                    tls.settimeout(2)
                    tls.unwrap()
                tls.close()
    assert apid.get("/api/lb-check", timeout=5).status == 200


# -- protected keys

@pytest.fixture(scope="module")
def protected(pki):
    """A server's certificate whose key has the password "open sesame"."""
    server = pki.server("protected")
    key = server.key.with_suffix(".locked")
    if not key.exists():
        subprocess.run(["openssl", "pkey", "-in", server.key, "-aes256", "-passout", "pass:open sesame", "-out", key], check=True)
    return server._replace(key=key)


def test_a_protected_key_opens_with_its_password(new_apid, pki, protected):
    apid = new_apid(https(protected, SSLPrivateKeyPassword="open sesame"), tls=trusting(pki.ca))
    assert apid.get("/api/lb-check").status == 200
    for password in ("wrong", ""):
        mark = apid.log_text().count("stays in use")
        apid.reload(SSLPrivateKeyPassword=password)
        wait_until(lambda: apid.log_text().count("stays in use") > mark, 10, "an error in the log")
    assert "SSLPrivateKeyPassword" in apid.log_text() and "open sesame" not in apid.log_text()
    assert apid.get("/api/lb-check").status == 200


def test_the_password_is_asked_for_at_the_terminal(pki, protected, monkeypatch):
    monkeypatch.setattr(Node, "tls", trusting(pki.ca))
    with Node(config=https(protected), start=False) as node:
        node.start(ready_deadline=None)  # without one
        assert node.wait_exit() == 78 and "SSLPrivateKeyPassword" in node.log_text()
        ours, theirs = pty.openpty()
        node.start(ready_deadline=None, stdin=theirs)
        node.wait_log("Password of SSLPrivateKeyFile")
        os.write(ours, b"open sesame\n")
        node.wait_leader()
        node.wait_child_replaced("apid", node.kill_child("apid"))  # it is not asked for again
        node.wait_leader()
        node.reload()
        node.wait_log("configuration reloaded: 0 keys")
        assert node.get("/api/lb-check").status == 200
        assert "open sesame" not in node.log_text() and "stays in use" not in node.log_text()
        os.close(ours)
        os.close(theirs)


# -- between nodes

def test_long_answers_come_whole(new_apid, pki):
    apid = new_apid(https(pki.server()), tls=trusting(pki.ca))
    with Scripted(reply(LONG)) as leader:
        apid.play(leader)
        for _ in range(2):
            answer = apid.get(READ)
            assert (answer.status, answer.body) == (200, LONG)


def test_nodes_show_each_other_their_certificates(new_apid, pki, protected):
    both = pki.issue("node", "localhost", ("localhost",), usage="serverAuth,clientAuth", units=["ops"])
    config = {**https(both), **MTLS}
    me = trusting(pki.ca, pki.client("good", units=["ops"]))
    leader = new_apid(config, tls=me)
    follower = new_apid(config, tls=me).play(leader)
    assert follower.get(READ).status == 200 and follower.get(CHANGE).status == 200
    assert len(leader.asked_for("SET_GLOBAL_RECOVERIES")) == 1
    leader.reload(SSLValidOUs=["dba"])  # the follower's certificate is not of these
    wait_until(lambda: follower.get(CHANGE).status == 401, 10, "the leader's new configuration")
    assert len(leader.asked_for("SET_GLOBAL_RECOVERIES")) == 1


LOGIN = {"AuthenticationMethod": "multi", "HTTPAuthUser": "ops", "HTTPAuthPassword": "a b:c"}


def basic(user, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


class GuardedNode(RaftNode):
    headers = basic("ops", "a b:c")


def client(nodes, *arguments, **env):
    script = pathlib.Path(__file__).resolve().parents[2] / "apid" / "client" / "orchestrator-client"
    api = " ".join(f"https://{n.host}:{n.port}/api" for n in nodes)
    return subprocess.run([script, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                          env={**os.environ, "ORCHESTRATOR_API": api, **env})


def test_a_guarded_group(new_group, pki, monkeypatch):
    cert = pki.server("group", names=[f"127.0.0.{n}" for n in range(2, 9)])
    monkeypatch.setattr(GuardedNode, "tls", trusting(pki.ca))
    group = new_group(3, config={**https(cert), **LOGIN, "HTTPAllowGetMutations": False}, node_class=GuardedNode)
    leader = group.wait_leader()
    follower = group.others(leader)[0]
    assert follower.api("status")["Details"]["RaftLeaderURI"] == f"https://{leader.host}:{leader.port}"
    path = "/api/begin-downtime/db1/3306/me/why/1h"
    assert follower.get(path).status == 405
    assert follower.request("POST", path, headers=basic("readonly", "x")).json()["Message"] == "Unauthorized"
    assert follower.request("POST", path, headers=basic("ops", "x")).status == 401
    assert follower.request("POST", path).status == 200
    # a command on the follower's machine, passed on with the node's own login
    assert follower.command("--ignore-raft-setup", "-c", "tag", "-i", "db1:3306", "--tag", "a=b").returncode == 0
    for node in group:
        wait_until(lambda: node.api("tags/db1/3306") == ["a=b"], 10, "the tag")
    told = client(group, "-c", "tag-value", "-i", "db1:3306", "-t", "a", ORCHESTRATOR_AUTH_USER="readonly",
                  ORCHESTRATOR_AUTH_PASSWORD="any thing", CURL_CA_BUNDLE=str(pki.ca))
    assert (told.returncode, told.stdout) == (0, "b\n"), told
    refused = client(group, "-c", "clusters", CURL_CA_BUNDLE=str(pki.ca))
    assert refused.returncode == 1 and "401 Unauthorized" in refused.stderr
    for node in group:
        assert "a b:c" not in node.log_text() and basic("ops", "a b:c")["Authorization"] not in node.log_text()
