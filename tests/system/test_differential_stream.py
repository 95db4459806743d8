"""Commands of group stream against redis-server: random streams of commands with nodes of the usual
and of small sizes, the bounds of ids, and streams passed between the two servers by DUMP and
RESTORE, RDB files and logs.
"""
import differential
import groups_stream
from differential import ARGS, Step

DEBUG = (*ARGS, "--enable-debug-command", "yes")
SMALL_NODES = (*DEBUG, "--stream-node-max-entries", "4")
TINY_NODES = (*DEBUG, "--stream-node-max-bytes", "60")


def test_random_resp2():
    differential.run(["stream"], 2, args=DEBUG)


def test_random_resp3():
    differential.run(["stream"], 3, args=DEBUG, commands=10000)


def test_random_small_nodes():
    differential.run(["stream"], 2, args=SMALL_NODES, commands=12000)


def test_random_tiny_nodes():
    differential.run(["stream"], 3, args=TINY_NODES, commands=8000)


def test_random_counts():
    differential.run(["streamcount"], 2, args=SMALL_NODES, commands=6000)


IDS = (
    "0", "0-0", "0-1", "1-1", "1", "1-", "-", "+", "$", ">", "*", "(", "(1-1", "(0-0", "((1-1",
    "1-*", "(-", "(+", "-1", "1--1", "1-1-1", " 1", "1 ", "+1", "01-01", "x", "1-x", "",
    "9223372036854775807", "9223372036854775808-9223372036854775808", "18446744073709551615",
    "18446744073709551616",
    "18446744073709551615-0", "18446744073709551615-18446744073709551615", "99999999999999999999",
    "(18446744073709551615-18446744073709551615", "18446744073709551615-*", "0-*", "1" * 130,
)  # fmt: skip
LAST_ID = "18446744073709551615-18446744073709551615"
NOW = ("*",)  # made from the clock


def stream_of(*ids):
    return [
        Step("DEL", "s"),
        *[Step("XADD", "s", i, "f", "v") for i in ids],
        Step("XGROUP", "CREATE", "s", "g", "0"),
        Step("XREADGROUP", "GROUP", "g", "c", "COUNT", 2, "STREAMS", "s", ">"),
    ]


def test_every_id_everywhere():
    """Each command with each form of id, on streams whose entries are at the bounds."""
    cases = []
    for stream in (("0-1", "1-1", "1-2"), ("1-1", "18446744073709551615-0", LAST_ID), ()):
        for one in IDS:
            looks = [
                ("XRANGE", "s", one, "+"),
                ("XRANGE", "s", "-", one),
                ("XREVRANGE", "s", one, "0"),
                ("XREVRANGE", "s", "+", one, "COUNT", 2),
                ("XPENDING", "s", "g", one, "+", 5),
                ("XPENDING", "s", "g", "-", one, 5, "c"),
                ("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", one),
                ("XACK", "s", "g", one),
                ("XCLAIM", "s", "g", "c", 0, one, "FORCE", "JUSTID"),
                ("XCLAIM", "s", "g", "c", 0, "1-1", "LASTID", one),
                ("XAUTOCLAIM", "s", "g", "c", 0, one, "COUNT", 1),
                ("XGROUP", "SETID", "s", "g", one),
                ("XGROUP", "CREATE", "s", "h", one),
                ("XTRIM", "s", "MINID", one),
                ("XDEL", "s", one),
            ]
            if one == "+":  # which is an id to read from 7.4 on
                looks = [look for look in looks if look[0] != "XREADGROUP"]
            else:
                looks.append(("XREAD", "STREAMS", "s", one))
            if one not in NOW:
                looks.append(("XADD", "s", one, "f", "v"))
            for look in looks:
                compare = groups_stream.pending if look[0] == "XPENDING" else differential.exact
                cases.append([*stream_of(*stream), Step(*look, compare=compare)])
    differential.run_cases(cases, 2, args=DEBUG, at_once=100)


def test_every_arity():
    """Each command with fewer arguments than it needs, and some more."""
    whole = (
        "XADD s NOMKSTREAM MAXLEN ~ 5 LIMIT 5 1-1 f v", "XLEN s", "XRANGE s - + COUNT 1",
        "XREVRANGE s + - COUNT 1", "XREAD COUNT 1 BLOCK 1 STREAMS s 0", "XDEL s 1-1 2-1",
        "XTRIM s MINID = 1-1 LIMIT 1", "XSETID s 5-5 ENTRIESADDED 5 MAXDELETEDID 1-1",
        "XGROUP CREATE s g 0 MKSTREAM ENTRIESREAD 1", "XGROUP SETID s g 0 ENTRIESREAD 1",
        "XGROUP CREATECONSUMER s g c", "XGROUP DELCONSUMER s g c", "XGROUP DESTROY s g",
        "XREADGROUP GROUP g c COUNT 1 BLOCK 1 NOACK STREAMS s >", "XACK s g 1-1 2-1",
        "XPENDING s g IDLE 1 - + 5 c", "XCLAIM s g c 0 1-1 IDLE 1 RETRYCOUNT 1 FORCE JUSTID",
        "XAUTOCLAIM s g c 0 - COUNT 1 JUSTID", "XINFO STREAM s FULL COUNT 1", "XINFO GROUPS s",
        "XINFO CONSUMERS s g",
    )  # fmt: skip
    cases = []
    for key in ("s", "none", "string"):
        for line in whole:
            words = [key if word == "s" else word for word in line.split()]
            for count in range(1, len(words) + 2):
                args = words[:count] if count <= len(words) else [*words, "extra"]
                compare = differential.exact
                if args[0] in ("XINFO", "XREAD", "XREADGROUP", "XPENDING"):
                    name = {"XINFO": "info", "XPENDING": "pending"}
                    compare = getattr(groups_stream, name.get(args[0], "unbalanced"))
                made = [] if key == "none" else stream_of("1-1", "2-1", "3-1")
                cases.append([*made, Step("SET", "string", "v"), Step(*args, compare=compare)])
    differential.run_cases(cases, 3, args=DEBUG, at_once=50)
