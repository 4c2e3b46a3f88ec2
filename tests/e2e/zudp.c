/* A datagram server for the end-to-end tests: answers each datagram with its length and hash. Port as argument. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ff_api.h"
#include "sha256.h"
#include "z_api.h"

#define RECEIVE_BUFFER (4 << 20)

static int fd;

static void on_signal(int number)
{
    (void)number;
    ff_stop_run();
}

static void answer(const uint8_t *data, size_t len, const struct sockaddr_in *from)
{
    char text[128], hex[65];
    struct sha256 h;
    int n;

    sha256_init(&h);
    sha256_update(&h, data, len);
    sha256_hex(&h, hex);
    n = snprintf(text, sizeof(text), "%zu %s", len, hex);
    ff_sendto(fd, text, (size_t)n, 0, (const struct linux_sockaddr *)from, sizeof(*from));
}

static int loop(void *arg)
{
    static uint8_t data[65536];
    struct sockaddr_in from;
    socklen_t len = sizeof(from);
    ssize_t n;

    (void)arg;
    while ((n = ff_recvfrom(fd, data, sizeof(data), 0, (struct linux_sockaddr *)&from, &len)) >= 0)
        answer(data, (size_t)n, &from);
    return 0;
}

int main(int argc, char **argv)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    int on = 1, room = RECEIVE_BUFFER;

    if (ff_init(argc, argv) != 0)
        return 1;
    in.sin_port = htons((uint16_t)atoi(argv[argc - 1]));
    fd = ff_socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || ff_ioctl(fd, FIONBIO, &on) != 0 || ff_setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)) != 0 ||
        ff_bind(fd, (struct linux_sockaddr *)&in, sizeof(in)) != 0) {
        perror("zudp");
        return 1;
    }
    signal(SIGINT, on_signal);
    puts("ready");
    fflush(stdout);
    ff_run(loop, NULL);
    z_print_counters(stdout);
    return 0;
}
