"""A real prober carries out steps on real MariaDB and MySQL servers: each once, in time, or not at all."""

import re
import select
import socket
import threading

import pytest

from proberdrv import CODES, Prober, boottime_us, key
from waiting import wait_until


def step(prober, server, statement, number, uid="r1", term=1, args=(), precondition="", within_ms=3000):
    prober.send("STEP", recovery_uid=uid, term=term, number=number, key=key(server.address), statement=statement,
                args=[{"s": a} for a in args], precondition=precondition, not_after_us=boottime_us(within_ms))
    return prober.expect("STEP_RESULT", recovery_uid=uid, term=term, number=number, deadline=15)


def next_step(prober, server, *args, **how):
    """After another one: the server notices the end of that one's connection, which frees the lock, a little later."""
    wait_until(lambda: server.value("SELECT IS_USED_LOCK('orchestrator.step')") is None, 10, "the former step to free its lock")
    return step(prober, server, *args, **how)


def read_only(server):
    return server.value("SELECT @@global.read_only") == "1"


def test_steps_change_the_server_once(servers, prober):
    server = servers["c"]
    own_id = server.value("SELECT @@global.server_id")
    assert read_only(server)
    done = step(prober, server, "set-writable", 1, precondition=own_id)
    assert done["code"] == 0 and done["sent"] and not read_only(server), done
    server.sql("SET GLOBAL read_only=1")
    mark = prober.mark()
    prober.send("STEP", recovery_uid="r1", term=1, number=1, key=key(server.address), statement="set-writable",
                precondition=own_id, not_after_us=boottime_us(3000))
    again = prober.expect("STEP_RESULT", since=mark, number=1)
    assert again["code"] == CODES["EXISTS"] and not again["sent"] and read_only(server)
    assert re.findall(r' (\w+) prober\S+ step: "set-writable" .* result=(\w+)', prober.log.read_text()) == [
        ("INFO", "OK"), ("INFO", "EXISTS")], "raftd tells what came of a step"
    assert step(prober, server, "set-read-only", 2)["code"] == 0
    assert step(prober, server, "stop-replica-io", 3)["code"] == 0
    assert server.replica_status()["Replica_IO_Running"] == "No"
    server.sql("START SLAVE" if servers.flavor == "mariadb" else "START REPLICA")
    server.wait_replicating()


def test_step_by_uuid_and_super_read_only(servers):
    if servers.flavor != "mysql":
        return
    server = servers["c"]
    with Prober(MySQLTopologySSLSkipVerify=True, UseSuperReadOnly=True) as prober:
        own = server.value("SELECT @@global.server_uuid")
        assert step(prober, server, "set-read-only", 1, precondition=own.upper())["code"] == 0
        assert server.value("SELECT @@global.super_read_only") == "1"
        assert step(prober, server, "set-writable", 2, precondition=own)["code"] == 0
        assert server.value("SELECT @@global.super_read_only") == "0" and not read_only(server)
        server.sql("SET GLOBAL read_only=1")


@pytest.mark.parametrize("how, code", [
    (dict(within_ms=0), "LATE"), (dict(within_ms=-5000), "LATE"), (dict(precondition="999999"), "PRECONDITION"),
    (dict(precondition="00000000-0000-0000-0000-000000000000"), "PRECONDITION"), (dict(statement="drop-everything"), "UNSUPPORTED"),
    (dict(args=["1"]), "INVALID"), (dict(number=0), "INVALID"), (dict(uid=""), "INVALID"),
], ids=str)
def test_refused_steps_leave_the_server_alone(servers, prober, how, code):
    server = servers["c"]
    refused = step(prober, server, **{"statement": "set-writable", "number": 1, **how})
    assert refused["code"] == CODES[code] and not refused["sent"] and refused["message"], refused
    assert read_only(server)


def test_older_term_is_over(servers, prober):
    server = servers["c"]
    assert step(prober, server, "set-read-only", 5, term=7)["code"] == 0
    old = step(prober, server, "set-writable", 6, uid="another", term=6)
    assert old["code"] == CODES["LATE"] and read_only(server)


def test_held_lock_refuses_the_step(servers, prober):
    server = servers["c"]
    holder = Prober(MySQLTopologySSLSkipVerify=True, DetectDataCenterQuery="select get_lock('orchestrator.step', 0)")
    with holder:
        holder.watch(server.address)
        holder.result(server.address, found=True)
        busy = step(prober, server, "set-writable", 1)
        assert busy["code"] == CODES["BUSY"] and not busy["sent"] and read_only(server)
    wait_until(lambda: server.value("SELECT IS_USED_LOCK('orchestrator.step')") is None, 10, "the lock to be free")
    assert step(prober, server, "set-read-only", 2)["code"] == 0
    wait_until(lambda: server.value("SELECT IS_USED_LOCK('orchestrator.step')") is None, 10, "a step to free its lock")


