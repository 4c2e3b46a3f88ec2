/*
 * Every counter of a stack, in one list: X(enumerator, "printed.name", "meaning"). A counter whose enumerator starts
 * with DROP_ is a reason given to pkt_drop(). Counters only grow, except those marked "(level)", which are current values.
 */
#ifndef BASE_COUNTERS_H
#define BASE_COUNTERS_H

#include <stdint.h>

#define COUNTERS_PORT(X)                                                                         \
    X(CTR_RX_PACKETS, "port.rx_packets", "frames received")                                      \
    X(CTR_RX_BYTES, "port.rx_bytes", "bytes of frames received")                                 \
    X(CTR_TX_PACKETS, "port.tx_packets", "frames handed to the port")                            \
    X(CTR_TX_BYTES, "port.tx_bytes", "bytes of frames handed to the port")                       \
    X(CTR_RX_LRO, "port.rx_lro", "frames received that the port had merged of several segments")     \
    X(CTR_TX_TSO, "port.tx_tso", "frames handed to the port to be cut into segments")        \
    X(CTR_TX_GSO_SEGS, "port.tx_gso_segments", "segments cut out of frames for a port that does not do it")       \
    X(CTR_RX_GRO, "port.rx_gro", "received segments that were joined to the one before")         \
    X(CTR_TX_RING_FULL, "port.tx_ring_full", "bursts that the transmit ring did not take whole") \
    X(CTR_TX_LINEARIZED, "port.tx_linearized", "frames copied because the port takes no chains, no external memory or no references to buffers") \
    X(CTR_TX_OVERSIZE, "port.tx_oversize", "frames longer than the MTU or than the buffers to copy them into, dropped") \
    X(CTR_TX_REFUSED, "port.tx_refused", "frames that the driver declared impossible to send, dropped") \
    X(CTR_TX_LINK_DOWN, "port.tx_link_down", "frames lost because the interface of a tap port was down or gone") \
    X(CTR_STEER_OUT, "steer.given", "received frames given to the stack of another core that they belong to") \
    X(CTR_STEER_IN, "steer.got", "received frames that came through the queue of this core")    \
    X(CTR_STEER_ALL, "steer.for_all", "references to a frame that is for every core: ARP, neighbour discovery, groups") \
    X(CTR_STEER_HANDED, "steer.handed_over", "packets passed on to another core that has a socket for them, or the whole of their fragments") \
    X(CTR_STEER_RELAYED, "steer.relayed", "frames sent for processes that the device does not serve") \
    X(CTR_STEER_DIED, "steer.processes_died", "other processes that ended without taking leave: what they held of receive buffers is lost") \
    X(CTR_STEER_LOST, "steer.messages_lost", "messages to another core that found its queue full")  \
    X(DROP_STEER_FULL, "drop.steer_full", "received frames lost because the queue of another core was full (steer_queue)") \
    X(CTR_DISPATCH_ANSWERED, "dispatch.answered", "received frames that the application's dispatcher sent back (FF_DISPATCH_RESPONSE)") \
    X(DROP_DISPATCHED, "drop.dispatched", "received frames that the application's dispatcher dropped (FF_DISPATCH_ERROR)") \
    X(DROP_DISPATCH_BAD, "drop.dispatch_bad", "received frames for which the dispatcher's result named no stack that is there, or an answer of impossible length") \
    X(CTR_PORT_NS, "port.call_ns", "nanoseconds in calls of the ports that receive and send, where time_ports=1 has them measured") \
    X(CTR_COPY_PORT, "copy.port_bytes", "payload bytes copied because of what the port cannot do") \
    X(CTR_POLLS, "loop.polls", "turns of the poll loop")                                         \
    X(CTR_IDLE_POLLS, "loop.idle_polls", "turns that found nothing to do")                       \
    X(CTR_BUSY_TURNS, "loop.busy_turns", "turns that had something to do: packets, timers, calls with a result") \
    X(CTR_BUSY_NS, "loop.busy_ns", "nanoseconds of those turns, with what the application did in them") \
    X(CTR_BUSY_PORT_NS, "loop.busy_port_ns", "nanoseconds of those in calls of the ports, where time_ports=1 has them measured") \
    X(CTR_TIMERS, "loop.timers", "timers that ran")                                              \
    X(CTR_NAPS, "loop.naps", "sleeps that no receive event ends")                                \
    X(CTR_WAITS, "loop.waits", "sleeps that a receive event can end")                            \
    X(CTR_WOKEN_EVENT, "loop.woken_event", "sleeps that a receive event ended")                  \
    X(CTR_WOKEN_CALL, "loop.woken_call", "sleeps that another thread or a signal handler ended") \
    X(CTR_ASLEEP_NS, "loop.asleep_ns", "nanoseconds asleep")

