#!/usr/bin/env python3
"""Runs the system tests: every function test_*() of every tests/system/test_*.py.

    run.py [-j N] [-l] [-k] [-v] [FILTER ...]

A FILTER is a part of "file.function" (without "test_" of the file); `!part` leaves tests out. Each
test runs in a process of its own with a directory of its own, so a crash, a hang or a leaked server
of one is no trouble to the next: everything it started is killed and its directory removed when it
ends. One line per test, the context of each failure, and last "N passed, M failed" with ", K
skipped" if any were. The exit code is 1 if any failed.

A test may have attributes (see harness.py for the decorators): `timeout` in seconds (300 unless
said), `alone` to run with no other test beside it, and raise harness.Skip to be skipped with a
reason.

Environment: SPILLWAY_SERVER (the server under test, build/spillway unless said), SPILLWAY_ARGS
(arguments added to each), REDIS_SERVER (the reference), TEST_TIMEOUT_SCALE (multiplies time-outs,
for slow builds), and SEED and ITER for the random ones.
"""
import argparse
import importlib
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import harness

HANGS_S = 300  # no test takes so long, however slow the machine is
PASSED, FAILED, SKIPPED = "ok", "FAILED", "SKIPPED"


class Test:
    def __init__(self, name, function):
        self.name = name
        self.function = function
        scale = float(os.environ.get("TEST_TIMEOUT_SCALE", "1"))
        self.timeout = max(HANGS_S, getattr(function, "timeout", 0)) * scale
        self.alone = getattr(function, "alone", False)
        self.pid = None
        self.dir = None
        self.began = None
        self.timed_out = False

    def start(self):
        self.dir = tempfile.mkdtemp(prefix="spillway-test-")
        self.began = time.monotonic()
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                code = self.child()
            finally:
                os._exit(code)

    def child(self):
        """In the test's own process. The exit code says how it went: 0, 1 or, for skipped, 2."""
        os.setpgid(0, 0)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        out = os.open(
            os.path.join(self.dir, "output"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644
        )
        os.dup2(out, 1)
        os.dup2(out, 2)
        harness.begin_test(self.dir)
        try:
            self.function()
            code = 0
        except harness.Skip as skip:
            with open(os.path.join(self.dir, "skipped"), "w", encoding="utf-8") as f:
                f.write(str(skip))
            code = 2
        except BaseException:
            traceback.print_exc()
            print(harness.context())
            code = 1
        for complaint in harness.end_test():
            print(complaint)
            code = 1 if code == 0 else code
        sys.stdout.flush()
        sys.stderr.flush()
        return code

    def poll(self):
        """None while it runs, else (result, seconds, text)."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        seconds = time.monotonic() - self.began
        if pid == 0:
            if seconds > self.timeout and not self.timed_out:
                self.timed_out = True
                kill_group(self.pid)
            return None
        kill_group(self.pid)  # servers it left
        text = read(os.path.join(self.dir, "output"))
        code = os.waitstatus_to_exitcode(status)
        if self.timed_out:
            result = FAILED
            text += f"\ntimed out after {self.timeout:.0f} s\n" + harness.logs_of(self.dir)
        elif code == 0:
            result = PASSED
        elif code == 2:
            result, text = SKIPPED, read(os.path.join(self.dir, "skipped"))
        else:
            result = FAILED
            if code < 0:
                text += f"\nthe test's process died of signal {-code}\n"
        return result, seconds, text

    def finish(self, keep):
        if not keep:
            shutil.rmtree(self.dir, ignore_errors=True)


def kill_group(pid):
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def read(path):
    try:
        with open(path, encoding="utf-8", errors="backslashreplace") as f:
            return f.read()
    except OSError:
        return ""


def discover(filters):
    """The tests whose names pass the filters, in order of file and of definition."""
    wanted = [f for f in filters if not f.startswith("!")]
    unwanted = [f[1:] for f in filters if f.startswith("!")]
    tests, broken = [], []
    for file in sorted(os.listdir(HERE)):
        if not (file.startswith("test_") and file.endswith(".py")):
            continue
        module_name = file[:-3]
        short = module_name.removeprefix("test_")
        try:
            module = importlib.import_module(module_name)
        except Exception:
            broken.append((short, traceback.format_exc()))
            continue
        for name, function in vars(module).items():
            if not (name.startswith("test_") and callable(function)):
                continue
            full = f"{short}.{name}"
            if wanted and not any(w in full for w in wanted):
                continue
            if any(u in full for u in unwanted):
                continue
            tests.append(Test(full, function))
    return tests, broken


def run(filters=(), jobs=2, keep=False, verbose=False):
    """Runs what the filters name; returns (passed, failed, skipped). A test that failed is run once
    more, alone: a busy machine fails what has a deadline, a bug fails twice. The first failure is
    shown all the same.
    """
    again = set()
    # Ended from outside it still ends its tests and removes their directories.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    tests, broken = discover(list(filters))
    counts = {PASSED: 0, FAILED: 0, SKIPPED: 0}
    for name, text in broken:
        report(FAILED, name, 0, "could not be imported:\n" + text)
        counts[FAILED] += 1
    waiting, running = list(tests), []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                alone = waiting[0].alone or any(t.alone for t in running)
                if running and alone:
                    break
                test = waiting.pop(0)
                test.start()
                running.append(test)
            for test in list(running):
                outcome = test.poll()
                if outcome is None:
                    continue
                running.remove(test)
                result, seconds, text = outcome
                report(result, test.name, seconds, text if result != PASSED or verbose else "")
                test.finish(keep and result == FAILED)
                if result == FAILED and test.name not in again:
                    print(f"AGAIN   {test.name}", flush=True)
                    again.add(test.name)
                    second = Test(test.name, test.function)
                    second.alone = True
                    waiting.append(second)
                    continue
                counts[result] += 1
                if keep and result == FAILED:
                    print(f"    kept: {test.dir}")
            time.sleep(0.01)
    finally:
        for test in running:
            kill_group(test.pid)
            os.waitpid(test.pid, 0)
            test.finish(False)
    return counts[PASSED], counts[FAILED], counts[SKIPPED]


def report(result, name, seconds, text):
    if result == SKIPPED:
        print(f"{result} {name}: {text.strip()}", flush=True)
        return
    print(f"{result:<7} {name} ({seconds:.2f} s)", flush=True)
    for line in text.rstrip().split("\n") if text.strip() else []:
        print("    " + line, flush=True)


def summary(passed, failed, skipped=0):
    return f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")


def main():
    parser = argparse.ArgumentParser(description="Runs the system tests.")
    parser.add_argument("-j", "--jobs", type=int, default=2, help="tests at the same time (2)")
    parser.add_argument("-l", "--list", action="store_true", help="only list the tests")
    parser.add_argument(
        "-k", "--keep", action="store_true", help="keep the directories of failed tests"
    )
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="show the output of passed tests too"
    )
    parser.add_argument(
        "filters", nargs="*", metavar="FILTER", help="part of a test's name; !part leaves out"
    )
    options = parser.parse_args()
    if options.list:
        tests, broken = discover(options.filters)
        for test in tests:
            print(test.name)
        for name, text in broken:
            print(f"{name}: {text}", file=sys.stderr)
        return 1 if broken else 0
    passed, failed, skipped = run(options.filters, options.jobs, options.keep, options.verbose)
    print(summary(passed, failed, skipped))
    return 1 if failed or not passed + skipped else 0


if __name__ == "__main__":
    sys.exit(main())
