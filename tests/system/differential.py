"""Compares the server under test with redis-server: the same commands to both, byte by byte the
same replies.

A *step* is one command with the way its two replies are compared (exactly, unless time, chance or
identity makes them differ rightly). A *generator* makes steps from a seeded random source;
generators are registered per group of commands with @generator(group, weight) in groups_*.py. A run
is a number of *batches*: each starts with empty servers and new connections, sends its steps as one
pipeline to both, compares every reply and then the whole key space (names, types, encodings,
expiry, contents, SCAN walks). So a batch is reproducible alone, and one that differs is shrunk to
the few commands that matter before it is reported.

Environment: SEED (random unless said, always printed), ITER (commands per run), BATCH (only this
batch, after a failure), SHRINK=0 (report unshrunk). Adding a type: a groups_<type>.py with
generators, an entry in READERS below, and a maker in gen.OTHER_TYPES so that the other groups meet
its keys as wrong types.
"""
import os
import random
import re
import time

import harness
from harness import (
    Closed,
    NoReply,
    Server,
    decode,
    encode,
    reference,
    shorten,
    subject_is_reference,
)

BATCH_STEPS = 200
MAX_REPORTS = 10
TTL_TOLERANCE_MS = 10000
DATABASES = 16

# Both servers get these, so that bounds on value size are met at a size that is cheap to reach.
ARGS = ("--proto-max-bulk-len", "1048576", "--appendonly", "no")


# --- comparing two replies ------------------------------------------------------------------------
# A comparison takes the raw replies of the reference and of the subject and the run's notes (a dict
# of the batch),
# and returns None if they agree, else what is wrong.


def exact(want, got, notes):
    return None if want == got else "replies differ"


def _kind_differs(want, got):
    return "kinds of reply differ" if want[:1] != got[:1] else None


def _both_errors(want, got):
    return want[:1] == b"-" or got[:1] == b"-"


def near(tolerance):
    """Integers that depend on the time: equal when negative, else no further apart than this."""

    def compare(want, got, notes):
        if want == got:
            return None
        if want[:1] != b":" or got[:1] != b":":
            return "replies differ"
        a, b = decode(want), decode(got)
        if a < 0 or b < 0 or abs(a - b) > tolerance:
            return f"differ by more than {tolerance}"
        return None

    return compare


def unordered(want, got, notes):
    """Arrays or sets of the same kind and elements, in any order; remembered for `member`."""
    notes["last"] = decode(want)
    if want == got:
        return None
    wrong = _kind_differs(want, got)
    if wrong or _both_errors(want, got):
        return wrong or "replies differ"
    a, b = decode(want), decode(got)
    if sorted(map(repr, a)) != sorted(map(repr, b)):
        missing = [x for x in a if x not in b]
        extra = [x for x in b if x not in a]
        return f"elements differ: missing {shorten(missing, 200)}, too many {shorten(extra, 200)}"
    return None


def unordered_deep(want, got, notes):
    """Equal but for the order within nested arrays and sets."""
    if want == got:
        return None
    if _both_errors(want, got) or want[:1] != got[:1]:
        return "replies differ"

    def normal(value):
        if isinstance(value, dict):
            return sorted((repr(k), normal(v)) for k, v in value.items())
        return sorted(map(normal, value), key=repr) if isinstance(value, list) else repr(value)

    return None if normal(decode(want)) == normal(decode(got)) else "replies differ"


def member(want, got, notes):
    """Both null or both an element of the last `unordered` reply of the reference."""
    if want == got:
        return None
    wrong = _kind_differs(want, got)
    if wrong or _both_errors(want, got):
        return wrong or "replies differ"
    if "last" not in notes or decode(got) in notes["last"]:
        return None
    return "not an element of what KEYS said"


def idle_time(want, got, notes):
    """OBJECT IDLETIME: the subject's may be less, for the reference shares small integers among
    keys.
    """
    wrong = near(10)(want, got, notes)
    if wrong and want[:1] == got[:1] == b":" and 0 <= decode(got) <= decode(want):
        return None
    return wrong


