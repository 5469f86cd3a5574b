"""Process tests: the real programs of one node, without database servers."""

import pytest


@pytest.fixture
def node(new_node):
    """A node that watches nothing."""
    return new_node()
