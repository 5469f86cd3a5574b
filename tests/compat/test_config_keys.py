"""Every historical configuration key does what the table says of it. What is loaded (name, type, default) is compared by
tests/unit/conf/test_conf_print.c, with the same table."""

import json
import re

from node import Node
from tables import PROGRAMS, ROOT, rows, sources

TABLE = [row for row in rows("config_keys.txt", 5) if row[1] != "removed"]
REMOVED = [name for name, state in (row for row in rows("config_keys.txt", 5) if len(row) == 2)]
STATES = {name: state for name, _, _, _, state in TABLE}
RELOADS = "NSML"  # from worst to best
CONF_KEY = re.compile(r"^CONF_KEY\(\w+, (\w+), .*?, ([LSMN]), \w+,", re.M)


def kind(state):
    return state.split(":")[0]


def used():
    """Keys that the programs read: members in C, names in the tables that C is made of."""
    found = set()
    for path, text in sources(*PROGRAMS, "common").items():
        if "conf" not in path.parts and path.name != "flags.def":
            found.update(re.findall(r"\b[A-Z]\w+" if path.suffix == ".def" else r"(?:->|\.)([A-Z]\w+)", text))
    return found


def test_table():
    assert (len(TABLE), len(REMOVED)) == (201, 17)
    assert all(re.fullmatch(r"served|(part|at load|later|none): \S.*", state) for state in STATES.values())


def test_keys_are_used_as_the_table_says():
    found = used()
    wrong = {name: state for name, state in STATES.items() if (name in found) != (kind(state) in ("served", "part"))}
    assert not wrong


def test_keys_at_load_end_in_others():
    loading = "".join(sources("common/conf", suffixes=(".c",)).values())
    for name, state in STATES.items():
        if kind(state) == "at load":
            assert set(state.split(": ")[1].split(", ")) <= set(STATES), name
            assert re.search(rf"[>_]{name}\b", loading), name


def test_a_reload_does_what_it_did_or_more():
    ours = dict(CONF_KEY.findall((ROOT / "common" / "conf" / "conf_keys.def").read_text()))
    wrong = {name: (reload, ours[name]) for name, _, _, reload, _ in TABLE
             if RELOADS.index(ours[name]) < RELOADS.index(reload.replace("-", "N"))}
    assert not wrong
    # who has never had an effect is told so when somebody sets it
    assert {name for name, reload in ours.items() if reload == "N"} == \
        {name for name, _, _, reload, state in TABLE if reload == "-" and kind(state) == "none"}


def test_a_file_with_all_keys_is_accepted():
    """The historical defaults, written out; what is told then concerns old keys only, and raft's are not needed."""
    with Node(start=False) as node:
        written = {name: json.loads(default) for name, _, default, _, _ in TABLE}
        written.update(dict.fromkeys(REMOVED, 1), BackendDB="sqlite", SQLite3DataFile=str(node.dir / "orchestrator.sqlite3"))
        node.config_file.write_text(json.dumps(written))
        done = node.command("-t")
        told = set(re.findall(r'\d: "?(\w+)"?: ', done.stderr))
        assert told == set(REMOVED) | {name for name in STATES if kind(STATES[name]) == "at load" and name.find("File") < 0} \
            | {name for name, _, _, reload, _ in TABLE if reload == "-" and kind(STATES[name]) == "none"}, done.stderr