def encode_bulk(text):
    return b"$%d\r\n%s\r\n" % (len(text), text)


OLD_FORMS = {encode_bulk(b"quicklist")}


def encoding(want, got, notes):
    """OBJECT ENCODING: a small list is a listpack, as in redis-server from 7.2 on; before, it was a
    quicklist of one. Where any key may hold a set, OLD_FORMS has theirs too.
    """
    if want in OLD_FORMS and got == encode_bulk(b"listpack"):
        return None
    return exact(want, got, notes)


def newer_form(kind, want, got):
    """Whether a small value has the form that redis-server gives it from 7.2 on only."""
    old = {"list": b"quicklist", "set": b"hashtable"}
    return want == old.get(kind) and got == b"listpack"


def set_encoding(want, got, notes):
    """Of sets: redis-server has small ones of strings as listpacks only from 7.2 on."""
    if want == encode_bulk(b"hashtable") and got == encode_bulk(b"listpack"):
        return None
    return encoding(want, got, notes)


SMALL = re.compile(rb"-?\d{1,15}")
FLOAT = re.compile(rb"-?\d+(\.\d+)?(e[+-]?\d+)?")


def _scores(value):
    """A reply in which texts of numbers with a fraction, an exponent, or many digits are numbers."""
    if isinstance(value, list):
        return [_scores(x) for x in value]
    if isinstance(value, bytes) and FLOAT.fullmatch(value) and not SMALL.fullmatch(value):
        return float(value)
    return value


def scores(want, got, notes):
    """Scores are printed with as few digits as they need, as from 7.2 on; before, with 17."""
    if want == got:
        return None
    if _both_errors(want, got) or want[:1] != got[:1]:
        return "replies differ"
    return None if _scores(decode(want)) == _scores(decode(got)) else "replies differ"


def walked(want, got, notes):
    """A whole walk of ZSCAN in one reply: the same cursor, the same pairs in any order."""
    if want == got:
        return None
    if _both_errors(want, got) or want[:1] != got[:1]:
        return "replies differ"
    (cursor, a), (other, b) = (_scores(decode(reply)) for reply in (want, got))
    same = cursor == other and sorted(map(repr, zip(a[::2], a[1::2]))) == sorted(
        map(repr, zip(b[::2], b[1::2]))
    )
    return None if same else "walks differ"


def same_kind(want, got, notes):
    """Only the kind of reply counts (errors: all of it)."""
    if _both_errors(want, got):
        return None if want == got else "replies differ"
    return _kind_differs(want, got)


def normalised(*rules):
    """Equal after each (pattern, replacement) was applied to both."""
    compiled = [(re.compile(p, re.S), r) for p, r in rules]

    def compare(want, got, notes):
        for pattern, replacement in compiled:
            want, got = pattern.sub(replacement, want), pattern.sub(replacement, got)
        return None if want == got else "replies differ"

    return compare


hello = normalised((rb"(version\r\n)\$\d+\r\n[^\r]*", rb"\1V"), (rb"(\$2\r\nid\r\n):\d+", rb"\1N"))

SAME_FIELDS = "name db sub psub ssub multi user redir resp flags cmd".split()


def client_info(want, got, notes):
    """CLIENT INFO and LIST: the reference's fields must be there; those that say the same must be
    equal.
    """
    if _both_errors(want, got):
        return None if want == got else "replies differ"
    if want[:1] != got[:1] or (
        want[:1] == b"=" and want.split(b"\n")[1][:4] != got.split(b"\n")[1][:4]
    ):
        return "kinds of reply differ"
    a, b = (
        dict(f.split("=", 1) for f in decode(r).decode("utf-8", "replace").split())
        for r in (want, got)
    )
    missing = [name for name in a if name not in b]
    if missing:
        return f"fields missing: {missing}"
    for fields in (a, b):  # RESET switches no-evict off since 7.2
        fields["flags"] = fields["flags"].replace("e", "") or "N"
    wrong = [(n, a[n], b[n]) for n in SAME_FIELDS if n in a and a[n] != b[n]]
    return f"fields differ (name, want, got): {wrong}" if wrong else None


