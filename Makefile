# comlease. `make help` lists the targets. One tree of objects a flavour: build/release, build/asan...
#
#	make check			install what it needs, build, run all tests
#	make FLAVOUR=asan ...		release, asan (with UBSan), tsan, valgrind (-O1), coverage
#	make CC=clang ...		any compiler that takes gcc's options
#	make install DESTDIR= prefix= libdir= shimdir= sysconfdir= PYTHON= pythondir=
#			and, where they are not below $(prefix)/lib: unitdir= udevrulesdir= sysusersdir= tmpfilesdir=
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
# Nobody links the shim: distributions have a folder for such things, $(libdir)/comlease.
shimdir ?= $(libdir)
sysconfdir ?= /etc
bindir := $(prefix)/bin
sbindir := $(prefix)/sbin
includedir := $(prefix)/include
mandir := $(prefix)/share/man
docdir := $(prefix)/share/doc/comlease
completiondir := $(prefix)/share/bash-completion/completions
datadir := $(prefix)/share/comlease
unitdir ?= $(prefix)/lib/systemd/system
udevrulesdir ?= $(prefix)/lib/udev/rules.d
sysusersdir ?= $(prefix)/lib/sysusers.d
tmpfilesdir ?= $(prefix)/lib/tmpfiles.d
# The system's Python, and where it looks for modules below $(prefix); of a virtual environment's
# (`make install-python PYTHON=venv/bin/python`) its own folder.
PYTHON ?= $(firstword $(wildcard /usr/bin/python3) python3)
pythondir ?= $(shell $(PYTHON) client/python/site_folder.py $(prefix) 2>/dev/null)

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
LIBS_command = $(LIBS_client) $(call pkg,--libs libseccomp libserialport libudev)
LIBS_broker = $(call pkg,--libs jansson libevent_core libserialport inih libcap libudev) -pthread
LIBS_test = $(call pkg,--libs check) -lutil

# ---- what there is ----

BROKER := $(filter-out broker/main.c,$(wildcard broker/*.c))
LIBRARY := $(wildcard client/libcomlease*.c client/varlink*.c)
SHIM := $(wildcard client/shim*.c)
COMMAND := $(filter-out $(LIBRARY) $(SHIM),$(wildcard client/*.c))
SOFTMODEM := $(wildcard tests/softmodem*.c)
TEST_PROGRAMS := $(wildcard tests/test_*.c tests/fuzz_*.c tests/bench*.c tests/*_client.c)
TEST_PRELOADS := $(wildcard tests/preload_*.c)
# What stands before the C library or the command's own functions: in its own programs and in no other.
HOTPLUG_RIG := tests/hotplug_rig.c
DOCTOR_RIG := tests/doctor_rig.c
TEST_SHARED := $(filter-out $(SOFTMODEM) $(HOTPLUG_RIG) $(DOCTOR_RIG) $(TEST_PROGRAMS) $(TEST_PRELOADS),$(wildcard tests/*.c))
MANUALS := $(wildcard client/*.[1-9] broker/*.[1-9])
UNITS := $(notdir $(wildcard udev/*.service udev/*.socket))
ENFORCE := 72-comlease-enforce.rules
PYTHON_FILES := $(wildcard client/python/comlease/*.py) client/python/comlease/py.typed
SOURCES := $(wildcard broker/*.[ch] client/*.[ch] include/*.h tests/*.[ch])

object = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
PROGRAMS := $(BUILD)/comleased $(BUILD)/comlease $(BUILD)/libcomlease.so $(BUILD)/libcomlease-shim.so
TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(TEST_PROGRAMS)) $(BUILD)/tests/softmodem \
	$(patsubst tests/%.c,$(BUILD)/tests/%.so,$(TEST_PRELOADS))

# The shim for 32-bit programs: "installed" where this compiler builds for them too and finds a 32-bit
# jansson (Debian: gcc-multilib, libjansson-dev:i386); "unpacked" where tests/deps has brought both for
# the tests alone, because without that jansson it would not load into any program of this machine.
# What could be built is kept, so that it is asked once.
ROOT_32 := $(CURDIR)/build/i386/root
UNPACKED_32 := --sysroot=$(ROOT_32) $(addprefix -B,$(wildcard $(ROOT_32)/usr/lib/gcc/i686-linux-gnu/*/))
# The programs' own ld.so, and where it looks before all others, also for the shim's libraries.
RUN_32 := -Wl,--dynamic-linker=$(ROOT_32)/lib/ld-linux.so.2,--disable-new-dtags,-rpath,$(ROOT_32)/lib/i386-linux-gnu:$(ROOT_32)/usr/lib/i386-linux-gnu
PROBE_32 := $(BUILD)/gen/probe-32
probe_32 = $(CC) -m32 -include jansson.h -x c - $(1) -ljansson
CAN_32 := $(if $(filter $(or $(MAKECMDGOALS),all),clean dist help),,$(shell { mkdir -p $(BUILD)/gen; \
	$(CC) -dumpmachine | grep -q '^x86_64-' || exit; \
	[ -e $(PROBE_32).so ] || $(call probe_32,-shared -fPIC -o $(PROBE_32).so) </dev/null && echo installed || \
	{ [ -e $(ROOT_32) ] && { [ -e $(PROBE_32) ] || \
	echo 'int main(void) { return 0; }' | $(call probe_32,$(UNPACKED_32) $(RUN_32) -o $(PROBE_32)); } && \
	$(PROBE_32) && echo unpacked; }; } 2>/dev/null))
