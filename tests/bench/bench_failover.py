#!/usr/bin/env python3
"""bench_failover.py [FLAVOR...] — a primary with three replicas, three nodes, default settings: from its death to a new one.

    kill     kill -9 of the primary                         BENCH_RUNS times (default 20)
    stop     SIGSTOP of the primary                         BENCH_SILENT times (default 5)
    drop     packets to the primary's port vanish           BENCH_SILENT times
    both     kill -9 of primary and leading node at once    BENCH_BOTH times (default 10)

FLAVOR: mariadb, mysql, mariadb-semi-sync, mysql-semi-sync; default all. BENCH_KINDS=kill,stop… leaves some out. Prints, beside the
bars of design.md section 11, how long until a writer's transaction is acknowledged by the new primary, the phases of that as
the log of the leading node tells them, how many acknowledged transactions were lost, and of how many rounds the record says
that nothing was. With semi-sync each new primary waits for acknowledgements again before the next round (AFTER_SYNC, a
time-out of ten minutes). A writer without special rights commits some 100 a second; between rounds the old primary comes back,
is fenced, and follows the new one. Judges nothing, but for what is no measurement: without a new primary it ends. Every server
and node is in a network namespace of its own.
Needs a build (ORC_BUILD_DIR, default b) and root. BENCH_KEEP=directory keeps the nodes' logs."""

import datetime
import itertools
import os
import pathlib
import re
import subprocess
import sys
import threading
import time

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS / "fixture"), str(TESTS / "system")]

from chaos_faults import place  # noqa: E402
from measure import head, note, row  # noqa: E402
from netns import Net  # noqa: E402
from raftnodes import Group  # noqa: E402
from sandbox import Sandbox  # noqa: E402
from waiting import wait_until  # noqa: E402

RUNS = {"kill": int(os.environ.get("BENCH_RUNS", "20")), "stop": int(os.environ.get("BENCH_SILENT", "5")),
        "drop": int(os.environ.get("BENCH_SILENT", "5")), "both": int(os.environ.get("BENCH_BOTH", "10"))}
KINDS = os.environ.get("BENCH_KINDS", ",".join(RUNS)).split(",")
BARS = {"kill": "median ≤ 500, p95 ≤ 1000", "stop": "≤ 5000", "drop": "≤ 5000", "both": "median ≤ 3000"}
WHAT = {"kill": "kill -9 of the primary", "stop": "SIGSTOP of the primary", "drop": "packets to the primary dropped",
        "both": "kill -9 of primary and leading node at once"}
FLAVORS = ("mariadb", "mysql", "mariadb-semi-sync", "mysql-semi-sync")
PORT = 3306
SEMI_SYNC = {"mariadb": ("master", "slave"), "mysql": ("source", "replica")}  # names of variables and statements
LONG = 60

# What ends a phase, in the leading node's log: {failed} is the old primary. The first line after the death counts.
PHASES = (
    ("led", r"raft: this node leads"),
    ("suspected", r"(suspect: connection lost|probe: server does not answer).*instance={failed} "),
    ("receivers restarted", r"detect: instance={failed} cannot be reached and its replicas are silent"),
    ("votes judged", r"detect: instance={failed} verdict=DEAD"),
    ("recovery begun, detection recorded", r"recovery: .*instance={failed} state=fence is carried out here"),
    ("taken over", r"recovery: .*instance={failed} .*is taken over"),
    ("server locks taken", r"recovery: .*state=fence event=steps-over"),
    ("positions read, chosen", r"recovery: .*state=choose event=chosen"),
    ("applied", r"recovery: .*state=prepare event=steps-over"),
    ("read_only=0", r"recovery: .*step=set-writable outcome=ok"),
    ("replicas follow", r"recovery: .*state=repoint event=steps-over"),
    ("end recorded", r"recovery: .*state=done"),
)


class Client:
    """A server's own client through its socket, kept open: a statement in, one line out. None: it gives no answer."""

    def __init__(self, server, user, password):
        self.process = subprocess.Popen(
            [*server.flavor.client_command(), "--no-defaults", f"--socket={server.socket}", f"--user={user}", "--force",
             "--skip-reconnect", "--batch", "--skip-column-names", "--unbuffered"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1,
            env={**os.environ, "MYSQL_PWD": password})

    def insert(self, number):
        """Whether it was committed."""
        try:
            self.process.stdin.write(f"INSERT INTO was.here VALUES ({number}); SELECT ROW_COUNT();\n")
            return self.process.stdout.readline().strip() == "1"
        except (OSError, ValueError):
            return False

    def close(self):
        self.process.kill()
        self.process.wait()


class Writer(threading.Thread):
    """Commits rows on one server until it is told to end: acknowledged numbers, and when the first of them was."""

    numbers = itertools.count(1)  # of all writers: no number comes twice

    def __init__(self, server):
        super().__init__(daemon=True)
        self.client, self.acknowledged, self.first, self.ended = Client(server, "app", "app-pw"), [], None, False
        self.start()

    def run(self):
        while not self.ended:
            number = next(Writer.numbers)
            if self.client.insert(number):
                self.first = self.first or time.time()
                self.acknowledged.append(number)
            elif self.client.process.poll() is not None:
                return
            time.sleep(0.005)

    def end(self):
        self.ended = True
        self.client.close()
        self.join()


def stamp(text):
    """Seconds since the epoch of a line's first 23 characters, UTC."""
    return datetime.datetime.fromisoformat(text[:23] + "+00:00").timestamp()


def phases_of(text, failed, began):
    """{phase: milliseconds since then}, of those that the log tells of."""
    found = {}
    for line in text.splitlines():
        if not re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} ", line) or stamp(line) < began - 0.001:
            continue
        for name, pattern in PHASES:
            if name not in found and re.search(pattern.replace("{failed}", re.escape(failed)), line):
                found[name] = (stamp(line) - began) * 1000
    return found


