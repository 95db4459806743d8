"""The random source of the differential tests: keys, values, numbers at their bounds, options,
mutations.
"""
from differential import Step, near

I64_MAX = (1 << 63) - 1
FAR = 1 << 32  # seconds: a time in 2106

# Makers of keys of types other than string, for meeting wrong types. Used as far as the subject has
# the type.
OTHER_TYPES = {
    "list": lambda key, rng: ("RPUSH", key, *[str(i) for i in range(rng.randrange(1, 5))]),
    "set": lambda key, rng: ("SADD", key, *[str(i) for i in range(rng.randrange(1, 5))]),
    "hash": lambda key, rng: ("HSET", key, "f", "v", "g", "5"),
    "zset": lambda key, rng: ("ZADD", key, "1", "a", "2.5", "b"),
    "stream": lambda key, rng: ("XADD", key, "1-1", "f", "v"),
}

INTEGERS = [
    0,
    1,
    -1,
    2,
    7,
    8,
    9,
    10,
    63,
    64,
    65,
    99,
    100,
    127,
    128,
    255,
    256,
    1000,
    9999,
    10000,
    32767,
    32768,
    65535,
    65536,
    2147483647,
    2147483648,
    -2147483648,
    -2147483649,
    4294967295,
    4294967296,
    I64_MAX - 1,
    I64_MAX,
    -I64_MAX,
    -I64_MAX - 1,
]
NOT_INTEGERS = [
    b"",
    b" ",
    b"x",
    b"1x",
    b" 1",
    b"1 ",
    b"+1",
    b"-",
    b"--1",
    b"-0",
    b"00",
    b"01",
    b"0x10",
    b"1.0",
    b"1.5",
    b"1e3",
    b"nan",
    b"inf",
    b"9223372036854775808",
    b"-9223372036854775809",
    b"18446744073709551615",
    b"18446744073709551616",
    b"99999999999999999999999",
    b"1\0",
    b"\xff",
]
FLOATS = [
    b"0",
    b"-0",
    b"0.0",
    b"1.5",
    b"-1.5",
    b"3.0e3",
    b"1e5",
    b"-1e-5",
    b"0.1",
    b"0.2",
    b"1e17",
    b"1e18",
    b"1e-17",
    b"123456789.987654321",
    b"1e300",
    b"-1e300",
    b"1e400",
    b"inf",
    b"-inf",
    b"+inf",
    b"infinity",
    b"nan",
    b"-nan",
    b"0x1p3",
    b".5",
    b"5.",
    b"+5",
    b"1e",
    b"1e+2",
    b"1_0",
    b"99999999999999999",
    b"0.000000000000001",
    b"3.14159265358979323846",
    b"1.7976931348623157e308",
    b"1e4932",
]


