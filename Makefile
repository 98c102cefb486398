# Engram: make | make demo | make test | make bench | make asan | make lint | make reference | make install PREFIX=/usr/local DESTDIR=
# Everything is built into BUILD. `make demo` and `make test` first install the packages that are missing.

BUILD    ?= build
# A program that is built elsewhere finds its Lua files by this.
ifneq ($(filter /%,$(BUILD)),)
export ENGRAM_LUA := $(CURDIR)/lua
endif
PREFIX   ?= /usr/local
CC       := gcc
OPTIMIZE ?= -O3
WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wno-unused-parameter
BASE     := -std=c11 -D_GNU_SOURCE -g1 -fno-math-errno -fno-trapping-math -fPIC -pthread $(WARN)
COMPILE   = $(CC) $(BASE) $(OPTIMIZE) $(SANITIZE) $(CFLAGS)

# The one list of packages (Debian). LuaJIT, OpenBLAS, libyaml and cmocka are the project's; jansson: JSON; zlib: gzip;
# curl: downloads; protobuf-c and readline: TensorBoard's files and line editing, which a build without them lacks; clang-format and
# luacheck: make lint.
PACKAGES := gcc pkg-config luajit libluajit-5.1-dev libopenblas-dev libyaml-dev libcmocka-dev libjansson-dev zlib1g-dev \
            libprotobuf-c-dev protobuf-c-compiler libreadline-dev curl ca-certificates clang-format lua-check

LIBS     := -lopenblas -ljansson -lyaml -lz -lm -ldl

# TensorBoard's event files, where protobuf-c and its compiler are found; PROTOBUF= leaves them out.
PROTOBUF := $(shell pkg-config --exists libprotobuf-c 2>/dev/null && command -v protoc-c)
EVENTS   := $(if $(PROTOBUF),$(BUILD)/generated/tensorboard.pb-c)
ifneq ($(PROTOBUF),)
BASE     += -DEG_PROTOBUF -I$(BUILD)/generated
LIBS     += -lprotobuf-c
endif

# Line editing at the prompt, in the program alone: EDITLINE=readline (GPL-3), libedit (BSD) or none; none where it is not found.
EDITLINE ?= readline
EDITOR   := $(shell pkg-config --exists $(filter readline libedit,$(EDITLINE)) 2>/dev/null && echo $(EDITLINE))

