/*
 * run_preload.c - where the shim is, and LD_PRELOAD.
 *
 * Responsible for: finding libcomlease-shim.so in the build tree, in an installed one and in one
 * that was moved; and the one for 32-bit programs, where it was built. Refuses to know what it
 * does. The one tricky idea: ld.so complains of a library of the wrong class. It replaces $LIB in
 * LD_PRELOAD by its own folder's name (lib/x86_64-linux-gnu, lib32...), which tells the classes
 * apart; beside the shim there is a folder of each of those names. Whether ours is among them is
 * asked of our own ld.so, by a dlopen() that loads nothing.
 */
#include "cli.h"
#include "run.h"
#include "text.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef COMLEASE_LIBDIR
#define COMLEASE_LIBDIR "/usr/local/lib"
#endif
#define SHIM  "libcomlease-shim.so"
#define TOKEN "/comlease-shim/$LIB/" SHIM

/* The folder of the shim: that of the executable in the build tree; the lib beside its bin,
 * wherever an installed tree was copied to; else where it was installed. */
void
run_shim_folder(char folder[PATH_MAX])
{
	static const char *const beside[] = { "", "/lib" };
	ssize_t n = readlink("/proc/self/exe", folder, PATH_MAX - sizeof "/lib/" SHIM);
	char *slash;

	folder[n > 0 ? n : 0] = '\0';
	for (size_t i = 0; i < 2 && (slash = strrchr(folder, '/')); i++) {
		sprintf(slash, "%s/%s", beside[i], SHIM);
		if (access(folder, R_OK) == 0) {
			*strrchr(folder, '/') = '\0';
			return;
		}
		*slash = '\0';
	}
	snprintf(folder, PATH_MAX, "%s", COMLEASE_LIBDIR);
}

/* NULL without a message: it is there, and not loaded. */
static bool
suits_us(const char *path)
{
	void *loaded;

	dlerror();
	loaded = dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
	if (!loaded)
		return dlerror() == NULL;
	dlclose(loaded);
	return true;
}

/* With $LIB in it, for programs of both classes. */
static bool
find_both(const char *folder, char path[PATH_MAX])
{
	return snprintf(path, PATH_MAX, "%s%s", folder, TOKEN) < PATH_MAX && suits_us(path);
}

static int
find_shim(char path[PATH_MAX])
{
	char folder[PATH_MAX];

	run_shim_folder(folder);
	if (find_both(folder, path))
		return 0;
	if (snprintf(path, PATH_MAX, "%s/%s", folder, SHIM) >= PATH_MAX || access(path, R_OK) < 0)
		return cli_fail(CLI_CONFIG, "%s: %s: install comlease again", path,
				strerror(errno));
	return 0;
}

bool
run_preloads_32(void)
{
	char folder[PATH_MAX], path[PATH_MAX];

	run_shim_folder(folder);
	return find_both(folder, path);
}

int
run_preload(void)
{
	const char *others = getenv("LD_PRELOAD");
	char path[PATH_MAX];
	struct text t = { 0 };
	int status = find_shim(path);

	if (status)
		return status;
	if (strpbrk(path, ": "))
		return cli_fail(
		    CLI_CONFIG,
		    "%s: LD_PRELOAD takes no path with a colon or a space: move comlease", path);
	text_add(&t, path);
	if (others && *others)
		text_addf(&t, ":%s", others);
	if (setenv("LD_PRELOAD", t.s, 1) < 0)
		status = cli_fail(CLI_SYSTEM, "no memory");
	text_free(&t);
	return status;
}

int
run_no_preload(void)
{
	const char *others = getenv("LD_PRELOAD");
	char *all = others ? strdup(others) : NULL, *rest = all, *one;
	struct text t = { 0 };

	text_add(&t, "");
	while (rest && (one = strsep(&rest, ": "))) {
		const char *slash = strrchr(one, '/');
		if (*one && !(slash && strcmp(slash + 1, SHIM) == 0))
			text_addf(&t, "%s%s", t.len ? ":" : "", one);
	}
	int status =
	    all && setenv("LD_PRELOAD", t.s, 1) < 0 ? cli_fail(CLI_SYSTEM, "no memory") : 0;
	if (t.len == 0)
		unsetenv("LD_PRELOAD");
	text_free(&t);
	free(all);
	return status;
}
