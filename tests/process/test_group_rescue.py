"""raft-rescue: two of three are lost for good, the third goes on alone, and new ones join it."""

import pytest

from test_group import stays, tag, tags
from waiting import wait_until


@pytest.fixture
def group(new_group):
    group = new_group(3)
    tag(group.wait_leader(), "before")
    group.wait_same()
    return group


def rescue(node, *arguments, check=True):
    return node.command("-c", "raft-rescue", *arguments, check=check)


def sentence(node):
    text = rescue(node).stdout
    return text.partition('--confirm "')[2].partition('"')[0], text


def test_one_survivor(group):
    survivor, *lost = group.nodes
    for node in group:
        node.kill()
    confirm, text = sentence(survivor)
    assert confirm.startswith(survivor.name) and all(node.name in text for node in lost)
    done = rescue(survivor, "-confirm", f"{survivor.name} alone at 1", check=False)
    assert done.returncode != 0 and "nothing was done" in done.stderr
    cluster = dict(survivor.query("SELECT name, value FROM replicated_setting"))["cluster_id"]
    assert rescue(survivor, "-confirm", confirm).stdout
    survivor.start_raft()
    assert group.wait_leader() is survivor
    assert survivor.info()["ClusterId"] != cluster and survivor.members() == {survivor.name: "voter"}
    assert tags(survivor) == {"before": "x"}
    tag(survivor, "after")

    # a former member that was not lost after all is refused, and can't be harmed or do harm
    lost[0].start_raft()
    lost[0].wait_log("cluster id|belongs to group")  # whichever of the two looks first
    stays(lambda: not lost[0].leads() and survivor.leads(), 2, "it belongs to the former group")
    lost[0].stop()

    # with empty directories they come back
    for node in lost:
        node.wipe()
        node.start_raft()
    group.wait_members(group)
    group.wait_same()
    assert tags(lost[1]) == {"before": "x", "after": "x"}
    survivor.kill()
    tag(group.wait_leader(), "without-the-survivor")
    survivor.start_raft()
    group.wait_same()


def test_a_running_node_is_not_rescued(group):
    leader = group.wait_leader()
    done = rescue(leader, check=False)
    assert done.returncode != 0 and "stop this one first" in done.stderr
    assert group.wait_leader() is leader


def test_what_cannot_be_rescued(group):
    leader = group.wait_leader()
    gone = group.others(leader)[0]
    gone.stop()
    gone.wipe()
    done = rescue(gone, check=False)
    assert done.returncode != 0 and "nothing to rescue" in done.stderr


def test_rescue_after_a_restart_of_the_rescued(group):
    """The former id comes by again when the log is applied anew, and must not be taken for the present one."""
    survivor = group[1]
    for node in group:
        node.kill()
    rescue(survivor, "-confirm", sentence(survivor)[0])
    survivor.start_raft()
    wait_until(survivor.leads, 10, "the rescued one to lead")
    cluster = survivor.info()["ClusterId"]
    survivor.kill()
    survivor.wipe_backend()
    survivor.start_raft()
    wait_until(survivor.leads, 10, "it to lead again")
    assert survivor.info()["ClusterId"] == cluster and tags(survivor) == {"before": "x"}
