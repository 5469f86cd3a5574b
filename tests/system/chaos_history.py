"""What clients of a group asked for and were told, and a checker of it against what the nodes hold.

Each Operation is one change through any node, a tag whose value holds a number nobody uses twice. Its outcome:

    acknowledged   200: exactly once in the log, applied, on every node, at the index that the answer named
    refused        503, or nobody could be reached: "nothing was changed", so nowhere
    unknown        anything else, time-outs too: at most once

Besides: logs of all nodes are equal as far as they reach; what was acknowledged before another was asked for stands
before it; the tags on every node are those that the log makes, in its order. The first lines of History.check() say
how. Pure but for Clients: test_chaos_checker.py shows that each lie is found.
"""

import http.client
import itertools
import random
import re
import sqlite3
import threading
import time
from typing import NamedTuple, Optional

ACKNOWLEDGED, REFUSED, UNKNOWN = "acknowledged", "refused", "unknown"
HOSTS, TAGS = 8, 16  # few enough that values replace each other
TOKEN = re.compile(rb"op-(\d{8})-")
COMMAND = 1  # enum rd_log_kind: raftd/consensus/rd_store.h


def now_us():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


class Operation(NamedTuple):
    number: int
    outcome: str
    index: Optional[int]  # that the answer named
    started: int  # microseconds of CLOCK_BOOTTIME
    ended: int
    detail: str = ""


class Entry(NamedTuple):
    term: int
    kind: int
    data: bytes

    @property
    def number(self):
        """Of the operation; None for entries that are no client's."""
        found = TOKEN.search(self.data) if self.kind == COMMAND else None
        return int(found[1]) if found else None


class Holding(NamedTuple):
    """What one node holds: its log as far as it is applied, {index: uid} of applied commands, {(host, tag): value}."""

    name: str
    log: dict
    applied: dict
    tags: dict


def target(number):
    """Where the operation puts its value: {(host, tag): value} is one line of the table of tags."""
    return f"10.9.0.{number % HOSTS}", f"t{number // HOSTS % TAGS}"


def value(number):
    return f"op-{number:08d}-"


class Violation(AssertionError):
    pass


class History:
    """Operations and checkpoints, over the whole run. check() may be called again and again, with all nodes at rest."""

    def __init__(self):
        self.operations = []
        self.log = {}  # index → Entry, of all nodes together
        self.applied = {}  # index → uid
        self._lock = threading.Lock()

    def add(self, operation):
        with self._lock:
            self.operations.append(operation)

    def check(self, holdings):
        """Raises Violation with everything that is wrong."""
        wrong = [*self._merge(holdings), *self._check_numbers(), *self._check_order(), *self._check_tags(holdings)]
        if wrong:
            raise Violation(f"{len(wrong)} violations:\n" + "\n".join(wrong[:40]))

    def _merge(self, holdings):
        """Logs and applied commands of all nodes into one; where two differ, or a node lacks what it must have."""
        for holding in holdings:
            for mine, theirs, what in ((self.log, holding.log, "log entry"), (self.applied, holding.applied, "command")):
                for index, found in theirs.items():
                    if mine.setdefault(index, found) != found:
                        yield f"{holding.name}: {what} {index} is {found}, elsewhere {mine[index]}"
            if holding.log and len(holding.log) != max(holding.log) - min(holding.log) + 1:
                yield f"{holding.name}: the log has holes: {len(holding.log)} entries {min(holding.log)}..{max(holding.log)}"
        newest = max((max(h.log, default=0) for h in holdings), default=0)
        for holding in holdings:
            oldest = min(holding.applied, default=0)
            missing = [i for i in self.applied if oldest <= i <= newest and i not in holding.applied]
            if missing or not holding.applied and any(other.applied for other in holdings):
                yield f"{holding.name}: applied commands are missing: {missing[:10]}"

    def _indexes(self):
        """{number: indexes at which it took effect}: an entry whose uid was applied before is in the log, not applied."""
        found = {}
        for index in sorted(self.applied):
            number = self.log[index].number if index in self.log else None
            if number is not None:
                found.setdefault(number, []).append(index)
        return found

    def _check_numbers(self):
        indexes = self._indexes()
        for op in self.operations:
            where = indexes.get(op.number, [])
            if op.outcome == ACKNOWLEDGED and where != [op.index]:
                yield f"acknowledged at {op.index}, found at {where}: {op}"
            elif op.outcome == REFUSED and where:
                yield f"refused, found at {where}: {op}"
            elif len(where) > 1:
                yield f"took effect more than once, at {where}: {op}"
        asked = {op.number for op in self.operations}
        yield from (f"number {number} at {where}: nobody asked for it" for number, where in indexes.items() if number not in asked)

    def _check_order(self):
        """An operation asked for after another's acknowledgement comes after it."""
        known = [op for op in self.operations if op.outcome == ACKNOWLEDGED]
        by_end = sorted(known, key=lambda op: op.ended)
        newest, i = 0, 0
        for op in sorted(known, key=lambda op: op.started):
            while i < len(by_end) and by_end[i].ended < op.started:
                newest, i = max(newest, by_end[i].index), i + 1
            if op.index <= newest:
                yield f"asked for after index {newest} was acknowledged, but stands before it: {op}"

    def _check_tags(self, holdings):
        last = {}
        for number, indexes in self._indexes().items():
            last[target(number)] = max(last.get(target(number), (0, "")), (indexes[0], value(number)))
        expected = {where: text for where, (_, text) in last.items()}
        for holding in holdings:
            if holding.tags != expected:
                differing = {k for k in {*holding.tags, *expected} if holding.tags.get(k) != expected.get(k)}
                sample = [(k, holding.tags.get(k), expected.get(k)) for k in sorted(differing)[:5]]
                yield f"{holding.name}: {len(differing)} tags are not what the log makes, (which, has, should): {sample}"

    def summary(self, since=0):
        counts = {outcome: 0 for outcome in (ACKNOWLEDGED, REFUSED, UNKNOWN)}
        for op in self.operations[since:]:
            counts[op.outcome] += 1
        done = sorted(op.ended for op in self.operations[since:] if op.outcome == ACKNOWLEDGED)
        gap = max((b - a for a, b in zip(done, done[1:])), default=0) / 1e6
        return f"{counts}, longest time without an acknowledgement {gap:.1f} s"


