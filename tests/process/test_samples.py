"""What took how long, as discovery-metrics, backend-query-metrics and write-buffer-metrics show it."""

import re

import pytest

from fleet import Fleet
from node import Node
from waiting import wait_until

KINDS = ("discovery", "backend-query", "write-buffer")
ALL = 3600  # seconds: more than is kept
STATISTICS = ("Mean", "Max", "Median", "P95")
TIME = r"2\d\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z"


def four(what):
    return [statistic + what for statistic in ("Max", "Mean", "Median", "P95")]


KEYS = {
    "discovery": ["FirstSeen", "LastSeen", "CountDistinctInstanceKeys", "CountDistinctOkInstanceKeys", "CountDistinctFailedInstanceKeys",
                  "FailedDiscoveries", "SuccessfulDiscoveries"] +
                 [f"{failed}{statistic}{part}Seconds" for statistic in STATISTICS for failed in ("", "Failed")
                  for part in ("Total", "Backend", "Instance")],
    "backend-query": ["Count", *four("LatencySeconds"), *four("WaitSeconds")],
    "write-buffer": ["InstanceWriteBufferSize", "InstanceFlushIntervalMilliseconds", "CountInstances", *four("Instances"),
                     *four("WaitSeconds"), *four("WriteSeconds")],
}


@pytest.fixture(scope="module")
def fleet():
    with Fleet(4) as fleet:
        yield fleet


@pytest.fixture(scope="module")
def node(fleet):
    config = {"BufferInstanceWrites": True, "InstanceWriteBufferSize": 77, "InstancePollSeconds": 1}
    with Node(seeds=[*fleet.sources, "127.0.0.1:1"], config=config) as node:
        wait_until(lambda: len(node.api("all-instances")) == 5, 30, "four servers and one that does not answer")
        yield node


def raw(node, kind):
    return node.api(f"{kind}-metrics-raw/{ALL}")


def test_probes(node, fleet):
    def both():
        found = raw(node, "discovery") or []
        return found if {None, "127.0.0.1"} <= {p["Err"] if p["Err"] is None else p["Hostname"] for p in found} else None

    samples = wait_until(both, 20, "probes of both kinds")
    assert all(list(p) == ["Timestamp", "Hostname", "Port", "BackendLatencySeconds", "InstanceLatencySeconds",
                           "TotalLatencySeconds", "Err"] for p in samples)
    good = [p for p in samples if p["Err"] is None]
    assert {f"{p['Hostname']}:{p['Port']}" for p in good} <= set(fleet.addresses)
    assert all(0 <= p["InstanceLatencySeconds"] <= p["TotalLatencySeconds"] for p in good)
    assert all(p["BackendLatencySeconds"] >= 0 and re.fullmatch(TIME, p["Timestamp"]) for p in samples)
    assert {p["Port"] for p in samples if p["Hostname"] == "127.0.0.1" and p["Err"] == {}} == {1}
    summary = node.api(f"discovery-metrics-aggregated/{ALL}")
    assert summary["SuccessfulDiscoveries"] >= len(samples) and summary["SuccessfulDiscoveries"] > summary["FailedDiscoveries"] > 0
    assert summary["CountDistinctOkInstanceKeys"] >= len({p["Hostname"] for p in good})
    assert summary["CountDistinctInstanceKeys"] > summary["CountDistinctFailedInstanceKeys"] >= 1
    assert re.fullmatch(TIME, summary["FirstSeen"]) and re.fullmatch(TIME, summary["LastSeen"])
    assert 0 < summary["MeanTotalSeconds"] <= summary["MaxTotalSeconds"] and summary["FailedMaxTotalSeconds"] > 0


def test_writes(node):
    samples = wait_until(lambda: raw(node, "backend-query"), 20, "writes to the backend")
    assert list(samples[0]) == ["Timestamp", "WaitLatency", "ExecuteLatency", "Err"]
    assert all(s["Err"] is None and s["ExecuteLatency"] > 0 and s["WaitLatency"] >= 0 for s in samples)
    summary = node.api(f"backend-query-metrics-aggregated/{ALL}")
    assert summary["Count"] >= len(samples) and 0 < summary["MedianLatencySeconds"] <= summary["MaxLatencySeconds"]


def test_batches(node):
    samples = wait_until(lambda: raw(node, "write-buffer"), 20, "batches of servers")
    assert list(samples[0]) == ["Timestamp", "Instances", "WaitLatency", "WriteLatency"]
    assert all(1 <= s["Instances"] <= 77 for s in samples)
    summary = node.api(f"write-buffer-metrics-aggregated/{ALL}")
    assert summary["CountInstances"] >= sum(s["Instances"] for s in samples)
    assert (summary["InstanceWriteBufferSize"], summary["InstanceFlushIntervalMilliseconds"]) == (77, 100)


@pytest.mark.parametrize("kind", KINDS)
def test_shape(node, kind):
    assert list(node.api(f"{kind}-metrics-aggregated/60")) == KEYS[kind]
    nothing = node.api(f"{kind}-metrics-aggregated/x")
    assert set(nothing.values()) - {"0001-01-01T00:00:00Z", 77, 100} == {0}
    for seconds in ("0", "-1", "x"):
        assert node.get(f"/api/{kind}-metrics-raw/{seconds}").status == 500, seconds


def test_a_reload_changes_how_long_they_are_kept(node):
    wait_until(lambda: all(raw(node, kind) for kind in KINDS), 20, "samples")
    node.configure(DiscoveryCollectionRetentionSeconds=0)
    node.reload()
    wait_until(lambda: [raw(node, kind) for kind in KINDS] == [None, None, None], 20, "samples to go")
    node.configure(DiscoveryCollectionRetentionSeconds=60)
    node.reload()
    wait_until(lambda: all(raw(node, kind) for kind in KINDS), 20, "samples again")
