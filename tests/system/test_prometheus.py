"""/metrics before the judges that count: promtool, and a real Prometheus that scrapes the node."""

import ports
from prometheus import Prometheus, promtool_lint
from waiting import wait_until


def check_promtool(node):
    """It reads the older format only."""
    answer = node.request("GET", "/metrics", headers={"Accept": "text/plain;version=0.0.4"})
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8" and "# EOF" not in answer.body
    assert "orchestrator_prober_targets 4" in answer.body
    assert promtool_lint(answer.body) == ""
    assert "no help text" in promtool_lint("# TYPE broken counter\nbroken 1\n")


def test_prometheus_scrapes_a_node(new_node, mariadb, tmp_path):
    addresses = [server.address for server in mariadb]
    node = new_node(seeds=[mariadb["a"].address])
    target = f"{node.host}:{node.port}"
    with Prometheus(tmp_path, ports.reserve(tmp_path)[0], [target]) as prometheus:  # takes 5 s until its first scrape
        node.wait_instances(addresses)
        wait_until(lambda: "orchestrator_prober_targets 4" in node.get("/metrics").body, 10, "figures of the probers")
        check_promtool(node)
        wait_until(lambda: prometheus.value("orchestrator_instances") == {target: len(addresses)}, 30, "a scrape")
        assert prometheus.trouble() == ""
        assert prometheus.value("up") == {target: 1}
        assert prometheus.value("orchestrator_elect_is_elected") == {target: 1}
        wait_until(lambda: prometheus.value("orchestrator_discoveries_attempt_total")[target] >= len(addresses), 10, "a counter")
        families = prometheus.families()
        assert families["orchestrator_discoveries_attempt"] == ("counter", "", "Probes begun.")
        assert families["orchestrator_raft_lease_left_seconds"][:2] == ("gauge", "seconds")
        assert families["orchestrator_build"][0] == "info"
        assert all(text for _, _, text in families.values()), "a figure without help"
