"""orchestrator-client: options, environment, what is missing, and what reaches the path."""

import pytest

from mock_api import ok, raw

TREE = ok("tree")


@pytest.mark.parametrize("args", [
    ["-c", "topology", "-a", "shop"],
    ["-a", "shop", "-c", "topology"],
    ["-ctopology", "-ashop"],
    ["-command", "topology", "-alias", "shop"],
    ["--command", "topology", "--alias", "shop"],
    ["--command=topology", "-alias=shop"],
    ["-c=topology", "-a=shop"],
    ["-c", "topology", "-a", "shop", "-i", "db1"],
    ["-c", "clusters", "-c", "topology", "-a", "shop"],
])
def test_option_forms(client, args):
    mock = client.mock({"topology/shop": TREE})
    result = client.run(*args)
    assert (result.stderr, result.stdout, mock.paths()) == ("", "tree\n", ["topology/shop"])


LONG = [("-alias", "a"), ("-owner", "o"), ("-reason", "r"), ("-duration", "u"), ("-promotion-rule", "R"), ("-tag", "t"),
        ("-pool", "l"), ("-hostname", "H"), ("-path", "P"), ("-query", "q"), ("-binlog", "n"), ("-seconds", "S")]


@pytest.mark.parametrize("long, letter", LONG)
def test_long_and_short_form_are_one_option(client, long, letter):
    uses = {"a": "forget-cluster", "o": "begin-downtime", "r": "begin-downtime", "u": "begin-downtime", "t": "tag",
            "R": "register-candidate", "l": "submit-pool-instances", "H": "register-hostname-unresolve", "P": "api",
            "q": "restart-replica-statements", "n": "purge-binary-logs", "S": "delay-replication"}
    asked = []
    for option in "-" + letter, long, "-" + long:
        mock = client.mock()
        args = ["-c", uses[letter], "-i", "db1", "-U", mock.url, option, "VALUE"]
        client.run(*(args if letter != "o" and letter != "u" else args + ["-r", "why"]))
        asked += mock.paths()
    assert len(asked) == 3 and len(set(asked)) == 1 and "VALUE" in asked[0]


@pytest.mark.parametrize("args, path", [
    (["-i", "db1"], "db1/3306"),
    (["-i", "db1:3307"], "db1/3307"),
    (["-i", "db1", "-D", "4000"], "db1/4000"),
    (["-i", "db1:3307", "-D", "4000"], "db1/3307"),
    (["-i", "db1:"], "db1/3306"),
    (["-i", "[::1]:3307"], "%5B::1%5D/3307"),
    (["-i", "[::1]"], "%5B::1%5D/3306"),
    (["-i", "10.0.0.1:3306"], "10.0.0.1/3306"),
    (["-i", "a b&c"], "a%20b%26c/3306"),
])
def test_instance_forms(client, args, path):
    mock = client.mock({"forget/" + path: ok()})
    assert client.run("-c", "forget", *args).returncode == 0
    assert mock.paths() == ["forget/" + path]


def test_encoding_does_not_depend_on_the_locale(client):
    mock = client.mock()
    for locale in "C", "C.UTF-8", "en_US.UTF-8":
        client.run("-c", "search", "-i", "dä:1\n%", LC_ALL=locale, LANG=locale)
    assert mock.paths() == ["search?s=d%C3%A4:1%0A%25"] * 3


