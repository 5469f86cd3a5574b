"""System tests: real database servers, shared by a whole run and mended after each test."""

import pytest

from sandbox import Sandbox

SHARED_TOPOLOGY = "a > b > c, a > d"  # 1 primary, 2 replicas, 1 replica of a replica


def _shared(flavor):
    with Sandbox(f"{flavor}: {SHARED_TOPOLOGY}") as made:
        yield made


@pytest.fixture(scope="session")
def shared_mariadb():
    yield from _shared("mariadb")


@pytest.fixture(scope="session")
def shared_mysql():
    yield from _shared("mysql")


def _mended(sandbox):
    yield sandbox
    sandbox.mend()


@pytest.fixture
def mariadb(shared_mariadb):
    yield from _mended(shared_mariadb)


@pytest.fixture
def mysql(shared_mysql):
    yield from _mended(shared_mysql)


@pytest.fixture(params=["mariadb", "mysql"])
def servers(request):
    """Both flavours in turn. Tests may kill, stop and add servers; who moves replicas makes a Sandbox of their own."""
    yield from _mended(request.getfixturevalue(f"shared_{request.param}"))


@pytest.fixture
def addresses(servers):
    return [server.address for server in servers]


@pytest.fixture
def node(new_node, servers):
    """A node that was given one server as its seed."""
    return new_node(seeds=[servers["a"].address])
