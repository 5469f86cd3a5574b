"""One node and a fleet of 300 servers of which many fail at once: what becomes of the others, and of the node."""

import os
import time

import pytest

from fleet import Fleet
from node import Node
from waiting import wait_until

POLL, CONCURRENCY, DEAD_POLL = 2, 100, 6
CONFIG = {"InstancePollSeconds": POLL, "DiscoveryMaxConcurrency": CONCURRENCY, "DeadInstancePollSecondsMultiplyFactor": 5,
          "DeadInstancePollSecondsMax": DEAD_POLL, "Debug": False}
URGENT_THREADS = 32  # of pr_lanes.c: logins of servers that are suspected come beside the others
SOON = 40  # seconds: a sanitized node on a slow machine


@pytest.fixture(scope="module")
def fleet():
    with Fleet(300) as fleet:
        yield fleet


@pytest.fixture(scope="module")
def watching(fleet, artefacts):
    node = Node(seeds=fleet.sources, config=CONFIG)
    yield node
    node.close(keep_in=artefacts / "test_fleet_faults")


@pytest.fixture
def node(fleet, watching):
    """All is well."""
    fleet.set("well")
    watching.wait_instances(fleet.addresses, 2 * SOON)
    wait_until(lambda: fleet.figures()["open"] == len(fleet.addresses), SOON, "a connection to each")
    wait_until(lambda: metric(watching, "prober.connections") == len(fleet.addresses), SOON, "the connections to be counted")
    return watching


def instances(node):
    return {f"{i['Key']['Hostname']}:{i['Key']['Port']}": i for i in node.api("all-instances")}


def longest_ms(node):
    """Between two probes of a server: an interval and a quarter, and as much again for a busy machine."""
    return (6 if node.sanitized else 3) * POLL * 1000


def metric(node, name):
    return wait_until(lambda: [node.get("/debug/metrics").json()[name]], 10, name)[0]  # a prober tells its own once a second


def wait_bad(node, bad, odd=(), deadline=SOON):
    """Until these, and no others, are shown as unreadable; odd: those that may be."""
    def only_these():
        wrong = {a for a, i in instances(node).items() if i["IsLastCheckValid"] == (a in bad)} - set(odd)
        assert not wrong, wrong
        return True

    wait_until(only_these, deadline, "exactly the bad ones to be bad")


