"""An answer with 5000 instances is on its way to a client that does not read it, and others are built, packed and sent beside it:
leader-check, which load balancers ask with short timeouts, is answered all the while."""

import contextlib
import http.client
import json
import pathlib
import random
import socket
import sqlite3
import threading
import time

import pytest

from apid_driven import Apid

SERVERS = 5000
SMALL = 4096  # bytes that the kernel takes in for a client that doesn't read
WORST = 2.0  # seconds, for a slow machine: a loop that waited for the slow reader would not answer at all; one that built or packed
# answers itself is told by its own measure, CPU time
TEXTS = ("binary_log_file", "master_host", "master_log_file", "cluster_name", "suggested_cluster_alias", "data_center", "executed_gtid_set")


@pytest.fixture
def apid():
    with Apid({"RaftEnabled": True, "RaftDataDir": "/nonexistent"}) as apid:
        with contextlib.closing(sqlite3.connect(apid.data)) as db, db:
            db.executemany(f"INSERT INTO database_instance (hostname, port, {', '.join(TEXTS)}) VALUES (?, 3306{', ?' * len(TEXTS)})",
                           [(f"db{i}.example.com", *(random.randbytes(50).hex() for _ in TEXTS)) for i in range(SERVERS)])
        yield apid.play(apid)


def ask_and_read_the_head(apid):
    """A socket on which the body of /api/all-instances waits, and what the body's length will be."""
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
    slow.settimeout(60)
    slow.connect(("127.0.0.1", apid.port))
    slow.sendall(b"GET /api/all-instances HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    got = b""
    while b"\r\n\r\n" not in got:
        got += slow.recv(256)
    head, body = got.split(b"\r\n\r\n", 1)
    return slow, int(head.lower().split(b"content-length:")[1].split()[0]), body


def read_rest(slow, body):
    pieces = [body]
    while pieces[-1] or len(pieces) == 1:
        pieces.append(slow.recv(1 << 20))
    return b"".join(pieces)


def read_some(apid, headers, done):
    """Whole answers, one after the other, as a client that reads what comes."""
    for _ in range(3):
        connection = http.client.HTTPConnection("127.0.0.1", apid.port, timeout=60)
        connection.request("GET", "/api/all-instances", headers=headers)
        done.append(len(connection.getresponse().read()))
        connection.close()


def sanitized(apid):
    """Whether what runs there was built with a sanitizer, which takes CPU time of its own."""
    maps = [p for p in pathlib.Path("/proc").glob("[0-9]*/cmdline") if str(apid.dir).encode() in p.read_bytes()]
    return any("san.so" in p.with_name("maps").read_text() for p in maps)


def test_leader_check_is_answered_beside_big_answers(apid):
    slow, length, body = ask_and_read_the_head(apid)
    assert length > 10 << 20  # more than kernels hold for a connection: most of it waits in apid
    plain, packed, times = [], [], []
    readers = [threading.Thread(target=read_some, args=(apid, headers, done))
               for headers, done in (({}, plain), ({"Accept-Encoding": "gzip"}, packed))]
    for reader in readers:
        reader.start()
    connection = http.client.HTTPConnection("127.0.0.1", apid.port, timeout=60)
    while any(reader.is_alive() for reader in readers) or len(times) < 50:
        began = time.monotonic()
        connection.request("GET", "/api/leader-check")
        connection.getresponse().read()
        times.append(time.monotonic() - began)
        time.sleep(0.002)
    # ages of servers get more digits meanwhile; each answer was as long as its head had said, or reading it would have failed
    assert len(plain) == 3 and min(plain) >= length and len(packed) == 3 and max(packed) < length / 2
    assert max(times) < WORST, sorted(times)[-10:]
    if not sanitized(apid):
        assert apid.get("/debug/metrics").json()["apid.loop_overruns"] == 0, apid.log_text()[-2000:]
    whole = read_rest(slow, body)
    slow.close()
    assert len(whole) == length and len(json.loads(whole)) == SERVERS
