/* hyperloglog.c - sketches in the byte layout of Redis, and their estimate.
 *
 *   0      4          5        8                   16
 *   +------+----------+--------+-------------------+-----------
 *   | HYLL | encoding | unused | cached count: u64 | registers    integers are little endian
 *   +------+----------+--------+-------------------+-----------
 *
 * The highest bit of the cached count says that it is out of date. Encoding 0 is dense: 16384
 * registers of 6 bits, the first in the lowest bits of the first byte. Encoding 1 is sparse:
 * opcodes that cover all registers in order.
 *
 *   ZERO  00nnnnnn            n + 1 registers of 0, up to 64
 *   XZERO 01nnnnnn nnnnnnnn   n + 1 registers of 0, up to 16384; high bits first
 *   VAL   1vvvvvnn            n + 1 registers, up to 4, of v + 1, up to 32
 *
 * An element's 64-bit MurmurHash64A gives the register by its 14 low bits and the rank, one more
 * than the zeros below the lowest bit set, by the 50 others. The estimate is Otmar Ertl's improved
 * raw estimator ("New cardinality estimation algorithms for HyperLogLog sketches", 2017,
 * arXiv:1702.01284, algorithm 6) from the histogram of the registers.
 *
 * Splitting and joining of opcodes follow Redis step by step, for the same additions shall give the
 * same bytes: a run is split at the register, then equal VALs are joined from the opcode before it
 * on, over five opcodes.
 */
#include "value/hyperloglog.h"

#include <math.h>
#include "base/mem.h"
#include "base/number.h"
#include "base/panic.h"

#define INDEX_BITS   14
#define RANK_BITS    (64 - INDEX_BITS)
#define HASH_SEED    UINT64_C(0xadc83b19)
#define ZERO_MOST    64
#define XZERO_MOST   HLL_REGISTERS
#define VAL_RUN_MOST 4
#define VAL_MOST     32
#define JOIN_OPCODES 5 /* looked at for joining after a change */
#define STALE        0x80

/* ---- elements ---- */

static uint64_t load_word(const unsigned char *p, size_t len) /* little endian */
{
    uint64_t word = 0;
    for (size_t i = 0; i < len; i++)
        word |= (uint64_t)p[i] << 8 * i;
    return word;
}

/* MurmurHash64A of Austin Appleby (public domain), with words read as little endian. */
static uint64_t murmur64a(struct slice s, uint64_t seed)
{
    const uint64_t m = UINT64_C(0xc6a4a7935bd1e995);
    const unsigned char *p = (const unsigned char *)s.data;
    uint64_t hash = seed ^ s.len * m;
    size_t left = s.len;
    for (; left >= 8; p += 8, left -= 8) {
        uint64_t word = load_word(p, 8) * m;
        word = (word ^ word >> 47) * m;
        hash = (hash ^ word) * m;
    }
    if (left != 0)
        hash = (hash ^ load_word(p, left)) * m;
    hash = (hash ^ hash >> 47) * m;
    return hash ^ hash >> 47;
}

struct hll_point hll_point_of(struct slice element)
{
    uint64_t hash = murmur64a(element, HASH_SEED);
    uint64_t rest = hash >> INDEX_BITS | UINT64_C(1) << RANK_BITS; /* so that the rank ends */
    return (struct hll_point){.index = hash & (HLL_REGISTERS - 1),
                              .rank = (uint8_t)(__builtin_ctzll(rest) + 1)};
}

/* ---- the head ---- */

bool hll_is(struct slice value)
{
    if (value.len < HLL_HEAD || memcmp(value.data, "HYLL", 4) != 0)
        return false;
    return value.data[4] == HLL_SPARSE ||
           (value.data[4] == HLL_DENSE && value.len == HLL_DENSE_BYTES);
}

enum hll_encoding hll_encoding_of(struct slice value)
{
    return value.data[4] == HLL_DENSE ? HLL_DENSE : HLL_SPARSE;
}

