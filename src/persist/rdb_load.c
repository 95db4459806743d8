/* rdb_load.c - the RDB reader (a window over the input) and the loader that files keys in a
 * keyspace. */
#include "persist/rdb_load.h"

#include <errno.h>
#include "base/clock.h"
#include "base/crc64.h"
#include "base/log.h"
#include "base/lzf.h"
#include "base/mem.h"
#include "base/number.h"
#include "persist/rdb.h"
#include "persist/rdb_value.h"

#define WINDOW_BYTES  (256u * 1024)
#define STRING_STEP   (1024u * 1024) /* how far a buffer runs ahead of the bytes that came */
#define PROGRESS_KEYS 4096

/* ---- the reader ---- */

void rdb_reader_init(struct rdb_reader *r, struct slice bytes)
{
    *r = (struct rdb_reader){.data = bytes.data, .len = bytes.len, .limits = &value_limits_default};
}

void rdb_reader_init_source(struct rdb_reader *r, ssize_t (*fill)(void *, void *, size_t),
                            void *ctx)
{
    *r = (struct rdb_reader){.fill = fill, .ctx = ctx, .limits = &value_limits_default};
    r->data = r->window = mem_alloc(WINDOW_BYTES);
}

void rdb_reader_free(struct rdb_reader *r)
{
    mem_free(r->window);
    r->window = NULL;
}

uint64_t rdb_reader_offset(const struct rdb_reader *r)
{
    return r->offset + r->at;
}

bool rdb_fail(struct rdb_reader *r, const char *why)
{
    if (!r->why)
        r->why = why;
    return false;
}

static void sum_up(struct rdb_reader *r)
{
    r->crc = crc64(r->crc, r->data + r->summed, r->at - r->summed);
    r->summed = r->at;
}

/* The window is used up: the next one. False at the end of the input, or if it cannot be read. */
static bool refill(struct rdb_reader *r)
{
    if (r->why)
        return false;
    if (r->fill) {
        sum_up(r);
        r->offset += r->len;
        r->at = r->len = r->summed = 0;
        ssize_t n = r->fill(r->ctx, r->window, WINDOW_BYTES);
        if (n > 0) {
            r->len = (size_t)n;
            return true;
        }
        if (n < 0) {
            r->error = (int)n;
            return rdb_fail(r, "the file cannot be read");
        }
    }
    r->truncated = true;
    return rdb_fail(r, "it ends too early");
}

bool rdb_read(struct rdb_reader *r, void *out, size_t len)
{
    char *to = out;
    while (len) {
        if (r->at == r->len && !refill(r))
            return false;
        size_t n = MIN_OF(len, r->len - r->at);
        memcpy(to, r->data + r->at, n);
        r->at += n;
        to += n;
        len -= n;
    }
    return r->why == NULL;
}

bool rdb_read_byte(struct rdb_reader *r, uint8_t *out)
{
    if (LIKELY(r->at < r->len && !r->why)) {
        *out = (uint8_t)r->data[r->at++];
        return true;
    }
    return rdb_read(r, out, 1);
}

bool rdb_read_u64(struct rdb_reader *r, uint64_t *out)
{
    uint8_t b[8];
    if (!rdb_read(r, b, 8))
        return false;
    *out = 0;
    for (unsigned i = 0; i < 8; i++)
        *out |= (uint64_t)b[i] << 8 * i;
    return true;
}

