"""SORT and SORT_RO against redis-server: random streams, limits, and what is logged."""
import itertools

import differential
import groups_sort  # noqa: F401  (registers its generators)
from differential import ARGS, Step
from harness import Server, eq, reference

DEBUG = (*ARGS, "--enable-debug-command", "yes")


def test_random_resp2():
    differential.run(["sort"], 2, args=DEBUG)


def test_random_resp3():
    differential.run(["sort"], 3, args=DEBUG, commands=10000)


def test_random_on_few_elements():
    """Other forms of the values."""
    forms = ("--zset-max-listpack-entries", "2", "--set-max-intset-entries", "8")
    forms += ("--list-max-listpack-size", "3", "--hash-max-listpack-entries", "0")
    differential.run(["sort"], 2, args=(*DEBUG, *forms), commands=10000)


def test_limits():
    bounds = (-9223372036854775808, -2, -1, 0, 1, 3, 5, 6, 7, 9223372036854775807)
    make = [
        Step("DEL", "l", "z", "s"),
        Step("RPUSH", "l", *"351426"),
        Step("ZADD", "z", *"1326354152 6".replace(" ", "4")),
        Step("SADD", "s", *"351426"),
    ]
    steps = list(make)
    for start, count in itertools.product(bounds, bounds):
        limit = ("LIMIT", start, count)
        for key, order in itertools.product("lzs", ((), ("DESC",))):
            steps.append(Step("SORT", key, *limit, *order))
            for store in ((), ("STORE", "t")) if key != "s" else ():
                steps.append(Step("SORT", key, "BY", "nosort", *limit, *order, *store))
        steps += [Step("LRANGE", "t", 0, -1), Step("SORT", "l", *limit, "STORE", "t")]
    differential.run_cases([steps + [Step("DEL", "z")]], 2, args=DEBUG)


def test_command_getkeys():
    cases = []
    for words in (
        ("SORT", "k"),
        ("SORT", "k", "STORE", "t"),
        ("SORT", "k", "store", "t", "STORE", "u"),
        ("SORT", "k", "BY", "STORE", "GET", "STORE", "LIMIT", "STORE", "STORE"),
        ("SORT", "k", "BY", "w_*", "GET", "store", "ALPHA", "STORE", "t"),
        ("SORT_RO", "k", "BY", "w_*", "GET", "#"),
    ):
        cases.append([Step("COMMAND", "GETKEYS", *words)])
    differential.run_cases(cases, 2, args=DEBUG)


def test_both_logs_bring_the_same_back():
    """Each server's log is loaded by the other."""
    args = ("--appendonly", "yes", "--appendfsync", "always", "--save", "")
    args += ("--enable-debug-command", "yes", "--aof-use-rdb-preamble", "no")
    commands = [
        ("RPUSH", "l", *"3142"),
        ("SADD", "s", *"abcdefgh"),
        *[("SET", f"w_{i}", 10 - i) for i in range(5)],
        *[("HSET", f"h_{c}", "f", ord(c)) for c in "abcdefgh"],
        ("SORT", "l", "BY", "w_*", "STORE", "l2"),
        ("SORT", "l", "BY", "w_*", "GET", "w_*", "GET", "#", "DESC", "STORE", "l3"),
        ("SORT", "s", "BY", "nosort", "STORE", "s2"),
        ("SORT", "s", "BY", "h_*->f", "GET", "h_*->f", "STORE", "s3"),
        ("SORT", "none", "STORE", "l3"),
    ]
    logs, digests = [], []
    with reference(*args) as redis, Server(*args) as server:
        for side in (redis, server):
            client = side.client()
            client.pipeline(commands)
            digests.append(client.must("DEBUG", "DIGEST"))
            with open(side.path("appendonlydir", "appendonly.aof.1.incr.aof"), "rb") as file:
                logs.append(file.read())
        eq(digests[1], digests[0])
        for side, log in zip((redis, server), reversed(logs)):
            client = side.client()
            client.must("FLUSHALL")
            client.exchange(log, log.count(b"\r\n*") + 1)
            eq(client.must("DEBUG", "DIGEST"), digests[0])
