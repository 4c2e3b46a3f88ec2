/*
 * The head of an HTTP/1.1 response (RFC 9112), read from pieces of a byte stream: status, length of the body, whether the
 * connection ends. A mechanism: no I/O.
 */
#ifndef ZLOAD_HTTP_H
#define ZLOAD_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_LINE_KEPT 64           /* of a line this much is kept: enough for the fields that matter */
#define HTTP_HEAD_MAX (64u * 1024)  /* a longer head is refused */
#define HTTP_UNTIL_CLOSE UINT64_MAX /* the length of a body that ends with the connection */

enum http_result {
    HTTP_MORE, /* the head goes on in the next piece */
    HTTP_HEAD, /* it is complete */
    HTTP_BAD,  /* it is none; why says what is wrong */
};

struct http_head {
    uint64_t body_bytes; /* of a complete head */
    uint16_t status;
    bool close; /* the server closes after this response */

    bool no_body; /* set by the caller: the request was HEAD */
    bool has_length, http10, keep_alive;
    uint8_t kept; /* bytes of the current line in line[] */
    uint32_t line_bytes, head_bytes, lines;
    const char *why;
    char line[HTTP_LINE_KEPT];
};

/* Begins a response; no_body: the request was HEAD. */
void http_head_init(struct http_head *h, bool no_body);

/*
 * Reads on. *used is how many bytes belonged to the head: the body, if any, begins behind them. Interim responses (1xx) are passed
 * over. After HTTP_HEAD or HTTP_BAD the next response begins with http_head_init.
 */
enum http_result http_head_read(struct http_head *h, const char *data, size_t len, size_t *used);

#endif
