/* usage.c - parses the line that says what arguments a command takes.
 *
 *   line   = item*
 *   item   = '[' one ']' ['...'] | one
 *   one    = (sign [value] | name '=' sign | value) ['@' version] ['!' version] ['...']
 *   sign   = UPPER | quoted
 *   value  = [name '='] (shown [':' type] ['#' digit] | group)
 *   group  = name '(' item+ ')' | name '(' item ('|' item)+ ')'
 *
 * By recursive descent; the nodes bound its depth. After an error the parser goes nowhere: the
 * first one stays.
 */
#include "engine/usage.h"

struct parser {
    const char *line, *at;
    struct usage *usage;
    const char *error, *error_at;
};

static void fail(struct parser *p, const char *error)
{
    if (p->error == NULL) {
        p->error = error;
        p->error_at = p->at;
    }
}

static void skip_spaces(struct parser *p)
{
    p->at += strspn(p->at, " ");
}

static bool accept(struct parser *p, const char *text)
{
    size_t len = strlen(text);
    if (strncmp(p->at, text, len) != 0)
        return false;
    p->at += len;
    return true;
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

/* What is up to the next sign of the notation. */
static struct slice read_word(struct parser *p)
{
    size_t len = strcspn(p->at, " '=()[]|@!#.");
    struct slice word = slice_of(p->at, len);
    if (len == 0)
        fail(p, "a name is missing");
    p->at += len;
    return word;
}

static struct slice read_version(struct parser *p)
{
    size_t len = strspn(p->at, "0123456789.");
    while (len > 0 && p->at[len - 1] == '.') /* the dots behind it */
        len--;
    struct slice version = slice_of(p->at, len);
    if (len == 0)
        fail(p, "a version is missing");
    p->at += len;
    return version;
}

/* A word in capitals or in quotes. */
static struct slice read_token(struct parser *p)
{
    if (!accept(p, "'"))
        return read_word(p);
    const char *end = strchr(p->at, '\'');
    if (end == NULL) {
        fail(p, "a quote is not closed");
        return slice_str("");
    }
    struct slice token = slice_of(p->at, (size_t)(end - p->at));
    p->at = end + 1;
    return token;
}

static bool at_token(const struct parser *p)
{
    return is_upper(*p->at) || *p->at == '\'';
}

/* "shown", "shown:type": the type is behind the last colon. */
static void set_shown(struct parser *p, struct usage_arg *arg, struct slice word)
{
    static const struct {
        const char *name;
        enum usage_type type;
    } types[] = {{"string", USAGE_STRING},   {"integer", USAGE_INTEGER},
                 {"double", USAGE_DOUBLE},   {"key", USAGE_KEY},
                 {"pattern", USAGE_PATTERN}, {"unix-time", USAGE_UNIX_TIME}};
    const char *colon = memrchr(word.data, ':', word.len);
    bool known = colon == NULL;
    arg->shown = word;
    if (!known) {
        arg->shown.len = (size_t)(colon - word.data);
        struct slice type = slice_of(colon + 1, word.len - arg->shown.len - 1);
        for (size_t i = 0; i < COUNT_OF(types) && !known; i++) {
            known = slice_is(type, types[i].name);
            arg->type = types[i].type;
        }
    }
    if (!known)
        fail(p, "there is no such type");
    if (*p->at == '#' && colon == NULL)
        arg->type = USAGE_KEY;
    if (accept(p, "#")) {
        arg->key_spec = (int8_t)(*p->at - '0');
        if (*p->at < '0' || *p->at > '9')
            fail(p, "the number of a key specification is missing");
        else
            p->at++;
    }
}

static void parse_item(struct parser *p);

/* Items up to the closing parenthesis; bars between all of them or none. */
static void parse_group(struct parser *p, struct usage_arg *arg)
{
    unsigned items = 0, bars = 0;
    for (skip_spaces(p); p->error == NULL && !accept(p, ")"); skip_spaces(p)) {
        if (accept(p, "|")) {
            bars++;
            skip_spaces(p);
            if (bars != items)
                fail(p, "there is not one item before each bar");
        }
        parse_item(p);
        items++;
    }
    if (bars != 0 && bars + 1 != items)
        fail(p, "there is not one item before each bar");
    if (items == 0)
        fail(p, "a group is empty");
    arg->type = bars != 0 ? USAGE_ONEOF : USAGE_BLOCK;
    arg->children = (uint8_t)items;
}

/* What may stand behind a token: a value or a group, perhaps under another name. */
static void parse_value(struct parser *p, struct usage_arg *arg, struct slice word)
{
    arg->name = word;
    if (accept(p, "="))
        word = read_word(p);
    if (p->error == NULL && !is_lower(word.data[0]))
        fail(p, "a name begins with a small letter");
    if (accept(p, "(")) {
        parse_group(p, arg);
        return;
    }
    set_shown(p, arg, word);
    if (arg->name.data == word.data)
        arg->name = arg->shown;
}

/* A token with what is behind it, if anything is. */
static void parse_token(struct parser *p, struct usage_arg *arg)
{
    arg->token = read_token(p);
    arg->type = USAGE_PURE_TOKEN;
    size_t spaces = strspn(p->at, " ");
    if (p->error != NULL || arg->name.len != 0 || spaces == 0 || !is_lower(p->at[spaces]))
        return;
    p->at += spaces;
    arg->type = USAGE_STRING;
    parse_value(p, arg, read_word(p));
}

static void parse_one(struct parser *p, struct usage_arg *arg)
{
    if (at_token(p)) {
        parse_token(p, arg);
    } else {
        struct slice word = read_word(p);
        const char *behind = p->at + 1;
        if (*p->at == '=' && (is_upper(*behind) || *behind == '\'')) {
            p->at++;
            arg->name = word;
            parse_token(p, arg);
        } else {
            parse_value(p, arg, word);
        }
    }
    if (arg->type == USAGE_PURE_TOKEN && arg->name.len == 0 && !is_upper(arg->token.data[0]))
        fail(p, "a token that is no word needs a name");
    if (accept(p, "@"))
        arg->since = read_version(p);
    if (accept(p, "!"))
        arg->deprecated_since = read_version(p);
    if (accept(p, "..."))
        arg->flags |= USAGE_MULTIPLE;
}

static void parse_item(struct parser *p)
{
    struct usage *usage = p->usage;
    if (p->error != NULL)
        return;
    if (usage->count == USAGE_ARGS_MAX) {
        fail(p, "there are too many arguments");
        return;
    }
    uint8_t index = usage->count++;
    struct usage_arg *arg = &usage->args[index];
    *arg = (struct usage_arg){.key_spec = -1};
    bool optional = accept(p, "[");
    skip_spaces(p);
    parse_one(p, arg);
    if (optional) {
        arg->flags |= USAGE_OPTIONAL;
        skip_spaces(p);
        if (!accept(p, "]"))
            fail(p, "a bracket is not closed");
        if (accept(p, "...")) {
            if (arg->token.data == NULL || arg->flags & USAGE_MULTIPLE)
                fail(p, "there is no token to repeat");
            arg->flags |= USAGE_MULTIPLE | USAGE_MULTIPLE_TOKEN;
        }
    }
    if (strchr(" )]|", *p->at) == NULL) /* its NUL is found as well */
        fail(p, "something stands too close behind an argument");
    arg->size = (uint8_t)(usage->count - index);
}

const char *usage_parse(const char *line, struct usage *usage, size_t *at)
{
    struct parser p = {.line = line, .at = line, .usage = usage};
    usage->count = usage->top = 0;
    for (skip_spaces(&p); p.error == NULL && *p.at != '\0'; skip_spaces(&p)) {
        if (strchr(")]|", *p.at) != NULL)
            fail(&p, "a bracket or bar has no beginning");
        parse_item(&p);
        usage->top++;
    }
    if (p.error != NULL && at != NULL)
        *at = (size_t)(p.error_at - line);
    return p.error;
}
