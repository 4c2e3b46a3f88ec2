/*
 * A connection: the transmission control block of RFC 9293 section 3.3.1 and what is needed around it. Private to src/tcp.
 *
 * Sequence space of the sender:
 *
 *     snd_una            snd_nxt            sndq.end_seq
 *        |--- in flight ----|---- not sent ------|(FIN)
 *        |<- sent map ----->|
 *        |<------------- sndq ------------------>|
 *
 * snd_nxt never goes back: what is to be sent again is marked in the sent map. The FIN, once queued, occupies
 * sndq.end_seq. SYNs are not in the sent map: the SYN-SENT and SYN-RECEIVED states repeat them from the timer.
 */
#ifndef TCP_CONN_H
#define TCP_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/inaddr.h"
#include "base/seq.h"
#include "base/wheel.h"
#include "buf/rcvq.h"
#include "buf/reass.h"
#include "buf/sndq.h"
#include "core/stack.h"
#include "sock/sock.h"
#include "tcp/cc.h"
#include "tcp/cwv.h"
#include "tcp/optset.h"
#include "tcp/prr.h"
#include "tcp/rack.h"
#include "tcp/rtt.h"
#include "tcp/sent.h"
#include "tcp/tcp.h"
#include "tcp/undo.h"
#include "wire/tcp_hdr.h"

enum tcp_st {
    TCPS_CLOSED,
    TCPS_LISTEN,
    TCPS_SYN_SENT,
    TCPS_SYN_RCVD,
    TCPS_ESTABLISHED,
    TCPS_FIN_WAIT_1,
    TCPS_FIN_WAIT_2,
    TCPS_CLOSE_WAIT,
    TCPS_CLOSING,
    TCPS_LAST_ACK,
    TCPS_TIME_WAIT,
    TCPS_COUNT
};

extern const char *const tcp_state_names[TCPS_COUNT];

/*
 * What a table entry is part of: a connection block, a request of the SYN cache, what TIME-WAIT must know, or a note that the flow is
 * another stack's (forward.c).
 */
enum tcp_kind { TCP_ENT_CONN, TCP_ENT_SYN, TCP_ENT_TW, TCP_ENT_FWD };

/* The head of every entry, family-neutral. A 4-tuple has one entry at most. */
struct tcp_entry {
    struct inaddr laddr, raddr;
    uint16_t lport, rport;
    uint32_t hash;
    uint32_t id; /* of a connection: what others call it who may outlive it */
    uint8_t kind;
    bool in_table;
    bool claimed; /* packets of the flow come to another stack, which forwards them */
};

/* Timers of a connection; one wheel node stands for the earliest of them. Last those that data and acknowledgements set and stop. */
enum tcp_timer_id { TT_RACK, TT_KEEP, TT_2MSL, TT_PACE, TT_PERSIST, TT_DELACK, TT_TLP, TT_REXMT, TT_COUNT };

/* Loss recovery. */
enum tcp_ca { TCP_CA_OPEN, TCP_CA_RECOVERY, TCP_CA_LOSS };

/* Values of the key mtu_probing. */
enum tcp_mtu_probing { TCP_MTU_PROBING_OFF, TCP_MTU_PROBING_BLACK_HOLE, TCP_MTU_PROBING_ALWAYS };

/* The search for the largest packet that a path takes (mtu.c); sizes are those of IP packets. Only while there is one. */
struct tcp_mtup {
    uint16_t low, high;     /* known to pass; not known to be too large */
    uint16_t trying, probe; /* about to be sent; in flight, 0: none */
    uint8_t tries;          /* probes of this size that were lost */
    bool high_failed, done;
    bool repairing;                  /* the last probe was lost, and its bytes are not acknowledged yet */
    uint32_t probe_start, probe_end; /* its sequence numbers */
    uint32_t lost_total;             /* when repairing: sent.lost_total when only the probe was lost */
    uint64_t next_ns;                /* no probe before this */
};

/* A probe? None now; one of *probe_len bytes; one as soon as more of what is in flight has left. */
enum tcp_mtup_verdict { TCP_MTUP_NONE, TCP_MTUP_PROBE, TCP_MTUP_WAIT };

/* Of a listener. */
struct tcp_listener {
    TAILQ_HEAD(, tcp_conn) accept_q;
    uint32_t n_accept;
    uint32_t n_syn; /* its entries of the SYN cache */
    uint32_t backlog;
    uint64_t since_ns;
    uint32_t n_fastopen;         /* PendingFastOpenRequests (RFC 7413 4.2.2) */
    uint32_t fastopen_resets[2]; /* of those that a reset ended: in the window that began at */
    uint64_t fastopen_window_ns; /* this time, and in the one before */
};

/* What the peer's SYN offers and our settings allow. */
struct tcp_agreed {
    uint32_t ts_recent;
    uint16_t peer_mss;
    uint8_t snd_wscale;
    bool ts_on, sack_on, ws_on;
};

/*
 * The two sides take turns: so many times in a row the peer wrote and our text followed in less than TCP_TURN_NS. Then an ACK waits for the
 * text, but no longer than that, for the peer measures round trips by it: it stays below the least time after which a tail is probed.
 */
#define TCP_EXCHANGES_MAX 3u
#define TCP_TURN_NS NS_PER_MS