def test_whoever_holds_the_lock_can_be_ended(servers, prober):
    server = servers["c"]
    nobody = step(prober, server, "break-lock", 1)
    assert nobody["code"] == CODES["SERVER"] and nobody["errno_mysql"] == 1094, nobody
    holder = Prober(MySQLTopologySSLSkipVerify=True, DetectDataCenterQuery="select get_lock('orchestrator.step', 0)")
    with holder:
        holder.watch(server.address)
        holder.result(server.address, found=True)
        assert step(prober, server, "break-lock", 2)["code"] == 0
        assert read_only(server)
    wait_until(lambda: server.value("SELECT IS_USED_LOCK('orchestrator.step')") is None, 10, "the lock to be free")


def never_executed(servers):
    return "0-1-99999999" if servers.flavor == "mariadb" else "3e11fa47-71ca-11e1-9e33-c80aa9429562:1"


def test_a_step_that_waits_is_waited_for(servers):
    """However short other answers are waited for: applying may take hours."""
    with Prober(MySQLTopologySSLSkipVerify=True, MySQLTopologyReadTimeoutSeconds=1) as prober:
        end = next_step(prober, servers["c"], "wait-executed", 1, args=[never_executed(servers), "6"])
        assert end["code"] == CODES["TIMEOUT"], end


def test_steps_of_recoveries(servers, prober):
    server = servers["c"]
    applied = server.value("SELECT @@global." + ("gtid_slave_pos" if servers.flavor == "mariadb" else "gtid_executed"))
    done = step(prober, server, "wait-executed", 1, args=["".join(applied.split()), "5"])
    assert done["code"] == 0 and done["sent"], done
    assert next_step(prober, server, "wait-executed", 2, args=[never_executed(servers), "1"])["code"] == CODES["TIMEOUT"]
    before = server.replica_status()
    assert next_step(prober, server, "stop-replica", 3)["code"] == 0
    assert next_step(prober, server, "point-to", 4, args=["//elsewhere", "3306"])["code"] == 0
    detached = server.replica_status()
    assert detached["Source_Host"] == "//elsewhere"
    kept = ["Source_User", "Source_SSL_Allowed", "Using_Gtid" if servers.flavor == "mariadb" else "Auto_Position"]
    assert [detached[k] for k in kept] == [before[k] for k in kept] and before[kept[2]] not in ("No", "0")
    assert next_step(prober, server, "point-to", 5, args=[before["Source_Host"], before["Source_Port"]])["code"] == 0
    assert next_step(prober, server, "start-replica", 6)["code"] == 0
    server.wait_replicating()


def test_the_only_channel_may_have_a_name(servers, prober):
    if servers.flavor != "mysql":
        return
    server, source = servers["c"], servers["b"]
    make, start = server.flavor.replicate(source.host, source.port, None)
    server.sql(f"STOP REPLICA; RESET REPLICA ALL; {make} FOR CHANNEL 'it''s up'")
    try:
        # without the name: errno 3079, as the default channel is there too
        assert next_step(prober, server, "point-to", 1, args=["elsewhere", "3306"])["code"] == 0
        assert (server.replica_status()["Source_Host"], server.replica_status()["Channel_Name"]) == ("elsewhere", "it's up")
        assert next_step(prober, server, "point-to", 2, args=[source.host, str(source.port)])["code"] == 0
        assert next_step(prober, server, "start-replica", 3)["code"] == 0  # means all channels
        server.wait_replicating()
        server.sql(f"{make} FOR CHANNEL 'other'")
        refused = next_step(prober, server, "point-to", 4, args=["elsewhere", "3306"])
        assert (refused["code"], refused["sent"]) == (CODES["PRECONDITION"], False), refused
        assert next_step(prober, server, "stop-replica", 5)["code"] == next_step(prober, server, "reset-replica", 6)["code"] == 0
        assert server.replica_status() is None
    finally:
        server.sql(f"STOP REPLICA; RESET REPLICA ALL; {make}; {start}")
        server.wait_replicating()


def test_following_by_an_account_that_requires_a_certificate(servers):
    """ReplicationCredentialsQuery may name files: CA, certificate and key, which the replica has."""
    server, source, client = servers["d"], servers["a"], servers.pki.client("prober")
    user, password = "x509", "x509-pw"
    source.create_user(user, password, require="X509", grants=["REPLICATION SLAVE ON *.*"])
    servers.catch_up("a")
    old = "SLAVE" if servers.flavor == "mariadb" else "REPLICA"
    server.sql(f"STOP {old}; RESET {old} ALL")
    query = f"select '{user}', '{password}', '{servers.pki.ca}', '{client.cert}', '{client.key}'"
    with Prober(MySQLTopologySSLSkipVerify=True, ReplicationCredentialsQuery=query) as prober:
        done = step(prober, server, "follow", 1, args=[source.host, str(source.port)])
        assert done["code"] == 0 and done["sent"], done
        done = next_step(prober, server, "start-replica", 2)
        assert done["code"] == 0, done
    server.wait_replicating()
    assert server.replica_status()["Source_User"] == user
    server.sql(f"STOP {old}; RESET {old} ALL")
    server.replicate_from(source, tls=servers.pki)
    server.wait_replicating()


