#!/usr/bin/env python3
"""tidy.py — the rules of the tree that a compiler does not check. One line per violation; exit 1 if there is any.

Layers (who may include whom), one door per library, source/replica words outside the compatible edges, banned calls,
unique file names, file and function sizes, purpose comments, files nobody builds, man pages, formatting.
Run it from anywhere: tests/tidy/tidy.py [ROOT]."""
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..", ".."))

# folder → folders of common/ it may include; programs may include all of them and their own folder
LAYERS = {
    "common/base": {"base"},
    "common/conf": {"base", "conf"},
    "common/tls": {"base", "tls"},
    "common/topo": {"base", "topo"},
    "common/ipc": {"base", "topo", "ipc"},
    "common/db": {"base", "topo", "db"},
    "common/proc": {"base", "conf", "topo", "ipc", "proc"},
}
COMMON = {"base", "conf", "tls", "topo", "ipc", "db", "proc"}
PROGRAMS = ("supervisor", "raftd", "prober", "apid")

# header → files or folders that may include it (tests may include anything)
DOORS = {
    r"nanomsg/": ["common/ipc/link_nn.c"],
    r"msgpack\.h": ["common/ipc/"],
    r"event2/http": ["apid/"],
    r"sqlite3\.h": ["common/db/"],
    r"(mysql|mariadb)[/.]": ["prober/pr_conn", "common/db/db_mysql.c"],
    r"syslog\.h": ["common/base/log.c"],
    r"pcre2\.h": ["common/base/rx.c"],
    r"raft\.h": ["raftd/consensus/"],
    r"curl/": ["apid/"],
    r"zlib\.h": ["apid/ap_gzip.c"],
    r"openssl/(ssl|x509)": ["common/tls/", "raftd/net/rn_tls.c", "apid/ap_tls.c"],
    r"db/db_write\.h": ["raftd/state/", "common/db/"],
}

# where the historical words belong: the compatible edges and what tests them
HISTORICAL = re.compile(r"(?i)(?<![a-z])(?:master|slave)s?(?![a-z])")
HISTORICAL_ALLOWED = (
    "apid/routes.def", "apid/commands.def", "apid/api_clusters.c", "apid/ap_cli_print.c", "apid/client/", "apid/web/",
    "common/conf/", "common/db/", "common/topo/instance.def", "common/topo/analysis", "prober/pr_flavor", "prober/pr_collect", "raftd/analysis/", "tests/",
)
# a line that quotes a historical name: text, configuration key, or a pointer to the reference
HISTORICAL_LINE = re.compile(r"historical|audit type|conf->|json-shapes|http-api|probing\.md|recovery\.md|slave_hosts|\"[^\"]*(?i:master|slave)[^\"]*\"")

BANNED = {
    r"\bsprintf\s*\(": "snprintf or str_buf",
    r"\bstrcpy\s*\(": "str_copy or mem_strdup",
    r"\bstrcat\s*\(": "str_buf",
    r"\bgets\s*\(": "never",
    r"\bstrtok\s*\(": "str_split",
    r"\bsystem\s*\(": "fork and exec",
    r"\bpopen\s*\(": "fork and exec",
    r"\balloca\s*\(": "the arena",
    r"\blocaltime": "times are UTC",
}
CLOCKS = re.compile(r"\b(time|gettimeofday|clock_gettime)\s*\(")
CLOCKS_ALLOWED = ("common/base/clock.c", "common/base/log.c", "common/proc/proc", "tests/")

FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 90

problems = []


def problem(path, line, text):
    problems.append(f"{path}:{line}: {text}" if line else f"{path}: {text}")


