"""Every historical route is in routes.def with its rights; what is served answers, and what is not yet says so."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TABLE = pathlib.Path(__file__).with_name("routes.txt")

# Routes of ours, beside the historical ones.
OURS = {"abort-recovery/:uid", "access-token", "begin-downtime/:host/:port", "begin-maintenance/:host/:port", "cluster-pool-instances",
        "failure-votes",
        "cluster-gh-ost-replicas/:clusterHint", "heuristic-domain-instance/:clusterHint", "set-heuristic-domain-instance/:clusterHint", "instance-status/:host/:port", "raft-info", "raft-rescue", "recovery-input/:uid", "redeploy-internal-db",
        "show-resolve-hosts",
        "show-unresolve-hosts"}

VALUES = {"host": "127.0.0.1", "port": "1", "page": "0", "errorStatusCode": "503"}


def historical():
    """{path: (right, where, state)}"""
    rows = [line.split(None, 3) for line in TABLE.read_text().splitlines() if line and not line.startswith("#")]
    assert len({path for path, *_ in rows}) == len(rows) == 250
    return {path: tuple(rest) for path, *rest in rows}


def ours():
    """The same of routes.def, for what lies below /api/."""
    text = (ROOT / "apid" / "routes.def").read_text()
    found = {}
    for kind, path, rest in re.findall(r'^ROUTE(|_ALIAS|_LATER)\("([^"]+)", (.*)', text, re.M):
        access, where = re.search(r"\b(READ|WRITE|CHANGE|WREAD), (LOCAL|PROXIED)\b", rest).groups()
        found[path] = ("W" if access in ("WRITE", "WREAD") else "R", where[0], "later" if kind == "_LATER" else "served")
    return found


HISTORICAL = historical()


def test_the_tables_agree():
    known = ours()
    assert set(known) - OURS == set(HISTORICAL)
    assert OURS <= set(known)
    differing = {path: (row, known[path]) for path, row in HISTORICAL.items()
                 if (*row[:2], row[2].split(":")[0]) != known[path]}
    assert not differing


def test_states_are_of_the_two_kinds():
    assert all(re.fullmatch(r"served|later: \S.*", state) for _, _, state in HISTORICAL.values())


@pytest.fixture(scope="module")
def node(request):
    from node import Node

    with Node() as node:
        yield node


def asked(path):
    return "/api/" + re.sub(r":(\w+)", lambda m: VALUES.get(m[1], "x"), path)


def test_routes_answer_as_the_table_says(node):
    wrong = {}
    for path, (_, _, state) in HISTORICAL.items():
        answer = node.get(asked(path))
        says_later = answer.status == 500 and "does not serve this route yet" in answer.body
        if answer.status == 404 or says_later != state.startswith("later"):
            wrong[path] = (state, answer.status, answer.body[:200])
    assert not wrong


def test_historical_clients_append_a_newline(node):
    """orchestrator-client encodes `echo` output: the last value ends in %0A."""
    assert node.get("/api/instance/db1/3306%0A").json() == node.get("/api/instance/db1/3306").json()
    assert node.get("/api/tag/db1/3306?tag=x%0A").json()["Message"] == "db1:3306 tagged with x="
    assert node.api("tags/db1/3306%0A/") == ["x="]
