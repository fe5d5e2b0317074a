# comlease. `make help` lists the targets. One tree of objects a flavour: build/release, build/asan...
#
#	make check			install what it needs, build, run all tests
#	make FLAVOUR=asan ...		release, asan (with UBSan), tsan, valgrind (-O1), coverage
#	make CC=clang ...		any compiler that takes gcc's options
#	make install DESTDIR= prefix= libdir= sysconfdir=
#
# A file's name decides where it goes (DESIGN: a folder is a program): broker/ is comleased;
# client/shim*.c the shim, client/libcomlease*.c and varlink*.c the library, the rest of client/ the
# command; tests/test_*.c, fuzz_*.c and bench*.c are programs, tests/*.sh and *.py tests that need
# the programs, the rest of tests/ is shared by them.

VERSION := $(shell sed -n 's/^\#define COMLEASE_VERSION "\(.*\)"/\1/p' include/comlease.h)
FLAVOUR ?= release
BUILD := build/$(FLAVOUR)
prefix ?= /usr/local
libdir ?= $(prefix)/lib
sysconfdir ?= /etc
bindir := $(prefix)/bin
sbindir := $(prefix)/sbin
includedir := $(prefix)/include
mandir := $(prefix)/share/man
docdir := $(prefix)/share/doc/comlease
completiondir := $(prefix)/share/bash-completion/completions

# `make V=1` shows the commands.
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-5s %s\n' $(1) $(2))

# ---- flags ----

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wconversion \
	-Wformat=2 -Wvla
OPT_release := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong
OPT_asan := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
OPT_tsan := -O1 -g -fsanitize=thread
OPT_valgrind := -O1 -g
OPT_coverage := -O0 -g --coverage
OPT := $(OPT_$(FLAVOUR))
LINK_release := -Wl,-z,relro,-z,now
LINK := $(OPT) -pie $(LINK_$(FLAVOUR)) $(LDFLAGS)
CPPFLAGS_ALL := -D_GNU_SOURCE -Iinclude -MMD -MP $(CPPFLAGS)
CFLAGS_ALL := -std=c11 $(WARN) $(OPT) -fPIC $(CFLAGS)

pkg = $(shell pkg-config $(1) 2>/dev/null)
LIBS_client = $(call pkg,--libs jansson)
LIBS_broker = $(call pkg,--libs jansson libevent_core libserialport inih libcap) -pthread
LIBS_test = $(call pkg,--libs check) -lutil

# ---- what there is ----

