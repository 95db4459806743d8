"""Generators for the commands of group stream.

Ids are given, never made from the clock, so that both servers come to the same. Replies with times
in them are compared without. What redis-server counts otherwise from 7.2 on is left out as well:
how far a group is (entries-read, lag) once entries were deleted or trimmed; group streamcount
compares that where none are.
"""
from differential import Step, digest_value, exact, generator
from harness import decode

LAST = b"18446744073709551615"
GROUPS = (b"g",) * 8 + (b"h", b"h", b"")
CONSUMERS = (b"c1", b"c1", b"c2", b"c3", b"")
FIELDS = (b"f", b"f", b"g", b"temperature", b"", b"1")
TOLERANCE_MS = 20000


# --- comparing ------------------------------------------------------------------------------------


def _pairs(value):
    """A map of either dialect as a dict, or None."""
    if isinstance(value, dict):
        return dict(value)
    if isinstance(value, list) and len(value) >= 6 and len(value) % 2 == 0:
        names = value[::2]
        if all(isinstance(name, bytes) for name in names) and names[0] in (b"name", b"length"):
            return dict(zip(names, value[1::2]))
    return None


TIMES = (b"idle", b"seen-time")
OTHERWISE = (b"radix-tree-keys", b"radix-tree-nodes", b"inactive", b"active-time")
COUNTS = (b"entries-read", b"lag")


def _info(value, left_out):
    """A reply of XINFO without what may differ; times of pending entries are rounded away."""
    fields = _pairs(value)
    if fields is not None:
        return {
            name: _info(_pending(inner) if name == b"pending" else inner, left_out)
            for name, inner in fields.items()
            if name not in left_out
        }
    return [_info(inner, left_out) for inner in value] if isinstance(value, list) else value


def _pending(value):
    """XINFO's pending entries: [id, consumer, time, count] or [id, time, count]."""
    if not isinstance(value, list):
        return value
    return [entry[:-2] + [round_time(entry[-2]), entry[-1]] for entry in value]


def round_time(time):
    """Times are long ago, or of the test: only that is compared."""
    return "long ago" if time < 1 << 40 else "now"


def _compare_info(left_out):
    def compare(want, got, notes):
        if want == got:
            return None
        if want[:1] != got[:1] or want[:1] == b"-":
            return "replies differ"
        a, b = (_info(decode(reply), left_out) for reply in (want, got))
        return None if a == b else "replies differ"

    return compare


def unbalanced(want, got, notes):
    """An odd number of keys and ids: the text names the command from 7.2 on."""
    if want.startswith(b"-ERR Unbalanced XREAD list") and got.startswith(b"-ERR Unbalanced 'xread"):
        return None
    return exact(want, got, notes)


info = _compare_info(TIMES + OTHERWISE + COUNTS)
info_with_counts = _compare_info(TIMES + OTHERWISE)


def pending(want, got, notes):
    """XPENDING with a range: the same entries, about equally idle."""
    if want == got:
        return None
    if want[:1] != got[:1] or want[:1] == b"-":
        return "replies differ"
    a, b = decode(want), decode(got)
    if len(a) != len(b):
        return "lengths differ"
    for one, other in zip(a, b):
        if not isinstance(one, list) or len(one) != 4 or one[:2] + one[3:] != other[:2] + other[3:]:
            return "entries differ"
        if abs(one[2] - other[2]) > TOLERANCE_MS:
            return "idle times differ"
    return None


# --- arguments ------------------------------------------------------------------------------------


def stream(g):
    """Mostly one of two keys that hold nothing else, so that groups meet what they read."""
    return g.pick(b"s0", b"s0", b"s0", b"s1") if g.chance(0.9) else g.key()


def next_id(g):
    """An id above most that were used before in this batch."""
    if g.chance(0.3):
        g.stream_seq = getattr(g, "stream_seq", 0) + 1
    else:
        g.stream_ms = getattr(g, "stream_ms", 0) + g.pick(1, 1, 2, 300)
        g.stream_seq = g.pick(0, 0, 1, 300)
    made = b"%d-%d" % (getattr(g, "stream_ms", 0), g.stream_seq)
    g.stream_ids = [*getattr(g, "stream_ids", [])[-40:], made]
    return made


def odd_id(g):
    return g.pick(
        b"0", b"0-0", b"0-1", b"1", b"5-", b"-", b"+", b"$", b">", b"(", b"", b"x", b"1-x",
        b"1-1-1", b"01-002", b" 7", b"+7", b"-7", b"7--3", b"7-+3", b"7- 3", LAST,
        LAST + b"-" + LAST, LAST + b"-0", b"0-" + LAST, b"18446744073709551616",
        b"9223372036854775808-1", b"1\0002",
        b"5-*", b"*-5", b"1" * 127, b"1" * 128, b"7-*x",
    )  # fmt: skip


