/*
 * Packet conversations: one whole stack on an in-memory port, virtual time, and a test that plays the peer.
 *
 *     TEST(syn_is_acknowledged)
 *     {
 *         listen_on(80);
 *         in("S", 0, 0, .o = {MSS(1460)});      a segment arrives; the stack's turn of the loop runs
 *         out("SA", 0, 1, .o = {MSS(1460)});    exactly this segment left, just now
 *         after_ms(1000);                       silence for 1000 ms, then
 *         out("SA", 0, 1, .o = {MSS(1460)});    this one
 *         nothing();
 *     }
 *
 * Sequence numbers are relative to each side's SYN (0), so the first byte of text is 1; the peer's initial number is close to the
 * wrap-around, the stack's is learned. Payload is a pattern of direction and sequence number: both sides check it by content.
 * Of every segment that leaves, these are checked always: addresses, IP and TCP checksums, header lengths, DF, option
 * layout, the timestamp clock, payload; flags, seq, ack, length and options must be as written; the window where .win is
 * written. ARP is answered. A failing expectation prints the conversation so far. The stack is made by the first verb,
 * with the settings in *conf(). Over IPv6 the link's MTU is 20 bytes larger, so that segments are the same. At the end everything is closed, hours pass, and every buffer must have come back.
 */
#ifndef TESTS_SCRIPT_SCRIPT_H
#define TESTS_SCRIPT_SCRIPT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "core/stack.h"
#include "sock/sock.h"
#include "tcp/syncache.h"

#define TEST(name) static void name(void **state_ __attribute__((unused)))
#define T(name) cmocka_unit_test_setup_teardown(name, script_setup, script_teardown)
#define RUN(...)                                                                                                                           \
    int main(int argc, char **argv)                                                                                                        \
    {                                                                                                                                      \
        const struct CMUnitTest tests[] = {__VA_ARGS__};                                                                                   \
        return script_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));                                                           \
    }

/* TCP options of a segment. In an outgoing segment a and b of a timestamp are: any, the echo. */
struct opt {
    uint8_t kind, len;
    uint32_t a, b;
};
/* clang-format off */
#define MSS(n) {2, 4, (n), 0}
#define WS(n) {3, 3, (n), 0}
#define SACKOK {4, 2, 0, 0}
#define SACK(from, to) {5, 10, (from), (to)} /* relative to the SYN of the side whose data is reported; several make one option */
#define TS(val) {8, 10, (val), 0}            /* of in(): the echo is the last value that the stack sent */
#define TS2(val, ecr) {8, 11, (val), (ecr)}  /* of in(): with this echo, relative to the stack's first value */
#define ECHO(ecr) {8, 10, 0, (ecr)}          /* of out() */
#define COOKIE_ECHO(ecr) {8, 12, 0, (ecr)}   /* of out(): the value carries what a SYN cookie cannot */
#define NOP {1, 1, 0, 0}
#define TFO_ASK_OPT {34, 2, 0, 0}            /* the wish for a Fast Open cookie */
#define TFO_OPT(a, b) {34, 10, (a), (b)}     /* a cookie of eight bytes */
#define TFO_ANY {34, 11, 0, 0}               /* of out(): some cookie */
/* clang-format on */
#define SEG_OPTS 12

#define WIN0 (-1)

struct seg {
    const char *flags; /* of "SFRPAUEC" */
    uint32_t seq, ack; /* relative */
    uint32_t len;      /* payload */
    int32_t win;       /* as on the wire; 0: in() sends 65535, out() does not look; WIN0: zero */
    uint16_t urp;
    struct opt o[SEG_OPTS];
    uint16_t port, lport; /* the peer's port, 5000 when 0, and ours */
    bool no_ts;           /* on a connection with timestamps: without the option */
    bool bad_cksum, bcast_mac;
    uint32_t src, dst;  /* of in(): other addresses */
    uint8_t hlen;       /* of in(): a false data offset, bytes */
    const uint8_t *raw; /* of in(): option bytes as they are */
    uint8_t raw_len;
    uint8_t ttl, tos; /* of out(): 64 and 0 when 0; of in(): tos */
    bool no_df;       /* of out(): may be fragmented */
};

