#!/usr/bin/env python3
"""Two pollers of leader-check per node that would notice two leaders at once; a program of its own, for precise times.

    chaos_leases.py FILE PERIOD_MS NAME=HOST:PORT...    polls until its input ends; a line per 200: name term start end

start and end are CLOCK_BOOTTIME in microseconds around the request: the answer was made somewhere between. violations()
finds what can be proved from that: an answer of an older term that was asked for after one of a newer term had come
(its node can't have held the lease then, or the other one held it too early), and two nodes in one term.
"""

import os
import random
import socket
import subprocess
import sys
import threading
import time
from typing import NamedTuple


class Seen(NamedTuple):
    name: str
    term: int
    start: int
    end: int


def now_us():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


def violations(seen):
    holders = {}
    for answer in seen:
        first = holders.setdefault(answer.term, answer)
        if first.name != answer.name:
            yield f"two nodes led in term {answer.term}: {first} and {answer}"
    by_end, newest, i = sorted(seen, key=lambda a: a.end), None, 0
    for answer in sorted(seen, key=lambda a: a.start):
        while i < len(by_end) and by_end[i].end < answer.start:
            newest = max(newest, by_end[i], key=lambda a: a.term) if newest else by_end[i]
            i += 1
        if newest and newest.term > answer.term:
            yield f"{newest} had been answered when an older term answered: {answer}"


class Watch:
    """The pollers of these nodes, as a process."""

    def __init__(self, file, nodes, period_ms=20):
        self.file, self._read = file, 0
        self.seen = []
        targets = [f"{node.name}={node.host}:{node.port}" for node in nodes]
        command = [sys.executable, __file__, str(file), str(period_ms), *targets]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE)

    def check(self):
        """Takes what came since the last call; AssertionError with all violations of the run so far."""
        with open(self.file) as lines:
            lines.seek(self._read)
            text = lines.read()
        whole = text[:text.rfind("\n") + 1]
        self._read += len(whole)
        fresh = [line.split() for line in whole.splitlines()]
        self.seen += [Seen(name, int(term), int(start), int(end)) for name, term, start, end in fresh]
        found = list(violations(self.seen))
        assert not found, f"{len(found)} violations of the lease:\n" + "\n".join(found[:20])
        return len(fresh)

    def stop(self):
        self._process.communicate(b"", timeout=10)
        assert self._process.returncode == 0, f"the pollers ended with {self._process.returncode}"


# -- the program


class Poller(threading.Thread):
    REQUEST = b"GET /api/leader-check HTTP/1.1\r\nHost: node\r\n\r\n"

    def __init__(self, out, period, name, host, port):
        super().__init__(daemon=True)
        self.out, self.period, self.node, self.address = out, period, name, (host, int(port))
        self.socket = None

    def run(self):
        while True:
            try:
                self.poll()
            except (OSError, ValueError):
                self.close()
                time.sleep(self.period)
            time.sleep(random.uniform(0, 2 * self.period))

    def close(self):
        if self.socket:
            self.socket.close()
        self.socket = None

    def poll(self):
        if not self.socket:
            self.socket = socket.create_connection(self.address, timeout=1)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket.settimeout(3)
        start = now_us()
        self.socket.sendall(self.REQUEST)
        head = self.answer()
        end = now_us()
        if head.startswith(b"HTTP/1.1 200"):
            term = int(head.partition(b"X-Orchestrator-Raft-Term: ")[2].split(b"\r\n", 1)[0])
            self.out.write(f"{self.node} {term} {start} {end}\n")

    def answer(self):
        text = b""
        while b"\r\n\r\n" not in text:
            text += self.more()
        head, _, body = text.partition(b"\r\n\r\n")
        length = int(head.partition(b"Content-Length: ")[2].split(b"\r\n", 1)[0])
        while len(body) < length:
            body += self.more()
        return head

    def more(self):
        if not (data := self.socket.recv(4096)):
            raise OSError("closed")
        return data


def main():
    file, period_ms, *targets = sys.argv[1:]
    with open(file, "w", buffering=1) as out:
        for target in targets:
            name, _, address = target.partition("=")
            for _ in range(2):
                Poller(out, int(period_ms) / 1000, name, *address.rsplit(":", 1)).start()
        sys.stdin.read()
    os._exit(0)  # threads may be in the middle of something


if __name__ == "__main__":
    main()