/* A length, or (*special) the first byte of a string that is not plain. */
static bool read_length(struct rdb_reader *r, uint64_t *out, bool *special)
{
    uint8_t b[8], first;
    *special = false;
    if (!rdb_read_byte(r, &first))
        return false;
    if ((first & 0xC0) == 0) {
        *out = first;
        return true;
    }
    if ((first & 0xC0) == RDB_LEN_14) {
        if (!rdb_read_byte(r, b))
            return false;
        *out = (uint64_t)(first & 0x3F) << 8 | b[0];
        return true;
    }
    if ((first & 0xC0) == 0xC0) {
        *special = true;
        *out = first;
        return true;
    }
    if (first != RDB_LEN_32 && first != RDB_LEN_64)
        return rdb_fail(r, "a length of unknown kind");
    unsigned n = first == RDB_LEN_32 ? 4 : 8;
    if (!rdb_read(r, b, n))
        return false;
    *out = 0;
    for (unsigned i = 0; i < n; i++)
        *out = *out << 8 | b[i];
    return true;
}

bool rdb_read_length(struct rdb_reader *r, uint64_t *out)
{
    bool special;
    return read_length(r, out, &special) &&
           (!special || rdb_fail(r, "an encoded string where a length should be"));
}

/* len plain bytes; memory follows what has really come. */
static bool read_plain(struct rdb_reader *r, struct bytes *out, uint64_t len)
{
    out->len = 0;
    bytes_reserve(out, 1); /* an empty string has an address too */
    while (out->len < len) {
        size_t step = (size_t)MIN_OF(len - out->len, (uint64_t)STRING_STEP);
        if (!r->fill && step > r->len - r->at) {
            r->truncated = true;
            return rdb_fail(r, "it ends too early");
        }
        bytes_reserve(out, step);
        if (!rdb_read(r, out->data + out->len, step))
            return false;
        out->len += step;
    }
    return true;
}

static bool read_number(struct rdb_reader *r, uint8_t kind, struct bytes *out)
{
    unsigned n = kind == RDB_ENC_INT8 ? 1 : kind == RDB_ENC_INT16 ? 2 : 4;
    uint8_t b[4];
    if (!rdb_read(r, b, n))
        return false;
    uint32_t raw = 0;
    for (unsigned i = 0; i < n; i++)
        raw |= (uint32_t)b[i] << 8 * i;
    int64_t v = n == 1 ? (int8_t)raw : n == 2 ? (int16_t)raw : (int32_t)raw;
    out->len = 0;
    bytes_reserve(out, NUMBER_TEXT_MAX);
    out->len = number_print_i64(out->data, v);
    return true;
}

static bool read_lzf(struct rdb_reader *r, struct bytes *out)
{
    uint64_t packed_len, len;
    if (!rdb_read_length(r, &packed_len) || !rdb_read_length(r, &len))
        return false;
    if (packed_len > UINT32_MAX || len > UINT32_MAX || len == 0 ||
        len > packed_len * LZF_EXPAND_MAX)
        return rdb_fail(r, "a compressed string of impossible length");
    struct bytes packed = {0};
    bool ok = read_plain(r, &packed, packed_len);
    char *plain = NULL;
    if (ok && (plain = mem_try_alloc((size_t)len)) == NULL) {
        r->error = -ENOMEM;
        ok = rdb_fail(r, "not enough memory for a string");
    }
    if (ok && !lzf_unpack(bytes_slice(&packed), plain, (size_t)len))
        ok = rdb_fail(r, "a compressed string that does not unpack");
    bytes_free(&packed);
    if (!ok) {
        mem_free(plain);
        return false;
    }
    bytes_free(out);
    *out = (struct bytes){.data = plain, .len = (size_t)len, .cap = (size_t)len};
    return true;
}

bool rdb_read_string(struct rdb_reader *r, struct bytes *out)
{
    uint64_t len;
    bool special;
    if (!read_length(r, &len, &special))
        return false;
    if (!special)
        return read_plain(r, out, len);
    switch (len) {
    case RDB_ENC_INT8:
    case RDB_ENC_INT16:
    case RDB_ENC_INT32:
        return read_number(r, (uint8_t)len, out);
    case RDB_ENC_LZF:
        return read_lzf(r, out);
    default:
        return rdb_fail(r, "a string of unknown encoding");
    }
}

