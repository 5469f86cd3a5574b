import pytest

from client_runner import Client


@pytest.fixture
def client(tmp_path):
    client = Client(tmp_path)
    yield client
    for mock in client.mocks:
        mock.close()
