/* test_volume.c - which of our own blocks an answer of the file system counts. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/rand.h"
#include "guard/volume.h"

#define KIB 1024ull
#define MIB (1024 * KIB)

static void expect(const struct gate_stats *before, const struct gate_stats *after, int64_t taken,
                   uint64_t doubt)
{
    uint64_t found;
    assert_int_equal(volume_taken(before, after, &found), taken);
    assert_int_equal(found, doubt);
}

static void what_stands_still_is_counted(void **state)
{
    struct gate_stats stats = {.taken_bytes = 1000, .given_back = 70};
    expect(&stats, &stats, 1000, 0);
    stats.taken_bytes = -1000; /* more was given back than taken since the start */
    expect(&stats, &stats, -1000, 0);
}

static void what_was_not_asked_for_is_not_counted(void **state)
{
    struct gate_stats stats = {.taken_bytes = 1000, .unasked = 300};
    expect(&stats, &stats, 700, 0);
}

static void what_is_being_allocated_is_in_doubt(void **state)
{
    struct gate_stats before = {.taken_bytes = 1000, .unasked = 300, .asking = 50}, after = before;
    expect(&before, &after, 650, 50);
    after.unasked = 200; /* the fifty came, and perhaps some of a hundred more */
    after.asking = 100;
    expect(&before, &after, 650, 150);
    after = (struct gate_stats){.taken_bytes = 1500}; /* all came, and five hundred more */
    expect(&before, &after, 650, 850);
}

static void what_is_being_given_back_is_in_doubt(void **state)
{
    struct gate_stats before = {.taken_bytes = 1000, .given_back = 7, .giving = 200};
    struct gate_stats after = before;
    expect(&before, &after, 800, 200);
    after = (struct gate_stats){.taken_bytes = 800, .given_back = 207};
    expect(&before, &after, 800, 200);
    after = (struct gate_stats){.taken_bytes = 1000, .given_back = 7}; /* they stayed after all */
    expect(&before, &after, 1000, 0);
    /* as much was taken meanwhile as was given back: nobody knows which came first */
    after = (struct gate_stats){.taken_bytes = 1000, .given_back = 207};
    expect(&before, &after, 800, 400);
}

/* ---- a model of a file system and its users ---- */

struct model {
    struct gate_stats stats;
    int64_t true_taken;
    uint64_t asked_held, giving_gone; /* of asking and giving: what was done already */
};

/* One small thing happens, in the order in which the gate and the file system do them. */
static void happen(struct model *m, struct rand *rand)
{
    uint64_t n = rand_below(rand, 100);
    struct gate_stats *s = &m->stats;
    switch (rand_below(rand, 7)) {
    case 0: /* reserved */
        s->taken_bytes += (int64_t)n;
        s->unasked += n;
        break;
    case 1: /* asked for */
        n = n < s->unasked ? n : s->unasked;
        s->unasked -= n;
        s->asking += n;
        break;
    case 2: /* the file system allocates some */
        n = n < s->asking - m->asked_held ? n : s->asking - m->asked_held;
        m->asked_held += n;
        m->true_taken += (int64_t)n;
        break;
    case 3: /* and has answered */
        s->asking -= m->asked_held;
        m->asked_held = 0;
        break;
    case 4: /* a file is about to go */
        s->giving += n;
        break;
    case 5: /* some of it goes */
        n = n < s->giving - m->giving_gone ? n : s->giving - m->giving_gone;
        m->giving_gone += n;
        m->true_taken -= (int64_t)n;
        break;
    default: /* and has gone */
        s->giving -= m->giving_gone;
        s->given_back += m->giving_gone;
        s->taken_bytes -= (int64_t)m->giving_gone;
        m->giving_gone = 0;
    }
}

static void the_truth_lies_within_the_doubt(void **state)
{
    struct rand rand;
    rand_seed(&rand, 20240229);
    for (int round = 0; round < 20000; round++) {
        struct model m = {0};
        uint64_t doubt, many = rand_below(&rand, 60), few = rand_below(&rand, 6);
        for (uint64_t i = 0; i < many; i++)
            happen(&m, &rand);
        struct gate_stats before = m.stats;
        for (uint64_t i = 0; i < few; i++)
            happen(&m, &rand);
        int64_t truth = m.true_taken;
        for (uint64_t i = 0; i < few; i++)
            happen(&m, &rand);
        int64_t taken = volume_taken(&before, &m.stats, &doubt);
        assert_true(taken <= truth);
        assert_true(truth <= taken + (int64_t)doubt);
        /* and whatever happens later, no more is thought to be free than is */
        uint64_t given = m.stats.given_back + m.stats.giving;
        for (uint64_t i = 0; i < many; i++) {
            happen(&m, &rand);
            int64_t going = given > m.stats.given_back ? (int64_t)(given - m.stats.given_back) : 0;
            assert_true(truth + m.stats.taken_bytes - taken - going >= m.true_taken);
        }
    }
}

/* ---- the gate itself ---- */

struct allocation {
    struct gate_file *file;
    int result;
    bool ended; /* atomic */
};

