"""Keeps orchestrator-client's tables, its manual page, its tests and the historical list of commands together."""

import pathlib
import re
import shutil
import subprocess

import pytest

import test_client
import test_requests
from client_runner import SCRIPT

MAN_PAGE = SCRIPT.with_suffix(".1")
ROUTES = SCRIPT.parents[1] / "routes.def"
HISTORICAL = [row[0] for row in test_requests.ROWS]
FLAGS = {"-", "local", "leader", "once", "alone"}
WORDS = {"hint", "text"}


def variable(name):
    """The value of one of the script's constants."""
    return re.search("^readonly %s='\n(.*?)^'$" % name, SCRIPT.read_text(), re.M | re.S).group(1)


def rows(name, columns):
    lines = [line for line in variable(name).splitlines() if line and not line.startswith("#")]
    return [line.split(None, columns - 1) for line in lines]


OPTIONS = rows("OPTIONS", 3)
COMMANDS = rows("COMMANDS", 5)


def test_tables_are_complete_and_unique():
    assert len(OPTIONS) > 20 and len(COMMANDS) > 100
    assert all(len(row) == 3 for row in OPTIONS) and all(len(row) == 5 for row in COMMANDS)
    for column in [row[0] for row in OPTIONS], [row[1] for row in OPTIONS], [row[0] for row in COMMANDS]:
        assert len(set(column)) == len(column)


def test_historical_commands_are_the_table():
    assert sorted(row[0] for row in COMMANDS) == sorted(HISTORICAL)


def test_every_command_has_a_case():
    assert set(HISTORICAL) <= set(test_client.names())


def test_flags_and_placeholders_are_known():
    letters = {row[0] for row in OPTIONS}
    for name, flags, path, _, _ in COMMANDS:
        assert set(flags.split(",")) <= FLAGS, name
        assert (path == "-") == (flags == "local"), name
        assert set(re.findall(r"\{/?([^}]*)\}", path)) <= letters | WORDS, name


def test_server_has_a_route_for_every_path():
    """With and without the optional segments; a route that is not served yet counts, it says so itself."""
    patterns = re.findall(r'^ROUTE(?:_ALIAS|_LATER)?\("([^"]+)"', ROUTES.read_text(), re.M)
    routes = [re.compile(re.sub(r":\w+", "[^/]+", pattern)) for pattern in patterns]
    assert len(routes) > 200
    for name, flags, path, _, _ in COMMANDS:
        if flags == "local" or path == "{P}":
            continue
        path = path.replace("@", name).split("?")[0]
        full = re.sub(r"\{(/?)\w+\}", r"\1value", re.sub(r"\{(/?)[id]\}", r"\1host/1", path))
        short = re.sub(r"\{\w+\}", "value", re.sub(r"\{[id]\}", "host/1", re.sub(r"\{/\w+\}", "", path)))
        for asked in full, short:
            assert any(route.fullmatch(asked) for route in routes), "%s asks %s" % (name, asked)


@pytest.mark.parametrize("projection", sorted({row[3] for row in COMMANDS if row[1] != "local"}))
def test_projection_compiles(projection):
    result = subprocess.run(["jq", variable("JQ_LIBRARY") + projection], input="", text=True, capture_output=True)
    assert (result.stderr, result.returncode) == ("", 0)


def test_manual_page_describes_the_options():
    described = set(re.findall(r"^\.It Fl (\w) , ([\w-]+)", MAN_PAGE.read_text(), re.M))
    assert described == {(row[0], row[1]) for row in OPTIONS}


def test_manual_page_names_the_variables():
    used = set(re.findall(r"ORCHESTRATOR_[A-Z_]+", SCRIPT.read_text())) - {"ORCHESTRATOR_CLIENT_RETRY_SCALE"}
    assert used == set(re.findall(r"ORCHESTRATOR_[A-Z_]+", MAN_PAGE.read_text()))


@pytest.mark.skipif(not shutil.which("mandoc"), reason="mandoc is not installed")
def test_manual_page_is_clean():
    result = subprocess.run(["mandoc", "-T", "lint", MAN_PAGE], text=True, capture_output=True)
    complaints = [line for line in result.stdout.splitlines() if "referenced manual not found" not in line]
    assert complaints == []


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
def test_shellcheck_is_clean():
    result = subprocess.run(["shellcheck", SCRIPT], text=True, capture_output=True)
    assert (result.stdout, result.returncode) == ("", 0)
