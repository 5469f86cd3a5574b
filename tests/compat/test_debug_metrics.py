"""Every historical figure is there under its name, or the table says why not yet."""

import pathlib
import re

from waiting import wait_until

TABLE = pathlib.Path(__file__).with_name("debug_metrics.txt")
ROWS = dict(line.split(None, 1) for line in TABLE.read_text().splitlines() if line and not line.startswith("#"))


def test_table():
    assert len(ROWS) == 42 and all(re.fullmatch(r"served|(0|later): \S.*", state) for state in ROWS.values())


def test_figures_are_as_the_table_says(new_node):
    node = new_node()

    def figures():
        found = node.get("/debug/metrics").json()
        return found if "prober.targets" in found else None  # the probers' come with the first second

    found = wait_until(figures, 10, "figures of the probers")
    assert set(node.get("/debug/vars").json()) == set(found)
    for name, state in ROWS.items():
        assert (name in found) == (not state.startswith("later")), name
        if state.startswith("0"):
            assert found[name] == 0, name
    assert isinstance(found["cmdline"], list) and found["memstats"]["HeapAlloc"] >= 0
    assert all(isinstance(value, (int, float)) for name, value in found.items() if name not in ("cmdline", "memstats"))
