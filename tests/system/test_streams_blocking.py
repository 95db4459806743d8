"""XREAD and XREADGROUP that wait: who is served, with what, and who is not; beside redis-server
where it does the same, with one worker and with several. Consumers and producers on many workers.
"""
import random
import threading
import time

from harness import Server, eq, wait_until
from test_blocking import FOUR, NULL_ARRAY, ONE, compare, logged
from waiting import Scene

TALE = (("XADD", "s", "1-1", "f", "a"), ("XADD", "s", "2-1", "f", "b"))
GROUP = (*TALE, ("XGROUP", "CREATE", "s", "g", "$"), ("XGROUP", "CREATECONSUMER", "s", "g", "c"))


def both(script, setup=()):
    compare(script, 2, setup)
    compare(script, 3, setup)


# --- readers --------------------------------------------------------------------------------------


def test_all_readers_get_an_entry():
    def script(s):
        for name in "abc":
            s.do(name, "XREAD", "BLOCK", 0, "STREAMS", "s", "$")
        s.do("d", "XREAD", "COUNT", 1, "BLOCK", 0, "STREAMS", "s", "2-1")
        s.do("p", "XADD", "s", "3-1", "f", "c")
        s.do("a", "XREAD", "BLOCK", 0, "STREAMS", "s", "$")
        s.do("p", "XADD", "s", "4-1", "f", "d")

    both(script, TALE)


def test_several_streams():
    def script(s):
        s.do("a", "XREAD", "BLOCK", 0, "STREAMS", "s", "none", "t", "$", "$", "5")
        s.do("p", "XADD", "t", "5-0", "f", "v")
        s.do("p", "XADD", "none", "0-1", "f", "v")
        s.do("a", "XREAD", "BLOCK", 0, "STREAMS", "s", "none", "t", "$", "0-1", "5")
        s.do("p", "XADD", "t", "5-1", "f", "v")
        s.do("a", "XREAD", "BLOCK", 0, "STREAMS", "t", "t", "$", "5-7")
        s.do("p", "XADD", "t", "5-6", "f", "v")

    both(script, TALE)


def test_entries_that_are_not_behind_the_id():
    def script(s):
        s.do("a", "XREAD", "BLOCK", 0, "STREAMS", "s", "5-0")
        s.do("p", "XADD", "s", "4-0", "f", "v")
        s.do("p", "XADD", "s", "5-0", "f", "v")
        s.do("p", "XGROUP", "CREATE", "s", "g", "0")
        s.do("p", "XSETID", "s", "7-0")
        s.do("p", "XADD", "s", "8-0", "f", "v")

    both(script, TALE)


def test_an_entry_that_is_trimmed_at_once():
    """As redis-server from 7.2 on: there is nothing to read."""
    for args in (ONE, FOUR):
        s = Scene(Server(*args))
        for command in GROUP:
            s.control.must(*command)
        s.do("a", "XREAD", "BLOCK", 0, "STREAMS", "s", "$")
        s.do("b", "XREADGROUP", "GROUP", "g", "c", "BLOCK", 0, "STREAMS", "s", ">")
        s.do("p", "XADD", "s", "MAXLEN", 0, "3-1", "f", "v")
        eq(s.pending, {"a", "b"})
        s.do("p", "XADD", "s", "4-1", "f", "v")
        eq(s.pending, set())
        s.server.kill()


def test_streams_that_come_by_other_ways():
    def script(s):
        for i, command in enumerate(
            (("RENAME", "s", "k"), ("COPY", "k", "l"), ("RENAME", "l", "k"))
        ):
            s.do("a", "XREAD", "BLOCK", 0, "STREAMS", command[2], "$" if i < 2 else "1-1")
            s.do("p", *command)
            if "a" in s.pending:
                s.do("p", "XADD", command[2], "9-9", "f", "v")

    both(script, TALE)


def test_other_types_and_removals_do_not_wake_readers():
    def script(s):
        s.do("a", "XREAD", "BLOCK", 0, "STREAMS", "s", "$")
        s.do("p", "DEL", "s")
        s.do("p", "SET", "s", "v")
        s.do("p", "DEL", "s")
        s.do("p", "RPUSH", "s", "v")
        s.do("p", "FLUSHALL")
        s.do("p", "XADD", "s", "1-1", "f", "v")
        s.do("p", "XADD", "s", "2-2", "f", "v")

    both(script, TALE)


