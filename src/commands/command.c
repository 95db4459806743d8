/* command.c - the command table as clients see it: COMMAND, COMMAND INFO, DOCS, LIST, COUNT,
 * GETKEYS.
 *
 * Everything is read from the rows; their order is that of the registry.
 */
#include "base/glob.h"
#include "base/mem.h"
#include "base/number.h"
#include "commands/command_docs.h"
#include "commands/commands.h"
#include "engine/call.h"

struct bit_name {
    uint32_t bit;
    const char *name;
};

static const struct bit_name flag_names[] = {{CMD_WRITE, "write"},
                                             {CMD_READONLY, "readonly"},
                                             {CMD_DENYOOM, "denyoom"},
                                             {CMD_ADMIN, "admin"},
                                             {CMD_PUBSUB, "pubsub"},
                                             {CMD_NOSCRIPT, "noscript"},
                                             {CMD_BLOCKING, "blocking"},
                                             {CMD_LOADING, "loading"},
                                             {CMD_STALE, "stale"},
                                             {CMD_SKIP_MONITOR, "skip_monitor"},
                                             {CMD_SKIP_SLOWLOG, "skip_slowlog"},
                                             {CMD_ASKING, "asking"},
                                             {CMD_FAST, "fast"},
                                             {CMD_NO_AUTH, "no_auth"},
                                             {CMD_MAY_REPLICATE, "may_replicate"},
                                             {CMD_NO_MANDATORY_KEYS, "no_mandatory_keys"},
                                             {CMD_NO_ASYNC_LOADING, "no_async_loading"},
                                             {CMD_NO_MULTI, "no_multi"},
                                             {CMD_MOVABLEKEYS, "movablekeys"},
                                             {CMD_ALLOW_BUSY, "allow_busy"}};

static const struct bit_name category_names[] = {{ACL_KEYSPACE, "@keyspace"},
                                                 {ACL_READ, "@read"},
                                                 {ACL_WRITE, "@write"},
                                                 {ACL_SET, "@set"},
                                                 {ACL_SORTEDSET, "@sortedset"},
                                                 {ACL_LIST, "@list"},
                                                 {ACL_HASH, "@hash"},
                                                 {ACL_STRING, "@string"},
                                                 {ACL_BITMAP, "@bitmap"},
                                                 {ACL_HYPERLOGLOG, "@hyperloglog"},
                                                 {ACL_GEO, "@geo"},
                                                 {ACL_STREAM, "@stream"},
                                                 {ACL_PUBSUB, "@pubsub"},
                                                 {ACL_ADMIN, "@admin"},
                                                 {ACL_FAST, "@fast"},
                                                 {ACL_SLOW, "@slow"},
                                                 {ACL_BLOCKING, "@blocking"},
                                                 {ACL_DANGEROUS, "@dangerous"},
                                                 {ACL_CONNECTION, "@connection"},
                                                 {ACL_TRANSACTION, "@transaction"},
                                                 {ACL_SCRIPTING, "@scripting"}};

static const struct bit_name key_flag_names[] = {{KEY_RO, "RO"},
                                                 {KEY_RW, "RW"},
                                                 {KEY_OW, "OW"},
                                                 {KEY_RM, "RM"},
                                                 {KEY_ACCESS, "access"},
                                                 {KEY_UPDATE, "update"},
                                                 {KEY_INSERT, "insert"},
                                                 {KEY_DELETE, "delete"},
                                                 {KEY_NOT_KEY, "not_key"},
                                                 {KEY_INCOMPLETE, "incomplete"},
                                                 {KEY_VARIABLE_FLAGS, "variable_flags"}};

static void reply_names(struct reply_buffer *r, uint32_t bits, const struct bit_name *names,
                        size_t count)
{
    size_t set = 0;
    for (size_t i = 0; i < count; i++)
        set += (bits & names[i].bit) != 0;
    reply_set(r, set);
    for (size_t i = 0; i < count; i++)
        if (bits & names[i].bit)
            reply_simple(r, names[i].name);
}

static size_t count_tips(const struct command *row)
{
    size_t count = 0;
    while (row->tips != NULL && row->tips[count] != NULL)
        count++;
    return count;
}

static size_t count_specs(const struct command *row)
{
    size_t count = 0;
    while (count < KEY_SPECS_MAX && row->keys[count].flags != 0)
        count++;
    return count;
}