#define TCP_RCV_RATIO_START 128u /* tcp_conn.rcv_ratio before anything was received */

/* The cache lines of a connection that ordinary segments touch: below. */
enum { TCP_LINE_WHO = 0, TCP_LINE_SEG = 2, TCP_LINE_IN = 4, TCP_LINE_SND = 6, TCP_LINE_OUT = 9 };

/*
 * One block of the arena. Five of its cache lines are what ordinary segments touch, by what they are about; the rest is for what happens
 * once in a while. In order, with nothing lost and no limit met,
 *
 *     segments that come in    who, every segment, coming in         (and sending, when they acknowledge something)
 *     segments that leave      who, every segment, leaving, sending  (which says whether there are data to go with them)
 *
 * at most four, with data, an acknowledgement, or both. The window to be advertised is reckoned where the application reads, so that what
 * leaves after that need not look at the receive queue. Structures that only in part are of every day lie across the border of a line.
 * What few connections need has a block of its own; what connections have in common is shared (opt).
 */
struct tcp_conn {
    /* line 0: who */
    struct tcp_entry ent;
    struct sock *sk; /* NULL: no descriptor (not accepted yet, or closed) */
    uint64_t last_rcv_ns;

    /* line 1: what is not in order, at either end */
    struct reass reass; /* when rcv_holes */

    /* tries without an answer: unanswered, unless all are 0 */
    uint64_t first_rexmt_at_ns; /* of the current series of timeouts */
    int16_t soft_error;         /* of the last ICMP error that did not end it: for who asks, and when the connection times out */
    uint8_t rexmt_count;        /* consecutive timeouts without progress */
    uint8_t probe_count;        /* persist probes since the last ACK */
    uint8_t keep_count;         /* of keepalive probes */
    uint8_t orphan_probes;      /* persist probes since close without progress */
    uint8_t backoff;            /* doublings of the timeout */

    uint8_t oob_byte;
    struct rtt rtt_prev;             /* SRTT_prev and RTTVAR_prev (RFC 4015), when rtt_wary or in a series of timeouts */
    uint32_t dsack_start, dsack_end; /* when dsack_due: received twice */

    /* the last two are line 2's: those that data and acknowledgements set and stop */
    uint32_t deadline[TT_COUNT]; /* see tcp_deadline_ns; 0: off */

    /* line 2: every segment. RFC 9293 3.3.1 and RFC 7323 */
    uint32_t snd_una, snd_nxt, snd_wnd, snd_wl1, snd_wl2;
    uint32_t rcv_nxt;
    uint32_t rcv_adv; /* right edge of the window that was advertised; never moves left */
    uint32_t last_ack_sent;
    uint32_t ts_recent;
    uint16_t smss; /* payload per segment that we may send, options not counted */
    uint8_t snd_wscale, rcv_wscale;
    uint8_t state;
    uint8_t ca;
    uint8_t dupacks;

    /* a byte each for what is written together */
    bool rcv_urgent : 1; /* urgent data announced and not passed by the reader */
    bool rd_shut : 1;    /* SHUT_RD */
    bool fin_rcvd : 1, fin_pending : 1;
    bool rcv_holes : 1;   /* there is something in reass */
    bool wnd_settled : 1; /* rcv_wnd holds: nothing came or was taken since, and it was not the stack that limited it */
    bool ack_now : 1;     /* send one with the next output of this connection */
    bool ack_delayed : 1; /* one is due: the delay timer runs from the end of the turn on */

    bool in_dirty : 1;
    bool orphan : 1;         /* counted in n_orphans */
    bool closed_by_user : 1; /* tcp_close was called: the block goes when the protocol is done */
    bool dead : 1;           /* nobody holds it: freed at the end of the turn */
    bool waits : 1;          /* in an accept queue */
    bool progressed : 1;     /* an acknowledgement came since the last segment left: the neighbour is there */
    bool unanswered : 1;     /* one of the counts of tries, or an error to go with them, is not 0 */
    bool passive : 1;        /* came from a listener */

    bool ts_on : 1, sack_on : 1, ws_on : 1; /* options in force */
    bool ecn_echo_ok : 1;                   /* ECN was agreed on (RFC 3168): CE marks that arrive are echoed */
    bool ecn_ect : 1;                       /* our data is marked ECT(0) */
    bool ecn_ece : 1;  /* segments carry ECE: until CWR comes (RFC 3168), or while the last data was marked (RFC 8257) */
    bool ecn_cwr : 1;  /* the next new data carries CWR */
    bool ecn_seen : 1; /* an ECT or CE packet with text has come */

    bool cwnd_limited : 1;
    bool tlp_out : 1, tlp_retrans : 1; /* a tail loss probe is outstanding; it was a retransmission (TLP.end_seq, TLP.is_retrans) */
    bool rtx_unacked : 1;              /* rtx_high is not acknowledged yet */
    bool undo_open : 1;                /* undo is about a reduction of cwnd that may prove an error */
    bool rack_valid : 1;               /* rack tells of something that arrived */
    bool in_cwr : 1;                   /* cwnd was reduced for ECE; no other reduction and no growth before cwr_end is acknowledged */
    bool rtx_first : 1;                /* after a timeout: the first retransmission goes out whatever cwnd says */

