# Spillway: `make run` and `make test` are all a newcomer needs; `make help` lists the rest.
CC       ?= cc
VARIANT  ?= release
PREFIX   ?= /usr/local
BUILD    := build$(if $(filter-out release,$(VARIANT)),/$(VARIANT))
OBJ      := $(BUILD)/obj
Q        := $(if $(V),,@)

WARN     := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wno-unused-parameter
BASE     := -std=c11 -D_GNU_SOURCE -Iinclude -g -fno-omit-frame-pointer -pthread
LIBS     := -luv -llzf -ldl -lm -pthread

ifeq ($(VARIANT),release)
OPT      := -O2 -flto=auto -fno-plt -fno-semantic-interposition
DEFS     := -DSPILLWAY_JEMALLOC -DNDEBUG
LIBS     := -ljemalloc $(LIBS)
else ifeq ($(VARIANT),debug)
OPT      := -O1
DEFS     := -DSPILLWAY_JEMALLOC -DSPILLWAY_DEBUG
LIBS     := -ljemalloc $(LIBS)
else ifeq ($(VARIANT),asan)
OPT      := -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined
DEFS     := -DSPILLWAY_DEBUG
else ifeq ($(VARIANT),tsan)
OPT      := -O1 -fsanitize=thread
DEFS     := -DSPILLWAY_DEBUG
else ifeq ($(VARIANT),fuzz)
CC       := clang
OPT      := -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
DEFS     := -DSPILLWAY_DEBUG
else
$(error VARIANT is release, debug, asan, tsan or fuzz, not "$(VARIANT)")
endif
CFLAGS   := $(BASE) $(WARN) $(OPT) $(DEFS) $(EXTRA_CFLAGS)
LDFLAGS  := $(OPT) -rdynamic $(EXTRA_LDFLAGS)
AR       := $(if $(findstring clang,$(CC)),ar,gcc-ar)

SOURCES  := $(sort $(filter-out src/main.c,$(wildcard src/*/*.c)))
OBJECTS  := $(SOURCES:src/%.c=$(OBJ)/src/%.o)
LIB      := $(BUILD)/libspillway.a
SERVER   := $(BUILD)/spillway
TESTSRC  := $(sort $(wildcard tests/unit/*/test_*.c tests/property/test_*.c))
TESTBINS := $(TESTSRC:tests/%.c=$(BUILD)/tests/%)
BENCHBINS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(sort $(wildcard tests/bench/*.c)))
FUZZERS  := $(patsubst tests/%.c,$(BUILD)/tests/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
CFILES    = $(sort $(shell find src include tests -name '*.[ch]'))

.PHONY: all run deps test unit system tests bench check sanitize layers globals format format-fix \
        fuzz fuzzers install clean help
all: $(SERVER) ## build the server (VARIANT=release|debug|asan|tsan; V=1 shows commands)

$(SERVER): $(OBJ)/src/main.o $(LIB)
	@echo "  link $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(LIB) $(LIBS)

$(LIB): $(OBJECTS)
	@rm -f $@
	@$(AR) rcs $@ $^

$(OBJ)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  cc $<"
	$(Q)$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/tests/fuzz/fuzz_%: $(OBJ)/tests/fuzz/fuzz_%.o $(LIB)
	@mkdir -p $(@D)
	@echo "  link $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -fsanitize=fuzzer -o $@ $< $(LIB) $(LIBS)

$(BUILD)/tests/%: $(OBJ)/tests/%.o $(LIB)
	@mkdir -p $(@D)
	@echo "  link $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(LIB) -lcmocka -lhiredis $(LIBS)

.SECONDARY:
-include $(shell [ -d $(OBJ) ] && find $(OBJ) -name '*.d')

# --- running and testing -------------------------------------------------------------------------

# Two at a time, unless make was told how many.
JOBS = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j2)

run: deps ## install what is missing, build, and run the server in the foreground with its defaults
	$(MAKE) $(JOBS) all
	$(SERVER)

deps: ## install missing packages (apt, as root or by sudo)
	@tests/deps.sh

test: deps ## everything a change must pass: unit, property and system tests
	$(MAKE) $(JOBS) all
	$(MAKE) $(JOBS) VARIANT=debug tests
	@tests/run.py --system $(TESTSRC:tests/%.c=build/debug/tests/%)

tests: $(TESTBINS)
# Without link-time optimisation, which would take minutes for so many binaries, and with assertions.
unit: ## the unit and property tests only
	$(MAKE) $(JOBS) VARIANT=debug tests
	@tests/run.py $(TESTSRC:tests/%.c=build/debug/tests/%)

system: $(SERVER) ## the system tests only; ONLY="part of a name ..." chooses
	SPILLWAY_SERVER=$(abspath $(SERVER)) tests/system/run.py $(ONLY)

bench: $(SERVER) $(BENCHBINS) ## benchmarks beside redis-server; ONLY="name ..." chooses
	tests/bench/run.py $(ONLY)

sanitize: $(SERVER) $(TESTBINS) ## with VARIANT=asan|tsan: unit, property and system tests
	@SPILLWAY_SERVER=$(abspath $(SERVER)) SPILLWAY_ARGS="--io-threads 2" \
	TEST_TIMEOUT_SCALE=5 ITER=$(or $(ITER),1000) \
	ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 \
	TSAN_OPTIONS=halt_on_error=0:second_deadlock_stack=1 \
	tests/run.py --system $(TESTBINS)

check: deps format layers ## formatting, layers, gcc and clang without warnings, sanitizers
	$(MAKE) $(JOBS) CC=gcc all
	$(MAKE) $(JOBS) CC=gcc VARIANT=debug tests
	$(MAKE) $(JOBS) CC=clang VARIANT=debug BUILD=build/clang all tests globals
	$(MAKE) $(JOBS) VARIANT=asan sanitize
	$(MAKE) $(JOBS) VARIANT=tsan sanitize

layers: ## check who includes, calls and locks what
	@python3 tests/layers.py

globals: $(LIB)
	$(if $(filter release,$(VARIANT)),$(error globals needs VARIANT=debug: LTO hides symbols))
	@tests/globals.py $(LIB)

format: ## check the formatting
	@clang-format --dry-run -Werror $(CFILES)

format-fix: ## format the sources
	@clang-format -i $(CFILES)

FUZZ_SECONDS ?= 10
fuzzers: $(FUZZERS)
fuzz: ## run each fuzzer of tests/fuzz for FUZZ_SECONDS (10), from its corpus in build/fuzz/corpus
	@$(MAKE) $(JOBS) VARIANT=fuzz fuzzers
	@tests/fuzz/run.sh build/fuzz $(FUZZ_SECONDS)

install: $(SERVER) ## install to $(DESTDIR)$(PREFIX)
	install -D -m 755 $(SERVER) $(DESTDIR)$(PREFIX)/bin/spillway
	[ ! -f conf/spillway.conf ] || \
	    install -D -m 644 conf/spillway.conf $(DESTDIR)$(PREFIX)/etc/spillway/spillway.conf
	for unit in $(wildcard conf/systemd/*.service); do \
	    install -D -m 644 $$unit $(DESTDIR)$(PREFIX)/lib/systemd/system/$$(basename $$unit) || \
	    exit 1; done

clean: ## remove build/
	rm -rf build

help: ## list the targets
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 14
