"""Every object of the HTTP API has the historical keys, in their order, with their types; or the table says why not yet."""

import re

import pytest

import historical
import ports
from fleet import Fleet
from node import Node
from tables import ROOT, sources
from waiting import wait_until

TABLE = ROOT / "tests" / "compat" / "json_keys.txt"
NUMBERS = {"int": int, "float": (int, float)}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")


def shapes():
    """{object: (state, {key: type})}"""
    found = {}
    for block in TABLE.read_text().split("\n\n")[1:]:
        first, *lines = block.strip().splitlines()
        name, state = re.fullmatch(r"\[(\w+)\] (.*)", first).groups()
        keys = dict(line.split(" ", 1) for line in lines)
        assert name not in found and len(keys) == len(lines), name
        found[name] = (state, keys)
    return found


SHAPES = shapes()
SERVED = {name: state.split()[1:] for name, (state, _) in SHAPES.items() if state.startswith("served")}
ELSEWHERE = {name for name, (state, _) in SHAPES.items() if state.startswith("elsewhere")}  # served, and checked there


def check(value, kind, where):
    """That the value is of this type of the table."""
    if kind.endswith("?"):
        return value is None or check(value, kind[:-1], where)
    if kind.startswith("["):
        assert isinstance(value, list), (where, value)
        return all(check(item, kind[1:-1], f"{where}[{i}]") for i, item in enumerate(value))
    if kind in SHAPES:
        keys = SHAPES[kind][1]
        assert isinstance(value, dict) and list(value) == list(keys), (where, kind, value)
        return all(check(value[key], keys[key], f"{where}.{key}") for key in keys)
    fits = {"any": True, "text": isinstance(value, str), "bool": isinstance(value, bool), "object": value == {},
            "error": value is None or isinstance(value, dict), "time": isinstance(value, str) and bool(TIME.fullmatch(value)),
            **{number: isinstance(value, types) and not isinstance(value, bool) for number, types in NUMBERS.items()}}
    assert fits[kind], (where, kind, value)
    return True


def test_table():
    assert len(SHAPES) == 42 and len(SHAPES["Instance"][1]) == 102 and len(SHAPES["ReplicationAnalysis"][1]) == 57
    assert all(re.fullmatch(r"(served|elsewhere|later|none): \S.*", state) for state, _ in SHAPES.values())


def test_what_is_not_served_is_not_in_the_program():
    """Of an object that is, all keys would stand there. Two or three common words prove nothing."""
    common = {key for name in {*SERVED, *ELSEWHERE} for key in SHAPES[name][1]}
    words = set(re.findall(r"\w+", "".join(sources("apid", suffixes=(".c", ".def")).values())))
    for name, (_, keys) in SHAPES.items():
        own = set(keys) - common
        assert name in SERVED or name in ELSEWHERE or len(own) < 3 or own - words, name


@pytest.fixture(scope="module")
def node_and_names():
    """A node, a group of its own, that watches servers, one of them dead; and what the paths of the table mean."""
    with Fleet(4) as fleet, Node(seeds=fleet.sources, start=False) as node:
        node.configure(RaftEnabled=True, RaftNodes=[], RaftDataDir=str(node.dir / "raft"), AuditToBackendDB=True, BufferInstanceWrites=True,
                       RaftBind=f"{node.host}:{ports.reserve(node.dir)[0]}", HostnameResolveMethod="default")
        node.start()
        node.wait_instances(fleet.addresses)
        replica = fleet.addresses[1]
        names = {"$replica": replica.replace(":", "/"), "$host": replica.split(":")[0]}
        for path in ("tag/$replica?tag=role=x", "register-candidate/$replica/prefer", "begin-maintenance/$replica/me/why"):
            path = path.replace("$replica", names["$replica"])
            wait_until(lambda path=path: node.api(path)["Code"] == "OK", 20, path)
        wait_until(lambda: historical.rows(node.dir / "orchestrator.sqlite3", "database_instance_last_analysis"), 20, "a first analysis")
        fleet.set("die", fleet.sources)
        yield node, names


@pytest.mark.parametrize("name", SERVED)
def test_what_is_answered(node_and_names, name):
    node, names = node_and_names
    path, *way = [re.sub(r"\$\w+", lambda m: names[m[0]], word) for word in SERVED[name]]

    def found():
        value = node.api(path)
        for step in way:
            assert value is not None, step
            value = value[int(step) if isinstance(value, list) else step]
        return check(value, name, path)

    wait_until(found, 20, f"{name} in the answer to {path}")
