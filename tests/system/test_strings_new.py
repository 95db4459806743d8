"""String commands that the reference here is too old for: SET IFEQ, DELIFEQ, MSETEX."""
from harness import ReplyError, Server, Skip, eq, subject_is_reference


def start(*args):
    if subject_is_reference():
        raise Skip("redis-server does not have these commands")
    return Server(*args)


def is_error(reply, code="ERR", text=""):
    assert (
        isinstance(reply, ReplyError) and reply.code == code and text in reply
    ), f"got {reply!r}, want {code} {text}"


def far_ttl(client, key):
    ttl = client.must("TTL", key)
    return 90000 < ttl <= 100000


def test_set_ifeq():
    with start() as server:
        c = server.client()
        eq(c.command("SET", "k", "new", "IFEQ", "old"), None, "missing key")
        eq(c.command("EXISTS", "k"), 0)
        c.must("SET", "k", "old")
        eq(c.command("SET", "k", "new", "IFEQ", "other"), None)
        eq(c.command("GET", "k"), b"old")
        eq(c.command("SET", "k", "new", "ifeq", "old"), "OK")
        eq(c.command("GET", "k"), b"new")
        eq(c.command("SET", "k", "", "IFEQ", "new"), "OK")
        eq(c.command("SET", "k", "x", "IFEQ", ""), "OK", "the empty value is a value")


def test_set_ifeq_compares_the_value_not_its_encoding():
    with start() as server:
        c = server.client()
        for old in (
            b"12345",
            b"0",
            b"-1",
            b"9223372036854775807",
            b"x" * 44,
            b"x" * 45,
            b"\0\xff" * 300,
            b"y" * 70000,
        ):
            c.must("SET", "k", old)
            eq(c.command("SET", "k", "1", "IFEQ", old + b"0"), None)
            eq(c.command("SET", "k", "1", "IFEQ", old[:-1]), None)
            eq(c.command("SET", "k", "1", "IFEQ", old), "OK", repr(old[:20]))
        c.must("SET", "k", "12")
        eq(c.command("SET", "k", "1", "IFEQ", "012"), None)
        eq(c.command("SET", "k", "1", "IFEQ", "+12"), None)
        c.must("SET", "k", "abc")
        c.must("APPEND", "k", "def")
        eq(c.command("SET", "k", "1", "IFEQ", "abcdef"), "OK")


def test_set_ifeq_with_other_options():
    with start() as server:
        c = server.client()
        eq(c.command("SET", "k", "v", "IFEQ", "x", "GET"), None)
        c.must("SET", "k", "a", "EX", 100000)
        eq(c.command("SET", "k", "b", "GET", "IFEQ", "no"), b"a")
        eq(c.command("GET", "k"), b"a")
        eq(c.command("SET", "k", "b", "IFEQ", "a", "GET"), b"a")
        eq(c.command("GET", "k"), b"b")
        eq(c.command("TTL", "k"), -1, "the expiry goes with the old value")
        eq(c.command("SET", "k", "c", "EX", 100000, "IFEQ", "b"), "OK")
        eq(far_ttl(c, "k"), True)
        eq(c.command("SET", "k", "d", "IFEQ", "c", "KEEPTTL"), "OK")
        eq(far_ttl(c, "k"), True)
        eq(c.command("SET", "k", "e", "IFEQ", "no", "PX", 5), None)
        eq(far_ttl(c, "k"), True, "a refused SET leaves the expiry")
        for wrong in (
            ("IFEQ",),
            ("IFEQ", "d", "NX"),
            ("NX", "IFEQ", "d"),
            ("IFEQ", "d", "XX"),
            ("XX", "IFEQ", "d"),
            ("IFEQ", "d", "IFEQ", "d", "NX"),
        ):
            is_error(c.command("SET", "k", "z", *wrong), text="syntax error")
        eq(c.command("GET", "k"), b"d")


def test_set_ifeq_meets_expired_and_other_databases():
    with start() as server:
        c = server.client()
        c.must("SET", "k", "v", "PXAT", 1000)
        eq(c.command("SET", "k", "w", "IFEQ", "v"), None)
        c.must("SET", "k", "v")
        c.must("SELECT", 1)
        eq(c.command("SET", "k", "w", "IFEQ", "v"), None)


