#!/usr/bin/env python3
"""Checks that the library has no mutable global that is not static.

    globals.py LIBRARY

Reads the symbols of an archive built without link-time optimisation: whatever is global and lies in
a writable section is a complaint. What is written once at start and read by all is listed in
ALLOWED with its reason.
"""
import re
import subprocess
import sys

# name: why it may be reached from other files
ALLOWED = {"malloc_conf": "read by jemalloc before main, under that name"}

SYMBOL = re.compile(
    r"^[0-9a-f]+ (g|u|.w)\S*\s.*\s(\.(?:t?data|t?bss)(?:\.(?!rel\.ro)\S*)?|\*COM\*)"
    r"\s+([0-9a-f]+)\s+(?:\.hidden )?(\S+)$"
)


def main():
    out = subprocess.run(
        ["objdump", "-t", sys.argv[1]], capture_output=True, text=True, check=True
    ).stdout
    member, complaints = "", 0
    for line in out.split("\n"):
        if ":     file format" in line:
            member = line.split(":")[0]
        match = SYMBOL.match(line)
        if not match:
            continue
        name = match.group(4)
        # Names with a dot are the compiler's or a sanitizer's.
        if name in ALLOWED or "." in name or name.startswith("__"):
            continue
        print(
            f"{member}: mutable global {name} ({int(match.group(3), 16)} bytes in {match.group(2)})"
        )
        complaints += 1
    print(f"globals: {complaints} complaints")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