@pytest.mark.parametrize("command, args, message", [
    ("discover", [], "instance must be provided (-i)"),
    ("discover", ["-i", ""], "instance must be provided (-i)"),
    ("search", [], "instance must be provided (-i)"),
    ("relocate", ["-i", "db1"], "destination must be provided (-d)"),
    ("topology", [], "alias or instance must be provided (-a or -i)"),
    ("begin-downtime", ["-i", "db1"], "reason must be provided (-r)"),
    ("begin-downtime", ["-i", "db1", "-r", "x", "-o", ""], "owner must be provided (-o)"),
    ("register-candidate", ["-i", "db1"], "promotion-rule must be provided (-R)"),
    ("tag", ["-i", "db1"], "tag must be provided (-t)"),
    ("submit-pool-instances", ["-i", "db1"], "pool must be provided (-l)"),
    ("purge-binary-logs", ["-i", "db1"], "binlog must be provided (-n)"),
    ("raft-elect-leader", [], "hostname must be provided (-H)"),
    ("api", [], "path must be provided (-P)"),
    ("ack-all-recoveries", [], "reason must be provided (-r)"),
    ("no-such", [], "unknown command: no-such; -c help lists them"),
    ("#", [], "unknown command: #; -c help lists them"),
    ("", [], "no command given; use -c COMMAND, and -c help for the list"),
    ("repoint-replicas", ["-i", "db1", "-d", "db2"], "repoint-replicas takes no destination (-d)"),
    ("clusters", ["-a"], "option -a needs a value"),
    ("clusters", ["-U", " "], "no API endpoint given (-U or ORCHESTRATOR_API)"),
])
def test_missing_things_ask_nothing(client, command, args, message):
    mock = client.mock()
    result = client.run("-c", command, *args)
    assert (result.stdout, result.stderr, result.returncode) == ("", "orchestrator-client: %s\n" % message, 1)
    assert mock.paths() == []


def test_instance_from_environment(client):
    mock = client.mock({"forget/db7/3306": ok(), "forget/db1/3306": ok()})
    assert client.run("-c", "forget", ORCHESTRATOR_INSTANCE="db7").returncode == 0
    assert client.run("-c", "forget", "-i", "db1", ORCHESTRATOR_INSTANCE="db7").returncode == 0
    assert client.run("-c", "forget", "-i", "", ORCHESTRATOR_INSTANCE="db7").returncode == 1
    assert mock.paths() == ["forget/db7/3306", "forget/db1/3306"]


def test_tagged_leaves_the_environment_alone(client):
    mock = client.mock({"tagged?tag=a": raw([])})
    assert client.run("-c", "tagged", "-t", "a", ORCHESTRATOR_INSTANCE="db7").returncode == 0
    assert mock.paths() == ["tagged?tag=a"]


UNKNOWN = ["--verbose", "stray", "-Z", "-", "--"]


def test_unknown_arguments_are_ignored_loudly(client):
    client.mock({"topology/shop": TREE})
    result = client.run("-c", "topology", *UNKNOWN, "-a", "shop")
    assert (result.stdout, result.returncode) == ("tree\n", 0)
    assert result.stderr == "orchestrator-client: unknown arguments ignored: --verbose stray -Z - --\n"


def test_unknown_arguments_stop_what_acts_on_servers(client):
    """relocate-replicas --pattern used to move all replicas."""
    mock = client.mock()
    result = client.run("-c", "relocate-replicas", "-i", "db1", "-d", "db2", "--pattern", "db3")
    assert (result.stdout, result.returncode, mock.paths()) == ("", 1, [])
    assert result.stderr == "orchestrator-client: refused because of unknown arguments: --pattern db3\n"


def test_profile_file_is_read_first(client, tmp_path):
    path = "/etc/profile.d/orchestrator-client.sh"
    text = client.script.read_text()
    assert text.count(path) == 1
    profile = tmp_path / "profile.sh"
    client.script = tmp_path / "orchestrator-client"
    client.script.write_text(text.replace(path, str(profile)))
    mock = client.mock({"forget/db7/3306": ok()})
    profile.write_text("[ -n \"$UNSET_THING\" ]\nORCHESTRATOR_API=%s\nORCHESTRATOR_INSTANCE=db7\n" % mock.url)
    assert client.run("-c", "forget", ORCHESTRATOR_API="http://127.0.0.1:1").returncode == 0
    assert mock.paths() == ["forget/db7/3306"]


def test_missing_tools_are_named(client, tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for present, missing in ((), "curl"), (("curl",), "jq"):
        for tool in present:
            (tools / tool).symlink_to("/usr/bin/" + tool)
        result = client.run("-c", "clusters", PATH=str(tools))
        assert result.stderr == "orchestrator-client: %s is needed and not installed\n" % missing
        assert result.returncode == 1
