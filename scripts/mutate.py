#!/usr/bin/env python3
"""Breaks the source one line at a time and wants the test that is responsible to notice.

usage: mutate.py [-b DIR] [NAME ...]     NAME: only these mutations; DIR: where the copy is built (build/mutate)

A mutation is a file, a piece of text that occurs in it exactly once, and what is put in its place. It is applied to a copy of
the tree, which is built once and then incrementally; only the named test runs. Exit status 1 when a test did not fail, when a
mutation no longer applies, or does not compile. Ends with "N killed, N survived".
"""
import argparse
import os
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# name, file, old, new, test program (under tests/), its arguments
MUTATIONS = [
    ("SACK not used", "src/tcp/ack.c", "if (tc->sack_on && g->o.n_sack > 0) {", "if (tc->sack_on && g->o.n_sack > 4) {",
     "regress/test_rules", "test_sack_is_used"),
    ("window off by one", "src/tcp/data.c", "    wnd = tc->rcv_adv - *seq;\n", "    wnd = tc->rcv_adv + 1 - *seq;\n",
     "regress/test_rules", "test_window_edge"),
    ("no free on acknowledgement", "src/tcp/ack.c", "    sndq_ack(&tc->sndq, &s->arena, data_ack);\n", "    (void)data_ack;\n",
     "regress/test_rules", "test_acknowledged_is_free"),
    ("checksum not checked", "src/tcp/input.c", "return cksum_finish(sum) == 0;", "return cksum_finish(sum) <= 0xffff;",
     "regress/test_rules", "test_wrong_checksum"),
    ("PAWS off", "src/tcp/slow.c", "    if (!paws_ok(s, tc, g)) {", "    if (!paws_ok(s, tc, g) && s == NULL) {",
     "regress/test_rules", "test_old_timestamp"),
    ("timeout not doubled", "src/tcp/timer.c", "MIN(tc->backoff + 1u, RTT_BACKOFF_MAX)", "MIN(tc->backoff, RTT_BACKOFF_MAX)",
     "regress/test_rules", "test_timeout_doubles"),
    ("FIN not repeated", "src/tcp/output.c", "(TH_ACK | (fin ? TH_FIN : 0) | (len > 0 &&", "(TH_ACK | (fin ? TH_PSH : 0) | (len > 0 &&",
     "regress/test_rules", "test_fin_again"),
    ("fourth duplicate", "src/tcp/rtx.c", "#define DUP_THRESH 3u", "#define DUP_THRESH 4u",
     "regress/test_rules", "test_third_duplicate"),
    ("no reordering window", "src/tcp/rack.c", "    return MAX(MIN((r->reo_wnd_steps", "    return 0 * MAX(MIN((r->reo_wnd_steps",
     "sim/test_recovery", ""),
    ("no tail loss probe", "src/tcp/tlp.c", "    if (tcp_output_probe(s, tc, &retrans)) {", "    if (s == NULL && tcp_output_probe(s, tc, &retrans)) {",
     "sim/test_recovery", ""),
    ("retransmissions are never lost", "src/tcp/sent_lost.c", "    return r->sent_at_ns < xmit_ns ||",
     "    return (r->sent_at_ns < xmit_ns && (r->flags & SENT_RETRANS) == 0) ||", "script/test_script_loss", ""),
    ("PRR without proportion", "src/tcp/prr.c", "    if (in_flight > ssthresh)", "    if (in_flight > UINT32_MAX - ssthresh)",
     "unit/test_recovery", ""),
    ("duplicates not reported", "src/tcp/seg.c", "        o->sack[n++] = (struct tcp_sack_block){tc->dsack_start, tc->dsack_end};\n", "",
     "script/test_script_loss", ""),
    ("first half of an Eifel test", "src/tcp/sent.c", "    if (r->sent_at_ns > out->echo_latest_ns)", "    if (r->sent_at_ns > out->echo_latest_ns + 1000000000)",
     "script/test_script_loss", ""),
    ("reset anywhere in the window", "src/tcp/slow.c", "    if (g->h.seq != tc->rcv_nxt) {\n        tcp_send_ack_limited",
     "    if (seq_lt(g->h.seq, tc->rcv_nxt)) {\n        tcp_send_ack_limited", "regress/test_rules", "test_reset_inside_window"),
    ("headers in a shared buffer", "src/tcp/seg.c", "|| tc->path.local || !pkt_sole_owner(m))", "|| tc->path.local)",
     "regress/test_rules", "test_shared_buffer"),
    ("redirects from anybody", "src/ip/nd_redirect.c", "|| !is_first_hop(s, in, &msg->dest)", "|| (is_first_hop(s, in, &msg->dest) && s == NULL)",
     "unit/test_nd_auto", ""),
    ("lifetimes shortened at once", "src/ip/nd_slaac.c", "    if (valid_end > two_hours || valid_end > a->valid_until_ns)",
     "    if (valid_end > two_hours || valid_end > 0)", "unit/test_nd_auto", ""),
    ("override flag ignored", "src/link/neigh.c", "    if (changed && !a->override) {", "    if (changed && !a->override && t == NULL) {",
     "unit/test_neigh", ""),
    ("fragments of neighbour discovery believed", "src/ip/nd_input.c", "    if (in->fragmented) {", "    if (in->fragmented && s == NULL) {",
     "unit/test_nd_neigh", ""),
    ("answers to queries about unwanted sources", "src/ip/mcast_report.c", "        if (listed == (g->mode == MCAST_INCLUDE))",
     "        if (listed || g->mode == MCAST_INCLUDE)", "unit/test_mcast", ""),
    ("wheel fires early", "src/base/wheel.c", "(deadline_ns >> WHEEL_TICK_SHIFT) + ((deadline_ns & TICK_REST) != 0);",
     "(deadline_ns >> WHEEL_TICK_SHIFT);", "unit/test_wheel", ""),
    ("edge lost", "src/sock/sock.c", "watch_notice(sk, SOCK_OUT);", "watch_notice(sk, 0);", "unit/test_epoll", ""),
    ("loan not returned", "src/tcp/recv.c", "    tc->loan_bytes -= meta->loan_bytes;\n", "",
     "regress/test_rules", "test_loan_comes_back"),
    ("probe becomes a FIN", "src/tcp/ack.c", "            tcp_timer_stop(tc, TT_PERSIST); /* a probe carried",
     "            (void)0; /* a probe carried", "regress/test_hostile", ""),
    ("cookie never gets old", "src/tcp/syncookie.c", "mss_index, 4, period};", "mss_index, 4, period & 1};", "unit/test_syncookie", ""),
    ("a reset ends TIME-WAIT", "src/tcp/timewait.c", "        stack_count(s, CTR_TCP_TIMEWAIT_RST);\n", "        tcp_timewait_end(s, tw);\n",
     "script/test_script_calls", "time_wait_reset"),
    ("new incarnation begins below the old one", "src/tcp/timewait.c", "g->iss_floor = tw->snd_nxt;", "g->iss_floor = tw->snd_nxt - 0x40000000;",
     "script/test_script_calls", "time_wait_reuse_starts_beyond"),
    ("challenge ACKs of all share a bucket", "src/tcp/seg.c", "    if (tcp_ack_allowed(s, &tc->ack_tat_ns))",
     "    static uint64_t all;\n\n    if (tcp_ack_allowed(s, &all))", "script/test_script_harden", "challenge_acks_tell_nothing_of_others"),
    ("ICMP about anything is believed", "src/tcp/input.c", "if (!seq_in(e->seq, tc->snd_una, tc->snd_nxt) &&",
     "if (!seq_in(e->seq, tc->snd_una, tc->snd_nxt + 100000) &&", "script/test_script_pmtu", "incredible_reports"),
    ("a lost probe is congestion", "src/tcp/mtu.c", "    p->repairing = probe_alone(tc, p);", "    p->repairing = probe_alone(tc, p) && tc == NULL;", "sim/test_pmtu", ""),
    ("one listener of a group gets all", "src/tcp/table.c", "    for (c = best; k > 0; k -=", "    for (c = best, k = 0; k > 0; k -=",
     "script/test_script_harden", "reuseport_shares_connections"),
    ("cookie without the peer's port", "src/tcp/syncookie.c", "e->lport, e->rport, irs,", "e->lport, 0, irs,",
     "unit/test_syncookie", ""),
    ("cookie timestamp in the future", "src/tcp/syncookie.c", "return seq_gt(ts, clock) ? ts - (1u << TS_BITS) : ts;", "return ts;",
     "script/test_script_cookies", ""),
    ("reset anywhere ends an entry", "src/tcp/synrcvd.c", "        bool exact = rel == 0;", "        bool exact = rel < 100;",
     "script/test_script_handshake", "entry_challenges_what_could_be_forged"),
    ("SYN,ACK waits a whole timeout", "src/tcp/syncache.c", "if (tcp_syn_emit(s, e, TH_SYN | TH_ACK) != -ENOBUFS) {",
     "if (tcp_syn_emit(s, e, TH_SYN | TH_ACK) <= 0) {", "script/test_script_handshake", "syn_ack_waits_for_a_buffer"),
    ("flood ignores clients", "src/tcp/synrcvd.c", "        if (s->conf.syncookies != TCP_SYNCOOKIES_NEVER)\n",
     "        if (s->conf.syncookies > TCP_SYNCOOKIES_WHEN_FULL)\n", "sim/test_flood", ""),
    ("any Fast Open cookie will do", "src/tcp/fastopen.c", "if (memcmp(want, o->tfo, sizeof(want)) == 0)", "if (o->tfo_len == sizeof(want))",
     "script/test_script_fastopen", "wrong_cookie_is_replaced"),
    ("a reset makes room for Fast Open", "src/tcp/fastopen.c", "lc->lis->fastopen_resets[0] += reset;", "(void)reset;",
     "script/test_script_fastopen", "pending_requests_are_limited"),
    ("repeated SYN with Fast Open", "src/tcp/fastopen_client.c", "    if (tc->rexmt_count > 0)\n        return 0;\n", "",
     "script/test_script_fastopen", "client_falls_back"),
    ("Fast Open data not sent again", "src/tcp/synsent.c", "tc->snd_una = tc->snd_nxt = g->h.ack;",
     "tc->snd_una = tc->snd_nxt = g->h.ack + (g->h.ack == tc->snd_nxt ? tc->tfo_bytes : 0);",
     "script/test_script_fastopen", "client_repeats_what_was_not_taken"),
    ("SACK divides a segment", "src/tcp/sent.c", "(start - r->start + seg - 1) / seg * seg", "(start - r->start)",
     "unit/test_sent_model", ""),
    ("a part acknowledged is the whole frame", "src/tcp/sent.c", "        part.end = una;\n", "", "unit/test_sent", ""),
    ("CWR in every segment", "src/tcp/output.c", "    if (tc->snd_urgent || (tc->ecn_cwr && tc->ecn_ect))", "    if (tc->snd_urgent)",
     "script/test_script_tso", "cwr_is_in_one_segment"),
    ("the whole frame is lost", "src/tcp/rtx.c", "    if (r != NULL && seq_min(", "    if (r != NULL && s == NULL && seq_min(",
     "script/test_script_tso", "duplicate_acks_repeat_one_segment"),
    ("a FIN is a segment of its own", "src/tcp/rtx.c", "seq_min(r->end, tc->sndq.end_seq) - r->start > sent_seg_bytes(r)", "r->end - r->start > sent_seg_bytes(r)",
     "script/test_script_tso", "partial_ack_repeats_the_fin"),
    ("less than a segment of window", "src/tcp/congestion.c", "MAX(used, tc->cc.smss));", "used);",
     "script/test_script_ecn", "mark_on_little_data_leaves_a_segment"),
    ("FIN in every segment", "src/port/gso.c", "    if (!last)\n", "    if (!last && off != 0)\n", "unit/test_port_tso", ""),
    ("segments sent twice", "src/port/port.c", "        g->sent = (uint16_t)(g->sent + sent);", "        g->sent = (uint16_t)(g->sent + sent / 2 * 2);",
     "unit/test_port_tso", ""),
    ("merged without proof", "src/port/gro.c", "        if ((sum & 0xffff) + (sum >> 16) != 0xffff)\n", "        if (sum == 0)\n",
     "unit/test_port_gro", ""),
    ("acknowledgements merged", "src/port/gro.c", "a->recv_ack == b->recv_ack && ", "", "unit/test_port_gro", ""),
    ("one duplicate ACK for many", "src/tcp/data.c", "merged_of != 0 && !tc->sack_on ?", "merged_of != 0 && tc == NULL ?",
     "script/test_script_tso", "merged_behind_a_hole"),
    ("spurious timeouts change nothing", "src/tcp/ack.c", "    if (unlikely(tc->rtt_wary) && sent_once", "    if (s == NULL && sent_once",
     "script/test_script_loss", "spurious_timeout_*"),
    ("least round trip for ever", "src/base/recent.h", "    r->best[1] = age < 2 * half ? r->best[0] : RECENT_NONE;",
     "    r->best[1] = MIN(r->best[0], r->best[1]);", "unit/test_rtt", ""),
    ("lost repair of an MTU probe", "src/tcp/mtu.c", "p->repairing = tc->sent.lost_total == p->lost_total;", "p->repairing = probe_alone(tc, p);",
     "script/test_script_pmtu", "lost_repair_*"),
    ("no ssthresh after BBR", "src/tcp/congestion.c", "    if (lacks_ssthresh)\n", "    if (lacks_ssthresh && s == NULL)\n",
     "script/test_script_loss", "switched_*"),
    ("listener leaves nothing to its group", "src/tcp/listen.c", "lc->opt->reuseport ? tcp_listen_find", "lc->opt->reuseport && s == NULL ? tcp_listen_find",
     "script/test_script_harden", "reuseport_others_*"),
    ("unused window kept for ever", "src/tcp/congestion.c", "n > 0 && c->cwnd > least; n--", "n > 0 && c->cwnd > least && s == NULL; n--",
     "script/test_script_validate", "unused_*"),
    ("loss reckoned from an unused window", "src/tcp/congestion.c", "    if (likely(!tc->cwv.unvalidated) ||", "    if (tc != NULL ||",
     "script/test_script_validate", "loss_counts_*"),
    ("burst after a pause", "src/tcp/congestion.c", "        tc->paced = true; /* until", "        tc->paced = tc->paced; /* until",
     "script/test_script_validate", "burst_*"),
    ("ICMP errors not told", "src/tcp/send.c", "(tc->soft_told) && tc->soft_error != 0)", "(tc->soft_told) && tc->soft_error < 0)",
     "script/test_script_time", "unreachable_in_established_*"),
    ("no cookies at the backlog", "src/tcp/synrcvd.c", "    return l->n_syn >= MAX(l->backlog, 1u) ||", "    return l->n_syn >= UINT32_MAX ||",
     "script/test_script_cookies", "cookies_begin_*"),
    ("reordering timer sends one", "src/tcp/rtx.c", "due = MIN(sent_sacked_bytes(&tc->sent), unused);", "due = 0 * MIN(sent_sacked_bytes(&tc->sent), unused);",
     "script/test_script_loss", "reordering_timer_replaces_*"),
    ("acknowledgement at the edge", "src/tcp/slow.c", " && !acks_from_the_edge(tc, g)) {", ") {",
     "script/test_script_states", "ack_at_the_edge_counts"),
    ("outside the window answered again", "src/tcp/slow.c", "        else if (answered_just_now(s, tc, g))", "        else if (answered_just_now(s, tc, g) && s == NULL)",
     "script/test_script_recv", "repeated_segment_outside_the_window"),
    ("no answer though the window opened", "src/tcp/slow.c", "(g->h.seq - tc->rcv_adv) * 0x9e3779b1u + tc->rcv_adv +", "g->h.seq * 0x9e3779b1u +",
     "script/test_script_recv", "repeated_probe_of_a_window_that_opened"),
    ("no flag answered", "src/tcp/input.c", "    if ((g->h.flags & (TH_ACK | TH_SYN | TH_RST)) == 0) {", "    if (s == NULL) {",
     "script/test_script_states", "no_ack_bit_is_dropped"),
    ("no PSH at the window's end", "src/tcp/output.c", " || (tcp_in_flight(tc) + len == tc->snd_wnd && len % seg_bytes != 0);", ";",
     "script/test_script_window", "half_of_the_largest_window_is_sent"),
    ("a kept neighbour is any neighbour", "src/link/neigh.h", "now_ns < n->check_at_ns && n->serial == serial;", "now_ns < n->check_at_ns && serial != 0;",
     "unit/test_neigh", ""),
    ("small segments are remembered", "src/tcp/output.c", "        tc->small_out = false;", "        tc->small_out = true;",
     "script/test_script_window", "a_small_segment_that_was_acknowledged_is_forgotten"),
    ("the wheel waits for the later deadline", "src/tcp/timer.c", "    later = tcp_timer_on(tc, t) && ", "    later = tcp_timer_on(tc, t) || ",
     "sim/test_recovery", ""),
    ("the window field of before", "src/tcp/conn.c", "    tc->wnd_settled = false;\n}", "}",
     "script/test_script_window", "what_is_not_read_is_not_promised_again"),
    ("tcpi_rto without back-off", "src/tcp/sockopt.c", "(rtt_rto(&tc->rtt, &rc, tcp_backoff(tc)) / NS_PER_US)", "(rtt_base_rto(&tc->rtt, &rc) / NS_PER_US)",
     "script/test_script_window", "tcp_info_after_a_timeout"),
    ("slow answers are a conversation", "src/tcp/output.c", "tc->spoke = s->now_ns - tc->last_rcv_ns < TCP_TURN_NS;", "tc->spoke = true;",
     "script/test_script_recv", "slow_answers_are_no_conversation"),
    ("who writes twice is in a conversation", "src/tcp/data.c", "        tc->exchanges = 0;\n", "        ;\n",
     "script/test_script_recv", "who_writes_twice_is_acknowledged_at_once"),
    ("an ACK in a conversation waits for long", "src/tcp/output.c", "tc->exchanges == TCP_EXCHANGES_MAX ? MIN(", "tc->exchanges > TCP_EXCHANGES_MAX ? MIN(",
     "script/test_script_recv", "in_a_conversation_an_ack_waits_a_millisecond"),
    ("a smaller buffer breaks its promise", "src/tcp/data.c", "MAX(limit, 2 * (uint64_t)promised(tc));", "MAX(limit, 0 * (uint64_t)promised(tc));",
     "script/test_script_recv", "shrunk_buffer_keeps_the_promise"),
    ("closed windows wait for probes", "src/tcp/pending.c", "    tcp_windows_open(s);\n", "",
     "script/test_script_window", "a_loan_that_ends_*"),
    ("a list with the dead", "src/tcp/conn.c", "    tcp_window_waits(s, tc, false);\n", "", "script/test_script_window", "a_loan_that_ends_*"),
    ("DF though discovery is off", "src/tcp/seg.c", "    o.df = !tcp_may_fragment(tc->opt) &&\n           (", "    o.df = (",
     "script/test_script_pmtu", "discovery_off"),
    ("reports though discovery is off", "src/tcp/mtu.c", "    if (inaddr_is_v4(&e->raddr) && tcp_may_fragment(tc->opt)) {", "    if (s == NULL) {",
     "script/test_script_pmtu", "discovery_off"),
    ("frames though discovery is off", "src/tcp/opts.c", " || tcp_may_fragment(tc->opt))))", ")))",
     "script/test_script_tso", "no_frames_where_packets_may_be_fragmented"),
    ("BBR believes any loss above 2 %", "src/tcp/cc_bbr_model.c", "    return more * more > expected * c->smss;", "    return more * more > 0 * expected * c->smss;",
     "unit/test_cc_bbr", ""),
]


