/* test_verdict.c - admission by purse and credit, eviction quotas, names. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include "guard/verdict.h"

static struct guard_verdict metered(int64_t credit)
{
    return (struct guard_verdict){
        .growth = GUARD_GROWTH_METERED, .epoch = 1, .largest = UINT64_MAX, .credit = credit};
}

static void free_growth_is_not_counted(void **state)
{
    struct guard_verdict v = {.growth = GUARD_GROWTH_FREE};
    struct guard_purse purse = {0};
    assert_int_equal(guard_admit_growth(&v, &purse, UINT64_MAX), GUARD_ADMIT);
    assert_int_equal(purse.left, 0);
}

static void credit_is_drawn_in_chunks(void **state)
{
    struct guard_verdict v = metered(3 * GUARD_CHUNK_BYTES);
    struct guard_purse purse = {0};
    assert_int_equal(guard_admit_growth(&v, &purse, 100), GUARD_ADMIT);
    assert_int_equal(v.credit, 2 * GUARD_CHUNK_BYTES);
    assert_int_equal(purse.left, GUARD_CHUNK_BYTES - 100);
    assert_int_equal(guard_admit_growth(&v, &purse, GUARD_CHUNK_BYTES - 100), GUARD_ADMIT);
    assert_int_equal(v.credit, 2 * GUARD_CHUNK_BYTES);
    assert_int_equal(purse.left, 0);
    assert_int_equal(guard_admit_growth(&v, &purse, 3 * GUARD_CHUNK_BYTES), GUARD_ADMIT);
    assert_true(v.credit < 0); /* overdrawn once */
    assert_int_equal(guard_admit_growth(&v, &purse, 1), GUARD_DELAY);
    assert_int_equal(v.starved, 1);
}

static void a_new_epoch_voids_purses(void **state)
{
    struct guard_verdict v = metered(GUARD_CHUNK_BYTES);
    struct guard_purse purse = {0};
    assert_int_equal(guard_admit_growth(&v, &purse, 1), GUARD_ADMIT);
    v.growth = GUARD_GROWTH_REFUSED;
    v.epoch++;
    assert_int_equal(guard_admit_growth(&v, &purse, 1), GUARD_REFUSE);
    assert_int_equal(guard_admit_growth(&v, &purse, 0), GUARD_REFUSE);
    v.growth = GUARD_GROWTH_METERED;
    v.credit = 0;
    v.epoch++;
    assert_int_equal(guard_admit_growth(&v, &purse, 1), GUARD_DELAY);
}

static void what_can_never_fit_is_refused(void **state)
{
    struct guard_verdict v = metered(GUARD_CHUNK_BYTES);
    struct guard_purse purse = {0};
    v.largest = 1000000;
    assert_int_equal(guard_admit_growth(&v, &purse, 1000001), GUARD_REFUSE);
    assert_int_equal(guard_admit_growth(&v, &purse, 1000000), GUARD_ADMIT);
}

struct drawer {
    struct guard_verdict *v;
    uint64_t admitted, evicted;
};

static void *draw(void *arg)
{
    struct drawer *d = arg;
    struct guard_purse purse = {0};
    while (guard_admit_growth(d->v, &purse, 1000) == GUARD_ADMIT)
        d->admitted += 1000;
    uint64_t taken;
    while ((taken = guard_evict_take(d->v, 777)) > 0)
        d->evicted += taken;
    return NULL;
}

static void workers_share_without_losing(void **state)
{
    struct guard_verdict v = metered(64 * 1024 * 1024);
    struct drawer drawers[4];
    pthread_t threads[4];
    uint64_t admitted = 0, evicted = 0;
    v.evict_on = 1;
    v.evict_quota = 10000000;
    for (int i = 0; i < 4; i++) {
        drawers[i] = (struct drawer){.v = &v};
        assert_int_equal(pthread_create(&threads[i], NULL, draw, &drawers[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        admitted += drawers[i].admitted;
        evicted += drawers[i].evicted;
    }
    /* each may overdraw by one chunk, and leave less than one command in its last */
    assert_in_range(admitted, 60 * 1024 * 1024, 64 * 1024 * 1024 + 4 * GUARD_CHUNK_BYTES);
    assert_int_equal(evicted, 10000000);
}

static void no_eviction_unless_wanted(void **state)
{
    struct guard_verdict v = {.evict_quota = 100};
    assert_int_equal(guard_evict_take(&v, 10), 0);
    v.evict_on = 1;
    assert_int_equal(guard_evict_take(&v, 60), 60);
    assert_int_equal(guard_evict_take(&v, 60), 40);
    assert_int_equal(guard_evict_take(&v, 60), 0);
}

static void names_and_words(void **state)
{
    enum guard_policy policy = GUARD_POLICY_SHED;
    assert_string_equal(guard_level_name(GUARD_UNKNOWN), "unknown");
    assert_string_equal(guard_health_name(GUARD_REPAIRING), "repairing");
    assert_string_equal(guard_cause_name(GUARD_CAUSE_CONFIG), "config");
    assert_string_equal(guard_trigger_name(GUARD_TRIGGER_COMMAND), "command");
    assert_true(guard_policy_parse("Memory-Only", &policy));
    assert_int_equal(policy, GUARD_POLICY_MEMORY_ONLY);
    assert_false(guard_policy_parse("memory", &policy));
    assert_int_equal(policy, GUARD_POLICY_MEMORY_ONLY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(free_growth_is_not_counted),
        cmocka_unit_test(credit_is_drawn_in_chunks),
        cmocka_unit_test(a_new_epoch_voids_purses),
        cmocka_unit_test(what_can_never_fit_is_refused),
        cmocka_unit_test(workers_share_without_losing),
        cmocka_unit_test(no_eviction_unless_wanted),
        cmocka_unit_test(names_and_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