def old_id(g):
    """Mostly one that was used."""
    if g.chance(0.03):
        return odd_id(g)
    if g.chance(0.8) and hasattr(g, "stream_ids"):
        return g.pick(*g.stream_ids)
    ms = g.rng.randint(0, getattr(g, "stream_ms", 0) + 2)
    seq = g.pick(0, 0, 1, 2, 300)
    return b"%d-%d" % (ms, seq) if g.chance(0.8) else b"%d" % ms


def start(g, infinite):
    roll = g.rng.random()
    if roll < 0.4:
        return infinite
    return b"(" + old_id(g) if roll < 0.55 else old_id(g)


def count(g):
    return [g.case(b"COUNT"), g.small(0, 6)]


def value(g):
    if g.chance(0.85):
        return g.pick(b"v", b"1", b"-5", b"", b"300", b"70000", b"9223372036854775807", b"text")
    return g.value()


def pairs(g):
    n = g.pick(1, 1, 1, 2, 3)
    fields = [g.pick(*FIELDS) for _ in range(n)] if g.chance(0.4) else list(FIELDS[1 : n + 1])
    args = [part for field in fields for part in (field, value(g))]
    if g.chance(0.02):
        args.pop()
    return args


def trimming(g):
    by_id = g.chance(0.4)
    args = [g.case(b"MINID" if by_id else b"MAXLEN")]
    if g.chance(0.6):
        args.append(g.pick(b"~", b"=", b"="))
    args.append(old_id(g) if by_id else g.small(0, 60))
    if g.chance(0.15):
        args += [g.case(b"LIMIT"), g.small(0, 8)]
    if g.chance(0.02):
        args += [b"MAXLEN", b"3"]
    return args


def group(g):
    return g.pick(*GROUPS) if g.chance(0.98) else b"none"


def consumer(g):
    return g.pick(*CONSUMERS)


# --- entries --------------------------------------------------------------------------------------


@generator("stream", 22)
def xadd(g):
    args = []
    if g.chance(0.1):
        args.append(g.case(b"NOMKSTREAM"))
    if g.chance(0.25):
        args += trimming(g)
    if g.chance(0.1):
        given = b"%d-*" % (getattr(g, "stream_ms", 0) + g.pick(0, 0, 1))
    else:
        given = next_id(g) if g.chance(0.97) else odd_id(g)
    return Step(b"XADD", stream(g), *args, given, *pairs(g))


