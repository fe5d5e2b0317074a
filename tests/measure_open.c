/*
 * measure_open.c - an unrelated open() with and without the shim: two processes of the bench's own
 * program, one with LD_PRELOAD, that open a regular file when they are told to.
 */
#include "measure.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHILD "--open"
#define OPENS 400

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

void
measure_open_child(int argc, char **argv)
{
	double median;
	char byte;

	if (argc != 3 || strcmp(argv[1], CHILD) != 0)
		return;
	while (read(STDIN_FILENO, &byte, 1) == 1) {
		median = open_often(argv[2]);
		if (write(STDIN_FILENO, &median, sizeof(median)) != sizeof(median))
			break;
	}
	exit(EXIT_SUCCESS);
}

static pid_t
start(const char *file, const char *preload, int *channel)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		measure_fail("a socket pair");
	pid = measure_fork();
	if (pid == 0) {
		dup2(pair[1], STDIN_FILENO);
		if (preload != NULL)
			setenv("LD_PRELOAD", preload, 1);
		execl("/proc/self/exe", "bench", CHILD, file, (char *)NULL);
		_exit(1);
	}
	close(pair[1]);
	*channel = pair[0];
	return pid;
}

static double
once(int channel)
{
	double median;

	if (write(channel, "", 1) != 1 ||
	    recv(channel, &median, sizeof(median), MSG_WAITALL) != sizeof(median))
		measure_fail("open() of a regular file");
	return median;
}

void
measure_open(const char *file, size_t rounds, struct series *plain, struct series *shimmed)
{
	char shim[PATH_MAX];
	int channels[2];
	pid_t pids[2];

	measure_beside("libcomlease-shim.so", shim, sizeof(shim));
	if (access(shim, R_OK) < 0)
		measure_fail("%s", shim);
	pids[0] = start(file, NULL, &channels[0]);
	pids[1] = start(file, shim, &channels[1]);
	once(channels[0]);
	once(channels[1]);
	while (rounds-- > 0) {
		series_add(plain, once(channels[0]));
		series_add(shimmed, once(channels[1]));
	}
	close(channels[0]);
	close(channels[1]);
	measure_reap(pids[0]);
	measure_reap(pids[1]);
}