CC_32 := $(CC) -m32 $(if $(filter unpacked,$(CAN_32)),$(UNPACKED_32))
# ld.so has a name of its own for each class of libraries: client/run_preload.c. Where the 64-bit
# ones are in lib64, those in lib are 32-bit ones.
SHIM_FOLDER := $(BUILD)/comlease-shim
SHIM_32 := $(SHIM_FOLDER)/lib/i386-linux-gnu/libcomlease-shim.so
CLIENTS_64 := $(addprefix $(BUILD)/tests/shim_client-,plain fortified large)
CLIENTS_32 := $(addprefix $(BUILD)/tests/shim_client32-,plain fortified large)
TESTS += $(CLIENTS_64)
ifneq ($(CAN_32),)
PROGRAMS += $(SHIM_32)
TESTS += $(CLIENTS_32)
endif

.PHONY: all programs tests deps check run-check check-clients check-vm demo run-demo bench run-bench asan tsan valgrind \
	lint run-lint coverage fuzz install install-python install-units \
	install-enforce uninstall uninstall-enforce uninstall-python deb check-deb dist clean help FORCE
.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:

all: programs			## build comleased, comlease, the library and the shim
programs: $(PROGRAMS) $(BUILD)/libcomlease.a
tests: programs $(TESTS)

help:				## this list
	@sed -n 's/^\([a-z][a-z-]*\):[^#]*## \(.*\)/\1|\2/p' Makefile | \
	    while IFS='|' read -r target text; do printf '%-16s%s\n' "$$target" "$$text"; done

# ---- building ----

$(BUILD)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -c $< -o $@

# The shim's own names, and those of the library in it, stay inside: only what it hooks is seen.
$(call object,$(SHIM)): CFLAGS_ALL += -fvisibility=hidden

# Where it is installed is compiled in: with other folders these are compiled again.
INSTALLED := shimdir=$(shimdir) sysconfdir=$(sysconfdir)
$(BUILD)/gen/installed: FORCE
	@mkdir -p $(@D)
	@echo '$(INSTALLED)' | cmp -s - $@ || echo '$(INSTALLED)' > $@

$(call object,client/run_preload.c broker/config.c): $(BUILD)/gen/installed
$(call object,client/run_preload.c): CPPFLAGS_ALL += -DCOMLEASE_LIBDIR='"$(shimdir)"'
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
	$(Q)$(CC) $(LINK) $^ $(LIBS_command) -pthread -o $@

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

