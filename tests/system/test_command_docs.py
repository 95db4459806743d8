"""COMMAND DOCS against redis-server 7.0: every field that is a fact, of every command that it has
too. Arguments are compared as trees; where 7.2 or later names or takes others, the tables here say
so, each with what is expected instead. Sentences (summaries, complexities) are ours.
"""
import re

from differential import Pair
from harness import Status, eq

FACTS = ("since", "group", "doc_flags", "deprecated_since", "replaced_by")
ORDER = "summary since group complexity module doc_flags deprecated_since replaced_by history"
ORDER = (ORDER + " arguments subcommands").split()
ARGUMENT_ORDER = "name type display_text key_spec_index token since deprecated_since flags"
ARGUMENT_ORDER = (ARGUMENT_ORDER + " arguments").split()

# Names of arguments in 7.0 and what they are from 7.2 on, besides _ that became -; of groups with
# parentheses.
RENAMED = {
    "field_value()": "data",
    "key_value()": "data",
    "score_member()": "data",
    "longitude_latitude_member()": "data",
    "parameter_value()": "data",
    "offset_count()": "limit",
    "async()": "flush-type",
    "index_unit()": "unit",
    "index()": "range",
    "end_index()": "end-unit-block",
    "count()": "count-block",
    "full()": "full-block",
    "id()": "id-selector",
    "id_or_auto()": "id-selector",
    "group_consumer()": "group-block",
    "username_password()": "auth",
    "longitude_latitude()": "fromlonlat",
    "timeout_error()": "unblock-type",
    "on_off_skip()": "action",
    "nosave_save()": "save-selector",
    "encoding_offset()": "get-block",
    "encoding_offset_value()": "set-block",
    "encoding_offset_increment()": "increment-block",
    "wrap_sat_fail()": "overflow-block",
    "groupname": "group",
    "consumername": "consumer",
    "max_deleted_entry_id": "max-deleted-id",
}

# Commands that take other arguments than in 7.0: all of them, in the notation of show().
FIRST_KEY = "numkeys:integer key#0..."
STORED = "destination#0 numkeys:integer key#1..."
SUMMED = "[WEIGHTS weight:integer...] [AGGREGATE aggregate(SUM | MIN | MAX | COUNT@8.8.0)]"
CIRCLE = (
    "radius:double unit(M | KM | FT | MI) [WITHCOORD] [WITHDIST] [WITHHASH] "
    "[count-block(COUNT count:integer [ANY%s])] [order(ASC | DESC)] "
    "[store(STORE key#1 | STOREDIST key#2)]"
)
TRIM = (
    "trim(strategy(MAXLEN | MINID@6.2.0) [operator(equal='=' | approximately='~')] "
    "threshold [LIMIT count:integer@6.2.0])"
)
REFERENCES = "[references(KEEPREF | DELREF | ACKED)@8.2.0]"
OTHERS = {
    "bitcount": "key#0 [range(start:integer [end-unit-block(end:integer "
    "[unit(BYTE | BIT)@7.0.0])@8.0.0])]",
    "bitop": "operation(AND | OR | XOR | NOT | DIFF@8.2.0 | DIFF1@8.2.0 | ANDOR@8.2.0 | ONE@8.2.0) "
    "destkey#0 key#1...",
    "client|kill": "filter(ip:port:string!2.8.12 | new-format([ID client-id:integer@2.8.12...] | "
    "[TYPE client-type(NORMAL | MASTER@3.2.0 | SLAVE | REPLICA@5.0.0 | PUBSUB)@2.8.12] | "
    "[USER username] | [ADDR ip:port:string] | [LADDR ip:port:string@6.2.0] | "
    "[SKIPME skipme(YES | NO)] | [MAXAGE maxage:integer@7.4.0] | [NAME name@9.0.0])...)",
    "client|list": "[TYPE client-type(NORMAL | MASTER | REPLICA | PUBSUB)@5.0.0] "
    "[ID client-id:integer@6.2.0...] [USER username@8.1.0] [ADDR ip:port:string@8.1.0] "
    "[LADDR ip:port:string@8.1.0] [SKIPME skipme(YES | NO)@8.1.0] [MAXAGE maxage:integer@8.1.0] "
    "[NAME name@9.0.0]",
    "command|getkeys": "command [arg...]",
    "command|getkeysandflags": "command [arg...]",
    "geohash": "key#0 [member...]",
    "geopos": "key#0 [member...]",
    "georadius": "key#0 longitude:double latitude:double " + CIRCLE % "@6.2.0",
    "georadiusbymember": "key#0 member " + CIRCLE % "",
    "hscan": "key#0 cursor:integer [MATCH pattern:pattern] [COUNT count:integer] [NOVALUES@7.4.0]",
    "lcs": "key1#0 key2#0 [LEN] [IDX] [MINMATCHLEN min-match-len:integer] [WITHMATCHLEN]",
    "module|loadex": "path [CONFIG configs(name value)]... [ARGS args...]",
    "pfmerge": "destkey#0 [sourcekey#1...]",
    "set": "key#0 value [condition(NX | XX | IFEQ ifeq-value@8.4.0 | IFNE ifne-value@8.4.0 | "
    "IFDEQ ifdeq-digest@8.4.0 | IFDNE ifdne-digest@8.4.0)@2.6.12] [GET@6.2.0] "
    "[expiration(EX seconds:integer@2.6.12 | PX milliseconds:integer@2.6.12 | "
    "EXAT unix-time-seconds:unix-time@6.2.0 | PXAT unix-time-milliseconds:unix-time@6.2.0 | "
    "KEEPTTL@6.0.0)]",
    "xadd": f"key#0 [NOMKSTREAM@6.2.0] {REFERENCES} [{TRIM}] id-selector(auto-id='*' | id) "
    "data(field value)...",
    "xclaim": "key#0 group consumer min-idle-time id... [IDLE ms:integer] "
    "[TIME unix-time-milliseconds:unix-time] [RETRYCOUNT count:integer] [FORCE] [JUSTID] "
    "[LASTID lastid]",
    "xtrim": f"key#0 {TRIM} {REFERENCES}",
    "zinter": f"{FIRST_KEY} {SUMMED} [WITHSCORES]",
    "zinterstore": f"{STORED} {SUMMED}",
    "zrank": "key#0 member [WITHSCORE]",
    "zrevrank": "key#0 member [WITHSCORE]",
    "zunion": f"{FIRST_KEY} {SUMMED} [WITHSCORES]",
    "zunionstore": f"{STORED} {SUMMED}",
}

