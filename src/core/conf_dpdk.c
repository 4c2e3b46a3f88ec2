/* [dpdk], and the sections of F-Stack that have no effect here. */
#include <stdio.h>
#include <string.h>

#include "core/conf_table.h"
#include "wire/eth.h"

#include "base/poison.h"

#define D "dpdk"

static int set_lcore_mask(struct conf_build *b, const struct ini_entry *e)
{
    uint64_t mask;

    if (!conf_get_hex(e->value, &mask) || mask == 0)
        return conf_bad(&b->out, e, "a hexadecimal core mask like 1 (core 0) or 4 (core 2)");
    b->c->lcore_mask = mask;
    return 0;
}

static int set_port_list(struct conf_build *b, const struct ini_entry *e)
{
    if (!conf_get_numlist(e->value, b->port_ids, CONF_MAX_PORTS, &b->n_port_ids))
        return conf_bad(&b->out, e, "at most %d port numbers like 0 or 0-1,3", CONF_MAX_PORTS);
    return 0;
}

/* Empty, or 0 as some files have it: no VLANs. */
static int set_vlan_filter(struct conf_build *b, const struct ini_entry *e)
{
    b->n_vlan_ids = 0;
    if (e->value[0] == '\0' || strcmp(e->value, "0") == 0)
        return 0;
    if (!conf_get_numlist(e->value, b->vlan_ids, CONF_MAX_VLANS, &b->n_vlan_ids))
        return conf_bad(&b->out, e, "at most %d VLAN numbers like 10 or 10-12,20", CONF_MAX_VLANS);
    for (unsigned i = 0; i < b->n_vlan_ids; i++)
        if (b->vlan_ids[i] == 0 || b->vlan_ids[i] > VLAN_VID_MAX)
            return conf_bad(&b->out, e, "VLAN numbers from 1 to %u", VLAN_VID_MAX);
    return 0;
}

static int get_u32(struct conf_build *b, const struct ini_entry *e, uint32_t max, uint32_t *v)
{
    uint64_t n;

    if (!conf_get_u64(e->value, &n) || n > max)
        return conf_bad(&b->out, e, "a number from 0 to %u", max);
    *v = (uint32_t)n;
    return 0;
}

static int set_channel(struct conf_build *b, const struct ini_entry *e)
{
    return get_u32(b, e, 32, &b->channel);
}

static int set_memory(struct conf_build *b, const struct ini_entry *e)
{
    return get_u32(b, e, 16777216, &b->memory_mb);
}

static int set_log_level(struct conf_build *b, const struct ini_entry *e)
{
    return get_u32(b, e, 8, &b->eal_log_level);
}

static int set_nb_vdev(struct conf_build *b, const struct ini_entry *e)
{
    b->nb_vdev_at = e;
    return get_u32(b, e, CONF_MAX_VDEVS, &b->nb_vdev);
}

static int set_base_virtaddr(struct conf_build *b, const struct ini_entry *e)
{
    if (!conf_get_hex(e->value, &b->base_virtaddr) || b->base_virtaddr == 0)
        return conf_bad(&b->out, e, "a hexadecimal address like 0x7f0000000000");
    return 0;
}

