/* sort.c - SORT and SORT_RO: the elements of a list, set or sorted set by their own values or by
 * those of other keys.
 *
 * What is sorted are records of equal size; the bytes of elements and of what they are sorted by
 * lie in one buffer behind them. With a LIMIT and nothing to sort only the wanted part is read.
 *
 * A pattern with a star names keys that depend on the elements, in any shard: a command with such a
 * one holds them all (sort_wants_all), others only the shards of source and target.
 *
 * Text is compared byte by byte, as redis-server does it in the C locale: up to a zero byte, but
 * whole if the result is stored.
 */
#include "commands/commands.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include "base/mem.h"
#include "base/number.h"
#include "base/panic.h"
#include "commands/hash.h"
#include "commands/list.h"
#include "commands/plain.h"
#include "commands/set.h"
#include "commands/zset.h"
#include "engine/aside.h"

/* ---- arguments ---- */

struct options {
    bool descending, alpha, unordered;
    uint32_t by;     /* argument of the pattern to sort by; 0: elements are */
    uint32_t target; /* argument of STORE; 0: reply */
    uint32_t limit;  /* LIMIT itself; 0: none */
    bool looks_around;
};

/* What an argument is, and how many it has behind it. */
enum word { WORD_ASC, WORD_DESC, WORD_ALPHA, WORD_LIMIT, WORD_STORE, WORD_BY, WORD_GET, WORD_NONE };

static enum word read_word(uint32_t argc, const struct slice *argv, uint32_t at, uint32_t *more)
{
    static const struct {
        const char *text;
        uint32_t more;
    } words[] = {{"asc", 0},   {"desc", 0}, {"alpha", 0}, {"limit", 2},
                 {"store", 1}, {"by", 1},   {"get", 1}};
    for (unsigned i = 0; i < COUNT_OF(words); i++) {
        if (slice_is(argv[at], words[i].text) && argc - at - 1 >= words[i].more) {
            *more = words[i].more;
            return (enum word)i;
        }
    }
    *more = 0;
    return WORD_NONE;
}

/* As the C string that redis-server takes it for where it looks for something in it. */
static struct slice up_to_zero(struct slice s)
{
    return slice_of(s.data, strnlen(s.data, s.len));
}

static bool has_star(struct slice pattern)
{
    struct slice text = up_to_zero(pattern);
    return text.len != 0 && memchr(text.data, '*', text.len) != NULL;
}

/* Reads the options up to the first that is none; answers its place, argc if all are good. Of LIMIT
 * only the place. */
static uint32_t read_words(uint32_t argc, const struct slice *argv, bool read_only,
                           struct options *out)
{
    uint32_t at = 2, more;
    *out = (struct options){0};
    for (; at < argc; at += 1 + more) {
        enum word word = read_word(argc, argv, at, &more);
        if (word == WORD_NONE || (word == WORD_STORE && read_only))
            return at;
        if (word == WORD_ASC || word == WORD_DESC)
            out->descending = word == WORD_DESC;
        else if (word == WORD_ALPHA)
            out->alpha = true;
        else if (word == WORD_LIMIT)
            out->limit = at;
        else if (word == WORD_STORE)
            out->target = at + 1;
        else if (word == WORD_BY)
            out->by = at + 1;
        if (word != WORD_BY && word != WORD_GET)
            continue;
        bool star = has_star(argv[at + 1]);
        out->looks_around |= star;
        out->unordered |= word == WORD_BY && !star;
    }
    return at;
}

/* A command_all_fn; of SORT_RO too, which fails if it would be wrong there. */
static bool sort_wants_all(uint32_t argc, const struct slice *argv)
{
    struct options options;
    read_words(argc, argv, false, &options);
    return options.looks_around;
}

/* A command_keys_fn: the last STORE counts. */
static int sort_keys(uint32_t argc, const struct slice *argv, uint32_t *positions, uint16_t *flags,
                     uint32_t max)
{
    struct options options;
    if (argc < 2 || max < 2)
        return -1;
    read_words(argc, argv, false, &options);
    positions[0] = 1;
    positions[1] = options.target;
    if (flags != NULL) {
        flags[0] = KEY_RO | KEY_ACCESS;
        flags[1] = KEY_OW | KEY_UPDATE;
    }
    return options.target != 0 ? 2 : 1;
}

