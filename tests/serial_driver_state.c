/*
 * serial_driver_state.c - the memory that the imitated driver and the tests share, and its journal.
 */
#include "serial_driver.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#define PTY_MAJOR     136
#define PTY_MAJOR_END 144

const char *
serial_folder(void)
{
	return getenv(SERIAL_ENVIRONMENT);
}

struct serial_state *
serial_state(void)
{
	static struct serial_state *_Atomic state;
	static atomic_bool is_tried;
	char path[PATH_MAX];
	void *map;
	int fd;

	if (atomic_load(&state) != NULL || atomic_load(&is_tried))
		return atomic_load(&state);
	atomic_store(&is_tried, true);
	if (serial_folder() == NULL)
		return NULL;
	snprintf(path, sizeof(path), "%s/state", serial_folder());
	fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	map = mmap(NULL, sizeof(struct serial_state), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	syscall(SYS_close, fd);
	atomic_store(&state, map == MAP_FAILED ? NULL : map);
	return atomic_load(&state);
}

int
serial_line_number(const struct serial_line *line)
{
	return (int)(line - serial_state()->lines);
}

struct serial_line *
serial_line_of_rdev(dev_t rdev)
{
	struct serial_state *state = serial_state();
	int i, number;

	if (state == NULL || major(rdev) < PTY_MAJOR || major(rdev) >= PTY_MAJOR_END)
		return NULL;
	number = (int)((major(rdev) - PTY_MAJOR) * 256 + minor(rdev)) + 1; /* 0: no line */
	for (i = 0; i < SERIAL_LINES_MAX; i++) {
		int wanted = atomic_load(&state->lines[i].minor);

		if (wanted == SERIAL_ANY || wanted == number)
			return &state->lines[i];
	}
	return NULL;
}

void
serial_note(const struct serial_line *line, enum serial_what what, int value)
{
	struct serial_state *state = serial_state();
	size_t i = atomic_fetch_add(&state->events, 1);
	struct timespec now;

	if (i >= SERIAL_JOURNAL_MAX)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	state->journal[i] = (struct serial_event){ .ns = now.tv_sec * 1000000000 + now.tv_nsec,
						   .pid = getpid(),
						   .line = serial_line_number(line),
						   .what = what,
						   .value = value };
}