/* A row by "get" or "client|kill", no case; NULL if there is none. */
static const struct command *find_row(const struct call *call, struct slice name,
                                      const struct command **parent)
{
    const struct registry *registry = call->server->registry;
    const char *bar = memchr(name.data, '|', name.len);
    *parent = NULL;
    if (bar == NULL)
        return registry_find(registry, name, NULL);
    size_t len = (size_t)(bar - name.data);
    const struct command *container = registry_find(registry, slice_of(name.data, len), NULL);
    if (container == NULL || container->subcommands == NULL)
        return NULL;
    *parent = container;
    return registry_find_sub(registry, container, slice_of(bar + 1, name.len - len - 1), NULL);
}

/* ---- INFO ---- */

struct key_range {
    int first, last, step; /* last: absolute, or negative from the end */
};

static bool is_range(const struct key_spec *spec)
{
    return spec->keyword == NULL && !spec->counted && spec->begin > 0;
}

/* The one range that clients of old look at: all plain ranges of the row that follow each other. */
static struct key_range key_range(const struct command *row)
{
    size_t count = count_specs(row);
    const struct key_spec *only = &row->keys[0];
    if (count == 1 && is_range(only))
        return (struct key_range){
            only->begin, only->last >= 0 ? only->begin + only->last : only->last, only->step};
    struct key_range range = {0, 0, 0};
    int previous = 0;
    for (size_t i = 0; i < count; i++) {
        const struct key_spec *spec = &row->keys[i];
        if (!is_range(spec) || spec->step != 1 || (previous != 0 && previous != spec->begin - 1))
            continue;
        int last = spec->last >= 0 ? spec->begin + spec->last : spec->last;
        if (range.first == 0 || spec->begin < range.first)
            range.first = spec->begin;
        /* Unsigned, so that a place counted from the end is behind all others. */
        range.last = (unsigned)last > (unsigned)range.last ? last : range.last;
        range.step = 1;
        previous = range.last;
    }
    return range;
}

static void reply_begin_search(struct reply_buffer *r, const struct key_spec *spec)
{
    reply_map(r, 2);
    reply_bulk_str(r, "type");
    reply_bulk_str(r, spec->keyword != NULL ? "keyword" : spec->begin > 0 ? "index" : "unknown");
    reply_bulk_str(r, "spec");
    if (spec->keyword != NULL) {
        reply_map(r, 2);
        reply_bulk_str(r, "keyword");
        reply_bulk_str(r, spec->keyword);
        reply_bulk_str(r, "startfrom");
        reply_int(r, spec->begin);
    } else if (spec->begin > 0) {
        reply_map(r, 1);
        reply_bulk_str(r, "index");
        reply_int(r, spec->begin);
    } else {
        reply_map(r, 0);
    }
}

static void reply_field(struct reply_buffer *r, const char *name, int64_t value)
{
    reply_bulk_str(r, name);
    reply_int(r, value);
}

static void reply_find_keys(struct reply_buffer *r, const struct key_spec *spec)
{
    bool unknown = spec->keyword == NULL && spec->begin <= 0;
    reply_map(r, 2);
    reply_bulk_str(r, "type");
    reply_bulk_str(r, unknown ? "unknown" : spec->counted ? "keynum" : "range");
    reply_bulk_str(r, "spec");
    if (unknown) {
        reply_map(r, 0);
    } else if (spec->counted) {
        reply_map(r, 3);
        reply_field(r, "keynumidx", spec->count_at);
        reply_field(r, "firstkey", spec->first);
        reply_field(r, "keystep", spec->step);
    } else {
        reply_map(r, 3);
        reply_field(r, "lastkey", spec->last);
        reply_field(r, "keystep", spec->step);
        reply_field(r, "limit", spec->limit);
    }
}

static void reply_specs(struct reply_buffer *r, const struct command *row)
{
    size_t count = count_specs(row);
    reply_set(r, count);
    for (size_t i = 0; i < count; i++) {
        reply_map(r, 3);
        reply_bulk_str(r, "flags");
        reply_names(r, row->keys[i].flags, key_flag_names, COUNT_OF(key_flag_names));
        reply_bulk_str(r, "begin_search");
        reply_begin_search(r, &row->keys[i]);
        reply_bulk_str(r, "find_keys");
        reply_find_keys(r, &row->keys[i]);
    }
}