bool rdb_skip_string(struct rdb_reader *r)
{
    struct bytes s = {0};
    bool ok = rdb_read_string(r, &s);
    bytes_free(&s);
    return ok;
}

/* ---- the loader ---- */

/* What opcodes have said about the next key. */
struct pending {
    int64_t expire_ms;
    int64_t idle_s; /* -1 = not said */
    int frequency;  /* -1 = not said */
};

#define NOTHING_PENDING ((struct pending){.expire_ms = EXPIRE_NONE, .idle_s = -1, .frequency = -1})

struct loader {
    struct rdb_reader *r;
    struct keyspace *ks;
    const struct rdb_load_options *options;
    struct rdb_load_result *result;
    struct keyspace_stats stats; /* not kept: loading is no traffic */
    struct bytes key;
    uint32_t db;
    int64_t now_ms;
};

static bool read_header(struct loader *l)
{
    char magic[9];
    if (!rdb_read(l->r, magic, sizeof magic))
        return false;
    l->r->valkey = memcmp(magic, "VALKEY", 6) == 0;
    if (!l->r->valkey && memcmp(magic, "REDIS", 5) != 0)
        return rdb_fail(l->r, "it is not an RDB file");
    l->result->is_rdb = true;
    int version = 0, lowest = l->r->valkey ? RDB_VALKEY_MIN : 1;
    for (const char *digit = magic + (l->r->valkey ? 6 : 5); digit < magic + sizeof magic; digit++)
        version = *digit >= '0' && *digit <= '9' ? version * 10 + (*digit - '0') : -100000;
    int highest = l->r->valkey ? RDB_VALKEY_MAX : RDB_VERSION_MAX;
    if (version < lowest || (version > highest && !l->options->any_version))
        return rdb_fail(l->r, "an RDB version this server does not know");
    l->result->version = version;
    return true;
}

static bool read_aux(struct loader *l)
{
    struct bytes name = {0}, value = {0};
    bool ok = rdb_read_string(l->r, &name) && rdb_read_string(l->r, &value);
    int64_t n;
    if (ok && slice_eq(bytes_slice(&name), SLICE("ctime")) &&
        number_parse_i64(bytes_slice(&value), &n))
        l->result->created_s = n;
    bytes_free(&name);
    bytes_free(&value);
    return ok;
}

static bool read_select(struct loader *l)
{
    uint64_t db;
    if (!rdb_read_length(l->r, &db))
        return false;
    if (db >= keyspace_options(l->ks)->databases)
        return rdb_fail(l->r, "a database number beyond the setting `databases`");
    l->db = (uint32_t)db;
    return true;
}

static void file_key(struct loader *l, const struct pending *p, struct dump_value *value)
{
    struct hold hold = {.keyspace = l->ks,
                        .now_ms = l->now_ms,
                        .flags = HOLD_LOADING | HOLD_NO_TOUCH,
                        .lane = l->options->lane,
                        .stats = &l->stats};
    struct key key = keyspace_key(keyspace_seed(l->ks), l->db, bytes_slice(&l->key));
    hold_take(&hold, shard_bit(key.hash));
    struct entry *old = keyspace_find(&hold, &key, FIND_PEEK);
    struct entry *e = dump_put(&hold, &key, old, value, p->expire_ms);
    if (p->frequency >= 0)
        keyspace_set_frequency(&hold, e, (uint8_t)p->frequency);
    else if (p->idle_s >= 0)
        keyspace_set_idle(&hold, e, (uint64_t)p->idle_s);
    hold_drop(&hold);
}

static bool read_key(struct loader *l, uint8_t type, const struct pending *p)
{
    struct dump_value value;
    if (!rdb_read_string(l->r, &l->key) || !rdb_value_read(l->r, type, &value))
        return false;
    if (p->expire_ms != EXPIRE_NONE && p->expire_ms <= l->now_ms && !l->options->keep_expired) {
        l->result->expired++;
        dump_value_free(&value);
        return true;
    }
    file_key(l, p, &value);
    l->result->keys++;
    load_delay(l->options->key_delay, l->result->keys);
    if (l->result->keys % PROGRESS_KEYS == 0) {
        l->now_ms = clock_wall_ms();
        if (l->options->progress)
            l->options->progress(l->options->ctx, rdb_reader_offset(l->r));
    }
    return true;
}

