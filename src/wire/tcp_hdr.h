/* TCP header and options (RFC 9293 section 3.1, RFC 7323, RFC 2018). */
#ifndef WIRE_TCP_HDR_H
#define WIRE_TCP_HDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TCP_HLEN 20u
#define TCP_HLEN_MAX 60u
#define TCP_OPT_MAX 40u
#define TCP_CKSUM_OFFSET 16u

#define TH_FIN 0x01u
#define TH_SYN 0x02u
#define TH_RST 0x04u
#define TH_PSH 0x08u
#define TH_ACK 0x10u
#define TH_URG 0x20u
#define TH_ECE 0x40u
#define TH_CWR 0x80u

struct tcp_hdr {
    uint16_t sport, dport;
    uint32_t seq, ack;
    uint8_t hlen; /* bytes, with options */
    uint8_t flags;
    uint16_t wnd; /* as on the wire, not scaled */
    uint16_t urp;
};

enum tcp_parse_err { TCP_PARSE_OK, TCP_PARSE_ESHORT, TCP_PARSE_EHLEN };

/* The fixed header; checks that hlen fits len. No checksum check. */
enum tcp_parse_err tcp_hdr_parse(const uint8_t *p, uint32_t len, struct tcp_hdr *h);
void tcp_hdr_build(uint8_t *p, const struct tcp_hdr *h); /* writes TCP_HLEN bytes, checksum zero */

#define TCP_SACK_BLOCKS_MAX 4

struct tcp_sack_block {
    uint32_t start, end; /* [start, end) */
};

#define TCP_TFO_COOKIE_MIN 4u
#define TCP_TFO_COOKIE_MAX 16u

struct tcp_opts {
    bool has_mss, has_ws, has_ts, sack_ok;
    bool has_tfo; /* RFC 7413 section 4.1.1: a cookie, or with tfo_len 0 the wish for one */
    uint8_t ws; /* as received: up to 255 (RFC 7323 2.3: above 14 counts as 14, the caller's business) */
    uint8_t n_sack;
    uint16_t mss;
    uint32_t ts_val, ts_ecr;
    struct tcp_sack_block sack[TCP_SACK_BLOCKS_MAX];
    uint8_t tfo_len; /* even */
    uint8_t tfo[TCP_TFO_COOKIE_MAX];
};

/*
 * Parses an option list. Unknown options are skipped (MUST-6), and so is a known one of a length that it never has. A length
 * below 2 or past the header (MUST-7) ends the list: what was found before it counts, and false is returned. Options may stand at any alignment (MUST-64). The first occurrence of an
 * option counts.
 */
bool tcp_opts_parse(const uint8_t *p, size_t len, struct tcp_opts *o);

#define TCP_TS_ONLY_LEN 12u

/*
 * The option list that data segments of every modern peer carry: NOP NOP TS. One comparison; true and the values when
 * the list is exactly that.
 */
bool tcp_opts_parse_ts_only(const uint8_t *p, size_t len, uint32_t *ts_val, uint32_t *ts_ecr);

/* Writes that list: TCP_TS_ONLY_LEN bytes. */
void tcp_opts_build_ts_only(uint8_t *p, uint32_t ts_val, uint32_t ts_ecr);

/* Writes the options that are set, padded with NOPs/zeroes to a multiple of 4. Returns bytes written (<= TCP_OPT_MAX). n_sack
 * blocks are cut to what fits. */
unsigned tcp_opts_build(uint8_t *p, const struct tcp_opts *o);

/* What tcp_opts_build would write. */
unsigned tcp_opts_len(const struct tcp_opts *o);

#endif