static void reply_row(struct reply_buffer *r, const struct command *row,
                      const struct command *parent)
{
    char name[64];
    struct key_range range = key_range(row);
    size_t tips = count_tips(row), subcommands = command_subcommands(row);
    reply_array(r, 10);
    reply_bulk_str(r, command_full_name(row, parent, name));
    reply_int(r, row->arity);
    reply_names(r, row->flags, flag_names, COUNT_OF(flag_names));
    reply_int(r, range.first);
    reply_int(r, range.last);
    reply_int(r, range.step);
    reply_names(r, command_acl(row), category_names, COUNT_OF(category_names));
    reply_set(r, tips);
    for (size_t i = 0; i < tips; i++)
        reply_bulk_str(r, row->tips[i]);
    reply_specs(r, row);
    reply_set(r, subcommands);
    for (size_t i = 0; i < subcommands; i++)
        reply_row(r, &row->subcommands[i], row);
}

static void reply_all_rows(struct call *call)
{
    const struct registry *registry = call->server->registry;
    const struct command *parent;
    reply_array(call->reply, registry_count(registry));
    for (uint32_t i = 0; i < registry_rows(registry); i++) {
        const struct command *row = registry_row(registry, i, &parent);
        if (parent == NULL)
            reply_row(call->reply, row, NULL);
    }
}

/* COMMAND itself, or a subcommand that is none. */
static void command_command(struct call *call)
{
    if (call->argc > 1)
        call_unknown_subcommand(call);
    else
        reply_all_rows(call);
}

static void info_command(struct call *call)
{
    if (call->argc == 2) {
        reply_all_rows(call);
        return;
    }
    reply_array(call->reply, call->argc - 2);
    for (uint32_t i = 2; i < call->argc; i++) {
        const struct command *parent, *row = find_row(call, call->argv[i], &parent);
        if (row != NULL)
            reply_row(call->reply, row, parent);
        else
            reply_null(call->reply);
    }
}

static void count_command(struct call *call)
{
    reply_int(call->reply, (int64_t)registry_count(call->server->registry));
}

/* ---- DOCS ---- */

static void docs_command(struct call *call)
{
    const struct registry *registry = call->server->registry;
    const struct command *parent, *row;
    if (call->argc == 2) {
        reply_map(call->reply, registry_count(registry));
        for (uint32_t i = 0; i < registry_rows(registry); i++) {
            row = registry_row(registry, i, &parent);
            if (parent == NULL)
                command_reply_docs(call->reply, row, NULL);
        }
        return;
    }
    size_t mark = reply_array_deferred(call->reply), found = 0;
    for (uint32_t i = 2; i < call->argc; i++) {
        row = find_row(call, call->argv[i], &parent);
        if (row == NULL)
            continue;
        command_reply_docs(call->reply, row, parent);
        found++;
    }
    reply_map_patch(call->reply, mark, found);
}

/* ---- LIST ---- */

struct list_filter {
    enum { LIST_ALL, LIST_NONE, LIST_CATEGORY, LIST_PATTERN } kind;
    uint32_t category;
    struct slice pattern;
};

/* [FILTERBY (MODULE name | ACLCAT category | PATTERN glob)]; false after replying the error. */
static bool read_list_filter(struct call *call, struct list_filter *filter)
{
    if (call->argc == 2)
        return true;
    if (call->argc != 5 || !slice_is(call->argv[2], "filterby")) {
        call_syntax_error(call);
        return false;
    }
    struct slice value = call->argv[4];
    if (slice_is(call->argv[3], "module")) {
        filter->kind = LIST_NONE; /* no command comes from a module */
    } else if (slice_is(call->argv[3], "pattern")) {
        filter->kind = LIST_PATTERN;
        filter->pattern = value;
    } else if (slice_is(call->argv[3], "aclcat")) {
        filter->kind = LIST_NONE;
        for (size_t i = 0; i < COUNT_OF(category_names); i++) {
            if (slice_is(value, category_names[i].name + 1)) {
                filter->kind = LIST_CATEGORY;
                filter->category = category_names[i].bit;
            }
        }
    } else {
        call_syntax_error(call);
        return false;
    }
    return true;
}