    bool snd_urgent : 1, fin_queued : 1, fin_sent : 1;
    bool more : 1;      /* MSG_MORE: hold back a partial segment */
    bool cork : 1;      /* TCP_CORK */
    bool snd_lowat : 1; /* opt.notsent_lowat_bytes is not 0 */
    bool paced : 1;     /* new data leaves at the pacing rate */
    bool dsack_due : 1; /* to be reported with the next ACK (RFC 2883) */

    bool rated : 1;      /* rate is not NULL */
    bool mtu_search : 1; /* mtup is not NULL */
    bool syn_unsent : 1; /* the SYN found no buffer or no room: with the next turn's output */
    bool quickack : 1;   /* TCP_QUICKACK */
    bool soft_told : 1;  /* soft_error is of a kind that the next send() reports */
    bool persisting : 1; /* the persist timer is on */
    bool delack_on : 1;  /* the delay timer is */
    bool small_out : 1;  /* snd_sml is perhaps not acknowledged yet; else it is */

    bool wnd_waits : 1;    /* in tcp_state.wnd_waiting */
    bool user_timeout : 1; /* opt.user_timeout_ns is not 0 */
    bool rtt_wary : 1;     /* the last timeout was spurious: the first sample of newer data says how long to wait (RFC 4015) */
    bool spoke : 1;        /* text has left since the peer last ended what it wrote, in less than TCP_TURN_NS */
    uint8_t exchanges : 2; /* how often in a row; to TCP_EXCHANGES_MAX */

    struct cwv cwv; /* but for its first word in line 3 */

    /* losses and repairs */
    uint32_t recover;       /* snd_nxt at entry */
    uint32_t rtx_high;      /* snd_nxt at the last retransmission: nothing beyond was sent twice */
    uint32_t tlp_end;       /* TLP.end_seq */
    uint32_t total_retrans; /* segments retransmitted */
    uint32_t cwr_end;       /* snd_nxt at the reduction */
    uint32_t fin_seq;       /* of a FIN that stands behind a hole */
    uint16_t peer_mss;      /* as announced, or the default */
    uint16_t reordering;    /* the longest distance seen, in segments */

    /* line 4: coming in */
    struct rcvq rcvq;
    uint32_t rcvbuf_bytes;      /* SO_RCVBUF, or what auto-tuning made of it */
    uint32_t rcv_charged_bytes; /* of rcvq and reass, as counted in tcp_state.rcv_charged_bytes */
    uint16_t rcv_ratio;         /* payload per memory of received segments, in 1/256 */
    uint16_t rcv_mss;           /* largest payload seen: what "full-sized" means to the delay rule (SHLD-19) */
    int16_t so_error;           /* pending errno (positive) */
    uint32_t max_snd_wnd;       /* largest window the peer offered (SWS avoidance, RFC 5961) */
    uint32_t sndbuf_bytes;      /* SO_SNDBUF, or what auto-tuning made of it */
    uint32_t rack_rtt_us;       /* RACK.rtt; RACK_RTT_NONE: nothing was acknowledged yet */
    struct recent rtt_min;      /* RACK.min_RTT */

    /* line 5, and the beginning of line 6's */
    union {
        TAILQ_ENTRY(tcp_conn) accept_link; /* while it waits in an accept queue */
        struct {                           /* receive-buffer auto-tuning, when an application reads */
            uint64_t drs_start_ns;
            uint32_t drs_bytes, drs_copied; /* delivered in the last / this round trip */
        };
    };
    uint32_t loan_bytes;            /* lent to the application: the block stays until it is returned */
    uint32_t snd_up;                /* first octet after urgent data; valid when snd_urgent */
    uint32_t rcv_up;                /* the same of the peer's; valid when rcv_urgent */
    uint32_t answered, answered_ms; /* the last segment without text, outside the window, that was answered; when, 0: none was */
    uint32_t fastopen_id;           /* SYN-RECEIVED by Fast Open: the listener in whose count it is; 0 otherwise */

    /* line 6: sending; sent begins before it, and cc goes on behind */
    struct sent_map sent;
    struct sndq sndq;
    struct rtt rtt;
    struct cc cc;

    uint32_t iss, irs;

    /* line 9: leaving; of the path, source and next hop stand before it */
    struct ip_path path;
    struct tcp_user_opts *opt; /* shared: written in tcp_setopt only */
    uint32_t last_snd;         /* when the last segment left, in units of 2^20 ns */
    uint32_t flow;             /* IPv6 flow label; 0: not computed yet */
    uint32_t ts_offset;        /* of our timestamps' clock, per connection */
    uint32_t timer_tick;       /* when the wheel node is due, as a deadline; no later than any of them */
    uint32_t snd_sml;          /* end of the last segment sent that was not full (Nagle), when small_out */
    uint16_t max_frame_bytes;  /* payload of a frame that is cut into segments; 0: there are none */
    uint16_t rcv_wnd;          /* what the window field says, when wnd_settled */

