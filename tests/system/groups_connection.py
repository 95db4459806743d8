"""Generators for the commands of group connection, and unknown commands.

Commands that silence, pause or end a connection are not here but in
test_differential_connection.py, one by one.
"""
from differential import Step, client_info, generator, hello, help_text, same_kind, unordered_deep


@generator("connection", 4)
def ping(g):
    return Step(b"PING", *([g.value()] if g.chance(0.5) else []))


@generator("connection", 3)
def echo(g):
    return Step(b"ECHO", g.value())


@generator("connection", 2)
def select(g):
    return Step(
        b"SELECT",
        g.pick(
            b"0", b"1", b"15", b"16", b"-1", b"x", b"", b" 1", b"9999999999999999999", b"2147483648"
        ),
    )


@generator("connection", 3)
def hello_(g):
    """One option at most, or two that succeed: since 7.2 nothing is done before all is parsed."""
    version = g.pick(
        b"2", b"3", b"3", b"1", b"4", b"x", b"", b"3.0", b"-1", b"99999999999999999999"
    )
    options = g.pick(
        [],
        [],
        [b"SETNAME", name(g)],
        [b"AUTH", b"default", b""],
        [b"AUTH", b"default", b"pw"],
        [b"AUTH", b"nobody", b"pw"],
        [b"AUTH", b"default"],
        [b"AUTH"],
        [b"NOPE"],
        [b"SETNAME"],
        [b"AUTH", b"default", b"pw", b"SETNAME", b"me"],
        [b"SETNAME", b"me", b"AUTH", b"default", b"pw"],
    )
    if g.chance(0.15):
        return Step(b"HELLO", compare=hello, fixed=True)
    return Step(
        b"HELLO", version, *map(g.case, options[:1]), *options[1:], compare=hello, fixed=True
    )


@generator("connection", 2)
def auth(g):
    return Step(b"AUTH", *g.some([b"default", b"nobody", b"", b"pw", b"x" * 100], 1, 3))


@generator("connection", 1)
def reset(g):
    return Step(b"RESET")


def name(g):
    return g.pick(
        b"me", b"", b"a b", b"tab\t", b"\xff", b"~!@#", b"new\nline", b"x" * 200, b"\x7f", b"!"
    )


@generator("connection", 3)
def client_name(g):
    if g.chance(0.5):
        return Step(b"CLIENT", g.case(b"GETNAME"))
    return Step(b"CLIENT", g.case(b"SETNAME"), name(g))


@generator("connection", 2)
def client_id(g):
    return Step(b"CLIENT", b"ID", compare=same_kind, fixed=True)


@generator("connection", 2)
def client_info_(g):
    return Step(b"CLIENT", g.case(b"INFO"), compare=client_info, fixed=True)


@generator("connection", 2)
def client_list(g):
    """Lists that are empty or wrong; our own line is compared by CLIENT INFO."""
    return Step(
        b"CLIENT",
        b"LIST",
        *g.pick(
            [b"ID", b"99999999"],
            [b"ID", b"99999999", b"99999998"],
            [b"ID"],
            [b"ID", b"x"],
            [b"ID", b"0"],
            [b"TYPE", b"pubsub"],
            [b"TYPE", b"replica"],
            [b"TYPE", b"slave"],
            [b"TYPE", b"nope"],
            [b"TYPE"],
            [b"NOPE"],
            [b"NOPE", b"x"],
            [b"TYPE", b"master"],
            [b"type", b"PubSub"],
        ),
        fixed=True
    )


@generator("connection", 2)
def client_kill(g):
    """Kills that meet nobody."""
    return Step(
        b"CLIENT",
        b"KILL",
        *g.pick(
            [b"127.0.0.1:1"],
            [b"ID", b"99999999"],
            [b"ID", b"0"],
            [b"ID", b"x"],
            [b"ID", b"-1"],
            [b"ADDR", b"127.0.0.1:1"],
            [b"LADDR", b"127.0.0.1:1"],
            [b"TYPE", b"pubsub"],
            [b"TYPE", b"nope"],
            [b"USER", b"nobody"],
            [b"SKIPME", b"maybe"],
            [b"ID", b"99999999", b"SKIPME", b"no"],
            [b"NOPE", b"x"],
            [b"ID"],
            [],
            [b"TYPE", b"pubsub", b"ADDR"],
        ),
        fixed=True
    )


@generator("connection", 2)
def client_modes(g):
    what, options = g.rng.choice(
        [
            (b"NO-EVICT", [b"on", b"off", b"ON", b"x"]),
            (b"GETREDIR", []),
            (b"UNBLOCK", [b"99999999", b"x", b"-1"]),
        ]
    )
    args = [b"CLIENT", g.case(what)] + ([g.rng.choice(options)] if options else [])
    if what == b"UNBLOCK" and g.chance(0.5):
        args.append(g.pick(b"TIMEOUT", b"ERROR", b"x", b"error"))
    return Step(*args)


@generator("connection", 1)
def client_other(g):
    """Never mutated: a number could make a PAUSE of hours."""
    if g.chance(0.1):
        return Step(b"CLIENT", b"HELP", compare=help_text, fixed=True)
    return Step(
        b"CLIENT",
        *g.pick(
            [],
            [b"NOPE"],
            [b"NOPE", b"x"],
            [b"ID", b"x"],
            [b""],
            [b"PAUSE", b"x"],
            [b"PAUSE", b"-1"],
            [b"PAUSE"],
            [b"UNPAUSE"],
            [b"REPLY", b"x"],
            [b"REPLY"],
            [b"REPLY", b"on"],
        ),
        fixed=True
    )


@generator("connection", 3)
def unknown(g):
    """Names that are no commands; their arguments are quoted in the error, up to a bound."""
    word = g.pick(
        b"NOPE",
        b"nope",
        b"",
        b"GE",
        b"GETT",
        b"get ",
        b"a\r\nb",
        b"x" * 127,
        b"y" * 128,
        b"z" * 300,
        b"\xff\xfe",
        b"client|id",
        b"object|encoding",
        b"'quoted'",
        b"per%cent%s",
    )
    return Step(
        word,
        *[
            g.short_value() if g.chance(0.7) else b"w" * g.pick(100, 127, 128, 129, 300)
            for _ in range(g.rng.randrange(0, 6))
        ],
        fixed=True
    )


# --- client-side caching, a group of its own ------------------------------------------------------


@generator("tracking", 3)
def client_tracking(g):
    """Modes switched on and off; nothing is read, so nothing is ever invalidated."""
    args = [b"CLIENT", b"TRACKING", g.pick(b"on", b"on", b"off", b"x")]
    for _ in range(g.rng.choice([0, 1, 1, 2])):
        args += g.pick(
            [b"BCAST"],
            [b"OPTIN"],
            [b"OPTOUT"],
            [b"NOLOOP"],
            [b"PREFIX", b"a"],
            [b"PREFIX", b"ab"],
            [b"PREFIX", b"b"],
            [b"REDIRECT", b"99999999"],
            [b"REDIRECT", b"x"],
            [b"REDIRECT"],
            [b"NOPE"],
        )
    return [Step(*args), Step(b"CLIENT", b"TRACKINGINFO", compare=unordered_deep, fixed=True)]


@generator("tracking", 1)
def client_caching(g):
    return Step(b"CLIENT", g.case(b"CACHING"), *g.some([b"yes", b"no", b"x"], 0, 2))
