"""A primary that cannot be reached is replaced, whatever ails it, and never is there a second writable server in the end."""

import time

from outage import SOON, StatementLog, host_of, key_of, world, writable
from waiting import wait_until
from writer import Writer


def isolate_with_leader(w):
    """The leader and the primary see each other, and nobody else. The leader goes on reading, and changes nothing."""
    leader, primary = w.group.wait_leader(), w.primary
    inside = {primary.name, host_of(w.net, leader)}
    log = StatementLog(primary)
    connected = f"SELECT 1 FROM information_schema.processlist WHERE host LIKE '{leader.host}:%'"
    wait_until(lambda: primary.sql(connected), SOON, "the leader's connection to the primary")

    def cut(_):
        w.talking = w.group.others(leader)
        for host in inside:
            for other in set(w.net.hosts) - inside:
                w.net.cut(host, other)

    def heal(_):
        before = len(log.statements())
        wait_until(lambda: len(log.statements()) >= before + 20, SOON, "the isolated leader to read the primary")  # two polls and more
        assert log.changes() == []
        w.net.heal()
        w.talking = list(w.group)

    w.fail("isolated with the leader", cut, heal)
    assert "set global read_only = 1" in log.changes()


def test_mariadb_primaries_fail_in_every_way(new_group):
    with world(new_group, "mariadb", "a > b, a > c, a > d, a > e") as w:
        w.fail("packets dropped", lambda p: w.net.isolate(p.name), lambda p: w.net.heal())
        w.fail("SIGSTOP", lambda p: p.stop(), lambda p: p.cont())
        w.fail("orderly shutdown", lambda p: p.shutdown(), lambda p: p.start())
        isolate_with_leader(w)


def test_mysql_primaries_fail_in_every_way(new_group):
    with world(new_group, "mysql", "a > b, a > c, a > d, a > e", semi_sync=True, options=semi_sync("source")) as w:
        writer = w.fail("SIGSTOP", lambda p: p.stop(), lambda p: p.cont())
        assert writer.missing_on(w.primary) == []  # a acknowledged semi-synchronously; who was promoted since does not
        isolate_with_leader(w)
        w.fail("orderly shutdown", lambda p: p.shutdown(), lambda p: p.start())
        acknowledge_semi_synchronously(w.primary)
        crash_and_be_back(w)


def semi_sync(role):
    return {"*": [f"--rpl-semi-sync-{role}-wait-point=AFTER_SYNC", f"--rpl-semi-sync-{role}-timeout=20000"]}


def acknowledge_semi_synchronously(primary):
    """From now on, and when it was restarted, which leaves it writable, as its configuration would."""
    primary.spec.source, primary.spec.has_replicas = None, True
    primary.sql("SET GLOBAL rpl_semi_sync_source_enabled=1")
    status = "SELECT variable_value FROM performance_schema.global_status WHERE variable_name='Rpl_semi_sync_source_{}'"
    wait_until(lambda: primary.value(status.format("status")) == "ON" and primary.value(status.format("clients")) != "0", SOON,
               "the replicas to acknowledge")


CALM = 4  # seconds: several polls, and tries of a failed server


def wait_settled(w):
    """One writable server and no recovery under way, for a while. Returns the server."""
    since = {}

    def settled():
        ends = [(r["UID"], r["RecoveryEndTimestamp"]) for r in w.group.wait_leader().api("audit-recovery")]
        state = (tuple(writable(w.servers)), tuple(ends))
        if len(state[0]) != 1 or not all(end for _, end in ends) or not all(s.state == "running" for s in w.servers):
            since.clear()
            raise AssertionError(state)
        if state not in since:
            since.clear()
            since[state] = time.monotonic()
        return state if time.monotonic() - since[state] > CALM else None

    (primary,), ends = wait_until(settled, 3 * SOON, "one writable server and calm", interval=0.2)
    print(f"{primary.name} is writable after {len(ends)} recoveries")
    return primary


def expect_followed(w, primary):
    """By every other server, unless a recovery has said that it is lost."""
    lost = [i["Key"] for i in w.group.wait_leader().api("downtimed") if i["DowntimeReason"] == "lost-in-recovery"]
    gtids = primary.executed_gtids()
    for server in w.servers:
        if server is not primary and key_of(server) not in lost:
            server.wait_for_gtids(gtids)


def crash_and_be_back(w):
    """Be it replaced or not. Semi-synchronous: nothing that was acknowledged may be missing, whoever took it. One application goes where
    writes are taken, and another one knows the first server alone."""
    a, app = w.primary, w.net.netns("app")
    w.wait_ready()
    with Writer(w.alive, netns=app, first=w.next_number()) as writer, Writer([a], netns=app, first=w.next_number()) as stubborn:
        for _ in range(3):
            writer.wait_written(20)
            a.kill()
            a.start()
            writer.wait_written(5, 2 * SOON)
        primary = wait_settled(w)
    assert writer.missing_on(primary) == [] == stubborn.missing_on(primary)
    expect_followed(w, primary)


def test_mariadb_primary_crashes_and_is_back_at_once(new_group):
    with world(new_group, "mariadb", "a > b, a > c, a > d", semi_sync=True, options=semi_sync("master")) as w:
        crash_and_be_back(w)
