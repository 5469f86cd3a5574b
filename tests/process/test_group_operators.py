"""What operators do to a group: host names of their own, the command line beside the service, a directory they took away."""

import concurrent.futures
import re
import subprocess

import pytest

from test_group import tag, tags
from waiting import wait_until

EXIT_BACKEND = 74  # common/proc/proc_contract.h


@pytest.fixture
def group(new_group):
    group = new_group(3)
    tag(group.wait_leader(), "before")
    group.wait_same()
    return group


def unresolves(node):
    return node.query("SELECT hostname, unresolved_hostname FROM hostname_unresolve ORDER BY hostname")


def test_hostname_unresolve_is_everywhere(group):
    """Registered through one node, taken back through another, kept over a change of leaders and in a node that was away."""
    leader = group.wait_leader()
    first, second = group.others(leader)
    first.change("register-hostname-unresolve/db1/3306/vip1")
    first.change("register-hostname-unresolve/db2/3306/vip2")
    first.change("register-hostname-unresolve/db1/3306/vip3")
    group.wait_same()
    assert all(unresolves(node) == [("db1", "vip3"), ("db2", "vip2")] for node in group)
    leader.kill()
    group.wait_leader(among=[first, second])
    second.change("deregister-hostname-unresolve/db2/3306")
    leader.start_raft()
    group.wait_same()
    assert all(unresolves(node) == [("db1", "vip3")] for node in group)


# -- asked for again

def lock(node, server, key=None):
    """begin-maintenance: made twice, it is refused."""
    return node.get(f"/api/begin-maintenance/{server}/3306/me/why", headers={"Idempotency-Key": key} if key else {})


def test_a_change_with_a_name_is_made_once(group):
    """Through different nodes, and over a change of leaders: the same answer, the change is not made again."""
    leader = group.wait_leader()
    first, second = group.others(leader)
    answer = lock(first, "db1", "k1")
    assert answer.status == 200
    assert lock(second, "db1", "k1").body == lock(leader, "db1", "k1").body == answer.body
    assert lock(second, "db1").status == 500 and lock(first, "db1", "k2").status == 500, "another one is refused"
    assert lock(first, "db1", "k2").status == 500, "and stays refused"
    assert second.get("/api/tag/db1/3306?tag=a=x", headers={"Idempotency-Key": "k1"}).status == 200, "of another kind"
    leader.kill()
    new = group.wait_leader(among=[first, second])
    assert [lock(node, "db1", "k1").body for node in (first, second)] == [answer.body] * 2
    new.change("end-maintenance/db1/3306")
    assert lock(second, "db1", "k1").body == answer.body
    assert new.api("in-maintenance/db1/3306")["Message"] == "false", "it was not made again"
    leader.start_raft()
    group.wait_same()
    assert lock(leader, "db1", "k1").body == answer.body
    refused = lock(leader, "db1", "a b")
    assert refused.status == 500 and "Idempotency-Key" in refused.body


def test_retries_while_the_leader_dies(group):
    """Who doesn't know whether a change was made asks again under the same name, until it is told."""
    leader = group.wait_leader()
    others = group.others(leader)

    def client(number):
        for i in range(15):
            name = f"db{number}-{i}"
            wait_until(lambda: lock(others[i % 2], name, name).status == 200, 20, f"maintenance of {name}", interval=0.05)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        work = [pool.submit(client, number) for number in range(4)]
        wait_until(lambda: len(others[0].api("maintenance")) >= 10, 10, "some to be done")
        leader.kill()
        for each in work:
            each.result()
    leader.start_raft()
    group.wait_same()
    assert leader.query("SELECT COUNT(*) FROM database_instance_maintenance WHERE maintenance_active = 1") == [(60,)]


# -- the command line

def test_commands_are_refused(group):
    node = group[0]
    for arguments in (("-c", "clusters"), ("-c", "forget", "-i", "db1"), ("-c", "tag", "-i", "db1", "-tag", "cli=x", "cli"),
                      ("-c", "no-such-command"), ("-c", "submit-pool-instances", "-pool", "p", "-i", "db1"), ("-c", "continuous")):
        done = node.command(*arguments, check=False)
        expected = 78 if "continuous" in arguments else 1  # a service's code: it would be restarted otherwise
        assert (done.returncode, done.stdout) == (expected, ""), (arguments, done)
        assert "Orchestrator configured to run raft" in done.stderr and "--ignore-raft-setup" in done.stderr, (arguments, done.stderr)
    assert node.command("help", "tag").stdout.startswith("tag:")
    assert node.command("--version").returncode == 0


def test_a_command_beside_the_service_is_the_groups(group):
    """With --ignore-raft-setup it is handed to the running node: what it changes is decided by the group, not by one backend."""
    follower = group.others(group.wait_leader())[0]
    run = follower.command
    assert run("--ignore-raft-setup", "-c", "tag", "-i", "db1", "-tag", "cli=x").stdout == "db1:3306\n"
    assert run("--ignore-raft-setup", "-c", "tags", "-i", "db1").stdout == "before=x\ncli=x\n"
    assert run("--ignore-raft-setup", "-c", "begin-maintenance", "-i", "db1", "-reason", "why").stdout == "db1:3306\n"
    again = run("--ignore-raft-setup", "-c", "begin-maintenance", "-i", "db1", "-reason", "why", check=False)
    assert again.returncode == 1 and "FATAL" in again.stderr
    group.wait_same()
    assert all(tags(node) == {"before": "x", "cli": "x"} for node in group)


def test_a_command_on_a_stopped_node_is_not_the_groups(group):
    """It changes that backend alone; when the node is back it holds what the group has decided, no more and no less."""
    follower = group.others(group.wait_leader())[0]
    follower.stop()
    run = follower.command
    assert run("--ignore-raft-setup", "-c", "tags", "-i", "db1").stdout == "before=x\n"
    assert run("--ignore-raft-setup", "-c", "tag", "-i", "db1", "-tag", "cli=x").stdout == "db1:3306\n"
    assert run("--ignore-raft-setup", "-c", "untag", "-i", "db1", "-tag", "before").stdout == "db1:3306\n"
    tag(group.wait_leader(), "meanwhile")
    follower.start_raft()
    group.wait_same()
    assert tags(follower) == {"before": "x", "meanwhile": "x"}


# -- a directory that cannot be written

def test_read_only_raft_directory(group):
    """The node says so and is not restarted blindly; the others go on; writable again, it comes back with all it had."""
    victim = group.others(group.wait_leader())[0]
    mount = lambda *options: subprocess.run(["mount", *options, str(victim.raft_dir)], check=True)  # noqa: E731
    victim.stop()
    mount("--bind", str(victim.raft_dir))
    try:
        mount("-o", "remount,bind,ro")
        victim.start_raft()
        assert victim.wait_exit(20) == EXIT_BACKEND, victim.log_tail()
        assert re.search(f"{re.escape(str(victim.raft_dir))}.*read-only", victim.log_text(), re.I), victim.log_tail()
        assert victim.log_text().count("started raftd") == 2, "it is not tried again and again"
        for i in range(3):
            tag(group.wait_leader(among=group.others(victim)), f"t{i}")
    finally:
        subprocess.run(["umount", "-l", str(victim.raft_dir)], check=True)
    victim.start_raft()
    group.wait_members(group)
    group.wait_same()
    assert tags(victim) == {"before": "x", "t0": "x", "t1": "x", "t2": "x"}
