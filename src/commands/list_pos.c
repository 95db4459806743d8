/* list_pos.c - LPOS: where elements of a value stand. */
#include "commands/list.h"
#include "engine/aside.h"

struct options {
    int64_t rank;  /* which match is the first of interest, from 1 on */
    int64_t count; /* matches wanted, 0 = all; -1: one, and it is not replied as an array */
    int64_t most;  /* elements looked at, 0 = all */
    bool backwards;
};

static bool read_options(struct call *call, struct options *out)
{
    *out = (struct options){.rank = 1, .count = -1};
    for (uint32_t i = 3; i < call->argc; i += 2) {
        struct slice word = call->argv[i];
        bool ok;
        if (i + 1 == call->argc) {
            call_syntax_error(call);
            return false;
        }
        if (slice_is(word, "rank")) {
            ok = call_i64_range(call, i + 1, -INT64_MAX, INT64_MAX, &out->rank, NULL);
            if (ok && out->rank == 0) {
                call_error(call, "ERR RANK can't be zero: use 1 to start from the first match, 2 "
                                 "from the second ... or use negative to start from the end of the "
                                 "list");
                return false;
            }
        } else if (slice_is(word, "count")) {
            ok = call_i64_range(call, i + 1, 0, INT64_MAX, &out->count,
                                "ERR COUNT can't be negative");
        } else if (slice_is(word, "maxlen")) {
            ok = call_i64_range(call, i + 1, 0, INT64_MAX, &out->most,
                                "ERR MAXLEN can't be negative");
        } else {
            call_syntax_error(call);
            return false;
        }
        if (!ok)
            return false;
    }
    out->backwards = out->rank < 0;
    out->rank = out->backwards ? -out->rank : out->rank;
    return true;
}

/* Replies each match of interest as an integer; how many those were. */
static size_t reply_matches(struct call *call, struct value list, const struct options *options)
{
    size_t len = list_count(list), found = 0, looked = 0;
    int64_t matches = 0;
    struct list_at at;
    bool more = list_seek(list, options->backwards ? -1 : 0, &at);
    while (more && (options->most == 0 || looked < (uint64_t)options->most)) {
        if (list_equals(list, &at, call->argv[2]) && ++matches >= options->rank) {
            reply_int(call->reply, (int64_t)(options->backwards ? len - 1 - looked : looked));
            found++;
            if (options->count != 0 && found >= (uint64_t)MAX_OF(options->count, 1))
                break;
        }
        looked++;
        more = options->backwards ? list_prev(list, &at) : list_next(list, &at);
    }
    if (more)
        list_done(list, &at);
    return found;
}

void list_lpos(struct call *call)
{
    struct key key = call_first_key(call);
    struct options options;
    struct entry *entry;
    if (!read_options(call, &options) || !list_find(call, &key, FIND_READ, &entry))
        return;
    struct value list = {0};
    if (entry != NULL) {
        list = entry_value(entry);
        if (call_aside(call, list_count(list)))
            return;
        call_let_go(call, &list, 1);
    }
    bool array = options.count >= 0;
    size_t mark = array ? reply_array_deferred(call->reply) : 0, found = 0;
    if (entry != NULL)
        found = reply_matches(call, list, &options);
    if (array)
        reply_array_patch(call->reply, mark, found);
    else if (found == 0)
        reply_null(call->reply);
}