static void *allocate(void *arg)
{
    struct allocation *a = arg;
    a->result = gate_allocate(a->file, 0, 8 * MIB);
    __atomic_store_n(&a->ended, true, __ATOMIC_RELEASE);
    return NULL;
}

/* While a slow file system allocates a file, only a small part of it is in doubt at any moment, and
 * what the file really holds lies within. */
static void a_slow_allocation_is_hardly_in_doubt(void **state)
{
    char dir[] = "/tmp/spillway-volume-XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/base", dir);
    struct gate *gate = gate_create(NULL);
    struct allocation a = {0};
    assert_int_equal(gate_open(gate, path, FILE_CREATE, GATE_COMPACTION, &a.file), 0);
    struct file_fault slow;
    assert_true(file_fault_parse(SLICE("op=allocate,stall=3"), &slow));
    assert_true(file_fault_add(&slow) > 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, allocate, &a), 0);
    uint64_t looks = 0, partial = 0;
    while (!__atomic_load_n(&a.ended, __ATOMIC_ACQUIRE)) {
        struct gate_stats before, after;
        struct file_info info;
        uint64_t doubt;
        gate_stats(gate, &before);
        assert_int_equal(file_info_path(path, &info), 0);
        gate_stats(gate, &after);
        int64_t taken = volume_taken(&before, &after, &doubt);
        if (!after.can_allocate)
            break;
        assert_true(after.asking <= 256 * KIB);
        assert_true(taken <= (int64_t)info.allocated);
        /* the file system's own blocks may come on top */
        assert_true((int64_t)info.allocated <= taken + (int64_t)(doubt + 64 * KIB));
        looks++;
        partial += taken > 0 && taken < (int64_t)(8 * MIB);
        usleep(200);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    file_fault_clear();
    struct gate_stats stats;
    gate_stats(gate, &stats);
    assert_int_equal(stats.unasked + stats.asking + stats.giving, 0);
    assert_int_equal(a.result, 0);
    if (stats.can_allocate) {
        assert_int_equal(stats.taken_bytes, 8 * MIB);
        print_message("%llu looks, %llu at a part\n", (unsigned long long)looks,
                      (unsigned long long)partial);
    }
    gate_close(a.file);
    assert_int_equal(gate_remove(gate, path), 0);
    gate_stats(gate, &stats);
    assert_int_equal(stats.taken_bytes, 0);
    assert_int_equal(stats.giving, 0);
    gate_destroy(gate);
    assert_int_equal(rmdir(dir), 0);
}

struct removal {
    struct gate *gate;
    const char *path;
    int result;
};

static void *remove_it(void *arg)
{
    struct removal *r = arg;
    r->result = gate_remove(r->gate, r->path);
    return NULL;
}

/* A file that was going at the sample and still is, slowly: as much is free as the sample says. */
static void what_is_going_was_not_taken(void **state)
{
    char dir[] = "/tmp/spillway-volume-XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/old", dir);
    struct gate *gate = gate_create(NULL);
    struct gate_file *file;
    static const char data[256 * KIB];
    assert_int_equal(gate_open(gate, path, FILE_CREATE, GATE_COMPACTION, &file), 0);
    assert_int_equal(gate_write(file, data, sizeof(data), 0, NULL), 0);
    gate_close(file);
    struct file_fault slow;
    assert_true(file_fault_parse(SLICE("op=remove,stall=300"), &slow));
    assert_true(file_fault_add(&slow) > 0);
    pthread_t thread;
    struct removal r = {.gate = gate, .path = path};
    assert_int_equal(pthread_create(&thread, NULL, remove_it, &r), 0);
    struct gate_stats stats;
    do {
        gate_stats(gate, &stats);
    } while (stats.giving == 0 && stats.own_bytes != 0);
    uint64_t doubt, looks = 0;
    struct gate_limits limits = {.available = MIB, .ceiling = UINT64_MAX};
    limits.taken_at_sample = volume_taken(&stats, &stats, &doubt);
    limits.given_by_sample = stats.given_back + stats.giving;
    assert_int_equal(doubt, stats.giving);
    gate_set_limits(gate, &limits);
    do {
        assert_int_equal(gate_free_bytes(gate), MIB);
        gate_stats(gate, &stats);
        looks++;
        usleep(1000);
    } while (stats.giving);
    assert_int_equal(pthread_join(thread, NULL), 0);
    file_fault_clear();
    assert_int_equal(r.result, 0);
    assert_int_equal(gate_free_bytes(gate), MIB);
    print_message("%llu looks\n", (unsigned long long)looks);
    gate_destroy(gate);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_stands_still_is_counted),
        cmocka_unit_test(what_was_not_asked_for_is_not_counted),
        cmocka_unit_test(what_is_being_allocated_is_in_doubt),
        cmocka_unit_test(what_is_being_given_back_is_in_doubt),
        cmocka_unit_test(the_truth_lies_within_the_doubt),
        cmocka_unit_test(a_slow_allocation_is_hardly_in_doubt),
        cmocka_unit_test(what_is_going_was_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
