/* fuzz_aof.c - whatever bytes a log holds, loading it ends with an answer: ok, torn or damaged, at
 * an offset inside it; and what stands before a torn end loads again as a whole file. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/panic.h"
#include "persist/aof_load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool execute(void *ctx, uint32_t db, uint32_t argc, const struct slice *argv,
                    const char **why)
{
    *why = "refused";
    return argv[0].len != 1; /* some commands cannot be run */
}

static struct aof_load_result load(int fd, struct keyspace *ks)
{
    char path[40];
    struct aof_load_options options = {.keyspace = ks, .execute = execute};
    struct aof_load_result result;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    aof_load_file(path, &options, &result);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct keyspace_options options = {.databases = 16,
                                       .policy = EVICT_NONE,
                                       .samples = 5,
                                       .limits = value_limits_default,
                                       .lfu_decay_minutes = 1};
    struct keyspace *ks = keyspace_new(&options);
    int fd = memfd_create("log", 0);
    ASSERT(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    struct aof_load_result result = load(fd, ks);
    ASSERT(result.offset <= size);
    ASSERT(result.end != AOF_LOAD_OK || result.offset == size);
    if (result.end == AOF_LOAD_TORN) {
        ASSERT(ftruncate(fd, (off_t)result.offset) == 0);
        ASSERT(load(fd, ks).end == AOF_LOAD_OK);
    }
    close(fd);
    keyspace_free(ks);
    return 0;
}