def help_text(want, got, notes):
    """HELP: an array of simple strings whose first line names the command; the text is ours."""
    if _both_errors(want, got):
        return None if want == got else "replies differ"
    if want[:1] != got[:1]:
        return "kinds of reply differ"
    a, b = decode(want), decode(got)
    if len(b) < 3 or not all(isinstance(line, harness.Status) for line in b):
        return "not a list of simple strings"
    return (
        None if a[0].split()[0] == b[0].split()[0] else "the first line does not name the command"
    )


def dump(want, got, notes):
    """DUMP payloads: the same value, whatever its version, checksum and compression."""
    if want == got:
        return None
    wrong = _kind_differs(want, got)
    if wrong or _both_errors(want, got):
        return wrong or "replies differ"
    a, b = decode(want), decode(got)
    if a is None or b is None:
        return "one is null"
    if not footer_is_good(b):
        return "the payload's checksum is wrong"
    if a[0] != b[0]:
        return "payload types differ"
    if a[0] == 0 and payload_string(a) != payload_string(b):
        return "values differ"
    return None


# --- DUMP payloads --------------------------------------------------------------------------------


def _crc64_table():
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0x95AC9329AC4BC9B5 if crc & 1 else crc >> 1
        table.append(crc)
    return table


_CRC64 = _crc64_table()


