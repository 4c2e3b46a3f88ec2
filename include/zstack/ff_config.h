/* Configuration as F-Stack applications see it. ff_init() does all of this by itself. */
#ifndef ZSTACK_FF_CONFIG_H
#define ZSTACK_FF_CONFIG_H

#ifdef __cplusplus
extern "C" {
#endif

/** At most this many of dpdk_argv are used, and a NULL follows them. */
#define FF_DPDK_ARGC_MAX 64

/**
 * The arguments that rte_eal_init was given, argv[0] first. Set by ff_load_config and ff_init; the strings belong to the
 * library. Linked placement only.
 */
extern int ff_dpdk_argc;
extern char *ff_dpdk_argv[FF_DPDK_ARGC_MAX + 1];
#ifndef dpdk_argc
#define dpdk_argc ff_dpdk_argc
#endif
#ifndef dpdk_argv
#define dpdk_argv ff_dpdk_argv
#endif

/**
 * Reads the configuration without starting anything: what ff_init does first. Options as ff_init takes them: --conf FILE
 * or -c FILE (default config.ini), --proc-type, --proc-id. A bad configuration prints one line that names file, line, key,
 * what was found and what is expected.
 *
 * @return  0, or -1 after that line.
 */
int ff_load_config(int argc, char *const argv[]);

#ifdef __cplusplus
}
#endif

#endif
