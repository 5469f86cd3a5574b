"""Apids of one group; the raftd of each is played (apid_driven.py)."""

import pytest

from apid_driven import Apid

RAFT = {"RaftEnabled": True, "RaftDataDir": "/nonexistent"}


@pytest.fixture
def new_apid():
    apids = []

    def make(**config):
        apids.append(Apid({**RAFT, **config}))
        return apids[-1]

    yield make
    for apid in apids:
        apid.close()


@pytest.fixture
def pair(new_apid):
    """(leader, follower)"""
    leader, follower = new_apid(), new_apid()
    return leader.play(leader), follower.play(leader)
