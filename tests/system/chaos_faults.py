"""What is done to a group in namespaces, chosen by a seed: each kind of fault in turn, in random order, two at a time.

Every method fault_NAME is a kind. It begins a fault and may leave its end to _later(); calm() ends all of them. Bounds of
what a group must survive: any number of nodes may be killed, stopped or cut off, but only one at a time loses its disk or
is removed and added, and the next one only when that one votes again (a second lost disk may be a lost majority).
"""

import os
import random
import signal
import time

from waiting import wait_until

REJOIN_DEADLINE = 40.0  # a busy machine; in life about a second
RAFT_PORT, HTTP_PORT = 10008, 3000


def place(net, name):
    return {**net.place(name, HTTP_PORT), "raft_port": RAFT_PORT}


class Chaos:
    def __init__(self, net, group, seed, say=print):
        self.net, self.group, self.rng = net, group, random.Random(seed)
        self.hosts = {node.netns: host for host in net.hosts for node in group if node.netns == net.netns(host)}
        self.counts = {name.removeprefix("fault_"): 0 for name in dir(self) if name.startswith("fault_")}
        self._bag, self._ends, self._say, self._begun = [], [], say, time.monotonic()
        self._absent = None  # the node that has lost its disk, until it votes again

    # -- what the test calls

    def one(self):
        """The next fault, when the ends that are due and a pause have passed."""
        self._end_due(most=2)
        if not self._bag:
            self._bag = sorted(self.counts)
            self.rng.shuffle(self._bag)
        kind = self._bag.pop()
        self.say(kind)
        getattr(self, f"fault_{kind}")()
        self.counts[kind] += 1
        time.sleep(self.rng.uniform(0.1, 1.5))
        self._end_due(most=2)

    def calm(self, deadline=60.0):
        """No fault is left, and everybody votes, leads or follows."""
        for _, end, _ in self._ends:
            end()
        self._ends = []
        self.say("calm")
        self.group.wait_members(list(self.group), deadline=deadline)
        for node in self.group:
            wait_until(lambda: self._healthy(node), deadline, f"raft-health of {node.name}")
        self._absent = None

    @staticmethod
    def _healthy(node):
        if not node.healthy():
            raise AssertionError(node.info())
        return True

    def say(self, text, *nodes):
        names = " ".join(self.hosts[node.netns] for node in nodes)
        self._say(f"{time.monotonic() - self._begun:7.2f} {text} {names}")

    # -- ends of faults

    def _later(self, seconds, what, end):
        self._ends.append((time.monotonic() + self.rng.uniform(*seconds), end, what))

    def _end_due(self, most):
        """Ends what is due; waits as long as more than so many are under way."""
        while True:
            self._ends.sort(key=lambda e: e[0])
            if not self._ends or self._ends[0][0] > time.monotonic() and len(self._ends) <= most:
                return
            at, end, what = self._ends.pop(0)
            time.sleep(max(0.0, at - time.monotonic()))
            self.say(f"  end of {what}")
            end()

    # -- choosing

    def _running(self):
        return self.group.running()

    def _any(self):
        return self.rng.choice(self._running() or self._revive_all())

    def _revive_all(self):
        for node in self.group:
            self._revive(node)
        return self.group.running()

    def _leader_or_any(self):
        return next((node for node in self._running() if node.leads()), None) or self._any()

    def _follower(self):
        return self.rng.choice([n for n in self._running() if not n.leads()] or self._running() or self._revive_all())

    # -- processes

    def _revive(self, node):
        if not node.running:
            node.start_raft()

    def _crash(self, node, seconds=(0.0, 4.0)):
        self.say("  kill -9 of all of", node)
        node.kill()
        self._later(seconds, "death", lambda: self._revive(node))

    def fault_kill_leader(self):
        self._crash(self._leader_or_any())

    def fault_kill_follower(self):
        self._crash(self._follower())

    def fault_kill_everybody(self):
        for node in self._running():
            self._crash(node, (0.0, 1.0))

    def _kill_child(self, node, name):
        self.say(f"  kill -9 of {name} of", node)
        try:
            node.kill_child(name)
        except LookupError:
            pass  # it is being started again

    def fault_kill_raftd_of_leader(self):
        self._kill_child(self._leader_or_any(), "raftd")

    def fault_kill_raftd_of_follower(self):
        self._kill_child(self._follower(), "raftd")

    def fault_kill_raftd_again_and_again(self):
        node = self._any()
        for _ in range(4):
            self._kill_child(node, "raftd")
            time.sleep(self.rng.uniform(0.02, 0.7))

    def fault_kill_apid(self):
        self._kill_child(self._any(), "apid")

    def _stop_child(self, node, name, seconds):
        self.say(f"  SIGSTOP of {name} of", node)
        try:
            pid = node.signal_child(name, signal.SIGSTOP)
        except LookupError:
            return
        self._later(seconds, f"SIGSTOP of {name}", lambda: self._continue(pid))

    @staticmethod
    def _continue(pid):
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            pass  # the supervisor did not wait for it

    def fault_stop_raftd_shorter_than_an_election(self):
        self._stop_child(self._leader_or_any(), "raftd", (0.05, 0.45))

    def fault_stop_raftd_of_leader(self):
        self._stop_child(self._leader_or_any(), "raftd", (0.6, 4.0))

    def fault_stop_raftd_of_follower(self):
        self._stop_child(self._follower(), "raftd", (0.6, 4.0))

    def fault_stop_apid(self):
        self._stop_child(self._leader_or_any(), "apid", (0.2, 2.0))

    def fault_freeze_a_node(self):
        node = self._leader_or_any()
        self.say("  SIGSTOP of all of", node)
        node.freeze()
        self._later((0.3, 3.0), "frost", node.thaw)

    def fault_rolling_restart(self):
        self.calm()  # it cannot stand other faults beside it
        for node in self.group:
            self.say("  SIGTERM of", node)
            node.stop()
            node.start_raft()
            wait_until(node.healthy, REJOIN_DEADLINE, f"raft-health of {node.name} after a restart")

    # -- network

    def _host(self, node):
        return self.hosts[node.netns]

    def _heal_later(self, what):
        self._later((0.3, 5.0), what, self.net.heal)

    def _isolate(self, node):
        self.say("  alone:", node)
        self.net.isolate(self._host(node))
        self._heal_later("loneliness")

    def fault_isolate_leader(self):
        self._isolate(self._leader_or_any())

    def fault_isolate_follower(self):
        self._isolate(self._follower())

    def fault_split(self):
        hosts = list(self.hosts.values())
        some = self.rng.sample(hosts, self.rng.randint(1, len(hosts) - 1))
        self.say(f"  split: {some} from the others")
        for one in some:
            for other in (h for h in hosts if h not in some):
                self.net.cut(one, other)
        self._heal_later("split")

    def fault_one_way(self):
        """The leader's words, or the words to it, don't arrive everywhere; or random ones don't."""
        hosts = list(self.hosts.values())
        leader = self._host(self._leader_or_any())
        pairs = [(a, b) for a in hosts for b in hosts if a != b]
        pairs = self.rng.choice([[p for p in pairs if p[0] == leader], [p for p in pairs if p[1] == leader],
                                 self.rng.sample(pairs, self.rng.randint(1, len(pairs) // 2))])
        self.say(f"  (does not hear, whom): {pairs}")
        for at, source in pairs:
            self.net.drop(at, source)
        self._heal_later("deafness")

    def fault_unplug(self):
        node = self._leader_or_any()
        self.say("  link down:", node)
        self.net.unplug(self._host(node))
        self._later((0.3, 5.0), "link down", lambda: self.net.plug(self._host(node)))

    # -- disks and members

    def _votes_again(self):
        """Whether a disk may be lost: nobody is on the way back."""
        node = self._absent
        if node is None:
            return True
        try:
            if self._members() == {n.name: "voter" for n in self.group} and node.healthy():
                self._absent = None
        except (OSError, ValueError, LookupError):
            pass
        return self._absent is None

    def _lose_disk(self, node, backend):
        if not self._votes_again():
            self.calm()
        self.say(f"  disk lost ({'with' if backend else 'without'} backend):", node)
        if node.running:
            node.kill()
        node.wipe()
        if backend:
            node.wipe_backend()
        self._absent = node
        self._revive(node)

    def fault_lose_disk_of_leader(self):
        self._lose_disk(self._leader_or_any(), backend=True)

    def fault_lose_disk_of_follower(self):
        self._lose_disk(self._follower(), backend=self.rng.random() < 0.5)

    def fault_lose_backend(self):
        node = self._any()
        self.say("  backend lost:", node)
        node.kill()
        node.wipe_backend()
        self._revive(node)

    def _ask_until(self, path, done, node):
        """An operator who repeats himself through any node until it is done: the leader may die in between."""

        def asked():
            if done():
                return True
            through = self.rng.choice([n for n in self._running() if n is not node])  # who has left knows no leader
            answer = through.get(f"/api/{path}/{node.name}", timeout=15)
            raise AssertionError((answer.status, answer.body))

        wait_until(asked, REJOIN_DEADLINE, f"{path} {node.name}", interval=0.2)

    def _members(self):
        leaders = [node for node in self.group.running() if node.leads()]
        if not leaders:
            raise LookupError("nobody leads")
        return leaders[0].members()

    def _remove_and_add(self, node):
        """A node leaves and comes back under its name, with or without its disk; sometimes the leader dies meanwhile."""
        self.say("  removed:", node)
        self._ask_until("raft-remove-peer", lambda: node.name not in self._members(), node)
        node.kill()
        if self.rng.random() < 0.5:
            self.say("  disk lost:", node)
            node.wipe()
        self._revive(node)
        if self.rng.random() < 0.5:
            self._kill_child(self._leader_or_any(), "raftd")
        self.say("  added:", node)
        self._ask_until("raft-add-peer", lambda: self._members().get(node.name) == "voter", node)

    def fault_remove_and_add_a_follower(self):
        self.calm()
        self._remove_and_add(self._follower())

    def fault_remove_and_add_the_leader(self):
        self.calm()
        self._remove_and_add(self._leader_or_any())

    # -- operators

    def fault_step_down(self):
        self._ignore_errors(self._any(), "reelect")

    def fault_yield(self):
        self._ignore_errors(self._any(), f"raft-yield/{self._any().name}")

    def fault_snapshot(self):
        self._ignore_errors(self._any(), "raft-snapshot")

    @staticmethod
    def _ignore_errors(node, path):
        try:
            node.get(f"/api/{path}", timeout=5)
        except OSError:
            pass