#define COUNTERS_PKT(X)                                                                          \
    X(DROP_TXQ_FULL, "drop.txq_full", "transmit queue full: the port is slower than its senders") \
    X(DROP_NO_MBUF, "drop.no_mbuf", "no buffer for a reply or a header (tx_headers)")                         \
    X(DROP_PULLUP, "drop.pullup", "headers spread over more buffers than are pulled up")         \
    X(CTR_PULLUP, "pkt.pullup", "headers pulled up into one buffer")                             \
    X(CTR_NO_MBUF, "pkt.no_mbuf", "buffer allocations that failed")                              \
    X(CTR_PKT_RESERVE, "pkt.reserve", "acknowledgements, resets and ARP sent from the reserve (tx_headers)")   \
    X(CTR_REF_LIMIT, "pkt.ref_limit", "frames that waited because a buffer is in too many frames") \
    X(CTR_COPY_DELIBERATE, "copy.deliberate_bytes", "bytes copied on purpose: small writes and collapse under pressure") \
    X(CTR_COPY_API, "copy.api_bytes", "payload bytes copied by the copying calls (ff_read, ff_write and kin)") \
    X(CTR_COPY_LOAN, "copy.loan_bytes", "payload bytes copied out because the loan quota was reached") \
    X(CTR_COPY_WRITABLE, "copy.writable_bytes", "payload bytes copied to make a shared buffer writable, and frames for a dispatcher") \
    X(CTR_COPY_STACK, "copy.stack_bytes", "payload bytes copied by the stack in any other place") \
    X(CTR_LOANS, "loan.buffers", "(level) received buffers held by the application")             \
    X(CTR_LOAN_BYTES, "loan.bytes", "(level) memory of those buffers")                           \
    X(CTR_LOAN_QUOTA, "loan.quota_reached", "reads past the loan quota (loan_quota)")            \
    X(CTR_LOAN_LIMIT, "loan.limit_reached", "reads past the stack-wide loan limit (loan_limit)") \
    X(CTR_RELEASES, "wrap.released", "release callbacks run")

#define COUNTERS_LINK(X)                                                                         \
    X(DROP_ETH_SHORT, "drop.eth_short", "frame shorter than an Ethernet header")                 \
    X(DROP_ETH_TYPE, "drop.eth_type", "ethertype that nobody here speaks")                       \
    X(DROP_ETH_DST, "drop.eth_dst", "destination address is not ours")                           \
    X(DROP_ETH_SRC, "drop.eth_src", "source address is a group address or our own")              \
    X(DROP_VLAN_UNKNOWN, "drop.vlan_unknown", "frame of a VLAN that has no [vlanN] (vlan_filter)") \
    X(DROP_ARP_BAD, "drop.arp_bad", "malformed ARP packet")                                      \
    X(DROP_ARP_NOT_US, "drop.arp_not_us", "ARP for another host")                                \
    X(DROP_ARP_DONE, "drop.arp_done", "ARP packets consumed")                                    \
    X(DROP_NEIGH_QUEUE, "drop.neigh_queue", "packets parked for a neighbour, pushed out (neigh_queue_limit)") \
    X(DROP_NEIGH_FAILED, "drop.neigh_failed", "neighbour did not answer")                        \
    X(DROP_NEIGH_FULL, "drop.neigh_full", "neighbour table full (neigh_limit)")                  \
    X(CTR_ARP_REQUEST_TX, "arp.request_tx", "ARP requests sent")                                 \
    X(CTR_ARP_REPLY_TX, "arp.reply_tx", "ARP replies sent")                                      \
    X(CTR_ARP_REPLY_LIMIT, "arp.reply_limited", "ARP replies not sent: rate limit (arp_reply_rate)") \
    X(CTR_ARP_DEFENCE, "arp.defended", "announcements that defend an address that another host claims") \
    X(CTR_ARP_CONFLICT, "arp.conflict", "another host claims one of our addresses") \
    X(CTR_ARP_DUPLICATE, "arp.duplicate", "addresses found in use by another host before they were ours (arp_probe=2)")