@generator("stream", 0.5)
def xadd_many(g):
    """Past the limits of a node."""
    key, fields = stream(g), pairs(g)
    fields = fields[: len(fields) // 2 * 2] or [b"f", b"v"]
    if g.chance(0.2):
        fields[1] = b"x" * g.pick(100, 1000, 2000, 4070, 5000)
    return [Step(b"XADD", key, next_id(g), *fields, fixed=True) for _ in range(g.pick(5, 20, 110))]


@generator("stream", 4)
def xtrim(g):
    return Step(b"XTRIM", stream(g), *trimming(g))


@generator("stream", 6)
def xdel(g):
    return Step(b"XDEL", stream(g), *[old_id(g) for _ in range(g.pick(1, 1, 2, 3, 8))])


@generator("stream", 10)
def xrange(g):
    bounds = [start(g, b"-"), start(g, b"+")]
    name = g.pick(b"XRANGE", b"XREVRANGE")
    if (name == b"XREVRANGE") != g.chance(0.05):
        bounds.reverse()
    return Step(name, stream(g), *bounds, *(count(g) if g.chance(0.4) else []))


@generator("stream", 2)
def xlen(g):
    return Step(b"XLEN", stream(g))


@generator("stream", 2)
def xsetid(g):
    """Never below what was deleted, which is an error from 7.2 on; and never with a count that the
    next entries would bring beyond 64 bits, where it turns negative in 7.0.
    """
    args = [next_id(g)]
    if g.chance(0.3):
        added = g.small(0, 400)
        args += [g.case(b"ENTRIESADDED"), b"400" if len(added) > 18 else added]
    if g.chance(0.3):
        args += [g.case(b"MAXDELETEDID"), old_id(g)]
    return Step(b"XSETID", stream(g), *args, fixed=True)


def sources(g, ids):
    """Sometimes one id too few. "+" is an id to read from 7.4 on."""
    keys = [stream(g) for _ in range(g.pick(1, 1, 1, 2, 3))]
    args = [*keys, *[ids(g).replace(b"+", b"0", 1) for _ in keys]]
    if g.chance(0.02):
        args.pop()
    return [g.case(b"STREAMS"), *args]


@generator("stream", 6)
def xread(g):
    args = count(g) if g.chance(0.4) else []
    blocks = g.chance(0.1)
    if blocks:
        args += [g.case(b"BLOCK"), b"1"]
    if g.chance(0.02):
        args += [b"GROUP", b"g", b"c1"]

    def some_id(g):
        return g.pick(b"$", b">", b"0") if g.chance(0.3) else old_id(g)

    return Step(b"XREAD", *args, *sources(g, some_id), compare=unbalanced, fixed=blocks)


# --- groups ---------------------------------------------------------------------------------------


@generator("stream", 6)
def xgroup_create(g):
    args = [g.pick(b"$", b"0", b"0", b"0", old_id(g))]
    if g.chance(0.3):
        args.append(g.case(b"MKSTREAM"))
    if g.chance(0.2):
        args += [g.case(b"ENTRIESREAD"), g.small(-1, 10)]
    return Step(b"XGROUP", g.case(b"CREATE"), stream(g), group(g), *args)


@generator("stream", 8)
def xgroup_anew(g):
    return Step(b"XGROUP", b"CREATE", stream(g), group(g), b"0", b"MKSTREAM", fixed=True)


@generator("stream", 4)
def xgroup(g):
    name = g.pick(*[b"SETID", b"CREATECONSUMER"] * 4, b"DELCONSUMER", b"DESTROY")
    args = []
    if name == b"SETID":
        args = [g.pick(b"$", b"-", b"+", b"0", old_id(g))]
        if g.chance(0.3):
            args += [g.case(b"ENTRIESREAD"), g.small(-1, 10)]
    elif name != b"DESTROY":
        args = [consumer(g)]
    return Step(b"XGROUP", g.case(name), stream(g), group(g), *args)


@generator("stream", 18)
def xreadgroup(g):
    """Makes the consumer first, who is there from 7.2 on even if nothing was read; so nothing is
    mutated either.
    """
    name, who = group(g), consumer(g)
    args = [g.case(b"GROUP"), name, who]
    if g.chance(0.5):
        args += count(g)
    if g.chance(0.1):
        args.append(g.case(b"NOACK"))
    blocks = g.chance(0.1)
    if blocks:
        args += [g.case(b"BLOCK"), b"1"]

    def some_id(g):
        if g.chance(0.75):
            return b">"
        return g.pick(b"0", b"$", old_id(g))

    args += sources(g, some_id)
    keys = args[[arg.upper() for arg in args].index(b"STREAMS") + 1 :]
    return [
        *[Step(b"XGROUP", b"CREATECONSUMER", key, name, who, fixed=True) for key in keys],
        Step(b"XREADGROUP", *args, compare=unbalanced, fixed=True),
    ]


@generator("stream", 6)
def xack(g):
    return Step(b"XACK", stream(g), group(g), *[old_id(g) for _ in range(g.pick(1, 2, 10, 30))])


@generator("stream", 6)
def xpending(g):
    if g.chance(0.4):
        return Step(b"XPENDING", stream(g), group(g))
    args = [g.case(b"IDLE"), g.pick(b"0", b"500000", b"x")] if g.chance(0.3) else []
    args += [start(g, b"-"), start(g, b"+"), g.small(0, 20)]
    args += [consumer(g)] if g.chance(0.4) else []
    return Step(b"XPENDING", stream(g), group(g), *args, compare=pending)


def idle(g):
    return g.pick(b"0", b"0", b"-5", b"500000")


def claiming(g):
    """The consumer is made first, as for xreadgroup."""
    key, name, who = stream(g), group(g), consumer(g)
    return [Step(b"XGROUP", b"CREATECONSUMER", key, name, who, fixed=True)], [key, name, who]


@generator("stream", 8)
def xclaim(g):
    steps, args = claiming(g)
    args += [idle(g) if g.chance(0.97) else b"x"]
    args += [old_id(g) for _ in range(g.pick(1, 1, 3, 10, 40))]
    options = [
        [b"FORCE"], [b"JUSTID"], [b"IDLE", g.pick(b"0", b"1000000", b"x")],
        [b"TIME", g.pick(b"5", b"-1", b"1000", b"x", b"9223372036854775807")],
        [b"RETRYCOUNT", g.pick(b"0", b"7", b"-1", b"x", b"9223372036854775000")],
        [b"LASTID", old_id(g)], [b"FORCED"], [b"IDLE"],
    ]  # fmt: skip
    for option in g.some(options[: None if g.chance(0.1) else 6], 0, 3):
        args += [g.case(option[0]), *option[1:]]
    return [*steps, Step(b"XCLAIM", *args, fixed=True)]


@generator("stream", 5)
def xautoclaim(g):
    steps, args = claiming(g)
    args += [idle(g) if g.chance(0.97) else b"x", start(g, b"-")]
    if g.chance(0.6):
        args += [g.case(b"COUNT"), g.pick(b"1", b"1", b"2", b"3", b"10", b"0", b"-1", b"x")]
    if g.chance(0.4):
        args.append(g.case(b"JUSTID"))
    if g.chance(0.03):
        args.append(b"COUNT")
    return [*steps, Step(b"XAUTOCLAIM", *args, fixed=True)]


@generator("stream", 3)
def malformed(g):
    """Of a group that is not there, so that any mutation is an error."""
    args = g.pick(
        [b"XREADGROUP", b"GROUP", b"nosuch", b"c1", b"STREAMS", stream(g), b">"],
        [b"XREADGROUP", b"NOACK", b"GROUP", b"nosuch", b"c1", b"STREAMS", stream(g), b"0"],
        [b"XCLAIM", stream(g), b"nosuch", b"c1", b"0", b"1-1", b"RETRYCOUNT", b"1"],
        [b"XAUTOCLAIM", stream(g), b"nosuch", b"c1", b"0", b"-", b"COUNT", b"1"],
        [b"XSETID", b"nosuch", b"5-5", b"ENTRIESADDED", b"5", b"MAXDELETEDID", b"4"],
    )  # fmt: skip
    return Step(*args, compare=unbalanced)


# --- looking --------------------------------------------------------------------------------------


@generator("stream", 8)
def xinfo(g, compare=info):
    name = g.pick(b"STREAM", b"STREAM", b"FULL", b"GROUPS", b"CONSUMERS")
    if name == b"FULL":
        args = [b"STREAM", stream(g), g.case(b"FULL")] + (count(g) if g.chance(0.6) else [])
        return Step(b"XINFO", *args, compare=compare)
    args = [group(g)] if name == b"CONSUMERS" else []
    return Step(b"XINFO", g.case(name), stream(g), *args, compare=compare)


@generator("stream", 1)
def copy_and_rename(g):
    name = g.pick(b"COPY", b"RENAME", b"RENAMENX", b"DEL")
    args = [g.key()] if name == b"DEL" else [g.key(), g.key()]
    if name == b"COPY" and g.chance(0.5):
        args.append(b"REPLACE")
    return Step(name, *args)


@generator("stream", 2)
def digest(g):
    return digest_value(g.key())


@generator("stream", 1)
def keys_of(g):
    keys = g.key_list(1, 3)
    streams = [g.case(b"STREAMS"), *keys, *[old_id(g) for _ in keys]]
    args = [b"XREADGROUP", b"GROUP", g.pick(b"g", b"STREAMS"), b"c", *streams]
    args = g.pick(args, [b"XREAD", b"COUNT", b"1", *streams])
    return Step(b"COMMAND", b"GETKEYS", *args, fixed=True)


# --- how far groups are, where nothing is deleted -------------------------------------------------


@generator("streamcount", 20)
def count_xadd(g):
    return Step(b"XADD", stream(g), next_id(g), b"f", b"v", fixed=True)


@generator("streamcount", 6)
def count_group(g):
    args = [g.pick(b"$", b"0", old_id(g))]
    name = g.pick(b"CREATE", b"CREATE", b"SETID")
    return Step(b"XGROUP", name, stream(g), g.pick(b"g", b"h"), *args, fixed=True)


@generator("streamcount", 10)
def count_read(g):
    name, key = g.pick(b"g", b"h"), stream(g)
    args = [b"GROUP", name, b"c"] + (count(g) if g.chance(0.7) else [])
    args += [b"NOACK"] if g.chance(0.3) else []
    return [
        Step(b"XGROUP", b"CREATECONSUMER", key, name, b"c", fixed=True),
        Step(b"XREADGROUP", *args, b"STREAMS", key, b">", fixed=True),
    ]


@generator("streamcount", 10)
def count_info(g):
    name = g.pick(b"STREAM", b"GROUPS")
    return Step(b"XINFO", name, stream(g), compare=info_with_counts)
