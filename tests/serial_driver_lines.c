/*
 * serial_driver_lines.c - the modem lines of the imitated driver: outputs that a request sets,
 * inputs that a test sets and others wait for.
 */
#include "serial_driver_internal.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/serial.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define TICK_NS 10000000 /* who sleeps looks whether his description has been hung up */

int
serial_pty(int fd, unsigned long request, void *argument)
{
	return syscall(SYS_ioctl, fd, request, argument) < 0 ? -errno : 0;
}

int
serial_is_alive(int fd)
{
	int discipline;

	return serial_pty(fd, TIOCGETD, &discipline);
}

/* A while, or until it changes: 0 or -EINTR. */
int
serial_sleep(atomic_uint *futex, unsigned seen)
{
	const struct timespec tick = { .tv_nsec = TICK_NS };

	return syscall(SYS_futex, futex, FUTEX_WAIT, seen, &tick, NULL, 0) < 0 && errno == EINTR
		   ? -EINTR
		   : 0;
}

void
serial_set_outputs(struct serial_line *line, unsigned mask, unsigned value)
{
	unsigned before = atomic_load(&line->modem), after;

	do
		after = (before & ~mask) | (value & mask);
	while (!atomic_compare_exchange_weak(&line->modem, &before, after));
	if ((before ^ after) & TIOCM_DTR)
		serial_note(line, SERIAL_DTR, (after & TIOCM_DTR) != 0);
	if ((before ^ after) & TIOCM_RTS)
		serial_note(line, SERIAL_RTS, (after & TIOCM_RTS) != 0);
}

static const unsigned inputs[] = { TIOCM_CTS, TIOCM_DSR, TIOCM_RI, TIOCM_CD };

void
serial_set_inputs(struct serial_line *line, unsigned mask, bool up)
{
	unsigned before =
	    up ? atomic_fetch_or(&line->modem, mask) : atomic_fetch_and(&line->modem, ~mask);
	unsigned changed = (up ? ~before : before) & mask;
	size_t i;

	for (i = 0; i < 4; i++)
		if (changed & inputs[i])
			atomic_fetch_add(&line->counts[i], 1);
	atomic_fetch_add(&line->changes, 1);
	syscall(SYS_futex, &line->changes, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static bool
has_changed(struct serial_line *line, const unsigned before[4], unsigned mask)
{
	size_t i;

	for (i = 0; i < 4; i++)
		if ((mask & inputs[i]) && before[i] != atomic_load(&line->counts[i]))
			return true;
	return false;
}

/* On its way into the wait, where a signal is lost. */
static void
dawdle(int ms)
{
	struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	while (nanosleep(&left, &left) < 0)
		;
}

static int
wait_for_inputs(struct serial_line *line, int fd, unsigned mask)
{
	unsigned before[4], seen;
	int result = 0;
	size_t i;

	if (atomic_load(&line->has_no_wait))
		return -ENOTTY;
	for (i = 0; i < 4; i++)
		before[i] = atomic_load(&line->counts[i]);
	atomic_fetch_add(&line->waits, 1);
	dawdle(atomic_load(&line->dawdle_ms));
	while (result == 0) {
		seen = atomic_load(&line->changes);
		if (has_changed(line, before, mask))
			break;
		result = serial_sleep(&line->changes, seen);
		if (result == 0 && !atomic_load(&line->sleeps_on))
			result = serial_is_alive(fd);
	}
	atomic_fetch_sub(&line->waits, 1);
	return result;
}

static void
get_counts(struct serial_line *line, struct serial_icounter_struct *counts)
{
	memset(counts, 0, sizeof(*counts));
	counts->cts = (int)atomic_load(&line->counts[0]);
	counts->dsr = (int)atomic_load(&line->counts[1]);
	counts->rng = (int)atomic_load(&line->counts[2]);
	counts->dcd = (int)atomic_load(&line->counts[3]);
}

int
serial_modem_request(struct serial_line *line, int fd, unsigned long request, void *argument)
{
	int *value = argument;

	switch (request) {
	case TIOCMGET:
		*value = (int)atomic_load(&line->modem);
		return 0;
	case TIOCMSET:
		serial_set_outputs(line, SERIAL_OUTPUTS, (unsigned)*value);
		return 0;
	case TIOCMBIS:
		serial_set_outputs(line, SERIAL_OUTPUTS & (unsigned)*value, SERIAL_OUTPUTS);
		return 0;
	case TIOCMBIC:
		serial_set_outputs(line, SERIAL_OUTPUTS & (unsigned)*value, 0);
		return 0;
	case TIOCMIWAIT:
		return wait_for_inputs(line, fd, (unsigned)(uintptr_t)argument);
	case TIOCGICOUNT:
		get_counts(line, argument);
		return 0;
	}
	return SERIAL_PASS;
}
