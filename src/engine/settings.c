/* settings.c - reading the settings that are more than one word. */
#include "engine/settings.h"

#include "base/mem.h"

char *settings_text_copy(struct settings *s, const struct setting_text *text)
{
    lock_take(&s->lock);
    char *copy = mem_strdup(text->text);
    lock_drop(&s->lock);
    return copy;
}

void settings_text_append(struct settings *s, const struct setting_text *text, struct bytes *out)
{
    lock_take(&s->lock);
    bytes_append_str(out, text->text);
    lock_drop(&s->lock);
}

bool settings_text_is_empty(struct settings *s, const struct setting_text *text)
{
    lock_take(&s->lock);
    bool empty = text->text[0] == '\0';
    lock_drop(&s->lock);
    return empty;
}

uint32_t settings_save_points(struct settings *s, struct setting_save_point *out)
{
    lock_take(&s->lock);
    uint32_t count = s->save_count;
    memcpy(out, s->save, count * sizeof(*out));
    lock_drop(&s->lock);
    return count;
}

uint32_t settings_percentiles(struct settings *s, double *out)
{
    lock_take(&s->lock);
    uint32_t count = s->percentile_count;
    memcpy(out, s->percentiles, count * sizeof(*out));
    lock_drop(&s->lock);
    return count;
}