BROKER := $(filter-out broker/main.c,$(wildcard broker/*.c))
LIBRARY := $(wildcard client/libcomlease*.c client/varlink*.c)
SHIM := $(wildcard client/shim*.c)
COMMAND := $(filter-out $(LIBRARY) $(SHIM),$(wildcard client/*.c))
SOFTMODEM := $(wildcard tests/softmodem*.c)
TEST_PROGRAMS := $(wildcard tests/test_*.c tests/fuzz_*.c tests/bench*.c tests/*_client.c)
TEST_PRELOADS := $(wildcard tests/preload_*.c)
TEST_SHARED := $(filter-out $(SOFTMODEM) $(TEST_PROGRAMS) $(TEST_PRELOADS),$(wildcard tests/*.c))
MANUALS := $(wildcard client/*.[1-9] broker/*.[1-9])
SOURCES := $(wildcard broker/*.[ch] client/*.[ch] include/*.h tests/*.[ch])

object = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
PROGRAMS := $(BUILD)/comleased $(BUILD)/comlease $(BUILD)/libcomlease.so $(BUILD)/libcomlease-shim.so
TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(TEST_PROGRAMS)) $(BUILD)/tests/softmodem \
	$(patsubst tests/%.c,$(BUILD)/tests/%.so,$(TEST_PRELOADS))

.PHONY: all programs tests deps check run-check check-clients demo run-demo bench run-bench asan tsan valgrind \
	lint run-lint coverage fuzz install uninstall dist clean help FORCE
.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:

all: programs			## build comleased, comlease, the library and the shim
programs: $(PROGRAMS) $(BUILD)/libcomlease.a
tests: programs $(TESTS)

help:				## this list
	@sed -n 's/^\([a-z][a-z-]*\):[^#]*## \(.*\)/\1|\2/p' Makefile | \
	    while IFS='|' read -r target text; do printf '%-12s%s\n' "$$target" "$$text"; done

# ---- building ----

$(BUILD)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -c $< -o $@

# The shim's own names, and those of the library in it, stay inside: only what it hooks is seen.
$(call object,$(SHIM)): CFLAGS_ALL += -fvisibility=hidden

# Where it is installed is compiled in: with other folders these are compiled again.
INSTALLED := libdir=$(libdir) sysconfdir=$(sysconfdir)
$(BUILD)/gen/installed: FORCE
	@mkdir -p $(@D)
	@echo '$(INSTALLED)' | cmp -s - $@ || echo '$(INSTALLED)' > $@

$(call object,client/run.c broker/config.c): $(BUILD)/gen/installed
$(call object,client/run.c): CPPFLAGS_ALL += -DCOMLEASE_LIBDIR='"$(libdir)"'
$(call object,broker/config.c): CPPFLAGS_ALL += -DCOMLEASE_SYSCONFDIR='"$(sysconfdir)"'

$(BUILD)/gen/io.comlease.c: client/io.comlease.varlink client/embed.awk
	@mkdir -p $(@D)
	$(Q)awk -f client/embed.awk $< > $@

$(BUILD)/gen/io.comlease.o: $(BUILD)/gen/io.comlease.c
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -c $< -o $@

$(BUILD)/libbroker.a: $(call object,$(BROKER)) $(BUILD)/gen/io.comlease.o
$(BUILD)/libcomlease.a: $(call object,$(LIBRARY))
$(BUILD)/libtests.a: $(call object,$(TEST_SHARED))
$(BUILD)/%.a:
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(BUILD)/comleased: $(call object,broker/main.c) $(BUILD)/libbroker.a $(BUILD)/libcomlease.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(LINK) $^ $(LIBS_broker) -o $@

$(BUILD)/comlease: $(call object,$(COMMAND)) $(BUILD)/libcomlease.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(LINK) $^ $(LIBS_client) -o $@

$(BUILD)/libcomlease.so.$(VERSION): $(call object,$(LIBRARY)) client/libcomlease.map
	$(call say,LINK,$@)
	$(Q)$(CC) $(filter-out -pie,$(LINK)) -shared -Wl,-soname,libcomlease.so.0 -Wl,-z,defs \
	    -Wl,--version-script=client/libcomlease.map $(filter %.o,$^) $(LIBS_client) -o $@

$(BUILD)/libcomlease.so: $(BUILD)/libcomlease.so.$(VERSION)
	$(Q)ln -sf $(<F) $(BUILD)/libcomlease.so.0
	$(Q)ln -sf $(<F) $@

$(BUILD)/libcomlease-shim.so: $(call object,$(SHIM)) $(BUILD)/libcomlease.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(filter-out -pie,$(LINK)) -shared -Wl,-z,defs -Wl,--exclude-libs,ALL $^ $(LIBS_client) -ldl -o $@

# ---- tests ----

$(BUILD)/tests/test_varlink_memory: LINK += -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free
$(BUILD)/tests/softmodem: LIBS_test = $(call pkg,--libs spandsp) -lm -lutil

$(BUILD)/tests/softmodem: $(call object,$(SOFTMODEM))
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LINK) $^ $(LIBS_test) -o $@

$(BUILD)/tests/preload_%.so: tests/preload_%.c Makefile
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CPPFLAGS_ALL) -std=c11 $(WARN) -O2 -g -fPIC -shared $< -ldl -o $@

$(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(BUILD)/libtests.a $(BUILD)/libbroker.a $(BUILD)/libcomlease.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LINK) $^ $(LIBS_broker) $(LIBS_test) -o $@

deps:				## install the Debian packages that building and testing need
	@tests/deps

check: deps			## install what is needed, build, run all tests
	@$(MAKE) --no-print-directory -j$$(nproc) tests
	@$(MAKE) --no-print-directory run-check

run-check:
	@BUILD=$(BUILD) tests/run $(SUITES)

CLIENTS := hylafax-server mgetty wvdial tio screen busybox-static gammu gammu-smsd smstools gpsd
check-clients: deps		## real programs that take turns: fax servers, dialers, terminals, phones
	@tests/unpack build/clients $(CLIENTS)
	@$(MAKE) --no-print-directory -s -j$$(nproc) tests
	@CLIENTS=$(CURDIR)/build/clients/root $(MAKE) --no-print-directory run-check \
	    SUITES="$(notdir $(wildcard tests/clients_*.sh))"

demo: deps			## a real fax and a real mail over one modem, at the same moment
	@$(MAKE) --no-print-directory -s -j$$(nproc) programs $(BUILD)/tests/softmodem
	@BUILD=$(BUILD) tests/demo

bench: deps			## measure: figures, side by side, no test
	@$(MAKE) --no-print-directory -s -j$$(nproc) tests
	@BUILD=$(BUILD) $(BUILD)/tests/bench

asan: deps			## all tests under AddressSanitizer and UBSan
	@$(MAKE) --no-print-directory FLAVOUR=asan -j$$(nproc) tests
	@$(MAKE) --no-print-directory FLAVOUR=asan run-check

tsan: deps			## the library's and the shim's tests under ThreadSanitizer
	@$(MAKE) --no-print-directory FLAVOUR=tsan -j$$(nproc) tests
	@$(MAKE) --no-print-directory FLAVOUR=tsan run-check SUITES="test_libcomlease test_libcomlease_wait test_libcomlease_watch test_libcomlease_yield test_shim test_shim_lock"

# Those that start no other program.
UNIT_SUITES := $(patsubst tests/%.c,%,$(wildcard tests/test_config*.c tests/test_lease*.c tests/test_access.c tests/test_class.c tests/test_foreign_text.c))

valgrind: deps			## the unit tests under valgrind
	@$(MAKE) --no-print-directory FLAVOUR=valgrind -j$$(nproc) tests
	@$(MAKE) --no-print-directory FLAVOUR=valgrind run-check \
	    SUITES="test_varlink test_varlink_json test_varlink_message $(UNIT_SUITES) test_libcomlease test_libcomlease_watch test_libcomlease_yield"

coverage: deps			## which lines the tests run: build/coverage/report.txt
	@$(MAKE) --no-print-directory FLAVOUR=coverage -j$$(nproc) tests
	@$(MAKE) --no-print-directory FLAVOUR=coverage run-check || true
	@tests/coverage build/coverage

fuzz: deps			## libFuzzer on each fuzz_*.c for a minute (clang)
	@tests/fuzz build/fuzz

lint: deps			## formatting, clang-tidy, cppcheck, gcc -fanalyzer, layers, manuals
	@tests/lint

# ---- installing ----

install: programs		## into $(DESTDIR)$(prefix)
	install -d $(DESTDIR)$(bindir) $(DESTDIR)$(sbindir) $(DESTDIR)$(libdir)/pkgconfig \
	    $(DESTDIR)$(includedir) $(DESTDIR)$(docdir) $(DESTDIR)$(completiondir) \
	    $(DESTDIR)$(sysconfdir)/comlease/comlease.conf.d $(DESTDIR)$(prefix)/share/varlink
	install -m 755 $(BUILD)/comleased $(DESTDIR)$(sbindir)
	install -m 755 $(BUILD)/comlease $(DESTDIR)$(bindir)
	install -m 644 $(BUILD)/libcomlease.so.$(VERSION) $(BUILD)/libcomlease-shim.so \
	    $(BUILD)/libcomlease.a $(DESTDIR)$(libdir)
	ln -sf libcomlease.so.$(VERSION) $(DESTDIR)$(libdir)/libcomlease.so.0
	ln -sf libcomlease.so.0 $(DESTDIR)$(libdir)/libcomlease.so
	install -m 644 include/comlease.h $(DESTDIR)$(includedir)
	install -m 644 client/io.comlease.varlink $(DESTDIR)$(prefix)/share/varlink
	install -m 644 client/comlease.bash $(DESTDIR)$(completiondir)/comlease
	install -m 644 README LICENSE broker/comlease.conf.sample $(DESTDIR)$(docdir)
	sed -e 's|@prefix@|$(prefix)|' -e 's|@libdir@|$(libdir)|' -e 's|@includedir@|$(includedir)|' \
	    -e 's|@version@|$(VERSION)|' client/libcomlease.pc.in \
	    > $(DESTDIR)$(libdir)/pkgconfig/libcomlease.pc
	for page in $(MANUALS); do \
	    install -D -m 644 $$page $(DESTDIR)$(mandir)/man$${page##*.}/$${page##*/}; done

uninstall:			## what install put there, but the configuration
	rm -f $(DESTDIR)$(sbindir)/comleased $(DESTDIR)$(bindir)/comlease \
	    $(DESTDIR)$(libdir)/libcomlease.so* $(DESTDIR)$(libdir)/libcomlease.a \
	    $(DESTDIR)$(libdir)/libcomlease-shim.so $(DESTDIR)$(libdir)/pkgconfig/libcomlease.pc \
	    $(DESTDIR)$(includedir)/comlease.h $(DESTDIR)$(completiondir)/comlease \
	    $(DESTDIR)$(prefix)/share/varlink/io.comlease.varlink
	rm -rf $(DESTDIR)$(docdir)
	for page in $(MANUALS); do \
	    rm -f $(DESTDIR)$(mandir)/man$${page##*.}/$${page##*/}; done
	-rmdir $(DESTDIR)$(sysconfdir)/comlease/comlease.conf.d $(DESTDIR)$(sysconfdir)/comlease

dist:				## build/comlease-VERSION.tar.gz of what is committed
	@mkdir -p build
	git archive --prefix=comlease-$(VERSION)/ HEAD | gzip -n9 > build/comlease-$(VERSION).tar.gz

clean:				## remove everything that was built
	rm -rf build

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