def spread(fleet, faults):
    """{fault: addresses}: 30 % of the clusters, and of each fault some."""
    return {fault: fleet.clusters(*[i for i in range(len(fleet.sources)) if i % 10 < 3 and i // 10 % len(faults) == n])
            for n, fault in enumerate(faults)}


def test_liars_are_told_apart(fleet, node):
    """What cannot be understood is refused, counted and told with its reason; the others are read in time, and nothing breaks."""
    lies = ("garbage", "many_columns", "null_columns", "empty_packet", "short_error", "close_mid_row")
    parts = {lie: fleet.clusters(3 * n, 3 * n + 1, 3 * n + 2) for n, lie in enumerate(lies, 10)}
    errors = {("refuses", 1040): fleet.clusters(0), ("errors", 1820): fleet.clusters(1), ("denies", 1045): fleet.clusters(2)}
    strange = {fault: fleet.clusters(n) for n, fault in enumerate(("wrong_types", "other_ids", "contradictory", "two_answers"), 3)}
    pids, unusable, end = sorted(node.processes()), metric(node, "prober.answers_unusable"), node.log.stat().st_size
    for (fault, number), addresses in errors.items():
        fleet.set(fault, addresses, number)
        fleet.drop(addresses)
    for (_, number), addresses in errors.items():
        for address in addresses:
            node.wait_log(rf"probe: server answers, but cannot be probed instance={address} evidence=answered errno={number} ", SOON)
    wait_bad(node, sum(errors.values(), []))
    for fault, addresses in (*parts.items(), *strange.items()):
        fleet.set(fault, addresses)
    unreadable = [a for part in (*errors.values(), *parts.values()) for a in part]
    well = sorted(set(fleet.addresses) - set(unreadable) - set(sum(strange.values(), [])))
    fleet.mark()
    wait_bad(node, unreadable, odd=sum(strange.values(), []))
    wait_until(lambda: metric(node, "prober.answers_unusable") >= unusable + len(parts["garbage"]), 10, "useless answers to be counted")
    wait_until(lambda: fleet.figures(well)["probes"] >= 3 * len(well), SOON, "probes of those that are well")
    assert fleet.figures(well)["longest_gap_ms"] < longest_ms(node)
    assert all(node.get(f"/api/{path}").status == 200 for path in ("clusters-info", "problems", "replication-analysis"))
    with open(node.log, errors="replace") as log:
        log.seek(end)
        lines = log.read().split("\n")
    assert all(line == "" or line.startswith("20") and line.isprintable() for line in lines) and len(lines) < 2000
    assert sorted(node.processes()) == pids


def test_a_third_fails_and_the_others_are_probed_in_time(fleet, node):
    """Dead, silent and hung ones delay nobody, not even those that have to be connected to anew."""
    parts = spread(fleet, ["die", "silent", "blackhole", "hang", "hang_mid_row"])
    bad = sum(parts.values(), [])
    well = sorted(set(fleet.addresses) - set(bad))
    gone = len(parts["die"] + parts["silent"] + parts["blackhole"])  # the others let in, and are tried at the usual interval
    for fault, addresses in parts.items():
        fleet.set(fault, addresses)
    fleet.drop(parts["blackhole"])
    wait_bad(node, bad)
    wait_until(lambda: metric(node, "discoveries.dead_instances") == gone, SOON, "those that cannot be reached to be counted")
    problems = {f"{i['Key']['Hostname']}:{i['Key']['Port']}": i["Problems"] for i in node.api("problems")}
    assert {a for a, p in problems.items() if "last_check_invalid" in p} == set(bad)
    fleet.mark()
    failed = metric(node, "prober.connects_failed")
    fleet.drop(well)
    wait_until(lambda: fleet.figures(well)["probes"] >= 3 * len(well), SOON, "three probes of those that are well")
    seen = fleet.figures(well)
    assert seen["longest_gap_ms"] < longest_ms(node) and seen["open"] > 0.95 * len(well), seen
    wait_until(lambda: metric(node, "prober.connects_failed") > failed, 10, "failed connects to be counted")
    shown = instances(node)
    assert not [a for a in bad if shown[a]["IsLastCheckValid"]] and not [a for a in well if not shown[a]["IsLastCheckValid"]]
    current, stale = set(), set()

    def seen_each():
        now = instances(node)
        current.update(a for a in well if now[a]["IsUpToDate"])
        stale.update(a for a in parts["die"] if not now[a]["IsUpToDate"])
        return len(current) == len(well) and len(stale) == len(parts["die"])

    wait_until(seen_each, SOON, "those that are well to be up to date, and those that back off not to be")


def test_all_connections_are_reset_at_once(fleet, node):
    """As by a firewall: all are read again soon, a few at a time, and nobody is taken for dead."""
    before = {name: metric(node, name) for name in ("prober.connections_lost", "prober.losses_unreported", "discoveries.fail")}
    said = len(node.log_text())
    fleet.mark()
    fleet.drop()

    taken_for_dead = set()

    def read_again():
        seen = fleet.figures()
        taken_for_dead.update(a for a, i in instances(node).items() if not i["IsLastCheckValid"])
        return seen["connects"] >= len(fleet.addresses) and seen["unprobed"] == 0 and seen

    began = time.monotonic()
    seen = wait_until(read_again, SOON, "all to be read again")
    assert time.monotonic() - began < (20 if node.sanitized else 10) and not taken_for_dead
    assert seen["connects"] < 1.1 * len(fleet.addresses), "each is connected to once"
    wait_until(lambda: fleet.figures()["open"] == len(fleet.addresses), SOON, "one connection to each")
    assert seen["most_logins"] <= CONCURRENCY / 2 + URGENT_THREADS, seen
    wait_until(lambda: metric(node, "prober.connections_lost") == before["prober.connections_lost"] + len(fleet.addresses), 5, "each to be counted")
    assert metric(node, "prober.losses_unreported") > before["prober.losses_unreported"] + len(fleet.addresses) / 2
    assert metric(node, "discoveries.fail") == before["discoveries.fail"]
    node.wait_log("many connections were lost within a second: probing anew")
    assert "verdict=DEAD" not in node.log_text()[said:]


def test_flapping_leaks_nothing(fleet, node):
    """Neither connections nor open files, in no process; the others don't notice."""
    def files():
        return {pid: len(os.listdir(f"/proc/{pid}/fd")) for pid in node.processes()}

    flapping = fleet.clusters(slice(0, None, 3))
    well = sorted(set(fleet.addresses) - set(flapping))
    before = files()
    fleet.mark()
    fleet.set("flap", flapping, 700)
    opened = []

    def often():
        opened.append(fleet.figures(flapping)["open"])
        return fleet.figures(flapping)["connects"] >= 3 * len(flapping)

    wait_until(often, SOON, "connections to those that flap", interval=0.1)
    assert max(opened) <= len(flapping) + 10 and fleet.figures(well)["connects"] < 0.1 * len(well), "more than one connection each"
    assert fleet.figures(well)["longest_gap_ms"] < longest_ms(node)
    fleet.set("well")
    node.wait_instances(fleet.addresses, 2 * SOON)
    wait_until(lambda: fleet.figures()["open"] == len(fleet.addresses), SOON, "a connection to each")
    wait_until(lambda: all(n <= before[pid] + 4 for pid, n in files().items()), 10, f"as many open files as before: {before}")


def test_restart_with_all_known(fleet, node):
    """Each is connected to once and read; nothing is discovered again, so there is nothing to decide."""
    node.stop()
    fleet.mark()
    node.start()
    wait_until(lambda: fleet.figures()["unprobed"] == 0, SOON, "all to be read")
    node.wait_instances(fleet.addresses)
    seen = fleet.figures()
    assert seen["connects"] < 1.1 * len(fleet.addresses), seen
    assert seen["most_logins"] <= CONCURRENCY / 2 + URGENT_THREADS, seen
    assert metric(node, "propose.committed") == 0