def test_last_entry():
    """The id "+" of Redis 7.4 reads the last entry that there is, or waits for one."""
    for args in (ONE, FOUR):
        s = Scene(Server(*args))

        def last(*options):
            return s.one("a", "XREAD", *options, "STREAMS", "s", "t", "+", "+")

        eq(last(), NULL_ARRAY[2])
        eq(last("BLOCK", 0), None)
        answers = s.do("p", "XADD", "s", "1-1", "f", "v")
        entry = b"*2\r\n$3\r\n%s\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"
        eq(answers["a"], b"*1\r\n*2\r\n$1\r\ns\r\n*1\r\n" + entry % b"1-1")
        s.do("p", "XADD", "s", "2-1", "f", "v")
        s.do("p", "XADD", "s", "3-1", "f", "v")
        s.do("p", "XADD", "t", "7-1", "f", "v")
        s.do("p", "XDEL", "s", "3-1")
        s.do("p", "XDEL", "t", "7-1")
        eq(last("COUNT", 5), b"*1\r\n*2\r\n$1\r\ns\r\n*1\r\n" + entry % b"2-1")
        s.do("p", "XADD", "z", "0-1", "f", "v")
        answer = s.one("a", "XREAD", "STREAMS", "z", "+")
        eq(answer, b"*1\r\n*2\r\n$1\r\nz\r\n*1\r\n" + entry % b"0-1")
        s.server.kill()


def test_timeouts():
    for args in (ONE, FOUR):
        with Server(*args) as server:
            for resp in (2, 3):
                with server.client(resp=resp) as client:
                    for command in GROUP:
                        client.command(*command)
                    for ms in (1, 10, 50):
                        for command in (
                            ("XREAD", "BLOCK", ms, "STREAMS", "s", "t", "$", "0"),
                            ("XREADGROUP", "GROUP", "g", "c", "BLOCK", ms, "STREAMS", "s", ">"),
                        ):
                            start = time.monotonic()
                            eq(client.raw(*command), NULL_ARRAY[resp], command)
                            assert time.monotonic() - start >= ms / 1000, command
            eq(server.info()["blocked_clients"], "0")


# --- groups ---------------------------------------------------------------------------------------


def test_consumers_take_turns():
    def script(s):
        read = ("XREADGROUP", "GROUP", "g")
        s.do("a", *read, "c", "BLOCK", 0, "STREAMS", "s", ">")
        s.do("b", *read, "c", "COUNT", 1, "NOACK", "BLOCK", 0, "STREAMS", "s", ">")
        s.do("c", "XREAD", "BLOCK", 0, "STREAMS", "s", "$")
        s.do("d", *read, "c", "BLOCK", 0, "STREAMS", "s", ">")
        for i in range(3, 7):
            s.do("p", "XADD", "s", f"{i}-1", "f", "v")
        s.do("p", "XPENDING", "s", "g")
        s.do("a", *read, "c", "BLOCK", 0, "STREAMS", "s", "3-1")
        s.do("b", *read, "c", "BLOCK", 0, "STREAMS", "s", "9-1")

    both(script, GROUP)


def test_what_makes_nothing_new_for_a_group():
    def script(s):
        s.do("p", "XGROUP", "CREATECONSUMER", "s", "g", "d")
        s.do("a", "XREADGROUP", "GROUP", "g", "d", "BLOCK", 0, "STREAMS", "s", ">")
        s.do("p", "XGROUP", "SETID", "s", "g", "0")
        s.do("p", "XCLAIM", "s", "g", "c", 0, "1-1", "FORCE")
        s.do("p", "XGROUP", "SETID", "s", "g", "$")
        s.do("p", "XGROUP", "DELCONSUMER", "s", "g", "c")
        s.do("p", "XADD", "s", "4-1", "f", "v")
        s.do("p", "XPENDING", "s", "g")

    both(script, GROUP)


GONE = (
    (("DEL", "s"), b"-NOGROUP "),
    (("UNLINK", "s"), b"-NOGROUP "),
    (("SET", "s", "v"), b"-WRONGTYPE "),
    (("RENAME", "s", "t"), b"-NOGROUP "),
    (("RENAME", "other", "s"), b"-NOGROUP "),
    (("PEXPIREAT", "s", 1), b"-NOGROUP "),
    (("FLUSHALL",), b"-NOGROUP "),
    (("XGROUP", "DESTROY", "s", "g"), b"-NOGROUP "),
    (("XGROUP", "DESTROY", "s", "h"), None),
    (("RPUSH", "l", "v"), None),
)


def test_a_group_that_goes_ends_the_waiting():
    """As redis-server from 7.2 on: with the error that the command would be answered now."""
    for args in (ONE, FOUR):
        for command, error in GONE:
            s = Scene(Server(*args))
            for setup in (
                *GROUP,
                ("XGROUP", "CREATE", "s", "h", "$"),
                ("XADD", "other", "1-1", "f", "v"),
            ):
                s.control.must(*setup)
            s.do("a", "XREADGROUP", "GROUP", "g", "c", "BLOCK", 0, "STREAMS", "s", ">")
            s.do("b", "XREAD", "BLOCK", 0, "STREAMS", "s", "$")
            answers = s.do("p", *command)
            if error:
                assert answers["a"].startswith(error), (command, answers)
                if error.startswith(b"-NOG"):
                    text = b"-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with "
                    eq(answers["a"], text + b"GROUP option\r\n")
            eq(s.pending, {"b"} if error else {"a", "b"}, command)
            s.server.kill()


