/* Functions of the application that the stack calls (hooks.c): about received frames, and about source addresses. */
#ifndef API_HOOKS_H
#define API_HOOKS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/stack.h"
#include "port/dispatch.h"

/* For every port: whom to ask about received frames. */
dispatch_ask *const *hooks_dispatcher(void);

/*
 * tcp_connect (or tcp_connect_fastopen), and udp_connect, from the address that the application chooses for a socket that is bound to
 * none. EADDRNOTAVAIL, too: it has chosen one that is not ours.
 */
int hooks_tcp_connect(struct z_stack *s, struct tcp_conn *tc, const struct inaddr *a, uint16_t port, bool fastopen);
int hooks_udp_connect(struct z_stack *s, struct udp_pcb *u, const struct inaddr *a, uint16_t port);

#endif
