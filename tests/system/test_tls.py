"""TLS to the servers, password plugins, the credentials file: a whole node against real servers of both families."""

import os

import pytest

import pki
from sandbox import Sandbox
from waiting import wait_until


@pytest.fixture(scope="module")
def tls_servers():
    with Sandbox("mariadb: a > b; mysql: m > n", tls=True) as made:
        made.create_user("ssl_user", "pw-ssl", require="SSL")
        made.create_user("x509_user", "pw-x509", require="X509")
        yield made


def start(new_node, servers, **config):
    return new_node(seeds=[servers["a"].address, servers["m"].address], config=config)


def all_addresses(servers):
    return [s.address for s in servers]


def trust(servers):
    return {"MySQLTopologyUseMutualTLS": True, "MySQLTopologySSLCAFile": str(servers.pki.ca)}


def with_client(servers, cert):
    return {**trust(servers), "MySQLTopologySSLCertFile": str(cert.cert), "MySQLTopologySSLPrivateKeyFile": str(cert.key)}


def test_always_tls_with_a_verified_server(new_node, tls_servers):
    node = start(new_node, tls_servers, MySQLTopologyUser="ssl_user", MySQLTopologyPassword="pw-ssl", **trust(tls_servers))
    node.wait_instances(all_addresses(tls_servers))


def test_client_certificate(new_node, tls_servers):
    client = tls_servers.pki.client("prober")
    node = start(new_node, tls_servers, MySQLTopologyUser="x509_user", MySQLTopologyPassword="pw-x509",
                 **with_client(tls_servers, client))
    node.wait_instances(all_addresses(tls_servers))


def test_mixed_tls_finds_out_who_demands_it(new_node, tls_servers):
    """Plain first, then TLS for the servers that refuse: the historical default."""
    node = start(new_node, tls_servers, MySQLTopologyUser="ssl_user", MySQLTopologyPassword="pw-ssl",
                 MySQLTopologySSLCAFile=str(tls_servers.pki.ca))
    node.wait_instances(all_addresses(tls_servers))


def refused(node, server, *texts):
    answer = node.get(f"/api/discover/{server.host}/{server.port}", timeout=30)
    assert answer.status == 500, answer
    message = answer.json()["Message"]
    assert any(text in message.lower() for text in texts), message
    assert node.api("all-instances") == [] or not any(i["IsLastCheckValid"] for i in node.api("all-instances"))


@pytest.mark.parametrize("name", ["a", "m"])
def test_a_server_of_another_authority_is_refused(new_node, tls_servers, tmp_path, name):
    other = pki.Pki(tmp_path / "other", name="another CA")
    node = new_node(config={"MySQLTopologyUser": "ssl_user", "MySQLTopologyPassword": "pw-ssl", "MySQLTopologyUseMutualTLS": True,
                            "MySQLTopologySSLCAFile": str(other.ca)})
    refused(node, tls_servers[name], "ssl", "tls", "certificate")


@pytest.mark.parametrize("name", ["a", "m"])
def test_without_a_client_certificate_the_server_refuses(new_node, tls_servers, name):
    node = new_node(config={"MySQLTopologyUser": "x509_user", "MySQLTopologyPassword": "pw-x509", **trust(tls_servers)})
    refused(node, tls_servers[name], "access denied")


@pytest.mark.parametrize("name", ["a", "m"])
def test_a_wrong_password_is_said_and_not_shown(new_node, tls_servers, name):
    node = new_node(config={"MySQLTopologyPassword": "wrong-secret"})
    refused(node, tls_servers[name], "access denied")
    assert "wrong-secret" not in node.log_text()
    wait_until(lambda: node.get("/debug/metrics").json()["instance.access_denied"] >= 1, 5, "the refusal to be counted")


def test_password_plugins(new_node, tls_servers):
    tls_servers["a"].create_user("plug", "pw-plug", plugin="ed25519")
    tls_servers["m"].create_user("plug", "pw-plug")  # caching_sha2_password, without TLS: the RSA exchange
    node = new_node(config={"MySQLTopologyUser": "plug", "MySQLTopologyPassword": "pw-plug"})
    for name in "am":
        server = tls_servers[name]
        answer = node.api(f"discover/{server.host}/{server.port}", timeout=30)
        assert answer["Code"] == "OK", (name, answer)


def test_credentials_file_and_environment(new_node, tls_servers, tmp_path):
    file = tmp_path / "my.cnf"
    file.touch(mode=0o600)
    file.write_text('[client]\nuser=ssl_user\npassword="${ORC_TEST_PASSWORD}"\n')
    node = new_node(seeds=[tls_servers["a"].address], env={"ORC_TEST_PASSWORD": "pw-ssl"},
                    config={"MySQLTopologyUser": "nobody", "MySQLTopologyPassword": "nothing",
                            "MySQLTopologyCredentialsConfigFile": str(file), "MySQLTopologySSLCAFile": str(tls_servers.pki.ca)})
    wait_until(lambda: any(i["IsLastCheckValid"] for i in node.api("all-instances")), 15, "the server to be probed")
    for pid in node.processes():
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            assert b"pw-ssl" not in f.read()
    assert "pw-ssl" not in node.log_text()
    assert os.environ.get("ORC_TEST_PASSWORD") is None
