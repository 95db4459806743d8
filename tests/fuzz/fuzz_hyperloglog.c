/* fuzz_hyperloglog.c - whatever bytes a string holds, the sketch's functions stay inside them, and
 * the two forms agree.
 *
 * The first byte chooses: bytes as they are, opcodes behind a good head, a dense body. The second
 * and third choose the register and the bound of the sparse form.
 */
#include "base/mem.h"
#include "base/panic.h"
#include "value/hyperloglog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect_same_count(struct slice value)
{
    uint8_t registers[HLL_REGISTERS] = {0};
    uint64_t count;
    bool good = hll_count(value, &count);
    ASSERT(hll_merge(registers, value) == good);
    if (good)
        ASSERT(hll_count_registers(registers) == count);
    struct bytes text = {0};
    if (hll_encoding_of(value) == HLL_SPARSE)
        ASSERT(hll_describe(value, &text) || !good);
    bytes_free(&text);
}

static void change(struct slice value, struct hll_point point, int64_t sparse_max)
{
    struct bytes copy = {0};
    uint64_t count;
    bool good = hll_count(value, &count);
    bytes_append(&copy, value.data, value.len);
    enum hll_result look = hll_look(value, point), result = hll_add(&copy, point, sparse_max);
    ASSERT(look == result || result == HLL_CORRUPT);
    ASSERT(!good || result != HLL_CORRUPT);
    ASSERT(hll_is(bytes_slice(&copy)));
    if (result != HLL_CHANGED)
        ASSERT(slice_eq(bytes_slice(&copy), value));
    else
        ASSERT(hll_look(bytes_slice(&copy), point) == HLL_SAME);
    ASSERT(hll_count(bytes_slice(&copy), &count) == good ||
           hll_encoding_of(bytes_slice(&copy)) == HLL_SPARSE);
    bool dense = hll_to_dense(&copy);
    ASSERT(dense || !good);
    bytes_free(&copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4)
        return 0;
    unsigned kind = data[0] % 3;
    struct hll_point point = {.index = (uint16_t)(data[1] << 6 | (data[2] >> 2)),
                              .rank = (uint8_t)(data[0] / 3 % HLL_REGISTER_MAX + 1)};
    int64_t sparse_max = (int64_t)data[3] * 16;
    struct bytes made = {0};
    if (kind != 0) {
        hll_init(&made);
        made.len = HLL_HEAD;
    }
    bytes_append(&made, data + 4, size - 4);
    if (kind == 2) {
        bytes_reserve(&made, HLL_DENSE_BYTES);
        memset(made.data + made.len, 0x55, made.cap - made.len);
        made.len = HLL_DENSE_BYTES;
        made.data[4] = HLL_DENSE;
    }
    char *exact = mem_dup(made.data ? made.data : "", made.len); /* nothing readable around it */
    struct slice value = slice_of(exact, made.len);
    bytes_free(&made);
    if (hll_is(value)) {
        expect_same_count(value);
        change(value, point, sparse_max);
    }
    mem_free(exact);
    return 0;
}
