"""The node link between processes (rn_driver.c): coming and going, membership, hellos. No raft here."""

import signal
import socket
import time

import pytest

import ports
from nodelink import ACTIVE, SILENCE_MS, End, Group
from strangers import hello, only_a_refusal, read_all
from waiting import pass_time, wait_until


# -- coming and going

@pytest.mark.parametrize("size", [2, 3, 5])
def test_everybody_is_connected_once(new_group, size):
    group = new_group(size)
    group.wait_all_up()
    for a in group:
        for b in group:
            if a is not b:
                assert a.send(b.name, f"from {a.name}") == ""
    for b in group:
        got = set()
        while len(got) < size - 1:
            got.add(b.next_event("message")["text"])
        assert got == {f"from {a.name}" for a in group if a is not b}
    # through several silences nothing flaps, and one connection per pair is left
    pass_time(3 * SILENCE_MS / 1000)
    for a in group:
        s = a.status()
        assert all(p["up"] and p["ups"] == 1 for p in s["peers"].values()), s
        assert s["stats"]["downs"] == 0


def test_starting_at_once_never_flaps(tmp_path):
    """Both dial at the same time, again and again."""
    for round_ in range(15):
        directory = tmp_path / str(round_)
        directory.mkdir()
        group = Group(directory, 2, connect=False)
        a, b = group
        for end in group:  # both orders are on their way before either answers
            end.process.stdin.write('{"do":"peers","names":["%s","%s"]}\n' % tuple(group.names))
        for end in group:
            end.process.stdin.flush()
        group.wait_all_up()
        a.send(b.name, "x")
        b.next_event("message", text="x")
        assert a.peer(b.name)["ups"] == b.peer(a.name)["ups"] == 1
        group.close()


def test_kill_and_restart(new_group):
    group = new_group(3)
    group.wait_all_up()
    victim = group[1]
    for _ in range(5):
        victim.kill()
        for other in (group[0], group[2]):
            other.wait_down(victim.name, 2)
        victim.start()
        group.wait_all_up(5)
    assert group[0].is_up(group[2].name) and group[0].peer(group[2].name)["ups"] == 1


def test_a_stopped_process_is_noticed_and_comes_back(new_group):
    group = new_group(3)
    group.wait_all_up()
    victim, others = group[0], group[1:]
    victim.signal(signal.SIGSTOP)
    start = time.monotonic()
    for other in others:
        other.next_event("down", peer=victim.name, deadline=3)
    assert 0.5 * SILENCE_MS < (time.monotonic() - start) * 1000 < SILENCE_MS + 700
    victim.signal(signal.SIGCONT)
    group.wait_all_up(8)
    assert group[1].peer(group[2].name)["ups"] == 1


def test_a_short_pause_costs_no_connection(new_group):
    group = new_group(2)
    group.wait_all_up()
    for _ in range(3):
        group[0].signal(signal.SIGSTOP)
        pass_time(0.6 * SILENCE_MS / 1000)
        group[0].signal(signal.SIGCONT)
        wait_until(lambda: group[0].send(group[1].name, "still", check=False) == "", 1, "sending")
        group[1].next_event("message", text="still")
    assert group[0].peer(group[1].name)["ups"] == group[1].peer(group[0].name)["ups"] == 1


def test_all_addresses_change_at_once(new_group):
    group = new_group(3)
    group.wait_all_up()
    for end in group:
        end.kill()
    for i, end in enumerate(group):
        end.bind = f"127.0.0.{i + 101}:{group.port}"
    group.resolver.update({f"n{i + 1}": f"127.0.0.{i + 101}" for i in range(3)})
    for end in group:
        end.start()
    group.wait_all_up()


def test_one_node_moves_while_the_others_run(new_group):
    group = new_group(3)
    group.wait_all_up()
    mover = group[2]
    mover.kill()
    mover.bind = f"127.0.0.203:{group.port}"
    mover.start()
    mover.set_peers([])  # it must be found, it doesn't dial
    assert not group[0].is_up(mover.name)
    group.resolver["n3"] = "127.0.0.203"
    mover.order("open", on=True)
    for other in group[:2]:
        other.wait_up(mover.name, 5)
        assert other.peer(mover.name)["address"] == mover.bind


