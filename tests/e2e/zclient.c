/*
 * A client on the stack for peers that are stacks, too (zserver's ports), with a main loop of its own and blocking calls.
 *
 * Usage: zclient --conf config.ini -- ADDRESS BASE BYTES MODE...
 *   echo    writes buffers and reads them back, at most WINDOW bytes ahead
 *   copy    the same with ff_write and ff_read
 *   sink    writes, half-closes, and compares the answer's length and SHA-256
 *   source  asks for BYTES and compares them
 *   wrap    sink from the program's own memory (z_wrap); prints how it came back
 */
#include <limits.h>
#include <unistd.h>

#include "../../examples/example.h"
#include "sha256.h"

#define PATTERN_LEN 65521
#define READ_SIZE 65280
#define WINDOW (256u * 1024)

static uint8_t *pattern;
static size_t pattern_mem;
static const char *mode_name;
static unsigned released, release_flags;

static void fail(const char *what)
{
    fprintf(stderr, "zclient: %s: %s: %s\n", mode_name, what, strerror(errno));
    exit(1);
}

static int dial(const char *address, uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = ff_socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || inet_pton(AF_INET, address, &to.sin_addr) != 1)
        fail("address");
    /* The peer's process may still be starting. */
    for (int i = 0; ff_connect(fd, (const struct linux_sockaddr *)&to, sizeof(to)) < 0; i++) {
        if (i == 20)
            fail("connect");
        ff_close(fd);
        usleep(100000);
        fd = ff_socket(AF_INET, SOCK_STREAM, 0);
    }
    return fd;
}

static void write_all(int fd, struct z_buf *b)
{
    size_t n = z_chain_len(b);

    if (z_write(fd, b, n) != (ssize_t)n)
        fail("z_write");
}

static struct z_buf *piece(uint64_t at, uint64_t left)
{
    static const size_t sizes[] = {1, 100, 1447, 1448, 1449, 2048, 9000, READ_SIZE, 16384};
    static unsigned turn;
    size_t n = sizes[turn++ % (sizeof(sizes) / sizeof(sizes[0]))];
    struct z_buf *b = z_alloc(n < left ? n : (size_t)left);

    if (b == NULL)
        fail("z_alloc");
    memcpy(z_data(b), pattern + at % PATTERN_LEN, z_len(b));
    return b;
}

/* Reads once and compares; returns how much came, 0 at the end. */
static size_t take(int fd, uint64_t at)
{
    void *b;
    ssize_t n = z_read(fd, &b, READ_SIZE);

    if (n < 0)
        fail("z_read");
    if (n > 0 && memcmp(z_data(b), pattern + at % PATTERN_LEN, (size_t)n) != 0) {
        errno = EBADMSG;
        fail("content");
    }
    z_free(b);
    return (size_t)n;
}

static void expect_end(int fd, uint64_t got, uint64_t want)
{
    while (got <= want) {
        size_t n = take(fd, got);

        got += n;
        if (n == 0)
            break;
    }
    errno = EPROTO;
    if (got != want)
        fail("length");
}

static void run_echo(int fd, uint64_t total)
{
    uint64_t sent = 0, got = 0;

    while (sent < total) {
        struct z_buf *b = piece(sent, total - sent);

        sent += z_len(b);
        write_all(fd, b);
        while (sent - got > WINDOW) {
            size_t n = take(fd, got);

            errno = ECONNRESET;
            if (n == 0)
                fail("echo");
            got += n;
        }
    }
    ff_shutdown(fd, SHUT_WR);
    expect_end(fd, got, total);
}

static void run_copy(int fd, uint64_t total)
{
    static uint8_t buf[16384];

    for (uint64_t done = 0; done < total;) {
        size_t n = total - done < sizeof(buf) ? (size_t)(total - done) : sizeof(buf);

        if (ff_write(fd, pattern + done % PATTERN_LEN, n) != (ssize_t)n)
            fail("ff_write");
        for (size_t got = 0; got < n;) {
            ssize_t r = ff_read(fd, buf, sizeof(buf));

            if (r <= 0 || memcmp(buf, pattern + (done + got) % PATTERN_LEN, (size_t)r) != 0)
                fail("ff_read");
            got += (size_t)r;
        }
        done += n;
    }
    ff_shutdown(fd, SHUT_WR);
    expect_end(fd, total, total);
}