# Facts that are others from 7.2 on.
DEPRECATED = {"doc_flags": ["deprecated"]}
NEWER = {
    "client|pause": {"since": "3.0.0"},
    "quit": {
        **DEPRECATED,
        "deprecated_since": "7.2.0",
        "replaced_by": "just closing the connection",
    },
} | {
    command: {
        **DEPRECATED,
        "deprecated_since": "2.6.12",
        "replaced_by": f"`SET` with the `{option}` argument",
    }
    for command, option in (("setex", "EX"), ("psetex", "PX"), ("setnx", "NX"))
}


# Versions after 7.0 in which commands changed.
CHANGED = {
    "bitcount": ["8.0.0"],
    "bitop": ["8.2.0"],
    "client|kill": ["7.4.0", "8.1.0", "9.0.0"],
    "client|list": ["7.2.0", "8.1.0", "9.0.0"],
    "hscan": ["7.4.0"],
    "set": ["8.4.0"],
    "xadd": ["8.2.0"],
    "xinfo|consumers": ["7.2.0"],
    "xinfo|stream": ["7.2.0"],
    "xtrim": ["8.2.0"],
    "zinter": ["8.8.0"],
    "zinterstore": ["8.8.0"],
    "zrank": ["7.2.0"],
    "zrevrank": ["7.2.0"],
    "zunion": ["8.8.0"],
    "zunionstore": ["8.8.0"],
}