bool hll_cached_count(struct slice value, uint64_t *count)
{
    *count = load_word((const unsigned char *)value.data + 8, 8);
    return !((unsigned char)value.data[15] & STALE);
}

void hll_cache_count(char *value, uint64_t count)
{
    for (unsigned i = 0; i < 8; i++)
        value[8 + i] = (char)(count >> 8 * i);
}

void hll_invalidate_count(char *value)
{
    value[15] = (char)((unsigned char)value[15] | STALE);
}

void hll_init(struct bytes *value)
{
    static const char empty[HLL_HEAD + 2] = "HYLL\1\0\0\0\0\0\0\0\0\0\0\0\x7f\xff";
    ASSERT(value->len == 0);
    bytes_append(value, empty, sizeof empty);
}

/* ---- dense registers: four of them in three bytes ---- */

static unsigned dense_get(const unsigned char *registers, unsigned index)
{
    const unsigned char *p = registers + index * 6 / 8;
    unsigned shift = index * 6 % 8, bits = (unsigned)*p >> shift;
    if (shift > 2) /* the last register ends in the last byte, so none is read behind it */
        bits |= (unsigned)p[1] << (8 - shift);
    return bits & HLL_REGISTER_MAX;
}

static void dense_put(unsigned char *registers, unsigned index, unsigned rank)
{
    unsigned char *p = registers + index * 6 / 8;
    unsigned shift = index * 6 % 8;
    p[0] = (unsigned char)((p[0] & ~((unsigned)HLL_REGISTER_MAX << shift)) | rank << shift);
    if (shift > 2)
        p[1] = (unsigned char)((p[1] & ~((unsigned)HLL_REGISTER_MAX >> (8 - shift))) |
                               rank >> (8 - shift));
}

static void dense_unpack(const unsigned char *p, uint8_t out[4])
{
    unsigned word = p[0] | (unsigned)p[1] << 8 | (unsigned)p[2] << 16;
    for (unsigned i = 0; i < 4; i++)
        out[i] = word >> 6 * i & HLL_REGISTER_MAX;
}

bool hll_add_dense(char *value, struct hll_point point)
{
    unsigned char *registers = (unsigned char *)value + HLL_HEAD;
    if (dense_get(registers, point.index) >= point.rank)
        return false;
    dense_put(registers, point.index, point.rank);
    return true;
}

/* ---- sparse opcodes ---- */

struct opcode {
    unsigned bytes; /* 1 or 2; 0 = cut off */
    unsigned run;   /* registers that it covers, at least 1 */
    unsigned value; /* of each */
};

static struct opcode opcode_at(const unsigned char *p, const unsigned char *end)
{
    if (*p & 0x80)
        return (struct opcode){1, (*p & 3u) + 1, (*p >> 2 & 31u) + 1};
    if (!(*p & 0x40))
        return (struct opcode){1, (*p & 63u) + 1, 0};
    if (end - p < 2)
        return (struct opcode){0};
    return (struct opcode){2, ((*p & 63u) << 8 | p[1]) + 1, 0};
}

static unsigned char val_of(unsigned value, unsigned run)
{
    return (unsigned char)(0x80 | (value - 1) << 2 | (run - 1));
}

/* Writes the opcode of a run, if there is one; returns the bytes it took. */
static unsigned opcode_put(unsigned char *out, unsigned value, unsigned run)
{
    if (run == 0)
        return 0;
    if (value != 0) {
        ASSERT(value <= VAL_MOST && run <= VAL_RUN_MOST);
        out[0] = val_of(value, run);
        return 1;
    }
    ASSERT(run <= XZERO_MOST);
    if (run <= ZERO_MOST) {
        out[0] = (unsigned char)(run - 1);
        return 1;
    }
    out[0] = (unsigned char)(0x40 | (run - 1) >> 8);
    out[1] = (unsigned char)(run - 1);
    return 2;
}

/* The opcode that covers a register. */
struct place {
    struct opcode opcode;
    size_t at, before; /* of it and of the one before it (itself, if the first), in the value */
    unsigned first;    /* register that it begins with */
};