static int sort_ro_keys(uint32_t argc, const struct slice *argv, uint32_t *positions,
                        uint16_t *flags, uint32_t max)
{
    return MIN_OF(sort_keys(argc, argv, positions, flags, max), 1);
}

struct range {
    int64_t first, last; /* of LIMIT: offset and count, until cut_range */
};

/* False after replying an error. Each LIMIT is checked, in its place among other mistakes; the last
 * one counts. */
static bool read_options(struct call *call, bool read_only, struct options *options,
                         struct range *limit)
{
    uint32_t end = read_words(call->argc, call->argv, read_only, options), more;
    *limit = (struct range){0, -1};
    for (uint32_t at = 2; at < end; at += 1 + more)
        if (read_word(call->argc, call->argv, at, &more) == WORD_LIMIT &&
            (!call_i64(call, at + 1, &limit->first, NULL) ||
             !call_i64(call, at + 2, &limit->last, NULL)))
            return false;
    if (end != call->argc)
        call_syntax_error(call);
    return end == call->argc;
}

/* The places, of `count`, that LIMIT leaves: none if last is below first. */
static struct range cut_range(struct range limit, int64_t count)
{
    int64_t first = MIN_OF(MAX_OF(limit.first, 0), count);
    int64_t wanted = MIN_OF(MAX_OF(limit.last, -1), count);
    return (struct range){first, wanted < 0 ? count - 1 : MIN_OF(first + wanted - 1, count - 1)};
}

/* ---- patterns ---- */

/* What "before*behind->field" says; "#" is the element itself, anything else without a star
 * nothing. */
struct pattern {
    bool element, nothing, has_field;
    struct slice before, behind, field;
};

static struct pattern read_pattern(struct slice s)
{
    struct pattern p = {0};
    struct slice text = up_to_zero(s);
    const char *star = text.len != 0 ? memchr(text.data, '*', text.len) : NULL;
    p.element = slice_eq(text, SLICE("#"));
    p.nothing = star == NULL;
    if (star == NULL)
        return p;
    size_t at = (size_t)(star - s.data);
    const char *arrow = memmem(star + 1, text.len - at - 1, "->", 2);
    const char *end = s.data + s.len;
    p.has_field = arrow != NULL && arrow + 2 < text.data + text.len;
    p.before = slice_of(s.data, at);
    p.behind = slice_of(star + 1, (size_t)((p.has_field ? arrow : end) - star - 1));
    if (p.has_field)
        p.field = slice_of(arrow + 2, (size_t)(end - arrow - 2));
    return p;
}

/* What a pattern finds for an element. */
struct finding {
    struct slice value;
    const struct entry *string; /* if it is all of one */
    char room[HASH_TEXT];
    struct bytes name; /* scratch; freed by the owner */
    bool passing;      /* some hash looked into has fields that expire */
};

static bool find_value(struct call *call, const struct pattern *p, struct slice element,
                       struct finding *out)
{
    out->string = NULL;
    out->value = element;
    if (p->element || p->nothing)
        return p->element;
    out->name.len = 0;
    bytes_append(&out->name, p->before.data, p->before.len);
    bytes_append(&out->name, element.data, element.len);
    bytes_append(&out->name, p->behind.data, p->behind.len);
    struct key key = call_key_in(call, bytes_slice(&out->name), call->db);
    const struct entry *entry = keyspace_find(&call->hold, &key, FIND_READ);
    if (entry == NULL || entry_type(entry) != (p->has_field ? TYPE_HASH : TYPE_STRING))
        return false;
    if (p->has_field) {
        out->passing |= hash_expires(entry_value(entry));
        return hash_get(entry_value(entry), hash_now(call), p->field, out->room, &out->value);
    }
    out->string = entry;
    out->value = entry_string(entry);
    return true;
}

