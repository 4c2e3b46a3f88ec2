#include "port/procs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_lcore.h>
#include <rte_mempool.h>

#define MAX_PROCS 64u

/* Locks of open files are the kernel's to give back. */
static int lock_fd[MAX_PROCS]; /* 0: not open */

static int open_lock(unsigned number)
{
    char path[PATH_MAX];
    int fd;

    if (number >= MAX_PROCS)
        return -EINVAL;
    if (lock_fd[number] > 0)
        return lock_fd[number];
    snprintf(path, sizeof(path), "%s/zstack_proc%u", rte_eal_get_runtime_dir(), number);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    lock_fd[number] = fd;
    return fd;
}

static int lock(int fd, short type)
{
    struct flock l = {.l_type = type, .l_whence = SEEK_SET};

    if (fcntl(fd, F_OFD_SETLK, &l) == 0)
        return 0;
    return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
}

int port_proc_take(unsigned number)
{
    int fd = open_lock(number);

    return fd < 0 ? fd : lock(fd, F_WRLCK);
}

bool port_proc_hold(unsigned number)
{
    int fd = open_lock(number);

    return fd >= 0 && lock(fd, F_WRLCK) == 0;
}

void port_proc_release(unsigned number)
{
    (void)lock(lock_fd[number], F_UNLCK);
}

void port_proc_forked(void)
{
    for (unsigned i = 0; i < MAX_PROCS; i++)
        if (lock_fd[i] > 0)
            close(lock_fd[i]); /* the lock stays the parent's */
}

static void drop_cache(struct rte_mempool *mp, void *arg)
{
    struct rte_mempool_cache *cache = rte_mempool_default_cache(mp, rte_lcore_id());

    (void)arg;
    if (cache != NULL)
        cache->len = 0;
}

void port_proc_drop_caches(void)
{
    rte_mempool_walk(drop_cache, NULL);
}
