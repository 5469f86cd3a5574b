"""Three nodes find a few hundred servers from seeds: the inventory comes in batches, nobody loses leadership."""

import time

from fleet import Fleet
from raftnodes import commands

SERVERS, REPLICAS = 300, 9


def test_the_first_discovery_floods_nothing(new_group):
    """Each node finds each server; the leader proposes them gathered, followers tell it what they have found."""
    began = time.monotonic()
    with Fleet(SERVERS, REPLICAS) as fleet:
        group = new_group(3, config={"DiscoverySeeds": fleet.sources})
        leader = group.wait_leader()
        term = leader.info()["Term"]
        for node in group:
            node.wait_instances(fleet.addresses, 60)
        group.wait_same(deadline=60)
        assert leader.leads() and leader.info()["Term"] == term
        took = time.monotonic() - began
        counts = {op: len(sizes) for op, sizes in commands(leader).items()}
        assert 1 < counts["inventory-add"] <= 10 * took + 5, (took, counts)  # gathered for 100 ms each
        assert counts.get("cluster-upsert", 0) <= len(fleet.sources), counts
        assert sum(counts.values()) - counts["inventory-add"] < len(fleet.sources) + 10, counts