/* ---- elements ---- */

struct part {
    size_t at, len; /* of the buffer */
};

struct element {
    struct part own, by;
    double score;
    size_t order; /* in which they were read */
    bool found;   /* what to sort by */
};

struct elements {
    struct element *all;
    size_t count, cap;
    struct bytes text;
    bool passing; /* of what was found for them */
};

static struct part keep(struct elements *elements, struct slice s)
{
    struct part part = {elements->text.len, s.len};
    bytes_append(&elements->text, s.data, s.len);
    return part;
}

ALWAYS_INLINE struct slice text_of(const struct elements *elements, struct part part)
{
    return slice_of(bytes_slice(&elements->text).data + part.at, part.len);
}

static void add_element(struct elements *elements, struct slice s)
{
    if (elements->count == elements->cap) {
        elements->cap = elements->cap * 2 + 16;
        elements->all = mem_realloc(elements->all, elements->cap * sizeof *elements->all);
    }
    elements->all[elements->count] =
        (struct element){.own = keep(elements, s), .order = elements->count};
    elements->count++;
}

static bool add_member(void *elements, struct slice member)
{
    add_element(elements, member);
    return true;
}

/* `count` of them from the first-th on, in order or backwards. */
static void add_of_list(struct value list, size_t first, size_t count, bool backwards,
                        struct elements *out)
{
    char room[LISTPACK_TEXT];
    struct list_at at;
    int64_t index = backwards ? -1 - (int64_t)first : (int64_t)first;
    bool there = count != 0 && list_seek(list, index, &at);
    for (size_t i = 0; i < count && there; i++) {
        add_element(out, list_text(list, &at, room));
        there = backwards ? list_prev(list, &at) : list_next(list, &at);
    }
    if (there)
        list_done(list, &at);
}

static void add_of_zset(struct value z, size_t first, size_t count, bool backwards,
                        struct elements *out)
{
    struct zset_at at;
    struct zset_item item;
    zset_seek(z, backwards ? zset_count(z) - first : first, &at);
    for (size_t i = 0; i < count; i++)
        if (backwards ? zset_prev(z, &at, &item) : zset_next(z, &at, &item))
            add_element(out, item.member);
}

static size_t count_of(struct value v)
{
    return v.type == TYPE_LIST ? list_count(v) : v.type == TYPE_SET ? set_count(v) : zset_count(v);
}

/* Reads what is to be sorted, or, unordered, what is wanted of it if that has an order; *range is
 * then what is wanted of what was read. */
static void read_elements(struct value v, const struct options *options, struct range *range,
                          struct elements *out)
{
    size_t first = 0, count = count_of(v);
    bool in_order = options->unordered && v.type != TYPE_SET;
    if (in_order) {
        first = (size_t)range->first;
        count = range->last >= range->first ? (size_t)(range->last - range->first + 1) : 0;
        *range = (struct range){0, (int64_t)count - 1};
    }
    bool backwards = in_order && options->descending;
    if (v.type == TYPE_LIST)
        add_of_list(v, first, count, backwards, out);
    else if (v.type == TYPE_ZSET)
        add_of_zset(v, first, count, backwards, out);
    else
        set_each(v, add_member, out);
}

/* ---- sorting ---- */

/* As strtod reads it: blanks before it, and nothing at all, are allowed. */
static bool read_number(struct slice s, double *out)
{
    char few[64], *copy = few, *end;
    int64_t integer;
    if (number_parse_i64(s, &integer)) {
        *out = (double)integer;
        return true;
    }
    if (s.len < sizeof few) {
        memcpy(few, s.data, s.len);
        few[s.len] = '\0';
    } else {
        copy = slice_to_str(s);
    }
    errno = 0;
    *out = strtod(copy, &end);
    bool ok = *end == '\0' && errno != ERANGE && !isnan(*out);
    if (copy != few)
        mem_free(copy);
    return ok;
}

