"""orchestrator-client: endpoints and leaders, retries, authentication, and answers that are not from the API."""

import base64
import json
import os
import signal
import socket
import subprocess

import pytest

from mock_api import HANG_UP, NOT_FOUND, Answer, error, ok, raw

LEADER = raw("OK")
NOT_LEADER = Answer('"Not leader"', 404)
DOWN = "http://127.0.0.1:1"
UNAUTHORIZED = Answer("Not Authorized\n", 401)
INSTANCES = raw([{"Key": {"Hostname": "db1", "Port": 3306}}])


# --- endpoints ---

@pytest.mark.parametrize("prefix, given", [
    ("/api/", ""), ("/api/", "/"), ("/api/", "/api"), ("/api/", "/api/"), ("/orc/x/api/", "/orc/x"),
    ("/orc/api/", "/orc/api/"),
])
def test_url_forms(client, prefix, given):
    mock = client.mock({"all-instances": INSTANCES})
    mock.prefix = prefix
    result = client.run("-c", "all-instances", "-U", mock.url + given)
    assert (result.stderr, result.stdout) == ("", "db1:3306\n")
    assert mock.paths() == ["all-instances"]


def test_option_overrides_environment_unless_empty(client):
    mock = client.mock({"all-instances": INSTANCES})
    assert client.run("-c", "all-instances", "-U", mock.url, ORCHESTRATOR_API=DOWN).returncode == 0
    assert client.run("-c", "all-instances", "-U", "").returncode == 0


def test_one_endpoint_is_not_checked(client):
    mock = client.mock({"all-instances": INSTANCES, "leader-check": NOT_LEADER})
    assert client.run("-c", "all-instances").returncode == 0
    assert mock.paths() == ["all-instances"]


def test_first_leader_of_several_wins(client):
    first = client.mock({"leader-check": NOT_LEADER})
    second = client.mock({"leader-check": LEADER, "all-instances": INSTANCES})
    third = client.mock({"leader-check": LEADER})
    assert client.run("-c", "all-instances").stdout == "db1:3306\n"
    assert client.run("-c", "which-api").stdout == second.url + "/api\n"
    assert first.paths() == ["leader-check"] * 2
    assert second.paths() == ["leader-check", "all-instances", "leader-check"]
    assert third.paths() == []


def test_endpoints_on_several_lines(client):
    mock = client.mock({"leader-check": LEADER})
    assert client.run("-c", "which-api", "-U", "\n %s\n\t%s/ \n" % (DOWN, mock.url)).stdout == mock.url + "/api\n"


def test_routed_leader_is_second_choice(client):
    first = client.mock({"leader-check": NOT_LEADER, "routed-leader-check": Answer("", 502)})
    second = client.mock({"leader-check": NOT_LEADER, "routed-leader-check": LEADER, "all-instances": INSTANCES})
    assert client.run("-c", "all-instances").stdout == "db1:3306\n"
    assert first.paths() == ["leader-check", "routed-leader-check"]
    assert second.paths() == ["leader-check", "routed-leader-check", "all-instances"]


def test_no_leader(client):
    mocks = [client.mock({"leader-check": NOT_LEADER, "routed-leader-check": NOT_LEADER}) for _ in range(2)]
    result = client.run("-c", "all-instances")
    assert (result.stdout, result.returncode) == ("", 1)
    assert "no leader among the endpoints: %s/api %s/api" % (mocks[0].url, mocks[1].url) in result.stderr


def test_a_leader_is_awaited_but_not_by_which_api(client):
    """A group elects for a moment: as often as a request is tried."""
    mocks = [client.mock({"leader-check": NOT_LEADER, "routed-leader-check": NOT_LEADER}) for _ in range(2)]
    assert client.run("-c", "all-instances").returncode == 1
    assert mocks[0].paths() == ["leader-check", "routed-leader-check"] * 8
    assert client.run("-c", "which-api").returncode == 1
    assert mocks[0].paths() == ["leader-check", "routed-leader-check"] * 9


