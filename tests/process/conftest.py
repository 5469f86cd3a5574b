"""Process tests: the real programs of one node, without database servers."""

import pytest

from node import thread_sanitized

# Groups of whole nodes are slow with the thread sanitizer: these are what it sees of them. Elect, commands of several
# clients while the leader dies, snapshots in pieces, hand over, stop and start.
WITH_THREAD_SANITIZER = {
    "test_three_nodes_found_a_group_and_agree", "test_kill_of_the_leader_and_restart", "test_retries_while_the_leader_dies",
    "test_wiped_disk", "test_yield_to_a_node", "test_sigterm_of_the_leader_hands_over", "test_restart_of_all"}

# Folders about one program that has one thread, or whose threads the other tests see at work.
ONE_PROGRAM = {"supervisor", "prober", "proxy"}


def pytest_collection_modifyitems(config, items):
    if not thread_sanitized():
        return
    groups = [item for item in items if item.path.name.startswith(("test_group", "test_import"))]
    left_out = [item for item in groups if item.originalname not in WITH_THREAD_SANITIZER]
    left_out += [item for item in items if item.path.parent.name in ONE_PROGRAM]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]



@pytest.fixture
def node(new_node):
    """A node that watches nothing."""
    return new_node()
