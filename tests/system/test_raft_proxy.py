"""The historical documentation's promises: HAProxy in front of three nodes, three data centres of which one is cut off,
the client script with several endpoints. All of it watched for two leaders at once."""

import os
import subprocess
import time

import pytest

from chaos_faults import place
from chaos_leases import Watch
from haproxy import HAProxy
from netns import Net
from node import ROOT
from waiting import wait_until

SECONDS = 8.0  # "within seconds": a check per second, an election, and a busy machine
DCS = ("dc1", "dc2", "dc3")


@pytest.fixture
def net():
    with Net(*DCS) as made:
        yield made


@pytest.fixture
def group(net, new_group, tmp_path):
    made = new_group(places=[place(net, dc) for dc in DCS], config={"Debug": False})
    made.wait_leader()
    watch = Watch(tmp_path / "leases", list(made))
    yield made
    try:
        watch.check()
        assert watch.seen, "no 200 was seen at all"
    finally:
        watch.stop()
        made.close()  # before its namespaces go


def works(proxy, path="/api/clusters"):
    return proxy.get(path, timeout=2).status == 200


def change(through, number, timeout=12.0):
    return through.get(f"/api/tag/10.9.0.1/3306?tag=number%3D{number}", timeout=timeout)


def test_haproxy_follows_the_leader(net, group, tmp_path):
    with HAProxy(tmp_path, f"{net.here}:8080", group) as proxy:
        for number in range(3):
            wait_until(lambda: works(proxy), SECONDS, "requests through HAProxy")
            assert change(proxy, number).status == 200
            leader = group.wait_leader()
            leader.kill()
            began = time.monotonic()
            wait_until(lambda: works(proxy), SECONDS, "requests through HAProxy after the leader's death")
            assert change(proxy, number + 100).status == 200
            print(f"through HAProxy again after {time.monotonic() - began:.2f} s")
            leader.start_raft()
            group.wait_leader()
        assert group.wait_same()


def test_haproxy_in_front_of_all_healthy_nodes(net, group, tmp_path):
    """raft-health: any of them takes changes, the one that is cut off gets no requests."""
    with HAProxy(tmp_path, f"{net.here}:8081", group, check="raft-health", balance="roundrobin") as proxy:
        group.wait_leader()
        wait_until(lambda: works(proxy), SECONDS, "requests through HAProxy")
        for number in range(6):
            assert change(proxy, number).status == 200
        cut_off = group.others(group.wait_leader())[0]
        net.isolate(DCS[group.nodes.index(cut_off)])
        wait_until(lambda: not cut_off.healthy(), SECONDS, "raft-health 500 of the node that is cut off")
        quiet = time.monotonic() + 1.5  # its next check by HAProxy has come by then
        wait_until(lambda: time.monotonic() > quiet, 5, "the next check")
        for number in range(10, 16):
            assert change(proxy, number).status == 200
        net.heal()
        wait_until(cut_off.healthy, 20, "raft-health 200 of the node that is back")
        assert group.wait_same()


def lead_from(group, node):
    """An operator's raft-yield until this one leads."""

    def leads():
        group.wait_leader().get(f"/api/raft-yield/{node.name}", timeout=10)
        return group.wait_leader() is node

    wait_until(leads, 60, f"{node.name} to lead", interval=1.0)


@pytest.mark.parametrize("leads_before", [True, False])
def test_three_data_centres_of_which_one_is_cut_off(net, group, leads_before):
    dc1, dc2, dc3 = group
    lead_from(group, dc2 if leads_before else dc1)
    assert change(dc3, 1).status == 200
    net.isolate("dc2")
    leader = group.wait_leader(among=[dc1, dc3])
    wait_until(lambda: not dc2.leads() and not dc2.healthy(), SECONDS, "DC2 to know that it is alone")
    assert dc2.get("/api/leader-check").status == 404 and dc2.get("/api/raft-health").status == 500
    assert change(leader, 2).status == 200 and change(dc1, 3).status == 200 and change(dc3, 4).status == 200
    assert change(dc2, 5).status == 503
    assert dc1.healthy() and dc3.healthy()
    net.heal()
    wait_until(dc2.healthy, 20, "DC2 to be back")
    group.wait_leader()
    assert change(dc2, 6).status == 200
    assert group.wait_same()
    assert dc2.query("SELECT tag_value FROM database_instance_tags") == [("6",)]


def client(group, *arguments, check=True):
    endpoints = " ".join(f"http://{node.host}:{node.port}/api" for node in group)
    done = subprocess.run([str(ROOT / "apid" / "client" / "orchestrator-client"), *arguments], capture_output=True, text=True,
                          timeout=60, env={**os.environ, "ORCHESTRATOR_API": endpoints})
    assert not check or done.returncode == 0, (done.stdout, done.stderr)
    return done.stdout.strip()


def test_the_client_finds_the_leader_among_its_endpoints(group):
    for _ in range(2):
        leader = group.wait_leader()
        assert f"{leader.host}:{leader.port}" in client(group, "-c", "which-api")
        client(group, "-c", "begin-downtime", "-i", "10.9.0.1:3306", "-o", "me", "-r", "why", "-u", "1h")
        leader.kill()
        client(group, "-c", "end-downtime", "-i", "10.9.0.1:3306")  # it waits for the next leader by itself
        leader.start_raft()
    group.wait_leader()
    assert group.wait_same()
