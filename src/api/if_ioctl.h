/* Requests about interfaces, whatever the descriptor that they come through. */
#ifndef API_IF_IOCTL_H
#define API_IF_IOCTL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>

struct z_stack;

static inline bool api_is_if_ioctl(unsigned long request)
{
    switch (request) {
    case SIOCGIFCONF:
    case SIOCGIFNAME:
    case SIOCGIFADDR:
    case SIOCGIFNETMASK:
    case SIOCGIFBRDADDR:
    case SIOCGIFMTU:
    case SIOCGIFINDEX:
    case SIOCGIFHWADDR:
    case SIOCGIFFLAGS:
        return true;
    default:
        return false;
    }
}

/* arg is not NULL. 0 or -errno. */
int64_t api_if_ioctl(struct z_stack *s, unsigned long request, void *arg);

#endif