def test_delifeq():
    with start() as server:
        c = server.client()
        eq(c.command("DELIFEQ", "k", "v"), 0)
        for old in (b"v", b"", b"12345", b"x" * 100, b"y" * 70000):
            c.must("SET", "k", old)
            eq(c.command("DELIFEQ", "k", old + b"1"), 0)
            eq(c.command("EXISTS", "k"), 1)
            eq(c.command("DELIFEQ", "k", old), 1)
            eq(c.command("EXISTS", "k"), 0)
            eq(c.command("DELIFEQ", "k", old), 0)
        is_error(c.command("DELIFEQ", "k"), text="wrong number of arguments for 'delifeq' command")
        is_error(
            c.command("DELIFEQ", "k", "v", "w"),
            text="wrong number of arguments for 'delifeq' command",
        )


def test_delifeq_on_wrong_type():
    with start() as server:
        c = server.client()
        reply = c.command("RPUSH", "l", "v")
        if isinstance(reply, ReplyError) and "unknown command" in reply:
            raise Skip("no other type than string yet")
        is_error(c.command("DELIFEQ", "l", "v"), "WRONGTYPE")
        is_error(c.command("SET", "l", "v", "IFEQ", "v"), "WRONGTYPE")
        eq(c.command("TYPE", "l"), "list")


def test_msetex_sets_all():
    with start() as server:
        c = server.client()
        eq(c.command("MSETEX", 2, "a", "1", "b", "2"), 1)
        eq(c.command("MGET", "a", "b"), [b"1", b"2"])
        eq(c.command("TTL", "a"), -1)
        eq(c.command("MSETEX", 2, "a", "3", "b", "4", "EX", 100000), 1)
        eq(far_ttl(c, "a") and far_ttl(c, "b"), True)
        eq(c.command("MSETEX", 1, "a", "5", "KEEPTTL"), 1)
        eq(far_ttl(c, "a"), True)
        eq(c.command("MSETEX", 1, "a", "6"), 1)
        eq(c.command("TTL", "a"), -1, "the expiry goes unless it is kept")
        eq(c.command("MSETEX", 1, "a", "6", "px", 100000000), 1)
        eq(far_ttl(c, "a"), True)
        eq(c.command("MSETEX", 1, "a", "7", "EXAT", 1 << 32), 1)
        eq(c.command("EXPIRETIME", "a"), 1 << 32)
        eq(c.command("MSETEX", 1, "a", "8", "PXAT", 5000000000123), 1)
        eq(c.command("PEXPIRETIME", "a"), 5000000000123)
        eq(c.command("MSETEX", 3, "x", "1", "x", "2", "x", "3"), 1)
        eq(c.command("GET", "x"), b"3", "the last of equal keys counts")


def test_msetex_conditions():
    """NX: none may exist; XX: all must; else nothing is changed."""
    with start() as server:
        c = server.client()
        eq(c.command("MSETEX", 2, "a", "1", "b", "2", "XX"), 0)
        eq(c.command("EXISTS", "a", "b"), 0)
        eq(c.command("MSETEX", 2, "a", "1", "b", "2", "NX", "EX", 100000), 1)
        eq(c.command("MSETEX", 2, "b", "9", "c", "9", "NX"), 0)
        eq(c.command("MGET", "a", "b", "c"), [b"1", b"2", None])
        eq(c.command("MSETEX", 2, "b", "9", "c", "9", "XX"), 0)
        eq(c.command("MGET", "a", "b", "c"), [b"1", b"2", None])
        eq(c.command("MSETEX", 2, "a", "5", "b", "6", "KEEPTTL", "XX"), 1)
        eq(c.command("MGET", "a", "b"), [b"5", b"6"])
        eq(far_ttl(c, "a"), True)


def test_msetex_errors():
    with start() as server:
        c = server.client()
        for wrong in (
            (0, "a", "1"),
            (-1, "a", "1"),
            ("x", "a", "1"),
            (2, "a", "1"),
            (2, "a", "1", "b"),
            (1, "a", "1", "b", "2"),
            (1, "a", "1", "NX", "XX"),
            (1, "a", "1", "EX"),
            (1, "a", "1", "EX", "0"),
            (1, "a", "1", "EX", "-5"),
            (1, "a", "1", "EX", "x"),
            (1, "a", "1", "EX", "10", "PX", "10"),
            (1, "a", "1", "EX", "10", "KEEPTTL"),
            (1, "a", "1", "GET"),
            (1, "a", "1", "EX", "9223372036854775807"),
            (9223372036854775807, "a", "1"),
            (4611686018427387904, "a", "1"),
            (2147483648, "a", "1"),
            ("99999999999999999999", "a", "1"),
        ):
            is_error(c.command("MSETEX", *wrong))
        for few in ((), (1,), (1, "a")):
            is_error(
                c.command("MSETEX", *few), text="wrong number of arguments for 'msetex' command"
            )
        eq(c.command("DBSIZE"), 0)