/* False: there is none. */
static bool find_place(struct slice value, unsigned index, struct place *place)
{
    if (value.len > HLL_SPARSE_MOST)
        return false;
    const unsigned char *begin = (const unsigned char *)value.data, *end = begin + value.len;
    const unsigned char *p = begin + HLL_HEAD, *before = p;
    unsigned first = 0;
    while (p < end) {
        struct opcode opcode = opcode_at(p, end);
        if (opcode.bytes == 0)
            return false;
        if (index < first + opcode.run) {
            *place = (struct place){opcode, (size_t)(p - begin), (size_t)(before - begin), first};
            return true;
        }
        before = p;
        p += opcode.bytes;
        first += opcode.run;
    }
    return false;
}

/* Makes `old` bytes at `at` the `count` given ones. */
static void splice(struct bytes *value, size_t at, size_t old, const unsigned char *with,
                   size_t count)
{
    bytes_reserve(value, count);
    memmove(value->data + at + count, value->data + at + old, value->len - at - old);
    memcpy(value->data + at, with, count);
    value->len = value->len + count - old;
}

/* Joins neighbouring VALs that say the same and fit one opcode. */
static void join(struct bytes *value, size_t at)
{
    for (unsigned seen = 0; seen < JOIN_OPCODES && at < value->len; seen++) {
        const unsigned char *p = (unsigned char *)value->data + at;
        const unsigned char *end = (unsigned char *)value->data + value->len;
        struct opcode one = opcode_at(p, end), two = {0};
        if (one.bytes == 0)
            return;
        if (one.value != 0 && end - p > 1 && p[1] & 0x80)
            two = opcode_at(p + 1, end);
        if (two.value != 0 && one.value == two.value && one.run + two.run <= VAL_RUN_MOST) {
            unsigned char both = val_of(one.value, one.run + two.run);
            splice(value, at, 2, &both, 1); /* and once more with the next one */
        } else {
            at += one.bytes;
        }
    }
}

static enum hll_result add_densely(struct bytes *value, struct hll_point point)
{
    if (!hll_to_dense(value))
        return HLL_CORRUPT;
    return hll_add_dense(value->data, point) ? HLL_CHANGED : HLL_SAME;
}

static enum hll_result add_sparsely(struct bytes *value, struct hll_point point, int64_t sparse_max)
{
    struct place place;
    if (point.rank > VAL_MOST)
        return add_densely(value, point);
    if (!find_place(bytes_slice(value), point.index, &place))
        return HLL_CORRUPT;
    struct opcode old = place.opcode;
    if (old.value >= point.rank)
        return HLL_SAME;
    unsigned char fresh[5];
    unsigned count = opcode_put(fresh, old.value, point.index - place.first);
    count += opcode_put(fresh + count, point.rank, 1);
    count += opcode_put(fresh + count, old.value, place.first + old.run - 1 - point.index);
    if (count > old.bytes && (int64_t)(value->len + count - old.bytes) > sparse_max)
        return add_densely(value, point);
    splice(value, place.at, old.bytes, fresh, count);
    join(value, place.before);
    return HLL_CHANGED;
}

enum hll_result hll_add(struct bytes *value, struct hll_point point, int64_t sparse_max)
{
    if (hll_encoding_of(bytes_slice(value)) == HLL_DENSE)
        return hll_add_dense(value->data, point) ? HLL_CHANGED : HLL_SAME;
    return add_sparsely(value, point, sparse_max);
}

enum hll_result hll_look(struct slice value, struct hll_point point)
{
    struct place place;
    unsigned rank;
    if (hll_encoding_of(value) == HLL_DENSE)
        rank = dense_get((const unsigned char *)value.data + HLL_HEAD, point.index);
    else if (find_place(value, point.index, &place))
        rank = place.opcode.value;
    else
        return HLL_CORRUPT;
    return rank < point.rank ? HLL_CHANGED : HLL_SAME;
}

/* ---- all registers ---- */

