"""The node link between processes (rn_driver.c): coming, going, strangers, TLS, load. No raft here."""

import os
import signal
import socket
import ssl
import struct
import threading
import time
import warnings

import pytest

import ports
from nodelink import ACTIVE, End, Group, SILENCE_MS
from pki import Pki
from strangers import HELLO, RAFT, READY, REFUSE, USE, frame, frames_of, hello, only_a_refusal, read_all
from waiting import wait_until


@pytest.fixture
def new_group(tmp_path):
    made = []

    def make(size, **kwargs):
        directory = tmp_path / str(len(made))
        directory.mkdir()
        made.append(Group(directory, size, **kwargs))
        return made[-1]

    yield make
    for group in made:
        group.close()


@pytest.fixture
def new_end(tmp_path):
    made = []

    def make(name, bind, **kwargs):
        made.append(End(tmp_path, name, bind, **kwargs))
        return made[-1]

    yield make
    for end in made:
        end.close()


def pass_time(seconds):
    """Time in which something must *not* happen."""
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > end, seconds + 1, "time to pass")


def connect(end, timeout=10.0):
    return socket.create_connection((end.bind.rsplit(":", 1)[0].strip("[]"), end.port), timeout)


# -- coming and going

@pytest.mark.parametrize("size", [2, 3, 5])
def test_everybody_is_connected_once(new_group, size):
    group = new_group(size)
    group.wait_all_up()
    for a in group:
        for b in group:
            if a is not b:
                assert a.send(b.name, f"from {a.name}") == ""
    for b in group:
        got = set()
        while len(got) < size - 1:
            got.add(b.next_event("message")["text"])
        assert got == {f"from {a.name}" for a in group if a is not b}
    # through several silences nothing flaps, and one connection per pair is left
    pass_time(3 * SILENCE_MS / 1000)
    for a in group:
        s = a.status()
        assert all(p["up"] and p["ups"] == 1 for p in s["peers"].values()), s
        assert s["stats"]["downs"] == 0


def test_starting_at_once_never_flaps(tmp_path):
    """Both dial at the same time, again and again."""
    for round_ in range(15):
        directory = tmp_path / str(round_)
        directory.mkdir()
        group = Group(directory, 2, connect=False)
        a, b = group
        for end in group:  # both orders are on their way before either answers
            end.process.stdin.write('{"do":"peers","names":["%s","%s"]}\n' % tuple(group.names))
        for end in group:
            end.process.stdin.flush()
        group.wait_all_up()
        a.send(b.name, "x")
        b.next_event("message", text="x")
        assert a.peer(b.name)["ups"] == b.peer(a.name)["ups"] == 1
        group.close()


def test_kill_and_restart(new_group):
    group = new_group(3)
    group.wait_all_up()
    victim = group[1]
    for _ in range(5):
        victim.kill()
        for other in (group[0], group[2]):
            other.wait_down(victim.name, 2)
        victim.start()
        group.wait_all_up(5)
    assert group[0].is_up(group[2].name) and group[0].peer(group[2].name)["ups"] == 1


def test_a_stopped_process_is_noticed_and_comes_back(new_group):
    group = new_group(3)
    group.wait_all_up()
    victim, others = group[0], group[1:]
    victim.signal(signal.SIGSTOP)
    start = time.monotonic()
    for other in others:
        other.next_event("down", peer=victim.name, deadline=3)
    assert 0.5 * SILENCE_MS < (time.monotonic() - start) * 1000 < SILENCE_MS + 700
    victim.signal(signal.SIGCONT)
    group.wait_all_up(8)
    assert group[1].peer(group[2].name)["ups"] == 1


def test_a_short_pause_costs_no_connection(new_group):
    group = new_group(2)
    group.wait_all_up()
    for _ in range(3):
        group[0].signal(signal.SIGSTOP)
        pass_time(0.6 * SILENCE_MS / 1000)
        group[0].signal(signal.SIGCONT)
        wait_until(lambda: group[0].send(group[1].name, "still", check=False) == "", 1, "sending")
        group[1].next_event("message", text="still")
    assert group[0].peer(group[1].name)["ups"] == group[1].peer(group[0].name)["ups"] == 1


