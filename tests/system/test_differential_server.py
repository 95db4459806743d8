"""Commands about the server against redis-server: fixed lines with their replies byte by byte, the
command table, INFO's fields, digests of random data.
"""
import random
import shlex

import differential
from differential import Pair, Step, help_text, same_kind
from harness import eq

ARGS = (*differential.ARGS, "--enable-debug-command", "yes")

LINES = """
dbsize
dbsize x
set a 1
set b hello ex 1000
dbsize
swapdb 0 3
dbsize
swapdb 3 0
swapdb 0 0
swapdb a b
swapdb 0 b
swapdb 0 100
swapdb -1 0
swapdb 0 99999999999
swapdb 0
flushdb x
flushdb async
flushdb SYNC
flushall async x
flushall nope
flushall Async
time x
role
role x
lastsave x
save x
bgsave foo
bgsave schedule x
bgrewriteaof x
shutdown foo
shutdown save nosave
shutdown abort
shutdown abort now
shutdown nosave abort
module list
module list x
module load
module foo
module
memory
memory foo
memory usage
memory usage a samples -1
memory usage a samples x
memory usage a samples
memory usage a b c
memory usage nokey
memory purge x
memory doctor x
command count x
command foo
command list foo
command list filterby foo bar
command list filterby module
command list filterby module x
command list filterby aclcat nosuch
command list filterby pattern nosuch*
command getkeys foo bar
command getkeys ping x
command getkeys set x
command getkeys get x y
command getkeys mset a b c d
command getkeys memory usage k
command getkeys memory foo k
command getkeysandflags set a b ex 1
command getkeysandflags set a b get
command getkeysandflags mset a b c d
command getkeysandflags set a get
command getkeysandflags set a b get get
command getkeysandflags bitfield a
command getkeysandflags bitfield a get u8 0
command getkeysandflags bitfield a get u8 0 set u8 0 1
command getkeysandflags bitfield a get u8 0 incrby u8 0 1
command getkeysandflags bitfield a overflow wrap
command getkeysandflags bitfield a overflow
command getkeysandflags bitfield a get u8
command getkeysandflags bitfield a foo
command getkeysandflags bitfield_ro a get u8 0
command getkeysandflags lcs a b
command getkeysandflags sort a by x get y store d
command getkeysandflags sort a
command getkeysandflags xread count 1 streams a b 0 0
command getkeysandflags xreadgroup group streams c streams a 0
command getkeysandflags georadius k 0 0 1 m store a storedist b
command getkeysandflags georadius k 0 0 1 m
command getkeysandflags georadiusbymember k m 1 m storedist b
command getkeysandflags zunionstore d 2 a b
command getkeysandflags zunionstore d 0 a b
command getkeysandflags zunionstore d -1 a b
command getkeysandflags zunionstore d 3 a b
command getkeysandflags zunionstore d x a b
command getkeysandflags zunion 2 a b
command getkeysandflags zunion 0 a
command getkeysandflags bzmpop 0 2 a b min
command getkeysandflags lmove a b left right
command getkeysandflags bitop and d a b
command getkeysandflags zrangestore a b 0 1
command getkeysandflags pfmerge a b c
command getkeysandflags pfdebug encoding a
command getkeysandflags memory usage a
command getkeysandflags object freq a
command getkeysandflags xgroup create a b c
command getkeys config get a
command getkeys config|get a
command getkeys keys *
command getkeys restore a 0
command list filterby pattern x[
command list filterby pattern ""
command list filterby pattern client|setn*
command list filterby pattern Z?ARD
command list filterby pattern ****rename
command list filterby aclcat ""
command list filterby aclcat @string
command list filterby aclcat string x
command list pattern get
command docs ""
command docs |
command docs config|
command docs |get
command docs get|x
command docs config|nope config|get|x
command info ""
command info get|get |get config|
command info GeT gEt
command docs nosuch
command info nosuch get|foo config|set|get
command info memory|usage LASTSAVE
debug
debug foo
debug protocol string
debug protocol integer
debug protocol double
debug protocol bignum
debug protocol null
debug protocol array
debug protocol set
debug protocol map
debug protocol attrib
debug protocol push
debug protocol verbatim
debug protocol true
debug protocol false
debug protocol foo
debug error "FOO bar  x"
debug error ""
debug log x
debug sleep 0.001
debug sleep x
debug sleep
debug object nokey
debug object a b
debug populate
debug populate -1
debug populate x
debug populate 1 a x
debug populate 10
debug populate 10 key 3
debug populate 10 x 3
debug populate 10 y 30
debug digest
debug digest-value key:1 y:2 nokey
debug digest-value
get x:3
get y:3
debug htstats x
debug htstats 99
debug htstats-key key:1
debug htstats-key nokey
debug set-active-expire 0
debug set-active-expire 1
debug change-repl-id
debug reload bar
latency
latency foo
latency latest
latency latest x
latency history command
latency reset
latency reset nosuch
latency graph nosuch
latency histogram nosuch
latency histogram set|get
slowlog
slowlog foo
slowlog get -2
slowlog get x
slowlog get 1 2
slowlog reset
slowlog get
slowlog len
slowlog len x
info nosuch
info nosuch1 nosuch2
info cluster
"""

