"""Every request of the historical client script, sent to a real node as it sends them (curl, GET, percent-encoded newlines, empty last segments, a HEAD
to look for a login, leader-check of several endpoints), and what it takes from the answers with jq. The script itself is not here:
commands.txt follows its documentation. What our own script sends is tested beside this, against canned answers."""

import json
import pathlib
import re
import socket
import subprocess
import urllib.parse

import pytest

import ports
from fleet import Fleet
from node import Node

LINES = pathlib.Path(__file__).with_name("commands.txt").read_text().splitlines()
ROWS = [(re.split(" {2,}", line) + [""])[:4] for line in LINES if line and not line.startswith("#")]
ASKED = [row for row in ROWS if row[1] != "-"]
LIBRARY = 'def K: .Hostname + ":" + (.Port | tostring);'


@pytest.fixture(scope="module")
def world():
    """A node, a group of its own, that knows two clusters; and the values of commands.txt."""
    with Fleet(8) as fleet, Node(seeds=fleet.sources, start=False) as node:
        raft = f"{node.host}:{ports.reserve(node.dir)[0]}"
        node.configure(RaftEnabled=True, RaftNodes=[], RaftDataDir=str(node.dir / "raft"), RaftBind=raft, DataCenterPattern=r"(127)\.",
                       InstancePollSeconds=5)
        node.start()
        node.wait_instances(fleet.addresses)
        source, *replicas = fleet.addresses[:4]
        yield node, {"M": source, "I": replicas[0], "O": replicas[1], "X": replicas[2], "i": replicas[0].replace(":", "/"),
                     "d": replicas[1].replace(":", "/"), "m": source.replace(":", "/"), "hint": source, "raft": raft,
                     "gone": fleet.addresses[5].replace(":", "/"), "second": fleet.sources[1]}


def filled(text, values):
    text = re.sub(r"\$enc\((.*?)\)", lambda m: urllib.parse.quote(re.sub(r"\b[IO]\b", lambda n: values[n[0]], m[1]) + "\n", safe=""), text)
    return re.sub(r"\$([a-zA-Z]+)", lambda m: values[m[1]], text)


def curl(*arguments):
    return subprocess.run(["curl", "-s", *arguments], capture_output=True, text=True, timeout=30)


def test_who_leads(world):
    """HEAD on the address as it is set, then leader-check with a second's patience, of each address in turn."""
    node, _ = world
    url = f"http://{node.host}:{node.port}"
    head = curl("--head", url)
    assert head.returncode == 0 and "401 Unauthorized" not in head.stdout
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        codes = [curl("-m", "1", "-o", "/dev/null", "-w", "%{http_code}", f"{at}/api/{path}").stdout
                 for path in ("leader-check", "routed-leader-check") for at in (f"http://127.0.0.1:{nobody.getsockname()[1]}", url)]
    assert codes == ["000", "200"] * 2


@pytest.mark.parametrize("name,path,program,prints", ASKED, ids=[row[0] for row in ASKED])
def test_request(world, name, path, program, prints):
    node, values = world
    body = curl("-X", "GET", f"http://{node.host}:{node.port}/api/{filled(path, values)}").stdout
    if prints == "none":
        assert body == "404 page not found\n"
        return
    answer = json.loads(body)
    if prints == "later":
        assert answer["Code"] == "ERROR" and "does not serve this route yet" in answer["Message"], body
        return
    if prints == "well":
        assert (answer["Code"], answer["Message"]) == ("ERROR", "Recovery not attempted"), body
        return
    assert not isinstance(answer, dict) or answer.get("Code", "OK") == "OK", body
    done = subprocess.run(["jq", "-r", LIBRARY + program], input=body, capture_output=True, text=True, timeout=30)
    assert (done.stderr, done.returncode) == ("", 0), body
    assert prints == "any" or done.stdout.split() == filled(prints, values).split(), body


def test_all_are_asked():
    assert len(ROWS) == 106 == len({row[0] for row in ROWS})
