"""The HTTP door: shapes and statuses every client depends on, and garbage."""

import json
import re
import socket

import pytest

from waiting import wait_until

NOT_FOUND = "404 page not found\n"


def raw(node, data, shutdown=True, timeout=10):
    """Send bytes, return everything that comes back until the server closes."""
    with socket.create_connection((node.host, node.port), timeout=timeout) as s:
        got = b""
        try:
            s.sendall(data)
            if shutdown:
                s.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # refused before it was all sent
        while True:
            try:
                piece = s.recv(65536)
            except ConnectionError:
                return got
            if not piece:
                return got
            got += piece


def test_constants_and_leadership(node):
    for path in ("lb-check", "_ping", "leader-check", "leader-check/503", "routed-leader-check", "leader-check/"):
        answer = node.get(f"/api/{path}")
        assert (answer.status, answer.body) == (200, '"OK"'), path
        assert answer.headers["Content-Type"] == "application/json; charset=UTF-8"
    for path in ("/health/live", "/health/ready", "/health/leader"):
        assert node.get(path).status == 200, path


def test_health_has_the_historical_keys(node):
    for path in ("health", "status", "health/"):
        answer = node.api(path)
        assert list(answer) == ["Code", "Message", "Details"]
        assert answer["Code"] == "OK"
        assert list(answer["Details"]) == [
            "Healthy", "Hostname", "Token", "IsActiveNode", "ActiveNode", "Error", "AvailableNodes", "RaftLeader", "IsRaftLeader",
            "RaftLeaderURI", "RaftAdvertise", "RaftHealthyMembers"]
        assert answer["Details"]["Healthy"] is True
        assert answer["Details"]["IsActiveNode"] is True
        assert len(answer["Details"]["Token"]) == 64
        assert [n["Token"] for n in answer["Details"]["AvailableNodes"]] == [answer["Details"]["Token"]]


@pytest.mark.parametrize("path", ["/web", "/api", "/api/", "/api/no-such", "/api/clusters/x/y/z", "/api/instance//3306", "/api/CLUSTERS",
                                  "/api/instance/a%00b/3306", "/nothing"])
def test_unknown_paths_are_plain_404(node, path):
    answer = node.get(path)
    assert (answer.status, answer.body) == (404, NOT_FOUND)
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_methods(node):
    assert node.request("HEAD", "/api/clusters").status == 200
    assert node.request("HEAD", "/api/clusters").body == ""
    for method in ("PUT", "DELETE", "OPTIONS"):
        assert node.request(method, "/api/clusters").status == 404, method
    assert node.request("POST", "/api/clusters").status == 404  # changes nothing: GET only
    answer = node.request("POST", "/api/tag/db1/3306?tag=x")
    assert answer.status == 200
    assert node.api("tags/db1/3306") == ["x="]
    assert node.request("HEAD", "/api/untag/db1/3306?tag=x").status == 200
    assert node.api("tags/db1/3306") == ["x="]  # HEAD changes nothing


def test_lists_of_an_empty_node(node):
    assert node.api("all-instances") == []
    assert node.api("clusters") is None
    assert node.api("clusters-info") == []
    assert node.api("problems") is None
    assert node.api("masters") is None
    assert node.api("audit") == []
    assert node.api("downtimed/") == []


def test_errors_are_envelopes_with_status_500(node):
    for path in ("instance/nowhere/3306", "instance/nowhere/port", "cluster/nowhere", "topology/nowhere", "cluster-info/alias/none",
                 "begin-downtime/db1/3306/me/why/1y", "register-candidate/db1/3306/must", "tag/db1/3306", "tagged", "tag-value/db1/3306/x"):
        answer = node.get(f"/api/{path}")
        assert answer.status == 500, (path, answer.body)
        envelope = answer.json()
        assert list(envelope) == ["Code", "Message", "Details"], path
        assert envelope["Code"] == "ERROR" and envelope["Message"], path