/* Finds what each element is sorted by. False: something is to be a number and is none. */
static bool weigh(struct call *call, const struct options *options, struct elements *elements)
{
    struct pattern pattern = {.element = true};
    struct finding finding = {0};
    bool good = true;
    if (options->by != 0)
        pattern = read_pattern(call->argv[options->by]);
    else if (options->alpha)
        return true; /* elements are compared themselves */
    for (size_t i = 0; i < elements->count; i++) {
        struct element *e = &elements->all[i];
        e->found = find_value(call, &pattern, text_of(elements, e->own), &finding);
        if (e->found && options->alpha)
            e->by = keep(elements, finding.value);
        else if (e->found)
            good &= read_number(finding.value, &e->score);
    }
    elements->passing |= finding.passing;
    bytes_free(&finding.name);
    return good;
}

struct comparing {
    const struct elements *elements;
    const struct options *options;
};

static int compare_text(const struct comparing *c, struct part a, struct part b)
{
    struct slice x = text_of(c->elements, a), y = text_of(c->elements, b);
    if (c->options->target == 0) {
        x = up_to_zero(x);
        y = up_to_zero(y);
    }
    return slice_compare(x, y);
}

/* Elements with nothing to sort by come first by text, and count as 0 among numbers. */
static int compare(const void *a, const void *b, void *ctx)
{
    const struct comparing *c = ctx;
    const struct element *x = a, *y = b;
    int order;
    if (!c->options->alpha && x->score != y->score)
        order = x->score < y->score ? -1 : 1;
    else if (!c->options->alpha)
        order = slice_compare(text_of(c->elements, x->own), text_of(c->elements, y->own));
    else if (c->options->by == 0)
        order = compare_text(c, x->own, y->own);
    else if (!x->found || !y->found)
        order = x->found - y->found;
    else
        order = compare_text(c, x->by, y->by);
    if (order == 0)
        return (x->order > y->order) - (x->order < y->order);
    return c->options->descending ? -order : order;
}

/* Brings the first `wanted` of them, in whatever order, before the others: Hoare's selection (CACM
 * 4, 1961), with pivots that nobody can foresee. wanted > 0. */
static void select_first(struct elements *elements, size_t wanted, struct comparing *comparing,
                         struct rand *random)
{
    struct element *all = elements->all;
    int64_t low = 0, high = (int64_t)elements->count - 1, last = (int64_t)wanted - 1;
    while (low < high) {
        struct element pivot = all[low + (int64_t)rand_below(random, (uint64_t)(high - low + 1))];
        int64_t i = low, j = high;
        while (i <= j) {
            while (compare(&all[i], &pivot, comparing) < 0)
                i++;
            while (compare(&all[j], &pivot, comparing) > 0)
                j--;
            if (i > j)
                break;
            struct element element = all[i];
            all[i++] = all[j];
            all[j--] = element;
        }
        if (j < last)
            low = i;
        if (last < i)
            high = j;
    }
}

/* Of what lies behind the range, only that it does is of interest. */
static void sort_range(struct call *call, const struct options *options, struct elements *elements,
                       struct range range)
{
    struct comparing comparing = {elements, options};
    if (range.last < range.first)
        return;
    size_t wanted = (size_t)range.last + 1;
    if (wanted < elements->count / 2)
        select_first(elements, wanted, &comparing, &call->lane->random);
    else
        wanted = elements->count;
    if (wanted > 1)
        qsort_r(elements->all, wanted, sizeof *elements->all, compare, &comparing);
}

/* ---- answers ---- */

static uint32_t count_gets(const struct call *call)
{
    uint32_t count = 0, more;
    for (uint32_t at = 2; at < call->argc; at += 1 + more)
        count += read_word(call->argc, call->argv, at, &more) == WORD_GET;
    return count;
}

