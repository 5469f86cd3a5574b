"""Supervisors with fake children (supervised.py): fast_orchestrator, whose limits are short, and the real one."""

import pytest

from supervised import Supervised


@pytest.fixture
def node():
    with Supervised() as n:
        yield n


@pytest.fixture
def real_node():
    with Supervised(program="supervisor/orchestrator") as n:
        yield n
