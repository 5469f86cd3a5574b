"""The checkers of the raft suites find what they are there for: each lie, alone, in a story that is right otherwise."""

import pytest

from chaos_history import ACKNOWLEDGED, COMMAND, REFUSED, UNKNOWN, Entry, History, Holding, Operation, Violation, target, value
from chaos_leases import Seen, violations


def entry(number, term=2):
    return Entry(term, COMMAND, b"tag_value" + value(number).encode())


def story():
    """Numbers 1..4: two acknowledged, one refused, one unknown that took effect. On three nodes, the third of which was
    fed with a snapshot."""
    operations = [Operation(1, ACKNOWLEDGED, 2, 0, 10), Operation(2, REFUSED, None, 11, 12),
                  Operation(3, UNKNOWN, None, 13, 30), Operation(4, ACKNOWLEDGED, 4, 20, 40)]
    log = {1: Entry(1, 3, b"members"), 2: entry(1), 3: entry(3), 4: entry(4, 3)}
    applied = {2: "u1", 3: "u3", 4: "u4"}
    tags = {target(n): value(n) for n in (1, 3, 4)}
    nodes = {name: Holding(name, dict(log), dict(applied), dict(tags)) for name in "abc"}
    for index in (1, 2, 3):
        del nodes["c"].log[index]
    return operations, nodes


def check(operations, nodes):
    history = History()
    for op in operations:
        history.add(op)
    history.check(list(nodes.values()))
    history.check(list(nodes.values()))


def test_a_right_story_passes():
    check(*story())


def test_an_acknowledged_one_that_is_nowhere():
    operations, nodes = story()
    operations.append(Operation(5, ACKNOWLEDGED, 5, 50, 60))
    with pytest.raises(Violation, match=r"acknowledged at 5, found at \[\]"):
        check(operations, nodes)


def test_an_acknowledged_one_at_another_place():
    operations, nodes = story()
    operations[0] = operations[0]._replace(index=3)
    with pytest.raises(Violation, match=r"acknowledged at 3, found at \[2\]"):
        check(operations, nodes)


def test_a_refused_one_that_took_effect():
    operations, nodes = story()
    operations[2] = operations[2]._replace(outcome=REFUSED)
    with pytest.raises(Violation, match=r"refused, found at \[3\]"):
        check(operations, nodes)


@pytest.mark.parametrize("uid,bad", [("u3-again", True), (None, False)])
def test_twice_in_the_log_is_wrong_only_when_it_is_applied_twice(uid, bad):
    operations, nodes = story()
    for node in nodes.values():
        node.log[5] = entry(3, 3)
        if uid:
            node.applied[5] = uid
    if not bad:
        return check(operations, nodes)
    with pytest.raises(Violation, match=r"more than once, at \[3, 5\]"):
        check(operations, nodes)


def test_one_that_nobody_asked_for():
    operations, nodes = story()
    with pytest.raises(Violation, match="number 4 at .*nobody asked"):
        check(operations[:3], nodes)


def test_an_entry_that_differs():
    operations, nodes = story()
    nodes["b"].log[3] = entry(3, 9)
    with pytest.raises(Violation, match="b: log entry 3"):
        check(operations, nodes)


def test_a_hole_in_a_log():
    operations, nodes = story()
    del nodes["b"].log[3]
    with pytest.raises(Violation, match="b: the log has holes"):
        check(operations, nodes)


def test_a_command_that_one_node_did_not_apply():
    operations, nodes = story()
    del nodes["c"].applied[3]
    with pytest.raises(Violation, match=r"c: applied commands are missing: \[3\]"):
        check(operations, nodes)


def test_order_against_time():
    operations, nodes = story()
    operations[0], operations[3] = operations[0]._replace(started=50, ended=60), operations[3]._replace(ended=45)
    with pytest.raises(Violation, match="stands before it"):
        check(operations, nodes)


def test_a_row_that_the_log_does_not_make():
    operations, nodes = story()
    nodes["a"].tags[target(1)] = value(9)
    with pytest.raises(Violation, match="a: 1 tags"):
        check(operations, nodes)


@pytest.mark.parametrize("seen,bad", [
    ([("a", 1, 0, 10), ("a", 1, 20, 30), ("b", 2, 31, 40), ("a", 3, 41, 50)], None),
    ([("a", 1, 0, 10), ("b", 2, 20, 30), ("a", 1, 31, 40)], "older term"),
    ([("a", 1, 0, 10), ("b", 2, 20, 30), ("a", 1, 29, 40)], None),  # the old one's may have been made before
    ([("a", 1, 0, 100), ("b", 2, 20, 30)], None),
    ([("a", 1, 0, 10), ("b", 1, 20, 30)], "two nodes led"),
])
def test_leases(seen, bad):
    found = list(violations([Seen(*s) for s in seen]))
    assert bool(found) == bool(bad) and all(bad in text for text in found)