class Round:
    """The cluster, and what is done to it again and again. self.primary: who it is now."""

    def __init__(self, net, flavor):
        self.net, self.flavor = net, flavor.removesuffix("-semi-sync")
        self.semi_sync = flavor != self.flavor
        source = SEMI_SYNC[self.flavor][0]
        options = [f"--rpl-semi-sync-{source}-timeout=600000", f"--rpl-semi-sync-{source}-wait-point=AFTER_SYNC"]
        self.hosts = dict(zip("abcd", ("db1", "db2", "db3", "db4")))
        places = {name: net.place(host, PORT) for name, host in self.hosts.items()}
        self.servers = Sandbox(f"{self.flavor}: a > b, a > c, a > d", semi_sync=self.semi_sync, places=places,
                               options={"*": options} if self.semi_sync else None)
        self.primary, self.made, self.silenced = self.servers["a"], itertools.count(1), {}
        self.servers.create_user("app", "app-pw", grants=["INSERT ON was.*"])
        self.primary.sql("CREATE DATABASE was; CREATE TABLE was.here (n INT PRIMARY KEY) ENGINE=InnoDB")
        self.group = Group(places=[place(net, host) for host in ("n1", "n2", "n3")],
                           config={"InstancePollSeconds": 5, "RecoverMasterClusterFilters": ["*"],
                                   "DiscoverySeeds": [self.primary.address]})
        self.calm()

    def close(self):
        self.group._kill_everything()
        self.servers.destroy()

    def others(self):
        return [server for server in self.servers if server is not self.primary]

    # -- between rounds

    def calm(self):
        """Everybody follows, every node knows, nobody is in downtime, nothing blocks the next recovery."""
        if self.semi_sync:
            self.acknowledge()
        gtids = self.primary.executed_gtids()
        for server in self.others():
            server.wait_replicating(LONG)
            server.wait_for_gtids(gtids, LONG)
        for node in self.group:
            wait_until(lambda: self.known_to(node), LONG, f"{node.name} to know the topology")
        leader = self.group.wait_leader(deadline=LONG)
        if self.semi_sync:
            wait_until(lambda: leader.instance(self.primary)["SemiSyncMasterClients"] == len(self.others()), LONG, "the leader to see them")
            for server in self.others():  # one that was restarted a moment ago proves nothing (raftd/recovery/rd_loss.c)
                wait_until(lambda: server.uptime() > 25, LONG, f"{server.name} to have run")
        leader.change("ack-all-recoveries?comment=bench", deadline=LONG)

    def acknowledge(self):
        """As a hook of whoever promotes a server has it: the source waits, nobody else does, and replicas connect anew to say that they
        acknowledge."""
        source, replica = SEMI_SYNC[self.flavor]
        for server in self.servers:
            server.sql(f"SET GLOBAL rpl_semi_sync_{source}_enabled = {int(server is self.primary)}")
        for server in self.others():
            server.sql(f"STOP {replica} IO_THREAD; START {replica} IO_THREAD")

    def known_to(self, node):
        """By its own backend: what it is asked through HTTP its leader answers."""
        sources = dict(node.query("SELECT hostname || ':' || port, master_host || ':' || master_port FROM database_instance"
                                  " WHERE last_seen >= last_checked"))
        known = {f"{i['Key']['Hostname']}:{i['Key']['Port']}": i for i in node.api("all-instances")}
        for server in self.servers:
            source, i = sources[server.address], known[server.address]
            if i["IsDowntimed"] or server is not self.primary and (source != self.primary.address or not i["Slave_IO_Running"]):
                raise AssertionError((node.name, server.address, source, i["IsDowntimed"], i["Slave_IO_Running"]))
        return True

    def come_back(self, old):
        """It runs again and is fenced; it follows, unless it has what nobody else has: then it is made anew."""
        address = old.address
        if old.state == "down":
            old.start()
        elif old.state == "stopped":
            old.cont()
        self.net.heal()
        wait_until(lambda: old.value("SELECT @@global.read_only") == "1", LONG, f"{address} to be fenced")
        if self.rows(old) <= self.rows(self.primary):
            if self.flavor == "mariadb":  # failover-timing.md section 5
                old.sql("SET GLOBAL gtid_slave_pos = @@gtid_binlog_pos")
            old.replicate_from(self.primary)
        else:
            old = self.make_anew(old)
        old.spec.source, self.primary.spec.source = self.primary.name, None
        self.group.wait_leader(deadline=LONG).change(f"end-downtime/{old.host}/{old.port}", deadline=LONG)

    def make_anew(self, old):
        name, host = f"r{next(self.made)}", next(h for h in self.net.hosts if self.net.ip(h) == old.host)
        for server in self.servers:
            server.spec.source = None
        self.servers.remove(old.name)
        self.servers.add(f"{self.flavor}: {self.primary.name} > {name}", places={name: self.net.place(host, PORT)})
        self.servers[name].create_user("app", "app-pw", grants=["INSERT ON was.*"])
        return self.servers[name]

    @staticmethod
    def rows(server):
        return {int(r["n"]) for r in server.sql("SELECT n FROM was.here")}

    # -- a round

    def rest(self, kind):
        """A source's replicas are not made to connect anew twice in 30 s, or 10 s when it has answered (rd_round.h)."""
        if kind in ("stop", "drop"):
            wait_until(lambda: time.monotonic() - self.silenced.get(self.primary.address, -99) > 33, LONG, "the receivers' rest")
            self.silenced[self.primary.address] = time.monotonic()

    def hurt(self, kind, leader):
        if kind == "stop":
            self.primary.stop()
        elif kind == "drop":
            self.net.silence(next(h for h in self.net.hosts if self.net.ip(h) == self.primary.host), PORT)
        else:
            self.primary._signal(9)
        if kind == "both":
            leader.kill()

    def one(self, kind):
        """({phase: ms}, how many acknowledged transactions were lost, whether the record says that none was)"""
        self.rest(kind)
        leader, old = self.group.wait_leader(deadline=LONG), self.primary
        writer = Writer(old)
        wait_until(lambda: len(writer.acknowledged) >= 20, LONG, "the writer to write")
        writers = {server: Writer(server) for server in self.others()}
        time.sleep(0.2 + time.time() % 1)  # at any moment of the second
        began, before = time.time(), len(writer.acknowledged)
        self.hurt(kind, leader)
        self.primary = wait_until(lambda: next((s for s, w in writers.items() if w.first), None), LONG, "a new primary", 0.002)
        found = {"first write acknowledged": (writers[self.primary].first - began) * 1000}
        nodes = self.group.others(leader) if kind == "both" else [leader]
        end = wait_until(lambda: next((p for p in (phases_of(n.log_text(), old.address, began) for n in nodes)
                                       if "end recorded" in p), None), LONG, "the end of the recovery")
        for w in (writer, *writers.values()):
            w.end()
        # what a primary that is cut off goes on acknowledging on its own host is another matter
        lost = set(writer.acknowledged[:before] if kind == "drop" else writer.acknowledged) - self.rows(self.primary)
        said = self.group.wait_leader(deadline=LONG).api("audit-recovery?details=true")[0]["Loss"]
        if kind == "both":
            leader.start_raft()
        self.come_back(old)
        self.calm()
        return {**end, **found}, len(lost), said == "none"