def run(cmd, **kw):
    return subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **kw)


def copy_tree(src):
    """What git knows, and what is new and not ignored; files that did not change keep their times."""
    names = run(["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard", "-z"])
    files = [f for f in names.stdout.split("\0") if f] if names.returncode == 0 else []
    if not files:  # an unpacked release
        for d, dirs, fs in os.walk(ROOT):
            dirs[:] = [x for x in dirs if not x.startswith((".git", "build"))]
            files += [os.path.relpath(os.path.join(d, f), ROOT) for f in fs]
    for f in files:
        a, b = os.path.join(ROOT, f), os.path.join(src, f)
        if not os.path.isfile(a):
            continue
        data = open(a, "rb").read()
        if os.path.isfile(b) and open(b, "rb").read() == data:
            continue
        os.makedirs(os.path.dirname(b), exist_ok=True)
        with open(b, "wb") as out:
            out.write(data)
        os.chmod(b, os.stat(a).st_mode)


def build(build_dir, program):
    return run(["ninja", "-C", build_dir, "-j2", "tests/" + program])


def passes(build_dir, program, argument):
    cmd = [os.path.join(build_dir, "tests", program)] + ([argument] if argument else [])
    try:
        r = run(cmd, timeout=60)
    except subprocess.TimeoutExpired:
        return False, ""
    return r.returncode == 0, r.stdout


