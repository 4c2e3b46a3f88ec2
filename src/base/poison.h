/*
 * Names that only src/port may call. Every other .c file includes this header last, after all other headers (whose inline
 * functions use some of these names), so that a call is a compile error: a core that never reads a clock and never touches
 * a device can run in virtual time. scripts/check_includes.py checks that it is included.
 */
/* No include guard: it is harmless twice, and nothing may follow it. */
#pragma GCC poison rte_eth_rx_burst rte_eth_tx_burst rte_eth_tx_prepare rte_eth_tx_buffer rte_eth_tx_done_cleanup
#pragma GCC poison rte_eth_dev_start rte_eth_dev_stop rte_eth_dev_close rte_eth_dev_configure rte_eth_dev_info_get
#pragma GCC poison rte_eth_rx_queue_setup rte_eth_tx_queue_setup rte_eth_rx_queue_count rte_eth_stats_get rte_eth_link_get_nowait
#pragma GCC poison rte_eth_promiscuous_enable rte_eth_dev_set_mtu rte_eth_dev_get_mtu rte_eth_macaddr_get
#pragma GCC poison rte_eth_dev_rx_intr_enable rte_eth_dev_rx_intr_disable rte_epoll_wait
#pragma GCC poison rte_lcore_id rte_lcore_index rte_socket_id rte_get_main_lcore rte_eal_remote_launch rte_eal_mp_wait_lcore
#pragma GCC poison rte_eal_init rte_eal_cleanup
#pragma GCC poison rte_rdtsc rte_rdtsc_precise rte_get_tsc_cycles rte_get_timer_cycles rte_get_tsc_hz rte_get_timer_hz
#pragma GCC poison rte_delay_us rte_delay_ms rte_delay_us_block rte_delay_us_sleep rte_pause
#pragma GCC poison __rdtsc __rdtscp __builtin_ia32_rdtsc __builtin_ia32_rdtscp
#pragma GCC poison clock_gettime clock_nanosleep gettimeofday nanosleep usleep timespec_get