/* It becomes part of file names below /var/run/dpdk and in hugetlbfs. */
static int set_file_prefix(struct conf_build *b, const struct ini_entry *e)
{
    static const char ok[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

    if (e->value[0] == '\0' || e->value[strspn(e->value, ok)] != '\0' || strlen(e->value) > 64)
        return conf_bad(&b->out, e, "at most 64 letters, digits, '-', '_' and '.'");
    b->file_prefix = e->value;
    return 0;
}

static int set_allow(struct conf_build *b, const struct ini_entry *e)
{
    b->allow = e->value;
    return 0;
}

static int set_extra_eal_args(struct conf_build *b, const struct ini_entry *e)
{
    b->extra_eal_args = e->value;
    return 0;
}

static int set_log_prefix(struct conf_build *b, const struct ini_entry *e)
{
    if (strlen(e->value) >= sizeof(b->c->log_prefix))
        return conf_bad(&b->out, e, "a path shorter than %zu bytes", sizeof(b->c->log_prefix));
    snprintf(b->c->log_prefix, sizeof(b->c->log_prefix), "%s", e->value);
    return 0;
}

static int set_pkt_tx_delay(struct conf_build *b, const struct ini_entry *e)
{
    if (strcmp(e->value, "0") != 0)
        conf_warn(&b->out, e->line, "[dpdk] pkt_tx_delay: ignored, packets are sent without delay");
    return 0;
}

const struct conf_key conf_keys_dpdk[] = {
    SPECIAL(D, "lcore_mask", set_lcore_mask),
    SPECIAL(D, "port_list", set_port_list),
    SPECIAL(D, "channel", set_channel),
    SPECIAL(D, "memory", set_memory),
    BOOL(D, "no_huge", no_huge),
    SPECIAL(D, "base_virtaddr", set_base_virtaddr),
    SPECIAL(D, "file_prefix", set_file_prefix),
    SPECIAL(D, "allow", set_allow),
    SPECIAL(D, "pci_whitelist", set_allow), /* its name before F-Stack 1.22 */
    SPECIAL(D, "extra_eal_args", set_extra_eal_args),
    SPECIAL(D, "nb_vdev", set_nb_vdev),
    SPECIAL(D, "log_level", set_log_level),
    NUM(D, "fstack_log_level", log_level, 0, 8),
    SPECIAL(D, "fstack_log_file_prefix", set_log_prefix),
    BOOL(D, "promiscuous", promiscuous),
    BOOL(D, "numa_on", numa_on),
    BOOL(D, "vlan_strip", vlan_strip),
    BOOL(D, "tx_csum_offoad_skip", tx_csum_skip), /* F-Stack's spelling */
    BOOL(D, "tx_csum_offload_skip", tx_csum_skip),
    BOOL(D, "tso", tso),
    NUM(D, "idle_sleep", idle_sleep_us, 0, 1000000),
    SPECIAL(D, "pkt_tx_delay", set_pkt_tx_delay),
    NO_EFFECT(D, "tx_csum_ip_skip"),
    NO_EFFECT(D, "tx_csum_l4_skip"),
    NO_EFFECT(D, "mbuf_mode"),
    NO_EFFECT(D, "mbuf_low_watermark"),
    NO_EFFECT(D, "mtu_enable"),
    NO_EFFECT(D, "max_mtu"),
    NO_EFFECT(D, "idle_loop_interval"),
    NO_EFFECT(D, "primary_slim"),
    NO_EFFECT(D, "graceful_reload"),
    NO_EFFECT(D, "drain_ring_size"),
    NO_EFFECT(D, "reload_heartbeat_timeout_ms"),
    NO_EFFECT(D, "reload_udp_idle_ms"),
    NO_EFFECT(D, "thash_adjust"),
    SPECIAL(D, "vlan_filter", set_vlan_filter),
    NOT_YET(D, "nb_bond"),
    BOOL(D, "thread_mode", thread_mode),
    BOOL(D, "symmetric_rss", symmetric_rss),
    {0},
};

/* Read with their section (conf_port.c, conf_eal.c), or without effect. */
const struct conf_key conf_keys_other[] = {
    IN_SECTION("portN", "addr"),
    IN_SECTION("portN", "netmask"),
    IN_SECTION("portN", "broadcast"),
    IN_SECTION("portN", "gateway"),
    IN_SECTION("portN", "if_name"),
    IN_SECTION("portN", "vip_addr"),
    IN_SECTION("portN", "mtu"),
    IN_SECTION("portN", "force_offload"),
    IN_SECTION("portN", "routes"),
    IN_SECTION("portN", "tap"),
    IN_SECTION("portN", "tap_addr"),
    NO_EFFECT("portN", "vip_ifname"),
    NO_EFFECT("portN", "lcore_list"),
    NOT_YET("portN", "slave_port_list"),
    NOT_YET("portN", "ipfw_pr"),
    IN_SECTION("portN", "addr6"),
    IN_SECTION("portN", "prefix_len"),
    IN_SECTION("portN", "gateway6"),
    IN_SECTION("portN", "vip_addr6"),
    IN_SECTION("portN", "vip_prefix_len"),
    IN_SECTION("vdevN", "devargs"),
    IN_SECTION("vdevN", "path"),
    IN_SECTION("vdevN", "iface"),
    IN_SECTION("vdevN", "queues"),
    IN_SECTION("vdevN", "queue_size"),
    IN_SECTION("vdevN", "mac"),
    IN_SECTION("vdevN", "cq"),
    IN_SECTION("vlanN", "portid"),
    IN_SECTION("vlanN", "routes"),
    IN_SECTION("vlanN", "addr"),
    IN_SECTION("vlanN", "netmask"),
    IN_SECTION("vlanN", "broadcast"),
    IN_SECTION("vlanN", "gateway"),
    IN_SECTION("vlanN", "if_name"),
    IN_SECTION("vlanN", "vip_addr"),
    NO_EFFECT("vlanN", "vip_ifname"),
    NO_EFFECT("vlanN", "ipfw_pr"),
    IN_SECTION("vlanN", "addr6"),
    IN_SECTION("vlanN", "prefix_len"),
    IN_SECTION("vlanN", "gateway6"),
    IN_SECTION("vlanN", "vip_addr6"),
    IN_SECTION("vlanN", "vip_prefix_len"),
    NO_EFFECT("bondN", "mode"),
    NO_EFFECT("bondN", "slave"),
    NO_EFFECT("bondN", "primary"),
    NO_EFFECT("bondN", "mac"),
    NO_EFFECT("bondN", "socket_id"),
    NO_EFFECT("bondN", "xmit_policy"),
    NO_EFFECT("bondN", "lsc_poll_period_ms"),
    NO_EFFECT("bondN", "up_delay"),
    NO_EFFECT("bondN", "down_delay"),
    NOT_YET("kni", "enable"),
    NO_EFFECT("kni", "method"),
    NO_EFFECT("kni", "tcp_port"),
    NO_EFFECT("kni", "udp_port"),
    NO_EFFECT("kni", "kni_action"),
    NO_EFFECT("kni", "console_packets_ratelimit"),
    NO_EFFECT("kni", "general_packets_ratelimit"),
    NO_EFFECT("kni", "kernel_packets_ratelimit"),
    NO_EFFECT("kni", "owner_proc_id"),
    NOT_YET("pcap", "enable"),
    NO_EFFECT("pcap", "snaplen"),
    NO_EFFECT("pcap", "savelen"),
    NO_EFFECT("pcap", "savepath"),
    NO_EFFECT("rss_check", "enable"),
    NO_EFFECT("rss_check", "rss_tbl"),
    NOT_YET("stack", "kernel_coexist"),
    {0},
};

const char *conf_section_class(const char *section, int *num)
{
    static const struct {
        const char *prefix, *name;
    } numbered[] = {{"port", "portN"}, {"vdev", "vdevN"}, {"vlan", "vlanN"}, {"bond", "bondN"}};

    *num = -1;
    for (unsigned i = 0; i < ARRAY_LEN(numbered); i++) {
        const char *digits = section + 4;
        uint64_t n;

        if (strncmp(section, numbered[i].prefix, 4) == 0 && strlen(digits) <= 5 && conf_get_u64(digits, &n)) {
            *num = (int)n;
            return numbered[i].name;
        }
    }
    return section;
}
