"""The node link between processes, with TLS."""

import ssl
import warnings

import pytest

import ports
from nodelink import End, connect
from pki import Pki
from strangers import HELLO, REFUSE, frames_of, hello, read_all
from waiting import wait_until


# -- TLS

@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


def node_cert(pki, file, names, usage="serverAuth,clientAuth", **kwargs):
    cert = pki.issue(file, names[0] if names else "node", names, usage=usage, **kwargs)
    return cert.ca, cert.cert, cert.key


def nodes_tls(pki):
    return lambda i: node_cert(pki, f"n{i + 1}", [f"n{i + 1}"])


def test_tls_connects_members(new_group, pki):
    group = new_group(3, tls=nodes_tls(pki), silence_ms=5000)
    group.wait_all_up()
    a, b, _ = group
    a.send(b.name, "secret")
    b.next_event("message", text="secret")
    a.order("beat", peer=b.name, ms=20)
    a.order("bulk", peer=b.name, bytes=64 << 20)
    b.next_event("bulk", deadline=60)
    assert b.peer(a.name)["usual_us"] < 300_000
    for _ in range(3):
        b.kill()
        a.wait_down(b.name, 2)
        b.start()
        group.wait_all_up(5)
    assert "RaftUseTLS is off" not in a.log_text()


def test_tls_with_addresses_and_common_names(new_end, tmp_path, pki):
    port = ports.reserve(tmp_path)[0]
    a = new_end(f"127.0.0.1:{port}", f"127.0.0.1:{port}", tls=node_cert(pki, "by-ip", ["127.0.0.1"]))
    b_cert = pki.issue("by-cn", "127.0.0.2", usage="serverAuth,clientAuth")
    b = new_end(f"127.0.0.2:{port}", f"127.0.0.2:{port}", tls=(b_cert.ca, b_cert.cert, b_cert.key))
    a.set_peers([b.name])
    b.set_peers([a.name])
    a.wait_up(b.name)
    b.wait_up(a.name)


BAD = {
    "foreign name": (lambda pki: node_cert(pki, "foreign-node", ["elsewhere"]), "made out to"),
    "name only as CN beside others": (lambda pki: tuple(pki.issue("cn-lies", "n2", ["elsewhere"], usage="serverAuth,clientAuth")),
                                      "made out to"),
    "expired": (lambda pki: node_cert(pki, "expired-node", ["n2"], dates=("20200101000000Z", "20200201000000Z")), "expired"),
    "other authority": (lambda pki: (pki.ca, *node_cert(Pki(pki.directory / "others", "other CA"), "n2", ["n2"])[1:]),
                        "certificate"),
    "not for clients": (lambda pki: node_cert(pki, "server-only", ["n2"], usage="serverAuth"), "certificate"),
}


@pytest.mark.parametrize(("dials", "what"), [
    (dials, what) for dials in ("good", "bad") for what in BAD if (dials, what) != ("good", "not for clients")])
def test_tls_refuses_the_certificate(new_group, pki, what, dials):
    make, says = BAD[what]
    tls = [node_cert(pki, "n1", ["n1"]), make(pki)]
    group = new_group(2, tls=lambda i: tls[i], connect=False)
    good, bad = group
    if dials == "good":
        bad.order("open", on=True)
        good.set_peers(group.names)
        good.wait_trouble(bad.name, says)
    else:
        good.order("open", on=True)
        bad.set_peers(group.names)
        wait_until(lambda: says in good.log_text(), 10, f"the log says {says}")
        wait_until(lambda: good.stat("tls_failures") + good.stat("refused") >= 2, 10, "attempts")
    assert not good.is_up(bad.name) and good.stat("ups") == 0 and bad.stat("ups") == 0
    if what in ("expired", "foreign name"):
        assert "ERROR" in bad.log_text() and "RaftTLSCertFile" in bad.log_text()  # it knows itself, too
    assert "ERROR" not in good.log_text()


def tls_stranger(end, cert=None, old=False):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if old:
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    if cert:
        context.load_cert_chain(cert[1], cert[2])
    raw = connect(end, 8)
    try:
        with context.wrap_socket(raw) as s:
            s.sendall(hello(name="n2:%d" % end.port))
            return read_all(s)
    except OSError:
        return b""
    finally:
        raw.close()


def test_tls_strangers_get_nothing(new_group, pki):
    group = new_group(2, tls=nodes_tls(pki))
    group.wait_all_up()
    a, b = group
    assert tls_stranger(a) == b""  # no certificate
    assert tls_stranger(a, node_cert(pki, "n2", ["n2"]), old=True) == b""
    expired = node_cert(pki, "expired-node", ["n2"], dates=("20200101000000Z", "20200201000000Z"))
    assert tls_stranger(a, expired) == b""
    # of our authority, but another's name
    assert tls_stranger(a, node_cert(pki, "foreign-node", ["elsewhere"])) == b""
    with connect(a) as s:  # plain TCP
        s.sendall(hello(name=b.name))
        answer = read_all(s)
        assert len(answer) < 100 and a.name.encode() not in answer
    quiet = connect(a)
    quiet.settimeout(9)
    assert read_all(quiet) == b""
    quiet.close()
    assert a.peer(b.name)["ups"] == 1
    # and the check of this test: with the right certificate the hello is answered
    assert next(frames_of(tls_stranger(a, node_cert(pki, "n2", ["n2"]))))[0] in (HELLO, REFUSE)


def test_tls_and_plain_do_not_mix(new_group, pki):
    group = new_group(2, tls=lambda i: nodes_tls(pki)(i) if i == 0 else None)
    a, b = group
    a.wait_trouble(b.name, "")
    wait_until(lambda: a.stat("tls_failures") >= 2, 10, "failed handshakes")
    assert not a.is_up(b.name) and not b.is_up(a.name)


def test_tls_certificates_are_read_again(new_group, pki):
    old = node_cert(pki, "soon-expired", ["n2"], dates=("20200101000000Z", "20200201000000Z"))
    tls = [node_cert(pki, "n1", ["n1"]), old]
    group = new_group(2, tls=lambda i: tls[i])
    a, b = group
    wait_until(lambda: "expired" in a.log_text(), 10, "a refuses")
    assert "RaftTLSCertFile" in b.order("tls", check=False, ca=str(pki.ca), cert="/nonexistent", key="/nonexistent")
    new = node_cert(pki, "n2", ["n2"])
    assert "does not belong to" in b.order("tls", check=False, ca=str(pki.ca), cert=str(new[1]), key=str(tls[0][2]))
    b.order("tls", ca=str(pki.ca), cert=str(new[1]), key=str(new[2]))
    group.wait_all_up(5)


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_tls_needs_all_its_files(tmp_path, pki, missing):
    files = list(node_cert(pki, "n1", ["n1"]))
    key = ("RaftTLSCAFile", "RaftTLSCertFile", "RaftTLSKeyFile")[missing]
    for value in ("", "/nonexistent"):
        files[missing] = value
        with pytest.raises(RuntimeError, match=key):
            End(tmp_path, "n1:10008", "127.0.0.1:0", tls=files)
