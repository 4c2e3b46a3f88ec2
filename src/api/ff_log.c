#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

#include "api/ff_log_conf.h"
#pragma GCC visibility push(default)
#include "zstack/ff_log.h"
#pragma GCC visibility pop

#include "base/poison.h"

#define TYPES 32

/* Before ff_init, and for programs that never configure it. */
static struct {
    pthread_mutex_t lock; /* of the streams: a file is not closed under a writer */
    FILE *file;           /* ours, from ff_log_open_set */
    FILE *stream;         /* the caller's, from ff_log_reset_stream */
    uint32_t conf_level;
    char path[300];
    uint32_t global_level; /* the levels are read without the lock */
    uint32_t type_level[TYPES];
} logger = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .global_level = FF_LOG_DEBUG,
    .type_level = {[0 ... TYPES - 1] = FF_LOG_INFO},
};

static void set(uint32_t *level, uint32_t v)
{
    __atomic_store_n(level, v, __ATOMIC_RELAXED);
}

static uint32_t get(const uint32_t *level)
{
    return __atomic_load_n(level, __ATOMIC_RELAXED);
}

void ff_log_configure(uint32_t level, const char *prefix, int proc_id)
{
    pthread_mutex_lock(&logger.lock);
    logger.conf_level = level < FF_LOG_DEBUG ? level : FF_LOG_DEBUG;
    snprintf(logger.path, sizeof(logger.path), "%s%d.log", prefix, proc_id);
    pthread_mutex_unlock(&logger.lock);
}

static void close_locked(void)
{
    if (logger.file != NULL)
        fclose(logger.file);
    logger.file = NULL;
}

/* with the lock: the file, opened when it is not */
static int open_locked(void)
{
    FILE *f = fopen(logger.path, "ae");

    if (f == NULL)
        return -1;
    close_locked();
    logger.file = f;
    return 0;
}

int ff_log_open_set(void)
{
    int r = 0;

    pthread_mutex_lock(&logger.lock);
    if (logger.conf_level != FF_LOG_DISABLE)
        r = open_locked();
    if (r == 0) {
        set(&logger.global_level, logger.conf_level);
        for (int i = 0; i < TYPES; i++)
            if (get(&logger.type_level[i]) < logger.conf_level)
                set(&logger.type_level[i], logger.conf_level);
    }
    pthread_mutex_unlock(&logger.lock);
    return r;
}

void ff_log_close(void)
{
    pthread_mutex_lock(&logger.lock);
    close_locked();
    pthread_mutex_unlock(&logger.lock);
}

int ff_log_reset_stream(void *f)
{
    pthread_mutex_lock(&logger.lock);
    logger.stream = f;
    pthread_mutex_unlock(&logger.lock);
    return 0;
}

void ff_log_set_global_level(uint32_t level)
{
    set(&logger.global_level, level < FF_LOG_DEBUG ? level : FF_LOG_DEBUG);
}

int ff_log_set_level(uint32_t logtype, uint32_t level)
{
    if (logtype >= TYPES || level > FF_LOG_DEBUG) {
        errno = EINVAL;
        return -1;
    }
    set(&logger.type_level[logtype], level);
    return 0;
}

int ff_vlog(uint32_t level, uint32_t logtype, const char *format, va_list ap)
{
    FILE *out;
    int r;

    if (logtype >= TYPES || level == FF_LOG_DISABLE || level > FF_LOG_DEBUG) {
        errno = EINVAL;
        return -1;
    }
    if (level > get(&logger.global_level) || level > get(&logger.type_level[logtype]))
        return 0;
    pthread_mutex_lock(&logger.lock);
    out = logger.stream != NULL ? logger.stream : logger.file != NULL ? logger.file : stderr;
    r = vfprintf(out, format, ap);
    if (r >= 0 && fflush(out) != 0)
        r = -1;
    pthread_mutex_unlock(&logger.lock);
    return r < 0 ? -1 : r;
}

int ff_log(uint32_t level, uint32_t logtype, const char *format, ...)
{
    va_list ap;
    int r;

    va_start(ap, format);
    r = ff_vlog(level, logtype, format, ap);
    va_end(ap);
    return r;
}