def test_names_with_several_addresses(new_group):
    """The first is not there, the second is somebody else, the third is it."""
    group = new_group(3, connect=False)
    a, b, c = group
    group.resolver["n2"] = "127.0.0.77 127.0.0.3 127.0.0.2"
    a.set_peers([b.name])
    for end in (b, c):
        end.order("open", on=True)
    a.wait_up(b.name, 5)
    assert a.peer(b.name)["address"] == b.bind
    assert not c.is_up(a.name)


def test_a_hanging_resolver_harms_only_what_needs_it(new_group):
    group = new_group(3)
    group.wait_all_up()
    group.resolver["n2"] = "hang"
    group[1].kill()
    group[1].start()  # dials by itself; and the addresses of before serve, too
    group.wait_all_up(10)
    group[1].kill()
    wait_until(lambda: "looking n2 up takes very long" in group[0].log_text(), 10, "the log says so")
    assert group[0].is_up(group.names[2]) and group[0].peer(group.names[2])["ups"] == 1
    group.resolver["n2"] = "127.0.0.2"


def test_a_name_that_does_not_resolve_yet(new_group):
    group = new_group(2, connect=False)
    group.resolver["n2"] = "fail"
    group[0].set_peers(group.names)
    group[0].wait_trouble(group.names[1], "no such name")
    group[1].order("open", on=True)
    group.resolver["n2"] = "127.0.0.2"
    group[0].wait_up(group.names[1], 3)
    assert group[0].log_text().count("no such name") == 1  # said once, not per attempt


def test_ipv6(new_end, tmp_path):
    port = ports.reserve(tmp_path)[0]
    a = new_end(f"[::1]:{port}", f"[::1]:{port}")
    b = new_end(f"localhost:{port}", f"127.0.0.1:{port}")
    a.order("open", on=True)
    b.set_peers([a.name])
    b.wait_up(a.name)
    assert b.peer(a.name)["address"] == a.name and a.peer(b.name)["address"].startswith("[::1]:")


def test_listening_on_everything_takes_both_families(new_end):
    a = new_end("n1:10008", ":0")
    for host in ("127.0.0.1", "::1"):
        with socket.create_connection((host, a.port), 5) as s:
            s.sendall(hello(name="x:1"))
            only_a_refusal(read_all(s), "not a member")
    assert "RaftUseTLS is off" in a.log_text()


def test_listening_errors_name_the_remedy(new_end, tmp_path):
    a = new_end("n1:10008", "127.0.0.1:0")
    with pytest.raises(RuntimeError, match="RaftBind: listening on 127.0.0.1:.*in use"):
        End(tmp_path, "n2:10008", f"127.0.0.1:{a.port}")
    with pytest.raises(RuntimeError, match="RaftBind.*192.0.2.1"):
        End(tmp_path, "n2:10008", "192.0.2.1:10008")
    with pytest.raises(RuntimeError, match="RaftBind names no address"):
        End(tmp_path, "n2:10008", "no-such-host.invalid:10008")
    assert "RaftUseTLS is off" not in a.log_text()  # loopback only


# -- membership and hellos

def test_the_list_changes_at_run_time(new_group):
    group = new_group(3)
    group.wait_all_up()
    a, b, c = group
    a.set_peers([b.name])
    a.next_event("down", peer=c.name)
    c.next_event("down", peer=a.name)
    c.wait_trouble(a.name, "not a member of the group")
    assert c.name not in a.status()["peers"]
    a.set_peers(group.names)
    group.wait_all_up(3)
    assert a.peer(b.name)["ups"] == 1


def test_lists_are_checked(new_group):
    group = new_group(1)
    a = group[0]
    assert "at most 32" in a.order("peers", check=False, names=[f"x{i}:1" for i in range(33)])
    assert "should be written" in a.order("peers", check=False, names=["X:1"])
    assert a.status()["peers"] == {}
    a.set_peers([a.name, "b:1", "b:1"])
    assert list(a.status()["peers"]) == ["b:1"]


