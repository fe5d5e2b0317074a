/*
 * carrier.c - see carrier.h. Knows nothing of leases, and opens nothing.
 *
 * The tricky idea: how the thread comes out of TIOCMIWAIT. A signal does it, but one that comes
 * just before the thread is in there is lost; so it is sent again until the thread has gone. While
 * the thread is in the driver the kernel keeps the device open, even if we close it: hence nothing
 * is closed before.
 */
#include "carrier.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define WAKE_SIGNAL SIGUSR1
#define WAKES       8 /* after 1, 2, 4 ... 128 ms */

static void
ignore_signal(int number)
{
	(void)number; /* it ends a system call, no more */
}

void
carrier_init(struct carrier *carrier)
{
	memset(carrier, 0, sizeof(*carrier));
	carrier->fd = carrier->device = -1;
}

static void
say(struct carrier *carrier, int state)
{
	const uint64_t one = 1;

	if (atomic_exchange(&carrier->state, state) != state &&
	    write(carrier->fd, &one, sizeof(one)) < 0)
		return; /* it is readable already */
}

static int
look(const struct carrier *carrier)
{
	int lines = 0;

	if (ioctl(carrier->device, TIOCMGET, &lines) < 0)
		return -errno;
	return (lines & TIOCM_CD) != 0;
}

static void *
run(void *argument)
{
	struct carrier *carrier = argument;
	int state = 0;

	while (!atomic_load(&carrier->is_ending) && state >= 0) {
		state = look(carrier);
		say(carrier, state);
		if (state >= 0 && !atomic_load(&carrier->is_ending) &&
		    ioctl(carrier->device, TIOCMIWAIT, TIOCM_CD) < 0 && errno != EINTR) {
			state = -errno;
			say(carrier, state);
		}
	}
	return NULL;
}

/* Every signal is for the main thread, but the one that wakes this one. */
static int
start_thread(struct carrier *carrier)
{
	struct sigaction action = { .sa_handler = ignore_signal };
	sigset_t all, before;
	int error;

	sigaction(WAKE_SIGNAL, &action, NULL);
	sigfillset(&all);
	sigdelset(&all, WAKE_SIGNAL);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&carrier->thread, NULL, run, carrier);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -error;
}

int
carrier_start(struct carrier *carrier, int device)
{
	int error;

	if (carrier->is_lost)
		return -EBUSY;
	carrier_stop(carrier);
	carrier->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (carrier->fd < 0)
		return -errno;
	carrier->device = device;
	atomic_store(&carrier->state, 0);
	atomic_store(&carrier->is_ending, false);
	error = start_thread(carrier);
	if (error < 0) {
		close(carrier->fd);
		carrier->fd = -1;
	}
	return error;
}

/* False: the driver does not let it go. */
static bool
join(struct carrier *carrier)
{
	struct timespec until;
	int i;

	for (i = 0; i < WAKES; i++) {
		pthread_kill(carrier->thread, WAKE_SIGNAL);
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += 1000000L << i;
		if (until.tv_nsec >= 1000000000L) {
			until.tv_nsec -= 1000000000L;
			until.tv_sec++;
		}
		if (pthread_clockjoin_np(carrier->thread, NULL, CLOCK_MONOTONIC, &until) == 0)
			return true;
	}
	return false;
}

void
carrier_stop(struct carrier *carrier)
{
	if (carrier->fd < 0)
		return;
	atomic_store(&carrier->is_ending, true);
	if (join(carrier)) {
		close(carrier->fd);
	} else {
		carrier->is_lost = true; /* the descriptor stays: the thread may still write */
		pthread_detach(carrier->thread);
	}
	carrier->fd = -1;
}

int
carrier_take(struct carrier *carrier)
{
	uint64_t count;

	if (read(carrier->fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return -errno;
	return atomic_load(&carrier->state);
}

int
carrier_check(struct carrier *carrier)
{
	int state = atomic_load(&carrier->state);

	return state < 0 ? state : look(carrier);
}
