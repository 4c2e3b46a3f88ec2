/* The part of HTTP that the examples need: where requests end in a byte stream, and one fixed response. */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define HTTP_MAX_HEAD 8192 /* bytes of one request; more is refused */

/* Survives from one buffer to the next: a request may span buffers, and one buffer may hold several requests. */
struct http_parser {
    uint32_t head_len; /* bytes of the request so far */
    uint32_t line_len; /* bytes of a line that began in an earlier buffer */
    char line[48];     /* its first bytes, enough for the lines that matter */
    bool close;        /* the client asked to close after this request */
};

/* The line goes on in the next buffer, or began in an earlier one. */
static inline void http_keep(struct http_parser *p, const char *data, size_t n)
{
    if (p->line_len < sizeof(p->line)) {
        size_t room = sizeof(p->line) - p->line_len;

        memcpy(p->line + p->line_len, data, n < room ? n : room);
    }
    p->line_len += (uint32_t)n;
}

/* Of n bytes without the line feed; only the first ones need be there. True: it is empty, the end of the request. */
static inline bool http_line(struct http_parser *p, const char *line, size_t n)
{
    static const char last[] = "Connection: close";

    if (n > 0 && n <= sizeof(p->line) && line[n - 1] == '\r')
        n--;
    if (n == sizeof(last) - 1 && strncasecmp(line, last, n) == 0)
        p->close = true;
    p->line_len = 0;
    return n == 0;
}

/* Returns how many requests (GET or HEAD: they have no body) end in these bytes; -1 when one is too long. */
static inline int http_requests(struct http_parser *p, const char *data, size_t len)
{
    int done = 0;

    for (const char *end = data + len, *feed; data < end; data = feed + 1) {
        size_t n;
        bool empty;

        feed = memchr(data, '\n', (size_t)(end - data));
        n = (size_t)((feed != NULL ? feed : end) - data);
        p->head_len += (uint32_t)n + (feed != NULL);
        if (p->head_len > HTTP_MAX_HEAD)
            return -1;
        if (feed == NULL) {
            http_keep(p, data, n);
            break;
        }
        if (p->line_len > 0) {
            http_keep(p, data, n);
            empty = http_line(p, p->line, p->line_len);
        } else {
            empty = http_line(p, data, n);
        }
        if (empty) {
            p->head_len = 0;
            done++;
        }
    }
    return done;
}

/* Writes head and body at p, which has room for http_response_len(body); returns the length. */
#define HTTP_HEAD_FORMAT "HTTP/1.1 200 OK\r\nServer: z\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n"

static inline size_t http_response_len(size_t body)
{
    return (size_t)snprintf(NULL, 0, HTTP_HEAD_FORMAT, body) + body;
}

static inline void http_response_fill(char *p, size_t body)
{
    char head[160];
    size_t n = (size_t)snprintf(head, sizeof(head), HTTP_HEAD_FORMAT, body);

    memcpy(p, head, n);
    for (size_t i = 0; i < body; i++)
        p[n + i] = (char)('a' + i % 26);
}

#endif
