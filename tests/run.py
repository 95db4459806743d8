#!/usr/bin/env python3
"""Runs cmocka binaries and the system tests and counts both.

    run.py [-j N] [--seconds S] [--system] [--filter F]... [BINARY ...]

Each BINARY is a cmocka program; its tests are counted from its output, and one that dies or hangs
counts as one failure more. --system runs the system tests after them (system/run.py), all or those
the filters name. The last line is "N passed, M failed", with ", K skipped" if any were. In the
environment TEST_TIMEOUT_SCALE multiplies time-outs, for slow builds.
"""
import argparse
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "system"))

OK = re.compile(rb"^\[ +OK +\] ", re.M)
FAILED = re.compile(rb"^\[ +FAILED +\] (?!\d+ test)", re.M)
SKIPPED = re.compile(rb"^\[ +SKIPPED +\] (?!\d+ test)", re.M)
LISTED = re.compile(rb"^\[ +FAILED +\] \d+ test", re.M)


class Binary:
    """One cmocka program while it runs."""

    def __init__(self, path, seconds):
        self.path = path
        self.log = path + ".log"
        self.deadline = time.monotonic() + seconds
        self.seconds = seconds
        self.began = time.monotonic()
        self.timed_out = False
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [path], stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )

    def poll(self):
        """None while it runs, else (passed, failed, skipped); reports failures."""
        if self.process.poll() is None:
            if time.monotonic() > self.deadline and not self.timed_out:
                self.timed_out = True
                os.killpg(self.process.pid, signal.SIGKILL)
            return None
        with open(self.log, "rb") as f:
            text = f.read()
        # cmocka repeats the failed tests' names in its final list: count those above it only.
        listed = LISTED.search(text)
        body = text[: listed.start()] if listed else text
        passed, failed, skipped = (len(e.findall(body)) for e in (OK, FAILED, SKIPPED))
        code = self.process.returncode
        if self.timed_out or (code != 0 and not failed) or passed + failed + skipped == 0:
            failed += 1
        seconds = time.monotonic() - self.began
        print(
            f"{'FAILED' if failed else 'ok':<7} {self.path} "
            f"({passed} passed, {failed} failed, {seconds:.2f} s)"
        )
        if failed:
            if self.timed_out:
                print(f"    timed out after {self.seconds:.0f} s")
            elif code < 0:
                print(f"    died of signal {-code}")
            for line in text.decode("utf-8", "backslashreplace").split("\n")[-80:]:
                print("    " + line)
        sys.stdout.flush()
        return passed, failed, skipped


def run_binaries(paths, jobs, seconds):
    """A program that failed is run once more: a busy machine fails what has a deadline, a bug fails
    twice. The first failure is shown all the same.
    """
    totals = [0, 0, 0]
    waiting, running, again = list(paths), [], set()
    while waiting or running:
        while waiting and len(running) < jobs:
            running.append(Binary(waiting.pop(0), seconds))
        for binary in list(running):
            counts = binary.poll()
            if counts is not None:
                running.remove(binary)
                if counts[1] and binary.path not in again:
                    print(f"AGAIN   {binary.path}", flush=True)
                    again.add(binary.path)
                    waiting.append(binary.path)
                    continue
                totals = [a + b for a, b in zip(totals, counts)]
        time.sleep(0.01)
    return totals


def main():
    parser = argparse.ArgumentParser(description="Runs cmocka binaries and system tests.")
    parser.add_argument("-j", "--jobs", type=int, default=2, help="tests at the same time (2)")
    parser.add_argument(
        "--seconds", type=float, default=600, help="time-out of one binary (600), to be scaled"
    )
    parser.add_argument("--system", action="store_true", help="run the system tests too")
    parser.add_argument(
        "--filter", action="append", default=[], help="of the system tests, only these"
    )
    parser.add_argument("binaries", nargs="*", metavar="BINARY")
    options = parser.parse_args()
    seconds = options.seconds * float(os.environ.get("TEST_TIMEOUT_SCALE", "1"))
    totals = run_binaries(options.binaries, options.jobs, seconds)
    import run as system

    if options.system:
        totals = [a + b for a, b in zip(totals, system.run(options.filter, options.jobs))]
    print(system.summary(*totals))
    return 1 if totals[1] or not totals[0] else 0


if __name__ == "__main__":
    sys.exit(main())
