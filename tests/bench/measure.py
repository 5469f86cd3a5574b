"""What the tables of tests/bench share: rows with the bar beside the figures, and what processes use.

    row("start → leader-check 200", [212.0, 220.5], "ms", "≤ 500")     # p50, p95, max
    figure("PSS per server", 46.1, "KiB", "≤ 60")                       # one figure
    with Usage(node.processes()) as used: …                              # then used.cpu_seconds(), used.rows()
"""

import json
import os
import pathlib
import statistics
import subprocess
import time

from node import build_dir

NAME_WIDTH = 58


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def line(name, figures, bar=""):
    print(f"{name:{NAME_WIDTH}} {figures:62}{bar and ' bar ' + bar}".rstrip(), flush=True)


def row(name, values, unit="ms", bar=""):
    found = (statistics.median(values), percentile(values, 0.95), max(values))
    line(name, "  ".join(f"{what} {value:10.1f}" for what, value in zip(("p50", "p95", "max"), found)) + f" {unit}", bar)


def figure(name, value, unit, bar=""):
    line(name, f"{value:14.1f} {unit}" if abs(value) >= 10 else f"{value:14.3f} {unit}", bar)


def note(text):
    print(f"    {text}", flush=True)


def build_type():
    """debugoptimized, release, …; with sanitizers figures mean nothing."""
    described = subprocess.run(["meson", "introspect", "--buildoptions", str(build_dir())], capture_output=True, text=True, check=True)
    options = {option["name"]: option["value"] for option in json.loads(described.stdout)}
    return f"{options['buildtype']}, sanitizers {options['b_sanitize']}"


def head(title):
    print(f"\n## {title}\n   {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, build {build_dir().name} ({build_type()})", flush=True)


def pss_kib(pid):
    for text in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if text.startswith("Pss:"):
            return int(text.split()[1])
    return 0


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def name_of(pid):
    return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()


class Usage:
    """CPU of these processes between `with` and its end, and their memory at the end."""

    def __init__(self, pids):
        self.pids = pids

    def __enter__(self):
        self.before = {pid: cpu_seconds(pid) for pid in self.pids}
        self.began = time.monotonic()
        return self

    def __exit__(self, *_):
        self.seconds = time.monotonic() - self.began
        self.cpu = {pid: cpu_seconds(pid) - self.before[pid] for pid in self.pids}
        self.pss = {pid: pss_kib(pid) for pid in self.pids}

    def cpu_seconds(self):
        return sum(self.cpu.values())

    def pss_kib(self):
        return sum(self.pss.values())

    def rows(self):
        for pid in self.pids:
            note(f"{name_of(pid):16} PSS {self.pss[pid] / 1024:7.1f} MiB  CPU {self.cpu[pid] / self.seconds * 100:6.2f} % of a processor")