class Gen:
    """One batch's source. Attributes: rng (random.Random), resp, types (other types that may be
    met).
    """

    def __init__(self, rng, resp, types=()):
        self.rng = rng
        self.resp = resp
        self.types = list(types)
        self.keys = [b"k%d" % i for i in range(rng.randrange(3, 12))]
        self.keys += rng.sample(
            [
                b"",
                b"a",
                b"ab",
                b"abc",
                b"a*",
                b"[a]",
                b"a\\b",
                b"\0\xff\r\n",
                b"user:1",
                b"{t}x",
                b"key with spaces",
                b"\xc3\xa9",
                b"x" * 40,
                b"L" * 255,
                b"M" * 300,
                b"12345",
            ],
            4,
        )

    # choosing

    def chance(self, probability):
        return self.rng.random() < probability

    def pick(self, *items):
        return self.rng.choice(items)

    def some(self, items, low, high):
        """Between low and high items, repetitions possible."""
        return [self.rng.choice(items) for _ in range(self.rng.randint(low, high))]

    # keys and values

    def key(self):
        return self.rng.choice(self.keys)

    def key_list(self, low=1, high=5):
        return [self.key() for _ in range(self.rng.randint(low, high))]

    def bytes(self, length):
        return self.rng.randbytes(length)

    def length(self):
        """A value's length: mostly small, now and then around bounds of encodings and buffers."""
        near_bound = [
            0,
            1,
            39,
            40,
            43,
            44,
            45,
            63,
            64,
            65,
            127,
            128,
            255,
            256,
            257,
            511,
            512,
            513,
            1023,
            1024,
        ]
        large = [4095, 4096, 4097, 16383, 16384, 16385, 32767, 32768, 65535, 65536, 70000]
        roll = self.rng.random()
        if roll < 0.6:
            return self.rng.randrange(0, 24)
        return self.rng.choice(near_bound) if roll < 0.96 else self.rng.choice(large)

    def value(self):
        roll = self.rng.random()
        if roll < 0.25:
            return self.integer_text()
        if roll < 0.32:
            return self.rng.choice(FLOATS)
        if roll < 0.36:
            return self.rng.choice(NOT_INTEGERS)
        length = self.length()
        if roll < 0.55:
            return (self.pick(b"abc", b"x", b"ab\0\xff", b"hello world ") * (length // 2 + 1))[
                :length
            ]
        return self.bytes(length)

    def short_value(self):
        return self.value()[:64]

    def letters(self, low, high, alphabet=b"abc"):
        return bytes(self.rng.choice(alphabet) for _ in range(self.rng.randint(low, high)))

    # numbers

    def integer(self):
        roll = self.rng.random()
        if roll < 0.5:
            return self.rng.randrange(-20, 40)
        if roll < 0.8:
            return self.rng.choice(INTEGERS)
        return self.rng.randrange(-I64_MAX - 1, I64_MAX + 1) >> self.rng.randrange(0, 63)

    def integer_text(self):
        """Mostly an integer, sometimes something that only looks like one."""
        return self.rng.choice(NOT_INTEGERS) if self.chance(0.06) else b"%d" % self.integer()

    def float_text(self):
        if self.chance(0.4):
            return b"%d" % self.rng.randrange(-1000, 1000)
        if self.chance(0.5):
            return b"%.*f" % (self.rng.randrange(0, 18), self.rng.uniform(-1000, 1000))
        return self.rng.choice(FLOATS)

    def small(self, low=0, high=20):
        return b"%d" % self.rng.randint(low, high) if not self.chance(0.04) else self.integer_text()

    # time: far enough from now that the two servers cannot disagree about what has passed

    def relative_seconds(self):
        roll = self.rng.random()
        if roll < 0.8:
            return b"%d" % self.rng.choice([1000, 5000, 86400, 1000000, 10**9])
        return self.rng.choice(
            [
                b"0",
                b"-1",
                b"-1000",
                b"9223372036854775807",
                b"-9223372036854775808",
                b"9223372036854776",
                b"9223372036854775",
                b"9223370399119966",
                b"x",
                b"1.5",
                b"",
                b"100000000000000000000",
            ]
        )

    def relative_ms(self):
        if self.chance(0.8):
            return b"%d" % self.rng.choice([1000000, 5000000, 86400000, 10**12])
        return self.rng.choice(
            [
                b"0",
                b"-1",
                b"-1000",
                b"9223372036854775807",
                b"-9223372036854775808",
                b"x",
                b"1.5",
                b"",
                b"9223370000000000000",
                b"100000000000000000000",
            ]
        )

    def absolute_seconds(self):
        if self.chance(0.75):
            return b"%d" % self.rng.choice([FAR, FAR + 1, 10**11, 5 * 10**9])
        return self.rng.choice(
            [
                b"1",
                b"1000",
                b"0",
                b"-1",
                b"9223372036854775807",
                b"9223372036854775",
                b"9223372036854776",
                b"-9223372036854775808",
                b"x",
                b"",
            ]
        )

    def absolute_ms(self):
        if self.chance(0.75):
            return b"%d" % self.rng.choice(
                [FAR * 1000, FAR * 1000 + 1, 10**14 + 499, 5 * 10**12 + 500]
            )
        return self.rng.choice(
            [b"1", b"1000", b"0", b"-1", b"9223372036854775807", b"-9223372036854775808", b"x", b""]
        )

    def expiry_option(self):
        return self.rng.choice(
            [
                lambda: [b"EX", self.relative_seconds()],
                lambda: [b"PX", self.relative_ms()],
                lambda: [b"EXAT", self.absolute_seconds()],
                lambda: [b"PXAT", self.absolute_ms()],
            ]
        )()

    # patterns

    def pattern(self):
        if self.chance(0.25):
            return self.pick(
                b"*",
                b"k*",
                b"k?",
                b"*1",
                b"",
                b"?",
                b"k[0-5]",
                b"k[^0-5]",
                b"[a-",
                b"[^",
                b"\\",
                b"*\\",
                b"a\\*",
                b"[]",
                b"[\\]]",
                b"[z-a]*",
                b"***",
                b"[a]",
                b"\\[a\\]",
                b"[!a]*",
                b"a\\\\b",
                self.key(),
            )
        return self.letters(0, 8, b"ab*?[]^-\\k1")

    # commands

    def case(self, word):
        """A keyword in some case."""
        roll = self.rng.random()
        if roll < 0.7:
            return word
        if roll < 0.85:
            return word.lower()
        return bytes(c ^ 0x20 if chr(c).isalpha() and self.chance(0.5) else c for c in word)

    def make_key(self):
        """Steps that give some key a value: a string, or another type the subject has."""
        if self.types and self.chance(0.3):
            return [
                Step(*OTHER_TYPES[self.rng.choice(self.types)](self.key(), self.rng), fixed=True)
            ]
        args = [b"SET", self.key(), self.value()]
        if self.chance(0.3):
            args += [b"PXAT", b"%d" % (FAR * 1000 + self.rng.randrange(10**9))]
        return [Step(*args, fixed=True)]

    def steps(self, entries, count):
        """So many steps or a few more, some of them mutated, some making keys for the others to
        meet.
        """
        functions = [function for _, function in entries]
        weights = [weight for weight, _ in entries]
        steps = []
        for _ in range(4):
            steps += self.make_key()
        while len(steps) < count:
            if self.chance(0.08):
                steps += self.make_key()
                continue
            made = self.rng.choices(functions, weights)[0](self)
            for step in made if isinstance(made, list) else [made]:
                if not step.fixed:
                    step.args[0] = self.case(step.args[0])
                    if self.chance(0.12):
                        step = self.mutated(step)
                steps.append(step)
        return steps

    def mutated(self, step):
        """The step with an argument dropped, doubled, swapped, changed or added."""
        for _ in range(10):
            args = list(step.args)
            at = self.rng.randrange(len(args))
            how = self.rng.randrange(6)
            if how == 0 and len(args) > 1:
                args.pop(self.rng.randrange(1, len(args)))
            elif how == 1:
                args.insert(self.rng.randrange(1, len(args) + 1), args[at] if at else self.key())
            elif how == 2 and len(args) > 2:
                i, j = self.rng.sample(range(1, len(args)), 2)
                args[i], args[j] = args[j], args[i]
            elif how == 3 and at:
                args[at] = self.rng.choice(NOT_INTEGERS)
            elif how == 4 and at:
                args[at] = self.integer_text()
            else:
                args.append(
                    self.rng.choice(
                        [
                            b"",
                            b"x",
                            b"NX",
                            b"XX",
                            b"GET",
                            b"EX",
                            b"0",
                            b"-1",
                            b"REPLACE",
                            self.key(),
                        ]
                    )
                )
            if not races(args):
                return Step(*args, compare=step.compare)
        return step

    def scans(self):
        """Options of whole SCAN walks to compare after the batch."""
        options = []
        for _ in range(2):
            one = []
            if self.chance(0.5):
                one += [b"MATCH", self.pattern()]
            if self.chance(0.5):
                one += [b"COUNT", self.pick(b"1", b"3", b"10", b"1000")]
            if self.chance(0.3):
                one += [b"TYPE", self.pick(b"string", b"STRING", b"list", b"nosuch")]
            options.append(tuple(one))
        return options


# The least relative times that cannot pass while a batch runs and is compared.
LEAST = {
    b"EX": 600,
    b"SETEX": 600,
    b"EXPIRE": 600,
    b"PX": 600000,
    b"PSETEX": 600000,
    b"PEXPIRE": 600000,
    b"RESTORE": 600000,
}
# Absolute times that could be between the two servers' clocks.
AROUND_NOW = {
    b"EXPIREAT": (10**9, FAR),
    b"EXAT": (10**9, FAR),
    b"PEXPIREAT": (10**12, FAR * 1000),
    b"PXAT": (10**12, FAR * 1000),
}


def races(args):
    """Whether the command may set an expiry so near that the servers could disagree on what has
    passed.
    """

    def soon(word, text):
        try:
            number = int(text)
        except ValueError:
            return False
        low, high = AROUND_NOW.get(word, (0, LEAST.get(word, 0)))
        return low < number < high

    name = args[0].upper()
    if name in (b"SET", b"GETEX"):
        return any(soon(word.upper(), text) for word, text in zip(args[2:], args[3:]))
    return len(args) > 2 and soon(name, args[2])


near_ms = near(10000)
near_s = near(10)
