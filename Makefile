# The two commands of a new user are `make demo` and `make test`; everything real happens in scripts/ and meson.
PREFIX ?= /usr/local
DESTDIR ?=
SEED ?=

.PHONY: all setup demo test soak bench fuzz coverage sim install clean

all:
	@scripts/setup.sh build
	@scripts/build.sh release

setup:
	@scripts/setup.sh all

demo:
	@scripts/demo.sh

test:
	@scripts/test.sh

soak:
	@scripts/soak.sh

bench:
	@scripts/bench.sh

fuzz:
	@scripts/fuzz.sh

coverage:
	@scripts/coverage.sh

sim:
	@scripts/sim.sh $(SEED)

install:
	@scripts/install.sh '$(PREFIX)' '$(DESTDIR)'

clean:
	rm -rf build
