"""Generators for the commands of group bitmap."""
from differential import Step, encoding, exact, generator


def bit_offset(g):
    roll = g.rng.random()
    if roll < 0.8:
        return b"%d" % g.rng.randrange(0, 140)
    if roll < 0.9:
        return b"%d" % g.pick(
            0, 7, 8, 511, 512, 4095, 4096, 65535, 100000, 8388608, 8388609, 1 << 32
        )
    text = g.integer_text()
    return b"77" if text.isdigit() and 100000 < int(text) < 8388608 else text


@generator("bitmap", 6)
def setbit(g):
    return Step(
        b"SETBIT",
        g.key(),
        bit_offset(g),
        g.pick(b"0", b"1", b"1", b"1", b"2", b"-1", b"x", b"01", b""),
    )


@generator("bitmap", 0.1)
def setbit_at_the_bound(g):
    """The last bit a value may have, and the first it may not; the large value goes at once."""
    key = g.key()
    return [
        Step(b"SETBIT", key, b"8388607", b"1", fixed=True),
        Step(b"STRLEN", key, fixed=True),
        Step(b"SETBIT", key, b"8388608", b"1", fixed=True),
        Step(b"BITPOS", key, b"1", fixed=True),
        Step(b"BITCOUNT", key, fixed=True),
        Step(b"DEL", key, fixed=True),
    ]


@generator("bitmap", 5)
def getbit(g):
    return Step(b"GETBIT", g.key(), bit_offset(g))


def span(g):
    roll = g.rng.random()
    if roll < 0.8:
        return b"%d" % g.rng.randrange(-20, 24)
    if roll < 0.9:
        return b"%d" % g.pick(-4096, -513, -512, -136, 127, 128, 511, 512, 513, 4096, 560000)
    return g.integer_text()


WRONG_ARGUMENT = (b"-ERR syntax error\r\n", b"-ERR value is not an integer or out of range\r\n")


def ranged(want, got, notes):
    """Arguments are looked at before the key, as from 7.2 on, and an end may be left out."""
    if got in WRONG_ARGUMENT and (want[:1] == b":" or want.startswith(b"-WRONGTYPE")):
        return None
    if want == WRONG_ARGUMENT[0] and (got[:1] == b":" or got in WRONG_ARGUMENT):
        return None
    return exact(want, got, notes)


@generator("bitmap", 6)
def bitcount(g):
    args = [b"BITCOUNT", g.key()]
    if g.chance(0.85):
        args += [span(g), span(g)]
        if g.chance(0.6):
            args.append(g.case(g.pick(b"BYTE", b"BIT", b"BIT", b"BITS")))
    return Step(*args, compare=ranged)


@generator("bitmap", 6)
def bitpos(g):
    args = [b"BITPOS", g.key(), g.pick(b"0", b"1", b"0", b"1", b"2", b"-1", b"x")]
    count = g.rng.randrange(0, 3)
    args += [span(g) for _ in range(count)]
    if g.chance(0.5):
        args.append(g.case(g.pick(b"BYTE", b"BIT", b"BIT", b"nosuch")))
    return Step(*args, compare=ranged)


@generator("bitmap", 3)
def runs_of_ones(g):
    """Values for BITPOS and BITCOUNT that are all ones or all zeros but for an end."""
    length = g.pick(0, 1, 7, 8, 9, 15, 16, 31, 32, 33, 63, 64, 65, 130)
    value = bytearray(g.pick(b"\xff", b"\0") * length)
    if length and g.chance(0.7):
        value[g.pick(0, length - 1, length // 2)] ^= 1 << g.rng.randrange(8)
    return Step(b"SET", g.key(), bytes(value), fixed=True)


@generator("bitmap", 5)
def bitop(g):
    operation = g.case(g.pick(b"AND", b"OR", b"XOR", b"NOT", b"NOT", b"NAND"))
    low, high = (1, 1) if operation.upper() == b"NOT" and g.chance(0.8) else (1, 5)
    target = g.key()
    steps = [Step(b"BITOP", operation, target, *g.key_list(low, high))]
    if g.chance(0.3):
        steps += [Step(b"OBJECT", b"ENCODING", target, compare=encoding), Step(b"STRLEN", target)]
    return steps


def field_type(g):
    if g.chance(0.06):
        return g.pick(
            b"u64",
            b"i65",
            b"u0",
            b"i0",
            b"x8",
            b"u",
            b"i",
            b"",
            b"u-1",
            b"i08",
            b"U8",
            b"u8x",
            b"i 8",
        )
    return g.pick(b"u%d", b"i%d") % g.pick(
        1, 2, 3, 5, 7, 8, 9, 12, 15, 16, 31, 32, 33, 47, 62, 63, g.rng.randrange(1, 64)
    )


def field_offset(g):
    roll = g.rng.random()
    if roll < 0.6:
        return b"%d" % g.rng.randrange(0, 200)
    if roll < 0.85:
        return b"#%d" % g.rng.randrange(0, 12)
    return g.pick(
        b"-1",
        b"#-1",
        b"#",
        b"",
        b"x",
        b"#x",
        b"8388608",
        b"8388600",
        b"#1048576",
        b"#9223372036854775807",
        b"9223372036854775807",
        b"18446744073709551616",
        b"4294967296",
    )


def field_value(g):
    if g.chance(0.7):
        return b"%d" % g.pick(
            0,
            1,
            -1,
            127,
            128,
            255,
            256,
            -128,
            -129,
            32767,
            65535,
            2147483647,
            4294967295,
            (1 << 63) - 1,
            -(1 << 63),
            g.rng.randrange(-1000, 1000),
        )
    return g.integer_text()


@generator("bitmap", 8)
def bitfield(g):
    args = [b"BITFIELD", g.key()]
    for _ in range(g.rng.randrange(0, 6)):
        roll = g.rng.random()
        if roll < 0.3:
            args += [g.case(b"GET"), field_type(g), field_offset(g)]
        elif roll < 0.55:
            args += [g.case(b"SET"), field_type(g), field_offset(g), field_value(g)]
        elif roll < 0.8:
            args += [g.case(b"INCRBY"), field_type(g), field_offset(g), field_value(g)]
        else:
            args += [
                g.case(b"OVERFLOW"),
                g.case(g.pick(b"WRAP", b"SAT", b"FAIL", b"FAIL", b"NONE")),
            ]
    return Step(*args)


@generator("bitmap", 3)
def bitfield_overflow(g):
    """One field counted beyond its bounds in each way."""
    key, kind, offset = g.key(), field_type(g), b"%d" % g.rng.randrange(0, 40)
    args = [b"BITFIELD", key]
    for _ in range(4):
        args += [
            b"OVERFLOW",
            g.pick(b"WRAP", b"SAT", b"FAIL"),
            b"INCRBY",
            kind,
            offset,
            field_value(g),
        ]
    return [Step(*args), Step(b"BITFIELD", key, b"GET", kind, offset)]


@generator("bitmap", 2)
def bitfield_ro(g):
    args = [b"BITFIELD_RO", g.key()]
    for _ in range(g.rng.randrange(0, 4)):
        if g.chance(0.9):
            args += [g.case(b"GET"), field_type(g), field_offset(g)]
        else:
            args += g.pick(
                [b"SET", b"u8", b"0", b"1"], [b"OVERFLOW", b"SAT"], [b"INCRBY", b"u8", b"0", b"1"]
            )
    return Step(*args)


@generator("bitmap", 2)
def look(g):
    return Step(g.pick(b"GET", b"STRLEN", b"DEL"), g.key())