static bool read_footer(struct loader *l)
{
    if (l->result->version < 5)
        return true;
    sum_up(l->r);
    uint64_t computed = l->r->crc, written;
    if (!rdb_read_u64(l->r, &written))
        return false;
    if (l->options->checksum && written != 0 && written != computed)
        return rdb_fail(l->r, "its check sum is wrong");
    return true;
}

static bool read_expiry(struct loader *l, uint8_t opcode, struct pending *p)
{
    if (opcode == RDB_OP_EXPIRETIME_MS)
        return rdb_read_u64(l->r, (uint64_t *)&p->expire_ms);
    uint8_t b[4];
    if (!rdb_read(l->r, b, 4))
        return false;
    uint32_t s = (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
    p->expire_ms = (int64_t)(int32_t)s * 1000;
    return true;
}

/* One opcode that is not a key. Sets *end at EOF. */
static bool read_opcode(struct loader *l, uint8_t opcode, struct pending *p, bool *end)
{
    uint64_t n;
    uint8_t byte;
    switch (opcode) {
    case RDB_OP_EXPIRETIME:
    case RDB_OP_EXPIRETIME_MS:
        return read_expiry(l, opcode, p);
    case RDB_OP_IDLE:
        if (!rdb_read_length(l->r, &n))
            return false;
        p->idle_s = (int64_t)MIN_OF(n, (uint64_t)INT64_MAX);
        return true;
    case RDB_OP_FREQ:
        if (!rdb_read_byte(l->r, &byte))
            return false;
        p->frequency = byte;
        return true;
    case RDB_OP_SELECTDB:
        return read_select(l);
    case RDB_OP_RESIZEDB:
        return rdb_read_length(l->r, &n) && rdb_read_length(l->r, &n);
    case RDB_OP_SLOT_INFO: /* how many keys, and how many that expire, a slot of a cluster has */
        return rdb_read_length(l->r, &n) && rdb_read_length(l->r, &n) && rdb_read_length(l->r, &n);
    case RDB_OP_AUX:
        return read_aux(l);
    case RDB_OP_FUNCTION2:
        LOG_WARNING("The file holds a library of functions, which this server leaves out");
        return rdb_skip_string(l->r);
    case RDB_OP_EOF:
        *end = true;
        return read_footer(l);
    default:
        return rdb_fail(l->r, "data of a module, or an opcode this server does not know");
    }
}

static bool read_body(struct loader *l)
{
    struct pending pending = NOTHING_PENDING;
    for (bool end = false; !end;) {
        uint8_t opcode;
        if (!rdb_read_byte(l->r, &opcode))
            return false;
        if (opcode >= RDB_OP_SLOT_INFO) {
            if (!read_opcode(l, opcode, &pending, &end))
                return false;
            continue;
        }
        if (!read_key(l, opcode, &pending))
            return false;
        pending = NOTHING_PENDING;
    }
    return true;
}

bool rdb_load(struct rdb_reader *r, struct keyspace *ks, const struct rdb_load_options *options,
              struct rdb_load_result *result)
{
    *result = (struct rdb_load_result){0};
    struct loader l = {
        .r = r, .ks = ks, .options = options, .result = result, .now_ms = clock_wall_ms()};
    r->limits = &keyspace_options(ks)->limits;
    bool ok = read_header(&l) && read_body(&l);
    bytes_free(&l.key);
    result->offset = rdb_reader_offset(r);
    result->error = r->error;
    result->truncated = r->truncated;
    result->why = r->why;
    return ok;
}
