/* Values of config.ini, and the lines that say what is wrong with one. */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "core/conf_priv.h"

#include "base/poison.h"

#define LINE_MAX_BYTES 512
#define FOUND_MAX_BYTES 80 /* of a value in a message */

static void emit(const struct conf_out *out, uint32_t line, const char *text)
{
    char buf[LINE_MAX_BYTES + 300];

    if (line != 0)
        snprintf(buf, sizeof(buf), "%.256s:%u: %s", out->file, line, text);
    else
        snprintf(buf, sizeof(buf), "%.256s: %s", out->file, text);
    /* the file may hold anything; a message is one printable line */
    for (char *p = buf; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    if (out->say != NULL)
        out->say(out->arg, buf);
}

int conf_error(const struct conf_out *out, uint32_t line, const char *fmt, ...)
{
    char buf[LINE_MAX_BYTES];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(buf, sizeof(buf), fmt, ap);
    va_end(ap);
    emit(out, line, buf);
    return -1;
}

void conf_warn(const struct conf_out *out, uint32_t line, const char *fmt, ...)
{
    char buf[LINE_MAX_BYTES] = "warning: ";
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(buf + strlen(buf), sizeof(buf) - strlen(buf), fmt, ap);
    va_end(ap);
    emit(out, line, buf);
}

int conf_bad(const struct conf_out *out, const struct ini_entry *e, const char *expected, ...)
{
    char buf[LINE_MAX_BYTES];
    va_list ap;

    va_start(ap, expected);
    vsnprintf(buf, sizeof(buf), expected, ap);
    va_end(ap);
    return conf_error(out, e->line, "[%.40s] %.60s: found \"%.*s\"%s, expected %s", e->section, e->key, FOUND_MAX_BYTES, e->value,
                      strlen(e->value) > FOUND_MAX_BYTES ? "..." : "", buf);
}

int conf_missing(const struct conf_out *out, const char *section, const char *key, const char *expected)
{
    return conf_error(out, 0, "[%s] %s: missing, expected %s", section, key, expected);
}

bool conf_get_u64(const char *s, uint64_t *v)
{
    uint64_t n = 0;

    if (*s == '\0')
        return false;
    for (; *s != '\0'; s++) {
        if (*s < '0' || *s > '9')
            return false;
        if (__builtin_mul_overflow(n, 10u, &n) || __builtin_add_overflow(n, (uint64_t)(*s - '0'), &n))
            return false;
    }
    *v = n;
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool conf_get_hex(const char *s, uint64_t *v)
{
    uint64_t n = 0;

    if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X'))
        s += 2;
    if (*s == '\0')
        return false;
    for (; *s != '\0'; s++) {
        int d = hex_digit(*s);

        if (d < 0 || n >> 60 != 0)
            return false;
        n = n << 4 | (uint64_t)d;
    }
    *v = n;
    return true;
}

bool conf_get_size(const char *s, uint64_t *v)
{
    static const char suffix[] = "kmgt";
    char digits[24];
    size_t n = strlen(s);
    unsigned shift = 0;

    if (n == 0 || n >= sizeof(digits))
        return false;
    for (unsigned i = 0; suffix[i] != '\0'; i++)
        if ((s[n - 1] | 0x20) == suffix[i])
            shift = 10 * (i + 1);
    memcpy(digits, s, n + 1);
    if (shift != 0)
        digits[n - 1] = '\0';
    return conf_get_u64(digits, v) && !__builtin_mul_overflow(*v, 1ull << shift, v);
}

void conf_put_size(char *buf, size_t len, uint64_t v)
{
    static const char *const suffix[] = {"", "k", "m", "g", "t"};
    unsigned i = 0;

    while (i < 4 && v != 0 && v % 1024 == 0) {
        v /= 1024;
        i++;
    }
    snprintf(buf, len, "%llu%s", (unsigned long long)v, suffix[i]);
}

bool conf_get_ipv4(const char *s, uint32_t *v)
{
    uint32_t addr = 0;

    for (int part = 0; part < 4; part++) {
        uint32_t n = 0;
        int digits = 0;

        while (*s >= '0' && *s <= '9' && digits < 4) {
            n = n * 10 + (uint32_t)(*s++ - '0');
            digits++;
        }
        if (digits == 0 || digits > 3 || n > 255 || *s != (part < 3 ? '.' : '\0'))
            return false;
        s++;
        addr = addr << 8 | n;
    }
    *v = addr;
    return true;
}

bool conf_get_ipv6(const char *s, struct inaddr *a)
{
    return inet_pton(AF_INET6, s, a->b) == 1 && !inaddr_is_v4(a);
}

void conf_put_ipv4(char *buf, size_t len, uint32_t v)
{
    snprintf(buf, len, "%u.%u.%u.%u", v >> 24, v >> 16 & 255, v >> 8 & 255, v & 255);
}

/* Digits, at most 65535; *s moves behind them. */
static bool take_u16(const char **s, uint16_t *v)
{
    uint32_t n = 0;
    const char *p = *s;

    while (*p >= '0' && *p <= '9' && n <= UINT16_MAX)
        n = n * 10 + (uint32_t)(*p++ - '0');
    if (p == *s || n > UINT16_MAX)
        return false;
    *v = (uint16_t)n;
    *s = p;
    return true;
}

static const char *skip_blanks(const char *s)
{
    return s + strspn(s, " \t");
}

bool conf_next_item(const char **list, char *item, size_t size)
{
    const char *s = *list + strspn(*list, "; \t");
    size_t n = strcspn(s, "; \t");

    snprintf(item, size, "%.*s", n < size ? (int)n : 0, s);
    *list = s + n;
    return n != 0;
}

/* exp ::= num_list {"," num_list}, num_list ::= num | num "-" num. A number given twice counts once. */
bool conf_get_numlist(const char *s, uint16_t *list, unsigned max, unsigned *n)
{
    *n = 0;
    for (;; s++) {
        uint16_t first, last;

        s = skip_blanks(s);
        if (!take_u16(&s, &first))
            return false;
        last = first;
        s = skip_blanks(s);
        if (*s == '-') {
            s = skip_blanks(s + 1);
            if (!take_u16(&s, &last) || last < first)
                return false;
            s = skip_blanks(s);
        }
        for (uint32_t v = first; v <= last; v++) {
            unsigned i = 0;

            while (i < *n && list[i] != v)
                i++;
            if (i < *n)
                continue;
            if (*n == max)
                return false;
            list[(*n)++] = (uint16_t)v;
        }
        if (*s == '\0')
            return true;
        if (*s != ',')
            return false;
    }
}
