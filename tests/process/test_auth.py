"""Who may: logins, read-only users, headers of a proxy, groups of the system, changes by POST only, and that passwords
stay where they are. The rules themselves are test_ap_auth.c's; here each is asked of a real apid through its door."""

import base64
import contextlib
import grp
import http.client
import os
import pwd
import socket

import pytest

from apid_driven import Apid
from waiting import wait_until

RAFT = {"RaftEnabled": True, "RaftDataDir": "/nonexistent"}
READ, CHANGE = "/api/clusters", "/api/enable-global-recoveries"
PASSWORD = "correct horse: battery"
BASIC = {"AuthenticationMethod": "basic", "HTTPAuthUser": "ops", "HTTPAuthPassword": PASSWORD}


def login(user, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


OPS = login("ops", PASSWORD)


@pytest.fixture
def new_apid():
    with contextlib.ExitStack() as stack:
        def make(config, leads=None, **how):
            apid = stack.enter_context(Apid(config, **how))
            return apid.play(apid) if leads is None else apid

        yield make


def is_refused(answer):
    return answer.status == 500 and answer.json() == {"Code": "ERROR", "Message": "Unauthorized", "Details": None}


def asks_for_login(answer):
    return (answer.status, answer.body) == (401, "Not Authorized\n") and \
        answer.headers["WWW-Authenticate"] == 'Basic realm="Authorization Required"'


# -- logins

def test_nothing_is_answered_without_the_login(new_apid):
    apid = new_apid({**BASIC, **RAFT}, headers=OPS)
    connection = http.client.HTTPConnection("127.0.0.1", apid.port, timeout=10)
    for headers in ({}, login("ops", "wrong"), login("ops", ""), login("", PASSWORD), login("readonly", "x"),
                    {"Authorization": "Basic"}, {"Authorization": "Basic " + "A" * 20000}, {"Authorization": "Bearer x"}):
        for method, path in (("GET", READ), ("POST", CHANGE), ("GET", CHANGE), ("GET", "/"), ("GET", "/web/clusters"), ("GET", "/nothing"),
                             ("GET", "/api/status"), ("GET", "/health/live"), ("GET", "/api/leader-check"), ("HEAD", "/api")):
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            body = answer.read().decode()
            assert (answer.status, answer.reason) == (401, "Unauthorized"), (headers, path)  # orchestrator-client reads the reason
            assert answer.headers["WWW-Authenticate"] == 'Basic realm="Authorization Required"'
            assert body == ("" if method == "HEAD" else "Not Authorized\n")
    connection.close()
    assert not apid.asked_for("SET_GLOBAL_RECOVERIES")
    assert apid.get(READ).status == 200 and apid.get("/nothing").status == 404


def test_a_login_given_twice_is_none(new_apid):
    apid = new_apid({**BASIC, **RAFT}, headers=OPS)
    with socket.create_connection(("127.0.0.1", apid.port), timeout=10) as s:
        head = f"Authorization: {OPS['Authorization']}\r\n"
        s.sendall(f"GET {READ} HTTP/1.1\r\nHost: a\r\n{head}{head}Connection: close\r\n\r\n".encode())
        assert b" 401 Unauthorized" in s.makefile("rb").readline()


def test_changes_are_recorded_under_the_users_name(new_apid):
    apid = new_apid({**BASIC, **RAFT}, headers=OPS)
    assert apid.get("/api/begin-downtime/db1/3306/me/why/1h").status == 200
    assert apid.asked_for("BEGIN_DOWNTIME")[0]["user"] == "ops"


def test_readonly_reads(new_apid):
    apid = new_apid({**BASIC, **RAFT, "AuthenticationMethod": "multi"}, headers=OPS)
    for password in ("", "anything"):
        reader = login("readonly", password)
        assert apid.get(READ, reader).status == 200
        for method in ("GET", "POST", "HEAD"):
            answer = apid.request(method, "/api/begin-downtime/db1/3306/me/why/1h", reader)
            assert answer.status == 500 and (method == "HEAD" or is_refused(answer))
    assert asks_for_login(apid.get(READ, login("ops", "anything")))
    assert not apid.asked_for("BEGIN_DOWNTIME")
    assert apid.request("POST", "/api/begin-downtime/db1/3306/me/why/1h").status == 200


def test_the_login_changes_with_a_reload(new_apid):
    apid = new_apid({**RAFT})
    assert apid.get(READ).status == 200
    apid.reload(**BASIC)
    wait_until(lambda: apid.get(READ).status == 401, 10, "the new configuration")
    assert apid.get(READ, OPS).status == 200
    apid.reload(HTTPAuthPassword="another")
    wait_until(lambda: apid.get(READ, OPS).status == 401, 10, "the new password")
    apid.headers = login("ops", "another")
    assert apid.get(READ).status == 200


def test_passwords_are_in_no_log_and_no_answer(new_apid):
    apid = new_apid({**BASIC, **RAFT}, headers=OPS)
    told = "".join(apid.get(path).body for path in ("/api/status", "/api/raft-info", "/metrics", "/debug/metrics", "/nothing", READ))
    assert apid.get(READ, login("ops", PASSWORD + "x")).status == 401
    for text in (told, apid.log_text()):
        assert PASSWORD not in text and base64.b64encode(f"ops:{PASSWORD}".encode()).decode() not in text


# -- a proxy's header

def change_as(apid, **headers):
    return apid.request("POST", CHANGE, {name.replace("_", "-"): value for name, value in headers.items()})


def test_strangers_read_and_power_users_write(new_apid):
    apid = new_apid({**RAFT, "AuthenticationMethod": "proxy", "PowerAuthUsers": ["alice"]})
    assert apid.get(READ).status == 200
    assert is_refused(change_as(apid)) and is_refused(change_as(apid, X_Forwarded_User="mallory"))
    assert is_refused(change_as(apid, X_Forwarded_User="")) and is_refused(change_as(apid, X_Forwarded_User="a" * 5000))
    assert change_as(apid, X_Forwarded_User="alice").status == 200
    assert change_as(apid, x_forwarded_USER="alice").status == 200  # header names have no case
    apid.reload(AuthUserHeader="x-remote-user", PowerAuthUsers=["bob"])
    wait_until(lambda: change_as(apid, X_Remote_User="bob").status == 200, 10, "the new configuration")
    assert is_refused(change_as(apid, X_Forwarded_User="alice"))


def test_a_users_header_given_twice_is_nobodys(new_apid):
    """The client's own, and that of a proxy that adds instead of replacing."""
    apid = new_apid({**RAFT, "AuthenticationMethod": "proxy", "PowerAuthUsers": ["alice"]})
    with socket.create_connection(("127.0.0.1", apid.port), timeout=10) as s:
        s.sendall(f"POST {CHANGE} HTTP/1.1\r\nHost: a\r\nX-Forwarded-User: alice\r\nX-Forwarded-User: mallory\r\n"
                  "Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
        assert b"Unauthorized" in s.makefile("rb").read()


def test_members_of_a_power_group_write(new_apid):
    me = pwd.getpwuid(os.getuid())
    apid = new_apid({**RAFT, "AuthenticationMethod": "proxy", "PowerAuthUsers": [], "PowerAuthGroups": [grp.getgrgid(me.pw_gid).gr_name]})
    for _ in range(2):  # asked, then remembered
        assert change_as(apid, X_Forwarded_User=me.pw_name).status == 200
        assert is_refused(change_as(apid, X_Forwarded_User="no-such-user"))
    assert is_refused(change_as(apid))
    apid.reload(PowerAuthGroups=["no-such-group"])
    wait_until(lambda: is_refused(change_as(apid, X_Forwarded_User=me.pw_name)), 10, "the new groups")


def test_read_only_is_for_everybody(new_apid):
    apid = new_apid({**RAFT, "AuthenticationMethod": "proxy", "ReadOnly": True})
    assert apid.get(READ).status == 200 and is_refused(change_as(apid, X_Forwarded_User="alice"))
    apid.reload(ReadOnly=False)
    wait_until(lambda: change_as(apid).status == 200, 10, "the new configuration")  # PowerAuthUsers is ["*"]


# -- methods and addresses

def test_changes_can_be_made_to_need_post(new_apid):
    apid = new_apid({**RAFT, "HTTPAllowGetMutations": False})
    for path in (CHANGE, "/api/tag/db1/3306?tag=x"):
        answer = apid.get(path)
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")
        assert answer.json()["Code"] == "ERROR" and "POST" in answer.json()["Message"]
    assert not apid.asked
    assert apid.request("POST", CHANGE).status == 200
    assert apid.get(READ).status == 200 and apid.request("HEAD", CHANGE).status == 200 and apid.request("PUT", CHANGE).status == 404


@pytest.mark.parametrize("prefix", ["", "/orc"])
def test_what_people_type_leads_to_the_web_interface(new_apid, prefix):
    apid = new_apid({**({"URLPrefix": prefix} if prefix else {})}, leads=False)
    for path in ("/", "/web/"):
        answer = apid.get(prefix + path)
        assert (answer.status, answer.headers["Location"]) == (302, f"{prefix}/web/clusters")
    answer = apid.get(f"{prefix}/web/clusters")
    assert answer.status == 501 and "not part of this version" in answer.body
    assert apid.get(f"{prefix}/web").status == 404 and apid.request("POST", f"{prefix}/").status == 404


# -- between nodes

def test_the_leader_decides_about_what_is_passed_on(new_apid):
    leader = new_apid({**BASIC, **RAFT}, headers=OPS)
    follower = new_apid({**BASIC, **RAFT}, leads=False, headers=OPS).play(leader)
    assert follower.get(CHANGE).status == 200 and len(leader.asked_for("SET_GLOBAL_RECOVERIES")) == 1
    assert asks_for_login(follower.get(CHANGE, login("ops", "wrong"))) and asks_for_login(follower.get(READ, login("", "")))
    follower.reload(HTTPAuthPassword="the follower's own")
    follower.headers = login("ops", "the follower's own")
    wait_until(lambda: follower.get("/api/lb-check").status == 200, 10, "the follower's new password")
    assert asks_for_login(follower.get(CHANGE))  # the leader's answer
    assert len(leader.asked_for("SET_GLOBAL_RECOVERIES")) == 1


def control(apid, path):
    """The answer of the control socket to a POST."""
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(apid.dir / "run" / "ctl"))
        s.settimeout(20)
        s.sendall(f"POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode())
        return s.makefile("rb").read()


def test_tokens_are_made_on_the_leader_and_by_nobody_else(new_apid):
    config = {**RAFT, "AuthenticationMethod": "token"}
    leader = new_apid(config)
    follower = new_apid(config, leads=False).play(leader)
    assert b"leading node" in control(follower, "/api/access-token?owner=me")
    for apid in (leader, follower):
        answer = apid.request("POST", "/api/access-token?owner=me")
        assert answer.status == 500 and not leader.asked_for("ISSUE_TOKEN")
    assert b" 200 " in control(leader, "/api/access-token?owner=me").splitlines()[0]
    assert [fields["owner"] for fields in leader.asked_for("ISSUE_TOKEN")] == ["me"]
    assert not follower.asked_for("ISSUE_TOKEN")


@pytest.mark.parametrize("method", ["basic", "proxy"])
def test_commands_on_a_follower_are_passed_on_with_the_nodes_own_login(new_apid, method):
    """The control socket asks for none: whoever may open it is the administrator."""
    config = {**BASIC, **RAFT, "AuthenticationMethod": method, "PowerAuthUsers": ["node"]}
    leader = new_apid(config, headers=OPS)
    follower = new_apid(config, leads=False, headers=OPS).play(leader)
    assert b" 200 " in control(follower, CHANGE).splitlines()[0]
    assert len(leader.asked_for("SET_GLOBAL_RECOVERIES")) == 1
