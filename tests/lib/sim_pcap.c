#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define PCAP_MAGIC_NS 0xa1b23c4du
#define PCAP_ETHERNET 1u

struct record {
    uint32_t sec, nsec, captured, len; /* as in the file */
};

struct sim_capture {
    uint32_t frames, bytes;
    uint64_t count;
    uint8_t *slots; /* a record and its bytes each */
};

static uint8_t *slot(const struct sim_capture *c, uint64_t i)
{
    return c->slots + (i % c->frames) * (sizeof(struct record) + c->bytes);
}

struct sim_capture *sim_capture_create(uint32_t frames, uint32_t bytes)
{
    struct sim_capture *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return NULL;
    c->frames = frames;
    c->bytes = bytes;
    c->slots = malloc(frames * (sizeof(struct record) + bytes));
    if (c->slots == NULL) {
        free(c);
        return NULL;
    }
    return c;
}

void sim_capture_destroy(struct sim_capture *c)
{
    if (c != NULL)
        free(c->slots);
    free(c);
}

void sim_capture_add(struct sim_capture *c, uint64_t now_ns, const uint8_t *frame, uint32_t len)
{
    uint8_t *p = slot(c, c->count++);
    struct record r = {
        .sec = (uint32_t)(now_ns / NS_PER_SEC), .nsec = (uint32_t)(now_ns % NS_PER_SEC), .captured = MIN(len, c->bytes), .len = len};

    memcpy(p, &r, sizeof(r));
    memcpy(p + sizeof(r), frame, r.captured);
}

int sim_capture_write(const struct sim_capture *c, const char *path)
{
    const struct {
        uint32_t magic;
        uint16_t major, minor;
        uint32_t zone, accuracy, snaplen, link;
    } head = {PCAP_MAGIC_NS, 2, 4, 0, 0, 65535, PCAP_ETHERNET};
    FILE *f = fopen(path, "wb");

    if (f == NULL)
        return -errno;
    fwrite(&head, sizeof(head), 1, f);
    for (uint64_t i = c->count > c->frames ? c->count - c->frames : 0; i < c->count; i++) {
        const uint8_t *p = slot(c, i);
        struct record r;

        memcpy(&r, p, sizeof(r));
        fwrite(p, sizeof(r) + r.captured, 1, f);
    }
    return fclose(f) == 0 ? 0 : -errno;
}
