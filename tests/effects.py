#!/usr/bin/env python3
"""Says of each directive whether the table's word about its effect is true.

A directive has an effect if the field of struct settings that it fills is read somewhere outside of
the configuration itself. Names those that claim one and have none, and those that have one and are
flagged as stored without effect. Exit code 1 if there is any.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Fields that a special directive fills (its row names none).
SPECIAL = {
    "bind": "bind",
    "client-output-buffer-limit": "client_output_buffer_limit",
    "io-threads": "io_threads",
    "dir": "dir",
    "oom-score-adj-values": "oom_score_adj_values",
    "maxmemory": "maxmemory",
    "save": "save_points",
    "replicaof": "replicaof",
    "latency-tracking-info-percentiles": "settings_percentiles",
    "notify-keyspace-events": "notify_keyspace_events",
}
# Shown by INFO, or looked at for an error text, and no more than that.
SHOWN = {"hz", "repl-backlog-size", "import-mode"}
# Read by their names with config_get_one, or applied by the configuration itself.
BY_NAME = {"syslog-facility", "disk-fault", "enable-protected-configs"}


def rows():
    text = (ROOT / "src/ops/config_table.c").read_text()
    body = text[text.index("config_directives[] = {") : text.index("config_directive_count =")]
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
    parts = re.split(r"\n    (?=[A-Z_]+\(|\{)", body)
    for part in parts[1:]:
        call = re.match(r"([A-Z_]+)\(\"([^\"]+)\"", part)
        if call:
            macro, name = call.groups()
            words = part.split(",")
            field = words[1].strip() if macro not in ("SPECIAL", "EXTRA", "IGNORED") else None
            if macro == "NUMBER_ROW":
                field = words[2].strip()
        else:
            macro = "ROW"
            name = re.search(r"\.name = \"([^\"]+)\"", part).group(1)
            field = re.search(r"FIELD\([^,]+, (\w+)\)", part).group(1)
        stored = macro.startswith("S_") or macro == "STORED"
        if re.search(r"\bUNS\b", part):
            continue  # refused
        claims = not (stored or re.search(r"\bNONE\b", part))
        yield macro, name, SPECIAL.get(name, field), claims, stored


def main():
    sources = [
        p
        for p in ROOT.glob("src/**/*.c")
        if not p.name.startswith("config_") and p.name not in ("config.c", "settings.c")
    ]
    text = "\n".join(p.read_text() for p in sources)
    wrong = 0
    for macro, name, field, claims, stored in rows():
        if macro in ("IGNORED", "EXTRA") or stored or name in BY_NAME | SHOWN:
            continue
        if name in ("save", "latency-tracking-info-percentiles"):
            effect = ("settings_save_points" if name == "save" else "settings_percentiles") in text
        else:
            effect = (
                re.search(rf"\b(settings|s|limits|settings_of\([^()]*\))(->|\.){field}\b", text)
                is not None
            )
        if effect != claims:
            wrong += 1
            print(
                f"{name}: "
                + (
                    "read, but flagged as without effect"
                    if effect
                    else "claims an effect, but nobody reads it"
                )
            )
    print(f"effects: {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
