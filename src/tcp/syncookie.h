/*
 * SYN cookies (Bernstein; RFC 4987 section 3.6): while the SYN cache is full, our initial sequence number carries what we must know of
 * a connection, proven by a keyed hash, and nothing is kept.
 *
 *     31                                 4 3   1 0
 *    +------------------------------------+-----+-+
 *    | hash of 4-tuple, irs, period, mss  | mss |p|   mss: which of eight values; p: the period's lowest bit
 *    +------------------------------------+-----+-+
 *
 * The key changes with each period of a minute, and the one before is still accepted: a cookie is good for one to two minutes. The
 * low six bits of the timestamp that goes with it carry window scale, SACK and ECN; a peer without timestamps goes without those.
 * While cookies are sent the initial sequence number is not clock-driven (RFC 9293 MUST-8): that is what they cost.
 */
#ifndef TCP_SYNCOOKIE_H
#define TCP_SYNCOOKIE_H

#include "tcp/conn.h"

#define SYNCOOKIE_PERIOD_NS (60 * NS_PER_SEC)

/* Values of the key syncookies. */
enum tcp_syncookies { TCP_SYNCOOKIES_NEVER, TCP_SYNCOOKIES_WHEN_FULL, TCP_SYNCOOKIES_ALWAYS };

/* irs: the peer's initial sequence number. */
uint32_t syncookie_make(const uint8_t key[16], const struct tcp_entry *e, uint32_t irs, uint16_t peer_mss, uint64_t now_ns);

/* False: not ours, or too old. *peer_mss: not larger than what was put in. */
bool syncookie_check(const uint8_t key[16], const struct tcp_entry *e, uint32_t irs, uint32_t cookie, uint64_t now_ns, uint16_t *peer_mss);

/* A timestamp not later than clock, by less than 128, that carries the options; and back. Only ws_on, snd_wscale, sack_on, *ecn. */
uint32_t syncookie_ts(uint32_t clock, const struct tcp_agreed *a, bool ecn);
void syncookie_ts_options(uint32_t ts, struct tcp_agreed *a, bool *ecn);

#endif
