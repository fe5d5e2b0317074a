/*
 * measure_crowd.c - thousands of waiters: helper processes with raw connections, each of which has
 * asked for p0 and waits for ever. And the memory that they cost the broker.
 */
#include "measure.h"

#include "../include/comlease.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define OF_EACH                                                                                    \
	100          /* connections of a helper: each request has all of its descriptors looked at \
		      */
#define RESERVED 200 /* descriptors of the broker that are not for waiters */

size_t
crowd_size(size_t wanted)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		measure_fail("the limit on descriptors");
	limit.rlim_cur = limit.rlim_max; /* the broker inherits it */
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		measure_fail("the limit on descriptors");
	if (limit.rlim_max < wanted + RESERVED)
		wanted = limit.rlim_max > RESERVED ? (size_t)limit.rlim_max - RESERVED : 1;
	return wanted;
}

static void
ask(const struct world *w)
{
	static const char call[] = "{\"method\":\"io.comlease.Acquire\","
				   "\"parameters\":{\"port\":\"p0\"}}";
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, w->socket);
	if (s < 0 || connect(s, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    send(s, call, sizeof(call), MSG_NOSIGNAL) != (ssize_t)sizeof(call))
		measure_fail("a waiter");
}

/* They stay until the pipe ends. */
static void
help(const struct world *w, size_t count, const int end[2])
{
	char byte;

	close(end[1]);
	while (count-- > 0)
		ask(w);
	_exit(read(end[0], &byte, 1) == 0 ? 0 : 1);
}

void
crowd_start(struct crowd *crowd, const struct world *w, size_t waiters)
{
	size_t left, count;
	int end[2];

	*crowd = (struct crowd){ .waiters = waiters };
	if (pipe2(end, O_CLOEXEC) < 0)
		measure_fail("a pipe");
	for (left = waiters; left > 0; left -= count) {
		count = left < OF_EACH ? left : OF_EACH;
		if (crowd->helper_count == CROWD_HELPERS_MAX)
			measure_fail("too many waiters");
		crowd->helpers[crowd->helper_count] = measure_fork();
		if (crowd->helpers[crowd->helper_count] == 0)
			help(w, count, end);
		crowd->helper_count++;
	}
	close(end[0]);
	crowd->end = end[1];
}

void
crowd_stop(struct crowd *crowd)
{
	size_t i;

	close(crowd->end);
	for (i = 0; i < crowd->helper_count; i++)
		measure_reap(crowd->helpers[i]);
}

double
measure_memory(pid_t pid)
{
	char path[64], line[128];
	double kib = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	f = fopen(path, "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "Pss:", 4) == 0)
			kib = strtod(line + 4, NULL);
	if (f != NULL)
		fclose(f);
	if (kib < 0)
		measure_fail("%s", path);
	return kib * 1024;
}
