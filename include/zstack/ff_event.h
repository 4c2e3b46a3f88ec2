#ifndef ZSTACK_FF_EVENT_H
#define ZSTACK_FF_EVENT_H
#include <stdint.h>
#include <sys/types.h>
struct kevent {
    uintptr_t ident;
    short filter;
    unsigned short flags;
    unsigned int fflags;
    int64_t data;
    void *udata;
    uint64_t ext[4];
};
#endif
