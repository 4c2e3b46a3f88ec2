/* The DPDK environment of this process. */
#ifndef PORT_EAL_H
#define PORT_EAL_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Starts EAL with these arguments (argv[0] included; nothing of argv is changed or kept). Once per process: -EALREADY after a
 * first success. 0; or -errno and in err one sentence that says what is wrong and what to do about it.
 *
 * Afterwards the calling thread is bound to the first core of the core list (lcore_mask), where it polls; threads that it
 * creates inherit this. After a failure its affinity is as before. SIGPIPE is ignored unless the application handles it:
 * the vhost and virtio_user drivers write to sockets whose peer may be gone.
 */
int port_eal_init(int argc, char **argv, char *err, size_t err_bytes);

/*
 * Copies the value of a device argument ("iface" in "net_af_packet0,iface=eth0"); false when it is not there or does not
 * fit.
 */
bool port_devarg(const char *args, const char *key, char *value, size_t value_bytes);

#endif