# -- silent replicas are made to connect anew


def receiver(server):
    """Connection id of its receiver; None while it is not connected."""
    return server.value("SELECT id FROM information_schema.processlist WHERE state LIKE 'Waiting for % to send event'")


def reconnects(server, before):
    wait_until(lambda: receiver(server) not in (None, before), 15, "another receiver")
    status = server.replica_status()
    assert status["Replica_IO_Running"] == status["Replica_SQL_Running"] == "Yes"


def test_receiver_connects_anew(servers, prober):
    server = servers["c"]
    before = wait_until(lambda: receiver(server), 15, "its receiver")
    done = step(prober, server, "restart-replica-io", 1, precondition=server.value("SELECT @@global.server_id"))
    assert done["code"] == 0 and done["sent"], done
    reconnects(server, before)
    old = "SLAVE" if servers.flavor == "mariadb" else "REPLICA"
    for thread in "SQL", "IO":  # one of them stands still; nobody starts it
        server.sql(f"STOP {old} {thread}_THREAD")
        refused = next_step(prober, server, "restart-replica-io", 2 if thread == "SQL" else 3)
        assert refused["code"] == CODES["PRECONDITION"] and not refused["sent"], refused
        assert server.replica_status()[f"Replica_{thread}_Running"] == "No"
        server.sql(f"START {old} {thread}_THREAD")
    assert step(prober, servers["a"], "restart-replica-io", 4)["code"] == CODES["PRECONDITION"]  # no replica
    server.wait_replicating()


class Cutting:
    """Forwards one connection after the other, and hangs up as soon as the word has been passed on."""

    def __init__(self, target, word):
        self.target, self.word, self.cut = target, word, threading.Event()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while not self.cut.is_set():
            client, _ = self.socket.accept()
            with client, socket.create_connection(self.target) as server:
                self._forward(client, server)

    def _forward(self, client, server):
        while True:
            for source in select.select([client, server], [], [])[0]:
                data = source.recv(65536)
                if not data:
                    return
                (server if source is client else client).sendall(data)
                if source is client and self.word in data:
                    self.cut.set()
                    return


def test_receiver_runs_though_whoever_stopped_it_is_gone(servers):
    """The connection ends before the server has begun: as if the prober were killed right after sending."""
    server = servers["c"]
    with Prober(MySQLTopologyUseMixedTLS=False) as prober:
        between = Cutting((server.host, server.port), b"io_thread; start")
        before = wait_until(lambda: receiver(server), 15, "its receiver")
        prober.send("STEP", recovery_uid="r1", term=1, number=1, key=key(between.address), statement="restart-replica-io",
                    not_after_us=boottime_us(5000))
        lost = prober.expect("STEP_RESULT", number=1, deadline=15)
        assert between.cut.is_set() and lost["code"] == CODES["UNKNOWN_OUTCOME"] and lost["sent"], lost
    reconnects(server, before)


def test_receiver_of_a_silent_source(servers, prober):
    """It is told within the time that a vote waits, and says that it cannot connect."""
    source, server = servers["a"], servers["b"]
    before = wait_until(lambda: receiver(server), 15, "its receiver")
    source.stop()
    try:
        done = step(prober, server, "restart-replica-io", 1)
        assert done["code"] == 0, done
        assert server.replica_status()["Replica_IO_Running"] == "Connecting"
        if servers.flavor == "mariadb":  # lent for the time of the step, so that it takes less
            assert server.value("SELECT @@rpl_semi_sync_slave_kill_conn_timeout") == "5"
    finally:
        source.cont()
    reconnects(server, before)


def test_error_of_the_server_is_told(servers, prober):
    failed = step(prober, servers["c"], "kill-query", 1, args=["999999"])
    assert failed["code"] == CODES["SERVER"] and failed["errno_mysql"] == 1094 and failed["sent"]


def test_step_on_a_dead_server(servers, prober):
    victim = servers["d"]
    victim.kill()
    try:
        assert step(prober, victim, "set-writable", 1)["code"] == CODES["UNREACHABLE"]
    finally:
        victim.start()
        victim.wait_replicating()


def test_step_on_a_silent_server_is_late_or_unreachable_but_never_sent(servers, prober):
    victim = servers["d"]
    victim.stop()
    try:
        result = step(prober, victim, "set-writable", 1, within_ms=500)
        assert result["code"] in (CODES["LATE"], CODES["UNREACHABLE"]) and not result["sent"]
    finally:
        victim.cont()
    assert read_only(victim)
    victim.wait_replicating()
