/* test_machine.c - cgroup limits of both versions out of a made-up tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "ops/machine.h"

static char root[64];

static void put(const char *path, const char *text)
{
    char full[256], *slash = full;
    snprintf(full, sizeof(full), "%s/%s", root, path);
    while ((slash = strchr(slash + 1, '/')) != NULL) {
        *slash = '\0';
        assert_int_equal(file_mkdir(full), 0);
        *slash = '/';
    }
    assert_int_equal(file_replace(full, text, strlen(text)), 0);
}

static int setup(void **state)
{
    (void)state;
    strcpy(root, "/tmp/spillway-machine-XXXXXX");
    return mkdtemp(root) != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", root);
    return system(command);
}

static void assert_limits(uint64_t memory, uint64_t millicpus)
{
    char proc[128];
    uint64_t m, cpu;
    snprintf(proc, sizeof(proc), "%s/proc", root);
    machine_cgroup_limits(proc, root, &m, &cpu);
    assert_int_equal(m, memory);
    assert_int_equal(cpu, millicpus);
}

static void test_none(void **state)
{
    (void)state;
    assert_limits(UINT64_MAX, UINT64_MAX);
    put("proc", "garbage\n0::\n::\n");
    assert_limits(UINT64_MAX, UINT64_MAX);
}

static void test_version_2(void **state)
{
    (void)state;
    put("proc", "0::/a/b\n");
    put("a/b/memory.max", "max\n");
    put("a/b/cpu.max", "max 100000\n");
    assert_limits(UINT64_MAX, UINT64_MAX);
    put("a/b/memory.max", "2000000\n");
    put("a/memory.max", "1000000\n");
    put("a/b/cpu.max", "150000 100000\n");
    assert_limits(1000000, 1500);
}

static void test_version_2_namespaced(void **state)
{
    (void)state;
    put("proc", "0::/../../elsewhere\n");
    put("memory.max", "4096\n");
    assert_limits(4096, UINT64_MAX);
}

static void test_version_1(void **state)
{
    (void)state;
    put("proc", "5:memory:/x\n4:cpu,cpuacct:/x\n1:name=systemd:/x\n");
    put("memory/x/memory.limit_in_bytes", "9223372036854771712\n");
    put("cpu,cpuacct/x/cpu.cfs_quota_us", "-1\n");
    put("cpu,cpuacct/x/cpu.cfs_period_us", "100000\n");
    assert_limits(UINT64_MAX, UINT64_MAX);
    put("memory/x/memory.limit_in_bytes", "8192\n");
    put("cpu,cpuacct/x/cpu.cfs_quota_us", "50000\n");
    assert_limits(8192, 500);
}

static void test_this_machine(void **state)
{
    (void)state;
    assert_true(machine_cpus() >= 1);
    assert_true(machine_memory() > 1 << 20);
    assert_true(machine_memory() <= machine_memory_physical());
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {T(test_none), T(test_version_2),
                                       T(test_version_2_namespaced), T(test_version_1),
                                       T(test_this_machine)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