/* Calls `run` for each opcode of a sparse value. False: they do not cover the registers exactly. */
typedef void (*run_fn)(void *ctx, unsigned first, struct opcode opcode);
static bool each_run(struct slice value, run_fn run, void *ctx)
{
    const unsigned char *p = (const unsigned char *)value.data + HLL_HEAD;
    const unsigned char *end = (const unsigned char *)value.data + value.len;
    unsigned first = 0;
    while (p < end) {
        struct opcode opcode = opcode_at(p, end);
        if (opcode.bytes == 0 || opcode.run > HLL_REGISTERS - first)
            return false;
        run(ctx, first, opcode);
        first += opcode.run;
        p += opcode.bytes;
    }
    return first == HLL_REGISTERS;
}

static void run_to_dense(void *ctx, unsigned first, struct opcode opcode)
{
    for (unsigned i = 0; opcode.value != 0 && i < opcode.run; i++)
        dense_put(ctx, first + i, opcode.value);
}

bool hll_to_dense(struct bytes *value)
{
    if (hll_encoding_of(bytes_slice(value)) == HLL_DENSE)
        return true;
    char *dense = mem_zalloc(HLL_DENSE_BYTES);
    bool good = each_run(bytes_slice(value), run_to_dense, dense + HLL_HEAD);
    if (good) {
        memcpy(dense, value->data, HLL_HEAD);
        dense[4] = HLL_DENSE;
        value->len = 0;
        bytes_append(value, dense, HLL_DENSE_BYTES);
    }
    mem_free(dense);
    return good;
}

static void run_to_registers(void *ctx, unsigned first, struct opcode opcode)
{
    uint8_t *registers = (uint8_t *)ctx + first;
    for (unsigned i = 0; opcode.value != 0 && i < opcode.run; i++)
        registers[i] = MAX_OF(registers[i], (uint8_t)opcode.value);
}

bool hll_merge(uint8_t *registers, struct slice value)
{
    if (hll_encoding_of(value) == HLL_SPARSE)
        return each_run(value, run_to_registers, registers);
    const unsigned char *p = (const unsigned char *)value.data + HLL_HEAD;
    for (unsigned i = 0; i < HLL_REGISTERS; i += 4, p += 3) {
        uint8_t four[4];
        dense_unpack(p, four);
        for (unsigned j = 0; j < 4; j++)
            registers[i + j] = MAX_OF(registers[i + j], four[j]);
    }
    return true;
}

/* ---- the estimate ---- */

struct histogram {
    unsigned of[HLL_REGISTER_MAX + 1]; /* how many registers have this rank */
};

/* x + sum of x^(2^k) * 2^(k-1), k from 1 on, as far as doubles tell. */
static double sigma(double x)
{
    if (x == 1.0)
        return INFINITY;
    double weight = 1, sum = x, last;
    do {
        x *= x;
        last = sum;
        sum += x * weight;
        weight += weight;
    } while (sum != last);
    return sum;
}

/* (1 - x - sum of (1 - x^(2^-k))^2 * 2^-k, k from 1 on) / 3, as far as doubles tell. */
static double tau(double x)
{
    if (x == 0.0 || x == 1.0)
        return 0;
    double weight = 1, rest = 1 - x, last;
    do {
        x = sqrt(x);
        last = rest;
        weight *= 0.5;
        rest -= pow(1 - x, 2) * weight;
    } while (rest != last);
    return rest / 3;
}

static uint64_t estimate(const struct histogram *histogram)
{
    const double m = HLL_REGISTERS, alpha = 0.721347520444481703680; /* 1 / (2 ln 2) */
    double z = m * tau((m - histogram->of[RANK_BITS + 1]) / m);
    for (unsigned rank = RANK_BITS; rank >= 1; rank--)
        z = (z + histogram->of[rank]) * 0.5;
    z += m * sigma(histogram->of[0] / m);
    double count = alpha * m * m / z;
    /* Only registers that no elements lead to give no number; the answer is Redis's. */
    return count < 0x1p63 ? (uint64_t)llroundl(count) : UINT64_C(1) << 63;
}