# Arguments of commands that 7.0 lacks.
FIELDS = "FIELDS fields(numfields:integer field...)"
WHEN = (
    "EX seconds:integer | PX milliseconds:integer | EXAT unix-time-seconds:unix-time | "
    "PXAT unix-time-milliseconds:unix-time"
)
COMPARED = "IFEQ ifeq-value | IFNE ifne-value | IFDEQ ifdeq-digest | IFDNE ifdne-digest"
IF = "[condition(NX | XX | GT | LT)]"
ENDS = "source#0 destination#1 wherefrom(LEFT | RIGHT) whereto(LEFT | RIGHT)"
AMOUNT = (
    "[amount(count-block(COUNT count:integer order(OBO | BULK)) | "
    "exactly-block(EXACTLY count:integer order(OBO | BULK)))]"
)
REMOVED = "[references(KEEPREF | DELREF | ACKED)] IDS ids(numids:integer id...)"
KIND = "type(SLOW | LARGE-REQUEST | LARGE-REPLY)"
NEW = {
    "blmovem": ("8.10.0", f"{ENDS} timeout:double {AMOUNT}"),
    "client|capa": ("8.0.0", "capability..."),
    "client|import-source": ("8.1.0", "enabled(ON | OFF)"),
    "client|no-touch": ("7.2.0", "enabled(ON | OFF)"),
    "client|setinfo": ("7.2.0", "attr(LIB-NAME libname | LIB-VER libver)"),
    "commandlog": ("8.1.0", ""),
    "commandlog|get": ("8.1.0", f"count:integer {KIND}"),
    "commandlog|help": ("8.1.0", ""),
    "commandlog|len": ("8.1.0", KIND),
    "commandlog|reset": ("8.1.0", KIND),
    "delex": ("8.4.0", f"key#0 [condition({COMPARED})]"),
    "delifeq": ("9.0.0", "key#0 value"),
    "digest": ("8.4.0", "key#0"),
    "hexpire": ("7.4.0", f"key#0 seconds:integer {IF} {FIELDS}"),
    "hexpireat": ("7.4.0", f"key#0 unix-time-seconds:unix-time {IF} {FIELDS}"),
    "hexpiretime": ("7.4.0", f"key#0 {FIELDS}"),
    "hgetdel": ("8.0.0", f"key#0 {FIELDS}"),
    "hgetex": ("8.0.0", f"key#0 [expiration({WHEN} | PERSIST)] {FIELDS}"),
    "hpersist": ("7.4.0", f"key#0 {FIELDS}"),
    "hpexpire": ("7.4.0", f"key#0 milliseconds:integer {IF} {FIELDS}"),
    "hpexpireat": ("7.4.0", f"key#0 unix-time-milliseconds:unix-time {IF} {FIELDS}"),
    "hpexpiretime": ("7.4.0", f"key#0 {FIELDS}"),
    "hpttl": ("7.4.0", f"key#0 {FIELDS}"),
    "hsetex": (
        "8.0.0",
        f"key#0 [key-condition(NX | XX)] [condition(FNX | FXX)] [expiration({WHEN} | KEEPTTL)] "
        "FIELDS fields(numfields:integer data(field value)...)",
    ),
    "httl": ("7.4.0", f"key#0 {FIELDS}"),
    "increx": (
        "8.8.0",
        "key#0 [increment(BYINT increment:integer | BYFLOAT increment:double)] "
        "[LBOUND lowerbound:double] [UBOUND upperbound:double] [SATURATE] "
        f"[expiration({WHEN} | PERSIST)] [ENX]",
    ),
    "lmovem": ("8.10.0", f"{ENDS} {AMOUNT}"),
    "msetex": (
        "8.4.0",
        f"numkeys:integer data(key#0 value)... [condition(NX | XX)] [expiration({WHEN} | KEEPTTL)]",
    ),
    "sdiffcard": ("8.10.0", f"{FIRST_KEY} [LIMIT limit:integer]"),
    "sunioncard": ("8.10.0", f"{FIRST_KEY} [APPROX] [LIMIT limit:integer]"),
    "xackdel": ("8.2.0", f"key#0 group {REMOVED}"),
    "xdelex": ("8.2.0", f"key#0 {REMOVED}"),
}

# What is shown of a value is its name but for these.
SHOWN = {
    "addr": "ip:port",
    "laddr": "ip:port",
    "old-format": "ip:port",
    "byint": "increment",
    "byfloat": "increment",
    "by-pattern": "pattern",
    "get-pattern": "pattern",
    "storekey": "key",
    "storedistkey": "key",
    "auth": "password",
    "keys": "key",
}


def text(value):
    return value.decode() if isinstance(value, bytes) else value


def fields(pairs):
    """The fields of a map, which RESP2 gives as a flat list, in order."""
    pairs = list(pairs.items()) if isinstance(pairs, dict) else list(zip(pairs[::2], pairs[1::2]))
    found = {text(name): text(value) for name, value in pairs}
    eq(len(found), len(pairs), "a field appears twice")
    return found


def in_order(names, order, where):
    eq(list(names), [name for name in order if name in names], where)


def documents(client, *names):
    """What COMMAND DOCS says, by full name, subcommands too."""
    found = {}

    def add(reply):
        for name, doc in fields(reply).items():
            found[name] = fields(doc)
            in_order(found[name], ORDER, name)
            add(found[name].get("subcommands", []))

    add(client.must("COMMAND", "DOCS", *names))
    return found


