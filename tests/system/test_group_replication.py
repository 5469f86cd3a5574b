"""A real MySQL group as a node shows it: members, roles, and a primary that leaves."""

from mysqlgroup import MysqlGroup
from waiting import wait_until


def shown(node, server):
    return node.api(f"instance/{server.host}/{server.port}")


def key(server):
    return {"Hostname": server.host, "Port": server.port}


def test_members_and_a_primary_that_leaves(new_node):
    with MysqlGroup("a, b") as group:
        group["a"].sql("CREATE DATABASE shop")
        group.join("b")
        a, b = group["a"], group["b"]
        node = new_node(seeds=[b.address])
        node.wait_instances([a.address, b.address])  # a is found through the members that b knows

        def of_one_cluster():
            first, second = shown(node, a), shown(node, b)
            for instance, role, other in ((first, "PRIMARY", b), (second, "SECONDARY", a)):
                assert instance["ReplicationGroupName"] == group.name and instance["ReplicationGroupIsSinglePrimary"]
                assert (instance["ReplicationGroupMemberState"], instance["ReplicationGroupMemberRole"]) == ("ONLINE", role)
                assert instance["ReplicationGroupMembers"] == [key(other)]
                assert instance["ReplicationGroupPrimaryInstanceKey"] == key(a)
                assert instance["ClusterName"] == a.address and instance["Problems"] == []
            assert (first["ReplicationDepth"], second["ReplicationDepth"]) == (0, 1) and second["ReadOnly"] and not first["ReadOnly"]
            return first["ExecutedGtidSet"] == second["ExecutedGtidSet"] != ""

        wait_until(of_one_cluster, 10, "a cluster of two members")
        assert [i["Key"] for i in node.api("masters")] == [key(a)]
        group.leave("a")

        def b_leads():
            first, second = shown(node, a), shown(node, b)
            assert first["ReplicationGroupName"] == "" and first["ReplicationGroupMembers"] == [] and first["ReadOnly"]
            assert second["ReplicationGroupMemberRole"] == "PRIMARY" and second["ReplicationGroupMembers"] == []
            assert second["ReplicationGroupPrimaryInstanceKey"] == key(b) and not second["ReadOnly"]
            return second["ClusterName"] == b.address and second["ReplicationDepth"] == 0

        wait_until(b_leads, 15, "b to lead alone")