/* The patterns of GET, in order; without any: the element itself. Owned by the caller. */
static struct pattern *read_gets(const struct call *call, uint32_t *count)
{
    uint32_t gets = count_gets(call), more;
    struct pattern *patterns = mem_alloc((gets + 1) * sizeof *patterns);
    *count = 0;
    for (uint32_t at = 2; at < call->argc; at += 1 + more)
        if (read_word(call->argc, call->argv, at, &more) == WORD_GET)
            patterns[(*count)++] = read_pattern(call->argv[at + 1]);
    if (*count == 0)
        patterns[(*count)++] = (struct pattern){.element = true};
    return patterns;
}

/* What is wanted of every wanted element: into a list if there is one, else replied. */
static void give(struct call *call, struct elements *elements, struct range range,
                 const struct pattern *gets, uint32_t count, struct value *list)
{
    struct finding finding = {0};
    for (int64_t i = range.first; i <= range.last; i++) {
        struct slice own = text_of(elements, elements->all[i].own);
        for (uint32_t g = 0; g < count; g++) {
            bool found = find_value(call, &gets[g], own, &finding);
            if (list != NULL)
                list_append(*list, list_limits_of(call), found ? finding.value : SLICE(""));
            else if (!found)
                reply_null(call->reply);
            else if (finding.string != NULL)
                call_reply_string(call, finding.string);
            else
                reply_bulk(call->reply, finding.value);
        }
    }
    elements->passing |= finding.passing;
    bytes_free(&finding.name);
}

#define LOGGED_AT_ONCE 32 /* elements in one command */

/* Logs the list itself: who reads the log later sees fields that no more were seen here. */
static void log_result(struct call *call, struct slice name, struct value list)
{
    char room[LISTPACK_TEXT];
    size_t ends[LOGGED_AT_ONCE];
    struct slice argv[2 + LOGGED_AT_ONCE] = {SLICE("RPUSH"), name};
    struct bytes texts = {0}; /* copies: a place that moves on may take its element along */
    struct list_at at;
    plain_effect_delete(call, name, false);
    bool there = list_seek(list, 0, &at);
    while (there) {
        uint32_t count = 0;
        texts.len = 0;
        for (; there && count < LOGGED_AT_ONCE; there = list_next(list, &at), count++) {
            struct slice text = list_text(list, &at, room);
            bytes_append(&texts, text.data, text.len);
            ends[count] = texts.len;
        }
        const char *data = bytes_slice(&texts).data;
        for (uint32_t i = 0; i < count; i++) {
            size_t begin = i != 0 ? ends[i - 1] : 0;
            argv[2 + i] = slice_of(data + begin, ends[i] - begin);
        }
        call_effect(call, 2 + count, argv);
    }
    bytes_free(&texts);
}

static void store(struct call *call, uint32_t target, struct value list, size_t count, bool passing)
{
    struct key key = call_key(call, target);
    struct entry *entry = keyspace_find(&call->hold, &key, FIND_PEEK);
    if (count != 0) {
        list_settle(&list, list_limits_of(call), false);
        keyspace_put_value(&call->hold, &key, entry, list, EXPIRE_NONE);
        call_changed(call, count);
        call_notify(call, 'l', "sortstore", &key);
        if (passing)
            log_result(call, key.name, list);
        return;
    }
    value_free(list);
    if (entry == NULL)
        return;
    keyspace_remove(&call->hold, &key, entry, false);
    call_changed(call, 1);
    call_notify(call, 'g', "del", &key);
    if (passing)
        plain_effect_delete(call, key.name, false);
}

static void answer(struct call *call, const struct options *options, struct elements *elements,
                   struct range range)
{
    uint32_t gets;
    struct pattern *patterns = read_gets(call, &gets);
    size_t count = range.last >= range.first ? (size_t)(range.last - range.first + 1) * gets : 0;
    if (options->target != 0) {
        struct value list = list_begin(list_limits_of(call));
        give(call, elements, range, patterns, gets, &list);
        if (call_take_back(call)) {
            store(call, options->target, list, count, elements->passing);
            reply_int(call->reply, (int64_t)count);
        } else {
            value_free(list);
        }
    } else {
        reply_array(call->reply, count);
        give(call, elements, range, patterns, gets, NULL);
    }
    mem_free(patterns);
}

/* ---- the commands ---- */

