/*
 * Looking ahead in a burst. With many connections open, what a segment needs is in no cache: a place in the table, and the
 * connection with its descriptor, which is found only through it. Simple version: every segment waits for all of them when
 * its turn comes. Fast version: a few segments before its turn each of them is asked for, so that the waits of several segments pass at the
 * same time. Why equal: these functions change nothing and decide nothing; what they find may be gone when the segment's turn comes, which
 * is why each looks it up anew from the table.
 */
#ifndef TCP_AHEAD_H
#define TCP_AHEAD_H

#include <stdbool.h>
#include <stdint.h>

struct rte_mbuf;
struct z_stack;

#define TCP_AHEAD_STEP 4u /* segments from one stage to the next */

/* Are there more connections than the caches hold? If not, looking ahead costs more than it saves. */
bool tcp_ahead_pays(const struct z_stack *s);

/* First stage, from a frame as received: the place in the table. Returns what the next stage wants to know; of any other frame anything. */
uint32_t tcp_ahead_frame(const struct z_stack *s, const struct rte_mbuf *m);

/* Second: the connection with its sock and the first registration. */
void tcp_ahead_entry(const struct z_stack *s, uint32_t hash);

#endif