def test_all_addresses_change_at_once(new_group):
    group = new_group(3)
    group.wait_all_up()
    for end in group:
        end.kill()
    for i, end in enumerate(group):
        end.bind = f"127.0.0.{i + 101}:{group.port}"
    group.resolver.update({f"n{i + 1}": f"127.0.0.{i + 101}" for i in range(3)})
    for end in group:
        end.start()
    group.wait_all_up()


def test_one_node_moves_while_the_others_run(new_group):
    group = new_group(3)
    group.wait_all_up()
    mover = group[2]
    mover.kill()
    mover.bind = f"127.0.0.203:{group.port}"
    mover.start()
    mover.set_peers([])  # it must be found, it doesn't dial
    assert not group[0].is_up(mover.name)
    group.resolver["n3"] = "127.0.0.203"
    mover.order("open", on=True)
    for other in group[:2]:
        other.wait_up(mover.name, 5)
        assert other.peer(mover.name)["address"] == mover.bind


def test_names_with_several_addresses(new_group):
    """The first is not there, the second is somebody else, the third is it."""
    group = new_group(3, connect=False)
    a, b, c = group
    group.resolver["n2"] = "127.0.0.77 127.0.0.3 127.0.0.2"
    a.set_peers([b.name])
    for end in (b, c):
        end.order("open", on=True)
    a.wait_up(b.name, 5)
    assert a.peer(b.name)["address"] == b.bind
    assert not c.is_up(a.name)


def test_a_hanging_resolver_harms_only_what_needs_it(new_group):
    group = new_group(3)
    group.wait_all_up()
    group.resolver["n2"] = "hang"
    group[1].kill()
    group[1].start()  # dials by itself; and the addresses of before serve, too
    group.wait_all_up(10)
    group[1].kill()
    wait_until(lambda: "looking n2 up takes very long" in group[0].log_text(), 10, "the log says so")
    assert group[0].is_up(group.names[2]) and group[0].peer(group.names[2])["ups"] == 1
    group.resolver["n2"] = "127.0.0.2"


def test_a_name_that_does_not_resolve_yet(new_group):
    group = new_group(2, connect=False)
    group.resolver["n2"] = "fail"
    group[0].set_peers(group.names)
    group[0].wait_trouble(group.names[1], "no such name")
    group[1].order("open", on=True)
    group.resolver["n2"] = "127.0.0.2"
    group[0].wait_up(group.names[1], 3)
    assert group[0].log_text().count("no such name") == 1  # said once, not per attempt


def test_ipv6(new_end, tmp_path):
    port = ports.reserve(tmp_path)[0]
    a = new_end(f"[::1]:{port}", f"[::1]:{port}")
    b = new_end(f"localhost:{port}", f"127.0.0.1:{port}")
    a.order("open", on=True)
    b.set_peers([a.name])
    b.wait_up(a.name)
    assert b.peer(a.name)["address"] == a.name and a.peer(b.name)["address"].startswith("[::1]:")


def test_listening_on_everything_takes_both_families(new_end):
    a = new_end("n1:10008", ":0")
    for host in ("127.0.0.1", "::1"):
        with socket.create_connection((host, a.port), 5) as s:
            s.sendall(hello(name="x:1"))
            only_a_refusal(read_all(s), "not a member")
    assert "RaftUseTLS is off" in a.log_text()


def test_listening_errors_name_the_remedy(new_end, tmp_path):
    a = new_end("n1:10008", "127.0.0.1:0")
    with pytest.raises(RuntimeError, match="RaftBind: listening on 127.0.0.1:.*in use"):
        End(tmp_path, "n2:10008", f"127.0.0.1:{a.port}")
    with pytest.raises(RuntimeError, match="RaftBind.*192.0.2.1"):
        End(tmp_path, "n2:10008", "192.0.2.1:10008")
    with pytest.raises(RuntimeError, match="RaftBind names no address"):
        End(tmp_path, "n2:10008", "no-such-host.invalid:10008")
    assert "RaftUseTLS is off" not in a.log_text()  # loopback only


