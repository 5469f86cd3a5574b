"""Three nodes that agree: founding, the end of a leader, restarts."""


def test_three_nodes_found_a_group_and_agree(new_group):
    group = new_group(3)
    leader = group.wait_leader()
    leader.change("begin-downtime/db1/3306/me/why/1h")
    group.wait_same()
    assert all(node.members() == dict.fromkeys(group.names, "voter") for node in group)