def holding_of(node, after=0):
    """Reads a node's disk. after: log entries up to this index are not wanted."""
    with sqlite3.connect(f"file:{node.raft_dir / 'raft_log.sqlite'}?mode=ro", uri=True, timeout=10) as db:
        rows = db.execute("SELECT idx, term, kind, data FROM log WHERE idx > ?", (after,)).fetchall()
    applied_index = node.position()[0]
    log = {index: Entry(*rest) for index, *rest in rows if index <= applied_index}
    applied = dict(node.query("SELECT log_index, uid FROM applied_command WHERE log_index > ?", after))
    tags = node.query("SELECT hostname, tag_name, tag_value FROM database_instance_tags")
    return Holding(node.name, log, applied, {(host, tag): text for host, tag, text in tags})


class Clients:
    """Threads that ask for changes through any node, until stop(); pause() returns when none is under way."""

    def __init__(self, nodes, history, seed, count=4, interval=0.02, timeout=12.0):
        self.nodes, self.history, self.interval, self.timeout = nodes, history, interval, timeout
        self._numbers, self._ended = itertools.count(1), False
        self._go = threading.Event()
        self._idle = threading.Semaphore(0)
        self._threads = [threading.Thread(target=self._run, args=(random.Random(f"{seed}/{i}"),), daemon=True)
                         for i in range(count)]
        for thread in self._threads:
            thread.start()

    def resume(self):
        self._go.set()

    def pause(self):
        self._go.clear()
        for thread in self._threads:
            if not self._idle.acquire(timeout=self.timeout * 2 + 5):
                raise AssertionError(f"{thread.name} does not come to an end")
        for _ in self._threads:
            self._idle.release()  # as many as there were

    def stop(self):
        self._ended = True
        self._go.set()
        for thread in self._threads:
            thread.join(self.timeout * 2 + 5)

    def _run(self, rng):
        while not self._ended:
            if not self._go.is_set():
                self._idle.release()
                self._go.wait()
                self._idle.acquire()
                continue
            self.history.add(self._one(next(self._numbers), rng.choice(list(self.nodes))))
            time.sleep(rng.uniform(0, 2 * self.interval))

    def _one(self, number, node):
        (host, tag), started = target(number), now_us()
        connection = http.client.HTTPConnection(node.host, node.port, timeout=self.timeout)
        sent = False
        try:
            connection.timeout = 1.0  # to connect: a link that is down answers nothing
            connection.connect()
            connection.sock.settimeout(self.timeout)
            sent = True
            connection.request("GET", f"/api/tag/{host}/3306?tag={tag}%3D{value(number)}")
            answer = connection.getresponse()
            outcome, index, detail = self._outcome(answer.status, answer.headers, answer.read(2000).decode())
        except (OSError, http.client.HTTPException) as e:
            outcome, index, detail = UNKNOWN if sent else REFUSED, None, repr(e)
        finally:
            connection.close()
        return Operation(number, outcome, index, started, now_us(), f"{node.name} {detail}")

    @staticmethod
    def _outcome(status, headers, body):
        index = headers.get("X-Orchestrator-Raft-Index")
        if status == 200:
            return ACKNOWLEDGED, int(index or 0), ""
        return (REFUSED if status == 503 else UNKNOWN), None, f"{status} {body:.200}"