HOST     := $(filter core/main.c core/repl.c,$(wildcard core/*.c))
# What compiles longest comes first, so that no core waits for it at the end.
LONG     := $(addprefix core/,matmul.c map.c binary.c attention_last.c lstm.c conv.c attention.c)
SOURCES  := $(LONG) $(filter-out $(HOST) $(LONG),$(wildcard core/*.c))
OBJECTS  := $(SOURCES:core/%.c=$(BUILD)/obj/%.o) $(BUILD)/obj/texts.o $(if $(EVENTS),$(BUILD)/obj/events.o)
PROGRAM  := $(BUILD)/engram

# The C tests, and the core once more for them, are always built with the sanitizers. Addresses are checked by calls: between the
# kernels' vectors, the same checks in place take GCC twice as long and run no faster.
CHECKED  := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer \
            --param asan-instrumentation-with-call-threshold=0
C_TESTS  := $(patsubst tests/core/%.c,$(BUILD)/test/%,$(wildcard tests/core/test_*.c))

.PHONY: all deps demo test c-tests bench asan lint reference install uninstall clean force
.DELETE_ON_ERROR:

all: $(BUILD)/libengram.so $(PROGRAM) $(BUILD)/engram.1 $(BUILD)/engram.bash

# ---- the library and the program ------------------------------------------------------------------------------------

# Holds the compile command; rewritten, and so everything rebuilt, only when the command changes.
$(BUILD)/flags: force
	@mkdir -p $(BUILD)
	@echo '$(COMPILE)' | cmp -s - $@ || echo '$(COMPILE)' > $@

$(BUILD)/obj/%.o: core/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(COMPILE) -MMD -MP -c $< -o $@

# The preprocessed header, the compile command and the digest of the sources as C strings: the library and its declarations cannot drift
# apart, and a run can tell what code it is of.
$(BUILD)/obj/texts.c: core/engram.h $(BUILD)/flags $(wildcard core/*.[ch])
	@mkdir -p $(@D)
	@{ echo 'extern const char eg_header_text[], eg_flags_text[], eg_sources_text[];'; \
	   echo "const char eg_sources_text[] = \"$$(cat $(sort $(wildcard core/*.[ch])) | sha256sum | cut -c 1-64)\";"; \
	   echo 'const char eg_header_text[] ='; \
	   $(CC) -E -P -D_STDDEF_H -D_STDDEF_H_ -D_STDINT_H $< | sed 's/\\/\\\\/g; s/"/\\"/g; s/.*/"&\\n"/'; echo ';'; \
	   echo 'const char eg_flags_text[] ='; sed 's/\\/\\\\/g; s/"/\\"/g; s/.*/"&"/' $(BUILD)/flags; echo ';'; } > $@

$(BUILD)/obj/texts.o: $(BUILD)/obj/texts.c
	$(COMPILE) -c $< -o $@

# The C of core/tensorboard.proto.
$(BUILD)/generated/%.pb-c.c $(BUILD)/generated/%.pb-c.h &: core/%.proto
	@mkdir -p $(@D)
	$(PROTOBUF) --proto_path=core --c_out=$(@D) $<

ifneq ($(PROTOBUF),)
$(BUILD)/obj/tensorboard.o $(BUILD)/test/obj/tensorboard.o $(BUILD)/test/test_tensorboard: $(EVENTS).h
endif

$(BUILD)/obj/events.o $(BUILD)/test/obj/events.o: $(EVENTS).c $(BUILD)/flags
	@mkdir -p $(@D)
	$(COMPILE) $(if $(findstring /test/,$@),$(CHECKED)) -c $< -o $@

$(BUILD)/libengram.so: $(OBJECTS)
	$(COMPILE) -shared $^ $(LIBS) -o $@

$(BUILD)/editor: force
	@mkdir -p $(BUILD)
	@echo '$(EDITOR)' | cmp -s - $@ || echo '$(EDITOR)' > $@

$(PROGRAM): $(HOST) $(BUILD)/libengram.so $(BUILD)/editor
	$(COMPILE) $(if $(EDITOR),-DEG_$(shell echo $(EDITOR) | tr a-z A-Z)) -MMD -MP -MF $(BUILD)/obj/program.d \
	  $$(pkg-config --cflags luajit $(EDITOR)) $(HOST) -o $@ -L$(BUILD) -lengram \
	  $$(pkg-config --libs luajit $(EDITOR)) -Wl,-E -Wl,-rpath,'$$ORIGIN:$$ORIGIN/../lib'

# The manual page and bash's completion come from the tables of the commands.
$(BUILD)/engram.1 $(BUILD)/engram.bash &: $(PROGRAM) $(wildcard lua/engram/cli/*.lua docs/reference/*.md experiments/*)
	$(PROGRAM) help --man > $(BUILD)/engram.1
	$(PROGRAM) help --bash > $(BUILD)/engram.bash

$(BUILD)/test/obj/%.o: core/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(BASE) -O1 $(CHECKED) $(CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/test/libengram.a: $(SOURCES:core/%.c=$(BUILD)/test/obj/%.o) $(if $(EVENTS),$(BUILD)/test/obj/events.o)
	@rm -f $@
	@ar rcs $@ $^

$(BUILD)/test/test_%: tests/core/test_%.c $(BUILD)/test/libengram.a
	$(CC) $(BASE) -O1 $(CHECKED) $(CFLAGS) -MMD -MP -MF $@.d -Icore $< -o $@ $(BUILD)/test/libengram.a -lcmocka $(LIBS)

# The pseudo-terminal that the prompt's tests play in.
$(BUILD)/test/terminal: tests/cli/terminal.c
	@mkdir -p $(@D)
	$(CC) $(BASE) -O1 $(CFLAGS) $< -o $@ -lutil

c-tests: $(C_TESTS) $(BUILD)/test/terminal

-include $(wildcard $(BUILD)/obj/*.d $(BUILD)/test/*.d $(BUILD)/test/obj/*.d)

# ---- packages -------------------------------------------------------------------------------------------------------

deps:
	@if ! command -v dpkg-query >/dev/null; then \
	  echo 'This system has no apt: install what these Debian packages hold, then run make: $(PACKAGES)'; exit 0; fi; \
	missing=; for package in $(PACKAGES); do \
	  dpkg-query -W -f '$${db:Status-Status}' $$package 2>/dev/null | grep -qx installed || missing="$$missing $$package"; done; \
	[ -z "$$missing" ] && exit 0; \
	as_root=; [ "$$(id -u)" = 0 ] || as_root=sudo; \
	if [ -n "$$as_root" ] && ! command -v sudo >/dev/null; then \
	  echo "These packages are missing; install them as root:$$missing"; exit 1; fi; \
	echo "Installing$$missing"; \
	$$as_root apt-get update -qq && $$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing

# ---- what to do with it: each of these builds in a second make, when the packages are there -----------------------------

# A core each, unless make was told how many.
BUILD_ALL = $(MAKE) --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))

demo: deps
	+@$(BUILD_ALL) all
	$(PROGRAM) run experiments/classp_vision.lua data=glyphs small=true

test: deps
	+@$(BUILD_ALL) all c-tests
	@env -u MAKEFLAGS -u MFLAGS $(PROGRAM) run --no-run tests/run.lua $(BUILD)

# make bench [PEER=path/torch_bench.py] [ROUNDS=5] [ONLY=cnn] [THREADS=1,2] [OUT=folder]: see docs/performance.md.
bench: deps
	+@$(BUILD_ALL) all
	$(PROGRAM) bench $(if $(PEER),'peer=$(PEER)') $(if $(ROUNDS),'rounds=$(ROUNDS)') $(if $(ONLY),'only=$(ONLY)') \
	  $(if $(THREADS),'threads=$(THREADS)') $(if $(OUT),'out=$(OUT)')

# Every test, with the library and the program under the sanitizers and leaks counted.
asan: deps
	@ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 \
	  $(MAKE) --no-print-directory test BUILD=$(BUILD)/asan OPTIMIZE=-O1 SANITIZE='$(CHECKED)'

# Formatting, luacheck, and no global variable written by a library file.
lint: deps
	clang-format --dry-run -Werror $(wildcard core/*.[ch] tests/core/*.[ch] experiments/plugins/*.c)
	luacheck --quiet lua tests experiments
	@for file in $$(find lua -name '*.lua'); do luajit -bl $$file | grep GSET | sed "s|^|$$file: |"; done | (! grep .)

# The page of the reference that is made of the commands' tables.
reference: all
	$(PROGRAM) help --markdown > docs/reference/commands.md

# ---- installation ---------------------------------------------------------------------------------------------------

INTO = $(DESTDIR)$(PREFIX)

install: all
	install -d $(INTO)/bin $(INTO)/lib/pkgconfig $(INTO)/include/engram $(INTO)/share/engram
	install -m 755 $(PROGRAM) $(INTO)/bin/engram
	install -m 644 $(BUILD)/libengram.so $(INTO)/lib/libengram.so
	install -D -m 644 $(BUILD)/engram.1 $(INTO)/share/man/man1/engram.1
	install -D -m 644 $(BUILD)/engram.bash $(INTO)/share/bash-completion/completions/engram
	install -m 644 core/engram.h core/engram_plugin.h $(INTO)/include/engram/
	install -d $(INTO)/lib/engram/plugins
	find lua docs $(wildcard experiments) -type f -exec install -D -m 644 {} $(INTO)/share/engram/{} \;
	printf '%s\n' 'prefix=$(PREFIX)' '' 'Name: engram' 'Description: continual learning toolkit, C core' \
	  'Version: $(shell luajit -e 'print(dofile "lua/engram/version.lua")')' 'Cflags: -I$${prefix}/include/engram' \
	  'Libs: -L$${prefix}/lib -lengram' > $(INTO)/lib/pkgconfig/engram.pc

uninstall:
	rm -rf $(INTO)/bin/engram $(INTO)/lib/libengram.so $(INTO)/include/engram $(INTO)/share/engram \
	  $(INTO)/lib/pkgconfig/engram.pc $(INTO)/share/man/man1/engram.1 $(INTO)/share/bash-completion/completions/engram
	@rmdir $(INTO)/lib/engram/plugins $(INTO)/lib/engram 2>/dev/null || true   # what others put there stays

clean:
	rm -rf $(BUILD)
