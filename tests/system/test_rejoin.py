"""The old primary is back: real servers of both families. It is fenced in any case (test_recovery.py); here: what becomes of it."""

import subprocess

import pytest

from flavors import REPL_PASSWORD, REPL_USER
from sandbox import Sandbox
from test_loss import recovery
from test_recovery import SOON, expect_one_source, ready, writable
from waiting import wait_until

BOTH = pytest.mark.parametrize("flavor", ["mariadb", "mysql"])


def write_unseen(server, statement):
    """On a server that was killed: it is started where nobody reaches it, and ends again."""
    server.spec.options.append("--skip-networking")
    server.start()
    server.sql(statement)
    server.shutdown()
    server.spec.options.remove("--skip-networking")


def purge(server):
    """So that a position that is left over cannot be served any more."""
    server.sql("flush binary logs")
    newest = server.sql("show binary logs")[-1]["Log_name"]
    wait_until(lambda: len(server.sql(f"purge binary logs to '{newest}'; show binary logs")) == 1, SOON, "the logs to be purged")


@BOTH
def test_rejoining(new_group, flavor):
    """One that has transactions of its own stays away, and they are shown; one that has none follows its successor: here a server
    that was a replica before, and then the source (a position in its replication is left over from then)."""
    with Sandbox(f"{flavor}: a > b, a > c, a > d") as servers:
        group = ready(new_group, servers, RejoinFailedMaster=True, RecoveryPeriodBlockSeconds=1,
                      ReplicationCredentialsQuery=f"select '{REPL_USER}', '{REPL_PASSWORD}'")
        a, others = servers["a"], [servers[name] for name in "bcd"]
        a.kill()
        expect_one_source(others)
        first = recovery(group, a, "done")
        new = writable(others)[0]
        write_unseen(a, "insert into was.here values (99)")
        a.start()
        line = wait_until(lambda: recovery(group, a, "done")["AllErrors"][0], SOON, "what it has of its own")
        own = a.sql(a.flavor.executed())[0]["value"]
        assert line.startswith(f"{a.address} is back, and stays read-only: it has transactions that its successor lacks: "), line
        assert (line.split(": ")[-1] == own) if flavor == "mariadb" else a.value("select @@server_uuid") in line
        assert a.value("select @@global.read_only") == "1" and not a.replication()

        new.sql("insert into was.here values (3)")
        rest = [server for server in others if server is not new]
        for server in rest:
            wait_until(lambda: server.value("select count(*) from was.here") == "3", SOON, f"{server} to follow")
        wait_until(lambda: group.wait_leader().instance(new)["ReadOnly"] is False, SOON, "the node to see the new primary")
        new.kill()
        newest = wait_until(lambda: writable(rest), SOON, "a writable server")[0]
        recovery(group, new, "done")
        purge(newest)
        new.start()
        wait_until(lambda: new.replication(), SOON, "the old one to be a replica")
        newest.sql("insert into was.here values (4)")
        for server in others:
            wait_until(lambda: server.value("select count(*) from was.here") == "4", SOON, f"{server} to follow")
        assert writable([*servers]) == [newest]
        done = recovery(group, new, "done")
        assert done["IsSuccessful"] and done["AllErrors"] == [""] and done["UID"] != first["UID"]
        assert not any(REPL_PASSWORD in node.log_text() for node in group)


class Held:
    """Locks a table on a server, so that its replication does not get on."""

    def __init__(self, server, table):
        self.process = subprocess.Popen(
            [*server.flavor.client_command(), "--no-defaults", f"--socket={server.socket}", "--user=root", "--batch",
             "--skip-column-names", "--unbuffered"], text=True, bufsize=1, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.process.stdin.write(f"lock tables {table} read; select 'locked';\n")
        assert self.process.stdout.readline().strip() == "locked"

    def end(self):
        self.process.stdin.close()
        assert self.process.wait(SOON) == 0


def received(server, gtids):
    row = server.replication()
    if "Gtid_IO_Pos" in row:
        return row["Gtid_IO_Pos"] == gtids
    return server.value(f"select gtid_subset('{gtids}', concat('{row['Retrieved_Gtid_Set']},', @@global.gtid_executed))") == "1"


@BOTH
def test_returning_before_the_promotion(new_group, flavor):
    """The candidate still applies what it received: the recovery is given up, and the old primary goes on."""
    with Sandbox(f"{flavor}: a > b, a > c") as servers:
        group = ready(new_group, servers, replicas="bc", InstanceBulkOperationsWaitTimeoutSeconds=90)
        a, others = servers["a"], [servers[name] for name in "bc"]
        held = [Held(server, "was.here") for server in others]
        a.sql("insert into was.here values (2)")
        want = a.executed_gtids()
        for server in others:
            wait_until(lambda: received(server, want), SOON, f"{server} to have received it")
        a.kill()
        recovery(group, a, "prepare")
        a.start()
        undone = recovery(group, a, "undone")
        assert not undone["IsSuccessful"]
        assert writable([*servers]) == [a]
        for one in held:
            one.end()
        a.sql("insert into was.here values (3)")
        for server in others:
            wait_until(lambda: server.value("select count(*) from was.here") == "3", SOON, f"{server} to follow again")
        assert writable([*servers]) == [a]
