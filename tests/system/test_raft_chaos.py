"""Groups of 3 and 5 whole nodes, each in a network namespace, killed, stopped, cut off, wiped, removed, added and restarted
at random while clients change things through any of them: chaos_faults.py. Again and again everything is let come to
rest, and everything that was ever acknowledged must be everywhere, in order, once: chaos_history.py. All the while
leader-check of every node is watched for two leaders at once: chaos_leases.py.

ORC_CHAOS_MINUTES=30 makes it that long for each size (default 1.2), ORC_CHAOS_SEED repeats a choice of faults."""

import os
import time

import pytest

from chaos_faults import Chaos, place
from chaos_history import Clients, History, holding_of
from chaos_leases import Watch
from netns import Net

MINUTES = float(os.environ.get("ORC_CHAOS_MINUTES", "1.2"))
SEED = int(os.environ.get("ORC_CHAOS_SEED") or time.time_ns() % 1_000_000)
FAULTS_BETWEEN_CHECKS = 12
MARGIN_S = 240


@pytest.mark.timeout(MINUTES * 60 + MARGIN_S)
@pytest.mark.parametrize("size", [3, 5])
def test_chaos(size, new_group, tmp_path):
    hosts = [f"n{i + 1}" for i in range(size)]
    with Net(*hosts) as net:
        group = new_group(places=[place(net, host) for host in hosts], config={"Debug": False})
        print(f"ORC_CHAOS_SEED={SEED} ORC_CHAOS_MINUTES={MINUTES:g}, {size} nodes")
        group.wait_leader()
        group.wait_members(list(group))  # all have joined once: before that no disk may be lost
        run(net, group, tmp_path)
        group.close()


def run(net, group, directory):
    history, chaos = History(), Chaos(net, group, SEED, say=lambda text: print(text, flush=True))
    clients, watch = Clients(list(group), history, SEED), Watch(directory / "leases", list(group))
    try:
        end, last, answers = time.monotonic() + MINUTES * 60, 0, 0
        while time.monotonic() < end:
            clients.resume()
            before = len(history.operations)
            for _ in range(FAULTS_BETWEEN_CHECKS):
                chaos.one()
            chaos.calm()
            clients.pause()
            index, state_hash = group.wait_same(deadline=60)
            history.check([holding_of(node, last) for node in group])
            answers += watch.check()
            print(f"index {index} hash {state_hash}: {history.summary(before)}; {answers} answers 200 of leader-check")
            last = index
        print(f"{len(history.operations)} operations: {history.summary()}; faults: {chaos.counts}")
        assert any(op.outcome == "acknowledged" for op in history.operations) and answers
    finally:
        clients.stop()
        watch.stop()
