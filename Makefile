# Engram: make | make demo | make test | make bench | make asan | make lint | make install PREFIX=/usr/local
# Everything is built into BUILD (default: build/). `make demo` and `make test` install missing packages first.

BUILD    ?= build
PREFIX   ?= /usr/local
CC       := gcc
ARCH     ?= -march=native
OPTIMIZE ?= -O3
WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wno-unused-parameter
CFLAGS   += -std=c11 -D_GNU_SOURCE -g $(OPTIMIZE) $(ARCH) -fno-math-errno -fno-trapping-math -fPIC -pthread $(WARN) $(SANITIZE)
LDFLAGS  += -pthread $(SANITIZE)

# The one list of packages (Debian). LuaJIT, OpenBLAS, libyaml and cmocka are the project's; jansson: JSON; zlib: gzip;
# curl: downloads; clang-format and luacheck: make lint.
PACKAGES := gcc pkg-config luajit libluajit-5.1-dev libopenblas-dev libyaml-dev libcmocka-dev libjansson-dev zlib1g-dev \
            curl ca-certificates clang-format lua-check

LIBS     := -lopenblas -ljansson -lz -lm
HOST     := $(filter core/main.c core/repl.c,$(wildcard core/*.c))
SOURCES  := $(filter-out $(HOST),$(wildcard core/*.c))
OBJECTS  := $(SOURCES:core/%.c=$(BUILD)/obj/%.o)
HEADERS  := $(wildcard core/*.h)

all: $(BUILD)/libengram.so $(BUILD)/engram

$(BUILD)/obj/%.o: core/%.c $(HEADERS) Makefile
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -c $< -o $@

# The preprocessed header as a C string, so that the library and its declarations cannot drift apart.
$(BUILD)/obj/header.c: core/engram.h Makefile
	@mkdir -p $(@D)
	@{ echo 'extern const char eg_header_text[];'; echo 'const char eg_header_text[] ='; \
	   $(CC) -E -P -D_STDDEF_H -D_STDDEF_H_ -D_STDINT_H $< | sed 's/\\/\\\\/g; s/"/\\"/g; s/.*/"&\\n"/'; echo ';'; } > $@

$(BUILD)/obj/header.o: $(BUILD)/obj/header.c
	$(CC) -std=c11 -fPIC $(SANITIZE) -c $< -o $@

$(BUILD)/libengram.so: $(OBJECTS) $(BUILD)/obj/header.o
	$(CC) -shared $(LDFLAGS) $^ $(LIBS) -o $@

$(BUILD)/engram: $(HOST) $(HEADERS) $(BUILD)/libengram.so
	$(CC) $(CFLAGS) $$(pkg-config --cflags luajit) $(HOST) -o $@ $(LDFLAGS) -L$(BUILD) -lengram \
	  $$(pkg-config --libs luajit) -ldl -Wl,-E -Wl,-rpath,'$$ORIGIN:$$ORIGIN/../lib'

.PHONY: all
