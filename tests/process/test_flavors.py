"""A node and servers of all flavours, from their answers (tests/golden/prober, most of them reconstructed) to /api/instance."""

import ports
from fakemysqld import FakeMysqld, answers, lie, rows
from waiting import wait_until

HOST = "127.73.0."
UUID = "3a1c0de2-1111-11ef-9a10-0242ac1100"
GROUP = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"
MEMBERS = ((31, "ONLINE", "PRIMARY"), (32, "ONLINE", "SECONDARY"), (33, "RECOVERING", "SECONDARY"))


class Fleet:
    """Servers on one port of many addresses; number is the last part of the address and of the uuid."""

    def __init__(self, fake, port):
        self.fake, self.port = fake, port

    def address(self, number):
        return f"{HOST}{number}:{self.port}"

    def add(self, number, golden, *lies, replace=None, **names):
        """names: {name in the file: number of the server meant}."""
        hosts = {f"{name}.example.net\t3306": f"{HOST}{other}\t{self.port}" for name, other in names.items()}
        users = {f"{name}.example.net\trepl\t3306": f"{HOST}{other}\trepl\t{self.port}" for name, other in names.items()}
        self.fake.listen(answers(golden, *lies, replace={**(replace or {}), **hosts, **users}), HOST + str(number), self.port)

    def member(self, number, golden, replicas=()):
        columns = ["member_id", "member_host", "member_port", "member_state", "member_role", "group_name", "single_primary"]
        members = [[f"{UUID}{n}", f"{HOST}{n}", str(self.port), state, role, GROUP, "1"] for n, state, role in MEMBERS]
        gtid = ["ON", f"{UUID}{number}", f"{GROUP}:1-40", "", "FULL", "1"]
        self.add(number, golden, lie("replication_group_members", rows(columns, *members)),
                 lie("gtid_executed", rows(["gtid_mode", "server_uuid", "gtid_executed", "gtid_purged", "binlog_row_image", "info_in_table"], gtid)),
                 lie("show (slave|master) status|show (replica|binary log) status", rows(["File", "Position"])),
                 lie("show slave hosts|show replicas", rows(["Server_id", "Host", "Port"],
                                                            *[[str(n), f"{HOST}{n}", str(self.port)] for n in replicas])))


def key(address):
    host, port = address.rsplit(":", 1)
    return {"Hostname": host, "Port": int(port)}


