"""Hugepages for as long as a program needs them, where the machine gives them."""
import os

SIZE_KB = 2048
KNOB = f"/sys/kernel/mm/hugepages/hugepages-{SIZE_KB}kB/nr_hugepages"
# What there was before us; a run that was killed leaves it, and the next run puts it back.
SAVED = "/run/zstack-hugepages"


def read(path):
    with open(path, encoding="utf-8") as f:
        return int(f.read())


def write(path, number):
    with open(path, "w", encoding="utf-8") as f:
        f.write(str(number))


class Reserve:
    """with Reserve(megabytes) as r: r.ready tells whether that many are free."""

    def __init__(self, megabytes):
        self.pages = megabytes * 1024 // SIZE_KB
        self.ready = False
        self.changed = False

    def __enter__(self):
        try:
            if os.path.exists(SAVED):
                write(KNOB, read(SAVED))
                os.unlink(SAVED)
            free = read(KNOB.replace("nr_", "free_"))
            if free < self.pages and os.geteuid() == 0:
                before = read(KNOB)
                write(SAVED, before)
                self.changed = True
                write(KNOB, before + self.pages - free)
                free = read(KNOB.replace("nr_", "free_"))
            # A user namespace may not use them through memfd limits of its own; root outside one can.
            self.ready = free >= self.pages and os.geteuid() == 0
        except (OSError, ValueError):
            self.ready = False
        return self

    def __exit__(self, *_):
        try:
            if self.changed:
                write(KNOB, read(SAVED))
                os.unlink(SAVED)
        except (OSError, ValueError):
            pass

    def __str__(self):
        return f"{self.pages} hugepages" if self.ready else "no hugepages (--no-huge)"