def part(cluster, kind):
    rounds = [cluster.one(kind) for _ in range(RUNS[kind])]
    phases = [p for p, _, _ in rounds]
    first = [p["first write acknowledged"] for p in phases]
    row(f"{WHAT[kind]} → first write, {len(rounds)}×", first, bar=BARS[kind])
    note(f"load {os.getloadavg()[0]:.1f}; fastest {min(first):.0f} ms; acknowledged transactions lost: {sum(n for _, n, _ in rounds)}; "
         f"said to be none: {sum(none for _, _, none in rounds)} of {len(rounds)}, with lost ones: {sum(none and n > 0 for _, n, none in rounds)}")
    for name, _ in PHASES:
        if values := [p[name] for p in phases if name in p]:
            row(f"    → {name}" + (f" ({len(values)}×)" if len(values) < len(phases) else ""), values)


def main():
    for flavor in sys.argv[1:] or FLAVORS:
        with Net("db1", "db2", "db3", "db4", "n1", "n2", "n3") as net:
            cluster = Round(net, flavor)
            try:
                head(f"a primary dies: {flavor}")
                for kind in KINDS:
                    part(cluster, kind)
            finally:
                if os.environ.get("BENCH_KEEP"):
                    cluster.group.keep(pathlib.Path(os.environ["BENCH_KEEP"]) / flavor)
                cluster.close()


if __name__ == "__main__":
    main()
