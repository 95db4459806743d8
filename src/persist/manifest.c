/* manifest.c - reading and printing manifests. */
#include "persist/manifest.h"

#include "base/mem.h"
#include "base/number.h"
#include "proto/request.h"

void manifest_free(struct manifest *m)
{
    for (uint32_t i = 0; i < m->count; i++)
        mem_free(m->files[i].name);
    mem_free(m->files);
    *m = (struct manifest){0};
}

static void add(struct manifest *m, char *name, uint64_t seq, char type)
{
    if (m->count == m->cap) {
        m->cap = m->cap ? 2 * m->cap : 8;
        m->files = mem_realloc(m->files, m->cap * sizeof *m->files);
    }
    m->files[m->count++] = (struct manifest_file){.name = name, .seq = seq, .type = type};
}

void manifest_add(struct manifest *m, const char *name, uint64_t seq, enum manifest_type type)
{
    add(m, mem_strdup(name), seq, (char)type);
}

void manifest_copy(const struct manifest *m, struct manifest *out)
{
    *out = (struct manifest){0};
    for (uint32_t i = 0; i < m->count; i++)
        manifest_add(out, m->files[i].name, m->files[i].seq, m->files[i].type);
}

void manifest_retire(struct manifest *m, uint64_t seq)
{
    for (uint32_t i = 0; i < m->count; i++)
        if (m->files[i].type != MANIFEST_INCREMENT || m->files[i].seq <= seq)
            m->files[i].type = MANIFEST_HISTORY;
}

void manifest_drop_history(struct manifest *m)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < m->count; i++) {
        if (m->files[i].type == MANIFEST_HISTORY)
            mem_free(m->files[i].name);
        else
            m->files[kept++] = m->files[i];
    }
    m->count = kept;
}

const struct manifest_file *manifest_base(const struct manifest *m)
{
    for (uint32_t i = 0; i < m->count; i++)
        if (m->files[i].type == MANIFEST_BASE)
            return &m->files[i];
    return NULL;
}

bool manifest_has(const struct manifest *m, const char *name)
{
    for (uint32_t i = 0; i < m->count; i++)
        if (strcmp(m->files[i].name, name) == 0)
            return true;
    return false;
}

uint64_t manifest_last_seq(const struct manifest *m, enum manifest_type type)
{
    uint64_t last = 0;
    for (uint32_t i = 0; i < m->count; i++)
        if (m->files[i].type == (char)type)
            last = MAX_OF(last, m->files[i].seq);
    return last;
}

/* ---- text ---- */

static bool needs_quotes(const char *name)
{
    for (const unsigned char *c = (const unsigned char *)name; *c; c++)
        if (*c <= ' ' || *c >= 0x7f || *c == '"' || *c == '\'' || *c == '\\')
            return true;
    return *name == '\0';
}

static void print_name(struct bytes *out, const char *name)
{
    if (!needs_quotes(name)) {
        bytes_append_str(out, name);
        return;
    }
    bytes_append_char(out, '"');
    for (const unsigned char *c = (const unsigned char *)name; *c; c++) {
        if (*c == '"' || *c == '\\')
            bytes_printf(out, "\\%c", *c);
        else if (*c < ' ' || *c >= 0x7f)
            bytes_printf(out, "\\x%02x", *c);
        else
            bytes_append_char(out, (char)*c);
    }
    bytes_append_char(out, '"');
}

void manifest_print(const struct manifest *m, struct bytes *out)
{
    static const char order[] = {MANIFEST_BASE, MANIFEST_HISTORY, MANIFEST_INCREMENT};
    for (unsigned pass = 0; pass < sizeof order; pass++) {
        for (uint32_t i = 0; i < m->count; i++) {
            const struct manifest_file *f = &m->files[i];
            if (f->type != order[pass])
                continue;
            bytes_append_str(out, "file ");
            print_name(out, f->name);
            bytes_printf(out, " seq %llu type %c\n", (unsigned long long)f->seq, f->type);
        }
    }
}

/* What one line says; NULL or what is wrong with it. */
static const char *parse_words(const struct slice *words, int count, struct manifest_file *out)
{
    bool numbered = false;
    *out = (struct manifest_file){0};
    if (count % 2)
        return "words that are not in pairs";
    for (int i = 0; i + 1 < count; i += 2) {
        struct slice value = words[i + 1];
        if (slice_is(words[i], "file") && !out->name) {
            if (value.len == 0 || memchr(value.data, '/', value.len) ||
                memchr(value.data, 0, value.len))
                return "a file name that is a path";
            out->name = slice_to_str(value);
        } else if (slice_is(words[i], "seq")) {
            if (!number_parse_u64(value, &out->seq))
                return "a sequence number that is none";
            numbered = true;
        } else if (slice_is(words[i], "type")) {
            out->type = value.len == 1 ? value.data[0] : '?';
        }
    }
    if (!out->name || !numbered || !out->type)
        return "a line without file, seq and type";
    if (out->type != MANIFEST_BASE && out->type != MANIFEST_HISTORY &&
        out->type != MANIFEST_INCREMENT)
        return "an unknown type";
    return NULL;
}

static const char *parse_line(struct slice line, struct manifest *m)
{
    struct slice *words = NULL;
    int count = split_line(line, &words);
    if (count < 0)
        return "quotes that do not match";
    struct manifest_file f = {0};
    const char *why = count == 0 ? "an empty line" : parse_words(words, count, &f);
    mem_free(words);
    if (!why && f.type == MANIFEST_BASE && manifest_base(m))
        why = "a second base";
    if (!why && f.type == MANIFEST_INCREMENT && f.seq <= manifest_last_seq(m, MANIFEST_INCREMENT))
        why = "increments out of order";
    if (why)
        mem_free(f.name);
    else
        add(m, f.name, f.seq, f.type);
    return why;
}

bool manifest_parse(struct slice text, struct manifest *out, const char **why, uint32_t *line)
{
    *out = (struct manifest){0};
    *why = text.len == 0 ? "it is empty" : NULL;
    *line = 0;
    while (text.len && !*why) {
        ++*line;
        const char *end = memchr(text.data, '\n', text.len);
        if (!end) {
            *why = "a last line without an end";
            break;
        }
        struct slice l = slice_of(text.data, (size_t)(end - text.data));
        text = slice_of(end + 1, text.len - l.len - 1);
        if (l.len && l.data[0] == '#')
            continue;
        *why = parse_line(l, out);
    }
    if (*why)
        manifest_free(out);
    return *why == NULL;
}
