/*
 * What is sent, and what must come back.
 *
 * Messages of an echo differ from each other, in turn, so that one that is lost, doubled or in the wrong place is found. Small ones
 * are copied into new buffers, whose headroom takes the headers, as many as fit a segment together; of large ones further references
 * to a prepared buffer are sent.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "zload.h"

#define VARIANTS_SMALL 16u
#define VARIANTS_LARGE 4u
#define COPY_MAX 1448u                /* what one segment holds: larger buffers are referred to */
#define KNOWN_MAX 1024u               /* a head up to this size is remembered */
#define FIRST_MAX (16u * 1024 * 1024) /* of the first body so much is kept to compare others with */
#define ALPHABET_BYTES (26u * 1024)

static struct {
    /* requests: variants one behind the other, and the first ones again, so that any COPY_MAX bytes are in one piece */
    char *text;
    uint32_t bytes; /* of one */
    uint32_t variants;
    struct z_buf *buf[VARIANTS_SMALL];

    /* the head that the last response had: most have the same, and need no parsing */
    char known[KNOWN_MAX];
    size_t known_bytes;
    struct http_head known_head;

    char *alphabet;
    uint64_t expect; /* bytes of a body; ARGS_NONE until there is one */
    char *first;     /* body of the first response */
    uint64_t first_bytes, first_done;
    const struct conn *first_conn; /* whose response it is */
} msg;

/* preparation -------------------------------------------------------------------------------------------------- */

static void fill_alphabet(char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (char)('a' + i % 26);
}

static size_t http_request(const struct args *a, char *out, size_t room)
{
    size_t n = (size_t)snprintf(out, room, "%s %s HTTP/1.1\r\nHost: %s\r\n", a->method, a->path, a->host);

    for (unsigned i = 0; i < a->n_headers; i++)
        n += (size_t)snprintf(out + n, room - n, "%s\r\n", a->header[i]);
    if (a->brief)
        n += (size_t)snprintf(out + n, room - n, "Connection: close\r\n");
    if (a->body_bytes != 0)
        n += (size_t)snprintf(out + n, room - n, "Content-Length: %llu\r\n", (unsigned long long)a->body_bytes);
    n += (size_t)snprintf(out + n, room - n, "\r\n");
    if (n + a->body_bytes > Z_BUF_MAX)
        die(1, "the request has %zu bytes, expected at most %u with its body", n + (size_t)a->body_bytes, Z_BUF_MAX);
    fill_alphabet(out + n, a->body_bytes);
    return n + a->body_bytes;
}

/* The variants differ in every byte that they can. */
static void echo_messages(char *out, uint32_t bytes, uint32_t variants)
{
    uint32_t x = 0x2545f491;

    for (uint32_t i = 0; i < bytes * variants; i++) {
        x = x * 1664525 + 1013904223;
        out[i] = (char)(x >> 24);
    }
}

void msg_init(struct load *l)
{
    const struct args *a = &l->args;
    size_t room = (size_t)VARIANTS_LARGE * Z_BUF_MAX + COPY_MAX + 32768;

    msg.text = malloc(room);
    msg.alphabet = malloc(ALPHABET_BYTES + Z_BUF_MAX);
    if (msg.text == NULL || msg.alphabet == NULL)
        die(1, "no memory");
    fill_alphabet(msg.alphabet, ALPHABET_BYTES + Z_BUF_MAX);
    msg.expect = a->expect_bytes;
    if (a->protocol == PROTOCOL_HTTP) {
        msg.variants = 1;
        msg.bytes = (uint32_t)http_request(a, msg.text, room);
    } else {
        msg.bytes = (uint32_t)a->size;
        msg.variants = msg.bytes <= COPY_MAX ? VARIANTS_SMALL : VARIANTS_LARGE;
        echo_messages(msg.text, msg.bytes, msg.variants);
    }
    for (uint32_t v = 0; v < msg.variants; v++) {
        msg.buf[v] = z_alloc(msg.bytes);
        if (msg.buf[v] == NULL)
            die(1, "no buffers for messages of %u bytes: raise app_buffers_64k, app_buffers_9k or app_buffers_2k in [zstack]", msg.bytes);
        memcpy(z_data(msg.buf[v]), msg.text + (size_t)v * msg.bytes, msg.bytes);
    }
    for (size_t i = 0, n = (size_t)msg.bytes * msg.variants; i < COPY_MAX; i++)
        msg.text[n + i] = msg.text[i];
}

