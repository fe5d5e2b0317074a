/*
 * doctor_shim.c - what `comlease run` loads into programs, what that needs, and the variables that
 * change what it does.
 *
 * Responsible for: is the shim there, readable, and made for this machine. Refuses to know: what
 * it does, and how LD_PRELOAD gets it in (run_preload.c).
 */
#include "doctor.h"
#include "run.h"

#include <elf.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHIM    "libcomlease-shim.so"
#define SHIM_32 "comlease-shim/lib/i386-linux-gnu/" SHIM
#define AGAIN   "install comlease again"

/* ---- the shim ---- */

/* What the machine's own programs are, by their ELF header: class and machine. False: no ELF. */
static bool
read_kind(const struct doctor *d, const char *path, unsigned char kind[3])
{
	char header[24];

	if (!doctor_read(d, path, header, sizeof header) || memcmp(header, ELFMAG, SELFMAG) != 0)
		return false;
	kind[0] = (unsigned char)header[EI_CLASS];
	memcpy(kind + 1, header + 18, 2); /* e_machine */
	return true;
}

static bool
is_ours(const unsigned char kind[3])
{
	struct doctor real = { .root = "" };
	unsigned char own[3];

	return read_kind(&real, "/proc/self/exe", own) && memcmp(own, kind, 3) == 0;
}

static void
check_shim_32(struct doctor *d, const char *folder, const char *shim)
{
	char path[PATH_MAX];
	unsigned char kind[3];

	snprintf(path, sizeof path, "%s/" SHIM_32, folder);
	if (read_kind(d, path, kind) && kind[0] == ELFCLASS32)
		doctor_say(d, DOCTOR_OK, NULL, "%s, and for 32-bit programs %s", shim, path);
	else
		doctor_say(d, DOCTOR_OK, NULL,
			   "%s; none for 32-bit programs, whose opens `run` catches by seccomp",
			   shim);
}

void
doctor_check_shim_in(struct doctor *d, const char *folder)
{
	char path[PATH_MAX];
	unsigned char kind[3];

	snprintf(path, sizeof path, "%s/" SHIM, folder);
	if (!doctor_exists(d, path))
		doctor_say(d, DOCTOR_WRONG, AGAIN, "%s is not there: `comlease run` can't work",
			   path);
	else if (!read_kind(d, path, kind))
		doctor_say(d, DOCTOR_WRONG, AGAIN,
			   "%s can't be read, or is no library: `comlease run` can't work", path);
	else if (!is_ours(kind))
		doctor_say(d, DOCTOR_WRONG, AGAIN " (that of this machine's architecture)",
			   "%s is made for another kind of machine than this command", path);
	else if (strpbrk(path, ": "))
		doctor_say(d, DOCTOR_WRONG, "move comlease to a folder without those",
			   "%s has a colon or a space in it, which LD_PRELOAD does not take", path);
	else if (kind[0] == ELFCLASS64)
		check_shim_32(d, folder, path);
	else
		doctor_say(d, DOCTOR_OK, NULL, "%s", path);
}

void
doctor_check_shim(struct doctor *d)
{
	char folder[PATH_MAX];

	run_shim_folder(folder);
	doctor_check_shim_in(d, folder);
}

/* ---- jansson ---- */

static bool
has_jansson_32(const struct doctor *d)
{
	static const char *const folders[] = { "/usr/lib/i386-linux-gnu", "/lib/i386-linux-gnu",
					       "/usr/lib32", "/usr/lib" };
	char path[128];
	unsigned char kind[3];

	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
		snprintf(path, sizeof path, "%s/libjansson.so.4", folders[i]);
		if (read_kind(d, path, kind) && kind[0] == ELFCLASS32)
			return true;
	}
	return false;
}

/* This command does not start without it; the 32-bit shim needs one of its own. */
void
doctor_check_jansson_of(struct doctor *d, bool has_shim_32)
{
	if (has_shim_32 && !has_jansson_32(d)) {
		doctor_say(
		    d, DOCTOR_WARN, NULL,
		    "there is no 32-bit jansson: the shim does not load into 32-bit programs, "
		    "which then open ports without waiting");
		doctor_mend(d, "%sapt-get install libjansson4:i386", doctor_sudo(d));
	} else {
		doctor_say(d, DOCTOR_OK, NULL, "%s%s", jansson_version_str(),
			   has_shim_32 ? ", and a 32-bit one" : "");
	}
}

void
doctor_check_jansson(struct doctor *d)
{
	char folder[PATH_MAX], path[PATH_MAX + 64];

	run_shim_folder(folder);
	snprintf(path, sizeof path, "%s/" SHIM_32, folder);
	doctor_check_jansson_of(d, access(path, R_OK) == 0);
}

/* ---- the environment ---- */

/* What a variable changes; a key is like a password, and not shown. */
static const struct {
	const char *name, *means;
	bool is_secret;
} variables[] = {
	{ "COMLEASE_SOCKET", "all commands ask the broker there, and no other", false },
	{ "COMLEASE_CLASS", "requests are of that class", false },
	{ "COMLEASE_PRIORITY", "programs under the shim ask with that priority", false },
	{ "COMLEASE_LABEL", "requests bear that label", false },
	{ "COMLEASE_WAIT", "programs under `run` wait that long for a port", false },
	{ "COMLEASE_MAX_HOLD", "leases last that many seconds at the most", false },
	{ "COMLEASE_STANDBY", "programs under the shim hold their port in standby", false },
	{ "COMLEASE_REQUIRE", "the shim opens no managed port without the broker", false },
	{ "COMLEASE_DEVICES", "the shim takes those for the managed ports", false },
	{ "COMLEASE_LOCK_DIR", "the shim takes lock files there for the program's own", false },
	{ "COMLEASE_PORT", "`comlease busy` and `idle` mean that port", false },
	{ "COMLEASE_TOKEN", "`comlease busy` and `idle` mean that lease", false },
	{ "COMLEASE_KEY", "whatever is started here belongs to one holder's lease", true },
	{ "COMLEASE_DEBUG", "the shim tells on stderr what it does", false },
};

static bool
is_shim_loaded(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload && strstr(preload, SHIM);
}

void
doctor_check_environment(struct doctor *d)
{
	bool any = false;

	for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
		const char *value = getenv(variables[i].name);
		if (!value)
			continue;
		doctor_say(d, DOCTOR_WARN, NULL, "%s is %s: %s", variables[i].name,
			   variables[i].is_secret ? "set" : value, variables[i].means);
		doctor_mend(d, "unset %s, if that is not meant", variables[i].name);
		any = true;
	}
	if (is_shim_loaded())
		doctor_say(d, DOCTOR_OK, NULL,
			   "this runs under `comlease run`: LD_PRELOAD has the shim in it");
	else if (!any)
		doctor_say(d, DOCTOR_OK, NULL, "no COMLEASE_... variable is set");
}
