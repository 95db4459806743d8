/* test_chunks.c - chunks against an array: every operation at random places, under several limits,
 * packed at several depths. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/lzf.h"
#include "base/mem.h"
#include "base/rand.h"
#include "struct/chunks.h"

static uint64_t seed;

#define MODEL_MAX 4000

struct model {
    struct slice elements[MODEL_MAX + 1]; /* one more while an element is replaced */
    size_t count;
};

enum contents { MIXED, TEXT, NOISE };
static enum contents contents;

static struct slice random_element(struct rand *r)
{
    static const char *const words[] = {"lorem ", "ipsum ", "dolor ", "sit ", "amet "};
    static char text[1000];
    uint64_t dice = rand_below(r, 100);
    size_t len = 0;
    if (contents == TEXT || (contents == MIXED && dice % 4 == 0)) {
        for (uint64_t i = rand_below(r, dice < 95 ? 8 : 120); i > 0; i--)
            len += (size_t)sprintf(text + len, "%s", words[rand_below(r, COUNT_OF(words))]);
    } else if (contents == MIXED && dice < 50) {
        len = (size_t)snprintf(text, sizeof text, "%lld",
                               (long long)(rand_next(r) >> rand_below(r, 64)));
    } else {
        len = (size_t)rand_below(r, dice < 95 ? 40 : sizeof text);
        for (size_t i = 0; i < len; i++)
            text[i] = (char)rand_next(r);
    }
    return slice_of(text, len);
}

static void model_insert(struct model *m, size_t at, struct slice value)
{
    memmove(m->elements + at + 1, m->elements + at, (m->count - at) * sizeof value);
    m->elements[at] = slice_of(mem_alloc(value.len + 1), value.len);
    memcpy((char *)m->elements[at].data, value.data, value.len);
    m->count++;
}

static void model_remove(struct model *m, size_t at, size_t count)
{
    for (size_t i = at; i < at + count; i++)
        mem_free((char *)m->elements[i].data);
    memmove(m->elements + at, m->elements + at + count,
            (m->count - at - count) * sizeof m->elements[0]);
    m->count -= count;
}

/* Whether packing is as the chunk's place and contents ask for. */
static void check_packing(const struct chunks *c, const struct chunk *chunk, size_t index)
{
    bool inner = c->depth != 0 && index >= c->depth && c->chunk_count - index > c->depth;
    assert_int_equal(chunk->inner, inner);
    if (!inner) {
        assert_int_equal(chunk->packed, 0);
        assert_false(chunk->vain);
        return;
    }
    assert_true(c->zoned);
    assert_int_equal(chunk->vain, chunk->packed == 0);
    if (chunk->packed != 0) {
        assert_true(chunk->bytes >= CHUNK_PACK_MIN);
        assert_true(chunk->packed + CHUNK_PACK_SAVES <= chunk->bytes);
        assert_int_equal(chunk->gap, 0);
        assert_true(mem_usable(chunk->data) <= mem_good_size(chunk->packed));
        return;
    }
    char *out = mem_alloc(chunk->bytes + 1);
    size_t len = lzf_pack(slice_of(chunk->data, chunk->bytes), out, chunk->bytes);
    assert_true(chunk->bytes < CHUNK_PACK_MIN || len == 0 || len + CHUNK_PACK_SAVES > chunk->bytes);
    mem_free(out);
}

static void check_contents(const struct chunk *chunk, const struct chunks_limits *limits)
{
    if (chunk->plain) {
        assert_int_equal(chunk->count, 1);
        return;
    }
    unsigned char *data = chunk->data;
    if (chunk->packed != 0) {
        data = mem_alloc(chunk->bytes);
        assert_true(lzf_unpack(slice_of(chunk->data, chunk->packed), data, chunk->bytes));
    }
    assert_true(listpack_validate(data, chunk->bytes, true, NULL, NULL));
    assert_int_equal(chunk->bytes, listpack_bytes(data));
    assert_int_equal(chunk->count, listpack_count(data));
    assert_true(chunk->count == 1 ||
                (chunk->bytes <= limits->bytes && chunk->count <= limits->count));
    if (chunk->packed != 0)
        mem_free(data);
}

