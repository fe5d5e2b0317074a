/*
 * measure_open.c - an unrelated open() alone, under the shim and under seccomp: three processes of
 * the bench's own program, one with LD_PRELOAD, one in `comlease run --seccomp`, that open a
 * regular file when they are told to. And a stat() of that file: the shim can't do with less,
 * because only the kernel knows where a path leads.
 */
#include "measure.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHILD "--open"
#define OPENS 400
#define OPEN  'o'
#define STAT  's'

static double
open_often(const char *file)
{
	double values[OPENS], start;
	int i, fd;

	for (i = 0; i < OPENS; i++) {
		start = measure_now_us();
		fd = open(file, O_RDONLY | O_CLOEXEC);
		close(fd);
		values[i] = measure_now_us() - start;
		if (fd < 0)
			exit(EXIT_FAILURE);
	}
	return measure_median(values, OPENS);
}

static double
stat_often(const char *file)
{
	double values[OPENS], start;
	struct stat status;
	int i;

	for (i = 0; i < OPENS; i++) {
		start = measure_now_us();
		if (stat(file, &status) < 0)
			exit(EXIT_FAILURE);
		values[i] = measure_now_us() - start;
	}
	return measure_median(values, OPENS);
}

void
measure_open_child(int argc, char **argv)
{
	double median;
	char byte;

	if (argc != 3 || strcmp(argv[1], CHILD) != 0)
		return;
	while (read(STDIN_FILENO, &byte, 1) == 1) {
		median = byte == STAT ? stat_often(argv[2]) : open_often(argv[2]);
		if (write(STDIN_FILENO, &median, sizeof(median)) != sizeof(median))
			break;
	}
	exit(EXIT_SUCCESS);
}

enum way { PLAIN, SHIMMED, CAUGHT, WAYS };

static void
become(enum way way, const struct world *w, const char *file)
{
	char path[PATH_MAX], self[PATH_MAX] = "";

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return;
	if (way == SHIMMED) {
		measure_beside("libcomlease-shim.so", path, sizeof(path));
		setenv("LD_PRELOAD", path, 1);
	}
	if (way == CAUGHT) {
		measure_beside("comlease", path, sizeof(path));
		execl(path, "comlease", "run", "-s", w->socket, "--seccomp", self, CHILD, file,
		      (char *)NULL);
	} else {
		execl(self, "bench", CHILD, file, (char *)NULL);
	}
}

static pid_t
start(enum way way, const struct world *w, const char *file, int *channel)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		measure_fail("a socket pair");
	pid = measure_fork();
	if (pid == 0) {
		dup2(pair[1], STDIN_FILENO);
		become(way, w, file);
		_exit(1);
	}
	close(pair[1]);
	*channel = pair[0];
	return pid;
}

static double
once(int channel, char what)
{
	double median;

	if (write(channel, &what, 1) != 1 ||
	    recv(channel, &median, sizeof(median), MSG_WAITALL) != sizeof(median))
		measure_fail("open() of a regular file");
	return median;
}

void
measure_open(const struct world *w, const char *file, size_t rounds, struct open_series *s)
{
	struct series *const series[WAYS] = { &s->plain, &s->shimmed, &s->caught };
	char shim[PATH_MAX];
	int channels[WAYS];
	pid_t pids[WAYS];

	measure_beside("libcomlease-shim.so", shim, sizeof(shim));
	if (access(shim, R_OK) < 0)
		measure_fail("%s", shim);
	for (enum way way = PLAIN; way < WAYS; way++) {
		pids[way] = start(way, w, file, &channels[way]);
		once(channels[way], OPEN);
	}
	while (rounds-- > 0) {
		for (enum way way = PLAIN; way < WAYS; way++)
			series_add(series[way], once(channels[way], OPEN));
		series_add(&s->stat, once(channels[PLAIN], STAT));
	}
	for (enum way way = PLAIN; way < WAYS; way++) {
		close(channels[way]);
		measure_reap(pids[way]);
	}
}
