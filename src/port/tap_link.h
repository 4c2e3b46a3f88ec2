/* The kernel's end of a TAP device: a network interface, asked and told by rtnetlink(7). */
#ifndef PORT_TAP_LINK_H
#define PORT_TAP_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/inaddr.h"

struct tap_link {
    int fd; /* of the network namespace that the process was in when it opened it */
    uint32_t seq;
};

struct tap_link_info {
    uint32_t index, mtu;
    bool up, running; /* IFF_UP; IFF_RUNNING: up, and with a carrier */
    uint8_t mac[6];
    uint64_t lost;  /* frames for us that found the device's queue full */
    char qdisc[16]; /* what queues before the device; "noop": nobody has chosen yet */
};

/* All: 0 or -errno, as the kernel answers: -EPERM without CAP_NET_ADMIN, -ENODEV for an interface that is not in this namespace (any more).
 */
int tap_link_open(struct tap_link *l);
void tap_link_close(struct tap_link *l);
int tap_link_get(struct tap_link *l, const char *name, struct tap_link_info *info);

/*
 * Nothing queues before the device. The kernel puts a queue there when the interface comes up first, which is never used, since a TAP
 * device takes or drops every frame at once, and costs each sender its lock.
 */
int tap_link_set_no_queue(struct tap_link *l, uint32_t index);

/* Sets the MTU and takes the interface up. */
int tap_link_set(struct tap_link *l, uint32_t index, uint32_t mtu);

/* Gives the interface an address; plen: as of struct route (IPv4: 96 more than its mask has). One that it has already is no error. */
int tap_link_add_addr(struct tap_link *l, uint32_t index, const struct inaddr *addr, uint8_t plen);

#endif