    struct wheel_node timer;
    struct prr prr;
    struct rack rack;
    struct undo undo;
    struct rate *rate;               /* delivery-rate state, of algorithms that work from it; NULL otherwise */
    struct tcp_mtup *mtup;           /* NULL: no search */
    uint16_t dsack_dups, reord_seen; /* DSACKs received; ACKs that showed reordering; neither counts further than that */
    uint16_t tfo_bytes;              /* of data in our SYN */
    uint8_t tfo;                     /* enum tfo_plan, of a client in SYN-SENT */
    bool oob_have : 1;               /* oob_byte arrived and was not read with MSG_OOB */
    bool oob_taken : 1;
    bool gone : 1;           /* tcp_free was called, and the block is there for what it has lent */
    bool fastopen_renew : 1; /* the SYN,ACK carries a new cookie: the one that came was of the key before */
    bool bound : 1;          /* in the bucket of bound sockets */
    bool port_held : 1;      /* counted in port_use */
    bool connect_done : 1;   /* connect() has reported success */
    uint64_t ack_tat_ns;     /* rate limit of challenge and out-of-window ACKs: when the next one would be exactly on time */
    uint64_t syn_sent_ns;    /* the last time; 0: it is not known */
    uint64_t pace_next_ns;   /* of a paced connection: the next burst goes at this time */
    union {
        struct tcp_conn *listener; /* of one that waits: whose accept queue it is in */
        struct tcp_listener *lis;  /* of a listener; NULL of any other */
    };
    struct tcp_conn *bound_next;    /* bucket of bound sockets */
    TAILQ_ENTRY(tcp_conn) wnd_link; /* when wnd_waits */

    _Alignas(64) struct sock sock; /* while sk says so */
};

/* Where the lines begin. */
#define TCP_LINE(field, line) _Static_assert(offsetof(struct tcp_conn, field) == 64 * (line), #field " begins a cache line")
TCP_LINE(ent, TCP_LINE_WHO);
TCP_LINE(reass, TCP_LINE_WHO + 1);
TCP_LINE(deadline[TT_TLP], TCP_LINE_SEG);
TCP_LINE(cwv.round_end, TCP_LINE_SEG + 1);
TCP_LINE(rcvq, TCP_LINE_IN);
TCP_LINE(drs_start_ns, TCP_LINE_IN + 1);
TCP_LINE(sent.ring, TCP_LINE_SND);
TCP_LINE(cc.ops, TCP_LINE_SND + 1);
TCP_LINE(path.nif, TCP_LINE_OUT);
TCP_LINE(timer, TCP_LINE_OUT + 1);
_Static_assert(sizeof(struct tcp_conn) <= 960, "a class of the arena: a million connections are as many blocks of it");

static inline struct tcp_conn *tcp_conn_of(struct tcp_entry *e)
{
    return container_of_ptr(e, struct tcp_conn, ent);
}

/* Of a listener; NULL: it is none. */
static inline struct tcp_listener *tcp_lis(const struct tcp_conn *tc)
{
    return tc->waits ? NULL : tc->lis;
}

/* What TIME-WAIT must know (timewait.c). */
struct tcp_tw {
    struct tcp_entry ent;
    TAILQ_ENTRY(tcp_tw) link;
    uint64_t ends_ns;
    uint64_t ack_tat_ns; /* as in tcp_conn */
    uint32_t snd_nxt, rcv_nxt;
    uint32_t ts_recent, ts_offset;
    uint16_t wnd; /* as on the wire */
    uint8_t wscale, tos;
    bool ts_on;
    int16_t ttl;
};

static inline struct tcp_tw *tcp_tw_of(struct tcp_entry *e)
{
    return container_of_ptr(e, struct tcp_tw, ent);
}

/* A received segment, parsed. seq..end covers SYN and FIN. */
struct tcp_seg {
    struct tcp_hdr h;
    struct tcp_opts o;
    uint32_t len; /* payload bytes */
    uint32_t wnd; /* scaled */
    bool reopens; /* a SYN that ended TIME-WAIT: the new initial sequence number must be beyond */
    uint32_t iss_floor;
};

#define TCP_SND_TICK_SHIFT 20u /* 1 ms: it comes round after 52 days */
static inline uint32_t tcp_snd_tick(const struct z_stack *s)
{
    return (uint32_t)(s->now_ns >> TCP_SND_TICK_SHIFT);
}

/* Doublings of the timeout. */
static inline uint8_t tcp_backoff(const struct tcp_conn *tc)
{
    return unlikely(tc->unanswered) ? tc->backoff : 0;
}

/* Memory held for the reader and behind holes. */
static inline uint32_t tcp_rcv_held(const struct tcp_conn *tc)
{
    return tc->rcvq.charged_bytes + (unlikely(tc->rcv_holes) ? reass_charged_bytes(&tc->reass) : 0);
}

/* What all connections together may hold for readers, or have lent, is reached: windows do not open. */
static inline bool tcp_rcv_limit_reached(const struct z_stack *s)
{
    return s->tcp.rcv_charged_bytes >= s->conf.rcv_limit_bytes || stack_loan_bytes(s) >= s->conf.loan_limit_bytes;
}

/* The last segment sent was not full. */
static inline void tcp_sent_small(struct tcp_conn *tc)
{
    tc->snd_sml = tc->snd_nxt;
    tc->small_out = true;
}

/* In-order payload since the last ACK was sent. */
static inline uint32_t tcp_rcv_unacked(const struct tcp_conn *tc)
{
    return tc->rcv_nxt - tc->last_ack_sent;
}

static inline bool tcp_synchronized(const struct tcp_conn *tc)
{
    return tc->state >= TCPS_ESTABLISHED;
}