/* The addresses of a script are written as those of IPv4; over IPv6 they are the last bits of fd00::/64, or what corresponds. */
#define PEER_ADDR 0x0a000002u
#define OUR_ADDR 0x0a000001u
#define PEER_PORT 5000u

#define in(...) script_in(__FILE__, __LINE__, (struct seg){__VA_ARGS__})
#define out(...) script_out(__FILE__, __LINE__, (struct seg){__VA_ARGS__})
#define out_any() script_out_any(__FILE__, __LINE__) /* whatever is well formed; returns it */
#define nothing() script_nothing(__FILE__, __LINE__)
#define quiet_ms(ms) script_quiet(__FILE__, __LINE__, (ms))
#define after_ms(ms) script_after(__FILE__, __LINE__, (ms))
#define skip_ms(ms) script_skip((ms)) /* time passes; what leaves meanwhile is not looked at */
#define skip_all() script_skip_all()  /* forget what left so far; returns how many segments */
#define in_icmp(type, code, mtu, seq) script_icmp(__FILE__, __LINE__, (type), (code), (mtu), (seq)) /* about our segment seq */
#define begin() script_begin() /* until end(): input and calls without output, as one turn of the loop */
#define burst() script_burst() /* until end(): what comes in is there at once, for one turn */
#define end() script_end()
#define check_eq(a, b) script_eq(__FILE__, __LINE__, #a, (long long)(a), (long long)(b))
#define check(a) script_eq(__FILE__, __LINE__, #a, !!(a), 1)

/* Sockets: descriptors of a sock table. */
#define tsock() script_sock()
#define listen_on(port) script_listen(__FILE__, __LINE__, (port), 16)
#define listen_backlog(port, n) script_listen(__FILE__, __LINE__, (port), (n))
#define tbind(fd, port) script_bind((fd), (port))
#define tlisten(fd, n) script_relisten((fd), (n))
#define con(fd) script_connect((fd), PEER_ADDR, PEER_PORT) /* returns 0 or -errno, as all these do */
#define con_to(fd, addr, port) script_connect((fd), (addr), (port))
#define acc(lfd) script_accept((lfd))
#define snd(fd, n) script_eq(__FILE__, __LINE__, "send", script_send((fd), (uint32_t)(n), 0), (n)) /* all of it is taken */
#define snd_flags(fd, n, flags) script_send((fd), (n), (flags))
#define rcv(fd, n) script_eq(__FILE__, __LINE__, "recv", script_recv((fd), (uint32_t)(n), 0), (n)) /* exactly that many, of the pattern */
#define rcv_flags(fd, n, flags) script_recv((fd), (n), (flags))
#define oob(fd) script_oob((fd), 0) /* a byte of urgent data or -errno */
#define shut(fd, how) script_eq(__FILE__, __LINE__, "shutdown", script_shutdown((fd), (how)), 0)
#define shut_ret(fd, how) script_shutdown((fd), (how))
#define cls(fd) script_close((fd))
#define sopt(fd, level, name, val) script_eq(__FILE__, __LINE__, "setsockopt", script_setopt((fd), (level), (name), (val)), 0)
#define gopt(fd, level, name) script_getopt((fd), (level), (name))
#define linger(fd, on, seconds) script_linger((fd), (on), (seconds))
#define so_error(fd, err) script_eq(__FILE__, __LINE__, "SO_ERROR", script_getopt((fd), SOL_SOCKET, SO_ERROR), (err))
#define polls(fd) script_poll((fd))
#define state_is(st) script_state(__FILE__, __LINE__, PEER_PORT, (st))
#define state_of(port, st) script_state(__FILE__, __LINE__, (port), (st))
#define tconn(fd) script_conn((fd))

