/* fuzz_rdb.c - whatever bytes come, the RDB loader and the DUMP parser stay inside them.
 *
 * The first byte chooses: a file as it is; a file with a good header put before it; a payload
 * whose frame is made good, of Redis or of Valkey, so that the value behind it is reached.
 */
#include "base/crc64.h"
#include "base/mem.h"
#include "base/panic.h"
#include "persist/dump.h"
#include "persist/rdb.h"
#include "persist/rdb_load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void load(struct slice file)
{
    struct keyspace_options options = {.databases = 16,
                                       .policy = EVICT_NONE,
                                       .samples = 5,
                                       .limits = value_limits_default,
                                       .lfu_decay_minutes = 1};
    options.limits.list_compress_depth = 1;
    struct keyspace *ks = keyspace_new(&options);
    struct rdb_reader r;
    rdb_reader_init(&r, file);
    struct rdb_load_options how = {.keep_expired = true};
    struct rdb_load_result result;
    bool ok = rdb_load(&r, ks, &how, &result);
    (void)ok;
    rdb_reader_free(&r);
    keyspace_free(ks);
}

static void look(void *ctx, const struct slice *parts, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        *(uint64_t *)ctx += crc64(0, parts[i].data, parts[i].len);
}

static void forget(void *ctx, struct slice name)
{
    *(uint64_t *)ctx += crc64(0, name.data, name.len);
}

/* What was read can be walked and copied, and its elements can expire. */
static void use(struct value value)
{
    uint64_t first = 0, second = 0;
    struct value copy = value_copy(value);
    value_each(value, look, &first);
    value_each(copy, look, &second);
    ASSERT(first == second && value_memory(value, 0) > 0 && value_effort(value) > 0);
    while (value_due_ms(copy) != VALUE_NEVER_DUE &&
           value_expire(&copy, INT64_MAX / 2, 16, forget, &second) == VALUE_MORE_DUE)
        ;
    value_free(copy);
}

static void parse(struct bytes *payload, char version)
{
    bytes_append_char(payload, version);
    bytes_append_char(payload, 0);
    uint64_t crc = crc64(0, payload->data, payload->len);
    for (unsigned i = 0; i < 8; i++)
        bytes_append_char(payload, (char)(crc >> 8 * i));
    struct dump_value value;
    struct value_limits limits = value_limits_default;
    limits.list_compress_depth = 1;
    if (dump_parse(bytes_slice(payload), &limits, &value) != DUMP_OK)
        return;
    if (value.type != TYPE_STRING)
        use(value.value);
    dump_value_free(&value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct bytes copy = {0};
    if (data[0] % 3 == 1)
        bytes_append_str(&copy, "REDIS0010");
    bytes_append(&copy, data + 1, size - 1);
    if (data[0] % 3 == 2)
        parse(&copy, data[0] & 0x80 ? RDB_VALKEY_MIN : RDB_VERSION_MAX);
    else
        load(bytes_slice(&copy));
    bytes_free(&copy);
    return 0;
}