static void check_chunks(const struct chunks *c, const struct chunks_limits *limits)
{
    size_t count = 0, chunks = 0;
    const struct chunk *prev = NULL;
    for (const struct chunk *chunk = c->first; chunk; prev = chunk, chunk = chunk->next) {
        assert_ptr_equal(chunk->prev, prev);
        assert_true(chunk->count > 0);
        check_packing(c, chunk, chunks);
        check_contents(chunk, limits);
        count += chunk->count;
        chunks++;
        if (chunk->packed != 0)
            continue;
        size_t usable = mem_usable(chunk->data - chunk->gap);
        assert_true(chunk->gap + MAX_OF(chunk->bytes, 1) <= usable);
        /* A quarter may be idle; and what the next step of allocation left in front. Of the first
         * half may be. */
        bool doubled = chunk == c->first;
        assert_true(chunk->plain || chunk->bytes > usable - usable / 4 ||
                    (doubled && mem_good_size(2 * chunk->bytes) >= usable) ||
                    mem_good_size(chunk->bytes + chunk->bytes / 4) >= usable);
    }
    assert_ptr_equal(c->last, prev);
    assert_int_equal(c->count, count);
    assert_int_equal(c->chunk_count, chunks);
}

static void compare(const struct chunks *c, const struct model *m)
{
    struct chunks_at at, back;
    char room[LISTPACK_TEXT];
    assert_int_equal(c->count, m->count);
    assert_int_equal(chunks_seek(c, 0, &at), m->count != 0);
    assert_int_equal(chunks_seek(c, -1, &back), m->count != 0);
    for (size_t i = 0; i < m->count; i++) {
        assert_true(slice_eq(chunks_text(&at, room), m->elements[i]));
        assert_true(chunks_equals(&back, m->elements[m->count - 1 - i]));
        assert_int_equal(chunks_next(&at), i + 1 < m->count);
        assert_int_equal(chunks_prev(&back), i + 1 < m->count);
    }
    assert_false(chunks_seek(c, (int64_t)m->count, &at));
    assert_false(chunks_seek(c, -(int64_t)m->count - 1, &at));
    assert_false(chunks_seek(c, INT64_MIN, &at));
    assert_false(chunks_seek(c, INT64_MAX, &at));
}

/* A walk that begins and ends anywhere. */
static void walk_some(const struct chunks *c, const struct model *m, struct rand *r)
{
    char room[LISTPACK_TEXT];
    struct chunks_at at;
    size_t index = rand_below(r, m->count);
    bool more = chunks_seek(c, (int64_t)index, &at);
    for (uint64_t steps = rand_below(r, 30); more && steps > 0; steps--) {
        assert_true(slice_eq(chunks_text(&at, room), m->elements[index]));
        bool back = rand_below(r, 3) == 0;
        more = back ? chunks_prev(&at) : chunks_next(&at);
        index += back ? (size_t)-1 : 1;
    }
    assert_int_equal(more, index < m->count);
    if (more)
        chunks_done(&at);
}

/* Removes what equals one element, walking in a direction. */
static void delete_equal(struct chunks *c, struct model *m, struct rand *r)
{
    bool backwards = rand_below(r, 2);
    struct slice victim = m->elements[rand_below(r, m->count)], value;
    value = slice_of(mem_dup(victim.data, victim.len + 1), victim.len);
    struct chunks_at at;
    bool more = chunks_seek(c, backwards ? -1 : 0, &at);
    while (more) {
        if (chunks_equals(&at, value))
            more = chunks_delete(c, &at, backwards);
        else
            more = backwards ? chunks_prev(&at) : chunks_next(&at);
    }
    for (size_t i = m->count; i-- > 0;)
        if (slice_eq(m->elements[i], value))
            model_remove(m, i, 1);
    mem_free((char *)value.data);
}