# -- membership and hellos

def test_the_list_changes_at_run_time(new_group):
    group = new_group(3)
    group.wait_all_up()
    a, b, c = group
    a.set_peers([b.name])
    a.next_event("down", peer=c.name)
    c.next_event("down", peer=a.name)
    c.wait_trouble(a.name, "not a member of the group")
    assert c.name not in a.status()["peers"]
    a.set_peers(group.names)
    group.wait_all_up(3)
    assert a.peer(b.name)["ups"] == 1


def test_lists_are_checked(new_group):
    group = new_group(1)
    a = group[0]
    assert "at most 32" in a.order("peers", check=False, names=[f"x{i}:1" for i in range(33)])
    assert "should be written" in a.order("peers", check=False, names=["X:1"])
    assert a.status()["peers"] == {}
    a.set_peers([a.name, "b:1", "b:1"])
    assert list(a.status()["peers"]) == ["b:1"]


def test_a_changed_hello_is_told(new_group):
    group = new_group(2)
    group.wait_all_up()
    a, b = group
    a.say_hello(state=ACTIVE, cluster_id="g1", is_leader=True, founded_with=[{"name": b.name, "dir_id": "x"}])
    event = b.next_event("hello", peer=a.name)
    assert (event["state"], event["cluster_id"], event["is_leader"], event["founders"]) == (ACTIVE, "g1", True, 1)
    b.say_hello(state=ACTIVE, cluster_id="g1")
    a.next_event("hello", peer=b.name, cluster_id="g1")
    assert a.peer(b.name)["ups"] == 1


def test_two_groups_part_and_say_why(new_group):
    group = new_group(2)
    group.wait_all_up()
    a, b = group
    a.say_hello(state=ACTIVE, cluster_id="g1")
    b.say_hello(state=ACTIVE, cluster_id="g2")
    for end, other in ((a, b), (b, a)):
        end.wait_down(other.name)
        end.wait_trouble(other.name, "belongs to group")
    refused = lambda: a.stat("refused") + a.stat("refused_us")
    before = refused()
    wait_until(lambda: refused() >= before + 3, 15, "more attempts")
    said = [line for line in a.log_text().splitlines() if "trouble=" in line and "belongs to group" in line]
    assert len(said) == 1, said  # once per peer and reason
    b.say_hello(state=ACTIVE, cluster_id="g1")
    group.wait_all_up(3)


def test_an_election_timeout_that_differs_is_refused(new_group):
    group = new_group(2, connect=False)
    a, b = group
    b.say_hello(election_timeout_ms=900)
    for end in group:
        end.set_peers(group.names)
    a.wait_trouble(b.name, "RaftElectionTimeoutMilliseconds is")
    assert not a.is_up(b.name)
    # whoever decides about founding hears of the other, and what it is
    b.say_hello(state=ACTIVE)
    a.next_event("refused", peer=b.name, code="election timeout", state=ACTIVE)
    a.next_event("refused", peer=b.name, code="election timeout", state=0)


def test_open_takes_unlisted_members(new_group):
    group = new_group(2, connect=False)
    a, b = group
    a.set_peers(group.names)
    a.wait_trouble(b.name, "not a member")
    b.order("open", on=True)
    a.wait_up(b.name, 3)
    assert b.peer(a.name)["listed"] is False and b.peer(a.name)["up"]
    assert b.send(a.name, "welcome") == ""
    b.order("open", on=False)
    b.next_event("down", peer=a.name)
    a.wait_trouble(b.name, "not a member")


