/*
 * The lines of an INI file. Our own and not libinih: that library cuts lines at 200 characters unless it is rebuilt and
 * tells the handler no line numbers, and a message without the line is what a user cannot act on. The dialect is the one
 * that F-Stack's configurations are written in:
 *     [section]        key=value or key: value        # or ; at the start of a line, or after a space, begins a comment
 * Spaces around names and values are dropped; nothing is quoted; an indented line is a line like any other.
 */
#include <stdlib.h>
#include <string.h>

#include "core/conf_priv.h"

#include "base/poison.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

static char *skip_space(char *s)
{
    while (is_space(*s))
        s++;
    return s;
}

/* Cuts trailing spaces of [s, end). */
static void cut_at(char *s, char *end)
{
    while (end > s && is_space(end[-1]))
        end--;
    *end = '\0';
}

static void cut_comment(char *s)
{
    for (char *p = s; *p != '\0'; p++) {
        if ((*p == ';' || *p == '#') && (p == s || is_space(p[-1]))) {
            *p = '\0';
            return;
        }
    }
}

static int add(struct ini *ini, const struct conf_out *out, struct ini_entry e)
{
    if (ini->n == ini->cap) {
        size_t cap = ini->cap == 0 ? 64 : ini->cap * 2;
        struct ini_entry *more = realloc(ini->e, cap * sizeof(*more));

        if (more == NULL)
            return conf_error(out, e.line, "out of memory");
        ini->e = more;
        ini->cap = cap;
    }
    ini->e[ini->n++] = e;
    return 0;
}

static int parse_section(struct ini *ini, const struct conf_out *out, uint32_t line, char *s, const char **section)
{
    char *end = strchr(s, ']');

    if (end == NULL || end == s + 1)
        return conf_error(out, line, "found \"%s\", expected a section like [dpdk]", s);
    *end = '\0';
    s = skip_space(s + 1);
    cut_at(s, s + strlen(s));
    *section = s;
    return add(ini, out, (struct ini_entry){.line = line, .section = s});
}

static int parse_line(struct ini *ini, const struct conf_out *out, uint32_t line, char *s, const char **section)
{
    char *sep, *value;

    s = skip_space(s);
    cut_comment(s);
    cut_at(s, s + strlen(s));
    if (*s == '\0')
        return 0;
    if (*s == '[')
        return parse_section(ini, out, line, s, section);
    sep = strpbrk(s, "=:");
    if (sep == NULL || sep == s)
        return conf_error(out, line, "found \"%s\", expected [section], key=value or # comment", s);
    if (*section == NULL)
        return conf_error(out, line, "found \"%s\" before any section, expected [dpdk] first", s);
    value = skip_space(sep + 1);
    cut_at(s, sep);
    return add(ini, out, (struct ini_entry){.line = line, .section = *section, .key = s, .value = value});
}

int ini_parse(struct ini *ini, const struct conf_out *out, const char *text, size_t len)
{
    const char *section = NULL;
    uint32_t line = 0;
    char *s, *next;

    memset(ini, 0, sizeof(*ini));
    ini->text = malloc(len + 1);
    if (ini->text == NULL)
        return conf_error(out, 0, "out of memory");
    memcpy(ini->text, text, len);
    ini->text[len] = '\0';
    s = ini->text;
    if (len >= 3 && memcmp(s, "\xef\xbb\xbf", 3) == 0) /* the byte order mark that some editors write */
        s += 3;
    for (; s != NULL; s = next) {
        size_t left = len - (size_t)(s - ini->text);

        line++;
        next = memchr(s, '\n', left);
        if (memchr(s, '\0', next == NULL ? left : (size_t)(next - s)) != NULL)
            return conf_error(out, line, "found a zero byte, expected text");
        if (next != NULL)
            *next++ = '\0';
        if (parse_line(ini, out, line, s, &section) != 0)
            return -1;
    }
    return 0;
}

void ini_free(struct ini *ini)
{
    free(ini->e);
    free(ini->text);
    memset(ini, 0, sizeof(*ini));
}

const struct ini_entry *ini_find(const struct ini *ini, const char *section, const char *key)
{
    for (size_t i = ini->n; i > 0; i--) {
        const struct ini_entry *e = &ini->e[i - 1];

        if (e->key != NULL && strcmp(e->section, section) == 0 && strcmp(e->key, key) == 0)
            return e;
    }
    return NULL;
}

const struct ini_entry *ini_find_section(const struct ini *ini, const char *section)
{
    for (size_t i = 0; i < ini->n; i++)
        if (ini->e[i].key == NULL && strcmp(ini->e[i].section, section) == 0)
            return &ini->e[i];
    return NULL;
}