/* May data flow? With Fast Open before the handshake is complete. */
static inline bool tcp_talks(const struct tcp_conn *tc)
{
    return tcp_synchronized(tc) || tc->fastopen_id != 0;
}

/* Sequence number after everything sent. */
static inline uint32_t tcp_in_flight(const struct tcp_conn *tc)
{
    return tc->snd_nxt - tc->snd_una;
}

/* sockopt_open.c */
int tcp_setopt_open(struct z_stack *s, struct tcp_conn *tc, int name, int v);
#define TCP_NO_OPTION INT64_MIN /* of the functions that return the value of an integer option: there is none of that name */
int64_t tcp_getopt_open(const struct z_stack *s, const struct tcp_conn *tc, int name);

/* sockopt_ip.c */
int tcp_setopt_ip(struct z_stack *s, struct tcp_conn *tc, int name, int v);
int tcp_setopt_ip6(struct tcp_conn *tc, int name, int v);
int64_t tcp_getopt_ip(const struct tcp_conn *tc, int name);
int tcp_getopt_ip6(const struct z_stack *s, const struct tcp_conn *tc, int name, int *v);

/* conn.c */
struct tcp_conn *tcp_create_child(struct z_stack *s, const struct tcp_conn *listener); /* with its options; as tcp_create */
void tcp_set_state(struct z_stack *s, struct tcp_conn *tc, enum tcp_st to);
void tcp_free(struct z_stack *s, struct tcp_conn *tc); /* returns the block and all it holds, at once; the block with its last loan */
void tcp_drop_conn(struct z_stack *s, struct tcp_conn *tc,
                   int err);                                 /* ends it: error to the application, CLOSED, freed when nobody holds it */
void tcp_release(struct z_stack *s, struct tcp_conn *tc);    /* the protocol is done: CLOSED, freed when nobody holds it */
void tcp_rcv_charge(struct z_stack *s, struct tcp_conn *tc); /* brings the stack's account up to date with rcvq and reass */
struct tcp_conn *tcp_conn_by_id(const struct z_stack *s, uint32_t id);
uint32_t tcp_ts_clock(const struct z_stack *s);                          /* 1 ms */
uint32_t tcp_ts_now(const struct z_stack *s, const struct tcp_conn *tc); /* the same, as this connection's peer sees it */
void tcp_isn(const struct z_stack *s, const struct tcp_entry *e, uint32_t *iss, uint32_t *ts_offset);
uint8_t tcp_choose_wscale(const struct z_stack *s, const struct tcp_conn *tc);
uint16_t tcp_syn_window(const struct tcp_conn *tc, uint32_t rcv_ratio);
bool tcp_conn_limit_ok(struct z_stack *s);

/* pending.c */
int tcp_pending_init(struct tcp_pending *q, uint32_t max_conns); /* 0 or -ENOMEM */
void tcp_pending_fini(struct tcp_pending *q);
void tcp_mark_dirty(struct z_stack *s, struct tcp_conn *tc);

/* table.c */
size_t tcp_table_places(const struct stack_conf *c); /* a power of two: half as many again as there may be entries */
struct tcp_entry *tcp_table_find(const struct z_stack *s, const struct inaddr *laddr, const struct inaddr *raddr, uint16_t lport,
                                 uint16_t rport);
void tcp_table_insert(struct z_stack *s, struct tcp_entry *e, enum tcp_kind kind); /* the tuple is set */
void tcp_table_replace(struct z_stack *s, struct tcp_entry *old, struct tcp_entry *e,
                       enum tcp_kind kind); /* e takes old's tuple and place */
void tcp_table_remove(struct z_stack *s, struct tcp_entry *e);
struct tcp_conn *tcp_listen_find(const struct z_stack *s, const struct inaddr *laddr, const struct inaddr *raddr, uint16_t lport,
                                 uint16_t rport);
void tcp_port_hold(struct z_stack *s, struct tcp_conn *tc, uint16_t port); /* sets lport */
void tcp_port_release(struct z_stack *s, struct tcp_conn *tc);
bool tcp_port_conflict(const struct z_stack *s, const struct tcp_conn *tc, const struct inaddr *a, uint16_t port);
uint16_t tcp_port_ephemeral(struct z_stack *s, const struct tcp_conn *tc, const struct inaddr *raddr, uint16_t rport); /* 0: none free */
bool tcp_tuple_free(const struct z_stack *s, const struct inaddr *laddr, const struct inaddr *raddr, uint16_t lport,
                    uint16_t rport); /* for a connection that we open: unused, or in a TIME-WAIT that yields */
void tcp_bound_insert(struct z_stack *s, struct tcp_conn *tc);
void tcp_bound_remove(struct z_stack *s, struct tcp_conn *tc);

/* closed.c */
void tcp_closed_input(struct z_stack *s, const struct ip_in *in, const struct tcp_seg *g);
void tcp_reset_reply(struct z_stack *s, const struct ip_in *in, const struct tcp_seg *g); /* the RST that answers a segment */

