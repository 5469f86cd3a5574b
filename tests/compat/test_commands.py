"""Every historical command is in commands.def under all its names; what is not served yet says so."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TABLE = pathlib.Path(__file__).with_name("commands.txt")


def historical():
    """[(name, {other names}, state)] in the order of the help."""
    rows = [line.split(None, 2) for line in TABLE.read_text().splitlines() if line and not line.startswith("#")]
    return [(name, set() if others == "-" else set(others.split(",")), state) for name, others, state in rows]


def ours():
    text = (ROOT / "apid" / "commands.def").read_text()
    rows = re.findall(r'^COMMAND(|_LATER|_ELSEWHERE)\("([^"]+)", "([^"]*)"', text, re.M)
    return [(name, set(re.split(", *", others)) - {""}, "later" if kind == "_LATER" else "served") for kind, name, others in rows]


HISTORICAL = historical()
OURS = ["raft-rescue"]  # at the end


def test_the_tables_agree():
    assert len(HISTORICAL) == 127
    assert [(name, others, state.split(":")[0]) for name, others, state in HISTORICAL] == ours()[:-len(OURS)]
    assert [name for name, _, _ in ours()[-len(OURS):]] == OURS


def test_states_are_of_the_two_kinds():
    assert all(re.fullmatch(r"served|later: \S.*", state) for _, _, state in HISTORICAL)


@pytest.fixture(scope="module")
def node(request):
    from node import Node

    with Node() as node:
        yield node


def test_help_lists_all_in_this_order(node):
    listed = re.findall(r"^\t(\S+) .*?( \(not yet\))?$", node.command("-c", "help").stderr, re.M)
    assert [name for name, _ in listed[-len(OURS):]] == OURS
    assert [(name, bool(later)) for name, later in listed[:-len(OURS)]] == [(name, state != "served") for name, _, state in HISTORICAL]


@pytest.mark.parametrize("name", [min({name} | others, key=len) for name, others, state in HISTORICAL if state != "served"])
def test_a_command_that_is_not_served_yet_says_so(node, name):
    done = node.command("-c", name, "-i", "a", "-d", "b", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "does not have this command yet" in done.stderr
