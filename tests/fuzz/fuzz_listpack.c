/* fuzz_listpack.c - whatever bytes come, the listpack's validator stays inside them, and what it
 * lets through can be read and edited.
 *
 * The first byte chooses: bytes as they are; elements that get a good head and end; a program of
 * edits whose outcome is compared with the same list built afresh.
 */
#include "base/panic.h"
#include "struct/listpack.h"

#define PROGRAM_BYTES_MAX 100000 /* of a list that edits build */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect_valid(const unsigned char *lp)
{
    ASSERT(listpack_validate(lp, listpack_bytes(lp), true, NULL, NULL));
}

static bool see(void *context, const unsigned char *lp, uint32_t at, size_t index)
{
    char room[LISTPACK_TEXT];
    *(size_t *)context += listpack_text(lp, at, room).len;
    return true;
}

/* Every element, both ways; returns the same list built afresh. */
static unsigned char *rebuild(const unsigned char *lp)
{
    char room[LISTPACK_TEXT];
    unsigned char *fresh = listpack_new(listpack_bytes(lp));
    size_t count = 0;
    for (uint32_t at = listpack_first(lp); at; at = listpack_next(lp, at), count++) {
        struct slice value = listpack_text(lp, at, room);
        ASSERT(listpack_equals(lp, at, value));
        listpack_append(&fresh, value);
    }
    ASSERT(listpack_count(lp) == count && listpack_count(fresh) == count);
    for (uint32_t at = listpack_last(lp); at; at = listpack_prev(lp, at))
        count--;
    ASSERT(count == 0);
    expect_valid(fresh);
    return fresh;
}

static void read_and_edit(const unsigned char *bytes)
{
    unsigned char *fresh = rebuild(bytes), *lp = listpack_copy(bytes);
    size_t count = listpack_count(lp);
    listpack_prepend(&lp, SLICE("1234567"));
    listpack_replace(&lp, listpack_seek(lp, (int64_t)count / 2), SLICE("text"));
    unsigned char *tail = listpack_split(&lp, listpack_seek(lp, (int64_t)count / 3));
    listpack_merge(&tail, lp, false);
    expect_valid(lp);
    expect_valid(tail);
    ASSERT(listpack_count(tail) == count + 1);
    ASSERT(listpack_find(tail, listpack_first(tail), SLICE("text"), 0) != 0);
    listpack_delete_range(&tail, -1, 1);
    expect_valid(tail);
    listpack_free(tail);
    listpack_free(lp);
    listpack_free(fresh);
}

static void validate(const uint8_t *data, size_t size)
{
    unsigned char *exact = mem_dup(data, size);
    size_t text = 0;
    bool ok = listpack_validate(exact, size, false, NULL, NULL);
    if (listpack_validate(exact, size, true, see, &text)) {
        ASSERT(ok);
        read_and_edit(exact);
    }
    mem_free(exact);
}

static void validate_elements(const uint8_t *data, size_t size)
{
    size_t len = LISTPACK_EMPTY + size;
    unsigned char *bytes = mem_alloc(len);
    flat_store(bytes, len, 4);
    flat_store(bytes + 4, LISTPACK_UNCOUNTED, 2);
    memcpy(bytes + LISTPACK_HEAD, data, size);
    bytes[len - 1] = LISTPACK_END;
    validate(bytes, len);
    mem_free(bytes);
}

/* An edit is three bytes, what to do, where, how much, and the bytes of its value. */
static void edit(const uint8_t *data, size_t size)
{
    unsigned char *lp = listpack_new(0);
    while (size >= 3 && listpack_bytes(lp) < PROGRAM_BYTES_MAX) {
        uint32_t at = listpack_seek(lp, (int8_t)data[1]);
        size_t len = MIN_OF(data[2], size - 3);
        struct slice value = slice_of(data + 3, len);
        struct slice values[] = {value, SLICE("100"), value};
        if (data[0] % 8 == 0)
            listpack_append(&lp, value);
        else if (data[0] % 8 == 1)
            listpack_insert_before(&lp, at, value);
        else if (data[0] % 8 == 2 && at)
            listpack_insert_after(&lp, at, value);
        else if (data[0] % 8 == 3 && at)
            listpack_replace(&lp, at, value);
        else if (data[0] % 8 == 4)
            listpack_delete_many(&lp, at, data[0] >> 3);
        else if (data[0] % 8 == 5)
            listpack_splice(&lp, at, data[0] >> 3, values, COUNT_OF(values));
        else if (data[0] % 8 == 6)
            listpack_append_integer(&lp, (int64_t)((uint64_t)data[2] << (data[0] >> 3) * 2));
        else
            listpack_delete_range(&lp, (int8_t)data[1], data[0] >> 3);
        data += 3 + len;
        size -= 3 + len;
    }
    expect_valid(lp);
    unsigned char *fresh = rebuild(lp);
    ASSERT(listpack_bytes(fresh) == listpack_bytes(lp));
    ASSERT(memcmp(fresh, lp, listpack_bytes(lp)) == 0);
    listpack_free(fresh);
    listpack_free(lp);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] % 3 == 0)
        validate(data + 1, size - 1);
    else if (data[0] % 3 == 1)
        validate_elements(data + 1, size - 1);
    else
        edit(data + 1, size - 1);
    return 0;
}