static void list_command(struct call *call)
{
    const struct registry *registry = call->server->registry;
    struct list_filter filter = {.kind = LIST_ALL};
    char name[64];
    if (!read_list_filter(call, &filter))
        return;
    size_t mark = reply_array_deferred(call->reply), count = 0;
    for (uint32_t i = 0; i < registry_rows(registry) && filter.kind != LIST_NONE; i++) {
        const struct command *parent, *row = registry_row(registry, i, &parent);
        command_full_name(row, parent, name);
        if ((filter.kind == LIST_CATEGORY && !(command_acl(row) & filter.category)) ||
            (filter.kind == LIST_PATTERN && !glob_match_nocase(filter.pattern, slice_str(name))))
            continue;
        reply_bulk_str(call->reply, name);
        count++;
    }
    reply_array_patch(call->reply, mark, count);
}

/* ---- GETKEYS ---- */

struct found_keys {
    uint32_t *at;
    uint16_t *flags;
    int count;
};

/* The row of the command in the arguments from 2 on, or NULL after replying an error. */
static const struct command *read_command(struct call *call)
{
    const struct registry *registry = call->server->registry;
    uint32_t argc = call->argc - 2;
    const struct command *row = registry_find(registry, call->argv[2], NULL);
    if (row != NULL && row->subcommands != NULL && argc > 1) {
        const struct command *sub = registry_find_sub(registry, row, call->argv[3], NULL);
        row = sub != NULL ? sub : row->run != NULL ? row : NULL;
    }
    if (row == NULL) {
        call_error(call, "ERR Invalid command specified");
        return NULL;
    }
    if (row->keys[0].flags == 0 && row->find_keys == NULL) {
        call_error(call, "ERR The command has no key arguments");
        return NULL;
    }
    bool fits = row->arity >= 0 ? argc == (uint32_t)row->arity : argc >= (uint32_t)-row->arity;
    if (!fits) {
        call_error(call, "ERR Invalid number of arguments specified for command");
        return NULL;
    }
    return row;
}

/* Whether a number of keys among the arguments is zero, which says that there are no keys, even if
 * another specification finds some. */
static bool counts_none(const struct command *row, uint32_t argc, const struct slice *args)
{
    int64_t count;
    for (size_t i = 0; i < count_specs(row); i++) {
        const struct key_spec *spec = &row->keys[i];
        uint32_t at = (uint32_t)(spec->begin + spec->count_at);
        if (spec->counted && spec->keyword == NULL && at < argc &&
            number_parse_i64(args[at], &count) && count == 0)
            return true;
    }
    return false;
}

/* False after replying. The arrays are one allocation, to be freed by mem_free(keys->at). */
static bool find_keys(struct call *call, struct found_keys *keys)
{
    uint32_t argc = call->argc - 2;
    const struct command *row = read_command(call);
    if (row == NULL)
        return false;
    keys->at = mem_alloc(argc * (sizeof *keys->at + sizeof *keys->flags));
    keys->flags = (uint16_t *)(void *)(keys->at + argc);
    keys->count = command_find_keys(row, argc, call->argv + 2, keys->at, keys->flags, argc);
    if (keys->count > 0 && !counts_none(row, argc, call->argv + 2))
        return true;
    mem_free(keys->at);
    if (row->flags & CMD_NO_MANDATORY_KEYS)
        reply_array(call->reply, 0);
    else
        call_error(call, "ERR Invalid arguments specified for command");
    return false;
}

static void getkeys_command(struct call *call)
{
    struct found_keys keys;
    if (!find_keys(call, &keys))
        return;
    reply_array(call->reply, (size_t)keys.count);
    for (int i = 0; i < keys.count; i++)
        reply_bulk(call->reply, call->argv[2 + keys.at[i]]);
    mem_free(keys.at);
}

/* Whether BITFIELD only reads: all that it does are GETs. What is no operation may be anything. */
static bool bitfield_reads(uint32_t argc, const struct slice *args)
{
    static const struct {
        const char *word;
        uint32_t values;
    } reading[] = {{"get", 2}, {"overflow", 1}};
    for (uint32_t at = 2; at < argc;) {
        size_t i = 0;
        while (i < COUNT_OF(reading) && !slice_is(args[at], reading[i].word))
            i++;
        if (i == COUNT_OF(reading) || argc - at - 1 < reading[i].values)
            return false;
        at += 1 + reading[i].values;
    }
    return true;
}

