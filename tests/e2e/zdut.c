/*
 * Socket calls on order, for tests that play the peer packet by packet. Each line of standard input is a tag and a call; its answer is
 * the tag, what the call returned, errno when that was -1, and what it stored. A tag that begins with "&" makes the call in a thread
 * of its own, so that calls may block. Descriptors are the stack's; options are numbers. "waits" with a tag for its text is answered when
 * the call of that tag has come so far: its thread sleeps in a send, a recv, or the call that waits for events.
 *
 * Usage: zdut --conf config.ini (with poll_thread=1)
 */
#include <fcntl.h>
#include <linux/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/types.h>
#include <unistd.h>

#include "../../examples/example.h"
#include "ff_epoll.h"

struct order {
    char tag[16], call[16], text[2048];
    long a[4];
    int n;
};

/* Which thread of this process has come to the wait of its call, by the number in the call's tag. Atomic. */
static pid_t waiter[1024];

static pid_t *waiter_of(const char *tag)
{
    return &waiter[(unsigned)atoi(tag + 1) % (sizeof(waiter) / sizeof(waiter[0]))];
}

/* The next call of this thread is the one that may wait. */
static void about_to_wait(const char *tag)
{
    if (tag[0] == '&')
        __atomic_store_n(waiter_of(tag), gettid(), __ATOMIC_RELEASE);
}

static pthread_mutex_t out = PTHREAD_MUTEX_INITIALIZER;

static void answer(const struct order *o, long ret, const char *extra)
{
    int e = ret == -1 ? errno : 0;

    pthread_mutex_lock(&out);
    printf("%s %ld %d %s\n", o->tag, ret, e, extra);
    fflush(stdout);
    pthread_mutex_unlock(&out);
}

/* Of either family; fe80::1%2 has its scope in numbers. */
static socklen_t address(struct sockaddr_storage *to, const char *text, long port)
{
    struct sockaddr_in *in = (struct sockaddr_in *)to;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)to;
    char ip[INET6_ADDRSTRLEN] = "";
    unsigned scope = 0;

    memset(to, 0, sizeof(*to));
    sscanf(text, "%45[^%]%%%u", ip, &scope);
    if (inet_pton(AF_INET, ip, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)port);
        return sizeof(*in);
    }
    memset(to, 0, sizeof(*to));
    if (inet_pton(AF_INET6, ip, &in6->sin6_addr) != 1)
        die(text);
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons((uint16_t)port);
    in6->sin6_scope_id = scope;
    return sizeof(*in6);
}

static long names(const struct order *o)
{
    int fd = (int)o->a[0], v = (int)o->a[3];
    struct sockaddr_storage to;

    if (strcmp(o->call, "socket") == 0)
        return ff_socket((int)o->a[0], (int)o->a[1], 0);
    if (strcmp(o->call, "bind") == 0 || strcmp(o->call, "connect") == 0) {
        socklen_t len = address(&to, o->text, o->a[1]);
        return (o->call[0] == 'b' ? ff_bind : ff_connect)(fd, (struct linux_sockaddr *)&to, len);
    }
    if (strcmp(o->call, "listen") == 0)
        return ff_listen(fd, (int)o->a[1]);
    if (strcmp(o->call, "accept") == 0)
        return ff_accept(fd, NULL, NULL);
    if (strcmp(o->call, "shutdown") == 0)
        return ff_shutdown(fd, (int)o->a[1]);
    if (strcmp(o->call, "close") == 0)
        return ff_close(fd);
    if (strcmp(o->call, "setfl") == 0)
        return ff_fcntl(fd, F_SETFL, (int)o->a[1]);
    if (strcmp(o->call, "setsockopt") == 0)
        return ff_setsockopt(fd, (int)o->a[1], (int)o->a[2], &v, sizeof(v));
    if (strcmp(o->call, "settimeval") == 0) { /* an option of int given as a struct timeval, as some do */
        struct timeval tv = {.tv_sec = o->a[3]};
        return ff_setsockopt(fd, (int)o->a[1], (int)o->a[2], &tv, sizeof(tv));
    }
    if (strcmp(o->call, "linger") == 0) {
        struct linger l = {.l_onoff = (int)o->a[1], .l_linger = (int)o->a[2]};
        return ff_setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
    }
    errno = ENOSYS;
    return -1;
}

static bool sleeps(pid_t thread)
{
    char path[64], state = ' ';
    FILE *f;

    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", thread);
    f = fopen(path, "r");
    if (f == NULL)
        return false;
    if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
        state = ' ';
    fclose(f);
    return state == 'S';
}

/* From the mark on the thread sleeps nowhere but in the call. One more call of ours: who owns the stack has looked at both. */
static long until_it_waits(const char *tag)
{
    pid_t thread;

    while ((thread = __atomic_load_n(waiter_of(tag), __ATOMIC_ACQUIRE)) == 0 || !sleeps(thread))
        sched_yield();
    return ff_close(ff_socket(AF_INET, SOCK_DGRAM, 0));
}

