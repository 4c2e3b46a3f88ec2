/*
 * Waiting for readiness: kqueue, epoll, poll and select on one mechanism. A registration ("watch") sits on the list of its
 * sock; a notice puts it on the ready list of its set; a wait evaluates the ready list against sock_poll() and takes off
 * what is not ready. Idle registrations cost nothing. None of these calls blocks: the API layer waits.
 */
#ifndef SOCK_EVENT_H
#define SOCK_EVENT_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/select.h>

#include "zstack/ff_event.h"

struct z_stack;
struct sock;

/*
 * kqueue(2) as FreeBSD's. changes are applied in order; a failed change is reported as EV_ERROR in events when there is room, else
 * the call returns its -errno; EV_RECEIPT as in the man page. Returns events stored, or -errno. kqueue_create() sets sk->kq.
 */
struct kqueue *kqueue_create(struct z_stack *s, struct sock *sk);
void kqueue_destroy(struct z_stack *s, struct kqueue *kq);
int kqueue_kevent(struct z_stack *s, struct kqueue *kq, const struct kevent *changes, int n_changes, struct kevent *events, int n_events);
bool kqueue_is_ready(struct kqueue *kq); /* a kqueue is itself pollable */

/* epoll(7) as Linux'. Edge-triggered, EPOLLONESHOT, EPOLLRDHUP, EPOLLPRI exact; one event per registration. create sets sk->ep. */
struct epoll_set *epoll_set_create(struct z_stack *s, struct sock *sk);
void epoll_set_destroy(struct z_stack *s, struct epoll_set *ep);
int epoll_set_ctl(struct z_stack *s, struct epoll_set *ep, int op, int fd, const struct epoll_event *ev); /* 0 or -errno */
int epoll_set_collect(struct z_stack *s, struct epoll_set *ep, struct epoll_event *events, int max);      /* events stored, or -EINVAL */
bool epoll_set_is_ready(struct epoll_set *ep);

/*
 * One look, no wait. Results as poll(2) and select(2): number of descriptors with events, or -errno. select's sets are overwritten
 * unless an error is returned, also by 0: a caller that looks again keeps a copy.
 */
int poll_collect(struct z_stack *s, struct pollfd *fds, nfds_t n);
int select_collect(struct z_stack *s, int nfds, fd_set *r, fd_set *w, fd_set *e);

/* SOCK_ bits as Linux' poll and epoll bits: with POLLRDNORM and POLLWRNORM. */
unsigned event_bits(unsigned state);

/* A sock is going away: all registrations on it end. */
void event_forget(struct z_stack *s, struct sock *sk);

/* Timer of EVFILT_TIMER registrations, called by the loop for a wheel node of kind TIMER_KEVENT. */
struct wheel_node;
void event_timer(struct z_stack *s, struct wheel_node *n);

#endif