HELPS = "client command memory debug latency slowlog module".split()


def both(lines, resp):
    """The replies of both to each line, as bytes."""
    steps = [Step(*shlex.split(line)) for line in lines]
    with Pair(resp=resp, args=ARGS) as pair:
        pair.fresh()
        return list(zip(steps, *pair.exchange(steps)))


def test_lines():
    lines = [line for line in LINES.split("\n") if line]
    for resp in (2, 3):
        replies = both(lines, resp)
        eq(len(replies), len(lines))
        wrong = [f"{s}: want {w}, got {g}" for s, w, g in replies if w != g]
        assert not wrong, "\n".join(wrong)


def test_kinds_and_helps():
    lines = ["time", "lastsave", "memory stats", "memory malloc-stats", "memory doctor", "lolwut"]
    lines += ["set k v", "memory usage k", "latency doctor", "client info", "debug htstats 0"]
    for resp in (2, 3):
        for step, want, got in both(lines, resp):
            eq(same_kind(want, got, {}), None, str(step))
        for step, want, got in both([f"{name} help" for name in HELPS], resp):
            eq(help_text(want, got, {}), None, str(step))


def test_digest_of_random_data():
    """The same random keys, expiries and databases: the same digest."""
    rng = random.Random(differential.seed())
    steps = []
    for _ in range(300):
        steps.append(Step("SELECT", rng.randrange(4)))
        name, value = rng.randbytes(rng.randrange(20)), rng.randbytes(rng.choice([0, 5, 70, 2000]))
        expiry = ["PXAT", 4102444800000] if rng.random() < 0.3 else []
        steps.append(Step("SET", name, value, *expiry))
        steps.append(Step("APPEND", rng.randbytes(1), rng.randrange(1000)))
    steps.append(Step("DEBUG", "DIGEST"))
    with Pair(args=ARGS) as pair:
        pair.fresh()
        want, got = pair.exchange(steps)
        eq(got[-1], want[-1])
        assert want[-1] != b"+" + b"0" * 40 + b"\r\n"


# --- the command table ----------------------------------------------------------------------------

# Where the reference here, 7.0, differs from what is documented for 7.2.
KNOWN = {
    ("command|getkeys", "arity"),
    ("command|getkeysandflags", "arity"),
    ("config|rewrite", "flags"),
    ("xautoclaim", "keys"),
    ("zrank", "arity"),
    ("zrevrank", "arity"),
} | {
    (name, "flags")
    for name in (
        "blmove",
        "blpop",
        "brpop",
        "brpoplpush",
        "bzpopmax",
        "bzpopmin",
        "client|getname",
        "client|getredir",
        "client|id",
        "client|no-evict",
        "client|reply",
        "client|setname",
        "memory|malloc-stats",
        "memory|purge",
        "select",
    )
}


def normal(row):
    """A row of COMMAND INFO without the order of what has none, and without notes."""
    specs = []
    for spec in row[8]:
        spec = dict(zip(spec[::2], spec[1::2]))
        spec.pop(b"notes", None)
        specs.append({k: sorted(map(repr, v)) if k == b"flags" else v for k, v in spec.items()})
    return {
        "arity": row[1],
        "flags": sorted(row[2]),
        "range": row[3:6],
        "acl": sorted(row[6]),
        "tips": sorted(row[7]),
        "keys": specs,
    }


def rows_of(client):
    rows = {}
    for row in client.must("COMMAND"):
        for each in [row, *row[9]]:
            rows[each[0].decode()] = normal(each)
    return rows


def test_command_table():
    """Every row that both have says the same; COUNT, LIST, INFO and DOCS name the same commands."""
    with Pair() as pair:
        want, got = (rows_of(server.client()) for server in pair.servers)
        wrong = []
        for name in sorted(set(want) & set(got)):
            for field, value in got[name].items():
                if value != want[name][field] and (name, field) not in KNOWN:
                    wrong.append(f"{name} {field}: want {want[name][field]}, got {value}")
        assert not wrong, "\n".join(wrong)
        client = pair.servers[1].client()
        names = {name.decode() for name in client.must("COMMAND", "LIST")}
        eq(names, set(got))
        top = {name for name in names if "|" not in name}
        eq(client.must("COMMAND", "COUNT"), len(top))
        eq(len(client.must("COMMAND", "INFO")), len(top))
        docs = client.must("COMMAND", "DOCS")
        eq({name.decode() for name in docs[::2]}, top)
        for name in sorted(names):
            eq(client.must("COMMAND", "INFO", name.upper())[0][0].decode(), name)


