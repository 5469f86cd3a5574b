"""What speaks of many servers or whole tables at once: forget-cluster, untag-all, snapshot-topologies, the cache of host names, the
schema; over HTTP of a running node, and by `orchestrator -c` on what it leaves behind."""

import gzip
import http.client
import re
import sqlite3

import pytest

from fleet import Fleet
from node import Node
from waiting import wait_until


@pytest.fixture(scope="module")
def fleet():
    with Fleet(8) as fleet:
        yield fleet


@pytest.fixture(scope="module")
def node(fleet):
    with Node(seeds=fleet.sources, config={"HostnameResolveMethod": "default"}) as node:
        node.wait_instances(fleet.addresses)
        yield node


def rows(node, sql):
    with sqlite3.connect(f"file:{node.dir / 'orchestrator.sqlite3'}?mode=ro", uri=True) as db:
        return db.execute(sql).fetchall()


def ok(node, path):
    answer = node.get(f"/api/{path}")
    assert answer.status == 200, (path, answer.body)
    return answer.json()


def test_topologies_are_recorded(node, fleet):
    answer = ok(node, "snapshot-topologies")
    assert answer["Code"] == "OK" and re.fullmatch(r"Took [0-9.]+(µs|ms|s)", answer["Details"])
    history = rows(node, "SELECT hostname || ':' || port, master_host, cluster_name, version FROM database_instance_topology_history")
    known = {f"{i['Key']['Hostname']}:{i['Key']['Port']}": i for i in node.api("all-instances")}
    assert sorted(history) == sorted((name, i["MasterKey"]["Hostname"], i["ClusterName"], i["Version"]) for name, i in known.items())
    assert node.command("-c", "snapshot-topologies").stdout == ""


def test_untag_all(node, fleet):
    places = ["/".join(address.split(":")) for address in fleet.addresses]
    for place in places[:3]:
        ok(node, f"tag/{place}?tag=role=x")
    ok(node, f"tag/{places[3]}?tag=role=y")
    for path in ("untag-all", "untag-all?tag=role", "untag-all?tag=~role=x"):
        answer = node.get(f"/api/{path}")
        assert (answer.status, answer.json()["Code"]) == (500, "ERROR"), path
    removed = ok(node, "untag-all?tag=role=x")
    assert removed["Message"] == "role removed from 3 instances"
    assert sorted(f"{k['Hostname']}/{k['Port']}" for k in removed["Details"]) == sorted(places[:3])
    assert [f"{k['Hostname']}/{k['Port']}" for k in node.api("tagged?tag=role")] == places[3:4]
    assert ok(node, "untag-all?tag=role=x")["Details"] == []
    assert len(ok(node, "untag-all/role/y")["Details"]) == 1
    ok(node, f"tag/{places[0]}?tag=empty")
    assert node.command("-c", "untag-all", "-tag", "empty=").stdout == fleet.addresses[0] + "\n"


def test_cache_of_host_names(node, fleet):
    hosts = {address.split(":")[0] for address in fleet.addresses}
    cache = ok(node, "hostname-resolve-cache")
    assert list(cache) == ["Code", "Message", "Details"] and cache["Message"] == "Cache retrieved"
    assert hosts <= set(cache["Details"]) and list(cache["Details"]) == sorted(cache["Details"])
    first = cache["Details"][min(hosts)]
    assert list(first) == ["Object", "Expiration"] and first["Object"] == min(hosts)
    assert 1.7e18 < first["Expiration"] < 4e18
    assert ok(node, "reset-hostname-resolve-cache") == {"Code": "OK", "Message": "Hostname cache cleared", "Details": None}
    assert node.command("-c", "reset-hostname-resolve-cache").stdout == "hostname resolve cache cleared\n"


def test_retired_route(node):
    answer = node.get("/api/reload-cluster-alias")
    assert (answer.status, answer.json()["Message"]) == (500, "This API call has been retired")


