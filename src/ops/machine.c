/* machine.c - reading the limits of the cgroup (version 2 and 1), the affinity mask and the memory.
 *
 * A process is in one cgroup of version 2 ("0::/path") and perhaps in one per controller of
 * version 1 ("4:memory:/path"). Limits are inherited, so each ancestor up to the root is asked. In
 * a container the path often does not exist under the mounted root; the root itself then is our
 * cgroup.
 */
#include "ops/machine.h"

#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/number.h"

#define SMALL_FILE_LIMIT 65536

/* A small file as a string, or NULL. */
static char *read_small(const char *path)
{
    char *data;
    size_t len;
    if (file_read_all(path, SMALL_FILE_LIMIT, &data, &len) != 0)
        return NULL;
    char *text = slice_to_str(slice_of(data, len));
    mem_free(data);
    text[strcspn(text, "\n")] = '\0';
    return text;
}

/* The file's one number; false if it has none ("max", "-1") or does not exist. */
static bool read_limit(const char *dir, const char *name, uint64_t *out)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    char *text = read_small(path);
    bool found = text != NULL && number_parse_u64(slice_str(text), out);
    mem_free(text);
    return found;
}

static void lower(uint64_t *limit, uint64_t value)
{
    *limit = MIN_OF(*limit, value);
}

static void limits_v2(const char *dir, uint64_t *memory, uint64_t *millicpus)
{
    char path[PATH_MAX];
    uint64_t bytes, quota, period;
    if (read_limit(dir, "memory.max", &bytes))
        lower(memory, bytes);
    snprintf(path, sizeof(path), "%s/cpu.max", dir);
    char *text = read_small(path);
    if (text != NULL && sscanf(text, "%" SCNu64 " %" SCNu64, &quota, &period) == 2 && period > 0)
        lower(millicpus, quota * 1000 / period);
    mem_free(text);
}

static void limits_v1(const char *dir, uint64_t *memory, uint64_t *millicpus)
{
    uint64_t bytes, quota, period;
    if (read_limit(dir, "memory.limit_in_bytes", &bytes) && bytes < INT64_MAX / 2)
        lower(memory, bytes);
    if (read_limit(dir, "cpu.cfs_quota_us", &quota) &&
        read_limit(dir, "cpu.cfs_period_us", &period) && period > 0)
        lower(millicpus, quota * 1000 / period);
}

typedef void (*limits_fn)(const char *dir, uint64_t *memory, uint64_t *millicpus);

/* Asks root/path and each of its ancestors. */
static void walk_up(const char *root, const char *path, limits_fn limits, uint64_t *memory,
                    uint64_t *millicpus)
{
    char dir[PATH_MAX];
    int len = snprintf(dir, sizeof(dir), "%s%s", root, strstr(path, "..") != NULL ? "" : path);
    if (len < 0 || (size_t)len >= sizeof(dir))
        return;
    size_t root_len = strlen(root);
    for (;;) {
        limits(dir, memory, millicpus);
        char *slash = strrchr(dir, '/');
        if (slash == NULL || (size_t)(slash - dir) < root_len)
            return;
        *slash = '\0';
    }
}

/* One line of /proc/self/cgroup: "id:controllers:path". */
static void apply_line(char *line, const char *root, uint64_t *memory, uint64_t *millicpus)
{
    char *controllers = strchr(line, ':');
    char *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
    if (path == NULL)
        return;
    *controllers++ = '\0';
    *path++ = '\0';
    if (controllers[0] == '\0') {
        walk_up(root, path, limits_v2, memory, millicpus);
        return;
    }
    char sub[PATH_MAX];
    char *rest = NULL;
    snprintf(sub, sizeof(sub), "%s/%s", root, controllers);
    walk_up(sub, path, limits_v1, memory, millicpus);
    for (char *name = strtok_r(controllers, ",", &rest); name != NULL;
         name = strtok_r(NULL, ",", &rest)) {
        snprintf(sub, sizeof(sub), "%s/%s", root, name);
        if (strcmp(name, "memory") == 0 || strcmp(name, "cpu") == 0)
            walk_up(sub, path, limits_v1, memory, millicpus);
    }
}

void machine_cgroup_limits(const char *proc_cgroup, const char *root, uint64_t *memory,
                           uint64_t *millicpus)
{
    *memory = UINT64_MAX;
    *millicpus = UINT64_MAX;
    char *data, *rest = NULL;
    size_t len;
    if (file_read_all(proc_cgroup, SMALL_FILE_LIMIT, &data, &len) != 0)
        return;
    char *text = slice_to_str(slice_of(data, len));
    mem_free(data);
    for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
        apply_line(line, root, memory, millicpus);
    mem_free(text);
}

unsigned machine_cpus(void)
{
    cpu_set_t set;
    unsigned cpus = sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
    uint64_t memory, millicpus;
    machine_cgroup_limits("/proc/self/cgroup", "/sys/fs/cgroup", &memory, &millicpus);
    if (millicpus != UINT64_MAX)
        cpus = (unsigned)MIN_OF((uint64_t)cpus, (millicpus + 999) / 1000);
    return MAX_OF(cpus, 1u);
}

uint64_t machine_memory_physical(void)
{
    return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t machine_memory(void)
{
    uint64_t memory, millicpus;
    machine_cgroup_limits("/proc/self/cgroup", "/sys/fs/cgroup", &memory, &millicpus);
    return MIN_OF(memory, machine_memory_physical());
}
