/*
 * measure_lease.c - what a lease costs, beside what it is made of: F, the round trip that hands out
 * a descriptor and does nothing else; and what a program does that guards a port by itself.
 *
 * The tricky idea: before each acquire the port is FREE, found out with List on another connection,
 * so that the broker's turnaround is not measured where it is not meant, and everything is as warm
 * as in the loop for F.
 */
#include "measure.h"

#include "../include/comlease.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#define ROUND_TRIPS 60
#define DIRECTS     60
#define ACQUIRES    24
#define CYCLES      24

struct lease_bench {
	const struct world *world;
	struct comlease *client, *looker;
	int echo; /* to the process that hands out a descriptor */
	pid_t echoer;
	int unmanaged; /* the master of a pty that the broker does not know */
	char direct[64];
};

/* ---- F ---- */

union control {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

static void
send_fd(int socket, int fd)
{
	char byte = 1;
	struct iovec iov = { &byte, 1 };
	union control control = { .bytes = { 0 } };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	if (sendmsg(socket, &m, MSG_NOSIGNAL) != 1)
		_exit(1);
}

static int
receive_fd(int socket)
{
	char byte;
	struct iovec iov = { &byte, 1 };
	union control control;
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *c;
	int fd = -1;

	if (recvmsg(socket, &m, MSG_CMSG_CLOEXEC) == 1 && (c = CMSG_FIRSTHDR(&m)) != NULL)
		memcpy(&fd, CMSG_DATA(c), sizeof(int));
	return fd;
}

static void
start_echo(struct lease_bench *b)
{
	int pair[2], fd;
	char byte;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		measure_fail("a socket pair");
	b->echoer = measure_fork();
	if (b->echoer > 0) {
		b->echo = pair[0];
		close(pair[1]);
		return;
	}
	close(pair[0]);
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (read(pair[1], &byte, 1) == 1)
		send_fd(pair[1], fd);
	_exit(0);
}

static double
round_trip(struct lease_bench *b)
{
	double start = measure_now_us(), took;
	int fd;

	if (write(b->echo, "", 1) != 1)
		measure_fail("the round trip");
	fd = receive_fd(b->echo);
	took = measure_now_us() - start;
	if (fd < 0)
		measure_fail("the round trip");
	close(fd);
	return took;
}

/* ---- without a broker ---- */

static double
direct(struct lease_bench *b)
{
	double start = measure_now_us();
	int fd = open(b->direct, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	struct termios t;

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || tcgetattr(fd, &t) < 0)
		measure_fail("%s", b->direct);
	cfsetspeed(&t, B115200);
	if (tcsetattr(fd, TCSANOW, &t) < 0)
		measure_fail("%s", b->direct);
	close(fd);
	return measure_now_us() - start;
}

/* ---- with it ---- */

int
measure_acquire(struct comlease *c, int priority)
{
	struct comlease_request request = COMLEASE_REQUEST_INIT;
	int fd;

	request.port = "p0";
	request.priority = priority;
	fd = comlease_acquire(c, &request, NULL);
	if (fd < 0)
		measure_fail("acquire: %s", comlease_error(c));
	return fd;
}

static double
acquire_idle(struct lease_bench *b)
{
	double start, took;
	int fd;

	world_await(b->looker, "free", 0);
	start = measure_now_us();
	fd = measure_acquire(b->client, 0);
	took = measure_now_us() - start;
	close(fd);
	return took;
}

static double
acquire_fresh(struct lease_bench *b)
{
	struct comlease *c;
	double start, took;
	int fd;

	world_await(b->looker, "free", 0);
	start = measure_now_us();
	c = world_connect(b->world);
	fd = measure_acquire(c, 0);
	took = measure_now_us() - start;
	comlease_disconnect(c);
	close(fd);
	return took;
}

static double
cycle(struct lease_bench *b)
{
	double start = measure_now_us();

	close(measure_acquire(b->client, 0));
	return measure_now_us() - start;
}

struct lease_bench *
lease_bench_start(const struct world *w)
{
	struct lease_bench *b = calloc(1, sizeof(*b));

	if (b == NULL)
		measure_fail("memory");
	b->world = w;
	b->client = world_connect(w);
	b->looker = world_connect(w);
	b->unmanaged = measure_pty(b->direct, sizeof(b->direct));
	start_echo(b);
	return b;
}

static double
median_of(struct lease_bench *b, double (*once)(struct lease_bench *), size_t times)
{
	double values[ROUND_TRIPS];
	size_t i;

	once(b); /* warm */
	for (i = 0; i < times; i++)
		values[i] = once(b);
	return measure_median(values, times);
}

void
lease_bench_round(struct lease_bench *b, struct lease_series *s)
{
	series_add(&s->round_trip, median_of(b, round_trip, ROUND_TRIPS));
	series_add(&s->direct, median_of(b, direct, DIRECTS));
	series_add(&s->acquire, median_of(b, acquire_idle, ACQUIRES));
	series_add(&s->acquire_fresh, median_of(b, acquire_fresh, ACQUIRES));
	series_add(&s->cycle, median_of(b, cycle, CYCLES));
	world_await(b->looker, "free", 0);
}

void
lease_bench_stop(struct lease_bench *b)
{
	close(b->echo);
	kill(b->echoer, SIGKILL); /* others have copies of that socket: it does not end by itself */
	measure_reap(b->echoer);
	close(b->unmanaged);
	comlease_disconnect(b->client);
	comlease_disconnect(b->looker);
	free(b);
}
