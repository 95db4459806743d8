/* rdb_save.c - RDB as a stream: lengths, strings, records, header and footer.
 *
 * The header comes first and names the version, which depends on what follows: whether a field of
 * any hash expires. A pass knows that at its cut (keyspace_elements_expire), before it writes the
 * header; later changes are none of its business.
 */
#include "persist/rdb_save.h"

#include "base/crc64.h"
#include "base/lzf.h"
#include "base/mem.h"
#include "base/number.h"
#include "persist/dump.h"
#include "persist/rdb_parts.h"

#define FLUSH_AT (64u * 1024) /* bytes buffered before they are summed and given to the sink */

/* ---- parts ---- */

size_t rdb_length(uint8_t out[RDB_LENGTH_MAX], uint64_t len)
{
    if (len < 1 << 6) {
        out[0] = (uint8_t)len;
        return 1;
    }
    if (len < 1 << 14) {
        out[0] = (uint8_t)(RDB_LEN_14 | len >> 8);
        out[1] = (uint8_t)len;
        return 2;
    }
    unsigned bytes = len <= UINT32_MAX ? 4 : 8;
    out[0] = bytes == 4 ? RDB_LEN_32 : RDB_LEN_64;
    for (unsigned i = 0; i < bytes; i++)
        out[1 + i] = (uint8_t)(len >> 8 * (bytes - 1 - i));
    return 1 + bytes;
}

void rdb_append_length(struct bytes *out, uint64_t len)
{
    uint8_t text[RDB_LENGTH_MAX];
    bytes_append(out, text, rdb_length(text, len));
}

/* The string as a number of 8, 16 or 32 bits: how many bytes that took, 0 = it is none. */
static size_t encode_number(uint8_t out[5], struct slice s)
{
    int64_t v;
    if (s.len == 0 || s.len > 11 || !number_parse_i64(s, &v) || (v == 0 && s.len != 1))
        return 0;
    unsigned bytes;
    if (v >= INT8_MIN && v <= INT8_MAX) {
        out[0] = RDB_ENC_INT8;
        bytes = 1;
    } else if (v >= INT16_MIN && v <= INT16_MAX) {
        out[0] = RDB_ENC_INT16;
        bytes = 2;
    } else if (v >= INT32_MIN && v <= INT32_MAX) {
        out[0] = RDB_ENC_INT32;
        bytes = 4;
    } else {
        return 0;
    }
    for (unsigned i = 0; i < bytes; i++)
        out[1 + i] = (uint8_t)((uint64_t)v >> 8 * i);
    return 1 + bytes;
}

size_t rdb_packed_head(uint8_t out[RDB_PACKED_HEAD_MAX], size_t packed_len, size_t len)
{
    size_t n = 0;
    out[n++] = RDB_ENC_LZF;
    n += rdb_length(out + n, packed_len);
    n += rdb_length(out + n, len);
    return n;
}

/* Appends the string compressed. False, with nothing appended, if that does not make it smaller. */
static bool append_compressed(struct bytes *out, struct slice s)
{
    uint8_t head[RDB_PACKED_HEAD_MAX];
    size_t room = s.len - 4; /* what the longer head would eat */
    bytes_reserve(out, sizeof head + room);
    /* Compressed behind the largest head there can be, then moved up against the real one. */
    char *place = out->data + out->len + sizeof head;
    size_t len = lzf_pack(s, place, room);
    if (len == 0)
        return false;
    size_t n = rdb_packed_head(head, len, s.len);
    memcpy(out->data + out->len, head, n);
    memmove(out->data + out->len + n, place, len);
    out->len += n + len;
    return true;
}

static bool worth_compressing(struct slice s, bool compress)
{
    return compress && s.len >= RDB_COMPRESS_MIN && s.len <= RDB_COMPRESS_MAX;
}

/* Returns whether compressing was tried and in vain. */
static bool append_string(struct bytes *out, struct slice s, bool compress)
{
    uint8_t number[5];
    size_t n = encode_number(number, s);
    if (n) {
        bytes_append(out, number, n);
        return false;
    }
    compress = worth_compressing(s, compress);
    if (compress && append_compressed(out, s))
        return false;
    rdb_append_length(out, s.len);
    bytes_append(out, s.data, s.len);
    return compress;
}

void rdb_append_string(struct bytes *out, struct slice s, bool compress)
{
    append_string(out, s, compress);
}

/* ---- the writer ---- */

/* Trying in vain costs more than all the rest of writing a key. So after VAIN_MAX failures without
 * a success between them only one short string in VAIN_RETRY is tried, until one succeeds. */
