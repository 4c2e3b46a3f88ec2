#include "zload_http.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

void http_head_init(struct http_head *h, bool no_body)
{
    *h = (struct http_head){.no_body = no_body};
}

static enum http_result bad(struct http_head *h, const char *why)
{
    h->why = why;
    return HTTP_BAD;
}

/* RFC 9112 section 4: HTTP-version SP status-code SP [ reason-phrase ]; without a reason the last space is often missing. */
static enum http_result status_line(struct http_head *h)
{
    const char *p = h->line;

    if (strncmp(p, "HTTP/1.", 7) != 0 || (p[7] != '0' && p[7] != '1') || p[8] != ' ')
        return bad(h, "the status line does not begin with HTTP/1.0 or HTTP/1.1");
    if (!isdigit((unsigned char)p[9]) || !isdigit((unsigned char)p[10]) || !isdigit((unsigned char)p[11]) ||
        (p[12] != ' ' && p[12] != '\0'))
        return bad(h, "the status line has no status of three digits");
    h->http10 = p[7] == '0';
    h->status = (uint16_t)((p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0'));
    return HTTP_MORE;
}

/* RFC 9112 section 6.3: a length that is not a number, or two that differ, make the message unusable. */
static enum http_result content_length(struct http_head *h, const char *value)
{
    uint64_t n = 0;
    unsigned digits = 0;

    for (; isdigit((unsigned char)*value); value++, digits++)
        n = n * 10 + (unsigned)(*value - '0');
    while (*value == ' ' || *value == '\t')
        value++;
    if (digits == 0 || digits > 18 || *value != '\0' || h->kept == HTTP_LINE_KEPT - 1)
        return bad(h, "Content-Length is not a number");
    if (h->has_length && h->body_bytes != n)
        return bad(h, "two Content-Length fields differ");
    h->has_length = true;
    h->body_bytes = n;
    return HTTP_MORE;
}

/* Is the option one of the members of a Connection field? */
static bool has_option(const char *value, const char *option)
{
    size_t n = strlen(option);

    while (*value != '\0') {
        value += strspn(value, ", \t");
        if (strncasecmp(value, option, n) == 0 && (value[n] == '\0' || strchr(", \t", value[n]) != NULL))
            return true;
        value += strcspn(value, ",");
    }
    return false;
}

static enum http_result field(struct http_head *h)
{
    char *colon = strchr(h->line, ':');
    const char *value;

    if (h->line[0] == ' ' || h->line[0] == '\t')
        return HTTP_MORE; /* a folded line: part of a field that does not matter */
    if (colon == NULL || colon == h->line)
        return h->kept == HTTP_LINE_KEPT - 1 ? HTTP_MORE : bad(h, "a header line has no colon");
    *colon = '\0';
    value = colon + 1 + strspn(colon + 1, " \t");
    if (strcasecmp(h->line, "Content-Length") == 0)
        return content_length(h, value);
    if (strcasecmp(h->line, "Transfer-Encoding") == 0)
        return bad(h, "Transfer-Encoding is not supported: the server must send Content-Length");
    if (strcasecmp(h->line, "Connection") == 0) {
        h->close = h->close || has_option(value, "close");
        h->keep_alive = h->keep_alive || has_option(value, "keep-alive");
    }
    return HTTP_MORE;
}

/* RFC 9112 section 6.3 gives the order of what decides on the length. */
static enum http_result end_of_head(struct http_head *h)
{
    if (h->status / 100 == 1) { /* the final response follows */
        uint32_t read = h->head_bytes;

        http_head_init(h, h->no_body);
        h->head_bytes = read;
        return HTTP_MORE;
    }
    if (h->http10 && !h->keep_alive)
        h->close = true;
    if (h->no_body || h->status == 204 || h->status == 304) {
        h->body_bytes = 0;
    } else if (!h->has_length) {
        h->body_bytes = HTTP_UNTIL_CLOSE;
        h->close = true;
    }
    return HTTP_HEAD;
}

static enum http_result end_of_line(struct http_head *h)
{
    enum http_result r;

    if (h->kept > 0 && h->line[h->kept - 1] == '\r') {
        h->kept--;
        h->line_bytes--;
    }
    h->line[h->kept] = '\0';
    if (h->line_bytes == 0)
        return h->lines == 0 ? HTTP_MORE : end_of_head(h); /* empty lines in front are passed over */
    r = h->lines++ == 0 ? status_line(h) : field(h);
    h->kept = 0;
    h->line_bytes = 0;
    return r;
}

enum http_result http_head_read(struct http_head *h, const char *data, size_t len, size_t *used)
{
    enum http_result r = HTTP_MORE;
    size_t i = 0;

    while (i < len && r == HTTP_MORE) {
        char c = data[i++];

        if (++h->head_bytes > HTTP_HEAD_MAX) {
            r = bad(h, "the head is longer than 64 KB");
        } else if (c == '\n') {
            r = end_of_line(h);
        } else {
            if (h->kept < HTTP_LINE_KEPT - 1)
                h->line[h->kept++] = c;
            h->line_bytes++;
        }
    }
    *used = i;
    return r;
}