/* listen.c */
void tcp_listen_input(struct z_stack *s, struct tcp_conn *lc, const struct ip_in *in, struct tcp_seg *g, struct rte_mbuf *m);
bool tcp_accept_queue_full(const struct tcp_listener *l);
void tcp_listen_queue(struct z_stack *s, struct tcp_conn *lc, struct tcp_conn *tc); /* to be accepted */
void tcp_listen_unlink(struct tcp_conn *tc);                                        /* off the accept queue */
void tcp_listen_close(struct z_stack *s, struct tcp_conn *lc); /* LISTEN to CLOSED: what was not accepted moves, or is reset */
struct tcp_conn *tcp_listen_heir(const struct z_stack *s, const struct tcp_conn *lc,
                                 const struct tcp_entry *e); /* who takes over e from lc, which listens no more; NULL: nobody */

/* synsent.c, slow.c, fast.c, timewait.c */
void tcp_synsent_input(struct z_stack *s, struct tcp_conn *tc, const struct ip_in *in, const struct tcp_seg *g, struct rte_mbuf *m);
void tcp_slow_input(struct z_stack *s, struct tcp_conn *tc, const struct ip_in *in, struct tcp_seg *g, struct rte_mbuf *m);
bool tcp_fast_input(struct z_stack *s, struct tcp_conn *tc, const struct tcp_hdr *h, const uint8_t *opts, uint8_t tos, struct rte_mbuf *m);
void tcp_timewait_enter(struct z_stack *s, struct tcp_conn *tc);
bool tcp_timewait_input(struct z_stack *s, struct tcp_tw *tw, struct tcp_seg *g, struct rte_mbuf *m); /* false: a new SYN, tw is gone */
bool tcp_timewait_yields(const struct z_stack *s, const struct tcp_tw *tw);                           /* to a connection that we open */
void tcp_timewait_end(struct z_stack *s, struct tcp_tw *tw);
void tcp_timewait_fini(struct z_stack *s);
uint64_t tcp_finwait2_ns(const struct z_stack *s, const struct tcp_conn *tc); /* after close: TCP_LINGER2 or the default */

/* conn.c: what both ways of opening share: sequence numbers, timestamps' offset, window scale, estimators */
void tcp_handshake_init(struct z_stack *s, struct tcp_conn *tc);
void tcp_handshake_start(struct z_stack *s, struct tcp_conn *tc, uint32_t iss, uint32_t ts_offset); /* with numbers chosen before */
uint32_t tcp_iss_beyond(uint32_t iss, uint32_t floor); /* of a new incarnation: not one that the old one used */

/* opts.c */
void tcp_opts_agree(const struct z_stack *s, const struct inaddr *peer, const struct tcp_opts *o,
                    struct tcp_agreed *a); /* from the peer's SYN */
void tcp_opts_apply(struct z_stack *s, struct tcp_conn *tc, const struct tcp_agreed *a);
void tcp_mss_update(struct z_stack *s, struct tcp_conn *tc);
void tcp_frame_update(struct tcp_conn *tc); /* max_frame_bytes, of the path and the MSS */
uint16_t tcp_mss_to_announce(const struct z_stack *s, const struct ip_path *path, const struct tcp_user_opts *uo);
uint16_t tcp_mss_default(const struct inaddr *peer);                                    /* of a peer that announces none */
uint32_t tcp_mss_for(const struct z_stack *s, const struct tcp_conn *tc, uint32_t mtu); /* payload and options in a packet of mtu bytes */

/* mtu.c */
bool tcp_path_refresh(struct z_stack *s, struct tcp_conn *tc); /* looks the path up again; false: there is none */
uint16_t tcp_path_mtu(const struct tcp_conn *tc);              /* what segments are cut for */
void tcp_too_big(struct z_stack *s, struct tcp_conn *tc, const struct icmp_err *e);
void tcp_mtup_established(struct z_stack *s, struct tcp_conn *tc);
enum tcp_mtup_verdict tcp_mtup_next(struct z_stack *s, struct tcp_conn *tc, uint32_t *probe_len); /* mtup is not NULL */
void tcp_mtup_probe_sent(struct z_stack *s, struct tcp_conn *tc, uint32_t len);
void tcp_mtup_acked(struct z_stack *s, struct tcp_conn *tc);   /* snd_una moved; mtup is not NULL */
bool tcp_mtup_lost(struct z_stack *s, struct tcp_conn *tc);    /* recovery is about to begin: for a lost probe alone, true: it shall not */
void tcp_mtup_timeout(struct z_stack *s, struct tcp_conn *tc); /* after rexmt_count timeouts */
void tcp_mtup_free(struct z_stack *s, struct tcp_conn *tc);

/* ack.c */
void tcp_ack_input(struct z_stack *s, struct tcp_conn *tc, const struct tcp_seg *g);
void tcp_established(struct z_stack *s, struct tcp_conn *tc, const struct tcp_seg *g); /* the handshake is complete */

/* data.c */
void tcp_data_input(struct z_stack *s, struct tcp_conn *tc, const struct tcp_seg *g, struct rte_mbuf *m);
void tcp_urgent_input(struct z_stack *s, struct tcp_conn *tc, const struct tcp_seg *g);
void tcp_fin_input(struct z_stack *s, struct tcp_conn *tc);
void tcp_report_dup(struct tcp_conn *tc, uint32_t start, uint32_t end);