static void check_answer(int fd, uint64_t total, struct sha256 *sha)
{
    char hex[65], want[128], got[128] = "";
    size_t len = 0;
    ssize_t n;

    ff_shutdown(fd, SHUT_WR);
    sha256_hex(sha, hex);
    snprintf(want, sizeof(want), "%llu %s\n", (unsigned long long)total, hex);
    while ((n = ff_read(fd, got + len, sizeof(got) - 1 - len)) > 0)
        len += (size_t)n;
    errno = n < 0 ? errno : EBADMSG;
    if (n < 0 || strcmp(want, got) != 0)
        fail("answer");
}

static void on_release(void *arg, unsigned flags)
{
    (void)arg;
    released++;
    release_flags |= flags;
}

static void run_sink(int fd, uint64_t total, bool wrap)
{
    struct sha256 sha;
    unsigned wrapped = 0;

    sha256_init(&sha);
    for (uint64_t sent = 0; sent < total;) {
        size_t at = (size_t)(sent % PATTERN_LEN), n = total - sent < pattern_mem - at ? (size_t)(total - sent) : pattern_mem - at;
        struct z_buf *b = wrap ? z_wrap(pattern + at, n, on_release, NULL) : piece(sent, total - sent);

        if (b == NULL)
            fail("z_wrap");
        n = z_chain_len(b);
        sha256_update(&sha, pattern + at, n);
        wrapped++;
        write_all(fd, b);
        sent += n;
    }
    check_answer(fd, total, &sha);
    if (!wrap)
        return;
    /* A driver may hold sent buffers until its ring turns. */
    for (int i = 0; i < 200 && released < wrapped; i++) {
        z_poll();
        usleep(5000);
    }
    printf("wrapped %u released %u flags%s%s%s\n", wrapped, released, release_flags & Z_REL_ACKED ? " acked" : "",
           release_flags & Z_REL_ABORTED ? " aborted" : "", release_flags & Z_REL_COPIED ? " copied" : "");
}

static void run_source(int fd, uint64_t total)
{
    char line[64];

    snprintf(line, sizeof(line), "%llu close\n", (unsigned long long)total);
    if (ff_write(fd, line, strlen(line)) < 0)
        fail("ff_write");
    expect_end(fd, 0, total);
}

static void run(const char *address, uint16_t base, uint64_t total)
{
    static const struct {
        const char *name;
        uint16_t port;
    } modes[] = {{"echo", 0}, {"copy", 1}, {"sink", 2}, {"wrap", 2}, {"source", 3}};
    size_t i = 0;
    int fd;

    while (i < sizeof(modes) / sizeof(modes[0]) && strcmp(mode_name, modes[i].name) != 0)
        i++;
    errno = EINVAL;
    if (i == sizeof(modes) / sizeof(modes[0]))
        fail("mode");
    fd = dial(address, (uint16_t)(base + modes[i].port));
    switch (i) {
    case 0:
        run_echo(fd, total);
        break;
    case 1:
        run_copy(fd, total);
        break;
    case 4:
        run_source(fd, total);
        break;
    default:
        run_sink(fd, total, i == 3);
        break;
    }
    ff_close(fd);
    printf("%s: %llu bytes are right\n", mode_name, (unsigned long long)total);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    int arg = example_init(argc, argv);

    if (argc - arg < 4) {
        fprintf(stderr, "zclient: ADDRESS BASE BYTES MODE... are missing\n");
        return 1;
    }
    pattern_mem = (size_t)16 * PATTERN_LEN;
    pattern = aligned_alloc(4096, (pattern_mem / 4096 + 1) * 4096);
    if (pattern == NULL)
        return 1;
    for (size_t i = 0; i < pattern_mem; i++) {
        size_t j = i % PATTERN_LEN;
        pattern[i] = (uint8_t)(j * 7 + (j >> 8) * 13 + 1);
    }
    if (z_register(pattern, (pattern_mem / 4096 + 1) * 4096) < 0)
        printf("z_register: %s\n", strerrorname_np(errno));
    for (int i = arg + 3; i < argc; i++) {
        mode_name = argv[i];
        run(argv[arg], example_port(argc, argv, arg + 1, 7000), (uint64_t)example_arg(argc, argv, arg + 2, "bytes", 0, LONG_MAX, 1000000));
    }
    z_print_counters(stdout);
    return 0;
}
