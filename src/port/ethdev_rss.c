/*
 * Receive side scaling: the device spreads flows over its queues by the hash and the table of steer.h. Whatever it does otherwise (packets
 * without ports, another table size, no table) is put right by the steer port.
 */
#include <string.h>

#include <rte_ethdev.h>

#include "base/units.h"
#include "port/ethdev.h"
#include "port/steer.h"

#define KEY_MAX 64u
#define RETA_MAX 1024u
#define BY_PORTS (RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV4_UDP | RTE_ETH_RSS_NONFRAG_IPV6_TCP | RTE_ETH_RSS_NONFRAG_IPV6_UDP)
#define BY_ADDRESSES (RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_FRAG_IPV4 | RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_FRAG_IPV6)

bool ethdev_rss_choose(struct rte_eth_conf *conf, const struct rte_eth_dev_info *info, const struct steer *steer)
{
    static uint8_t key[KEY_MAX]; /* read by rte_eth_dev_configure */

    if (steer == NULL || (info->flow_type_rss_offloads & RTE_ETH_RSS_NONFRAG_IPV4_TCP) == 0 || info->hash_key_size > KEY_MAX)
        return false;
    for (unsigned i = 0; i < KEY_MAX; i++)
        key[i] = steer_key(steer)[i % TOEPLITZ_KEY_BYTES]; /* no packet reaches what is behind the 40 bytes */
    conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf->rx_adv_conf.rss_conf.rss_key = key;
    conf->rx_adv_conf.rss_conf.rss_key_len = info->hash_key_size != 0 ? info->hash_key_size : TOEPLITZ_KEY_BYTES;
    conf->rx_adv_conf.rss_conf.rss_hf = info->flow_type_rss_offloads & (BY_PORTS | BY_ADDRESSES);
    conf->rxmode.offloads |= info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_RSS_HASH;
    return true;
}

void ethdev_rss_table(uint16_t port_id, const struct rte_eth_dev_info *info, const struct steer *steer, uint16_t n_queues)
{
    struct rte_eth_rss_reta_entry64 reta[RETA_MAX / RTE_ETH_RETA_GROUP_SIZE];

    if (info->reta_size == 0 || info->reta_size > RETA_MAX)
        return;
    memset(reta, 0, sizeof(reta));
    for (uint16_t i = 0; i < info->reta_size; i++) {
        reta[i / RTE_ETH_RETA_GROUP_SIZE].mask = UINT64_MAX;
        reta[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] = (uint16_t)(steer_reta(steer, i) % n_queues);
    }
    rte_eth_dev_rss_reta_update(port_id, reta, info->reta_size);
}
