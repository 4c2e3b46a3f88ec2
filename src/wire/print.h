/* One-line printers for logs, traces and test failures. All return buf, always terminated. */
#ifndef WIRE_PRINT_H
#define WIRE_PRINT_H

#include <stddef.h>
#include <stdint.h>

#include "base/inaddr.h"

char *print_v4(char *buf, size_t n, uint32_t addr);            /* 10.0.0.1 */
char *print_inaddr(char *buf, size_t n, const struct inaddr *a);
char *print_mac(char *buf, size_t n, const uint8_t mac[6]);
char *print_frame(char *buf, size_t n, const uint8_t *p, uint32_t len); /* a whole Ethernet frame, as tcpdump would */
char *print_tcp_flags(char *buf, size_t n, uint8_t flags);     /* as tcpdump: "S", "S.", "F.", ".", "none" */

#endif