def crc64(data):
    """CRC-64/Jones, reflected, as RDB files use it."""
    crc = 0
    for byte in data:
        crc = _CRC64[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc


def with_footer(body, version=9):
    """A DUMP payload: type and value, the RDB version, the checksum of all that."""
    data = body + version.to_bytes(2, "little")
    return data + crc64(data).to_bytes(8, "little")


def with_version(payload, version):
    return with_footer(payload[:-10], version)


def footer_is_good(payload):
    return len(payload) > 10 and crc64(payload[:-8]) == int.from_bytes(payload[-8:], "little")


def rdb_length(number):
    if number < 64:
        return bytes([number])
    if number < 16384:
        return bytes([0x40 | number >> 8, number & 0xFF])
    return b"\x80" + number.to_bytes(4, "big")


def string_payload(value, version=9):
    return with_footer(b"\0" + rdb_length(len(value)) + value, version)


def _read_length(data, pos):
    """(number, is special, next position)"""
    first = data[pos]
    if first >> 6 == 0:
        return first & 63, False, pos + 1
    if first >> 6 == 1:
        return (first & 63) << 8 | data[pos + 1], False, pos + 2
    if first == 0x80:
        return int.from_bytes(data[pos + 1 : pos + 5], "big"), False, pos + 5
    if first == 0x81:
        return int.from_bytes(data[pos + 1 : pos + 9], "big"), False, pos + 9
    return first & 63, True, pos + 1


def payload_string(payload):
    """The value of a payload of type string."""
    number, special, pos = _read_length(payload, 1)
    if not special:
        return payload[pos : pos + number]
    if number < 3:
        return str(
            int.from_bytes(payload[pos : pos + (1 << number)], "little", signed=True)
        ).encode()
    packed, _, pos = _read_length(payload, pos)
    size, _, pos = _read_length(payload, pos)
    value = lzf_expand(payload[pos : pos + packed])
    assert len(value) == size, "LZF length"
    return value


def lzf_expand(data):
    out = bytearray()
    pos = 0
    while pos < len(data):
        control = data[pos]
        pos += 1
        if control < 32:
            out += data[pos : pos + control + 1]
            pos += control + 1
            continue
        length = control >> 5
        if length == 7:
            length += data[pos]
            pos += 1
        back = len(out) - ((control & 31) << 8 | data[pos]) - 1
        pos += 1
        for _ in range(length + 2):
            out.append(out[back])
            back += 1
    return bytes(out)


# --- steps ----------------------------------------------------------------------------------------


class Step:
    """A command (list of bytes) and how its replies are compared. `fixed`: never mutated."""

    __slots__ = ("args", "compare", "fixed")

    def __init__(self, *args, compare=exact, fixed=False):
        self.args = [a if isinstance(a, bytes) else str(a).encode() for a in args]
        self.compare = compare
        self.fixed = fixed

    def __str__(self):
        return " ".join(quote(a) for a in self.args)


def digest_value(key):
    """DEBUG DIGEST-VALUE; to redis-server what is over counts until somebody looks at it."""
    return [Step(b"EXISTS", key, fixed=True), Step(b"DEBUG", b"DIGEST-VALUE", key, fixed=True)]


def quote(arg):
    """An argument as redis-cli would read it, long ones abbreviated."""
    if re.fullmatch(rb"[\w.:*+@/#-]+", arg) and len(arg) <= 60:
        return arg.decode()
    text = "".join(
        {'"': '\\"', "\\": "\\\\"}.get(chr(c), chr(c)) if 32 <= c < 127 else f"\\x{c:02x}"
        for c in arg[:60]
    )
    return f'"{text}"' + (f"...({len(arg)} bytes)" if len(arg) > 60 else "")


GENERATORS = {}  # group -> [(weight, function)]


def generator(group, weight=1):
    """Registers a function (gen) -> Step or list of steps."""

    def register(function):
        GENERATORS.setdefault(group, []).append((weight, function))
        return function

    return register


# --- two servers ----------------------------------------------------------------------------------


class Pair:
    """The reference and the subject, started alike. With `aside` the subject runs whatever looks at
    an element as it runs commands on very many elements: on a thread of their own.
    """

    def __init__(self, resp=2, args=ARGS):
        self.resp = resp
        args = ("--enable-debug-command", "local", *args)
        self.servers = (reference(*args), Server(*args))
        self.clients = None
        self.aside = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in self.servers:
            server.kill()

    def fresh(self):
        """New connections to emptied servers."""
        if self.clients:
            for client in self.clients:
                client.close()
        self.clients = tuple(server.client(resp=self.resp, timeout=20) for server in self.servers)
        for client in self.clients:
            client.must("FLUSHALL")
        if not subject_is_reference():
            self.clients[1].must("DEBUG", "ASIDE-THRESHOLD", 1 if self.aside else 0)
        return self.clients

    def connections(self):
        """Further connections, RESP2, one to each."""
        return tuple(server.client(timeout=60) for server in self.servers)

    def exchange(self, steps):
        """Sends all steps to both; their replies' bytes as two lists, short where a connection was
        closed.
        """
        data = b"".join(encode(*step.args) for step in steps)
        replies = []
        for client in self.clients:
            try:
                replies.append(client.exchange(data, len(steps)))
            except NoReply as late:
                replies.append(late.replies)
        return replies

    def first_difference(self, steps):
        """Runs the steps on fresh servers: None, or (index, what, want, got); index len(steps): the
        key space.
        """
        self.fresh()
        wants, gots = self.exchange(steps)
        notes = {}
        for index, step in enumerate(steps):
            want = wants[index] if index < len(wants) else None
            got = gots[index] if index < len(gots) else None
            if want is None or got is None:
                both = want is None and got is None
                return (
                    index,
                    f"no reply (closed or silent) from {'both' if both else 'one'}",
                    want,
                    got,
                )
            wrong = step.compare(want, got, notes)
            if wrong:
                return index, wrong, want, got
        wrong = self.key_space_difference()
        return (len(steps), wrong, None, None) if wrong else None

    def key_space_difference(self, scans=()):
        """None, or how the contents of the servers differ."""
        sides = self.connections()
        try:
            return key_spaces_differ(*sides) or _scans_differ(*sides, scans)
        except (Closed, OSError) as error:
            return f"connection lost while comparing the key spaces: {error}"
        finally:
            for side in sides:
                side.close()


# How a key's whole value is read for comparison, and made independent of order.
def _pairs(reply):
    return sorted(zip(reply[::2], reply[1::2])) if isinstance(reply, list) else reply


def _sorted(reply):
    return sorted(reply) if isinstance(reply, list) else reply


READERS = {
    "string": (lambda key: ("GET", key), lambda reply: reply),
    "list": (lambda key: ("LRANGE", key, 0, -1), lambda reply: reply),
    "set": (lambda key: ("SMEMBERS", key), _sorted),
    "hash": (lambda key: ("HGETALL", key), _pairs),
    "zset": (lambda key: ("ZRANGE", key, 0, -1, "WITHSCORES"), _scores),
    "stream": (lambda key: ("XRANGE", key, "-", "+"), lambda reply: reply),
}


def key_spaces_differ(a, b, encodings=True):
    """None, or how the contents of two servers differ, as two connections see them. A string that
    was changed in place loses that when it is saved: `encodings` says whether to compare them.
    """
    every = [c for db in range(DATABASES) for c in (("SELECT", db), ("KEYS", "*"))]
    names = [side.pipeline(every)[1::2] for side in (a, b)]
    for db in range(DATABASES):
        listed = [sorted(side[db]) if isinstance(side[db], list) else side[db] for side in names]
        if listed[0] != listed[1]:
            want, got = (set(keys) if isinstance(keys, list) else {keys} for keys in listed)
            missing, extra = (shorten(sorted(x), 300) for x in (want - got, got - want))
            return f"keys differ in db {db}: missing {missing}, too many {extra}"
        if not listed[0]:
            continue
        for side in (a, b):
            side.command("SELECT", db)
        keys = listed[0]
        types = a.pipeline([("TYPE", key) for key in keys])
        commands = []
        for key, kind in zip(keys, types):
            commands += [
                ("TYPE", key),
                ("PTTL", key),
                ("OBJECT", "ENCODING", key),
                READERS[kind][0](key),
            ]
        replies = [side.pipeline(commands) for side in (a, b)]
        for index, (command, want, got) in enumerate(zip(commands, *replies)):
            if command[0] == "PTTL":
                same = want == got or (min(want, got) >= 0 and abs(want - got) <= TTL_TOLERANCE_MS)
            elif index % 4 == 3:
                normal = READERS[types[index // 4]][1]
                same = normal(want) == normal(got)
            else:
                same = want == got or (
                    index % 4 == 2 and (not encodings or newer_form(types[index // 4], want, got))
                )
            if not same:
                return (
                    f"key space differs in db {db}: {Step(*command)}: "
                    f"want {shorten(want)}, got {shorten(got)}"
                )
    return None


def scan_all(client, *options):
    """A whole walk of SCAN with these options: the list of keys seen, repetitions included."""
    seen, cursor, rounds = [], b"0", 0
    while True:
        reply = client.must("SCAN", cursor, *options)
        cursor, keys = reply
        seen += keys
        rounds += 1
        if cursor == b"0":
            return seen
        assert rounds < 1000000, "SCAN does not end"


def _scans_differ(a, b, scans):
    for options in scans:
        want, got = set(scan_all(a, *options)), set(scan_all(b, *options))
        if want != got:
            return (
                f"SCAN {options}: missing {shorten(sorted(want - got), 300)}, too many "
                f"{shorten(sorted(got - want), 300)}"
            )
    return None


# --- a run ----------------------------------------------------------------------------------------


def seed():
    return int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 32))


def iterations(default):
    return int(os.environ.get("ITER") or default)


class Report:
    """Collects differences; each kind (command and what is wrong) once."""

    def __init__(self):
        self.texts = []
        self.kinds = {}

    def add(self, pair, steps, difference, title):
        index, wrong, want, got = difference
        if index < len(steps):
            kind = (
                steps[index].args[0].upper() if steps[index].args else b"",
                _reply_kind(want),
                _reply_kind(got),
            )
        else:
            kind = (re.sub(r"[^A-Za-z ]", "", wrong)[:40],)
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if self.kinds[kind] > 1 or len(self.texts) >= MAX_REPORTS:
            return
        if os.environ.get("SHRINK", "1") != "0" and all(server.alive() for server in pair.servers):
            steps, difference = shrink(pair, steps, difference)
            index, wrong, want, got = difference
        lines = [f"{title}: {wrong}"]
        lines += [f"    {step}" for step in steps[: index + 1][-30:]]
        if index < len(steps):
            lines += [f"  reference: {_show(want)}", f"  subject:   {_show(got)}"]
        self.texts.append("\n".join(lines))

    def finish(self, what):
        if self.kinds:
            raise AssertionError(
                f"{what}: {sum(self.kinds.values())} differences of {len(self.kinds)} kinds\n"
                + "\n".join(self.texts)
            )


def _reply_kind(raw):
    if raw is None:
        return b"none"
    return raw[:24] if raw[:1] == b"-" else raw[:1]


def _show(raw):
    return "(no reply: closed or silent)" if raw is None else shorten(raw, 900)


def shrink(pair, steps, difference, seconds=4):
    """Drops steps while some difference of the same sort remains, for so long at most."""

    def attempt(candidate):
        try:
            found = pair.first_difference(candidate)
        except (Closed, OSError, AssertionError):
            return None
        return (
            found if found and (found[0] < len(candidate)) == (difference[0] < len(steps)) else None
        )

    deadline = time.monotonic() + seconds
    steps = steps[: difference[0] + 1]
    size = max(1, len(steps) // 2)
    while size and time.monotonic() < deadline:
        at = 0
        while at < len(steps) and time.monotonic() < deadline:
            candidate = steps[:at] + steps[at + size :]
            found = attempt(candidate) if candidate else None
            if found:
                steps, difference = candidate[: found[0] + 1], found
            else:
                at += size
        size //= 2
    again = pair.first_difference(steps)
    if again:
        return steps, again
    index, wrong, want, got = difference
    return steps, (index, wrong + " (not again when repeated: is it a matter of time?)", want, got)


def run(groups, resp, commands=20000, args=ARGS):
    """Random batches of the groups' generators (a list of names) until so many commands were
    compared.
    """
    from gen import Gen

    number = seed()
    total = iterations(commands)
    only = os.environ.get("BATCH")
    print(f"SEED={number} ITER={total} groups {' '.join(groups)} RESP{resp}")
    chosen = [entry for group in groups for entry in GENERATORS[group]]
    report = Report()
    done = 0
    with Pair(resp, args) as pair:
        types = supported_types(pair)
        batch = int(only) if only else 0
        while done < total:
            gen = Gen(random.Random(f"{number}/{'+'.join(groups)}/{resp}/{batch}"), resp, types)
            steps = gen.steps(chosen, BATCH_STEPS)
            pair.aside = (number + batch) % 2 == 1
            difference = pair.first_difference(steps)
            if difference is None:
                wrong = pair.key_space_difference(gen.scans())
                difference = (len(steps), wrong, None, None) if wrong else None
            if difference:
                report.add(pair, steps, difference, f"SEED={number} BATCH={batch}")
            for server in pair.servers:
                assert server.alive(), f"{server.name} died in batch {batch} (SEED={number})"
            done += len(steps)
            batch += 1
            if only:
                break
        report.finish(f"SEED={number}")
    print(f"{done} commands in {batch} batches compared")


def run_cases(cases, resp, args=ARGS, at_once=40):
    """Fixed lists of steps: each case (a list) starts where the one before ended, `at_once` per
    batch.
    """
    report = Report()
    count = 0
    with Pair(resp, args) as pair:
        pending = []
        cases = list(cases)
        for index, case in enumerate(cases):
            pending += case
            if (index + 1) % at_once == 0 or index + 1 == len(cases):
                difference = pair.first_difference(pending)
                if difference:
                    report.add(pair, pending, difference, f"case {index + 1}")
                count += len(pending)
                pending = []
        report.finish("fixed cases")
    print(f"{count} commands compared")


def supported_types(pair):
    """The types besides string that the subject has already; the other groups then meet keys of
    them.
    """
    from gen import OTHER_TYPES

    client = pair.fresh()[1]
    return [
        name
        for name, make in OTHER_TYPES.items()
        if not str(client.command(*make(b"probe", random.Random(1)))).startswith(
            "ERR unknown command"
        )
    ]