static void run_to_histogram(void *ctx, unsigned first, struct opcode opcode)
{
    ((struct histogram *)ctx)->of[opcode.value] += opcode.run;
}

bool hll_count(struct slice value, uint64_t *count)
{
    struct histogram histogram = {{0}};
    if (hll_encoding_of(value) == HLL_SPARSE) {
        if (!each_run(value, run_to_histogram, &histogram))
            return false;
    } else {
        const unsigned char *p = (const unsigned char *)value.data + HLL_HEAD;
        for (unsigned i = 0; i < HLL_REGISTERS; i += 4, p += 3) {
            uint8_t four[4];
            dense_unpack(p, four);
            for (unsigned j = 0; j < 4; j++)
                histogram.of[four[j]]++;
        }
    }
    *count = estimate(&histogram);
    return true;
}

uint64_t hll_count_registers(const uint8_t *registers)
{
    struct histogram histogram = {{0}};
    for (unsigned i = 0; i < HLL_REGISTERS; i++)
        histogram.of[registers[i] & HLL_REGISTER_MAX]++;
    return estimate(&histogram);
}

/* ---- looking inside ---- */

bool hll_describe(struct slice value, struct bytes *out)
{
    const unsigned char *p = (const unsigned char *)value.data + HLL_HEAD;
    const unsigned char *end = (const unsigned char *)value.data + value.len;
    while (p < end) {
        struct opcode opcode = opcode_at(p, end);
        if (opcode.bytes == 0)
            return false;
        if (out->len != 0)
            bytes_append_char(out, ' ');
        if (opcode.value != 0)
            bytes_printf(out, "v:%u,%u", opcode.value, opcode.run);
        else
            bytes_printf(out, "%c:%u", opcode.bytes == 2 ? 'Z' : 'z', opcode.run);
        p += opcode.bytes;
    }
    return true;
}

/* Every register holds what was put into it and none disturbs its neighbours. */
static const char *test_registers(unsigned char *registers)
{
    for (unsigned round = 0; round <= HLL_REGISTER_MAX; round++) {
        for (unsigned i = 0; i < HLL_REGISTERS; i++)
            dense_put(registers, i, (i * 7 + round) & HLL_REGISTER_MAX);
        for (unsigned i = 0; i < HLL_REGISTERS; i++)
            if (dense_get(registers, i) != ((i * 7 + round) & HLL_REGISTER_MAX))
                return "a dense register does not hold its value";
    }
    return NULL;
}

/* The same elements in both forms: equal registers, and estimates within five standard errors. */
static const char *test_estimates(struct bytes *sparse, struct bytes *dense)
{
    char text[NUMBER_TEXT_MAX];
    for (uint64_t i = 1, check = 1; i <= 100000; i++) {
        struct hll_point point = hll_point_of(slice_of(text, number_print_u64(text, i)));
        enum hll_result one = hll_add(sparse, point, 4000), two = hll_add(dense, point, 0);
        if (one != two || one == HLL_CORRUPT)
            return "sparse and dense registers disagree";
        if (i != check)
            continue;
        uint64_t a, b;
        check *= 10;
        if (!hll_count(bytes_slice(sparse), &a) || !hll_count(bytes_slice(dense), &b) || a != b)
            return "sparse and dense estimates disagree";
        if (fabs((double)a - (double)i) > 5 * 1.04 / sqrt(HLL_REGISTERS) * (double)i)
            return "an estimate is too far from the truth";
    }
    return NULL;
}

const char *hll_self_test(void)
{
    struct bytes sparse = {0}, dense = {0};
    hll_init(&sparse);
    hll_init(&dense);
    const char *wrong = hll_to_dense(&dense) ? NULL : "an empty sketch is corrupt";
    if (wrong == NULL)
        wrong = test_estimates(&sparse, &dense);
    if (wrong == NULL)
        wrong = test_registers((unsigned char *)dense.data + HLL_HEAD);
    bytes_free(&sparse);
    bytes_free(&dense);
    return wrong;
}