# --- INFO -----------------------------------------------------------------------------------------


def fields_of(client, *sections):
    """Sections in order, each with the names of its fields in order."""
    found, section = [], None
    for line in client.must("INFO", *sections).decode().split("\r\n"):
        if line.startswith("#"):
            section = (line, [])
            found.append(section)
        elif line:
            section[1].append(line.split(":")[0])
    return found


def test_info_fields():
    """The reference's fields, all of them, in its order; ours may come between."""
    with Pair() as pair:
        one, two = (server.client() for server in pair.servers)
        for client in (one, two):
            client.must("SET", "k", "v")
            client.must("GET", "k")
            client.command("NOPE")
        for sections in ((), ("all",), ("everything",), ("default",), ("server", "Keyspace")):
            want, got = fields_of(one, *sections), fields_of(two, *sections)
            ours = [title for title, _ in got]
            eq([t for t in ours if t != "# Disk"], [title for title, _ in want], str(sections))
            for title, names in want:
                have = dict(got)[title]
                if title in ("# Commandstats", "# Latencystats"):
                    continue
                eq([name for name in have if name in names], names, f"{sections} {title}")
            for title, names in got:
                eq(len(names), len(set(names)), title)


def test_info_counts_and_resetstat():
    with Pair() as pair:
        client = pair.servers[1].client()
        for _ in range(10):
            client.must("SET", "k", "v")
            client.must("GET", "k")
            client.must("GET", "none")
            client.command("INCR", "k")
        text = client.must("INFO", "everything").decode()
        fields = dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)
        eq(fields["keyspace_hits"], "10")
        eq(fields["keyspace_misses"], "10")
        eq(fields["db0"], "keys=1,expires=0,avg_ttl=0")
        eq(fields["errorstat_ERR"], "count=10")
        assert fields["cmdstat_incr"].endswith("rejected_calls=0,failed_calls=10"), fields
        assert fields["cmdstat_get"].startswith("calls=20,"), fields
        assert fields["latency_percentiles_usec_get"].startswith("p50="), fields
        client.must("CONFIG", "RESETSTAT")
        text = client.must("INFO", "everything").decode()
        assert "cmdstat_get" not in text and "errorstat" not in text and "usec_get" not in text
        fields = dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)
        eq(fields["keyspace_hits"], "0")
        eq(fields["total_error_replies"], "0")
        client.must("GET", "k")
        assert "cmdstat_get:calls=1," in client.must("INFO", "commandstats").decode()


def test_slowlog():
    """The same commands, arguments cut and hidden in the same way."""
    with Pair(args=(*ARGS, "--slowlog-log-slower-than", "0")) as pair:
        logs = []
        for server in pair.servers:
            client = server.client()
            client.must("CLIENT", "SETNAME", "me")
            client.must("SLOWLOG", "RESET")
            client.must("MSET", *range(80))
            client.must("SET", "k", "z" * 300)
            client.must("DEL", *range(31))
            client.must("DEL", *range(32))
            client.must("CONFIG", "SET", "requirepass", "", "maxmemory", "0")
            client.command("AUTH", "secret")
            client.command("AUTH", "user", "secret")
            client.command("HELLO", "3", "AUTH", "user", "secret", "SETNAME", "x")
            client.must("SLOWLOG", "LEN")
            logs.append([(e[3], e[5]) for e in client.must("SLOWLOG", "GET", 20)])
            eq(len(client.must("SLOWLOG", "GET", 3)), 3)
            eq(len(client.must("SLOWLOG", "GET")), 10)
        eq(logs[1], logs[0])


def test_latency_events():
    """A slow command is a sample, in LATEST and HISTORY alike."""
    with Pair(args=ARGS) as pair:
        client = pair.servers[1].client()
        client.must("CONFIG", "SET", "latency-monitor-threshold", "5")
        client.must("DEBUG", "SLEEP", "0.02")
        ((event, when, last, most),) = client.must("LATENCY", "LATEST")
        eq(event, b"command")
        assert 20 <= last < 2000 and most == last, (last, most)
        eq(client.must("LATENCY", "HISTORY", "command"), [[when, last]])
        assert client.must("LATENCY", "GRAPH", "command").startswith(b"command - high ")
        assert b"command: 1 latency spikes" in client.must("LATENCY", "DOCTOR")
        histogram = client.must("LATENCY", "HISTOGRAM", "debug")
        eq(histogram[0], b"debug")
        eq(histogram[1][:2], [b"calls", 1])
        eq(client.must("LATENCY", "RESET"), 1)
        eq(client.must("LATENCY", "LATEST"), [])