#define COUNTERS_IP(X) COUNTERS_ND(X)                                                                           \
    X(DROP_IP_SHORT, "drop.ip_short", "IPv4 header truncated")                                   \
    X(DROP_IP_VERSION, "drop.ip_version", "version is not 4")                                    \
    X(DROP_IP_HLEN, "drop.ip_hlen", "bad header length")                                         \
    X(DROP_IP_LEN, "drop.ip_len", "total length does not fit the frame")                         \
    X(DROP_IP_CKSUM, "drop.ip_cksum", "bad IPv4 header checksum")                                \
    X(DROP_IP_OPTIONS, "drop.ip_options", "malformed IPv4 options or source route")              \
    X(DROP_IP_SRC, "drop.ip_src", "source address that no host may use")                         \
    X(DROP_IP_NOT_US, "drop.ip_not_us", "destination is not ours")                               \
    X(DROP_IP_TTL, "drop.ip_ttl", "time to live is zero")                                        \
    X(DROP_FRAG_BAD, "drop.frag_bad", "fragment that is empty, or no multiple of 8 bytes and not the last one") \
    X(DROP_FRAG_TINY, "drop.frag_tiny", "first fragment without a whole transport header (RFC 1858)") \
    X(DROP_FRAG_TOO_BIG, "drop.frag_too_big", "fragment beyond the largest packet there can be") \
    X(DROP_FRAG_DUP, "drop.frag_dup", "fragment received before")                                \
    X(DROP_FRAG_OVERLAP, "drop.frag_overlap", "fragments that overlap, with all of their datagram (RFC 5722)") \
    X(DROP_FRAG_ECN, "drop.frag_ecn", "datagram of fragments marked CE and not ECN-capable (RFC 3168 section 5.3)") \
    X(DROP_FRAG_MANY, "drop.frag_many", "datagram of too many fragments (frag_pieces)")          \
    X(DROP_FRAG_EVICTED, "drop.frag_evicted", "fragments given up for newer ones (frag_memory, frag_limit), or without room") \
    X(DROP_FRAG_TIMEOUT, "drop.frag_timeout", "fragments of datagrams that stayed incomplete")   \
    X(CTR_FRAG_RX, "ip.frag_rx", "fragments received")                                           \
    X(CTR_FRAG_REASSEMBLED, "ip.reassembled", "datagrams put together")                          \
    X(CTR_FRAG_GIVEN_UP, "ip.reass_given_up", "incomplete datagrams given up, for any reason")   \
    X(CTR_FRAG_TX, "ip.frag_tx", "fragments sent")                                               \
    X(CTR_FRAG_TX_DATAGRAMS, "ip.fragmented", "packets of ours that were cut")                   \
    X(DROP_IP_PROTO, "drop.ip_proto", "protocol that nobody here speaks")                        \
    X(DROP_IP_NO_ROUTE, "drop.ip_no_route", "no route to the destination")                       \
    X(DROP_IP_TOO_BIG, "drop.ip_too_big", "packet larger than the MTU of its path")              \
    X(DROP_IP6_SHORT, "drop.ip6_short", "IPv6 header or an extension header truncated")          \
    X(DROP_IP6_VERSION, "drop.ip6_version", "version is not 6")                                  \
    X(DROP_IP6_LEN, "drop.ip6_len", "payload length does not fit the frame")                     \
    X(DROP_IP6_SRC, "drop.ip6_src", "source or destination address that no host may use on a link") \
    X(DROP_IP6_NOT_US, "drop.ip6_not_us", "destination is not ours")                             \
    X(DROP_IP6_OFF, "drop.ip6_off", "IPv6 on an interface that does not speak it (ipv6)")        \
    X(DROP_IP6_EXT, "drop.ip6_ext", "extension header or option that is malformed or must be known") \
    X(DROP_IP6_EXT_LIMIT, "drop.ip6_ext_limit", "more extension headers or options than ip6_ext_headers, ip6_ext_bytes, ip6_ext_options allow") \
    X(DROP_IP6_NONE, "drop.ip6_none", "packets without a next header")                           \
    X(CTR_PMTU_LOWERED, "pmtu.lowered", "path MTUs that an ICMP message made smaller")           \
    X(CTR_PMTU_EVICTED, "pmtu.evicted", "path MTUs forgotten for another destination (pmtu_limit)") \
    X(DROP_ICMP_SHORT, "drop.icmp_short", "ICMP message truncated")                              \
    X(DROP_ICMP_CKSUM, "drop.icmp_cksum", "bad ICMP checksum")                                   \
    X(DROP_ICMP_TYPE, "drop.icmp_type", "ICMP type that nobody here speaks")                     \
    X(DROP_ICMP_QUOTE, "drop.icmp_quote", "ICMP error about a packet that is not ours or not recognisable") \
    X(DROP_ICMP_BCAST, "drop.icmp_bcast", "echo request to a broadcast address")                 \
    X(DROP_ICMP_DONE, "drop.icmp_done", "ICMP messages consumed")                                \
    X(CTR_ICMP_ECHO, "icmp.echo_reply_tx", "echo replies sent")                                  \
    X(CTR_ICMP_SOCK_RX, "icmp.sock_rx", "messages queued to ICMP sockets")                       \
    X(CTR_ICMP_SOCK_TX, "icmp.sock_tx", "messages sent by ICMP sockets")                         \
    X(CTR_ICMP_ERR_TX, "icmp.error_tx", "ICMP errors sent")                                      \
    X(CTR_ICMP_ERR_LIMIT, "icmp.error_limited", "ICMP errors not sent: rate limit (icmp_error_rate)") \
    X(CTR_ICMP_ERR_RX, "icmp.error_rx", "ICMP errors received for a connection or socket of ours")

