"""What the benchmarks share: where results go, the machine they are from, medians and spreads, CSV, Markdown, figures.

usage: results.py CSV   for results of a program that does not do that itself (bench/core): adds the machine, writes the table beside it
"""
import csv
import functools
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time

ROOT = os.environ.get("ZSTACK_SOURCE") or os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RESULTS = os.environ.get("ZSTACK_RESULTS") or os.path.join(ROOT, "bench/results")
STYLES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")


def output(*argv):
    """First line of what a program says, or nothing."""
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip().splitlines()[0] if done.stdout.strip() else ""


def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        names = [line.split(":", 1)[1].strip() for line in f if line.startswith("model name")]
    return names[0] if names else platform.machine()


@functools.cache
def machine():
    """One line for every table and figure: machine, versions, commit."""
    commit = output("git", "-C", ROOT, "rev-parse", "--short=10", "HEAD") or "unknown"
    if output("git", "-C", ROOT, "status", "--porcelain", "--untracked-files=no"):
        commit += " with changes"
    wrk = output("wrk", "-v").split()
    return ", ".join((
        f"{os.cpu_count()} x {cpu_model()}", f"Linux {platform.release()}", f"DPDK {output('pkg-config', '--modversion', 'libdpdk')}",
        f"gcc {output('cc', '-dumpfullversion')}", f"wrk {wrk[1] if len(wrk) > 1 else 'none'}", f"commit {commit}",
        time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())))


def quartiles(values):
    """First quartile, median, third."""
    values = list(values)
    return tuple(statistics.quantiles(values, n=4, method="inclusive")) if len(values) > 1 else (values[0],) * 3


def spread(values, form="{:.0f}"):
    """Median (quartiles) as text."""
    low, median, high = quartiles(values)
    return f"{form.format(median)} ({form.format(low)}-{form.format(high)})"


def markdown(columns, rows):
    lines = ["| " + " | ".join(columns) + " |", "|" + "|".join("---:" for _ in columns) + "|"]
    return "\n".join(lines + ["| " + " | ".join(str(c) for c in row) + " |" for row in rows]) + "\n"


def path(name):
    os.makedirs(RESULTS, exist_ok=True)
    return os.path.join(RESULTS, name)


class Csv:
    """Rows as they come: a run that is stopped leaves what it has measured."""

    def __init__(self, name, columns):
        self.file = open(path(name), "w", newline="", encoding="utf-8")
        self.writer = csv.DictWriter(self.file, ["machine", *columns])
        self.writer.writeheader()
        self.rows = []

    def add(self, **row):
        self.rows.append(row)
        self.writer.writerow({"machine": machine(), **row})
        self.file.flush()

    def select(self, **want):
        return [r for r in self.rows if all(r[k] == v for k, v in want.items())]

    def values(self, column, **want):
        return [r[column] for r in self.select(**want)]


def save(name, text):
    with open(path(name), "w", encoding="utf-8") as f:
        f.write(text)
    print(text, end="", flush=True)


class Panel:
    """Part of a figure: curves of (x, (low, median, high))."""

    def __init__(self, title, x, y, curves, options=()):
        self.title, self.x, self.y, self.curves, self.options = title, x, y, curves, options


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', "'").replace("\n", "\\n") + '"'


def panel_script(panel, number):
    lines = ["set yrange [0:*]", "set xrange [0:*]", f"set title {quoted(panel.title)}", f"set xlabel {quoted(panel.x)}",
             f"set ylabel {quoted(panel.y)}", *panel.options]
    plots = []
    for i, (name, points) in enumerate(panel.curves.items()):
        block = f"$p{number}_{i}"
        lines += [f"{block} << EOD", *(f"{x} {q[1]} {q[0]} {q[2]}" for x, q in sorted(points)), "EOD"]
        plots.append(f"{block} using 1:2:3:4 with yerrorlines lw 2 pt {5 + 2 * (i % 4)} ps 0.6 lc rgb {quoted(STYLES[i % len(STYLES)])}"
                     f" title {quoted(name)}")
    return [*lines, "plot " + ", ".join(plots), "unset logscale"]


def figure(base, title, panels):
    """BASE.svg and BASE.png in the results."""
    if not shutil.which("gnuplot"):
        print("bench: no gnuplot here, so no figures (package gnuplot-nox)", flush=True)
        return
    script = []
    for terminal, extension in (("svg noenhanced background rgb 'white' font 'sans,12'", "svg"), ("pngcairo noenhanced font 'sans,11'", "png")):
        script += ["reset", f"set terminal {terminal} size {620 * len(panels)},520", f"set output {quoted(path(base + '.' + extension))}",
                   "set key bmargin center horizontal", "set grid", "set bmargin 8", "set offsets 0, graph 0.05, graph 0.15, 0",
                   f"set multiplot layout 1,{len(panels)} title {quoted(title)}.{quoted(chr(10) + machine())} font ',9'"]
        for number, panel in enumerate(panels):
            script += panel_script(panel, number)
        script += ["unset multiplot", "unset output"]
    done = subprocess.run(["gnuplot"], input="\n".join(script) + "\n", text=True, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        print(f"bench: gnuplot: {done.stderr.strip()}", file=sys.stderr, flush=True)


LOG = ("set logscale y", "set yrange [*:*]")


def main():
    """Adds the machine to a CSV file that was written without it, and its table."""
    name = sys.argv[1]
    with open(name, newline="", encoding="utf-8") as f:
        rows = list(csv.reader(f))
    with open(name, "w", newline="", encoding="utf-8") as f:
        csv.writer(f).writerows([("machine" if i == 0 else machine()), *row] for i, row in enumerate(rows))
    title = os.path.splitext(os.path.basename(name))[0]
    with open(os.path.splitext(name)[0] + ".md", "w", encoding="utf-8") as f:
        f.write(f"# {title}\n\n{machine()}\n\n" + markdown(rows[0], rows[1:]))


if __name__ == "__main__":
    main()
