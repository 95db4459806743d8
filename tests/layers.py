#!/usr/bin/env python3
"""Checks the walls of the house: which file may include, call and use what.

Each rule is one function below that yields complaints; the exit code is 1 if any did. Run as `make
layers`. A line that must break a rule carries the comment `layers: allow` with its reason.
"""
import os
import re
import sys

# A layer may include the layers of lower rank, itself, and what SIBLINGS names.
RANKS = {
    "base": 0,
    "struct": 1,
    "value": 1,
    "proto": 1,
    "keyspace": 2,
    "plog": 2,
    "guard": 2,
    "persist": 3,
    "repl": 3,
    "engine": 4,
    "script": 5,
    "commands": 5,
    "net": 6,
    "ops": 6,
}
SIBLINGS = {("value", "struct")}
TOP = "(main)"  # src/main.c, above all

# Doors that only base/ opens: the heap, the disk, the clock.
CALLS = {
    "heap": """malloc calloc realloc reallocarray free posix_memalign aligned_alloc memalign strdup
        strndup asprintf vasprintf""",
    "disk": """open openat creat fopen fdopen freopen fsync fdatasync sync_file_range fallocate
        posix_fallocate ftruncate truncate rename renameat link unlink unlinkat mkdir rmdir mkstemp
        pwrite pwritev pread preadv statvfs fstatvfs opendir flock""",
    "clock": "time gettimeofday clock_gettime nanosleep usleep sleep",
}
DOOR = {name: kind for kind, names in CALLS.items() for name in names.split()}
CALL = re.compile(r"(?<![\w.>])(%s)\s*\(" % "|".join(sorted(DOOR, key=len, reverse=True)))
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
LOCK_USE = re.compile(r"\block_(?:take|try|drop)\w*\s*\(([^()]*(?:\([^()]*\)[^()]*)*)\)")


def strip(text):
    """Blanks comments and string contents, keeping the line structure."""

    def blank(match):
        token = match.group(0)
        if token[0] in "\"'":
            return token[0] + " " * (len(token) - 2) + token[0]
        return "".join(c if c == "\n" else " " for c in token)

    return re.sub(
        r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S
    )


class File:
    def __init__(self, root, path):
        self.path = path
        with open(os.path.join(root, path), encoding="utf-8") as f:
            text = f.read()
        self.lines = text.split("\n")
        self.code = strip(text).split("\n")
        parts = path.split("/")
        self.layer = parts[1] if len(parts) > 2 else TOP
        self.includes = []  # (line number, is system, target)
        for number, line in enumerate(self.lines, 1):
            match = INCLUDE.match(line)
            if match and self.code[number - 1].strip():
                self.includes.append((number, match.group(1) == "<", match.group(2)))

    def allowed(self, number):
        return "layers: allow" in self.lines[number - 1]


def check_includes(root, file):
    here = RANKS.get(file.layer, 99)
    for number, system, target in file.includes:
        if system:
            if os.path.exists(os.path.join(root, "include", target)):
                yield number, f"<{target}> is ours: include it with quotes"
            continue
        layer, slash, _ = target.partition("/")
        if not slash:
            if not os.path.exists(os.path.join(root, os.path.dirname(file.path), target)):
                yield number, f'"{target}": include as "layer/module.h"'
            continue
        if layer not in RANKS:
            yield number, f'"{target}": no layer "{layer}"'
        elif not os.path.exists(os.path.join(root, "include", target)):
            yield number, f'"{target}" does not exist in include/'
        elif layer != file.layer and RANKS[layer] >= here and (file.layer, layer) not in SIBLINGS:
            yield number, f'{file.layer} must not include {layer} ("{target}")'


def check_uv(root, file):
    for number, _, target in file.includes:
        if (target == "uv.h" or target.startswith("uv/")) and file.layer != "net":
            yield number, "uv.h is for net/ only"


def check_doors(root, file):
    if file.layer == "base":
        return
    for number, line in enumerate(file.code, 1):
        if line.lstrip().startswith("#"):
            continue
        for match in CALL.finditer(line):
            name = match.group(1)
            if name == "freopen" and "/dev/null" in file.lines[number - 1]:
                continue  # a daemon's standard streams, not the disk
            yield number, f"{name}() outside base/: use the {DOOR[name]} door there"


def check_shard_locks(root, file):
    if file.path in ("src/keyspace/hold.c",) or file.layer == "base":
        return
    for number, line in enumerate(file.code, 1):
        for match in LOCK_USE.finditer(line):
            if "shard" in match.group(1):
                yield number, "shard locks are taken and dropped in keyspace/hold.c only"


def check_umbrella(root, file):
    """A header of ours that only includes headers of ours is an umbrella."""
    if not file.path.endswith(".h") or sum(not system for _, system, _ in file.includes) < 2:
        return
    body = [line for line in file.code if line.strip() and not line.lstrip().startswith("#")]
    if not body:
        yield 1, "an umbrella header: include what you use where you use it"


def check_shape(root, file):
    if file.layer not in RANKS and file.path != "src/main.c":
        yield 1, f"unknown layer {file.layer}"
    if file.path.endswith(".h"):
        guard = "SPILLWAY_" + re.sub(r"\W", "_", file.path.removeprefix("include/")).upper()
        if not any(line.startswith("#ifndef ") for line in file.code) and not any(
            line.startswith("#pragma once") for line in file.code
        ):
            yield 1, f"no include guard ({guard})"


RULES = [check_includes, check_uv, check_doors, check_shard_locks, check_umbrella, check_shape]


def sources(root):
    for top in ("include", "src"):
        for where, dirs, names in sorted(os.walk(os.path.join(root, top))):
            dirs.sort()
            for name in sorted(names):
                if name.endswith((".c", ".h")):
                    yield os.path.relpath(os.path.join(where, name), root)


def main():
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    complaints = 0
    count = 0
    for path in sources(root):
        file = File(root, path)
        count += 1
        for rule in RULES:
            for number, text in rule(root, file):
                if not file.allowed(number):
                    print(f"{path}:{number}: {text}")
                    complaints += 1
    print(f"layers: {count} files, {complaints} complaints")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
