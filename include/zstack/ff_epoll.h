/*
 * epoll over ff_ descriptors, with the structure, constants and semantics of Linux' epoll(7): level-triggered unless EPOLLET,
 * one event per registration with all its bits, EPOLLONESHOT, EPOLLRDHUP and EPOLLPRI as there.
 */
#ifndef ZSTACK_FF_EPOLL_H
#define ZSTACK_FF_EPOLL_H

#include <sys/epoll.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A new epoll descriptor; size is ignored but must be positive.
 *
 * @return the descriptor, or -1 with errno EINVAL, EMFILE, ENOMEM.
 */
int ff_epoll_create(int size);

/**
 * Adds, changes or removes (EPOLL_CTL_ADD, _MOD, _DEL) the registration of fd in epfd. *event is copied; it may be NULL for
 * EPOLL_CTL_DEL. A registration lasts until it is removed or until the last descriptor of the socket behind fd is closed.
 *
 * @return 0, or -1 with errno EBADF, EEXIST, ENOENT, EINVAL (epfd is no epoll descriptor, or fd itself; EPOLLEXCLUSIVE where
 *         epoll_ctl(2) forbids it), ELOOP (epoll descriptors that watch each other, or more than five deep), ENOMEM, EFAULT.
 */
int ff_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event);

/**
 * Stores up to maxevents events. timeout in milliseconds, -1: no limit; inside an ff_run callback it returns at once unless
 * configured otherwise.
 *
 * @return the number of events, 0 on timeout, or -1 with errno EBADF, EINVAL (maxevents <= 0, or no epoll descriptor), EFAULT.
 */
int ff_epoll_wait(int epfd, struct epoll_event *events, int maxevents, int timeout);

#ifdef __cplusplus
}
#endif

#endif
