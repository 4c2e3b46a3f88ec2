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
    uint32_t line_len; /* bytes of the current line so far, without CR */
    char line[48];     /* its first bytes, enough for the lines that matter */
    bool close;        /* the client asked to close after this request */
};

static inline void http_end_of_line(struct http_parser *p)
{
    size_t n = p->line_len < sizeof(p->line) - 1 ? p->line_len : sizeof(p->line) - 1;

    p->line[n] = '\0';
    if (strcasecmp(p->line, "Connection: close") == 0)
        p->close = true;
    p->line_len = 0;
}

/* Returns how many requests (GET or HEAD: they have no body) end in these bytes; -1 when one is too long. */
static inline int http_requests(struct http_parser *p, const char *data, size_t len)
{
    int done = 0;

    for (size_t i = 0; i < len; i++) {
        char c = data[i];

        if (++p->head_len > HTTP_MAX_HEAD)
            return -1;
        if (c == '\n' && p->line_len == 0) {
            p->head_len = 0;
            done++;
        } else if (c == '\n') {
            http_end_of_line(p);
        } else if (c != '\r') {
            if (p->line_len < sizeof(p->line) - 1)
                p->line[p->line_len] = c;
            p->line_len++;
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