/* sending ------------------------------------------------------------------------------------------------------ */

/* n messages that fit a segment together; without a buffer for the copy one that is referred to. */
static uint32_t send_some(struct conn *c, uint32_t n)
{
    struct z_buf *b = NULL;
    uint32_t fit = COPY_MAX / msg.bytes;

    n = n < fit ? n : fit;
    if (likely(n != 0) && likely((b = z_alloc((size_t)n * msg.bytes)) != NULL)) {
        memcpy(z_data(b), msg.text + (size_t)c->variant_out * msg.bytes, (size_t)n * msg.bytes);
    } else {
        n = 1;
        b = z_ref(msg.buf[c->variant_out]);
    }
    if (likely(z_write(c->fd, b, (size_t)n * msg.bytes) > 0)) {
        c->variant_out = (uint8_t)((c->variant_out + n) % msg.variants);
        return n;
    }
    n = (uint32_t)errno;
    z_free(b);
    errno = (int)n;
    return 0;
}

uint32_t msg_send(struct load *l, struct conn *c, uint32_t n)
{
    uint32_t sent = 0, some = 1;

    while (sent < n && some != 0) {
        some = send_some(c, n - sent);
        sent += some;
    }
    l->w->tx_bytes += (uint64_t)sent * msg.bytes;
    return sent;
}

/* responses ---------------------------------------------------------------------------------------------------- */

static void begin_response(struct load *l, struct conn *c)
{
    const struct args *a = &l->args;

    c->wrong = false;
    c->check = a->check_every != 0 && (a->check_every == 1 || c->served % a->check_every == 0);
    c->at = 0;
    if (a->protocol == PROTOCOL_HTTP) {
        c->in_head = true;
    } else {
        c->left = msg.bytes;
    }
}

void msg_begin(struct load *l, struct conn *c)
{
    c->variant_out = c->variant_in = (uint8_t)(((uint64_t)(c - l->conn) + c->served) % msg.variants);
    c->last = false;
    c->head_begun = false;
    if (msg.first_conn == c) { /* it did not come to the end of the first body: another one will */
        free(msg.first);
        msg.first = NULL;
        msg.first_conn = NULL;
    }
    begin_response(l, c);
}

static void wrong(struct load *l, struct conn *c, enum load_error e, const char *what, uint64_t found, uint64_t expected)
{
    c->wrong = true;
    c->check = false;
    load_error(l, e, 1, "connection %lu: %s: found %llu, expected %llu", (uint64_t)(c - l->conn), what, (unsigned long long)found,
               (unsigned long long)expected);
}

static void wrong_content(struct load *l, struct conn *c, size_t n)
{
    c->wrong = true;
    c->check = false;
    load_error(l, ERR_CONTENT, 1, "connection %lu: response %u differs from what it must be, in the %zu bytes from byte %llu on",
               (uint64_t)(c - l->conn), c->served, n, (unsigned long long)c->at);
}

static void answered(struct load *l, struct conn *c)
{
    if (msg.first_conn == c && msg.first_done == msg.expect)
        msg.first_conn = NULL; /* it is complete */
    c->variant_in = (uint8_t)(c->variant_in + 1u == msg.variants ? 0 : c->variant_in + 1);
    c->served++;
    load_answered(l, c);
    begin_response(l, c);
}

/* Keeps a piece of the first body. */
static void keep_first(struct conn *c, const char *data, size_t n)
{
    uint64_t room = msg.first_bytes > c->at ? msg.first_bytes - c->at : 0;

    memcpy(msg.first + c->at, data, n < room ? n : (size_t)room);
    msg.first_done = c->at + n;
}

static bool same(const struct load *l, const struct conn *c, const char *data, size_t n)
{
    uint64_t room;

    if (l->args.protocol == PROTOCOL_ECHO)
        return memcmp(data, msg.text + (size_t)c->variant_in * msg.bytes + c->at, n) == 0;
    if (l->args.content == CONTENT_ALPHABET)
        return memcmp(data, msg.alphabet + c->at % 26, n) == 0; /* pieces are at most Z_BUF_MAX long */
    if (msg.first_conn != NULL || msg.first == NULL || c->at >= msg.first_bytes)
        return true; /* nothing to compare with, or not any more */
    room = msg.first_bytes - c->at;
    return memcmp(data, msg.first + c->at, n < room ? n : (size_t)room) == 0;
}