/* The value to sort; false after replying that it is of a wrong type. *value pointer NULL: none. */
static bool find_source(struct call *call, struct value *value)
{
    struct key key = call_first_key(call);
    const struct entry *entry = keyspace_find(&call->hold, &key, FIND_READ);
    *value = (struct value){0};
    if (entry == NULL)
        return true;
    enum value_type type = entry_type(entry);
    if (type != TYPE_LIST && type != TYPE_SET && type != TYPE_ZSET) {
        call_wrong_type(call);
        return false;
    }
    *value = entry_value(entry);
    return true;
}

static void run(struct call *call, bool read_only)
{
    struct options options;
    struct range range;
    struct value value;
    struct elements elements = {0};
    if (!read_options(call, read_only, &options, &range) || !find_source(call, &value))
        return;
    ASSERT(!options.looks_around || call->hold.mask == HOLD_ALL);
    if (value.pointer != NULL) {
        if (call_aside(call, count_of(value)))
            return;
        call_let_go(call, &value, 1);
    }
    /* A set's own order is not to be seen in the log. */
    if (options.unordered && value.type == TYPE_SET && options.target != 0) {
        options.unordered = false;
        options.alpha = true;
        options.by = 0;
    }
    range = cut_range(range, value.pointer != NULL ? (int64_t)count_of(value) : 0);
    if (value.pointer != NULL)
        read_elements(value, &options, &range, &elements);
    if (!options.unordered && !weigh(call, &options, &elements)) {
        call_error(call, "ERR One or more scores can't be converted into double");
    } else {
        if (!options.unordered)
            sort_range(call, &options, &elements, range);
        answer(call, &options, &elements, range);
    }
    bytes_free(&elements.text);
    mem_free(elements.all);
}

static void sort_command(struct call *call)
{
    run(call, false);
}

static void sort_ro_command(struct call *call)
{
    run(call, true);
}

/* ---- rows ---- */

#define IN_FAMILY                                                                                  \
    .acl = ACL_SET | ACL_SORTEDSET | ACL_LIST | ACL_DANGEROUS, .group = GROUP_GENERIC,             \
    .wants_all = sort_wants_all,                                                                   \
    .complexity = "O(N+M*log(M)) with the elements read and those sorted"

const struct command sort_commands[] = {
    {.name = "sort",
     .run = sort_command,
     .arity = -2,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_MOVABLEKEYS | CMD_WHOLE_KEYSPACE,
     .keys = {{.flags = KEY_RO | KEY_ACCESS, .begin = 1, .step = 1},
              {.flags = KEY_RO | KEY_ACCESS},
              {.flags = KEY_OW | KEY_UPDATE}},
     .find_keys = sort_keys,
     .usage = "key#0 [BY by-pattern=pattern:pattern#1] "
              "[LIMIT limit(offset:integer count:integer)] [GET get-pattern=pattern:pattern#1]... "
              "[order(ASC | DESC)] [sorting=ALPHA] [STORE destination#2]",
     .since = "1.0.0",
     .summary = "Sorts the elements of a list, set or sorted set; answers or stores them, or what "
                "other keys have for them.",
     IN_FAMILY},
    {.name = "sort_ro",
     .run = sort_ro_command,
     .arity = -2,
     .flags = CMD_READONLY | CMD_MOVABLEKEYS | CMD_WHOLE_KEYSPACE,
     .keys = {{.flags = KEY_RO | KEY_ACCESS, .begin = 1, .step = 1},
              {.flags = KEY_RO | KEY_ACCESS}},
     .find_keys = sort_ro_keys,
     .usage = "key#0 [BY by-pattern=pattern:pattern#1] "
              "[LIMIT limit(offset:integer count:integer)] [GET get-pattern=pattern:pattern#1]... "
              "[order(ASC | DESC)] [sorting=ALPHA]",
     .since = "7.0.0",
     .summary = "Sorts the elements of a list, set or sorted set; answers them, or what other keys "
                "have for them.",
     IN_FAMILY},
    {.name = NULL}};
