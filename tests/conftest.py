"""What tests/process, tests/system and tests/compat share: nodes that clean up and leave their logs when a test fails."""

import os
import pathlib
import re

import pytest

from node import Node, build_dir
from raftnodes import Group


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Let fixtures see whether their test failed."""
    report = (yield).get_result()
    item.stash.setdefault(REPORTS, {})[report.when] = report


REPORTS = pytest.StashKey()


def failed(request):
    return any(report.failed for report in request.node.stash.get(REPORTS, {}).values())


@pytest.fixture(scope="session")
def artefacts():
    """Where logs of failed tests go: ORC_ARTEFACTS, default test-artefacts in the build directory."""
    path = pathlib.Path(os.environ.get("ORC_ARTEFACTS") or build_dir() / "test-artefacts")
    path.mkdir(parents=True, exist_ok=True)
    return path


@pytest.fixture
def new_node(request, artefacts):
    """Node(...), closed and checked at the end of the test; logs are kept when the test or that check fails."""
    nodes = []

    def make(*args, **kwargs):
        node = Node(*args, start=False, **{k: v for k, v in kwargs.items() if k not in ("start", "ready_deadline")})
        nodes.append(node)
        return node.start(kwargs.get("ready_deadline", 30.0)) if kwargs.get("start", True) else node

    yield make
    errors = []
    for number, node in enumerate(nodes):
        place = artefacts / re.sub(r"[^\w.-]+", "_", request.node.nodeid) / str(number)
        if failed(request):
            node.keep(place)
        try:
            node.close(keep_in=place)
        except AssertionError as e:
            errors.append(e)
    if errors and not failed(request):
        raise errors[0]


@pytest.fixture
def new_group(request, artefacts):
    """Group(...) of raftnodes.py, closed and checked at the end of the test; logs are kept when the test or that check fails."""
    groups = []

    def make(*args, **kwargs):
        groups.append(Group(*args, **kwargs))
        return groups[-1]

    yield make
    errors = []
    for number, group in enumerate(groups):
        place = artefacts / re.sub(r"[^\w.-]+", "_", request.node.nodeid) / f"group{number}"
        if failed(request):
            group.keep(place)
        try:
            group.close(keep_in=place)
        except AssertionError as e:
            errors.append(e)
    if errors and not failed(request):
        raise errors[0]