#define VAIN_MAX   64
#define VAIN_RETRY 16
#define VAIN_BYTES 4096 /* strings from this size on are always tried */

void rdb_writer_init(struct rdb_writer *w, rdb_sink_fn sink, void *ctx, bool compress,
                     bool checksum)
{
    *w = (struct rdb_writer){
        .sink = sink, .ctx = ctx, .compress = compress, .checksum = checksum, .db = UINT32_MAX};
}

void rdb_writer_free(struct rdb_writer *w)
{
    bytes_free(&w->buffer);
    bytes_free(&w->scratch);
    bytes_free(&w->payload);
}

static void emit(struct rdb_writer *w, const void *data, size_t len)
{
    if (w->error || len == 0)
        return;
    if (w->checksum)
        w->crc = crc64(w->crc, data, len);
    w->error = w->sink(w->ctx, data, len);
    if (!w->error)
        w->written += len;
}

static void flush(struct rdb_writer *w)
{
    emit(w, w->buffer.data, w->buffer.len);
    w->buffer.len = 0;
}

/* A string of any size: large ones go to the sink without a copy in the buffer. */
static void put_string(struct rdb_writer *w, struct slice s)
{
    if (s.len < FLUSH_AT) {
        bool lately = w->in_vain < VAIN_MAX;
        bool try = lately || s.len >= VAIN_BYTES || ++w->skipped % VAIN_RETRY == 0;
        if (append_string(&w->buffer, s, w->compress && try))
            w->in_vain += lately;
        else if (try && worth_compressing(s, w->compress))
            w->in_vain = 0;
        return;
    }
    flush(w);
    w->scratch.len = 0;
    if (worth_compressing(s, w->compress) && append_compressed(&w->scratch, s)) {
        emit(w, w->scratch.data, w->scratch.len);
        return;
    }
    rdb_append_length(&w->buffer, s.len);
    flush(w);
    emit(w, s.data, s.len);
}

/* Bytes as they are; large ones go to the sink without a copy in the buffer. */
static void put_bytes(struct rdb_writer *w, struct slice s)
{
    if (s.len < FLUSH_AT) {
        bytes_append(&w->buffer, s.data, s.len);
        return;
    }
    flush(w);
    emit(w, s.data, s.len);
}

static void put_opcode(struct rdb_writer *w, uint8_t opcode)
{
    bytes_append_char(&w->buffer, (char)opcode);
}

void rdb_put_aux(struct rdb_writer *w, struct slice name, struct slice value)
{
    if (w->commands)
        return;
    put_opcode(w, RDB_OP_AUX);
    rdb_append_string(&w->buffer, name, false);
    rdb_append_string(&w->buffer, value, false);
}

static void put_aux_number(struct rdb_writer *w, const char *name, uint64_t value)
{
    char text[NUMBER_TEXT_MAX];
    rdb_put_aux(w, slice_str(name), slice_of(text, number_print_u64(text, value)));
}

void rdb_put_header(struct rdb_writer *w, int64_t now_s, uint64_t used_memory, bool aof_base,
                    bool timed)
{
    if (w->commands)
        return;
    bytes_printf(&w->buffer, "REDIS%04d", timed ? RDB_VERSION_TIMED : RDB_VERSION_WRITTEN);
    rdb_put_aux(w, SLICE("redis-ver"), SLICE("7.2.4"));
    put_aux_number(w, "redis-bits", sizeof(void *) * 8);
    put_aux_number(w, "ctime", (uint64_t)now_s);
    put_aux_number(w, "used-mem", used_memory);
    put_aux_number(w, "aof-base", aof_base);
}

static void select_db(struct rdb_writer *w, uint32_t db)
{
    if (w->db == db)
        return;
    w->db = db;
    put_opcode(w, RDB_OP_SELECTDB);
    rdb_append_length(&w->buffer, db);
}

void rdb_put_resize(struct rdb_writer *w, uint32_t db, uint64_t keys, uint64_t expires)
{
    if (w->commands)
        return;
    select_db(w, db);
    put_opcode(w, RDB_OP_RESIZEDB);
    rdb_append_length(&w->buffer, keys);
    rdb_append_length(&w->buffer, expires);
}

/* ---- the same as commands, for aof-use-rdb-preamble no ---- */

static void put_argument(struct rdb_writer *w, struct slice s)
{
    bytes_printf(&w->buffer, "$%zu\r\n", s.len);
    put_bytes(w, s);
    bytes_append(&w->buffer, "\r\n", 2);
}