/* The same in two steps, of some of them; now and then the second is not done. */
static void remove_planned(struct chunks *c, struct model *m, struct rand *r)
{
    bool backwards = rand_below(r, 2);
    struct slice victim = m->elements[rand_below(r, m->count)], value;
    value = slice_of(mem_dup(victim.data, victim.len + 1), victim.len);
    size_t most = rand_below(r, 4), removed = 0;
    struct chunks_removal *plan = chunks_plan_removal(c, value, most, backwards);
    struct chunks *rest;
    assert_non_null(plan);
    compare(c, m);
    if (rand_below(r, 10) == 0) {
        chunks_forget_removal(plan);
        mem_free((char *)value.data);
        return;
    }
    for (size_t n = m->count, i = 0; i < n && (most == 0 || removed < most); i++) {
        size_t at = backwards ? n - 1 - i : i - removed;
        if (slice_eq(m->elements[at], value)) {
            model_remove(m, at, 1);
            removed++;
        }
    }
    assert_int_equal(chunks_remove_planned(c, plan, &rest), removed);
    assert_true(rest->count >= removed);
    chunks_free(rest);
    assert_null(chunks_plan_removal(c, SLICE("nowhere to be found"), most, backwards));
    mem_free((char *)value.data);
}

/* Some elements at once, at either end. */
static void join(struct chunks *c, struct model *m, const struct chunks_limits *limits,
                 struct rand *r)
{
    bool front = rand_below(r, 2), push_front = rand_below(r, 2);
    struct chunks *more = chunks_new(c->depth);
    size_t count = rand_below(r, 40);
    for (size_t i = 0; i < count && m->count < MODEL_MAX; i++) {
        struct slice value = random_element(r);
        chunks_push(more, limits, value, push_front);
        if (c->depth == 0)
            model_insert(m, (front ? 0 : m->count - i) + (push_front ? 0 : i), value);
    }
    bool joined = chunks_join(c, more, front);
    assert_int_equal(joined, c->depth == 0);
    if (!joined)
        chunks_free(more);
}

/* Of many chunks, those that go as a whole are left to the caller. */
static void cut_range(struct chunks *c, struct model *m, struct rand *r)
{
    size_t index = rand_below(r, m->count), count = rand_below(r, 2) ? rand_below(r, 60) : SIZE_MAX;
    size_t gone = MIN_OF(count, m->count - index), chunks = c->chunk_count;
    struct chunks *rest;
    if (count == SIZE_MAX && rand_below(r, 10) != 0)
        return;
    assert_int_equal(chunks_cut_range(c, index, count, &rest), gone);
    model_remove(m, index, gone);
    if (rest != NULL) {
        assert_true(rest->count <= gone && rest->chunk_count + c->chunk_count == chunks);
        assert_true(chunks_memory(rest, 0) >= sizeof *rest);
        chunks_free(rest);
    }
}

static void one_step(struct chunks *c, struct model *m, const struct chunks_limits *limits,
                     struct rand *r, bool growing)
{
    struct slice value = random_element(r);
    struct chunks_at at;
    uint64_t dice = rand_below(r, 100);
    size_t index = m->count ? rand_below(r, m->count) : 0;
    if (m->count == 0 || (m->count < MODEL_MAX && dice < (growing ? 60 : 25))) {
        bool front = rand_below(r, 2);
        chunks_push(c, limits, value, front);
        model_insert(m, front ? 0 : m->count, value);
    } else if (dice < 75 && m->count < MODEL_MAX) {
        bool behind = rand_below(r, 2);
        assert_true(chunks_seek(c, (int64_t)index, &at));
        chunks_insert(c, limits, &at, value, behind);
        model_insert(m, index + behind, value);
    } else if (dice < 85) {
        assert_true(chunks_seek(c, (int64_t)index - (int64_t)m->count, &at));
        chunks_replace(c, limits, &at, value);
        model_insert(m, index, value);
        model_remove(m, index + 1, 1);
    } else if (dice < 97) {
        bool backwards = rand_below(r, 2);
        assert_true(chunks_seek(c, (int64_t)index, &at));
        bool more = chunks_delete(c, &at, backwards);
        model_remove(m, index, 1);
        assert_int_equal(more, backwards ? index > 0 : index < m->count);
        if (more) {
            assert_true(chunks_equals(&at, m->elements[index - backwards]));
            chunks_done(&at);
        }
    } else if (dice < 99) {
        size_t count = rand_below(r, growing ? 5 : 50);
        size_t gone = MIN_OF(count, m->count - index);
        assert_int_equal(chunks_delete_range(c, index, count), gone);
        model_remove(m, index, gone);
    } else if (dice % 2 == 0 || rand_below(r, 2)) {
        delete_equal(c, m, r);
    } else {
        cut_range(c, m, r);
    }
    if (m->count != 0 && dice % 16 == 0)
        remove_planned(c, m, r);
    if (rand_below(r, 200) == 0)
        join(c, m, limits, r);
}