/* What a set says of the descriptor alone, in milliseconds at most. */
static long by_epoll(const char *tag, int fd, uint32_t events, int ms, char *extra)
{
    struct epoll_event ev = {.events = events, .data.fd = fd};
    int set = ff_epoll_create(1);
    long ret = ff_epoll_ctl(set, EPOLL_CTL_ADD, fd, &ev);

    if (ret == 0) {
        about_to_wait(tag);
        ret = ff_epoll_wait(set, &ev, 1, ms);
    }
    sprintf(extra, "%u", ret == 1 ? ev.events : 0);
    ff_close(set);
    return ret;
}

/* The same of a kqueue: flags, fflags and data of the event. */
static long by_kevent(int fd, short filter, long ms, char *extra)
{
    struct timespec patience = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    struct kevent ev;
    int kq = ff_kqueue();
    long ret;

    EV_SET(&ev, (uintptr_t)fd, filter, EV_ADD, 0, 0, NULL);
    ret = ff_kevent(kq, &ev, 1, &ev, 1, &patience);
    if (ret == 1)
        sprintf(extra, "%u %u %lld", ev.flags, ev.fflags, (long long)ev.data);
    ff_close(kq);
    return ret;
}

static void tell(const struct order *o)
{
    static __thread char buf[1 << 20], extra[2 * 4096 + 64];
    int fd = (int)o->a[0], v = 0;
    socklen_t len = sizeof(v);
    long ret;

    extra[0] = '\0';
    if (strcmp(o->call, "send") == 0) {
        about_to_wait(o->tag);
        ret = ff_send(fd, o->text, strlen(o->text), (int)o->a[1]);
    } else if (strcmp(o->call, "fill") == 0) { /* so many bytes */
        memset(buf, 'x', sizeof(buf));
        ret = ff_send(fd, buf, (size_t)o->a[1], 0);
    } else if (strcmp(o->call, "sendto") == 0) { /* port, so many bytes */
        struct sockaddr_storage to;
        memset(buf, 'x', sizeof(buf));
        ret = ff_sendto(fd, buf, (size_t)o->a[2], 0, (struct linux_sockaddr *)&to, address(&to, o->text, o->a[1]));
    } else if (strcmp(o->call, "recv") == 0) {
        about_to_wait(o->tag);
        ret = ff_recv(fd, buf, (size_t)o->a[1], (int)o->a[2]);
        for (long i = 0; i < ret && i < 4096; i++)
            sprintf(extra + 2 * i, "%02x", (unsigned char)buf[i]);
    } else if (strcmp(o->call, "poll") == 0) {
        struct pollfd p = {.fd = fd, .events = (short)o->a[1]};
        ret = ff_poll(&p, 1, (int)o->a[2]);
        sprintf(extra, "%d", p.revents);
    } else if (strcmp(o->call, "epoll") == 0) {
        ret = by_epoll(o->tag, fd, (uint32_t)o->a[1], (int)o->a[2], extra);
    } else if (strcmp(o->call, "waits") == 0) {
        ret = until_it_waits(o->text);
    } else if (strcmp(o->call, "kevent") == 0) {
        ret = by_kevent(fd, (short)o->a[1], o->a[2], extra);
    } else if (strcmp(o->call, "getsockopt") == 0) {
        ret = ff_getsockopt(fd, (int)o->a[1], (int)o->a[2], &v, &len);
        sprintf(extra, "%d", v);
    } else if (strcmp(o->call, "tcpinfo") == 0) {
        struct tcp_info i = {0};
        len = sizeof(i);
        ret = ff_getsockopt(fd, IPPROTO_TCP, TCP_INFO, &i, &len);
        sprintf(extra, "%u %u %u %u %u %u %u %u", len, i.tcpi_state, i.tcpi_ca_state, i.tcpi_rto, i.tcpi_rtt, i.tcpi_rttvar,
                i.tcpi_snd_cwnd, i.tcpi_reord_seen);
    } else {
        ret = names(o);
    }
    answer(o, ret, extra);
}

static void *tell_in_thread(void *arg)
{
    tell(arg);
    free(arg);
    return NULL;
}

int main(int argc, char **argv)
{
    char line[4096];

    example_init(argc, argv);
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin) != NULL) {
        struct order o = {0}, *copy;
        pthread_t t;

        if (sscanf(line, "%15s %15s %2047s %ld %ld %ld %ld", o.tag, o.call, o.text, &o.a[0], &o.a[1], &o.a[2], &o.a[3]) < 2)
            continue;
        if (o.tag[0] != '&') {
            tell(&o);
            continue;
        }
        __atomic_store_n(waiter_of(o.tag), 0, __ATOMIC_RELAXED);
        copy = malloc(sizeof(*copy));
        *copy = o;
        if (ff_pthread_create(&t, NULL, tell_in_thread, copy) != 0)
            die("thread");
        pthread_detach(t);
    }
    return 0;
}
