/*
 * measure.c - clock, samples, processes. Knows nothing of what is measured.
 */
#include "measure.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

double
measure_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

void
measure_poll(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	poll(&p, 1, -1);
}

void
measure_fail(const char *format, ...)
{
	va_list args;
	int error = errno;

	va_start(args, format);
	fputs("bench: could not measure: ", stderr);
	vfprintf(stderr, format, args);
	fprintf(stderr, " (%s)\n", strerror(error));
	va_end(args);
	exit(EXIT_FAILURE);
}

/* ---- samples ---- */

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

double
measure_median(double *values, size_t count)
{
	if (count == 0)
		measure_fail("no samples");
	qsort(values, count, sizeof(*values), compare);
	return count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

void
series_add(struct series *s, double value)
{
	if (s->count < MEASURE_ROUNDS_MAX)
		s->round[s->count++] = value;
}

static double
combine(const struct series *s, const struct series *base, bool divide)
{
	double values[MEASURE_ROUNDS_MAX];
	size_t i, count = base != NULL && base->count < s->count ? base->count : s->count;

	for (i = 0; i < count; i++) {
		values[i] = s->round[i];
		if (base != NULL)
			values[i] =
			    divide ? values[i] / base->round[i] : values[i] - base->round[i];
	}
	return measure_median(values, count);
}

double
series_median(const struct series *s)
{
	return combine(s, NULL, false);
}

double
series_ratio(const struct series *s, const struct series *base)
{
	return combine(s, base, true);
}

double
series_difference(const struct series *s, const struct series *base)
{
	return combine(s, base, false);
}

/* ---- processes ---- */

void
measure_beside(const char *name, char *path, size_t size)
{
	char self[PATH_MAX], *slash;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[n < 0 ? 0 : n] = '\0';
	slash = strrchr(self, '/');
	if (slash == NULL ||
	    snprintf(path, size, "%.*s/../%s", (int)(slash - self), self, name) >= (int)size)
		measure_fail("the path of %s", name);
}

int
measure_pin(void)
{
	cpu_set_t allowed, one;
	size_t core = CPU_SETSIZE - 1;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		measure_fail("which cores there are");
	while (core > 0 && !CPU_ISSET(core, &allowed))
		core--;
	CPU_ZERO(&one);
	CPU_SET(core, &one);
	if (sched_setaffinity(0, sizeof(one), &one) < 0)
		measure_fail("one core for all");
	return (int)core;
}

pid_t
measure_fork(void)
{
	pid_t parent = getpid(), pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		measure_fail("fork");
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1);
	return 0;
}

void
measure_reap(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}
