/*
 * measure_data.c - bytes through a leased descriptor against a directly opened one. The broker is
 * not in between: they can differ only if it leaves something on the way.
 */
#include "measure.h"

#include "../include/comlease.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define CHUNK  4096
#define BYTES  (512 * 1024) /* of a round */
#define ECHOES 100

/* At the far end: takes what comes, and answers single bytes. */
static void
far_end(int master)
{
	static char buffer[CHUNK];
	ssize_t n;

	for (;;) {
		n = read(master, buffer, sizeof(buffer));
		if (n < 0)
			_exit(0);
		if (buffer[n - 1] == '?' && write(master, "!", 1) != 1)
			_exit(0);
	}
}

static pid_t
start_far_end(int master)
{
	pid_t pid = measure_fork();

	if (pid == 0)
		far_end(master);
	return pid;
}

static void
ask_far_end(int fd)
{
	char byte;

	if (write(fd, "?", 1) != 1 || read(fd, &byte, 1) != 1)
		measure_fail("bytes through the pty");
}

/* Until the far end has taken all of it. */
static double
rate(int fd)
{
	static const char buffer[CHUNK];
	double start = measure_now_us();
	size_t sent;

	for (sent = 0; sent < BYTES; sent += CHUNK) {
		size_t done = 0;

		while (done < CHUNK) {
			ssize_t n = write(fd, buffer + done, CHUNK - done);

			if (n < 0)
				measure_fail("bytes through the pty");
			done += (size_t)n;
		}
	}
	ask_far_end(fd);
	return BYTES / (measure_now_us() - start);
}

static double
latency(int fd)
{
	double values[ECHOES], start;
	size_t i;

	for (i = 0; i < ECHOES; i++) {
		start = measure_now_us();
		ask_far_end(fd);
		values[i] = measure_now_us() - start;
	}
	return measure_median(values, ECHOES);
}

void
measure_data(const struct world *w, size_t rounds, struct data_series *s)
{
	struct comlease *c = world_connect(w);
	int leased = measure_acquire(c, 0), direct, master;
	char name[64];
	pid_t ends[2];

	master = measure_pty(name, sizeof(name));
	direct = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (direct < 0 || fcntl(leased, F_SETFL, O_RDWR) < 0)
		measure_fail("%s", name);
	ends[0] = start_far_end(w->masters[0]);
	ends[1] = start_far_end(master);
	while (rounds-- > 0) {
		series_add(&s->rate_leased, rate(leased));
		series_add(&s->rate_direct, rate(direct));
		series_add(&s->latency_leased, latency(leased));
		series_add(&s->latency_direct, latency(direct));
	}
	kill(ends[0], SIGKILL);
	kill(ends[1], SIGKILL);
	measure_reap(ends[0]);
	measure_reap(ends[1]);
	close(direct);
	close(master);
	close(leased);
	comlease_disconnect(c);
}