def test_a_namesake_does_not_take_the_place(new_group, tmp_path):
    group = new_group(2)
    group.wait_all_up()
    a, b = group
    twin = End(tmp_path, b.name, f"127.0.0.88:{group.port}", group.resolver, dir_id="another")
    twin.set_peers(group.names)
    twin.wait_trouble(a.name, "another process called")
    pass_time(1)  # of attempts
    assert a.peer(b.name)["ups"] == 1 and not twin.is_up(a.name)
    b.kill()
    twin.wait_up(a.name, 5)  # now it is the only one
    twin.close()


def test_sending_to_nobody_and_too_much(new_group):
    group = new_group(2)
    group.wait_all_up()
    a, b = group
    assert "not connected" in a.send("n9:1", "x", check=False)
    assert "at most 65536" in a.send(b.name, "x" * 70000, "health", check=False)
    b.signal(signal.SIGSTOP)
    try:
        def full():
            error = a.send(b.name, "x" * 60000, "health", check=False)
            return "bytes wait for" in error
        wait_until(full, 5, "a full queue", interval=0)
    finally:
        b.signal(signal.SIGCONT)
    s = a.stat("dropped_down"), a.stat("dropped_full")
    assert s[0] == 1 and s[1] >= 2


# -- strangers

GARBAGE = {
    "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "huge length": struct.pack(">IB", 0xffffffff, RAFT),
    "huge hello": struct.pack(">IB", 5000, HELLO),
    "zero length": struct.pack(">IB", 0, HELLO),
    "raft before hello": frame(RAFT, b"x"),
    "unknown before hello": frame(200, b"x"),
    "hostile array": frame(HELLO, b"\xdd\xff\xff\xff\xff"),
    "hostile map": frame(HELLO, b"\xdf\x0f\xff\xff\xff"),
    "deep": frame(HELLO, b"\x91" * 2000 + b"\xc0"),
    "ready first": frame(READY),
    "use first": frame(USE, b"\0" * 8),
    "empty hello": frame(HELLO, b"\x80"),
    "no hello": frame(HELLO, b""),
}


def test_garbage_gets_a_refusal_at_most(new_group):
    group = new_group(2)
    group.wait_all_up()
    for what, data in GARBAGE.items():
        with connect(group[0]) as s:
            s.sendall(data)
            answer = read_all(s)
            assert len(answer) <= 1100, what
            only_a_refusal(answer)
    with connect(group[0]) as s:
        s.sendall(os.urandom(100000))
        assert len(read_all(s)) <= 1100
    with connect(group[0]) as s:
        s.sendall(hello(name="stranger:1"))
        only_a_refusal(read_all(s), "not a member")
    assert group[0].peer(group.names[1])["ups"] == 1
    assert group[0].log_text().count("stranger=") <= 2  # rate-limited


def test_a_stranger_that_says_nothing_or_drips_is_cut_off(new_group):
    group = new_group(2)
    group.wait_all_up()
    quiet, drip = connect(group[0]), connect(group[0])
    start = time.monotonic()
    data = hello(name=group.names[1])
    sent = 0
    while time.monotonic() - start < 9:
        try:
            drip.send(data[sent:sent + 1])
            sent += 1
            drip.settimeout(0.25)
            if drip.recv(1) == b"":
                break
        except TimeoutError:
            continue
        except OSError:
            break
    assert 4 < time.monotonic() - start < 7
    quiet.settimeout(3)
    assert read_all(quiet) == b""
    quiet.close()
    drip.close()
    assert group[0].stat("hello_timeouts") == 2


def test_a_flood_of_connections(new_group):
    group = new_group(3)
    group.wait_all_up()
    a, b, c = group
    b.order("beat", peer=a.name, ms=20)
    crowd = []
    for _ in range(600):
        try:
            s = connect(a, 2)
            s.sendall(frame(HELLO, b"")[:3])
            crowd.append(s)
        except OSError:
            pass
    c.kill()
    c.start()
    group.wait_all_up(5)  # a newcomer finds its way through
    s = a.status()
    assert s["stats"]["shed"] > 400 and s["peers"][b.name]["ups"] == 1
    assert s["peers"][b.name]["worst_us"] < 300_000
    fds = len(os.listdir(f"/proc/{a.process.pid}/fd"))
    assert fds < 60, fds
    for s in crowd:
        s.close()