CFLAGS_32 := -std=c11 $(WARN) $(OPT_release) -fPIC -fvisibility=hidden -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64
$(BUILD)/obj32/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC32,$<)
	$(Q)$(CC_32) $(CPPFLAGS_ALL) $(CFLAGS_32) $(CFLAGS) -c $< -o $@

$(SHIM_32): $(patsubst %.c,$(BUILD)/obj32/%.o,$(SHIM) $(LIBRARY)) Makefile
	@mkdir -p $(@D) $(addprefix $(SHIM_FOLDER)/lib,64 32 /x86_64-linux-gnu)
	$(call say,LINK,$@)
	$(Q)$(CC_32) $(OPT_release) $(LINK_release) $(LDFLAGS) -shared -Wl,-z,defs $(filter %.o,$^) -ljansson -ldl -o $@
	@ln -sf ../../../$(@F) $(SHIM_FOLDER)/lib/x86_64-linux-gnu
	@ln -sf ../../$(@F) $(SHIM_FOLDER)/lib64
	@ln -sf ../lib/i386-linux-gnu/$(@F) $(SHIM_FOLDER)/lib32
	@case $$($(CC) -print-multi-os-directory) in \
	*lib64) ln -sf i386-linux-gnu/$(@F) $(SHIM_FOLDER)/lib ;; \
	*) ln -sf ../../$(@F) $(SHIM_FOLDER)/lib ;; esac

# ---- tests ----

# The program that tests the shim, as it is built in other ways.
BUILT_plain := -O0
BUILT_fortified := -O2 -D_FORTIFY_SOURCE=2
BUILT_large := $(BUILT_fortified) -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64
SHIM_CLIENT := tests/shim_client.c $(wildcard tests/shim_client_*.c)
define build_shim_client
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(or $(1),$(CC)) -D_GNU_SOURCE -std=c11 $(WARN) $(BUILT_$*) $(SHIM_CLIENT) -pthread -lutil -o $@
endef
$(CLIENTS_64): $(BUILD)/tests/shim_client-%: $(SHIM_CLIENT) tests/shim_client.h Makefile
	$(call build_shim_client)
$(CLIENTS_32): $(BUILD)/tests/shim_client32-%: $(SHIM_CLIENT) tests/shim_client.h Makefile
	$(call build_shim_client,$(CC_32) $(if $(filter unpacked,$(CAN_32)),$(RUN_32)))

$(BUILD)/tests/test_varlink_memory: LINK += -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free
# Those that test files of the command itself bring their own cli_fail().
SPY_FILES := $(wildcard client/bridge_spy*.c) client/spy_wire.c client/transcript.c client/text.c
$(addprefix $(BUILD)/tests/,test_spy_file test_spy_readers test_spy_door spy_client): $(call object,$(SPY_FILES))
$(BUILD)/tests/test_transcript: $(call object,client/transcript.c client/text.c)
$(BUILD)/tests/test_seccomp_elf: $(call object,client/seccomp_elf.c client/command_find.c)
PORTS_FILES := $(wildcard client/ports_*.c) client/status_table.c client/status_detail.c client/text.c
DOCTOR_FILES := $(filter-out client/doctor_ask.c,$(wildcard client/doctor_*.c)) client/command_find.c client/run_preload.c $(PORTS_FILES)
$(BUILD)/tests/test_ports: $(call object,$(PORTS_FILES))
$(patsubst %.c,$(BUILD)/%,$(wildcard tests/test_doctor*.c)): $(call object,$(DOCTOR_RIG) $(DOCTOR_FILES))
$(addprefix $(BUILD)/tests/,test_hotplug test_hotplug_event): $(call object,$(HOTPLUG_RIG))
$(BUILD)/tests/softmodem: LIBS_test = $(call pkg,--libs spandsp) -lm -lutil

