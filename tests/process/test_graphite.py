"""The node's figures in Graphite's plaintext protocol, to a real listener: one that reads, one that doesn't, one that is away."""

import contextlib
import re
import socket
import struct
import threading
import time

import pytest

import ports
from node import Node
from waiting import wait_until

LINE = re.compile(r"orc\.[^.\s]+\.prod\.([a-z_.0-9]+)\.(count|value) (-?\d+(?:\.\d{6})?) (\d+)")


class Carbon:
    """A listener that keeps what it is sent, until its client closes."""

    def __init__(self, port):
        self._socket = socket.create_server(("127.0.0.1", port))
        self.texts = []  # of connections that ended
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                with client:
                    pieces = list(iter(lambda: client.recv(65536), b""))
                self.texts.append(b"".join(pieces).decode())

    def close(self):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.fixture
def port(tmp_path):
    return ports.reserve(tmp_path)[0]


@pytest.fixture
def start():
    """start(port): a node that sends to it each second."""
    nodes = []

    def start(port):
        nodes.append(Node(config={"GraphiteAddr": f"127.0.0.1:{port}", "GraphitePath": "orc.{hostname}.prod",
                                  "GraphitePollSeconds": 1}))
        return nodes[-1]

    yield start
    for node in nodes:
        node.close()


def figures(node):
    return node.get("/debug/metrics").json()


def names(text):
    return {LINE.fullmatch(line)[1] for line in text.splitlines()}


def test_figures_are_sent_under_their_historical_names(start, port):
    carbon = Carbon(port)
    before = int(time.time())
    node = start(port)
    text = wait_until(lambda: carbon.texts[1:] and carbon.texts[-1], 20, "two rounds")
    assert text.endswith("\n")
    lines = [LINE.fullmatch(line) for line in text.splitlines()]
    assert all(lines), text
    kinds = {line[1]: line[2] for line in lines}
    wait_until(lambda: names(carbon.texts[-1]) == set(figures(node)) - {"cmdline", "memstats"}, 20, "all of /debug/metrics")
    assert (kinds["http.requests"], kinds["health.is_healthy"], kinds["instance_tls.read"]) == ("count", "value", "count")
    assert all(before <= int(line[4]) <= time.time() for line in lines)
    wait_until(lambda: figures(node)["graphite.lines_sent"] >= 2 * len(lines), 20, "lines to be counted")
    assert (figures(node)["graphite.failures"], figures(node)["graphite.lines_dropped"]) == (0, 0)
    # a reload turns it off
    node.configure(GraphitePath="")
    node.reload()
    node.wait_log(r"no metrics are sent to Graphite: GraphitePath is empty")
    carbon.close()


def test_a_listener_that_does_not_read_and_goes_away(start, port):
    with socket.create_server(("127.0.0.1", port)) as deaf:
        node = start(port)
        client, _ = deaf.accept()
        meanwhile = figures(node)  # the sender waits for AP_CARBON_CLOSE_MS, apid's loop doesn't
        assert (meanwhile["graphite.lines_sent"], meanwhile["graphite.failures"]) == (0, 0)
        unheard = client.recv(4096).decode().splitlines()[0]
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()  # resets the connection
    node.wait_log(r"metrics are not sent to 127\.0\.0\.1:\d+, trying again: ")
    wait_until(lambda: figures(node)["graphite.failures"] >= 2, 20, "a failure after the first one")
    carbon = Carbon(port)
    wait_until(lambda: carbon.texts, 30, "what waited")
    assert LINE.fullmatch(unheard) and unheard in carbon.texts[0].splitlines()
    node.wait_log(r"metrics are sent to 127\.0\.0\.1:\d+ again")
    assert figures(node)["graphite.lines_dropped"] == 0
    carbon.close()


def test_a_node_ends_while_it_sends(start, port):
    with socket.create_server(("127.0.0.1", port)) as deaf:
        node = start(port)
        client, _ = deaf.accept()
        assert node.stop() == 0
        client.close()