def test_a_changed_hello_is_told(new_group):
    group = new_group(2)
    group.wait_all_up()
    a, b = group
    a.say_hello(state=ACTIVE, cluster_id="g1", is_leader=True, founded_with=[{"name": b.name, "dir_id": "x"}])
    event = b.next_event("hello", peer=a.name)
    assert (event["state"], event["cluster_id"], event["is_leader"], event["founders"]) == (ACTIVE, "g1", True, 1)
    b.say_hello(state=ACTIVE, cluster_id="g1")
    a.next_event("hello", peer=b.name, cluster_id="g1")
    assert a.peer(b.name)["ups"] == 1


def test_two_groups_part_and_say_why(new_group):
    group = new_group(2)
    group.wait_all_up()
    a, b = group
    a.say_hello(state=ACTIVE, cluster_id="g1")
    b.say_hello(state=ACTIVE, cluster_id="g2")
    for end, other in ((a, b), (b, a)):
        end.wait_down(other.name)
        end.wait_trouble(other.name, "belongs to group")
    refused = lambda: a.stat("refused") + a.stat("refused_us")
    before = refused()
    wait_until(lambda: refused() >= before + 3, 15, "more attempts")
    said = [line for line in a.log_text().splitlines() if "trouble=" in line and "belongs to group" in line]
    assert len(said) == 1, said  # once per peer and reason
    b.say_hello(state=ACTIVE, cluster_id="g1")
    group.wait_all_up(3)


def test_an_election_timeout_that_differs_is_refused(new_group):
    group = new_group(2, connect=False)
    a, b = group
    b.say_hello(election_timeout_ms=900)
    for end in group:
        end.set_peers(group.names)
    a.wait_trouble(b.name, "RaftElectionTimeoutMilliseconds is")
    assert not a.is_up(b.name)
    # whoever decides about founding hears of the other, and what it is
    b.say_hello(state=ACTIVE)
    a.next_event("refused", peer=b.name, code="election timeout", state=ACTIVE)
    a.next_event("refused", peer=b.name, code="election timeout", state=0)


def test_open_takes_unlisted_members(new_group):
    group = new_group(2, connect=False)
    a, b = group
    a.set_peers(group.names)
    a.wait_trouble(b.name, "not a member")
    b.order("open", on=True)
    a.wait_up(b.name, 3)
    assert b.peer(a.name)["listed"] is False and b.peer(a.name)["up"]
    assert b.send(a.name, "welcome") == ""
    b.order("open", on=False)
    b.next_event("down", peer=a.name)
    a.wait_trouble(b.name, "not a member")


def test_a_namesake_does_not_take_the_place(new_group, tmp_path):
    group = new_group(2)
    group.wait_all_up()
    a, b = group
    twin = End(tmp_path, b.name, f"127.0.0.88:{group.port}", group.resolver, dir_id="another")
    twin.set_peers(group.names)
    twin.wait_trouble(a.name, "another process called")
    pass_time(1)  # of attempts
    assert a.peer(b.name)["ups"] == 1 and not twin.is_up(a.name)
    b.kill()
    twin.wait_up(a.name, 5)  # now it is the only one
    twin.close()


def test_sending_to_nobody_and_too_much(new_group):
    group = new_group(2)
    group.wait_all_up()
    a, b = group
    assert "not connected" in a.send("n9:1", "x", check=False)
    assert "at most 65536" in a.send(b.name, "x" * 70000, "health", check=False)
    b.signal(signal.SIGSTOP)
    try:
        def full():
            error = a.send(b.name, "x" * 60000, "health", check=False)
            return "bytes wait for" in error
        wait_until(full, 5, "a full queue", interval=0)
    finally:
        b.signal(signal.SIGCONT)
    s = a.stat("dropped_down"), a.stat("dropped_full")
    assert s[0] == 1 and s[1] >= 2