/* Handshakes, checked, with the options that the peer offers. The other side's choice and the first ACK as they must be. */
struct hs {
    uint16_t mss;     /* 0: 1460; 1: no option */
    int32_t win;      /* of the handshake's last segment from the peer; 0: 65535, WIN0 */
    uint8_t ws_plus1; /* 0: no window scaling */
    bool sack, ts;
    uint16_t port;
    uint32_t rtt_ms; /* of passive(): between the SYN,ACK and its acknowledgement */
};
#define passive(...) script_passive(__FILE__, __LINE__, (struct hs){__VA_ARGS__}) /* on port 80; listens when nobody does */
#define active(...) script_active(__FILE__, __LINE__, (struct hs){__VA_ARGS__})
#define active_on(fd, ...) script_active_on(__FILE__, __LINE__, (fd), (struct hs){__VA_ARGS__})

/* A fresh stack, with a connection in the state; the sequence numbers are then snd_nxt_in(st) and rcv_nxt_in(st). */
#define reach(st) script_reach(__FILE__, __LINE__, (st))
#define reach_active(st) script_reach_active(__FILE__, __LINE__, (st))
uint32_t snd_nxt_in(enum tcp_st st);
uint32_t rcv_nxt_in(enum tcp_st st);

void fresh(void);                    /* a new stack in the same test: everything before is closed and checked */
void new_incarnation(uint32_t base); /* the peer's sequence numbers are relative to base from now on, ours are learned anew */
uint64_t now_ms(void);
struct stack_conf *conf(void);
void plain_port(void);               /* before the first verb: no frames of several segments */
void merging_port(void);             /* before the first verb: the port cuts frames into segments, and merges segments of one burst */
bool v6(void);                       /* the script runs over IPv6 (SCRIPT_VARIANT=ipv6) */
struct z_stack *stack(void);
void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
struct seg script_last(void); /* the last segment that out() accepted: what was not checked */

struct inaddr script_addr(uint32_t v4);
int script_main(int argc, char **argv, const struct CMUnitTest *tests, size_t n);
int script_setup(void **state);
int script_teardown(void **state);
void script_in(const char *file, int line, struct seg g);
void script_out(const char *file, int line, struct seg g);
struct seg script_out_any(const char *file, int line);
void script_nothing(const char *file, int line);
void script_quiet(const char *file, int line, uint64_t ms);
void script_after(const char *file, int line, uint64_t ms);
void script_skip(uint64_t ms);
unsigned script_skip_all(void);
void script_icmp(const char *file, int line, uint8_t type, uint8_t code, uint16_t mtu, uint32_t seq);
void script_begin(void);
void script_burst(void);
void script_end(void);
void script_eq(const char *file, int line, const char *what, long long got, long long want);
int script_sock(void);
int script_listen(const char *file, int line, uint16_t port, int backlog);
int script_bind(int fd, uint16_t port);
int script_relisten(int fd, int backlog);
int script_connect(int fd, uint32_t addr, uint16_t port);
int script_accept(int fd);
long script_send(int fd, uint32_t n, int flags);
long script_recv(int fd, uint32_t n, int flags);
int script_oob(int fd, int flags);
int script_shutdown(int fd, int how);
int script_close(int fd);
int script_setopt(int fd, int level, int name, int val);
int script_getopt(int fd, int level, int name);
void script_linger(int fd, int on, int seconds);
unsigned script_poll(int fd);
void script_state(const char *file, int line, uint16_t port, enum tcp_st st);
struct tcp_conn *script_conn(int fd);
uint32_t script_flow_iss(uint16_t port);        /* our initial sequence number, as last seen */
struct tcp_synent *script_entry(uint16_t port); /* the SYN cache's entry of that peer port */
int script_passive(const char *file, int line, struct hs h);
int script_active(const char *file, int line, struct hs h);
int script_active_on(const char *file, int line, int fd, struct hs h);
int script_reach(const char *file, int line, enum tcp_st st);
int script_reach_active(const char *file, int line, enum tcp_st st);

#endif