def test_silent_endpoint_costs_one_second(client):
    """A socket that listens and never answers: only curl's limit gets us past it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mock = client.mock({"leader-check": LEADER})
        urls = "http://127.0.0.1:%d %s" % (silent.getsockname()[1], mock.url)
        assert client.run("-c", "which-api", "-U", urls).stdout == mock.url + "/api\n"


def test_retry_follows_the_leader(client):
    old = client.mock({"leader-check": [LEADER, NOT_LEADER], "routed-leader-check": NOT_LEADER,
                       "all-instances": HANG_UP})
    new = client.mock({"leader-check": [NOT_LEADER, LEADER], "routed-leader-check": NOT_LEADER,
                       "all-instances": INSTANCES})
    result = client.run("-c", "all-instances")
    assert (result.stdout, result.returncode) == ("db1:3306\n", 0)
    assert old.paths() == ["leader-check", "all-instances", "leader-check", "routed-leader-check", "leader-check"]
    assert new.paths()[-2:] == ["leader-check", "all-instances"]


# --- retries ---

@pytest.mark.parametrize("failure", [
    HANG_UP, Answer("", 502), Answer("<html>", 502), Answer("[", 200), Answer("<html>", 200), Answer([], cut=True),
    Answer("500 Internal Server Error", 500),
])
def test_read_is_retried(client, failure):
    mock = client.mock({"all-instances": [failure, failure, INSTANCES]})
    result = client.run("-c", "all-instances")
    assert (result.stderr, result.stdout, result.returncode) == ("", "db1:3306\n", 0)
    assert mock.paths() == ["all-instances"] * 3


@pytest.mark.parametrize("failure, message", [
    (HANG_UP, "gave up: %s/api/all-instances: curl: (52) "),
    (Answer("<html>\n\x1b[31m</html>", 502), "gave up: %s/api/all-instances: HTTP 502, not JSON: <html> [31m</html>"),
    (Answer("", 504), "gave up: %s/api/all-instances: HTTP 504, empty"),
])
def test_eight_tries(client, failure, message):
    mock = client.mock({"all-instances": failure})
    result = client.run("-c", "all-instances")
    assert (result.stdout, result.returncode) == ("", 1)
    assert message % mock.url in result.stderr
    assert mock.paths() == ["all-instances"] * 8


def test_nobody_listens(client):
    result = client.run("-c", "all-instances", "-U", DOWN)
    assert (result.stdout, result.returncode) == ("", 1)
    assert "gave up: http://127.0.0.1:1/api/all-instances: curl: (7) " in result.stderr


def test_waits_grow(client, tmp_path):
    """The waits between tries, seen by a sleep that only notes them."""
    sleep = tmp_path / "bin" / "sleep"
    sleep.parent.mkdir()
    sleep.write_text('#!/bin/sh\necho "$1" >>"$HOME/waits"\n')
    sleep.chmod(0o755)
    client.run("-c", "all-instances", "-U", DOWN, PATH="%s:%s" % (sleep.parent, client.env["PATH"]),
               ORCHESTRATOR_CLIENT_RETRY_SCALE="1")
    assert (tmp_path / "waits").read_text().split() == ["0.1", "0.2", "0.5", "1", "2", "2.5", "5"]


@pytest.mark.parametrize("failure", [HANG_UP, Answer("", 502), Answer("<html>", 504), Answer("{", 200)])
def test_takeover_that_may_have_happened_is_not_repeated(client, failure):
    path = "graceful-master-takeover-auto/shop"
    mock = client.mock({path: [failure, ok({"SuccessorKey": {"Hostname": "db2", "Port": 1}})]})
    result = client.run("-c", "graceful-master-takeover-auto", "-a", "shop")
    assert (result.stdout, result.returncode) == ("", 1)
    assert "the server may have carried out the command, see before you repeat it" in result.stderr
    assert mock.paths() == [path]


def test_takeover_that_cannot_have_happened_is_repeated(client):
    path = "graceful-master-takeover-auto/shop"
    mock = client.mock({path: [Answer("no server available", 503), ok({"SuccessorKey": {"Hostname": "b", "Port": 1}})]})
    result = client.run("-c", "graceful-master-takeover-auto", "-a", "shop")
    assert (result.stderr, result.stdout, result.returncode) == ("", "b:1\n", 0)
    assert mock.paths() == [path, path]
    assert "gave up: " in client.run("-c", "graceful-master-takeover-auto", "-a", "shop", "-U", DOWN).stderr


def test_without_a_leader_even_a_takeover_is_tried_again(client):
    """Our servers answer 503 when nothing was done: no leader, or one that cannot be reached."""
    path = "graceful-master-takeover-auto/shop"
    nobody = Answer(json.dumps({"Code": "ERROR", "Message": "there is no raft leader at present", "Details": None}), 503)
    mock = client.mock({path: [nobody, nobody, ok({"SuccessorKey": {"Hostname": "b", "Port": 1}})]})
    result = client.run("-c", "graceful-master-takeover-auto", "-a", "shop")
    assert (result.stderr, result.stdout, result.returncode) == ("", "b:1\n", 0)
    assert mock.paths() == [path] * 3
    lost = client.mock({"clusters-info": [nobody] * 8})
    result = client.run("-c", "clusters", "-U", lost.url)
    assert (result.stdout, result.returncode) == ("", 1)
    assert "gave up: " in result.stderr and "there is no raft leader at present" in result.stderr


BY_POST_ONLY = Answer({"Code": "ERROR", "Message": "send it by POST", "Details": None}, 405)


@pytest.mark.parametrize("command, path, details, printed", [
    (["-c", "begin-downtime", "-i", "db1", "-o", "me", "-r", "why"], "begin-downtime/db1/3306/me/why/10m", {"Hostname": "db1", "Port": 3306}, "db1:3306\n"),
    (["-c", "graceful-master-takeover-auto", "-a", "shop"], "graceful-master-takeover-auto/shop",
     {"SuccessorKey": {"Hostname": "b", "Port": 1}}, "b:1\n"),
    (["-c", "api", "-P", "forget/db1/3306"], "forget/db1/3306", None, '{ "Code": "OK", "Message": "", "Details": null }\n'),
])
def test_changes_are_posted_to_a_server_that_wants_it(client, command, path, details, printed):
    """405 says that nothing was done, so what must not be made twice is sent again, too."""
    mock = client.mock({path: [BY_POST_ONLY, ok(details)]})
    result = client.run(*command)
    assert (result.stderr, result.stdout, result.returncode) == ("", printed, 0)
    assert mock.paths() == [path, "POST " + path]
    assert mock.log[1][2]["Content-Length"] == "0"


def test_a_refusal_of_the_post_is_the_answer(client):
    mock = client.mock({"forget/db1/3306": [BY_POST_ONLY, error("Unauthorized")]})
    result = client.run("-c", "forget", "-i", "db1")
    assert (result.stderr, result.stdout, result.returncode) == ("Unauthorized\n", "", 1)
    assert mock.paths() == ["forget/db1/3306", "POST forget/db1/3306"]
    stubborn = client.mock({"forget/db1/3306": Answer("<html>", 405)})
    result = client.run("-c", "forget", "-i", "db1", "-U", stubborn.url)
    assert (result.stdout, result.returncode) == ("", 1) and "HTTP 405" in result.stderr
    assert stubborn.paths() == ["forget/db1/3306", "POST forget/db1/3306"]


def test_leader_question_may_be_repeated(client):
    mock = client.mock({"raft-state": [HANG_UP, raw("Leader")], "raft-yield-hint/b": ok("b")})
    assert client.run("-c", "raft-elect-leader", "-H", "b").stdout == "b\n"
    assert mock.paths() == ["raft-state", "raft-state", "raft-yield-hint/b"]


def test_temporary_files_go_when_killed(client):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = "http://127.0.0.1:%d" % silent.getsockname()[1]
        process = subprocess.Popen(["bash", client.script, "-c", "clusters", "-U", url], env=client.env,
                                   start_new_session=True)
        silent.accept()[0].recv(1)  # the request is on its way, so the files are there
        assert list(client.tmp.iterdir()) != []
        os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(10) != 0
    assert list(client.tmp.iterdir()) == []


# --- answers that end it at once ---

def test_missing_route_fails_fast(client):
    mock = client.mock()
    result = client.run("-c", "discover", "-i", "db1")
    assert (result.stdout, result.returncode) == ("", 1)
    assert "unknown to this server: %s/api/discover/db1/3306: HTTP 404" % mock.url in result.stderr
    assert mock.paths() == ["discover/db1/3306"]


def test_slash_in_a_value_is_explained(client):
    mock = client.mock()
    result = client.run("-c", "begin-downtime", "-i", "db1", "-o", "me", "-r", "a/b")
    assert mock.paths() == ["begin-downtime/db1/3306/me/a%2Fb/10m"]
    assert "a value with a slash cannot be part of a path" in result.stderr


@pytest.mark.parametrize("status", [301, 400, 403])
def test_other_refusals_fail_fast(client, status):
    mock = client.mock({"all-instances": Answer("go away", status)})
    result = client.run("-c", "all-instances")
    assert (result.stdout, result.returncode) == ("", 1)
    assert "HTTP %d, not JSON: go away" % status in result.stderr
    assert mock.paths() == ["all-instances"]


def test_impossible_url_fails_fast(client, tmp_path):
    result = client.run("-c", "all-instances", "-U", "nosuch://h:1", ORCHESTRATOR_CLIENT_RETRY_SCALE="1000")
    assert result.returncode == 1
    assert "nosuch" in result.stderr


def test_json_counts_whatever_its_status(client):
    client.mock({"leader-check": NOT_LEADER, "forget/db1/3306": error("no", None)})
    result = client.run("-c", "api", "-P", "leader-check")
    assert (result.stdout, result.returncode) == ('"Not leader"\n', 0)


def test_empty_success(client):
    client.mock({"all-instances": Answer("", 200), "leader-check/204": Answer("", 204)})
    for args in (["-c", "all-instances"], ["-c", "api", "-P", "leader-check/204"]):
        result = client.run(*args)
        assert (result.stderr, result.stdout, result.returncode) == ("", "", 0)


# --- authentication ---

def authorization(mock):
    header = mock.log[-1][2].get("Authorization")
    return header and base64.b64decode(header[len("Basic "):]).decode()


@pytest.mark.parametrize("args, env, expected", [
    ([], {}, None),
    (["-b", "ann:secret"], {}, "ann:secret"),
    (["--auth=ann:se=cret"], {}, "ann:se=cret"),
    ([], {"ORCHESTRATOR_AUTH_USER": "ann", "ORCHESTRATOR_AUTH_PASSWORD": "two words"}, "ann:two words"),
    ([], {"ORCHESTRATOR_AUTH_USER": "", "ORCHESTRATOR_AUTH_PASSWORD": "p"}, ":p"),
    ([], {"ORCHESTRATOR_AUTH_USER": "", "ORCHESTRATOR_AUTH_PASSWORD": ""}, None),
    (["-b", "bob:x"], {"ORCHESTRATOR_AUTH_USER": "ann", "ORCHESTRATOR_AUTH_PASSWORD": "p"}, "bob:x"),
    (["-b", 'ann:a"b\\c#$(x) \\n%'], {}, 'ann:a"b\\c#$(x) \\n%'),
    (["-b", "ann:ü:*"], {}, "ann:ü:*"),
    (["-b", "ann"], {}, "ann:"),
    (["-b", ""], {"ORCHESTRATOR_AUTH_USER": "ann"}, None),
])
def test_basic_authentication(client, args, env, expected):
    mock = client.mock({"all-instances": INSTANCES})
    assert client.run("-c", "all-instances", *args, **env).returncode == 0
    assert authorization(mock) == expected


def test_header(client):
    mock = client.mock({"all-instances": INSTANCES})
    client.run("-c", "all-instances", "-e", "X-Forwarded-User:alice smith")
    client.run("-c", "all-instances", ORCHESTRATOR_AUTH_USER_HEADER="X-Forwarded-User: bob")
    assert [entry[2].get("X-Forwarded-User") for entry in mock.log] == ["alice smith", "bob"]


def test_credentials_go_to_leader_checks_too(client):
    mocks = [client.mock({"leader-check": NOT_LEADER}), client.mock({"leader-check": LEADER, "clusters-info": raw([])})]
    assert client.run("-c", "clusters", "-b", "ann:p").returncode == 0
    assert [authorization(mock) for mock in mocks] == ["ann:p"] * 2


def test_secrets_stay_out_of_argv(client, tmp_path):
    """A curl that notes its arguments before it runs the real one."""
    spy = tmp_path / "bin" / "curl"
    spy.parent.mkdir()
    spy.write_text('#!/bin/sh\necho "$@" >>"$HOME/argv"\nexec /usr/bin/curl "$@"\n')
    spy.chmod(0o755)
    mock = client.mock({"all-instances": INSTANCES})
    path = "%s:%s" % (spy.parent, client.env["PATH"])
    for url in mock.url, mock.url.replace("//", "//ann:hidden1@"):
        result = client.run("-c", "all-instances", "-U", url, PATH=path, ORCHESTRATOR_AUTH_USER="ann",
                            ORCHESTRATOR_AUTH_PASSWORD="hidden2", ORCHESTRATOR_AUTH_USER_HEADER="X-Key: hidden3")
        assert result.stdout == "db1:3306\n"
    argv = (tmp_path / "argv").read_text()
    assert argv.count("--config -") == 2 and "hidden" not in argv


@pytest.mark.parametrize("several", [False, True])
def test_unauthorized_fails_at_once(client, several):
    mocks = [client.mock({"all-instances": UNAUTHORIZED, "leader-check": UNAUTHORIZED,
                          "routed-leader-check": UNAUTHORIZED}) for _ in range(1 + several)]
    result = client.run("-c", "all-instances", "-b", "ann:hidden")
    assert (result.stdout, result.returncode) == ("", 1)
    assert "401 Unauthorized; check -b" in result.stderr and "hidden" not in result.stderr
    assert mocks[0].paths() == (["leader-check", "routed-leader-check"] if several else ["all-instances"])


def test_messages_hide_a_password_in_the_url(client):
    mock = client.mock()
    url = mock.url.replace("//", "//ann:hidden@")
    for urls in url, url + " " + url:
        result = client.run("-c", "all-instances", "-U", urls)
        assert result.returncode == 1 and "127.0.0.1" in result.stderr and "hidden" not in result.stderr