def tracked():
    """Files git knows or would add; a plain walk where there is no git."""
    try:
        out = subprocess.run(["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, check=True).stdout
        return sorted(p for p in out.splitlines() if os.path.isfile(os.path.join(ROOT, p)))
    except (OSError, subprocess.CalledProcessError):
        found = []
        for folder, dirs, names in os.walk(ROOT):
            dirs[:] = [d for d in dirs if d != ".git" and not re.fullmatch(r"b(-.*)?", d)]
            found += [os.path.relpath(os.path.join(folder, n), ROOT) for n in names]
        return sorted(found)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as f:
        return f.read()


def home_of(path):
    parts = path.split("/")
    return "/".join(parts[:2]) if parts[0] == "common" else parts[0]


def check_includes(path, text):
    home = home_of(path)
    if home not in LAYERS and home not in PROGRAMS:
        return
    allowed = LAYERS.get(home, COMMON)
    for n, line in enumerate(text.splitlines(), 1):
        m = re.match(r'\s*#\s*include\s+["<]([^">]+)[">]', line)
        if not m:
            continue
        header = m.group(1)
        first = header.split("/")[0]
        if "/" in header and first in COMMON and first not in allowed:
            problem(path, n, f"{home} may not include {header}")
        if first in PROGRAMS and first != home:
            problem(path, n, f"sideways include of {header}")
        for door, owners in DOORS.items():
            if re.match(door, header) and not any(path.startswith(o) for o in owners):
                problem(path, n, f"{header} belongs to {', '.join(owners)}")


def check_words(path, text):
    if path.startswith(HISTORICAL_ALLOWED):
        return
    for n, line in enumerate(text.splitlines(), 1):
        if HISTORICAL.search(line) and not HISTORICAL_LINE.search(line):
            problem(path, n, "historical word outside the compatible edges: " + line.strip()[:80])


def without_comments(text):
    def blank(m):
        return re.sub(r"[^\n]", " ", m.group(0))

    text = re.sub(r"/\*.*?\*/", blank, text, flags=re.S)
    text = re.sub(r'"(?:\\.|[^"\\\n])*"', lambda m: '"' + " " * (len(m.group(0)) - 2) + '"', text)
    return re.sub(r"//[^\n]*", blank, text)


def check_calls(path, text):
    for n, line in enumerate(without_comments(text).splitlines(), 1):
        for pattern, instead in BANNED.items():
            if re.search(pattern, line) and not path.startswith("tests/"):
                problem(path, n, f"banned call, use {instead}: {line.strip()[:60]}")
        if CLOCKS.search(line) and not path.startswith(CLOCKS_ALLOWED):
            problem(path, n, "reads a clock; take the time as a parameter or use base/clock.h")


def check_shape(path, text):
    lines = text.splitlines()
    if len(lines) > FILE_LINES_MAX:
        problem(path, 0, f"{len(lines)} lines, at most {FILE_LINES_MAX}: split it by what it does")
    if not text.startswith("/*"):
        problem(path, 1, "does not open with a comment that says what the file is for")
    start = None
    for n, line in enumerate(lines, 1):
        if line == "{":
            start = n
        elif line == "}" and start is not None:
            if n - start > FUNCTION_LINES_MAX:
                problem(path, start, f"function of {n - start} lines, at most {FUNCTION_LINES_MAX}")
            start = None


def check_names(paths):
    seen = {}
    for path in paths:
        name = os.path.basename(path)
        if name == "main.c" or not path.endswith((".c", ".h", ".def")):
            continue
        if name in seen:
            problem(path, 0, f"same file name as {seen[name]}")
        seen[name] = path


def check_built(paths):
    words = set(re.findall(r"[\w.-]+", "\n".join(read(p) for p in paths if p.endswith("meson.build"))))
    for path in paths:
        name = os.path.basename(path)
        if path.endswith(".c") and not words & {name, name[:-2], re.sub(r"^(test|fuzz)_", "", name[:-2])}:
            problem(path, 0, "no meson.build names it: dead file")


def check_pages(paths):
    pages = [p for p in paths if re.search(r"\.[1-9]$", p)]
    if pages and not shutil.which("mandoc"):
        problem("mandoc", 0, "not installed: the man pages cannot be checked")
        return
    for path in pages:
        out = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", os.path.join(ROOT, path)], capture_output=True, text=True).stdout
        for line in out.splitlines():
            problem(path, 0, line)


def check_format(paths):
    """Only with the clang-format that formatted the tree: other versions differ in small things."""
    tool = shutil.which("clang-format-14") or shutil.which("clang-format")
    if not tool or " 14." not in subprocess.run([tool, "--version"], capture_output=True, text=True).stdout:
        return
    files = [os.path.join(ROOT, p) for p in paths if p.endswith((".c", ".h"))]
    out = subprocess.run([tool, "--dry-run", "-Werror", *files], capture_output=True, text=True).stderr
    for path in sorted({line.split(":")[0] for line in out.splitlines() if ": error:" in line}):
        problem(os.path.relpath(path, ROOT), 0, "not formatted: run clang-format -i")


def main():
    paths = tracked()
    sources = [p for p in paths if p.endswith((".c", ".h"))]
    for path in sources:
        text = read(path)
        check_includes(path, text)
        check_calls(path, text)
        check_shape(path, text)
    for path in sources + [p for p in paths if p.endswith(".def")]:
        check_words(path, read(path))
    check_names(paths)
    check_built(paths)
    check_pages(paths)
    check_format(paths)
    for line in problems:
        print(line)
    print(f"{len(sources)} source files, {len(problems)} problems")
    return 1 if problems or not sources else 0


if __name__ == "__main__":
    sys.exit(main())