/* A stack or a queue at either end: long runs that pass through a chunk's whole room. */
static void run_at_ends(struct chunks *c, struct model *m, const struct chunks_limits *limits,
                        struct rand *r)
{
    bool push_front = rand_below(r, 2), pop_front = rand_below(r, 2);
    for (uint64_t steps = rand_below(r, 500), in = 1 + rand_below(r, 3); steps > 0; steps--) {
        if (m->count == 0 || (m->count < MODEL_MAX && steps % (in + 1) != 0)) {
            struct slice value = random_element(r);
            chunks_push(c, limits, value, push_front);
            model_insert(m, push_front ? 0 : m->count, value);
        } else {
            size_t index = pop_front ? 0 : m->count - 1;
            assert_int_equal(chunks_delete_range(c, index, 1), 1);
            model_remove(m, index, 1);
        }
    }
}

static void run_at(const struct chunks_limits *limits, size_t depth, enum contents of, int steps)
{
    static struct model m;
    struct rand r;
    rand_seed(&r, seed);
    contents = of;
    struct chunks *c = chunks_new(depth);
    for (int i = 0; i < steps; i++) {
        one_step(c, &m, limits, &r, i / 1000 % 2 == 0);
        if (m.count != 0)
            walk_some(c, &m, &r);
        if (i % 200 == 0)
            run_at_ends(c, &m, limits, &r);
        if (i % 50 == 0) {
            check_chunks(c, limits);
            compare(c, &m);
        }
    }
    struct chunks *copy = chunks_copy(c);
    compare(copy, &m);
    check_chunks(copy, limits);
    assert_true(chunks_memory(c, 0) >= sizeof *c);
    assert_true(chunks_memory(c, 1) >= sizeof *c);
    chunks_free(c);
    assert_int_equal(chunks_delete_range(copy, 0, SIZE_MAX), m.count);
    assert_int_equal(copy->chunk_count, 0);
    chunks_free(copy);
    model_remove(&m, 0, m.count);
}

static void run(const struct chunks_limits *limits)
{
    static const size_t depths[] = {1, 2, 5, CHUNKS_DEPTH_MAX};
    const char *text = getenv("CHUNKS_STEPS");
    int steps = text ? atoi(text) : 6000;
    run_at(limits, 0, MIXED, steps);
    for (size_t i = 0; i < COUNT_OF(depths); i++)
        for (enum contents of = MIXED; of <= NOISE; of++)
            run_at(limits, depths[i], of, steps / 6);
}

static void by_bytes(void **state)
{
    run(&(struct chunks_limits){.bytes = 300, .count = 65534, .plain_min = 301});
}

static void by_count(void **state)
{
    run(&(struct chunks_limits){.bytes = 8192, .count = 5, .plain_min = 8193});
}

static void one_each(void **state)
{
    run(&(struct chunks_limits){.bytes = 8192, .count = 1, .plain_min = 8193});
}

static void nearly_all_plain(void **state)
{
    run(&(struct chunks_limits){.bytes = 4096, .count = 65534, .plain_min = 4});
}

static void large_in_listpacks(void **state)
{
    run(&(struct chunks_limits){.bytes = 100, .count = 65534, .plain_min = 1 << 20});
}

int main(void)
{
    const char *text = getenv("SEED");
    seed = text ? strtoull(text, NULL, 10) : rand_system();
    print_message("SEED=%llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_bytes), cmocka_unit_test(by_count), cmocka_unit_test(one_each),
        cmocka_unit_test(nearly_all_plain), cmocka_unit_test(large_in_listpacks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
