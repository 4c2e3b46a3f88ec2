/* Which addresses the kernel's interfaces have. */
#ifndef PORT_TAP_ADDR_H
#define PORT_TAP_ADDR_H

#include <net/if.h>
#include <stdint.h>

#include "base/inaddr.h"

enum tap_addr { TAP_ADDR_MISSING, TAP_ADDR_THERE, TAP_ADDR_ELSEWHERE };

/*
 * Has the interface this address, and the prefix (plen counts in 128 bits)? ELSEWHERE: another interface, which is up, has an address of
 * the same subnet, so that the kernel would have two routes to it; its name is in other.
 */
enum tap_addr tap_addr_look(const char *name, const struct inaddr *addr, uint8_t plen, char other[IF_NAMESIZE]);

#endif