def test_the_schema_is_completed(node):
    with sqlite3.connect(node.dir / "orchestrator.sqlite3", timeout=10) as db:
        db.execute("DROP TABLE host_agent")
    assert node.command("-c", "redeploy-internal-db").stdout == "Redeployed internal db\n"
    assert rows(node, "SELECT count(*) FROM host_agent") == [(0,)]


def test_a_cluster_is_forgotten(node, fleet):
    assert node.get("/api/forget-cluster/nowhere").status == 500
    second = sorted(node.api("clusters"))[1]
    gone = [i["Key"] for i in node.api(f"cluster/{second}")]
    assert len(gone) == 4
    assert ok(node, f"forget-cluster/{second}") == {"Code": "OK", "Message": f"Cluster forgotten: {second}", "Details": None}
    assert len(node.api("all-instances")) == 4 and second not in node.api("clusters")
    # and not found again at once
    wait_until(lambda: len(rows(node, "SELECT 1 FROM database_instance")) == 4, 5, "their rows to go")


def raw(node, path, method="GET", **headers):
    connection = http.client.HTTPConnection(node.host, node.port, timeout=10)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


@pytest.mark.parametrize("path", ["/api/all-instances", "/metrics"])  # packed by a reader thread, and on the loop
def test_gzip(node, path):
    takes = {"Accept-Encoding": "deflate, gzip"}
    plain, text = raw(node, path)
    packed, body = raw(node, path, **takes)
    head, nothing = raw(node, path, "HEAD", **takes)
    assert plain.getheader("Content-Encoding") is None and len(text) > 1400
    assert packed.getheader("Content-Encoding") == "gzip" and "Accept-Encoding" in packed.getheader("Vary")
    assert int(packed.getheader("Content-Length")) == len(body) < len(text) / 2
    assert re.sub(rb"[0-9]+", b"", gzip.decompress(body))[:200] == re.sub(rb"[0-9]+", b"", text)[:200]
    assert (head.getheader("Content-Encoding"), nothing) == ("gzip", b"")
    small, _ = raw(node, "/api/lb-check", **takes)
    assert small.getheader("Content-Encoding") is None


def test_queue_metrics(node):
    wait_until(lambda: len(node.api("discovery-queue-metrics-raw/60")) >= 2, 20, "two seconds of samples")
    samples = node.api("discovery-queue-metrics-raw/DEFAULT/1")
    assert len(samples) == 1 and list(samples[0]) == ["Active", "Queued"]
    summary = node.api("discovery-queue-metrics-aggregated/60")
    assert list(summary) == [kind + what + "Entries" for kind in ("Active", "Queued") for what in ("Min", "Mean", "Median", "P95", "Max")]
    assert summary["QueuedMinEntries"] <= summary["QueuedMedianEntries"] <= summary["QueuedMaxEntries"]
    published = {"prober.in_flight", "discoveries.queue_length", "discoveries.dead_instances_queue_length"}
    wait_until(lambda: published <= set(node.get("/debug/metrics").json()), 20, "figures of the prober and of raftd")
    nothing = node.api("discovery-queue-metrics-aggregated/x")
    assert {key for key, value in nothing.items() if value == 9000000000} == {"ActiveMinEntries", "QueuedMinEntries"}
    assert set(nothing.values()) == {0, 9000000000}
    for path in ("raw/0", "raw/x", "raw/NONE/5", "aggregated/NONE/5"):
        assert node.get(f"/api/discovery-queue-metrics-{path}").status == 500, path


def test_batches_of_servers_are_no_samples_without_their_switch(node):
    wait_until(lambda: node.api("backend-query-metrics-raw/3600"), 20, "writes to the backend")
    assert node.api("write-buffer-metrics-raw/3600") is None
    summary = node.api("write-buffer-metrics-aggregated/3600")
    assert {key: value for key, value in summary.items() if value != 0} == {
        "InstanceWriteBufferSize": 100, "InstanceFlushIntervalMilliseconds": 100}
