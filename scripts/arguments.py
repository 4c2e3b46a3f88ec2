"""What users give to benchmarks and the demo, as variables of make or options: numbers and names within bounds. What is wrong ends the
program with one line, which says what was found and what is expected, and status 1.

A kind is a function from text to value that raises argparse.ArgumentTypeError.
"""
import argparse
import os
import sys


def wrong(text, expected):
    return argparse.ArgumentTypeError(f"found {text!r}, expected {expected}")


def whole(low, high):
    def kind(text):
        if not (text.strip().isascii() and text.strip().isdigit() and low <= int(text) <= high):
            raise wrong(text, f"a whole number from {low} to {high}")
        return int(text)

    return kind


def number(low, high):
    def kind(text):
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise wrong(text, f"a number from {low:g} to {high:g}")
        return value

    return kind


def several(one, separators=","):
    """A list of what the kind takes, of at least one."""
    def kind(text):
        for s in separators[1:]:
            text = text.replace(s, separators[0])
        found = [x.strip() for x in text.split(separators[0]) if x.strip()]
        if not found:
            raise wrong(text, f"at least one value, or several with {separators[0]!r} between them")
        return [one(x) for x in found]

    return kind


def name(*known):
    def kind(text):
        if text not in known:
            raise wrong(text, "one of " + ", ".join(repr(k) for k in known))
        return text

    return kind


class Parser(argparse.ArgumentParser):
    """Options that variables of `make bench` set. With --check the program ends when all are right, status 0."""

    def __init__(self, doc):
        super().__init__(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
        self.variables = {}
        self.add_argument("--check", action="store_true", help="nothing but see whether the other arguments are right")

    def take(self, option, variable, kind, default, more=""):
        self.variables[option] = variable
        self.add_argument(option, type=kind, default=default, help=f"{more + ' ' if more else ''}(default {default})")

    def read(self):
        o = self.parse_args()
        if o.check:
            sys.exit(0)
        return o

    def error(self, message):
        option, _, what = message.removeprefix("argument ").partition(": ")
        if option in self.variables:
            message = f"{self.variables[option]} ({option}): {what}"
        sys.exit(f"{self.prog}: {message}")


def variable(program, key, kind, default):
    """Of the environment."""
    try:
        return kind(os.environ.get(key) or default)
    except argparse.ArgumentTypeError as e:
        sys.exit(f"{program}: {key}: {e}")
