"""What a promotion loses, and that the record says so: real servers, a writer that knows what was acknowledged to it."""

import subprocess
import threading

import pytest

from sandbox import Sandbox
from test_recovery import SOON, expect_one_source, ready, writable
from waiting import wait_until

SEMI_SYNC = {"mariadb": ["--rpl-semi-sync-master-timeout=600000", "--rpl-semi-sync-master-wait-point=AFTER_SYNC"],
             "mysql": ["--rpl-semi-sync-source-timeout=600000", "--rpl-semi-sync-source-wait-point=AFTER_SYNC"]}


class Writer:
    """Inserts one number after the other until the server is gone; acked: those whose commit it acknowledged."""

    def __init__(self, server, table="was.acked"):
        server.sql(f"create table if not exists {table} (n bigint primary key)")
        self.acked = []
        self.process = subprocess.Popen(
            [*server.flavor.client_command(), "--no-defaults", f"--socket={server.socket}", "--user=root", "--batch",
             "--skip-column-names", "--unbuffered"], text=True, bufsize=1, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)
        self.threads = [threading.Thread(target=work, daemon=True) for work in (lambda: self._write(table), self._read)]
        for thread in self.threads:
            thread.start()
        wait_until(lambda: len(self.acked) > 50, SOON, "the writer to have written something")

    def _write(self, table):
        try:
            for n in range(1, 1_000_000):
                self.process.stdin.write(f"insert into {table} values ({n}); select {n};\n")
        except OSError:
            pass  # its server died, and so it ended

    def _read(self):
        for line in self.process.stdout:
            self.acked.append(int(line))

    def end(self):
        assert self.process.wait(SOON) != 0
        for thread in self.threads:
            thread.join(SOON)
        return self.acked


def recovery(group, server, state):
    """The newest one of this server, once it is in that state."""
    def there():
        newest = next((r for r in group.wait_leader().api("audit-recovery?details=true")
                       if r["AnalysisEntry"]["AnalyzedInstanceKey"]["Port"] == server.port), None)
        return newest if newest and newest["State"] == state else None

    return wait_until(there, 2 * SOON, f"a recovery of {server} to be {state}")


@pytest.mark.parametrize("flavor", ["mariadb", "mysql"])
def test_what_semi_sync_proves(new_group, flavor):
    """With semi-sync nothing is lost, that is known, and so it is promoted although the policy is abort; the next failure is of
    an asynchronous source, and is left alone until that is back."""
    options = {"*": SEMI_SYNC[flavor]}
    with Sandbox(f"{flavor}: a > b, a > c, a > d", semi_sync=True, options=options) as servers:
        group = ready(new_group, servers, PromotionOnPossibleLoss="abort", RecoveryPeriodBlockSeconds=1)
        a, others = servers["a"], [servers[name] for name in "bcd"]
        leader = group.wait_leader()
        wait_until(lambda: leader.instance(a)["SemiSyncMasterClients"] == 3, SOON, "the node to see three semi-sync replicas")
        for server in others:  # one that was restarted a moment ago proves nothing
            wait_until(lambda: server.uptime() > 25, SOON, f"{server} to have run for long enough")
        writer = Writer(a)
        a.kill()
        acked = writer.end()
        expect_one_source(others)
        done = recovery(group, a, "done")
        assert done["Loss"] == "none", done
        new = writable(others)[0]
        assert {int(row["n"]) for row in new.sql("select n from was.acked")} >= set(acked)

        rest = [server for server in others if server is not new]
        wait_until(lambda: group.wait_leader().instance(new)["ReadOnly"] is False, SOON, "the node to see the new primary")
        writer = Writer(new, "was.later")
        new.kill()
        acked = writer.end()
        undone = recovery(group, new, "undone")
        assert undone["Loss"] not in ("none", "") and not undone["IsSuccessful"], undone
        assert not writable(rest)
        new.start()
        new.sql("set global read_only = 0")  # the sandbox starts replicas, as it was one, read-only
        assert {int(row["n"]) for row in new.sql("select n from was.later")} >= set(acked)
        n = new.value("select count(*) from was.later")
        for server in rest:
            wait_until(lambda: server.value("select count(*) from was.later") == n, SOON, f"{server} to follow again")


def test_waiting_for_the_lost_server(new_group):
    """wait:SECONDS: it is given that long to come back, and only then is another one promoted."""
    with Sandbox("mariadb: a > b, a > c, a > d") as servers:
        group = ready(new_group, servers, PromotionOnPossibleLoss="wait:20")
        a, others = servers["a"], [servers[name] for name in "bcd"]
        a.kill()
        recovery(group, a, "wait")
        a.start()
        undone = recovery(group, a, "undone")
        assert undone["StateReason"] == "everything is as it was" and writable(servers) == [a]
        a.kill()
        waiting = recovery(group, a, "wait")
        assert waiting["UID"] != undone["UID"] and not writable(others)
        expect_one_source(others)
        assert recovery(group, a, "done")["Loss"] == "possible"
