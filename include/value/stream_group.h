/* stream_group.h - what value/stream.c asks of value/stream_group.c about all groups of a stream.
 */
#ifndef SPILLWAY_VALUE_STREAM_GROUP_H
#define SPILLWAY_VALUE_STREAM_GROUP_H

#include "value/stream.h"

struct slice stream_group_key(const void *group);
void stream_groups_free(struct stream *s);
/* As struct value_class: how many allocations, about; bytes. */
size_t stream_groups_effort(const struct stream *s);
size_t stream_groups_memory(const struct stream *s, size_t samples);
struct stream_id stream_groups_lowest(const struct stream *s); /* last_id of all, or the highest */
void stream_groups_copy(struct stream *to, const struct stream *from); /* `to` has none */

#endif
