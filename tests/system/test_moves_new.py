"""LMOVEM and BLMOVEM, which the reference here is too old for; what of them is assumed is told in
tests/unit/commands/test_lmovem.c. Assumed besides: BLMOVEM waits until the source has an element,
or with EXACTLY that many, and answers null when its time is over.
"""
import time

from harness import Server, eq, wait_until


def start(*args):
    return Server("--save", "", *args)


def blocked(server, client):
    return int(server.info("clients", client)["blocked_clients"])


def wait_blocked(server, client, count=1):
    wait_until(lambda: blocked(server, client) == count, what=f"{count} blocked clients")


def test_blmovem_does_not_wait_if_it_need_not():
    with start() as server:
        c = server.client()
        c.must("RPUSH", "s", *"abcd")
        eq(c.command("BLMOVEM", "s", "t", "LEFT", "LEFT", 0, "COUNT", 2, "BULK"), [b"a", b"b"])
        eq(c.command("BLMOVEM", "s", "t", "LEFT", "RIGHT", "0.01"), [b"c"])
        eq(c.command("LRANGE", "t", 0, -1), [b"a", b"b", b"c"])
        before = time.monotonic()
        eq(c.command("BLMOVEM", "s", "t", "LEFT", "LEFT", "0.05", "EXACTLY", 2, "OBO"), None)
        assert time.monotonic() - before >= 0.05
        eq(c.command("LLEN", "s"), 1)
        for bad in ("-1", "x", "1e300"):
            error = str(c.command("BLMOVEM", "s", "t", "LEFT", "LEFT", bad))
            assert error.startswith("ERR timeout is "), error
        eq(str(c.command("BLMOVEM", "s", "t", "LEFT", "LEFT", 1, "COUNT", 1)), "ERR syntax error")


def test_blmovem_waits_for_one():
    with start("--appendonly", "yes") as server:
        waiting, c = server.client(), server.client()
        waiting.send("BLMOVEM", "s", "t", "RIGHT", "LEFT", 0, "COUNT", 3, "OBO")
        wait_blocked(server, c)
        eq(c.command("RPUSH", "s", "a", "b"), 2)
        eq(waiting.read(), [b"b", b"a"])
        eq(c.command("EXISTS", "s"), 0)
        eq(c.command("LRANGE", "t", 0, -1), [b"a", b"b"])
        eq(blocked(server, c), 0)
        server.restart()
        eq(server.client().command("LRANGE", "t", 0, -1), [b"a", b"b"])


def test_blmovem_exactly_waits_for_all():
    with start() as server:
        waiting, c = server.client(), server.client()
        c.must("RPUSH", "s", "a")
        waiting.send("BLMOVEM", "s", "t", "LEFT", "RIGHT", 0, "EXACTLY", 4, "BULK")
        wait_blocked(server, c)
        c.must("RPUSH", "s", "b")
        c.must("LINSERT", "s", "AFTER", "a", "x")
        assert waiting.quiet()
        eq(blocked(server, c), 1)
        c.must("LPUSHX", "s", "first")
        eq(waiting.read(), [b"first", b"a", b"x", b"b"])
        eq(c.command("EXISTS", "s"), 0)
        waiting.send("BLMOVEM", "s", "t", "LEFT", "RIGHT", 0, "EXACTLY", 2, "BULK")
        wait_blocked(server, c)
        c.must("RPUSH", "other", "1")
        c.must("LMOVE", "other", "s", "LEFT", "LEFT")
        c.must("RPUSH", "other", "2")
        c.must("LMOVEM", "other", "s", "LEFT", "LEFT")
        eq(waiting.read(), [b"2", b"1"])


def test_blmovem_feeds_who_waits_for_its_target():
    with start() as server:
        first, second, c = server.client(), server.client(), server.client()
        second.send("BLPOP", "t", 0)
        wait_blocked(server, c)
        first.send("BLMOVEM", "s", "t", "LEFT", "LEFT", 0, "COUNT", 2, "BULK")
        wait_blocked(server, c, 2)
        c.must("RPUSH", "s", "a", "b", "c")
        eq(first.read(), [b"a", b"b"])
        eq(second.read(), [b"t", b"a"])
        eq(c.command("LRANGE", "t", 0, -1), [b"b"])
        eq(c.command("LRANGE", "s", 0, -1), [b"c"])


def test_who_waits_for_more_lets_others_pass():
    """A list that is there is for nobody's pop to wait for."""
    with start() as server:
        waiting, c = server.client(), server.client()
        c.must("RPUSH", "s", "a")
        waiting.send("BLMOVEM", "s", "t", "LEFT", "RIGHT", 0, "EXACTLY", 3, "OBO")
        wait_blocked(server, c)
        eq(c.command("BLPOP", "s", 0), [b"s", b"a"])
        c.must("RPUSH", "s", "b", "c")
        eq(c.command("LPOP", "s"), b"b")
        c.must("RPUSH", "s", "d", "e")
        eq(waiting.read(), [b"c", b"d", b"e"])