def mutate(base, m):
    name, file, old, new, program, argument = m
    path, build_dir = os.path.join(base, "src", file), os.path.join(base, "build")
    original = open(path).read()
    if original.count(old) != 1:
        return "does not apply: %d places in %s" % (original.count(old), file)
    try:
        with open(path, "w") as f:
            f.write(original.replace(old, new))
        r = build(build_dir, program)
        if r.returncode != 0:
            return "does not compile:\n" + "\n".join(x for x in r.stdout.splitlines() if "error" in x)
        ok, _ = passes(build_dir, program, argument)
        return "SURVIVED" if ok else "killed"
    finally:
        with open(path, "w") as f:
            f.write(original)


def main():
    p = argparse.ArgumentParser(description="breaks the source and wants the tests to notice")
    p.add_argument("-b", "--build", default=os.path.join(ROOT, "build", "mutate"))
    p.add_argument("names", nargs="*")
    args = p.parse_args()
    chosen = [m for m in MUTATIONS if not args.names or m[0] in args.names]
    base = os.path.abspath(args.build)
    build_dir = os.path.join(base, "build")

    copy_tree(os.path.join(base, "src"))
    if not os.path.exists(os.path.join(build_dir, "build.ninja")):
        # not optimised, without warnings as errors: it is about the tests
        r = run(["meson", "setup", build_dir, os.path.join(base, "src"), "--buildtype=debug", "-Dwerror=false",
                 "-Ddefault_library=static"])
        if r.returncode != 0:
            sys.exit(r.stdout[-2000:])
    for program, argument in sorted({(m[4], m[5]) for m in chosen}):
        r = build(build_dir, program)
        if r.returncode != 0:
            sys.exit("mutate: the tree does not build:\n" + r.stdout[-2000:])
        ok, out = passes(build_dir, program, argument)
        if not ok:
            sys.exit("mutate: %s %s fails without a mutation:\n%s" % (program, argument, out[-2000:]))
    bad = 0
    for m in chosen:
        t = time.time()
        result = mutate(base, m)
        bad += result != "killed"
        print("%-32s %-22s %-28s %5.1f s  %s" % (m[0], m[4], m[5], time.time() - t, result), flush=True)
    print("%d killed, %d survived" % (len(chosen) - bad, bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
