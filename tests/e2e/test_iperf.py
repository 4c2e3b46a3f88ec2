"""The real iperf3 against a small server on the stack: both directions, one stream and several."""
import json

import peer
from peer import labs

PORT = 5201


def iperf(lab, seconds, *options):
    text = lab.call("kernel", "iperf3", "-c", labs.SERVER_IP, "-t", seconds, "--json", *options, timeout=seconds + 30)
    report = json.loads(text)
    peer.expect("error" not in report, f"iperf3: {report.get('error')}")
    sent, received = report["end"]["sum_sent"]["bytes"], report["end"]["sum_received"]["bytes"]
    peer.expect(received > 1_000_000 and sent >= received, f"{sent} bytes sent, {received} received")
    rate = 8e-6 * received / seconds
    print(f"iperf3 {' '.join(options) or '(to the stack)'}: {rate:.0f} Mb/s, {report['end']['sum_sent'].get('retransmits', '-')} retransmits")


def test(lab):
    with peer.program(lab, "tests/e2e/iperf_server", str(PORT), port=None) as server:
        peer.time.sleep(1)
        for options in ((), ("-R",), ("-P", "4"), ("-P", "4", "-R")):
            iperf(lab, 2 * peer.SOAK, *options)
    copied = {n: v for n, v in server.counters.items() if n.startswith("copy.") and n != "copy.api_bytes" and v}
    peer.expect(not copied, f"payload was copied: {copied}")


peer.main(test, commands=("ip", "ethtool", "iperf3"))
