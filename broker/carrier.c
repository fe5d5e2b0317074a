/*
 * carrier.c - see carrier.h. Knows nothing of leases, and opens nothing.
 *
 * The tricky idea: how the thread comes out of TIOCMIWAIT. A signal does it, but one that comes
 * just before the thread is in there is lost; so the first one starts a timer, which sends it again
 * until the thread has gone. While the thread is in the driver the kernel keeps the device open,
 * even if we close it: hence nothing is closed before.
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
#define WAKE_NS     5000000
#define PATIENCE_MS 250 /* so long the caller waits for the thread */

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static _Thread_local timer_t waker;
static _Thread_local volatile sig_atomic_t has_waker;

/* It ends a system call, now or the next time. */
static void
wake(int number)
{
	const struct itimerspec again = { .it_value.tv_nsec = WAKE_NS };
	int error = errno;

	(void)number;
	if (has_waker)
		timer_settime(waker, 0, &again, NULL);
	errno = error;
}

void
carrier_init(struct carrier *carrier)
{
	memset(carrier, 0, sizeof(*carrier));
	carrier->fd = carrier->device = carrier->lost = -1;
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

static void
watch(struct carrier *carrier)
{
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
}

static void *
run(void *argument)
{
	struct sigevent self = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = WAKE_SIGNAL };

	self.sigev_notify_thread_id = gettid();
	if (timer_create(CLOCK_MONOTONIC, &self, &waker) < 0) {
		say(argument, -errno);
		return NULL;
	}
	has_waker = 1;
	watch(argument);
	has_waker = 0;
	timer_delete(waker);
	return NULL;
}

/* Every signal is for the main thread, but the one that wakes this one. */
static int
start_thread(struct carrier *carrier)
{
	struct sigaction action = { .sa_handler = wake };
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

/* The one that was given up has come out meanwhile. */
static bool
has_returned(struct carrier *carrier)
{
	if (pthread_tryjoin_np(carrier->thread, NULL) != 0)
		return false;
	close(carrier->lost);
	carrier->lost = -1;
	return true;
}

int
carrier_start(struct carrier *carrier, int device)
{
	int error;

	if (carrier->lost >= 0 && !has_returned(carrier))
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

	pthread_kill(carrier->thread, WAKE_SIGNAL);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += PATIENCE_MS * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	return pthread_clockjoin_np(carrier->thread, NULL, CLOCK_MONOTONIC, &until) == 0;
}

void
carrier_stop(struct carrier *carrier)
{
	if (carrier->fd < 0)
		return;
	atomic_store(&carrier->is_ending, true);
	if (join(carrier))
		close(carrier->fd);
	else
		carrier->lost = carrier->fd; /* it stays open: the thread may still write */
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
