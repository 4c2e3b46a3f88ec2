#include "ip/nd.h"

#include <errno.h>

#include "ip/nd_state.h"

#include "base/poison.h"

int nd_init(struct z_stack *s)
{
    s->nd = arena_alloc(&s->arena, sizeof(*s->nd));
    if (!s->nd)
        return -ENOMEM;
    for (uint8_t i = 0; i < STACK_MAX_NETIFS; i++) {
        struct nd_if *n = &s->nd->nif[i];

        n->nif = i;
        n->timer.kind = TIMER_ND;
        n->rs_next_ns = n->reachable_renew_ns = NS_NEVER;
    }
    return 0;
}

void nd_fini(struct z_stack *s)
{
    if (!s->nd)
        return;
    for (uint8_t i = 0; i < STACK_MAX_NETIFS; i++)
        wheel_cancel(&s->wheel, &s->nd->nif[i].timer);
    arena_free(&s->arena, s->nd, sizeof(*s->nd));
    s->nd = NULL;
}

static void run(struct z_stack *s, struct nd_if *n)
{
    uint64_t next = nd_dad_run(s, n), other = nd_router_run(s, n);

    next = MIN(next, other);
    other = nd_redirect_run(s, n);
    next = MIN(next, other);
    other = nd_slaac_run(s, n);
    wheel_arm(&s->wheel, &n->timer, MIN(next, other));
}

void nd_rearm(struct z_stack *s, struct nd_if *n)
{
    wheel_arm(&s->wheel, &n->timer, s->now_ns);
}

void nd_timer(struct z_stack *s, struct wheel_node *w)
{
    run(s, container_of_ptr(w, struct nd_if, timer));
}
