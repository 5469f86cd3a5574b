#!/usr/bin/env python3
"""bench_raft.py [PART...] — three nodes on one machine, each in a network namespace: what their agreement costs.

    leader     kill -9 of the leader's node → another answers leader-check 200, with phases
    commands   acknowledged changes per second through HTTP, asked of the leader, and of any node
    behind     a node away for that many commands, and one with a wiped disk: seconds until it holds the same
    idle       PSS and CPU of the group

Without arguments all of them. Prints measured figures beside the bars of design.md section 11; judges nothing. Needs a build
(ORC_BUILD_DIR, default b) and root. BENCH_RUNS (default 20), BENCH_COMMANDS (default 100000), BENCH_SECONDS (default 10)."""

import http.client
import os
import pathlib
import sys
import threading
import time

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS / "fixture"), str(TESTS / "system")]

from chaos_faults import place  # noqa: E402
from measure import cpu_seconds, head, name_of, pss_kib, row  # noqa: E402
from netns import Net  # noqa: E402
from raftnodes import Group  # noqa: E402
from waiting import wait_until  # noqa: E402

RUNS = int(os.environ.get("BENCH_RUNS", "20"))
COMMANDS = int(os.environ.get("BENCH_COMMANDS", "100000"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "10"))
HOSTS = ("n1", "n2", "n3")


# -- the leader dies


class Poller(threading.Thread):
    """Asks one node for leader-check, leaders and terms; notes when each of them changed."""

    def __init__(self, node):
        super().__init__(daemon=True)
        self.node, self.led, self.known, self.ended = node, None, None, False

    def run(self):
        connection = http.client.HTTPConnection(self.node.host, self.node.port, timeout=1)
        while not self.ended:
            try:
                if self.ask(connection, "/api/leader-check") == 200:
                    self.led = self.led or time.monotonic()
                if self.known is None and self.leader_is_new(connection):
                    self.known = time.monotonic()
            except (OSError, http.client.HTTPException):
                connection.close()
            time.sleep(0.002)

    @staticmethod
    def ask(connection, path):
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer.status

    def leader_is_new(self, connection):
        connection.request("GET", "/api/raft-leader")
        name = connection.getresponse().read().decode().strip('"')
        return name not in ("", self.old)


def one_death(group):
    """(milliseconds until a leader is known, until leader-check 200) after the death of the leader's node."""
    leader = group.wait_leader()
    group.wait_same()
    pollers = [Poller(node) for node in group.others(leader)]
    for poller in pollers:
        poller.old = leader.name
        poller.start()
    began = time.monotonic()
    leader.kill()
    wait_until(lambda: any(p.led for p in pollers), 30, "another leader", interval=0.001)
    for poller in pollers:
        poller.ended = True
        poller.join()
    leader.start_raft()
    wait_until(lambda: all(node.healthy() for node in group), 30, "all to be back")
    led = min(p.led for p in pollers if p.led)
    known = min([p.known for p in pollers if p.known] + [led])
    return (known - began) * 1000, (led - began) * 1000


def part_leader(group):
    found = [one_death(group) for _ in range(RUNS)]
    row(f"kill -9 leader → another leader-check 200, {RUNS} runs", [led for _, led in found], bar="median ≤ 1000")
    row("    death → some node knows the next leader", [known for known, _ in found])
    row("    … → leader-check 200 (all of former terms applied)", [led - known for known, led in found])


# -- commands


def change_through(node, number, end, counts, times):
    connection = http.client.HTTPConnection(node.host, node.port, timeout=30)
    while time.monotonic() < end and counts[0] < COMMANDS:
        began = time.monotonic()
        connection.request("GET", f"/api/tag/10.9.{number}.1/3306?tag=bench%3D{len(times)}")
        answer = connection.getresponse()
        answer.read()
        if answer.status == 200:
            counts[0] += 1
            times.append((time.monotonic() - began) * 1000)


def changes(nodes, clients, seconds=SECONDS):
    """As many as this number of clients get done: (per second, milliseconds of each)."""
    counts, times, end, began = [0], [], time.monotonic() + seconds, time.monotonic()
    threads = [threading.Thread(target=change_through, args=(nodes[i % len(nodes)], i, end, counts, times)) for i in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return counts[0] / (time.monotonic() - began), times


def part_commands(group):
    leader = group.wait_leader()
    for nodes, what in (([leader], "the leader"), (list(group), "any node")):
        for clients in (1, 8, 32):
            rate, times = changes(nodes, clients)
            row(f"changes through {what}, {clients} connections: {rate:.0f}/s", times)


# -- behind


def seconds_until_same(group, node):
    began = time.monotonic()
    node.start_raft()
    group.wait_same(deadline=600)
    wait_until(node.healthy, 60, "raft-health")
    return time.monotonic() - began


def feed(group, node):
    """COMMANDS changes while this node is away."""
    done, began = 0, time.monotonic()
    nodes = [group.wait_leader(among=group.others(node))]
    while done < COMMANDS:
        rate, times = changes(nodes, 32, seconds=30)
        done += len(times)
    print(f"    {done} commands acknowledged in {time.monotonic() - began:.0f} s", flush=True)
    return done


def part_behind(group):
    node = group.others(group.wait_leader())[0]
    node.stop()
    done = feed(group, node)
    print(f"{f'away for {done} commands: same state after':52} {seconds_until_same(group, node):7.2f} s")
    node = group.others(group.wait_leader())[0]
    node.kill()
    node.wipe()
    node.wipe_backend()
    print(f"{'wiped disk: same state after':52} {seconds_until_same(group, node):7.2f} s")
    group.wait_members(list(group))


# -- idle


def part_idle(group):
    group.wait_same()
    pids = {pid: cpu_seconds(pid) for node in group for pid in node.processes()}
    time.sleep(SECONDS)
    for node in group:
        leads = " (leader)" if node.leads() else ""
        found = [(name_of(pid), pss_kib(pid) / 1024, (cpu_seconds(pid) - pids[pid]) / SECONDS * 100) for pid in node.processes()]
        each = ", ".join(f"{name} {pss:.1f} MiB {cpu:.1f} %" for name, pss, cpu in found)
        print(f"idle node{leads}: PSS {sum(pss for _, pss, _ in found):.1f} MiB, CPU {sum(cpu for *_, cpu in found):.1f} %: {each}")


PARTS = {"idle": part_idle, "leader": part_leader, "commands": part_commands, "behind": part_behind}


def main():
    wanted = sys.argv[1:] or list(PARTS)
    with Net(*HOSTS) as net:
        for name in wanted:
            with Group(places=[place(net, host) for host in HOSTS], config={"Debug": False, "InstancePollSeconds": 5}) as group:
                group.wait_leader()
                head(f"three nodes: {name}")
                PARTS[name](group)


if __name__ == "__main__":
    main()
