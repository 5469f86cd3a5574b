"""A node whose servers lie: in the protocol, before and after the login, and in what they say of themselves."""

import re
import time

import fakemysqld
from fakemysqld import FakeMysqld, answers, lie, rows
from node import build_dir
from waiting import wait_until

HOSTILE = ["a\nb\r\x1b[31mc", "\x00\x01", "x" * 300, "'; DROP TABLE database_instance; --", '"},{"Key":{"Hostname":"evil', "<script>alert(1)</script>",
           "\xff\xfe", "../../etc/passwd", "%s%n%d", "", "-1", "99999999999999999999", "localhost", "::1", "𝒳" * 90]


# What keeps a prober busy: a sanitized one on a busy machine would be taken for a stuck one. test_prober.py has them there.
FLOODS = [fakemysqld.EARLY[name] for name in ("huge_greeting", "endless_progress")] + [
    fakemysqld.LIES[name] for name in ("endless_rows", "endless_columns", "endless_results", "huge_packet", "progress_forever")]
SANITIZED = re.search(b"__[at]san_init", (build_dir() / "prober" / "orchestrator-prober").read_bytes())


class Noted:
    """Answers the first question of each probe, and knows when."""

    def __init__(self):
        self.times = []

    async def __call__(self, client, statement):
        self.times.append(time.monotonic())
        await client.send(*fakemysqld.load("mariadb_primary")[0]["VERSION"])

    def longest_gap(self):
        return max(b - a for a, b in zip(self.times, [*self.times[1:], time.monotonic()]))


def replicas(lines):
    return lie("show replicas", rows(["Server_Id", "Host", "Port", "Source_Id", "Replica_UUID"], *lines))


def replica_of(*pairs):
    names = ["Source_Host", "Source_Port", "Replica_IO_Running", "Replica_SQL_Running", "Last_IO_Error", "Channel_Name"]
    return lie("replica status", rows(names, *[[host, port, "Yes", "Perhaps", "\n\x1b[2J" + host, host] for host, port in pairs]))


def of_themselves():
    """Lists of lies: what a server can say of itself and of others."""
    names = ["hostname", "report_host", "report_port", "server_id", "version_comment", "read_only", "binlog_format", "log_bin", "log_replica_updates"]
    yield [replicas([["1", text, "3306", "1", text] for text in HOSTILE])]
    yield [replicas([["1", "127.0.0.1", text, "1", ""] for text in HOSTILE])]
    yield [replicas([[str(i), f"127.9.{i // 250}.{i % 250 + 1}", "1", "1", str(i)] for i in range(1500)])]
    for text in HOSTILE:
        yield [lie("report_host", rows(names, [text] * len(names))), lie("as version$", rows(["version"], ["9.7.4" + text]))]
        yield [replica_of((text, "3306"))]
    yield [replica_of(*[(f"127.9.9.{i}", "1") for i in range(250)])]


def test_a_node_among_liars(new_node):
    """Each is told apart and said so in clean lines, an honest server is probed in time, nothing dies, nothing grows without end."""
    with FakeMysqld() as fake:
        honest = fake.listen(answers("mariadb_primary", lie("as version$", noted := Noted())))
        left_out = FLOODS if SANITIZED else []
        liars = [fake.listen(f) for f in fakemysqld.EARLY.values() if f not in left_out]
        liars += [fake.listen(answers("mysql97_middle", lie("replica status", f))) for f in fakemysqld.LIES.values() if f not in left_out]
        unreadable = len(liars)
        liars += [fake.listen(answers("mysql97_primary", *lies)) for lies in of_themselves()]
        node = new_node(seeds=[honest, *liars], config={"MySQLDiscoveryReadTimeoutSeconds": 3, "Debug": False})
        pids = sorted(node.processes())
        wait_until(lambda: all(fake.seen[server, "connections"] >= 2 or fake.seen[server, "commands"] >= 20 for server in liars),
                   40, "every lie to be told twice")
        wait_until(lambda: node.api(f"instance/{honest.replace(':', '/')}")["IsLastCheckValid"], 10, "the honest server to be listed")
        shown = {f"{i['Key']['Hostname']}:{i['Key']['Port']}": i for i in node.api("all-instances")}
        assert noted.longest_gap() < 12, "delayed by liars: each makes the node wait for 3 s"
        assert all(not shown[liar]["IsLastCheckValid"] for liar in liars[:unreadable] if liar in shown)
        assert len(shown) <= len(liars) + 1, "what never answered is no inventory"
        for path in ("clusters", "clusters-info", "problems", f"topology/{honest}", *(f"topology/{liar}" for liar in shown)):
            assert node.get(f"/api/{path}").status in (200, 500)
            node.api(path)
        lines = node.log_text().split("\n")
        assert all(line == "" or line.startswith("20") and line.isprintable() for line in lines), "a line that a server has made"
        assert 500 < len(lines) < 800 and "others are not named here" in node.log_text()
        assert 'error=""' not in node.log_text()
        assert sorted(node.processes()) == pids


def test_two_servers_with_one_uuid(new_node):
    """A problem of both, while both live."""
    def problems():
        return {f"{i['Key']['Hostname']}:{i['Key']['Port']}": i["Problems"] for i in node.api("problems") or []}

    with FakeMysqld() as fake:
        one, two = (fake.listen(answers("mysql97_primary", replicas([])), host=f"127.77.0.{i}") for i in (1, 2))
        node = new_node(seeds=[one, two], config={"MySQLHostnameResolveMethod": "none"})
        wait_until(lambda: problems() == {one: ["duplicate_server_uuid"], two: ["duplicate_server_uuid"]}, 10, "both to be shown")
        host, port = one.split(":")
        assert node.api(f"instance/{host}/{port}")["Problems"] == ["duplicate_server_uuid"]
        fake.stop_listening(two)
        fake.drop()
        wait_until(lambda: problems() == {two: ["last_check_invalid"]}, 10, "the one that lives to be well")