$(BUILD)/tests/softmodem: $(call object,$(SOFTMODEM))
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LINK) $^ $(LIBS_test) -o $@

# Linked statically, so no shim gets into it, nor a flavour's sanitizer; and it runs in any guest.
$(BUILD)/tests/seccomp_client $(BUILD)/tests/vm_client: $(BUILD)/tests/%: tests/%.c Makefile
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CPPFLAGS_ALL) -std=c11 $(WARN) -O2 -g -static -pthread $< -o $@

$(BUILD)/tests/preload_serial.so: $(wildcard tests/serial_driver*.[ch])
$(BUILD)/tests/preload_%.so: tests/preload_%.c Makefile
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CPPFLAGS_ALL) -std=c11 $(WARN) -O2 -g -fPIC -shared $(filter %.c,$^) -ldl -o $@

$(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(BUILD)/libtests.a $(BUILD)/libbroker.a $(BUILD)/libcomlease.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LINK) $(filter %.o,$^) $(filter %.a,$^) $(LIBS_broker) $(LIBS_test) -o $@

deps:				## install the Debian packages that building and testing need
	@tests/deps

check: deps			## install what is needed, build, run all tests
	@command -v udevadm >/dev/null || tests/unpack build/udev udev || echo "rules.sh will be skipped"
	@$(MAKE) --no-print-directory -j$$(nproc) tests
	@$(MAKE) --no-print-directory run-check

run-check:
	@BUILD=$(BUILD) tests/run $(SUITES)

CLIENT_PACKAGES := hylafax-server mgetty wvdial tio screen busybox-static gammu gammu-smsd smstools gpsd
check-clients: deps		## real programs that take turns: fax servers, dialers, terminals, phones
	@tests/unpack build/clients $(CLIENT_PACKAGES)
	@$(MAKE) --no-print-directory -s -j$$(nproc) tests
	@CLIENTS=$(CURDIR)/build/clients/root $(MAKE) --no-print-directory run-check \
	    SUITES="$(notdir $(wildcard tests/clients_*.sh))"

check-vm: deps			## in a virtual machine: udev, systemd, hotplug, real tty drivers
	@$(MAKE) --no-print-directory -s -j$$(nproc) programs $(BUILD)/tests/softmodem $(BUILD)/tests/vm_client
	@BUILD=$(BUILD) tests/vm build/vm

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

install: programs install-python install-units	## into $(DESTDIR)$(prefix)
	install -d $(DESTDIR)$(bindir) $(DESTDIR)$(sbindir) $(DESTDIR)$(libdir)/pkgconfig $(DESTDIR)$(shimdir) \
	    $(DESTDIR)$(includedir) $(DESTDIR)$(docdir) $(DESTDIR)$(completiondir) \
	    $(DESTDIR)$(sysconfdir)/comlease/comlease.conf.d $(DESTDIR)$(prefix)/share/varlink
	install -m 755 $(BUILD)/comleased $(DESTDIR)$(sbindir)
	install -m 755 $(BUILD)/comlease $(DESTDIR)$(bindir)
	install -m 644 $(BUILD)/libcomlease.so.$(VERSION) $(BUILD)/libcomlease.a $(DESTDIR)$(libdir)
	install -m 644 $(BUILD)/libcomlease-shim.so $(DESTDIR)$(shimdir)
	rm -rf $(DESTDIR)$(shimdir)/comlease-shim
	$(if $(filter installed,$(CAN_32)),cp -RP $(SHIM_FOLDER) $(DESTDIR)$(shimdir))
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

