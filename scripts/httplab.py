"""The HTTP example in its variants as server, on any port that the kernel reaches, and wrk as its client: for demo and benchmarks."""
import os
import re
import signal
import time

import lab as labs

PORT = 80
BODY_MAX = 65280  # of examples/http: a buffer
VARIANTS = {
    "zero-copy": "z_read and z_write: no payload byte is copied by the stack",
    "copying": "the same server with ff_read and ff_write",
    "kernel": "the same server on the kernel's sockets and epoll",
}
PROGRAMS = {"zero-copy": "http", "copying": "http_copy", "kernel": "http_kernel"}


def body(size):
    """What http_response_fill of examples/http_request.h makes."""
    return "".join(chr(ord("a") + i % 26) for i in range(size))


def process_seconds(pid):
    """CPU time of a process so far: user and system."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        fields = f.read().rpartition(")")[2].split()
    return tuple(int(x) / os.sysconf("SC_CLK_TCK") for x in fields[11:13])


def machine_seconds():
    """CPU time of the machine so far: all that was not idle, and of it interrupts and what the hypervisor took."""
    with open("/proc/stat", encoding="utf-8") as f:
        user, nice, system, idle, iowait, irq, softirq, steal = (int(x) / os.sysconf("SC_CLK_TCK") for x in f.readline().split()[1:9])
    return user + nice + system + irq + softirq + steal, irq + softirq, steal


class Server:
    """One variant at one body size, on a device of the stack's (the kernel's variant has none), on one core."""

    def __init__(self, lab, examples, output, variant, size, core, device="af_packet", huge=False, zstack=()):
        self.lab, self.variant, self.size = lab, variant, size
        kernel = variant == "kernel"
        tap = device == "tap" and not kernel
        self.address = labs.TAP_SERVER_IP if tap else labs.SERVER_IP
        self.log = os.path.join(output, f"{variant}-{size}.log")
        program = os.path.join(examples, PROGRAMS[variant])
        lab.kernel_server(kernel)
        if kernel:
            argv = [program, str(size), str(PORT)]
        else:
            conf = labs.write_config(os.path.join(output, "config.ini"), huge=huge, core=core, device=device, zstack=zstack)
            argv = [program, "--conf", conf, "--", str(size), str(PORT)]
        with open(self.log, "w", encoding="utf-8") as out:
            self.process = lab.popen("kernel" if tap else "stack", *argv, core=core, stdout=out, stderr=out)
        try:
            labs.wait_port(lab, self.process, PORT, address=self.address)
        except labs.LabError as e:
            raise labs.LabError(f"{e}; its output:\n{self.output()}") from None
        if tap:
            lab.call("kernel", "ip", "route", "change", "10.78.0.0/24", "dev", labs.TAP_IF, "congctl", "cubic")

    def url(self):
        return f"http://{self.address}:{PORT}/"

    def output(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def cpu_seconds(self):
        return sum(process_seconds(self.process.pid))

    def counters(self):
        """The stack's counters, which SIGUSR1 prints."""
        before = len(self.output())
        self.process.send_signal(signal.SIGUSR1)
        text, size = "", -1
        for _ in range(40):
            time.sleep(0.05)
            text = self.output()[before:]
            if len(text) == size and text.endswith("\n"):
                break
            size = len(text)
        return {name: int(value) for name, value in re.findall(r"^\s*(\w+\.\w+)[\s:=]+(\d+)", text, re.M)}

    def copied_bytes(self):
        """Payload bytes copied so far; None for the kernel, which does not say."""
        if self.variant == "kernel":
            return None
        return sum(value for name, value in self.counters().items() if name.startswith("copy."))

    def check_body(self):
        found = self.lab.call("kernel", "curl", "-s", "-S", "--max-time", "10", self.url())
        if found != body(self.size):
            raise labs.LabError(f"curl: the body is not what the server was told to send ({len(found)} of {self.size} bytes)")

    def stop(self):
        status = labs.stop(self.process)
        if status != 0:
            raise labs.LabError(f"{PROGRAMS[self.variant]} ended with status {status}; its output:\n{self.output()}")


def microseconds(text):
    """wrk's times: 12.00us, 1.20ms, 1.20s, 1.20m."""
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m|h)", text).groups()
    return float(number) * {"us": 1, "ms": 1e3, "s": 1e6, "m": 6e7, "h": 3.6e9}[unit]


def wrk(server, connections, seconds, core):
    """requests/s, p50 and p99 in microseconds, and wrk's line about socket errors or None."""
    out = server.lab.call("kernel", "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", server.url(), core=core,
                          timeout=seconds + 30)
    rate = re.search(r"Requests/sec:\s*([\d.]+)", out)
    p50, p99 = re.search(r"^\s+50%\s+(\S+)", out, re.M), re.search(r"^\s+99%\s+(\S+)", out, re.M)
    if not (rate and p50 and p99):
        raise labs.LabError("cannot read the output of wrk:\n" + out)
    errors = re.search(r"Socket errors: (.*)", out)
    other = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    return float(rate[1]), microseconds(p50[1]), microseconds(p99[1]), errors[1] if errors else other and other[0]
