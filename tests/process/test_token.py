"""AuthenticationMethod token: made on the command line, acquired once by a link, shown by a cookie. auth-and-web.md section 1.2."""

import contextlib
import re
import sqlite3

from waiting import wait_until

CHANGE = "/api/enable-global-recoveries"
COOKIE = re.compile(r"access-token=([0-9a-f]{64}):([0-9a-f]{64}); Path=/; HttpOnly; SameSite=Strict")


def sql(node, statement):
    with contextlib.closing(sqlite3.connect(node.dir / "orchestrator.sqlite3", timeout=10)) as db, db:
        return db.execute(statement).fetchall()


def issue(node, *flags):
    public = node.command(*flags, "-c", "access-token", "-owner", "gromit").stdout
    assert re.fullmatch("[0-9a-f]{64}\n", public)
    return public.strip()


def acquire(node, public, method="GET"):
    return node.request(method, f"/web/access-token?publicToken={public}")


def log_in(node, public):
    """The cookie, as a header of requests, and its secret."""
    answer = acquire(node, public)
    assert (answer.status, answer.headers["Location"], answer.headers["Cache-Control"]) == (302, "/", "no-store"), answer
    found = COOKIE.fullmatch(answer.headers["Set-Cookie"])
    assert found and found[1] == public
    return {"Cookie": f"a=b; access-token={public}:{found[2]}"}, found[2]


def is_no_token(answer):
    return answer.status == 200 and answer.json()["Code"] == "ERROR" and "Set-Cookie" not in answer.headers


def may_change(node, cookie=None):
    answer = node.get(CHANGE, headers=cookie)
    if answer.status != 200:
        assert (answer.status, answer.json()) == (500, {"Code": "ERROR", "Message": "Unauthorized", "Details": None})
    return answer.status == 200


def test_a_token_is_for_one_user(new_node):
    node = new_node(config={"AuthenticationMethod": "token", "HTTPAllowGetMutations": True})
    assert node.get("/api/clusters").status == 200 and not may_change(node)
    public = issue(node)
    assert not may_change(node, {"Cookie": f"access-token={public}:{public}"})
    assert acquire(node, public, method="HEAD").status == 200  # somebody's preview of the link
    cookie, secret = log_in(node, public)
    assert may_change(node, cookie)
    assert is_no_token(acquire(node, public)) and may_change(node, cookie)
    for wrong in (f"{public}:{secret[:-1]}", f"{public}:{secret}0", f"{public}:", f"{public}", f"{secret}:{public}", ":", "%"):
        assert not may_change(node, {"Cookie": f"access-token={wrong}"}), wrong
    for nothing in ("", "x", "0" * 64, "0" * 5000, "a%3Bb", "a%0D%0AX:y", "a%3Ab"):
        assert is_no_token(acquire(node, nothing)), nothing
    refused = node.get("/api/access-token?owner=me", headers=cookie)
    assert refused.status == 500 and "orchestrator -c access-token" in refused.json()["Message"]
    # the secret is the cookie's alone, and the link was worth something until it was used
    rows = [str(cell) for row in sql(node, "SELECT * FROM access_token") for cell in row]
    assert public in rows and "gromit" in rows and secret not in rows
    told = node.log_text() + "".join(node.get(path).body for path in ("/api/status", "/api/raft-info", "/metrics", "/api/audit"))
    assert secret not in told and public not in told
    node.configure(HTTPAllowGetMutations=False)
    node.restart()
    assert node.get(CHANGE, headers=cookie).status == 405
    assert node.request("POST", CHANGE, headers=cookie).status == 200 and node.request("POST", CHANGE).status == 500
    assert node.client("-c", "begin-downtime", "-i", "db1", "-r", "why", "-e", f"Cookie: {cookie['Cookie']}").stdout == "db1:3306\n"
    assert node.request("POST", CHANGE, headers=log_in(node, issue(node))[0]).status == 200  # what people open is a link


def test_tokens_end(new_node):
    """Times are written into the backend, which is the truth of a node without raft."""
    node = new_node(config={"AuthenticationMethod": "token"})
    late, kept, ended, reentrant = (issue(node) for _ in range(4))
    (cookie, _), (old, _) = log_in(node, kept), log_in(node, ended)
    node.stop()
    for public, change in ((late, "generated_at = datetime('now', '-61 seconds')"), (kept, "generated_at = datetime('now', '-1439 minutes')"),
                           (ended, "generated_at = datetime('now', '-1441 minutes')"),
                           (reentrant, "generated_at = '2001-01-01 00:00:00', is_reentrant = 1")):
        sql(node, f"UPDATE access_token SET {change} WHERE public_token = '{public}'")
    node.start()
    assert is_no_token(acquire(node, late)) and may_change(node, cookie) and not may_change(node, old)
    first, _ = log_in(node, reentrant)
    again, _ = log_in(node, reentrant)
    assert may_change(node, first) and may_change(node, again)
    wait_until(lambda: {row[0] for row in sql(node, "SELECT public_token FROM access_token")} == {late, kept, reentrant}, 20, "the end of a token")


def test_a_token_is_every_nodes(new_group):
    """Issued on the leader, acquired through a follower, good for changes through any node and under the next leader."""
    group = new_group(3, config={"AuthenticationMethod": "token"})
    public = wait_until(lambda: issue(group.wait_leader(), "--ignore-raft-setup"), 30, "a token")
    leader = group.wait_leader()
    followers = group.others(leader)
    cookie, _ = log_in(followers[0], public)
    assert all(is_no_token(acquire(node, public)) for node in group)
    assert all(may_change(node, cookie) and not may_change(node) for node in group)
    group.wait_same()
    leader.kill()
    group.wait_leader(among=followers)
    for node in followers:
        node.change("enable-global-recoveries", headers=cookie)
        assert not may_change(node)
