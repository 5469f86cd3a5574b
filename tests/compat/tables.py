"""The tables of this folder, and the sources that they are held against. A table is text: a fact of the historical program
per line, and at its end what of it is there; # begins a comment."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = ("supervisor", "raftd", "prober", "apid")


def rows(name, fields):
    """The lines of a table, cut into so many fields; the last one may have blanks."""
    lines = pathlib.Path(__file__).with_name(name).read_text().splitlines()
    found = [tuple(line.split(None, fields - 1)) for line in lines if line.strip() and not line.startswith("#")]
    assert len(set(found)) == len(found) > 0, f"{name} repeats a line"
    return found


def sources(*folders, suffixes=(".c", ".h", ".def")):
    """{path below the root: text without comments}"""
    found = {path.relative_to(ROOT): path.read_text() for folder in folders for path in (ROOT / folder).rglob("*")
             if path.suffix in suffixes}
    return {path: re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.S) for path, text in found.items()}