def test_logged_behind_what_woke_them():
    for args in (ONE, FOUR):
        with Server("--appendonly", "yes", *args) as server:
            s = Scene(server)
            for command in GROUP:
                s.control.must(*command)
            s.do("a", "XREADGROUP", "GROUP", "g", "new", "BLOCK", 0, "STREAMS", "s", ">")
            s.do("b", "XREADGROUP", "GROUP", "g", "c", "NOACK", "BLOCK", 0, "STREAMS", "s", ">")
            s.do("p", "XADD", "s", "3-1", "f", "v")
            s.do("p", "XADD", "s", "4-1", "f", "v")
            server.stop()
            log = [b" ".join(command) for command in logged(server)]
            made, first, second = (
                next(i for i, command in enumerate(log) if command.startswith(start))
                for start in (b"xgroup createconsumer s g new", b"xadd s 3-1", b"xadd s 4-1")
            )
            assert made < first
            behind = [
                command for command in log[first + 1 : second] if command not in (b"multi", b"exec")
            ]
            assert behind[0].startswith(b"xclaim s g new 0 3-1 time "), log
            eq(behind[1], b"xgroup setid s g 3-1 entriesread 3")
            eq(log[second + 1], b"xgroup setid s g 4-1 entriesread 4")
            server.start()
            client = server.client()
            eq(client.must("XPENDING", "s", "g")[0], 1)
            eq(client.must("XINFO", "GROUPS", "s")[0][7], b"4-1")


# --- many at once ---------------------------------------------------------------------------------


class Crowd:
    """Producers add numbered entries; consumers read as one group, acknowledge most of what they
    get, and claim what others left.
    """

    def __init__(self, server, producers, consumers, each):
        self.server = server
        self.total = producers * each
        self.done = {}  # entry -> how often it was acknowledged
        self.lock = threading.Lock()
        self.wrong = []
        self.ending = threading.Event()
        self.threads = [
            threading.Thread(target=self.guarded, args=(action, name), daemon=True)
            for action, names in (
                (self.produce, range(producers)),
                (self.consume, range(consumers)),
            )
            for name in names
        ]
        self.each = each

    def guarded(self, action, name):
        try:
            with self.server.client() as client:
                action(client, name, random.Random(name))
        except BaseException as error:
            self.wrong.append(error)
            self.ending.set()

    def produce(self, client, name, rng):
        for i in range(self.each):
            client.must("XADD", "s", "*", "from", name, "number", i)
            if i % 50 == 0 and self.ending.is_set():
                return

    def acknowledge(self, client, entries):
        for entry, _ in entries:
            if client.must("XACK", "s", "g", entry):
                with self.lock:
                    self.done[entry] = self.done.get(entry, 0) + 1

    def consume(self, client, name, rng):
        while not self.ending.is_set():
            read = ("XREADGROUP", "GROUP", "g", name, "COUNT", rng.randint(1, 9), "BLOCK", 20)
            reply = client.must(*read, "STREAMS", "s", ">")
            entries = reply[0][1] if reply else []
            if rng.random() < 0.7:
                self.acknowledge(client, entries)
            if not entries or rng.random() < 0.1:
                claimed = client.must("XAUTOCLAIM", "s", "g", name, 5, "-", "COUNT", 20)
                self.acknowledge(client, claimed[1])

    def run(self, meanwhile):
        for thread in self.threads:
            thread.start()
        deadline = time.monotonic() + 60
        while len(self.done) < self.total and not self.wrong and time.monotonic() < deadline:
            meanwhile()
        self.ending.set()
        for thread in self.threads:
            thread.join(30)
        if self.wrong:
            raise self.wrong[0]


def test_every_entry_is_acknowledged_once():
    """While snapshots are taken, and entries that nobody waits for any more are trimmed."""
    with Server("--io-threads", "4", "--appendonly", "yes") as server:
        control = server.client()
        control.must("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM")
        crowd = Crowd(server, 3, 5, 300)

        def meanwhile():
            control.command("BGSAVE")
            pending = control.must("XPENDING", "s", "g")
            reached = pending[1] or control.must("XINFO", "GROUPS", "s")[0][7]
            control.must("XTRIM", "s", "MINID", "~", reached)
            control.must("XINFO", "STREAM", "s", "FULL", "COUNT", 5)
            time.sleep(0.02)

        crowd.run(meanwhile)
        eq(len(crowd.done), crowd.total)
        eq(set(crowd.done.values()), {1})
        eq(control.must("XPENDING", "s", "g")[0], 0)
        left = control.must("XLEN", "s")
        info = control.must("XINFO", "GROUPS", "s")
        wait_until(lambda: server.info("persistence", control)["rdb_bgsave_in_progress"] == "0")
        server.kill()
        server.start()
        control = server.client()
        eq(control.must("XLEN", "s"), left)
        eq(control.must("XINFO", "GROUPS", "s"), info)
