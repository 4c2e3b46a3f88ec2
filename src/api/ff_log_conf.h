/* What ff_init tells the log before it calls ff_log_open_set(). */
#ifndef API_FF_LOG_CONF_H
#define API_FF_LOG_CONF_H

#include <stdint.h>

void ff_log_configure(uint32_t level, const char *prefix, int proc_id);

#endif