#define COUNTERS_ND(X)                                                                           \
    X(DROP_ND_SHORT, "drop.nd_short", "neighbour discovery message truncated, or longer than the smallest MTU") \
    X(DROP_ND_HOPS, "drop.nd_hops", "neighbour discovery message from beyond the link: hop limit is not 255") \
    X(DROP_ND_CODE, "drop.nd_code", "neighbour discovery message with an unknown code")          \
    X(DROP_ND_OPTION, "drop.nd_option", "neighbour discovery message with a malformed option")   \
    X(DROP_ND_ADDR, "drop.nd_addr", "neighbour discovery message with addresses that do not go together") \
    X(DROP_ND_FRAGMENT, "drop.nd_fragment", "neighbour discovery message in fragments (RFC 6980)") \
    X(DROP_IGMP_BAD, "drop.igmp_bad", "malformed IGMP message")                                  \
    X(DROP_MLD_BAD, "drop.mld_bad", "malformed MLD message, or one from beyond the link")        \
    X(CTR_ND_RX, "nd.rx", "neighbour discovery messages received")                               \
    X(CTR_ND_TX, "nd.tx", "neighbour discovery messages sent")                                   \
    X(CTR_ND_NOT_US, "nd.not_us", "solicitations for other hosts")                               \
    X(CTR_ND_REPLY_LIMIT, "nd.reply_limited", "solicitations not answered: rate limit (nd_reply_rate)") \
    X(CTR_ND_DUPLICATE, "nd.duplicates", "addresses that another host has: disabled (RFC 4862)") \
    X(CTR_ND_CONFLICT, "nd.conflicts", "another host claims an address that is in use here")     \
    X(CTR_ND_LOOPED, "nd.looped_back", "own solicitations that came back: the link is looped (RFC 7527)") \
    X(CTR_ND_JOIN_FAILED, "nd.join_failed", "solicited-node groups not joined: no memory (conn_memory)") \
    X(CTR_ND_RS_TX, "nd.rs_tx", "router solicitations sent")                                     \
    X(CTR_ND_RA_RX, "nd.ra_rx", "router advertisements obeyed")                                  \
    X(CTR_ND_RA_IGNORED, "nd.ra_ignored", "router advertisements not obeyed (accept_ra)")        \
    X(CTR_ND_ROUTER_LIMIT, "nd.router_limit", "default routers not noted: limit (nd_router_limit)") \
    X(CTR_ND_PREFIX_LIMIT, "nd.prefix_limit", "on-link prefixes not noted: limit (nd_prefix_limit)") \
    X(CTR_ND_ROUTE_FAILED, "nd.route_failed", "advertised routes not taken: routing table full (route_limit)") \
    X(CTR_ND_REDIRECTS, "nd.redirects", "redirects obeyed")                                      \
    X(CTR_ND_REDIRECT_IGNORED, "nd.redirects_ignored", "redirects not obeyed: not from the first hop, or accept_redirects is 0") \
    X(CTR_ND_REDIRECT_LIMIT, "nd.redirect_limit", "redirects not noted: limit (nd_redirect_limit)") \
    X(CTR_ND_SLAAC, "nd.addresses_formed", "addresses formed from advertised prefixes")          \
    X(CTR_ND_SLAAC_LIMIT, "nd.slaac_limit", "advertised prefixes without an address: limit (slaac_limit)") \
    X(CTR_IGMP_RX, "igmp.queries_rx", "IGMP queries received")                                   \
    X(CTR_IGMP_TX, "igmp.tx", "IGMP reports and leaves sent")                                    \
    X(CTR_MLD_RX, "mld.queries_rx", "MLD queries received")                                      \
    X(CTR_MLD_TX, "mld.tx", "MLD reports sent")                                                  \
    X(CTR_MCAST_GROUP_LIMIT, "mcast.group_limit", "groups not joined: limit (mcast_group_limit)") \
    X(CTR_MCAST_SOURCE_LIMIT, "mcast.source_limit", "source filters refused or widened: limit (mcast_source_limit)")

