#!/usr/bin/env python3
"""A program sees the default of a key that it is not sent, without any error. So each key that the source of a program
reads must be sent to it: the roles column of conf_keys.def against the members used in raftd/, prober/ and apid/.
Usage: test_conf_roles.py ROOT"""
import pathlib
import re
import sys

LETTERS = {"raftd": "R", "prober": "P", "apid": "A"}
KEY = re.compile(r"^CONF_KEY\(\w+, (\w+), .*?, [LSMN], ([SRPA]+),", re.M)
USE = re.compile(r"(?:->|\.)([A-Z]\w+)")

root = pathlib.Path(sys.argv[1])
table = (root / "common/conf/conf_keys.def").read_text()
roles = dict(KEY.findall(table))
assert len(roles) == table.count("\nCONF_KEY("), "a line of conf_keys.def was not understood"

used = 0
missing = []
for program, letter in LETTERS.items():
    for path in sorted(p for p in (root / program).rglob("*.[ch]")):
        for n, line in enumerate(path.read_text().splitlines(), 1):
            for key in USE.findall(line):
                if key not in roles:
                    continue
                used += 1
                if letter not in roles[key]:
                    missing.append(f"{path.relative_to(root)}:{n}: {key} is not sent to {program}")

print("\n".join(missing) or f"{len(roles)} keys, {used} uses")
sys.exit(1 if missing or not used else 0)
