/*
 * The log of F-Stack applications. A message is written when its level is at most the global level and at most the level of
 * its type; exactly as it was given, without time or prefix. Any thread may call; a message is written in one piece.
 *
 * ff_init opens the log that config.ini asks for: nothing with [dpdk] fstack_log_level=0 (the default), else the file
 * fstack_log_file_prefix + process number + ".log". Before that, messages up to FF_LOG_INFO go to stderr.
 */
#ifndef ZSTACK_FF_LOG_H
#define ZSTACK_FF_LOG_H

#include <stdarg.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Types. 0 to 23 are DPDK's own. */
#define FF_LOGTYPE_USER1 24
#define FF_LOGTYPE_USER2 25
#define FF_LOGTYPE_USER3 26
#define FF_LOGTYPE_USER4 27
#define FF_LOGTYPE_USER5 28
#define FF_LOGTYPE_USER6 29
#define FF_LOGTYPE_USER7 30
#define FF_LOGTYPE_USER8 31
#define FF_LOGTYPE_FSTACK_APP FF_LOGTYPE_USER1
#define FF_LOGTYPE_FSTACK_LIB FF_LOGTYPE_USER7

/* Levels. */
#define FF_LOG_DISABLE 0
#define FF_LOG_EMERG 1
#define FF_LOG_ALERT 2
#define FF_LOG_CRIT 3
#define FF_LOG_ERR 4
#define FF_LOG_WARNING 5
#define FF_LOG_NOTICE 6
#define FF_LOG_INFO 7
#define FF_LOG_DEBUG 8

/**
 * Opens the log of the configuration, as ff_init does: for applications that closed it.
 * @return  0, also when the level is 0 and nothing is opened; -1 and errno of fopen(3).
 */
int ff_log_open_set(void);

/** Closes the file that ff_log_open_set opened; messages go to stderr from here on. */
void ff_log_close(void);

/**
 * Messages go to f, a FILE *, which stays the caller's; NULL: to the file of ff_log_open_set, else to stderr.
 * @return  0
 */
int ff_log_reset_stream(void *f);

/** Messages above this level are dropped; FF_LOG_DISABLE drops all. Levels above FF_LOG_DEBUG count as FF_LOG_DEBUG. */
void ff_log_set_global_level(uint32_t level);

/**
 * The same for one type; at the start all are at FF_LOG_INFO, and ff_log_open_set raises them to the configured level.
 * @return  0; -1 and EINVAL: no such type or level.
 */
int ff_log_set_level(uint32_t logtype, uint32_t level);

/**
 * @return  bytes written, 0 when the message is dropped, -1 and errno: EINVAL for a type or a level that does not exist
 *          (0 is not the level of a message), else as fprintf(3).
 */
int ff_log(uint32_t level, uint32_t logtype, const char *format, ...) __attribute__((format(printf, 3, 4)));
int ff_vlog(uint32_t level, uint32_t logtype, const char *format, va_list ap) __attribute__((format(printf, 3, 0)));

#ifdef __cplusplus
}
#endif

#endif
