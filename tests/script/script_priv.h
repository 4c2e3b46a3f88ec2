/* What the two halves of the script machinery share: the running script. */
#ifndef TESTS_SCRIPT_SCRIPT_PRIV_H
#define TESTS_SCRIPT_SCRIPT_PRIV_H

#include "script.h"

#include "port/mem.h"

#define SCRIPT_FDS 600
#define SCRIPT_FLOWS 600
#define SCRIPT_QUEUE 4096
#define SCRIPT_LINE 200
#define SCRIPT_LOG 4000
#define FRAME_MAX 2100

/* One peer port: the numbers of both sides. */
struct flow {
    uint16_t port, lport;
    bool iss_known, ts_known, ts_on;
    uint32_t iss, peer_isn;
    uint32_t ts_base; /* the stack's timestamp clock at virtual time 0 */
    uint32_t ts_first, ts_last;
};

struct sent_frame {
    uint64_t at_ns;
    uint32_t len;
    uint8_t data[FRAME_MAX];
};

struct script {
    struct stack_conf conf;
    struct z_stack *s;
    struct port *port;
    struct mem_frames *frames;
    struct netif *nif;
    size_t arena_bytes;
    uint64_t now_ns;
    bool holding, gathering, ending, failed;
    bool plain;  /* frames have one segment */
    bool merges; /* the port cuts frames into segments, and merges segments */
    uint32_t arps; /* answered since the last look */
    uint32_t head, tail;
    struct sent_frame queue[SCRIPT_QUEUE];
    uint32_t n_flows;
    struct flow flow[SCRIPT_FLOWS];
    uint32_t n_fds;
    int fd[SCRIPT_FDS];
    uint32_t snd_pos[SCRIPT_FDS], rcv_pos[SCRIPT_FDS];
    int listener;
    uint16_t listener_port;
    struct seg last;
    uint32_t n_log;
    char log[SCRIPT_LOG][SCRIPT_LINE];
};

extern struct script S;

static inline uint32_t script_ip_bytes(void)
{
    return v6() ? 40 : 20;
}

extern const uint8_t script_peer_mac[6], script_our_mac[6];

void script_start(void); /* makes the stack when there is none */
void script_frame(uint8_t *b, const uint8_t *dst, const struct inaddr *from, const struct inaddr *to, uint8_t proto, uint32_t l4);
void script_deliver(const uint8_t *p, uint32_t len);
double script_at(uint64_t ns); /* seconds of the script */
void script_turn(void);        /* a turn of the loop, unless begin() holds it back */
struct flow *script_flow(uint16_t port);
uint8_t script_pattern(bool from_peer, uint32_t rel_seq);
void script_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void script_fail(const char *file, int line, const char *fmt, ...) __attribute__((format(printf, 3, 4), noreturn));

#endif