/* window.c */
uint32_t tcp_rcv_window(const struct z_stack *s, const struct tcp_conn *tc); /* what may be advertised, from rcv_nxt */
uint16_t tcp_rcv_wnd(struct z_stack *s, struct tcp_conn *tc);                /* the same as the window field has it */
void tcp_window_opened(struct z_stack *s, struct tcp_conn *tc);              /* the application took data: update if worth it */
void tcp_window_waits(struct z_stack *s, struct tcp_conn *tc, bool waits);   /* for memory of all together: in the list, or not */
bool tcp_windows_are_due(const struct z_stack *s);                           /* there is memory for the first in it */
void tcp_windows_open(struct z_stack *s);                                    /* updates for these: at most so many a turn */
void tcp_rcv_measure(struct tcp_conn *tc, uint32_t len, uint32_t seg_bytes, uint32_t truesize); /* len bytes came, in such segments */
void tcp_rcv_collapse(struct z_stack *s, struct tcp_conn *tc);
void tcp_rcv_autotune(struct z_stack *s, struct tcp_conn *tc, uint32_t delivered_bytes);
void tcp_snd_autotune(struct z_stack *s, struct tcp_conn *tc);

/* output.c */
void tcp_output(struct z_stack *s, struct tcp_conn *tc);
bool tcp_output_probe(struct z_stack *s, struct tcp_conn *tc, bool *retrans); /* a tail loss probe; false: nothing could be sent */
uint32_t tcp_eff_mss(const struct tcp_conn *tc);                              /* payload per data segment, options subtracted */

/* seg.c: builds and sends one segment; 0, or -ENOBUFS when no buffer or no room: nothing was sent. */
int tcp_send_segment(struct z_stack *s, struct tcp_conn *tc, uint32_t seq, uint32_t len, uint8_t flags);
int tcp_send_frame(struct z_stack *s, struct tcp_conn *tc, uint32_t seq, uint32_t len, uint32_t seg_bytes,
                   uint8_t flags); /* the same, of segments of seg_bytes where len is more */
int tcp_send_syn(struct z_stack *s, struct tcp_conn *tc);
void tcp_open_send(struct z_stack *s, struct tcp_conn *tc);        /* the same; what finds no buffer goes with the next turn's output */
int tcp_send_ack(struct z_stack *s, struct tcp_conn *tc);          /* a pure ACK, now */
bool tcp_ack_allowed(struct z_stack *s, uint64_t *tat_ns);         /* may one more be sent within the limit of this connection? */
void tcp_send_ack_limited(struct z_stack *s, struct tcp_conn *tc); /* within the rate limit: challenge, out of window */
void tcp_push_header(struct rte_mbuf *m, const struct tcp_hdr *fixed, const struct tcp_opts *o);
void tcp_send_rst(struct z_stack *s, struct tcp_conn *tc);                   /* of a synchronized connection */
uint32_t tcp_seg_fit(const struct tcp_conn *tc, uint32_t seq, uint32_t len); /* bytes of [seq, seq + len) that one segment may gather */
uint32_t tcp_frame_fit(const struct tcp_conn *tc, uint32_t seq, uint32_t len,
                       uint32_t mss); /* the same of a frame: segments of mss bytes, the last may be shorter; 0: not even the first */

/* rtx.c */
struct tcp_ack_facts {
    uint32_t acked; /* snd_una advanced by this */
    bool dup;       /* a duplicate acknowledgement */
    bool has_dsack;
    bool ecr_known; /* with a timestamp echo */
    struct tcp_sack_block dsack;
};
void tcp_recovery_on_ack(struct z_stack *s, struct tcp_conn *tc, const struct sent_ack *sa, const struct tcp_ack_facts *f);
void tcp_recovery_on_rto(struct z_stack *s, struct tcp_conn *tc);
void tcp_rack_timeout(struct z_stack *s, struct tcp_conn *tc);
uint32_t tcp_pipe(const struct tcp_conn *tc);
int tcp_cut(struct z_stack *s, struct tcp_conn *tc, uint32_t seq); /* 0, or -errno of sent_split */
uint32_t tcp_mark_first_lost(struct z_stack *s, struct tcp_conn *tc);
void tcp_sent_again(struct tcp_conn *tc, uint32_t len, bool first); /* a segment was retransmitted, for the first time? */

/* tlp.c */
void tcp_tlp_schedule(struct z_stack *s, struct tcp_conn *tc);
void tcp_tlp_timeout(struct z_stack *s, struct tcp_conn *tc);
bool tcp_tlp_on_ack(struct z_stack *s, struct tcp_conn *tc, const struct tcp_ack_facts *f,
                    bool sack_info); /* true: its DSACK was the probe's */

