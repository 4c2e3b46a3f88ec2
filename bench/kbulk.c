/*
 * Bulk on one connection from the kernel's sockets: the client of any server of bench/stream.h, and the kernel's such server, beside which
 * the stack's (zbulk.c) is measured. Contents are checked by samples.
 *
 * usage: kbulk serve
 *        kbulk to|from ADDRESS SECONDS     prints one line of JSON; the bytes are those that this end's kernel took or gave
 */
#include <arpa/inet.h>
#include <err.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ktime.h"
#include "stream.h"

#define WARMUP_NS (NS_PER_SEC / 2)
#define CHUNK 131072u /* of a call */

static struct stream_block block;

/* Bytes moved by one call; 0 at the end of the connection. */
static size_t send_some(int fd, struct stream_check *c)
{
    size_t at = c->at % STREAM_PERIOD, most = sizeof(block.byte) - at;
    ssize_t n = send(fd, block.byte + at, most < CHUNK ? most : CHUNK, MSG_NOSIGNAL);

    if (n < 0)
        return 0;
    c->at += (uint64_t)n;
    return (size_t)n;
}

static size_t receive_some(int fd, struct stream_check *c)
{
    static uint8_t buf[CHUNK];
    ssize_t n = recv(fd, buf, sizeof(buf), 0);

    if (n <= 0)
        return 0;
    if (!stream_right(c, &block, buf, (size_t)n))
        errx(1, "the bytes before %llu are wrong", (unsigned long long)c->at);
    return (size_t)n;
}

static int listen_on(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 || bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0 ||
        listen(fd, 16) < 0)
        err(1, "port %u", port);
    return fd;
}

/* One connection after the other. */
static void serve(void)
{
    struct pollfd p[2] = {{listen_on(STREAM_SINK_PORT), POLLIN, 0}, {listen_on(STREAM_SOURCE_PORT), POLLIN, 0}};

    while (poll(p, 2, -1) > 0) {
        for (int i = 0; i < 2; i++) {
            struct stream_check c = {0};
            int fd = p[i].revents != 0 ? accept(p[i].fd, NULL, NULL) : -1;

            if (fd < 0)
                continue;
            while ((i == 0 ? receive_some(fd, &c) : send_some(fd, &c)) > 0)
                ;
            close(fd);
        }
    }
}

static uint64_t move(int fd, bool to, struct stream_check *c, uint64_t end_ns)
{
    uint64_t begin = c->at;

    while (now_ns() < end_ns) {
        if ((to ? send_some(fd, c) : receive_some(fd, c)) == 0)
            errx(1, "the server closed or reset the connection after %llu bytes", (unsigned long long)c->at);
    }
    return c->at - begin;
}

int main(int argc, char **argv)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    struct stream_check c = {0};
    uint64_t start, bytes;
    double seconds;
    bool to;
    int fd;

    stream_fill(&block);
    if (argc == 2 && strcmp(argv[1], "serve") == 0)
        serve();
    if (argc != 4 || ((to = strcmp(argv[1], "to") == 0) == false && strcmp(argv[1], "from") != 0) ||
        inet_pton(AF_INET, argv[2], &a.sin_addr) != 1 || !((seconds = strtod(argv[3], NULL)) > 0))
        errx(1, "usage: kbulk serve, or kbulk to|from ADDRESS SECONDS");
    a.sin_port = htons(to ? STREAM_SINK_PORT : STREAM_SOURCE_PORT);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&a, sizeof(a)) < 0)
        err(1, "connect");
    move(fd, to, &c, now_ns() + WARMUP_NS);
    start = now_ns();
    bytes = move(fd, to, &c, start + (uint64_t)(seconds * 1e9));
    printf("{\"bytes\": %llu, \"gbit_per_second\": %.3f}\n", (unsigned long long)bytes, (double)bytes * 8 / (double)(now_ns() - start));
    return 0;
}