static void put_number_argument(struct rdb_writer *w, int64_t v)
{
    char text[NUMBER_TEXT_MAX];
    put_argument(w, slice_of(text, number_print_i64(text, v)));
}

/* Strings only: other types come as RDB bytes, which are no commands. They are RESTOREd. */
static void put_commands(struct rdb_writer *w, const struct rdb_record *record)
{
    if (w->db != record->db) {
        w->db = record->db;
        bytes_append_str(&w->buffer, "*2\r\n");
        put_argument(w, SLICE("SELECT"));
        put_number_argument(w, record->db);
    }
    bool expires = record->expire_ms != EXPIRE_NONE;
    if (record->type == RDB_TYPE_STRING) {
        bytes_append_str(&w->buffer, "*3\r\n");
        put_argument(w, SLICE("SET"));
        put_argument(w, record->key);
        put_argument(w, record->value);
    } else {
        struct bytes payload = {0};
        dump_frame(record->type, record->value, &payload);
        bytes_append_str(&w->buffer, "*4\r\n");
        put_argument(w, SLICE("RESTORE"));
        put_argument(w, record->key);
        put_argument(w, SLICE("0"));
        put_argument(w, bytes_slice(&payload));
        bytes_free(&payload);
    }
    if (expires) {
        bytes_append_str(&w->buffer, "*3\r\n");
        put_argument(w, SLICE("PEXPIREAT"));
        put_argument(w, record->key);
        put_number_argument(w, record->expire_ms);
    }
}

/* All of a record but its value. */
static void put_rdb_head(struct rdb_writer *w, const struct rdb_record *record)
{
    select_db(w, record->db);
    if (record->expire_ms != EXPIRE_NONE) {
        put_opcode(w, RDB_OP_EXPIRETIME_MS);
        uint8_t at[8];
        for (unsigned i = 0; i < 8; i++)
            at[i] = (uint8_t)((uint64_t)record->expire_ms >> 8 * i);
        bytes_append(&w->buffer, at, 8);
    }
    if (record->recency_kind == RDB_RECENCY_IDLE) {
        put_opcode(w, RDB_OP_IDLE);
        rdb_append_length(&w->buffer, record->recency);
    } else if (record->recency_kind == RDB_RECENCY_FREQ) {
        put_opcode(w, RDB_OP_FREQ);
        bytes_append_char(&w->buffer, (char)record->recency);
    }
    bytes_append_char(&w->buffer, (char)record->type);
    put_string(w, record->key);
}

static void put_rdb(struct rdb_writer *w, const struct rdb_record *record)
{
    put_rdb_head(w, record);
    if (record->type == RDB_TYPE_STRING)
        put_string(w, record->value);
    else
        put_bytes(w, record->value);
}

void rdb_put_record(struct rdb_writer *w, const struct rdb_record *record)
{
    if (w->commands)
        put_commands(w, record);
    else
        put_rdb(w, record);
    w->keys++;
    if (w->buffer.len >= FLUSH_AT)
        flush(w);
}

void rdb_begin_record(struct rdb_writer *w, const struct rdb_record *record)
{
    if (w->commands)
        w->payload.len = 0;
    else
        put_rdb_head(w, record);
}

void rdb_put_parts(struct rdb_writer *w, struct slice parts)
{
    struct slice part;
    bool string;
    while (rdb_parts_next(&parts, &part, &string)) {
        if (w->commands && string)
            rdb_append_string(&w->payload, part, w->compress);
        else if (w->commands)
            bytes_append(&w->payload, part.data, part.len);
        else if (string)
            put_string(w, part);
        else
            put_bytes(w, part);
        if (w->buffer.len >= FLUSH_AT)
            flush(w);
    }
}

void rdb_end_record(struct rdb_writer *w, const struct rdb_record *record)
{
    if (w->commands) {
        struct rdb_record whole = *record;
        whole.value = bytes_slice(&w->payload);
        put_commands(w, &whole);
        if (w->payload.cap > FLUSH_AT)
            bytes_free(&w->payload);
    }
    w->keys++;
    if (w->buffer.len >= FLUSH_AT)
        flush(w);
}

int rdb_writer_finish(struct rdb_writer *w)
{
    if (w->commands) {
        flush(w);
        return w->error;
    }
    put_opcode(w, RDB_OP_EOF);
    flush(w);
    uint8_t sum[8];
    for (unsigned i = 0; i < 8; i++)
        sum[i] = (uint8_t)(w->crc >> 8 * i);
    if (!w->error)
        w->error = w->sink(w->ctx, sum, 8);
    if (!w->error)
        w->written += 8;
    return w->error;
}
