"""The README's commands for three nodes by hand, pasted into a shell one block after the other."""

import re
import subprocess

from netns import Net
from node import ROOT, build_dir

CHECK = """
test "$(orchestrator-client -c which-api)" != "$leader"
for n in 1 2 3; do curl -s -o /dev/null -w "%{http_code} " http://127.0.0.1:300$n/api/leader-check || true; done
curl -sf http://127.0.0.1:3080/api/tags/db2.example.net/3306 | grep -q disks=new
until curl -sf "http://127.0.0.1:300$n/api/raft-health"; do sleep 0.1; done
"""
END = "kill $(cat $dir/*/pid $dir/haproxy.pid); rm -r $dir"


def blocks():
    section = (ROOT / "README.md").read_text().split("### Three nodes by hand")[1].split("\n### ")[0]
    assert END in section
    return re.findall(r"```sh\n(.*?)```", section, re.S)


def test_three_nodes_by_hand(tmp_path):
    pasted = blocks()
    assert len(pasted) == 4 and "kill -9" in pasted[3]
    commands = "\n".join(pasted).replace("$PWD/b/", f"{build_dir()}/")
    script = tmp_path / "pasted"
    script.write_text(f"set -ex\ntrap 'kill -9 $(jobs -p) 2>/dev/null' EXIT\n{commands}\n{CHECK}\n{END}\ntrap - EXIT\nwait\n")
    with Net("machine") as net:
        done = subprocess.run(["ip", "netns", "exec", net.netns("machine"), "bash", str(script)], cwd=ROOT, capture_output=True, text=True,
                              timeout=120)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-3000:]}"
        assert re.findall(r"^[123]: 200$", done.stdout, re.M) and done.stdout.count(": 404") == 2, done.stdout
        assert done.stdout.count("200 ") == 1, done.stdout
