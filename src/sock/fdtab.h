/*
 * The descriptor table of a stack: descriptor numbers to socks. A number is base + index x stacks + stack, so that the
 * stack of a descriptor follows from the number; the lowest free index is taken first.
 */
#ifndef SOCK_FDTAB_H
#define SOCK_FDTAB_H

#include <stdint.h>

#include "sock/idset.h"

struct sock;

struct sock_table {
    uint32_t base;      /* fd_reserve */
    uint32_t n_stacks;  /* of the process */
    uint32_t stack;     /* which of them this is */
    uint32_t max;       /* max_sockets: length of sock[] */
    uint64_t serial;    /* of the last sock made */
    struct sock **sock; /* by index; NULL: free */
    struct idset free;
};

#endif
