"""The README's way from the historical program to this one, pasted: a configuration with every key it knew, its SQLite file, HAProxy
and a client that has been told one address for years. In its place a small HTTP server; systemctl and chown are functions here."""

import contextlib
import json
import re
import subprocess
import sys
import threading

import historical
import ports
import procs
from haproxy import HAProxy
from node import ROOT, build_dir
from waiting import wait_until

FORMER = """
import http.server, sys
class Former(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"the former one")
    do_HEAD = do_OPTIONS = do_GET
    log_message = lambda *args: None
http.server.HTTPServer.handle_error = lambda *args: None
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Former).serve_forever()
"""
# The former program is ours to stop; the node is started by the test, when it was asked for.
STUBS = """
systemctl() { if [ "$1" = stop ]; then kill "$former"; while kill -0 "$former" 2>/dev/null; do sleep 0.02; done; else touch "$dir/started"; fi; }
chown() { :; }
chgrp() { :; }
set -ex
"""
# What the README's first line says, and what it is here.
PLACES = "conf=/etc/orchestrator.conf.json db=/var/lib/orchestrator/orchestrator.db backup=/var/backups/orchestrator"
REMAINING_WARNINGS = {"StatusSimpleHealth": "unknown key", "AuditPageSize": "no longer used", "SlaveLagQuery": "deprecated", "OAuthScopes": "has no effect"}


def blocks():
    section = (ROOT / "README.md").read_text().split("## Moving from the Go version")[1].split("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.S)


def configuration(node, db):
    """Every historical key with its default, names of older versions, names that nobody knows; and what each user sets."""
    lines = (line.split(None, 4) for line in (ROOT / "tests" / "compat" / "config_keys.txt").read_text().splitlines())
    rows = [words for words in lines if words and words[0] != "#"]
    keys = {words[0]: 1 if words[1] == "removed" else json.loads(words[2]) for words in rows if words[0][0] != "#"}
    known = json.loads(node.config_file.read_text())
    return {**keys, "StatusSimpleHealth": True, "AutoRecoveryGloballyEnabled": False, **{k: v for k, v in known.items() if k != "DiscoverySeeds"},
            "SQLite3DataFile": str(db), "RecoverMasterClusterFilters": ["*"], "PostFailoverProcesses": ["echo failed over"]}


def known_to_the_former(db, servers):
    """A file of the historical program that knows these servers, and of a downtime of b."""
    historical.make(db)
    with historical.opened(db) as file:
        file.executemany("INSERT INTO database_instance (hostname, port, last_checked, last_seen, server_id, version, binlog_format, log_bin, "
                         "log_slave_updates, binary_log_file, binary_log_pos, master_host, master_port, slave_sql_running, slave_io_running, "
                         "master_log_file, read_master_log_pos, relay_master_log_file, exec_master_log_pos, num_slave_hosts, slave_hosts, "
                         "cluster_name) VALUES (?, ?, datetime('now'), datetime('now'), 0, '', '', 0, 0, '', 0, '', 0, 0, 0, '', 0, '', 0, 0, '[]', '')",
                         [server.address.split(":") for server in servers])
        file.execute("INSERT INTO database_instance_downtime VALUES (?, ?, 1, datetime('now'), datetime('now', '+1 day'), 'alice', 'disks')",
                     servers["b"].address.split(":"))


@contextlib.contextmanager
def former_program(port):
    former = subprocess.Popen([sys.executable, "-c", FORMER, str(port)])
    watchdog = procs.Watchdog("kill", "-9", str(former.pid))
    # The shell waits until it is gone, so somebody has to reap it.
    threading.Thread(target=former.wait, daemon=True).start()
    try:
        yield former.pid
    finally:
        former.kill()
        watchdog.stop()


def drawing(proxy, server):
    return (json.loads(proxy.get(f"/api/topology/{server.host}/{server.port}").body)["Details"] or "").splitlines()


def test_the_way_there_and_back(new_node, mariadb, tmp_path):
    node = new_node(start=False)
    db = node.dir / "orchestrator.sqlite3"
    known_to_the_former(db, mariadb)
    node.config_file.write_text(json.dumps(configuration(node, db)))
    first, second, third = blocks()
    assert first.startswith(PLACES)
    here = f"conf={node.config_file} db={db} backup={node.dir}/backup\n"
    environment = {**node._environment(), "PATH": f"{build_dir()}/supervisor:{ROOT}/apid/client:/usr/bin:/bin", "dir": str(node.dir)}

    def paste(block):
        script = STUBS + here + block.replace(PLACES, "").replace("localhost:3000", f"localhost:{node.port}")
        done = subprocess.run(["bash", "-c", script], env=environment, cwd=node.dir, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done

    with HAProxy(tmp_path, f"127.0.0.1:{ports.reserve(node.dir)[0]}", [node], check_port=node.port) as proxy, former_program(node.port) as pid:
        environment["former"] = str(pid)
        wait_until(lambda: proxy.get("/api/leader-check").body == "the former one", 20, "HAProxy sends to the former program")
        told = paste(first).stderr
        assert all(re.search(f'{key}"?: {what}', told) for key, what in REMAINING_WARNINGS.items()), told
        assert proxy.get("/api/leader-check").body == "the former one"

        paste(second)
        assert (node.dir / "started").exists() and (node.dir / "backup" / db.name).stat().st_size == db.stat().st_size
        node.start()
        wait_until(lambda: {f"{i['Key']['Hostname']}:{i['Key']['Port']}" for i in json.loads(proxy.get("/api/all-instances").body)
                            if i["IsLastCheckValid"]} == {server.address for server in mariadb}, 30, "all servers through HAProxy")
        shown = paste(third).stdout
        assert "bill1.invalid:3306,billing\n" in shown and f"{mariadb['b'].address}\n" in shown and '"OK"' in shown
        lines = wait_until(lambda: len(drawn := drawing(proxy, mariadb["a"])) == 4 and drawn, 20, "the whole topology")
        assert [line for line in lines if "downtimed" in line and mariadb["b"].address in line], lines

    assert node.stop() == 0
    downtimes = historical.rows(db, "database_instance_downtime")
    historical.come_back(db)
    assert set(downtimes) < set(historical.rows(db, "database_instance_downtime"))
