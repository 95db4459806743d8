/* fuzz_intset.c - whatever bytes come, the intset's validator stays inside them, and what it lets
 * through can be searched and edited.
 *
 * The first byte chooses: bytes as they are; integers of a width that get a good head; a program of
 * values to add and remove.
 */
#include "base/bytes.h"
#include "base/panic.h"
#include "struct/intset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect_valid(const unsigned char *set)
{
    ASSERT(intset_validate(set, intset_bytes(set), true) == (intset_count(set) > 0));
}

static void search_and_edit(const unsigned char *bytes)
{
    unsigned char *set = intset_copy(bytes);
    uint32_t count = intset_count(set), at;
    for (uint32_t i = 0; i < count; i++)
        ASSERT(intset_find(set, intset_get(set, i), &at) && at == i);
    int64_t middle = intset_get(set, count / 2);
    ASSERT(intset_remove(&set, middle) && !intset_find(set, middle, NULL));
    expect_valid(set);
    ASSERT(intset_add(&set, middle) && !intset_add(&set, middle));
    ASSERT(memcmp(set, bytes, intset_bytes(bytes)) == 0);
    bool there = intset_find(set, INT64_MIN, NULL);
    ASSERT(intset_add(&set, INT64_MIN) == !there);
    ASSERT(intset_get(set, 0) == INT64_MIN);
    expect_valid(set);
    intset_free(set);
}

static void validate(const uint8_t *data, size_t size)
{
    unsigned char *exact = mem_dup(data, size);
    bool ok = intset_validate(exact, size, false);
    if (intset_validate(exact, size, true)) {
        ASSERT(ok);
        search_and_edit(exact);
    }
    mem_free(exact);
}

static void validate_values(uint32_t width, const uint8_t *data, size_t size)
{
    size_t count = size / width;
    unsigned char *bytes = mem_alloc(INTSET_HEAD + count * width);
    flat_store(bytes, width, 4);
    flat_store(bytes + 4, count, 4);
    memcpy(bytes + INTSET_HEAD, data, count * width);
    validate(bytes, INTSET_HEAD + count * width);
    mem_free(bytes);
}

/* Each byte is a shift, whether to add or remove, and the sign; the next is the value's bits. */
static void edit(const uint8_t *data, size_t size)
{
    unsigned char *set = intset_new();
    for (; size >= 2; data += 2, size -= 2) {
        uint64_t bits = (uint64_t)data[1] << (data[0] & 63);
        int64_t value = (int64_t)(data[0] & 64 ? 0 - bits : bits);
        uint32_t count = intset_count(set);
        bool there = intset_find(set, value, NULL);
        if (data[0] & 128) {
            ASSERT(intset_remove(&set, value) == there);
            ASSERT(intset_count(set) == count - there);
        } else {
            ASSERT(intset_add(&set, value) == !there);
            ASSERT(intset_count(set) == count + !there);
        }
        ASSERT(intset_find(set, value, NULL) == !(data[0] & 128));
    }
    expect_valid(set);
    intset_free(set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    switch (data[0] % 5) {
    case 0:
        validate(data + 1, size - 1);
        break;
    case 1:
    case 2:
    case 3:
        validate_values(1u << data[0] % 5, data + 1, size - 1);
        break;
    default:
        edit(data + 1, size - 1);
    }
    return 0;
}
