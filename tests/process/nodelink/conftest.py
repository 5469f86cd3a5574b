"""Ends of the node link (nodelink.py), without the rest of a node and without raft."""

import pytest

from nodelink import End, Group


@pytest.fixture
def new_group(tmp_path):
    made = []

    def make(size, **kwargs):
        directory = tmp_path / str(len(made))
        directory.mkdir()
        made.append(Group(directory, size, **kwargs))
        return made[-1]

    yield make
    for group in made:
        group.close()


@pytest.fixture
def new_end(tmp_path):
    made = []

    def make(name, bind, **kwargs):
        made.append(End(tmp_path, name, bind, **kwargs))
        return made[-1]

    yield make
    for end in made:
        end.close()