static void body(struct load *l, struct conn *c, const char *data, size_t n)
{
    if (unlikely(msg.first_conn == c))
        keep_first(c, data, n);
    else if (c->check && unlikely(!same(l, c, data, n)))
        wrong_content(l, c, n);
    c->at += n;
    c->left -= n;
}

/* The body that all others must equal begins here, unless another one has begun, or none is wanted. */
static void begin_first(const struct load *l, struct conn *c, uint64_t bytes)
{
    const struct args *a = &l->args;

    if (msg.first != NULL || a->content != CONTENT_FIRST || a->check_every == 0 || a->expect_any || bytes != msg.expect)
        return;
    msg.first_bytes = bytes < FIRST_MAX ? bytes : FIRST_MAX;
    msg.first_done = 0;
    msg.first = malloc(msg.first_bytes + 1);
    if (msg.first == NULL)
        die(2, "no memory for a body of %llu bytes", (unsigned long long)bytes);
    msg.first_conn = c;
}

/* The head of a response is complete. */
static void begin_body(struct load *l, struct conn *c, const struct http_head *h)
{
    c->in_head = false;
    c->left = h->body_bytes;
    c->last = h->close;
    if (unlikely(h->status / 100 != 2)) {
        wrong(l, c, ERR_STATUS, "status", h->status, 200);
        return;
    }
    if (unlikely(msg.expect == ARGS_NONE))
        msg.expect = h->body_bytes;
    if (unlikely(msg.first == NULL))
        begin_first(l, c, h->body_bytes);
    if (unlikely(h->body_bytes != msg.expect && !l->args.expect_any && h->body_bytes != HTTP_UNTIL_CLOSE))
        wrong(l, c, ERR_LENGTH, "bytes of the body", h->body_bytes, msg.expect);
}

static void remember(const struct http_head *h, const char *text, size_t n)
{
    if (h->head_bytes != n || n > KNOWN_MAX || h->status / 100 != 2)
        return; /* it came in pieces, or is not what one wants to see again */
    memcpy(msg.known, text, n);
    msg.known_bytes = n;
    msg.known_head = *h;
}

/* Reads a head, as far as it is there: how many bytes it took, or 0 when it is none. */
static size_t head(struct load *l, struct conn *c, const char *data, size_t len)
{
    size_t used;

    if (likely(!c->head_begun && len >= msg.known_bytes && msg.known_bytes != 0 && memcmp(data, msg.known, msg.known_bytes) == 0)) {
        begin_body(l, c, &msg.known_head);
        return msg.known_bytes;
    }
    if (!c->head_begun)
        http_head_init(&c->head, strcmp(l->args.method, "HEAD") == 0);
    c->head_begun = true;
    switch (http_head_read(&c->head, data, len, &used)) {
    case HTTP_MORE:
        break;
    case HTTP_HEAD:
        c->head_begun = false;
        remember(&c->head, data, used);
        begin_body(l, c, &c->head);
        break;
    case HTTP_BAD:
        load_error(l, ERR_RESPONSE, c->outstanding, "connection %lu: %s", (uint64_t)(c - l->conn), c->head.why);
        return 0;
    }
    return used;
}

bool msg_receive(struct load *l, struct conn *c, const char *data, size_t len)
{
    while (len > 0) {
        size_t n;

        if (unlikely(c->outstanding == 0)) {
            load_error(l, ERR_RESPONSE, 1, "connection %lu: %zu bytes that nobody asked for", (uint64_t)(c - l->conn), len);
            return false;
        }
        if (c->in_head) {
            n = head(l, c, data, len);
            if (unlikely(n == 0))
                return false;
        } else {
            n = len < c->left ? len : (size_t)c->left;
            body(l, c, data, n);
        }
        data += n;
        len -= n;
        if (!c->in_head && c->left == 0)
            answered(l, c);
    }
    return true;
}

bool msg_eof(struct load *l, struct conn *c)
{
    if (l->args.protocol != PROTOCOL_HTTP || c->outstanding == 0 || c->in_head || !c->last || c->left <= UINT64_MAX / 2)
        return false;
    /* the body ended with the connection: its length is known only now */
    if (msg.expect == HTTP_UNTIL_CLOSE)
        msg.expect = c->at;
    if (msg.first_conn == c)
        msg.first_bytes = c->at < FIRST_MAX ? c->at : FIRST_MAX;
    if (!c->wrong && !l->args.expect_any && c->at != msg.expect)
        wrong(l, c, ERR_LENGTH, "bytes of the body", c->at, msg.expect);
    answered(l, c);
    return true;
}
