/* chunks.h - a long sequence of byte strings: linked chunks of listpacks, in the role of Redis's
 * quicklist.
 *
 *      chunks --> chunk <--> chunk <--> chunk
 *                   |          |          |
 *                listpack   one large  listpack
 *                           element
 *
 * A chunk is a listpack of as many elements as the limits allow, or one element of plain bytes that
 * is too large to stand in a listpack. No chunk is empty. Ends are O(1); a place in the middle is
 * found by walking the chunks from the nearer end, then within one. Chunks that grow too large are
 * split where they grow, and what a split leaves is merged with its neighbours if that fits. The
 * room an allocation has is kept on the side that was pushed to last, so that neither end's pushes
 * and pops move the elements of a chunk each time.
 *
 * With a depth of n, the n chunks at each end are as they are and those between them, the inner
 * ones, are packed: compressed by LZF, if that saves CHUNK_PACK_SAVES bytes of at least
 * CHUNK_PACK_MIN. What reads an inner chunk unpacks a copy that belongs to the place (struct
 * chunks_at) and is freed when the place leaves the chunk; the chunk stays packed. What changes one
 * unpacks it, and packs it again when it is done.
 *
 * Not locked: the owner guards it.
 */
#ifndef SPILLWAY_STRUCT_CHUNKS_H
#define SPILLWAY_STRUCT_CHUNKS_H

#include "struct/listpack.h"

/* How large a chunk that is not plain may grow. They bind what is written from now on; a chunk of a
 * single element may be as large as it is. */
struct chunks_limits {
    size_t bytes;     /* of a listpack */
    size_t count;     /* of elements */
    size_t plain_min; /* elements of so many bytes are kept plain; below LISTPACK_BYTES_MAX */
};

#define CHUNK_PACK_MIN   48    /* bytes: smaller chunks are not packed */
#define CHUNK_PACK_SAVES 8     /* bytes that packing must save at least */
#define CHUNKS_DEPTH_MAX 65535 /* a larger depth is taken for this one */

struct chunk {
    struct chunk *prev, *next;
    unsigned char *data; /* a listpack, or plain bytes; packed: the compressed form of it */
    size_t bytes;        /* of the listpack or the plain bytes, packed or not */
    uint32_t count;      /* elements */
    uint32_t gap;        /* idle bytes in front of data, where its allocation begins */
    uint32_t packed;     /* bytes of the compressed form; 0: not packed */
    bool plain;
    bool inner; /* not among the chunks at the ends that are never packed */
    bool vain;  /* inner, and packing it has not saved enough */
};

struct chunks {
    struct chunk *first, *last;
    size_t count;            /* elements */
    size_t chunk_count : 46; /* chunks */
    size_t depth : 16;       /* chunks at each end that are never packed; 0: none is packed */
    size_t zoned : 1;        /* there are inner chunks */
    size_t unsettled : 1;    /* chunks have come or gone since `inner` was looked after */
};

/* A place: an element. Whatever changes the sequence makes it void, unless it says otherwise. A
 * place that is not void and not used any more is given to chunks_done, except at the first or the
 * last element, where it owns nothing. */
struct chunks_at {
    struct chunk *chunk;
    unsigned char *data; /* the chunk's, or an unpacked copy of it */
    uint32_t position;   /* in the listpack; 0: the chunk is plain */
    bool owned;          /* data is a copy */
};

struct chunks *chunks_new(size_t depth);
void chunks_free(struct chunks *c);
struct chunks *chunks_copy(const struct chunks *c);
/* Takes over a listpack that is not empty, or plain bytes (from mem), as the last chunk. */
void chunks_adopt(struct chunks *c, unsigned char *listpack);
void chunks_adopt_plain(struct chunks *c, void *data, size_t len);
/* The listpack of the only chunk, which is not plain; frees the rest. */
unsigned char *chunks_give_up(struct chunks *c);
/* Bytes of all allocations; only `samples` chunks are looked at, 0 = all. */
size_t chunks_memory(const struct chunks *c, size_t samples);

/* The index-th element, from the end if negative; false: there is none. */
bool chunks_seek(const struct chunks *c, int64_t index, struct chunks_at *at);
bool chunks_next(struct chunks_at *at); /* false: it was the last; at is void */
bool chunks_prev(struct chunks_at *at);
void chunks_leave(struct chunks_at *at); /* of chunks_done */
ALWAYS_INLINE void chunks_done(struct chunks_at *at)
{
    if (UNLIKELY(at->chunk->inner))
        chunks_leave(at);
}
/* The same without a look at the sequence, which may be gone: of a place that has only been read. */
void chunks_forget(struct chunks_at *at);
/* The element: borrowed until the place leaves the chunk, or, if it is an integer, printed to
 * room. */
struct slice chunks_text(const struct chunks_at *at, char room[LISTPACK_TEXT]);
bool chunks_equals(const struct chunks_at *at, struct slice value);

void chunks_push(struct chunks *c, const struct chunks_limits *limits, struct slice value,
                 bool front);
/* Puts all of another sequence in front of the first element or behind the last, and frees it.
 * False: nothing was done, for with a depth it would not be quick. O(1). */
bool chunks_join(struct chunks *c, struct chunks *more, bool front);
/* Behind the place, or in front of it. */
void chunks_insert(struct chunks *c, const struct chunks_limits *limits, struct chunks_at *at,
                   struct slice value, bool behind);
void chunks_replace(struct chunks *c, const struct chunks_limits *limits, struct chunks_at *at,
                    struct slice value);
/* Removes the element, goes to the one behind it (backwards: in front of it). False: none. An inner
 * chunk is packed again when the place leaves it. */
bool chunks_delete(struct chunks *c, struct chunks_at *at, bool backwards);
/* Removes up to `count` elements from the index-th (not negative) on; how many there were. */
size_t chunks_delete_range(struct chunks *c, size_t index, size_t count);
/* The same, but chunks that go as a whole are put into *rest, which the caller frees; NULL: they
 * are too few to matter. */
size_t chunks_cut_range(struct chunks *c, size_t index, size_t count, struct chunks **rest);

/* Removes elements that equal value in two steps: the first only reads, and makes what the chunks
 * become; the second puts that in their places, if the sequence is unchanged by then. The first
 * finds up to `most` (0: all), from the last on if backwards; NULL: there are none. */
struct chunks_removal;
struct chunks_removal *chunks_plan_removal(const struct chunks *c, struct slice value, size_t most,
                                           bool backwards);
/* How many elements that were. O(chunks that change); what they held is *rest, which the caller
 * frees. */
size_t chunks_remove_planned(struct chunks *c, struct chunks_removal *r, struct chunks **rest);
void chunks_forget_removal(struct chunks_removal *r); /* instead of the second step */

#endif
