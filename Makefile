# Spillway: `make run` and `make test` are all a newcomer needs; `make help` lists the rest.
CC       ?= cc
VARIANT  ?= release
PREFIX   ?= /usr/local
BUILD    := build$(if $(filter-out release,$(VARIANT)),/$(VARIANT))
OBJ      := $(BUILD)/obj

WARN     := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wno-unused-parameter
BASE     := -std=c11 -D_GNU_SOURCE -Iinclude -g -fno-omit-frame-pointer -pthread
LIBS     := -luv -lxxhash -llzf -lmicrohttpd -lsystemd -lm -pthread

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

.PHONY: all run deps test unit clean layers format format-fix bench tests
all: $(SERVER)

$(SERVER): $(OBJ)/src/main.o $(LIB)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(LIB) $(LIBS)

$(LIB): $(OBJECTS)
	@rm -f $@
	@$(AR) rcs $@ $^

$(OBJ)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/tests/%: $(OBJ)/tests/%.o $(LIB)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(LIB) -lcmocka -lhiredis $(LIBS)

.SECONDARY:
-include $(shell [ -d $(OBJ) ] && find $(OBJ) -name '*.d')

tests: $(TESTBINS)
unit: $(TESTBINS)
	@fail=0; for t in $(TESTBINS); do $$t >$$t.log 2>&1 || { fail=1; echo "FAILED $$t"; tail -30 $$t.log; }; done; exit $$fail

clean:
	rm -rf build
