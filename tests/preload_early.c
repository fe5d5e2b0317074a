/*
 * preload_early.c - opens COMLEASE_TEST_EARLY before the program's main() and, loaded before the
 * shim, before any constructor of the shim's: as a library does that looks for its device when it
 * is loaded.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

__attribute__((constructor(101))) static void
open_early(void)
{
	const char *path = getenv("COMLEASE_TEST_EARLY");
	int fd = path ? open(path, O_RDWR | O_NOCTTY | O_CLOEXEC) : -1;

	dprintf(STDOUT_FILENO, "early %d\n", fd);
}