def test_half_open_connections(new_group):
    """Hellos of members that never go on: no READY, no USE."""
    group = new_group(2, connect=False)
    a, b = group
    a.set_peers([b.name])
    b.kill()
    held = []
    for _ in range(5):
        s = connect(a)
        s.sendall(hello(name=b.name, dir_id="dir"))
        assert next(frames_of(s.recv(5000)))[0] == HELLO
        held.append(s)
    assert not a.is_up(b.name)
    b.start()
    b.set_peers(group.names)
    a.wait_up(b.name, 3)
    for s in held:
        s.settimeout(8)
        read_all(s)
        s.close()
    assert a.is_up(b.name)


# -- load

def test_a_snapshot_beside_heartbeats(new_group):
    group = new_group(3, silence_ms=5000)
    group.wait_all_up()
    a, b, c = group
    for end in (b, c):
        a.order("beat", peer=end.name, ms=20)
    total = 256 << 20
    a.order("bulk", peer=b.name, bytes=total)
    event = b.next_event("bulk", deadline=60)
    assert event["bytes"] == total
    for end in (b, c):
        seen = end.peer(a.name)
        assert seen["beats"] > 5 and seen["worst_us"] < 400_000, seen
    assert a.stat("dropped_full") == 0 and a.peer(b.name)["ups"] == 1


class Narrow(threading.Thread):
    """A way to an end through which little fits: about 2 MB/s, and hardly anything is on its way."""

    def __init__(self, address, port, to):
        super().__init__(daemon=True)
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        self.listener.bind((address, port))
        self.listener.listen()
        self.to = to
        self.start()

    def run(self):
        while True:
            try:
                here, _ = self.listener.accept()
            except OSError:
                return
            there = socket.create_connection(self.to)
            for s in (here, there):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for a, b in ((here, there), (there, here)):
                threading.Thread(target=self.carry, args=(a, b), daemon=True).start()

    @staticmethod
    def carry(a, b):
        try:
            while data := a.recv(16384):
                b.sendall(data)
                time.sleep(len(data) / 2e6)
        except OSError:
            pass
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def test_heartbeats_overtake_a_snapshot_on_a_slow_way(new_group):
    group = new_group(2, connect=False, silence_ms=5000)
    a, b = group
    way = Narrow("127.0.0.60", group.port, ("127.0.0.2", group.port))
    group.resolver["n2"] = "127.0.0.60"
    b.order("open", on=True)  # only a dials
    a.set_peers(group.names)
    a.wait_up(b.name)
    a.order("beat", peer=b.name, ms=20)
    a.order("bulk", peer=b.name, bytes=8 << 20)
    b.next_event("bulk", deadline=40)
    seen = b.peer(a.name)
    way.listener.close()
    # a piece and what the sockets hold take about 200 ms; all that waits would take 700
    assert seen["beats"] > 50 and seen["worst_us"] < 450_000 and seen["ups"] == 1, seen


def test_a_snapshot_to_a_slow_reader_stays_bounded(new_group):
    group = new_group(2)
    group.wait_all_up()
    a, b = group
    b.signal(signal.SIGSTOP)
    a.order("bulk", peer=b.name, bytes=64 << 20)
    status = a.peer(b.name)
    assert status["queued"] < 3 << 20
    b.signal(signal.SIGCONT)
    # either it was short enough to go on, or the connection was replaced; both are clean
    wait_until(lambda: b.peer(a.name)["got"] == 64 << 20 or b.peer(a.name)["ups"] > 1, 30, "the rest, or a new connection")


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
    assert b.peer(a.name)["worst_us"] < 300_000
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