#define COUNTERS_UDP(X)                                                                          \
    X(DROP_UDP_SHORT, "drop.udp_short", "UDP header truncated or length field wrong")            \
    X(DROP_UDP_CKSUM, "drop.udp_cksum", "bad UDP checksum")                                      \
    X(DROP_UDP_NO_PORT, "drop.udp_no_port", "no socket on the port")                             \
    X(DROP_UDP_RCVBUF, "drop.udp_rcvbuf", "receive buffer full (SO_RCVBUF)")                     \
    X(CTR_UDP_ERRORS_LOST, "udp.errors_lost", "reports for MSG_ERRQUEUE that had no room (udp_errors)") \
    X(CTR_UDP_RX, "udp.rx_datagrams", "datagrams delivered")                                     \
    X(CTR_UDP_TX, "udp.tx_datagrams", "datagrams sent")

#define COUNTERS_TCP(X)                                                                          \
    X(DROP_TCP_SHORT, "drop.tcp_short", "TCP header truncated")                                  \
    X(DROP_TCP_HLEN, "drop.tcp_hlen", "bad data offset")                                         \
    X(DROP_TCP_CKSUM, "drop.tcp_cksum", "bad TCP checksum (a peer with checksum offload on a virtual link? see ethtool)") \
    X(DROP_TCP_BCAST, "drop.tcp_bcast", "TCP to or from a broadcast or multicast address")       \
    X(DROP_TCP_NO_CONN, "drop.tcp_no_conn", "segment for no connection and no listener")         \
    X(DROP_TCP_LISTEN, "drop.tcp_listen", "segment that a listener ignores")                     \
    X(DROP_TCP_BACKLOG, "drop.tcp_backlog", "SYN ignored: accept queue full, or the SYN cache is and syncookies is 0") \
    X(DROP_TCP_DEFERRED, "drop.tcp_deferred", "handshakes complete that wait for data (TCP_DEFER_ACCEPT)") \
    X(DROP_TCP_ACCEPTQ, "drop.tcp_acceptq", "handshake not completed: accept queue full")        \
    X(DROP_TCP_CONN_LIMIT, "drop.tcp_conn_limit", "SYN ignored: connection limit (max_connections)") \
    X(DROP_TCP_STATE, "drop.tcp_state", "segment that its state ignores (SYN-SENT, TIME-WAIT, closed)") \
    X(DROP_TCP_PAWS, "drop.tcp_paws", "timestamp older than the last one (RFC 7323 section 5)")  \
    X(DROP_TCP_SEQ, "drop.tcp_seq", "segment outside the window")                                \
    X(DROP_TCP_ACK, "drop.tcp_ack", "acknowledgement outside the acceptable range")              \
    X(DROP_TCP_NO_ACK, "drop.tcp_no_ack", "segment without ACK in a synchronized state")         \
    X(DROP_TCP_RST, "drop.tcp_rst", "resets consumed")                                           \
    X(DROP_TCP_RST_BAD, "drop.tcp_rst_bad", "reset not exactly at rcv_nxt (challenged, RFC 5961)") \
    X(DROP_TCP_SYN_BAD, "drop.tcp_syn_bad", "SYN in a synchronized state (challenged, RFC 5961)") \
    X(DROP_TCP_DUP_DATA, "drop.tcp_dup_data", "payload received before")                         \
    X(DROP_TCP_AFTER_CLOSE, "drop.tcp_after_close", "payload after the application closed")      \
    X(DROP_TCP_RCVBUF, "drop.tcp_rcvbuf", "received payload that there was no memory for (rcv_limit, or small segments far beyond SO_RCVBUF)")     \
    X(DROP_TCP_REASS, "drop.tcp_reass", "out-of-order payload: too many gaps (reass_blocks)")    \
    X(DROP_TCP_PURE_ACK, "drop.tcp_pure_ack", "segments without payload, consumed")              \
    X(DROP_TCP_OPTION, "drop.tcp_option", "malformed option list")                               \
    X(CTR_TCP_SEG_RX, "tcp.segments_rx", "segments received")                                    \
    X(CTR_TCP_SEG_TX, "tcp.segments_tx", "segments sent")                                        \
    X(CTR_TCP_FASTPATH, "tcp.fast_path", "segments taken by the fast path")                      \
    X(CTR_TCP_OPENS_ACTIVE, "tcp.opens_active", "connections opened by connect")                 \
    X(CTR_TCP_OPENS_PASSIVE, "tcp.opens_passive", "connections accepted from a listener")        \
    X(CTR_TCP_MIGRATED, "tcp.migrated", "connections not accepted yet that another listener of a closed one's SO_REUSEPORT group took over") \
    X(CTR_TCP_SYN_CACHE, "tcp.syn_cache", "(level) connections in the SYN cache")                \
    X(CTR_TCP_SYN_CACHE_FULL, "tcp.syn_cache_full", "SYNs that found the SYN cache full (syn_cache_limit, somaxconn)") \
    X(CTR_TCP_SYNACK_RETRANS, "tcp.synack_retransmits", "SYN,ACKs sent again")                   \
    X(CTR_TCP_COOKIE_TX, "tcp.syn_cookies_tx", "SYNs answered with a cookie (syncookies)") \
    X(CTR_TCP_COOKIE_RX, "tcp.syn_cookies_rx", "handshakes completed by a cookie")               \
    X(CTR_TCP_COOKIE_BAD, "tcp.syn_cookies_bad", "ACKs without a connection and without a good cookie, while cookies are out") \
    X(CTR_TCP_TFO_RX, "tcp.fastopen_rx", "connections accepted with their SYN (TCP_FASTOPEN, RFC 7413)") \
    X(CTR_TCP_TFO_BAD, "tcp.fastopen_bad_cookie", "SYNs with a Fast Open cookie that is not ours, or too old") \
    X(CTR_TCP_TFO_LIMIT, "tcp.fastopen_limit", "SYNs with a good cookie beyond the queue length of TCP_FASTOPEN") \
    X(CTR_TCP_TFO_ACKED, "tcp.fastopen_acked", "SYNs of ours whose data the SYN,ACK acknowledged")   \
    X(CTR_TCP_TFO_FALLBACK, "tcp.fastopen_fallback", "connections that a SYN without Fast Open opened after one with it was lost") \
    X(CTR_TCP_ESTABLISHED, "tcp.established", "connections that reached ESTABLISHED")            \
    X(CTR_TCP_CONNS, "tcp.connections", "(level) connection blocks in use")                      \
    X(CTR_TCP_RST_TX, "tcp.rst_tx", "resets sent")                                               \
    X(CTR_TCP_RST_RX, "tcp.rst_rx", "connections ended by a reset of the peer")                  \
    X(CTR_TCP_RETRANS, "tcp.retransmits", "segments retransmitted")                              \
    X(CTR_TCP_RETRANS_BYTES, "tcp.retransmit_bytes", "payload bytes retransmitted")              \
    X(CTR_TCP_FAST_RETRANS, "tcp.fast_recoveries", "loss recoveries entered by duplicate ACKs or SACK") \
    X(CTR_TCP_CWND_DECAY, "tcp.cwnd_decay", "congestion windows halved because they were not used for five minutes") \
    X(CTR_TCP_CC_NOMEM, "tcp.cc_no_memory", "congestion control replaced by cubic: connection memory at its limit (conn_memory)") \
    X(CTR_TCP_ECN_ECT_TX, "tcp.ecn_ect_tx", "segments sent as ECN-capable")                      \
    X(CTR_TCP_ECN_CE_RX, "tcp.ecn_ce_rx", "segments with text received with a congestion mark")  \
    X(CTR_TCP_ECN_ECE_RX, "tcp.ecn_ece_rx", "acknowledgements with ECN-Echo received")           \
    X(CTR_TCP_ECN_REDUCED, "tcp.ecn_reduced", "reductions of the congestion window for ECN-Echo") \
    X(CTR_TCP_ECN_FALLBACK, "tcp.ecn_fallback", "connections opened without ECN: the SYN that asked was not answered") \
    X(CTR_TCP_RTO, "tcp.rto", "retransmission timeouts")                                         \
    X(CTR_TCP_RTO_SPURIOUS, "tcp.rto_spurious", "timeouts undone: the data had arrived (F-RTO, Eifel, DSACK)")\
    X(CTR_TCP_UNDO, "tcp.recoveries_undone", "fast recoveries undone: nothing had been lost (Eifel, DSACK)")\
    X(CTR_TCP_TLP, "tcp.tail_probes", "tail loss probes sent (RFC 8985)")                        \
    X(CTR_TCP_TLP_REPAIRED, "tcp.tail_probes_repaired", "losses that a tail loss probe repaired alone")\
    X(CTR_TCP_REORDERED, "tcp.reordered", "acknowledgements that showed reordering of our segments")\
    X(CTR_TCP_RENEGED, "tcp.sack_reneged", "timeouts at data that the peer had SACKed and thrown away")\
    X(CTR_TCP_PERSIST, "tcp.persist_probes", "zero-window probes sent")                          \
    X(CTR_TCP_KEEPALIVE, "tcp.keepalive_probes", "keepalive probes sent")                        \
    X(CTR_TCP_DUPACK_RX, "tcp.dup_acks_rx", "duplicate acknowledgements received")               \
    X(CTR_TCP_OOO, "tcp.out_of_order", "segments queued out of order")                           \
    X(CTR_TCP_SACK_RX, "tcp.sack_blocks_rx", "SACK blocks received")                             \
    X(CTR_TCP_DSACK_RX, "tcp.dsacks_rx", "duplicates that the peer reported (RFC 2883)")         \
    X(CTR_TCP_DSACK_TX, "tcp.dsacks_tx", "duplicates reported to the peer")                      \
    X(CTR_TCP_DELACK, "tcp.delayed_acks", "acknowledgements sent by the delay timer")            \
    X(CTR_TCP_CHALLENGE, "tcp.challenge_acks", "challenge ACKs sent (RFC 5961)")                 \
    X(CTR_TCP_ACK_AGAIN, "tcp.acks_again", "out-of-window ACKs not sent: the same segment was answered within half a second") \
    X(CTR_TCP_ACK_LIMIT, "tcp.acks_limited", "challenge and out-of-window ACKs not sent: rate limit (challenge_ack_rate)") \
    X(CTR_TCP_PORTS_PASSED, "tcp.ports_passed", "ports not chosen for a connection because they were in use, or answers to them come to another core") \
    X(CTR_TCP_FORWARDED, "tcp.forwarded", "(level) connections of other cores whose packets arrive at this one") \
    X(CTR_TCP_FORWARD_LIMIT, "tcp.forward_limit", "such connections forgotten: limit (forward_limit)") \
    X(CTR_TCP_CLAIM_REFUSED, "tcp.claims_refused", "connections of other cores with the addresses and ports of one of ours") \
    X(CTR_TCP_SYN_MOVED, "tcp.syn_moved", "handshakes taken over from the closed listener of another core") \
    X(CTR_TCP_TIMEOUT, "tcp.timeouts", "connections given up: retransmission, keepalive, user timeout") \
    X(CTR_TCP_TIMEWAIT_REUSE, "tcp.timewait_reused", "TIME-WAIT connections replaced by a new one (RFC 6191, timewait_reuse)") \
    X(CTR_TCP_TIMEWAIT, "tcp.timewait", "(level) connections in TIME-WAIT")                      \
    X(CTR_TCP_TIMEWAIT_RST, "tcp.timewait_resets", "resets ignored in TIME-WAIT (RFC 1337)")     \
    X(CTR_TCP_TIMEWAIT_LIMIT, "tcp.timewait_limit", "TIME-WAIT cut short: limit (max_timewait)") \
    X(CTR_TCP_ZERO_WINDOW_TX, "tcp.zero_window_tx", "zero windows advertised")                   \
    X(CTR_TCP_WND_WAITING, "tcp.windows_waiting", "(level) connections whose window is closed because all together have no memory left") \
    X(CTR_TCP_COLLAPSED, "tcp.collapsed", "received segments copied into compact buffers under pressure") \
    X(CTR_TCP_NOMEM, "tcp.no_memory", "work put off or refused: connection memory at its limit (conn_memory)") \
    X(CTR_TCP_SENT_LIMIT, "tcp.sent_limit", "turns in which a connection had too many frames in flight to send (sent_records)") \
    X(CTR_TCP_ICMP_ABORT, "tcp.icmp_aborts", "connection attempts ended by an ICMP error")       \
    X(CTR_TCP_MTU_PROBE, "tcp.mtu_probes", "larger segments sent to see whether the path takes them (mtu_probing)") \
    X(CTR_TCP_MTU_PROBE_LOST, "tcp.mtu_probes_lost", "of those, lost while nothing else was")    \
    X(CTR_TCP_BLACK_HOLE, "tcp.mtu_black_holes", "segment sizes given up after timeouts (mtu_probing)") \
    X(CTR_TCP_ICMP_IGNORED, "tcp.icmp_ignored", "ICMP errors about segments that are not in flight (RFC 5927)") \
    X(CTR_TCP_ORPHAN_LIMIT, "tcp.orphan_limit", "connections reset at close: limit (max_orphans)")  \
    X(CTR_TCP_ORPHAN_TIME, "tcp.orphan_timeouts", "connections reset because their end took too long after close (orphan_ms)") \
    X(CTR_TCP_URG_RX, "tcp.urgent_rx", "segments with urgent data received")

#define COUNTERS_SOCK(X)                                                                         \
    X(CTR_SOCKS, "sock.open", "(level) open descriptors")                                        \
    X(CTR_SOCK_LIMIT, "sock.limit_reached", "descriptors refused: limit (max_sockets)")          \
    X(CTR_WATCH_LIMIT, "sock.watch_limit", "registrations refused: memory at its limit (conn_memory)")         \
    X(CTR_MAILBOX_CALLS, "api.mailbox_calls", "calls from other threads")                        \
    X(CTR_MAILBOX_FULL, "api.mailbox_full", "calls from other threads that waited for a slot")

#define COUNTERS_ALL(X)                                                                          \
    COUNTERS_PORT(X) COUNTERS_PKT(X) COUNTERS_LINK(X) COUNTERS_IP(X) COUNTERS_UDP(X) COUNTERS_TCP(X) COUNTERS_SOCK(X)

enum ctr {
#define X(id, name, help) id,
    COUNTERS_ALL(X)
#undef X
        CTR_COUNT
};

struct counters {
    uint64_t v[CTR_COUNT];
};

extern const char *const ctr_names[CTR_COUNT]; /* src/base/counters.c */
extern const char *const ctr_help[CTR_COUNT];

#endif