def show(arguments, name_of, between=" "):
    """Arguments as a line like that of a manual page; the notation is that of engine/usage.h."""
    shown = []
    for argument in map(fields, arguments):
        in_order(argument, [n for n in ARGUMENT_ORDER if n in argument], argument["name"])
        name, token, kind = name_of(argument), argument.get("token"), argument["type"]
        if kind in ("oneof", "block"):
            bar = " | " if kind == "oneof" else " "
            line = f"{name}({show(argument['arguments'], name_of, bar)})"
        elif kind == "pure-token":
            line = token if re.fullmatch("[A-Z][A-Z0-9-]*", token) else f"'{token}'"
            line = line if name == token.lower() else f"{name}={line}"
        else:
            line = name if kind in ("string", "key") and ":" not in name else f"{name}:{kind}"
        if "key_spec_index" in argument:
            line += f"#{argument['key_spec_index']}"
        if token is not None and kind != "pure-token":
            line = f"{token} {line}"
        line += f"@{argument['since']}" if "since" in argument else ""
        line += f"!{argument['deprecated_since']}" if "deprecated_since" in argument else ""
        shown.append(with_flags(line, argument.get("flags", [])))
    return between.join(shown)


def with_flags(line, flags):
    assert set(flags) <= {"optional", "multiple", "multiple_token"}, flags
    assert all(isinstance(flag, Status) for flag in flags), flags
    eq(len(flags), len(set(flags)))
    if "multiple_token" in flags:
        eq(len(flags), 3)
        return f"[{line}]..."
    line += "..." if "multiple" in flags else ""
    return f"[{line}]" if "optional" in flags else line


def new_name(argument):
    """The name of an argument of 7.0 as it is in 7.2."""
    name = argument["name"]
    key = name + "()" if "arguments" in argument else name
    return RENAMED.get(key, name).replace("_", "-")


def shown_name(argument):
    """What a hint shows of a value, of others the name."""
    name, shown = argument["name"], argument.get("display_text")
    eq(shown is None, "arguments" in argument, name)
    if shown is None or argument["type"] == "pure-token":
        eq(shown, None if "arguments" in argument else name)
        return name
    eq(shown, SHOWN.get(name, name))
    return shown


def check(command, want, got):
    """What is wrong with a command's documentation."""
    want = {**want, **NEWER.get(command, {})}
    for field in FACTS:
        if want.get(field) != got.get(field):
            yield f"{command} {field}: want {want.get(field)}, got {got.get(field)}"
    wanted = show(want.get("arguments", []), new_name)
    have = show(got.get("arguments", []), shown_name)
    if command in OTHERS and OTHERS[command] == wanted:
        yield f"{command} need not be among the others"
    if OTHERS.get(command, wanted) != have:
        yield f"{command}:\n    want {OTHERS.get(command, wanted)}\n    got  {have}"
    eq("arguments" in got, have != "", command)
    versions = [[text(entry[0]) for entry in doc.get("history", [])] for doc in (want, got)]
    if versions[1] != versions[0] + CHANGED.get(command, []):
        yield f"{command} history: want {versions[0]} and ours, got {versions[1]}"


def test_documents():
    for resp in (2, 3):
        with Pair(resp=resp) as pair:
            one, two = (documents(server.client(resp=resp)) for server in pair.servers)
            shared = [name for name in one if name in two]
            wrong = [text for name in shared for text in check(name, one[name], two[name])]
            assert not wrong, "\n".join(wrong)
            assert len(shared) > 200


def test_documents_of_newer_commands():
    """Commands that 7.0 lacks, but for those that only this server has."""
    with Pair() as pair:
        one, two = (documents(server.client()) for server in pair.servers)
        ours = {name for name in two if name not in one and name.split("|")[0] != "disk"}
        eq(sorted(ours), sorted(NEW))
        for name, (since, arguments) in NEW.items():
            eq(two[name]["since"], since, name)
            eq(show(two[name].get("arguments", []), shown_name), arguments, name)


QUERIES = """
get GET nope get
config|get CONFIG|SET config|nope config|get|x nope|get config
object|encoding memory|usage xgroup|create
nope
|
"""


def test_names():
    """Whose documents are answered: each time a name is asked for that there is, and no others."""
    for resp in (2, 3):
        with Pair(resp=resp) as pair:
            clients = [server.client(resp=resp) for server in pair.servers]
            for names in QUERIES.strip().split("\n"):
                query = ("COMMAND", "DOCS", *names.split())
                heads = [client.raw(*query).split(b"\r\n")[0] for client in clients]
                eq(heads[1], heads[0], names)
                want, got = (client.must(*query) for client in clients)
                eq(list(got) if resp == 3 else got[::2], list(want) if resp == 3 else want[::2])
