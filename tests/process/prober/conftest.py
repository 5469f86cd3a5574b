"""Real servers, which the tests of this folder leave as they found them, and a real prober."""

import pytest

from proberdrv import Prober
from sandbox import Sandbox


@pytest.fixture(scope="package", params=["mariadb", "mysql"])
def servers(request):
    with Sandbox(f"{request.param}: a > b > c, a > d", tls=True, semi_sync=True) as sandbox:
        sandbox.flavor = request.param
        sandbox["a"].sql("CREATE DATABASE meta; CREATE TABLE meta.cluster (alias VARCHAR(64)); "
                         "INSERT INTO meta.cluster VALUES ('shop')")
        sandbox.catch_up("a")
        yield sandbox


@pytest.fixture
def prober():
    with Prober(MySQLTopologySSLSkipVerify=True) as prober:
        yield prober