/* What a key is used for where that depends on the arguments (KEY_VARIABLE_FLAGS). */
static uint16_t exact_flags(const struct call *call, uint16_t flags)
{
    const struct slice *args = call->argv + 2;
    uint32_t argc = call->argc - 2;
    if (!(flags & KEY_VARIABLE_FLAGS))
        return flags;
    if (slice_is(args[0], "bitfield"))
        return bitfield_reads(argc, args) ? KEY_RO | KEY_ACCESS : KEY_RW | KEY_ACCESS | KEY_UPDATE;
    if (!slice_is(args[0], "set"))
        return flags;
    for (uint32_t i = 3; i < argc; i++)
        if (slice_is(args[i], "get"))
            return KEY_RW | KEY_ACCESS | KEY_UPDATE;
    return KEY_OW | KEY_UPDATE;
}

static void getkeysandflags_command(struct call *call)
{
    struct found_keys keys;
    if (!find_keys(call, &keys))
        return;
    reply_array(call->reply, (size_t)keys.count);
    for (int i = 0; i < keys.count; i++) {
        reply_array(call->reply, 2);
        reply_bulk(call->reply, call->argv[2 + keys.at[i]]);
        reply_names(call->reply, exact_flags(call, keys.flags[i]), key_flag_names,
                    COUNT_OF(key_flag_names));
    }
    mem_free(keys.at);
}

static void help_command(struct call *call)
{
    static const char *const lines[] = {
        "(no subcommand)",
        "    Every command with its arity, flags and keys.",
        "COUNT",
        "    How many commands there are.",
        "DOCS [<command-name> ...]",
        "    What commands are for; all of them without names.",
        "GETKEYS <full-command>",
        "    The keys among the arguments of a command.",
        "GETKEYSANDFLAGS <full-command>",
        "    The same, with how each key is used.",
        "INFO [<command-name> ...]",
        "    Like no subcommand, for the commands named.",
        "LIST [FILTERBY (MODULE <name>|ACLCAT <cat>|PATTERN <glob>)]",
        "    The names of commands and subcommands.",
        NULL};
    reply_help(call->reply, "COMMAND", lines);
}

/* ---- rows ---- */

#define IN_FAMILY   .flags = CMD_LOADING | CMD_STALE, .acl = ACL_CONNECTION, .group = GROUP_SERVER
#define PER_COMMAND .complexity = "O(N) where N is the number of commands."

static const char *const order_varies[] = {"nondeterministic_output_order", NULL};

static const struct command subcommands[] = {
    {.name = "count",
     .run = count_command,
     .arity = 2,
     .since = "2.8.13",
     .summary = "Counts the commands.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "docs",
     .run = docs_command,
     .arity = -2,
     .usage = "[command-name...]",
     .since = "7.0.0",
     .summary = "Documents commands.",
     .tips = order_varies,
     PER_COMMAND,
     IN_FAMILY},
    {.name = "getkeys",
     .run = getkeys_command,
     .arity = -3,
     .usage = "command [arg...]",
     .since = "2.8.13",
     .summary = "Answers the keys among the arguments of a command.",
     .complexity = "O(N) where N is the number of arguments.",
     IN_FAMILY},
    {.name = "getkeysandflags",
     .run = getkeysandflags_command,
     .arity = -3,
     .usage = "command [arg...]",
     .since = "7.0.0",
     .summary = "Answers the keys among the arguments of a command, and how it uses them.",
     .complexity = "O(N) where N is the number of arguments.",
     IN_FAMILY},
    {.name = "help",
     .run = help_command,
     .arity = 2,
     .since = "5.0.0",
     .summary = "Lists the subcommands.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "info",
     .run = info_command,
     .arity = -2,
     .usage = "[command-name...]",
     .history = "7.0.0 Without names it tells of all commands.",
     .since = "2.8.13",
     .summary = "Answers arity, flags and keys of some commands.",
     .tips = order_varies,
     PER_COMMAND,
     IN_FAMILY},
    {.name = "list",
     .run = list_command,
     .arity = -2,
     .usage = "[FILTERBY filterby(MODULE module-name | ACLCAT category | PATTERN pattern:pattern)]",
     .since = "7.0.0",
     .summary = "Answers the names of commands.",
     .tips = order_varies,
     PER_COMMAND,
     IN_FAMILY},
    {.name = NULL}};

const struct command command_commands[] = {
    {.name = "command",
     .run = command_command,
     .arity = -1,
     .since = "2.8.13",
     .summary = "Answers arity, flags and keys of every command.",
     .tips = order_varies,
     .subcommands = subcommands,
     PER_COMMAND,
     IN_FAMILY},
    {.name = NULL}};