/* congestion.c */
struct tcp_cc_event { /* an ACK, as congestion control sees it */
    const struct sent_ack *sa;
    uint32_t acked, pipe; /* by the cumulative ACK; in flight before it */
    uint32_t lost_before; /* sent.lost_total before it */
    bool recovering;      /* fast recovery was under way when it came */
    bool ece;
};
void tcp_cc_start(struct z_stack *s, struct tcp_conn *tc, uint32_t init_cwnd_bytes); /* established: what opt.cc says */
void tcp_cc_set(struct z_stack *s, struct tcp_conn *tc, const struct cc_ops *ops);   /* for the future, and at once when established */
void tcp_cc_free(struct z_stack *s, struct tcp_conn *tc);
void tcp_cc_on_ack(struct z_stack *s, struct tcp_conn *tc, const struct tcp_cc_event *e);
void tcp_cc_lost(struct z_stack *s, struct tcp_conn *tc, uint32_t in_flight_bytes); /* fast recovery begins */
void tcp_cc_repaired(struct z_stack *s, struct tcp_conn *tc);                       /* a loss was found and repaired in one */
void tcp_cc_timeout(struct z_stack *s, struct tcp_conn *tc);
void tcp_cc_marked(struct z_stack *s, struct tcp_conn *tc, uint32_t in_flight_bytes); /* ECN-Echo, once per window */
void tcp_cc_recovered(struct z_stack *s, struct tcp_conn *tc);                        /* the end of tc->ca */
void tcp_cc_undo(struct z_stack *s, struct tcp_conn *tc);                             /* its beginning was an error */
void tcp_cc_restart(struct z_stack *s, struct tcp_conn *tc); /* nothing is in flight, and there is something to send */
void tcp_rate_sent(struct z_stack *s, struct tcp_conn *tc, struct sent_rec *r, uint32_t pipe_before); /* with tc->rate only */
void tcp_pace_unvalidated(const struct z_stack *s, struct tcp_conn *tc);
void tcp_pace_limit(struct z_stack *s, struct tcp_conn *tc, uint64_t bytes_per_sec);
uint64_t tcp_pacing_rate(const struct tcp_conn *tc);
bool tcp_pace_wait(struct z_stack *s, struct tcp_conn *tc);                 /* the next burst is not due yet: the timer is set */
bool tcp_pace_spent(struct z_stack *s, struct tcp_conn *tc, uint32_t len);  /* len bytes left; true: the burst ends with them */
uint32_t tcp_pace_room(const struct z_stack *s, const struct tcp_conn *tc); /* bytes that end the burst */

/* sockopt_cc.c */
struct tcp_info;
int tcp_setopt_congestion(struct z_stack *s, struct tcp_conn *tc, const void *val, unsigned len);
const char *tcp_getopt_congestion(const struct tcp_conn *tc);
int tcp_setopt_pacing(struct z_stack *s, struct tcp_conn *tc, const void *val, unsigned len);
unsigned tcp_getopt_pacing(const struct tcp_conn *tc, uint64_t *val, unsigned len); /* how many bytes of *val: 4 or 8 */
void tcp_info_congestion(const struct tcp_conn *tc, struct tcp_info *i);

/* ecn.c */
bool tcp_ecn_offered(const struct z_stack *s, const struct tcp_user_opts *o, uint8_t syn_flags); /* a SYN asks, and we agree */
uint8_t tcp_ecn_syn_flags(const struct z_stack *s, const struct tcp_conn *tc);
void tcp_ecn_accept(struct z_stack *s, struct tcp_conn *tc, uint8_t flags);
uint8_t tcp_ecn_mark(struct z_stack *s, struct tcp_conn *tc, struct tcp_hdr *h, uint32_t len);
void tcp_ecn_echoed(struct z_stack *s, struct tcp_conn *tc, uint32_t in_flight_bytes);
void tcp_ecn_data(struct z_stack *s, struct tcp_conn *tc, const struct tcp_seg *g, uint8_t tos);
bool tcp_ecn_news(const struct tcp_conn *tc, uint8_t tos);

/* timer.c */
void tcp_timer_set(struct z_stack *s, struct tcp_conn *tc, enum tcp_timer_id t, uint64_t after_ns);
void tcp_timer_stop(struct tcp_conn *tc, enum tcp_timer_id t);
uint64_t tcp_base_rto(const struct z_stack *s, const struct tcp_conn *tc);
void tcp_rexmt_arm(struct z_stack *s, struct tcp_conn *tc);
void tcp_rexmt_restart(struct z_stack *s, struct tcp_conn *tc); /* an ACK advanced; something is in flight */
static inline bool tcp_timer_on(const struct tcp_conn *tc, enum tcp_timer_id t)
{
    switch (t) {
    case TT_PERSIST:
        return tc->persisting;
    case TT_DELACK:
        return tc->delack_on;
    default:
        return tc->deadline[t] != 0;
    }
}

/*
 * When it is due; NS_NEVER: it is off. Deadlines are kept in ticks of the timing wheel, modulo 2^32 (78 hours): one that is further ahead
 * than TCP_TICKS_MAX has passed.
 */
#define TCP_TICKS_MAX (UINT32_C(3) << 29) /* 29.3 hours; the longest time that is not looked at again is orphan_ms, of a day */
static inline uint64_t tcp_deadline_ns(const struct z_stack *s, const struct tcp_conn *tc, enum tcp_timer_id t)
{
    uint64_t now = s->now_ns >> WHEEL_TICK_SHIFT;
    uint32_t ahead = tc->deadline[t] - (uint32_t)now;

    if (tc->deadline[t] == 0)
        return NS_NEVER;
    return (ahead <= TCP_TICKS_MAX ? now + ahead : now - (0u - ahead)) << WHEEL_TICK_SHIFT;
}
void tcp_timers_off(struct z_stack *s, struct tcp_conn *tc);
uint64_t tcp_until_user_timeout(const struct z_stack *s, const struct tcp_conn *tc, uint64_t after_ns);
void tcp_keepalive_restart(struct z_stack *s, struct tcp_conn *tc);
void tcp_rtt_conf(const struct z_stack *s, struct rtt_conf *c);

#endif
