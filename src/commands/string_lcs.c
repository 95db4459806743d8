/* string_lcs.c - LCS: the longest common subsequence of two strings, by dynamic programming.
 *
 * Cell (i, j) of the table is the length for the first i bytes of one and the first j bytes of the
 * other; row and column 0 are zero. The subsequence and its ranges are read off by walking from the
 * last cell back to the first. LEN alone needs no more than two rows. O(n * m) time.
 */
#include "commands/string.h"

#include "base/mem.h"
#include "engine/call.h"
#include "engine/settings.h"

struct lcs_options {
    bool indexes, length_only, with_lengths;
    int64_t min_length;
};

struct lcs_table {
    struct slice a, b;
    size_t width; /* cells of a row: b.len + 1 */
    size_t rows;  /* kept: a.len + 1, or 2 of which row i is i % 2 */
    uint32_t *cells;
};

struct lcs_range {
    size_t from, to; /* both included */
};

static uint32_t *lcs_row(const struct lcs_table *t, size_t i)
{
    return t->cells + i % t->rows * t->width;
}

/* Fills the table and returns the length of the subsequence. */
static uint32_t lcs_fill(struct lcs_table *t)
{
    memset(t->cells, 0, t->width * sizeof *t->cells);
    for (size_t i = 1; i <= t->a.len; i++) {
        const uint32_t *above = lcs_row(t, i - 1);
        uint32_t *row = lcs_row(t, i);
        char c = t->a.data[i - 1];
        row[0] = 0;
        for (size_t j = 1; j <= t->b.len; j++)
            row[j] = c == t->b.data[j - 1] ? above[j - 1] + 1 : MAX_OF(above[j], row[j - 1]);
    }
    return lcs_row(t, t->a.len)[t->b.len];
}

static void reply_range(struct reply_buffer *reply, const struct lcs_range *range)
{
    reply_array(reply, 2);
    reply_int(reply, (int64_t)range->from);
    reply_int(reply, (int64_t)range->to);
}

/* Replies one run of equal bytes unless it is too short; returns how many it replied. */
static size_t reply_match(struct reply_buffer *reply, const struct lcs_options *options,
                          const struct lcs_range *a, const struct lcs_range *b)
{
    int64_t length = (int64_t)(a->to - a->from) + 1;
    if (length < options->min_length)
        return 0;
    reply_array(reply, options->with_lengths ? 3 : 2);
    reply_range(reply, a);
    reply_range(reply, b);
    if (options->with_lengths)
        reply_int(reply, length);
    return 1;
}

/* Walks back. With `text`, writes the subsequence there, else replies the runs; returns their
   count. */
static size_t lcs_walk(const struct lcs_table *t, uint32_t length, char *text,
                       struct reply_buffer *reply, const struct lcs_options *options)
{
    size_t i = t->a.len, j = t->b.len, matches = 0;
    struct lcs_range a = {0}, b = {0};
    bool in_run = false;
    while (i > 0 && j > 0) {
        bool equal = t->a.data[i - 1] == t->b.data[j - 1];
        if (equal) {
            i--, j--;
            if (text)
                text[--length] = t->a.data[i];
            if (!in_run)
                a.to = i, b.to = j;
            a.from = i, b.from = j;
            in_run = true;
        } else if (lcs_row(t, i - 1)[j] > lcs_row(t, i)[j - 1]) {
            i--;
        } else {
            j--;
        }
        if (in_run && (!equal || i == 0 || j == 0)) {
            in_run = false;
            if (!text)
                matches += reply_match(reply, options, &a, &b);
        }
    }
    return matches;
}

static bool read_options(struct call *call, struct lcs_options *out)
{
    *out = (struct lcs_options){0};
    for (uint32_t i = 3; i < call->argc; i++) {
        struct slice word = call->argv[i];
        if (slice_is(word, "idx")) {
            out->indexes = true;
        } else if (slice_is(word, "len")) {
            out->length_only = true;
        } else if (slice_is(word, "withmatchlen")) {
            out->with_lengths = true;
        } else if (slice_is(word, "minmatchlen") && i + 1 < call->argc) {
            if (!call_i64(call, ++i, &out->min_length, NULL))
                return false;
        } else {
            call_syntax_error(call);
            return false;
        }
    }
    if (out->indexes && out->length_only)
        call_error(call, "ERR If you want both the length and indexes, please just use IDX.");
    return !(out->indexes && out->length_only);
}

/* The string at argument `at`; an absent key is an empty one. False if it holds something else. */
static bool read_string(struct call *call, uint32_t at, struct slice *out)
{
    struct key key = call_key(call, at);
    const struct entry *entry = keyspace_find(&call->hold, &key, FIND_READ);
    if (entry && entry_type(entry) != TYPE_STRING)
        return false;
    *out = entry ? entry_string(entry) : SLICE("");
    return true;
}

/* Room for the table; false after replying why there is none. */
static bool make_table(struct call *call, struct lcs_table *t, bool length_only)
{
    uint64_t limit = (uint64_t)RELAXED_LOAD(&call->server->settings->proto_max_bulk_len);
    if (t->a.len >= UINT32_MAX - 1 || t->b.len >= UINT32_MAX - 1) {
        call_error(call, "ERR String too long for LCS");
        return false;
    }
    t->width = t->b.len + 1;
    t->rows = length_only ? 2 : t->a.len + 1;
    unsigned __int128 all = (unsigned __int128)(t->a.len + 1) * t->width * sizeof(uint32_t);
    if (all > limit) {
        call_error(call, "ERR Insufficient memory, transient memory for LCS exceeds "
                         "proto-max-bulk-len");
        return false;
    }
    t->cells = mem_try_alloc(t->rows * t->width * sizeof(uint32_t));
    if (t->cells == NULL)
        call_error(call, "ERR Insufficient memory, failed allocating transient memory for LCS");
    return t->cells != NULL;
}

static void reply_indexes(struct call *call, const struct lcs_table *t, uint32_t length,
                          const struct lcs_options *options)
{
    reply_map(call->reply, 2);
    reply_bulk_str(call->reply, "matches");
    size_t mark = reply_array_deferred(call->reply);
    reply_array_patch(call->reply, mark, lcs_walk(t, length, NULL, call->reply, options));
    reply_bulk_str(call->reply, "len");
    reply_int(call->reply, length);
}

static void reply_subsequence(struct call *call, const struct lcs_table *t, uint32_t length)
{
    char *text = mem_try_alloc(length + UINT64_C(1));
    if (text == NULL) {
        call_error(call, "ERR Insufficient memory, failed allocating transient memory for LCS");
        return;
    }
    lcs_walk(t, length, text, NULL, NULL);
    reply_bulk(call->reply, slice_of(text, length));
    mem_free(text);
}

void string_lcs(struct call *call)
{
    struct lcs_options options;
    struct lcs_table t = {0};
    if (!read_string(call, 1, &t.a) || !read_string(call, 2, &t.b)) {
        call_error(call, "ERR The specified keys must contain string values");
        return;
    }
    if (!read_options(call, &options) || !make_table(call, &t, options.length_only))
        return;
    uint32_t length = lcs_fill(&t);
    if (options.indexes)
        reply_indexes(call, &t, length, &options);
    else if (options.length_only)
        reply_int(call->reply, length);
    else
        reply_subsequence(call, &t, length);
    mem_free(t.cells);
}
