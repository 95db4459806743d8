/* command_docs.c - what COMMAND DOCS says of one command; its arguments are parsed when asked.
 *
 * Fields and their order: https://redis.io/docs/latest/commands/command-docs/
 */
#include "commands/command_docs.h"

#include "base/panic.h"
#include "engine/registry.h"
#include "engine/usage.h"

static const char *const group_names[] = {[GROUP_GENERIC] = "generic",
                                          [GROUP_STRING] = "string",
                                          [GROUP_BITMAP] = "bitmap",
                                          [GROUP_LIST] = "list",
                                          [GROUP_SET] = "set",
                                          [GROUP_SORTED_SET] = "sorted-set",
                                          [GROUP_HASH] = "hash",
                                          [GROUP_STREAM] = "stream",
                                          [GROUP_GEO] = "geo",
                                          [GROUP_HYPERLOGLOG] = "hyperloglog",
                                          [GROUP_PUBSUB] = "pubsub",
                                          [GROUP_TRANSACTIONS] = "transactions",
                                          [GROUP_CONNECTION] = "connection",
                                          [GROUP_SERVER] = "server",
                                          [GROUP_SCRIPTING] = "scripting",
                                          [GROUP_CLUSTER] = "cluster"};

/* ---- arguments ---- */

static const char *const type_names[] = {[USAGE_STRING] = "string",
                                         [USAGE_INTEGER] = "integer",
                                         [USAGE_DOUBLE] = "double",
                                         [USAGE_KEY] = "key",
                                         [USAGE_PATTERN] = "pattern",
                                         [USAGE_UNIX_TIME] = "unix-time",
                                         [USAGE_PURE_TOKEN] = "pure-token",
                                         [USAGE_ONEOF] = "oneof",
                                         [USAGE_BLOCK] = "block"};

static size_t reply_slice(struct reply_buffer *r, const char *name, struct slice text)
{
    reply_bulk_str(r, name);
    reply_bulk(r, text);
    return 1;
}

/* The name; that of a pure token may be the token in small letters. */
static struct slice argument_name(const struct usage_arg *arg, char out[64])
{
    if (arg->name.len != 0)
        return arg->name;
    ASSERT(arg->token.len < 64);
    for (size_t i = 0; i < arg->token.len; i++) {
        char c = arg->token.data[i];
        out[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    return slice_of(out, arg->token.len);
}

static size_t reply_argument_flags(struct reply_buffer *r, uint8_t flags)
{
    static const char *const names[] = {"optional", "multiple", "multiple_token"};
    if (flags == 0)
        return 0;
    reply_bulk_str(r, "flags");
    reply_set(r, (size_t)__builtin_popcount(flags));
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (flags & 1u << i)
            reply_simple(r, names[i]);
    return 1;
}

/* `count` arguments of a group, or of the whole line, from args[0] on. */
static void reply_arguments(struct reply_buffer *r, const struct usage_arg *args, size_t count)
{
    reply_array(r, count);
    for (const struct usage_arg *arg = args; count-- > 0; arg += arg->size) {
        char buffer[64];
        struct slice name = argument_name(arg, buffer);
        size_t mark = reply_array_deferred(r), fields = 2;
        bool group = arg->type == USAGE_ONEOF || arg->type == USAGE_BLOCK;
        reply_slice(r, "name", name);
        reply_slice(r, "type", slice_str(type_names[arg->type]));
        if (!group)
            fields += reply_slice(r, "display_text", arg->shown.len != 0 ? arg->shown : name);
        if (arg->key_spec >= 0) {
            reply_bulk_str(r, "key_spec_index");
            reply_int(r, arg->key_spec);
            fields++;
        }
        if (arg->token.data != NULL)
            fields += reply_slice(r, "token", arg->token);
        if (arg->since.len != 0)
            fields += reply_slice(r, "since", arg->since);
        if (arg->deprecated_since.len != 0)
            fields += reply_slice(r, "deprecated_since", arg->deprecated_since);
        fields += reply_argument_flags(r, arg->flags);
        if (group) {
            reply_bulk_str(r, "arguments");
            reply_arguments(r, arg + 1, arg->children);
            fields++;
        }
        reply_map_patch(r, mark, fields);
    }
}

static size_t reply_usage(struct reply_buffer *r, const char *line)
{
    struct usage usage;
    if (line == NULL)
        return 0;
    const char *error = usage_parse(line, &usage, NULL);
    ASSERT(error == NULL); /* a test parses every row's */
    reply_bulk_str(r, "arguments");
    reply_arguments(r, usage.args, usage.top);
    return 1;
}

/* ---- the rest ---- */

static size_t reply_text(struct reply_buffer *r, const char *name, const char *text)
{
    if (text == NULL)
        return 0;
    reply_bulk_str(r, name);
    reply_bulk_str(r, text);
    return 1;
}

/* Lines of a version, a space and what it changed: pairs. */
static size_t reply_history(struct reply_buffer *r, const char *lines)
{
    size_t count = 1;
    if (lines == NULL)
        return 0;
    for (const char *c = lines; *c != '\0'; c++)
        count += *c == '\n';
    reply_bulk_str(r, "history");
    reply_set(r, count);
    for (const char *line = lines; count-- > 0;) {
        size_t len = strcspn(line, "\n"), version = strcspn(line, " ");
        ASSERT(version < len);
        reply_array(r, 2);
        reply_bulk(r, slice_of(line, version));
        reply_bulk(r, slice_of(line + version + 1, len - version - 1));
        line += len + 1;
    }
    return 1;
}

void command_reply_docs(struct reply_buffer *r, const struct command *row,
                        const struct command *parent)
{
    char name[64];
    reply_bulk_str(r, command_full_name(row, parent, name));
    size_t mark = reply_array_deferred(r), fields = 0, subcommands = command_subcommands(row);
    fields += reply_text(r, "summary", row->summary);
    fields += reply_text(r, "since", row->since);
    fields += reply_text(r, "group", group_names[row->group]);
    fields += reply_text(r, "complexity", row->complexity);
    if (row->deprecated_since != NULL || row->flags & CMD_SYSCMD) {
        reply_bulk_str(r, "doc_flags");
        reply_set(r, 1);
        reply_simple(r, row->deprecated_since != NULL ? "deprecated" : "syscmd");
        fields++;
    }
    fields += reply_text(r, "deprecated_since", row->deprecated_since);
    fields += reply_text(r, "replaced_by", row->replaced_by);
    fields += reply_history(r, row->history);
    fields += reply_usage(r, row->usage);
    if (subcommands != 0) {
        reply_bulk_str(r, "subcommands");
        reply_map(r, subcommands);
        for (size_t i = 0; i < subcommands; i++)
            command_reply_docs(r, &row->subcommands[i], row);
        fields++;
    }
    reply_map_patch(r, mark, fields);
}