# udev/comlease.sysusers is there sysusers.d/comlease.conf.
install-units:			## only what systemd and udev read
	install -d $(DESTDIR)$(unitdir) $(DESTDIR)$(udevrulesdir) $(DESTDIR)$(sysusersdir) \
	    $(DESTDIR)$(tmpfilesdir) $(DESTDIR)$(datadir)
	for unit in $(UNITS); do \
	    sed -e 's|@bindir@|$(bindir)|' -e 's|@sbindir@|$(sbindir)|' -e 's|@sysconfdir@|$(sysconfdir)|' \
	        udev/$$unit > $(DESTDIR)$(unitdir)/$$unit && chmod 644 $(DESTDIR)$(unitdir)/$$unit || exit 1; done
	install -m 644 udev/70-comlease.rules $(DESTDIR)$(udevrulesdir)
	install -m 644 udev/$(ENFORCE) $(DESTDIR)$(datadir)
	install -m 644 udev/comlease.sysusers $(DESTDIR)$(sysusersdir)/comlease.conf
	install -m 644 udev/comlease.tmpfiles $(DESTDIR)$(tmpfilesdir)/comlease.conf

install-enforce:		## the udev rule that lets only comlease open the ports
	install -d $(DESTDIR)$(udevrulesdir)
	install -m 644 udev/$(ENFORCE) $(DESTDIR)$(udevrulesdir)

uninstall-enforce:
	rm -f $(DESTDIR)$(udevrulesdir)/$(ENFORCE)

uninstall: uninstall-python uninstall-enforce	## what install put there, but the configuration
	rm -f $(DESTDIR)$(sbindir)/comleased $(DESTDIR)$(bindir)/comlease \
	    $(DESTDIR)$(libdir)/libcomlease.so* $(DESTDIR)$(libdir)/libcomlease.a \
	    $(DESTDIR)$(shimdir)/libcomlease-shim.so $(DESTDIR)$(libdir)/pkgconfig/libcomlease.pc \
	    $(DESTDIR)$(includedir)/comlease.h $(DESTDIR)$(completiondir)/comlease \
	    $(DESTDIR)$(prefix)/share/varlink/io.comlease.varlink \
	    $(addprefix $(DESTDIR)$(unitdir)/,$(UNITS)) $(DESTDIR)$(udevrulesdir)/70-comlease.rules \
	    $(DESTDIR)$(sysusersdir)/comlease.conf $(DESTDIR)$(tmpfilesdir)/comlease.conf
	rm -rf $(DESTDIR)$(datadir) $(DESTDIR)$(docdir) $(DESTDIR)$(shimdir)/comlease-shim
	for page in $(MANUALS); do \
	    rm -f $(DESTDIR)$(mandir)/man$${page##*.}/$${page##*/}; done
	-rmdir $(DESTDIR)$(sysconfdir)/comlease/comlease.conf.d $(DESTDIR)$(sysconfdir)/comlease

install-python:			## only the Python package, for PYTHON=
	@dir='$(pythondir)'; to="$(DESTDIR)$$dir/comlease"; \
	if [ -z "$$dir" ]; then echo "$(PYTHON): no Python 3.9 or later: its package is left out"; exit 0; fi; \
	install -d "$$to" && \
	install -m 644 $(PYTHON_FILES) "$$to" && install -m 644 client/python/comlease.pth "$$to.pth" && \
	$(PYTHON) -m compileall -q -d "$$dir/comlease" "$$to"

uninstall-python:
	@dir='$(pythondir)'; to="$(DESTDIR)$$dir/comlease"; [ -n "$$dir" ] || exit 0; \
	rm -f "$$to.pth"; rm -rf "$$to/__pycache__"; [ ! -d "$$to" ] || \
	(cd "$$to" && rm -f $(notdir $(PYTHON_FILES)) && cd .. && rmdir comlease)

deb:				## Debian packages, in build/deb
	@tests/deps deb
	@tests/deb build

check-deb:			## ... built twice, alike, and without a fault that lintian finds
	@tests/deps deb
	@tests/deb check

dist:				## build/comlease-VERSION.tar.gz of what is committed
	@mkdir -p build
	git archive --prefix=comlease-$(VERSION)/ HEAD | gzip -n9 > build/comlease-$(VERSION).tar.gz

clean:				## remove everything that was built
	rm -rf build

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
