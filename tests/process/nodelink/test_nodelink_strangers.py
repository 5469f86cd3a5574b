"""The node link between processes: strangers, and much to send."""

import os
import signal
import socket
import struct
import threading
import time

from nodelink import connect
from strangers import HELLO, RAFT, READY, USE, frame, frames_of, hello, only_a_refusal, read_all
from waiting import wait_until


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
    assert s["peers"][b.name]["usual_us"] < 300_000
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
        assert seen["beats"] > 5 and seen["usual_us"] < 400_000, seen
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
    assert seen["beats"] > 50 and seen["usual_us"] < 450_000 and seen["ups"] == 1, seen


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