def expected(fleet):
    at = fleet.address
    nobody = {"Hostname": "", "Port": 0}
    group = {"ReplicationGroupName": GROUP, "ReplicationGroupIsSinglePrimary": True, "ClusterName": at(31),
             "ReplicationGroupPrimaryInstanceKey": key(at(31)), "SupportsOracleGTID": True}

    def member(number, depth, problems, **more):
        state, role = next((state, role) for n, state, role in MEMBERS if n == number)
        others = [key(at(n)) for n, *_ in MEMBERS if n != number]
        return {**group, "ReplicationGroupMemberState": state, "ReplicationGroupMemberRole": role, "ReplicationDepth": depth,
                "ReplicationGroupMembers": others, "Problems": problems, "MasterKey": nobody, **more}

    return {
        31: member(31, 0, [], Version="8.0.36", FlavorName="MySQL", ReadOnly=False),
        32: member(32, 1, [], Version="9.7.4-2", ReadOnly=True),
        33: member(33, 1, ["group_replication_member_not_online"], Version="8.4.6"),
        13: {"FlavorName": "Percona", "Version": "8.0.36-28", "MasterKey": key(at(31)), "ClusterName": at(31), "ReplicationDepth": 1,
             "UsingOracleGTID": True, "Slave_IO_Running": True, "SemiSyncAvailable": True, "ExecutedGtidSet": f"{GROUP}:1-9", "Problems": []},
        11: {"FlavorName": "Percona", "Version": "8.4.3-3", "ReplicationDepth": 0, "SemiSyncMasterEnabled": True,
             "SemiSyncMasterStatus": False, "SemiSyncMasterWaitForReplicaCount": 2, "Replicas": [key(at(12))]},
        12: {"FlavorName": "Percona", "Version": "5.7.44-48-log", "MasterKey": key(at(11)), "ClusterName": at(11),
             "GTIDMode": "OFF", "UsingOracleGTID": False, "HasReplicationFilters": True, "LogReplicationUpdatesEnabled": False,
             "ReadBinlogCoordinates": {"LogFile": "mysql-bin.000005", "LogPos": 9000, "Type": 0}},
        21: {"FlavorName": "MariaDB", "ServerUUID": "", "GTIDMode": "", "Replicas": [key(at(25))], "SemiSyncMasterClients": 1},
        25: {"FlavorName": "MariaDB", "Version": "11.8.3-MariaDB-0+deb13u1 from Debian-log", "MasterKey": key(at(21)), "MasterUUID": "No",
             "UsingMariaDBGTID": True, "ClusterName": at(21), "ReplicationDepth": 1, "SlaveLagSeconds": {"Int64": 0, "Valid": True}},
        1: {"FlavorName": "MySQL", "Version": "5.7.44-log", "SemiSyncMasterClients": 1, "Replicas": [key(at(44))]},
        44: {"FlavorName": "MaxScale", "Version": "23.08.5-maxscale", "Binlog_format": "INHERIT", "ServerID": 44,
             "ServerUUID": f"{UUID}44", "MasterKey": key(at(1)), "ReplicationDepth": 1, "ReadOnly": True, "Uptime": 0},
    }


def test_flavours_reach_the_api(new_node, tmp_path):
    with FakeMysqld() as fake:
        fleet = Fleet(fake, ports.reserve(tmp_path)[0])
        fleet.member(31, "mysql80_group_primary_with_source", replicas=[13])
        fleet.member(32, "mysql97_group_secondary")
        fleet.member(33, "mysql84_group_recovering")
        fleet.add(13, "percona80_replica", db1=31, replace={f"{UUID}01:1-9": f"{GROUP}:1-9"})
        fleet.add(11, "percona84_primary", p2=12)
        fleet.add(12, "percona57_replica", db1=11)
        fleet.add(21, "mariadb106_primary", m2=25)
        fleet.add(25, "mariadb118_replica", db1=21)
        fleet.add(1, "mysql57_semi_sync_primary", lie("show slave hosts", rows(["Host", "Port"], [f"{HOST}44", str(fleet.port)])))
        fleet.add(44, "maxscale_later", lie("maxscale%", rows(["Variable_name", "Value"], ["MAXSCALE_VERSION", "23.08.5"])),
                  lie("show slave hosts", rows(["Host", "Port"])), db1=1)
        node = new_node(seeds=[fleet.address(n) for n in (32, 11, 21, 1)], config={"SkipMaxScaleCheck": False})

        def differences():
            found = {}
            for number, fields in expected(fleet).items():
                shown = node.api(f"instance/{fleet.address(number).replace(':', '/')}")
                wrong = {name: shown[name] for name, value in fields.items() if shown[name] != value}
                if wrong:
                    found[number] = wrong
            assert not found, found
            return True

        wait_until(differences, 20, "all flavours as expected")
        assert sorted(node.api("clusters")) == sorted(fleet.address(n) for n in (31, 11, 21, 1))
        members = {f"{i['Key']['Hostname']}:{i['Key']['Port']}" for i in node.api(f"cluster/{fleet.address(31)}")}
        assert members == {fleet.address(n) for n in (31, 32, 33, 13)}
        assert [i["Key"] for i in node.api("problems")] == [key(fleet.address(33))]
        masters = node.api("masters")
        assert sorted(i["Key"]["Hostname"] for i in masters) == sorted(f"{HOST}{n}" for n in (31, 11, 21, 1))