def test_a_route_that_is_not_served_yet_says_so(node):
    answer = node.get("/api/relocate/a/1/b/2")
    assert answer.status == 500
    assert "not serve this route yet" in answer.json()["Message"]


def test_read_only(new_node):
    node = new_node(config={"ReadOnly": True})
    answer = node.get("/api/begin-downtime/db1/3306/me/why")
    assert (answer.status, answer.json()) == (500, {"Code": "ERROR", "Message": "Unauthorized", "Details": None})
    assert node.get("/api/tag/db1/3306?tag=x").status == 200  # no write check, historically


def test_url_prefix(new_node):
    node = new_node(config={"URLPrefix": "orc/x/"}, ready_deadline=None)
    wait_until(lambda: node.get("/orc/x/api/leader-check").status == 200, 20, "leader-check below the prefix")
    assert node.get("/api/leader-check").status == 404
    assert node.get("/orc/x/health/live").status == 200
    assert node.get("/orc/xapi/leader-check").status == 404


def test_encoded_values(node):
    reason = "disk%20%22full%22%20%3C%3E%26%0A"
    assert node.get(f"/api/begin-downtime/db1/3306/me%0A/{reason}/1h%0A").status == 200
    rows = node.request("POST", "/api/begin-downtime/db1/3306?owner=me&reason=a/b&duration=1h")
    assert rows.json()["Details"] == {"Hostname": "db1", "Port": 3306}


GARBAGE = [
    b"\x00" * 1000,
    b"GET\r\n\r\n",
    b"GET /api/clusters HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET /api/clusters HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    b"GET /api/clusters HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
    b"POST /api/clusters HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n",
    b"POST /api/clusters HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET /api/" + b"a" * 100000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /api/" + b"a/" * 20000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /api/clusters HTTP/1.1\r\n" + b"X: y\r\n" * 50000 + b"\r\n",
    b"GET /api/search?s=%ff%fe%00%zz HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http://%%%/api HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 200,
]


@pytest.mark.parametrize("data", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_is_refused_and_the_server_lives(node, data):
    got = raw(node, data)
    assert not got or got.startswith(b"HTTP/1."), got[:100]
    assert b" 200 " not in got.split(b"\r\n")[0] or b"search" in data
    assert node.get("/api/leader-check").status == 200


def test_a_client_that_leaves_early_harms_nobody(node):
    for _ in range(50):
        with socket.create_connection((node.host, node.port)) as s:
            s.sendall(b"GET /api/health HTTP/1.1\r\nHost: a\r\n\r\n")
    assert node.api("health")["Code"] == "OK"


def test_pipelined_requests_are_answered_in_order(node):
    got = raw(node, b"GET /api/lb-check HTTP/1.1\r\nHost: a\r\n\r\nGET /api/nope HTTP/1.1\r\nHost: a\r\n\r\n"
                    b"GET /api/clusters HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", shutdown=False)
    assert re.findall(rb"HTTP/1\.1 (\d+)", got) == [b"200", b"404", b"200"]


def test_metrics(node):
    text = node.get("/metrics")
    assert text.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    lines = text.body.splitlines()
    assert lines[-1] == "# EOF"
    types = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(types) == len(set(types))
    for line in lines[:-1]:
        if not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            float(value)
            assert name.split("{")[0].removesuffix("_total").removesuffix("_info") in types, line
    debug = node.get("/debug/metrics").json()
    assert debug["elect.is_elected"] == 1
    assert debug["health.is_healthy"] == 1


def test_reload_configuration(node):
    assert node.api("reload-configuration") == {"Code": "OK", "Message": "Config reloaded", "Details": ""}
    good = node.config_file.read_text()
    node.config_file.write_text(json.dumps({**json.loads(good), "InstancePollSeconds": "five"}))
    answer = node.get("/api/reload-configuration")
    assert answer.status == 500 and "InstancePollSeconds" in answer.json()["Message"]
    assert node.get("/api/leader-check").status == 200  # historically this ended the service
    node.config_file.write_text(good)
    assert node.api("reload-configuration")["Code"] == "OK"
