/*
 * standby.c - `comlease run --standby PORT`: the command has the port whenever nobody else wants
 * it, for ever.
 *
 * Responsible for: what comes after each end of the command: giving the port up and waiting for it
 * again. Refuses to know: the wait (hold.c), the command's life and its signals (attend.c).
 *
 *	wait -> run the command -> asked to let go: Yield, which waits behind all others
 *	 ^                         ended by itself: Release, and ask again (after a pause, if it
 *	 '------------------------------------------ ended at once: the port is free meanwhile)
 *
 * The tricky idea: what is closed is released by word as well. The broker hears of a close a moment
 * later, and whoever asks in that moment would join the old lease: its line would not be cleaned.
 */
#include "standby.h"
#include "cli.h"
#include "hold.h"
#include "internal.h"
#include "text.h"
#include "watch.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stddef.h>
#include <unistd.h>

#define AT_ONCE_MS     1000  /* whoever lives shorter has failed */
#define LONG_LIFE_MS   10000 /* whoever lives so long has not */
#define PAUSE_FIRST_MS 1000
#define PAUSE_LAST_MS  60000

/* After a life that failed at once, or one that went well: the pause from now, 0 for none. *next_ms
 * starts at PAUSE_FIRST_MS and doubles; `well` starts it anew. */
static int64_t
take_pause(int64_t *next_ms, bool failed, bool well)
{
	int64_t pause_ms = failed ? *next_ms : 0;

	if (well)
		*next_ms = PAUSE_FIRST_MS;
	else if (failed)
		*next_ms = pause_ms * 2 < PAUSE_LAST_MS ? pause_ms * 2 : PAUSE_LAST_MS;
	return well ? 0 : pause_ms;
}

static void
pause_for(int64_t ms)
{
	poll(NULL, 0, (int)ms);
}

/* What a wait may fail of that passes: the others end the run. */
static bool
is_passing(int error)
{
	switch (error) {
	case EIO:
	case ENODEV:
	case EBUSY:
	case ETIMEDOUT:
	case ENOSPC:
	case EDQUOT:
	case ECONNREFUSED:
	case ECONNRESET:
	case EMFILE:
	case ENFILE:
	case ENOMEM:
		return true;
	default:
		return false;
	}
}

/* Where a lease can't be taken back (revocation = none) it ends with its last descriptor: a
 * descendant's of the command, or ours, of whose close the broker has not heard yet. */
static void
wait_for_end(const struct hold *hold, uint64_t token)
{
	struct comlease_event event;
	struct watch watch;

	watch_begin(&watch, comlease_socket_path(hold->c), token);
	while (watch.c) {
		struct pollfd p = watch_pollfd(&watch);
		poll(&p, 1, watch_timeout_ms(&watch));
		while (watch_next(&watch, &event)) {
			if (event.type != COMLEASE_EVENT_YIELD_WANTED &&
			    event.type != COMLEASE_EVENT_RESUMED)
				watch_end(&watch);
		}
	}
}

/* The port again, whatever becomes of the broker meanwhile: the descriptor, or -1 and *status. */
static int
wait_again(struct hold *hold, uint64_t yields, int *status)
{
	int64_t next_ms = PAUSE_FIRST_MS;
	int fd;

	hold->tell.quiet = true;
	hold->request.reconnect_ms = INT64_MAX;
	while ((fd = hold_wait(hold, yields, status)) < 0) {
		if (yields && hold->error == ENOTSUP)
			wait_for_end(hold, yields);
		else if (is_passing(hold->error))
			pause_for(take_pause(&next_ms, true, false));
		else
			break;
		yields = 0;
	}
	return fd;
}

static void
say_pause(const struct hold *hold, const struct attend_end *end, int64_t pause_ms)
{
	struct text t = { 0 };

	text_add_foreign(&t, hold->run->command[0]);
	text_addf(&t, ": ended at once, with status %d; started again in %" PRId64 " s",
		  end->status, pause_ms / 1000);
	cli_fail(0, "%s", t.s);
	text_free(&t);
}

/* One life of the command. True: there is to be another one; *yields: the lease to be yielded. */
static bool
live(struct hold *hold, int fd, int64_t *next_ms, uint64_t *yields, int *status)
{
	struct attend_end end;

	*status = hold_command(hold, fd, &end);
	close(fd);
	if (*status)
		return false;
	*status = end.status;
	if (end.leave)
		return false;
	bool asked = end.wanted || end.lost;
	int64_t pause_ms =
	    take_pause(next_ms, end.lived_ms < AT_ONCE_MS, asked || end.lived_ms >= LONG_LIFE_MS);
	*yields = asked ? hold->lease.token : 0;
	if (asked)
		return true;
	run_set_name(hold->run);
	comlease_release(hold->c, hold->lease.token); /* mostly ESTALE: it has ended with close() */
	if (pause_ms) {
		say_pause(hold, &end, pause_ms);
		pause_for(pause_ms);
	}
	return true;
}

int
standby_port(struct comlease *c, const struct run *run)
{
	int64_t next_ms = PAUSE_FIRST_MS;
	uint64_t yields = 0;
	struct hold hold;
	int status = hold_init(&hold, c, run);

	if (status)
		return status;
	int fd = hold_wait(&hold, 0, &status);
	while (fd >= 0 && live(&hold, fd, &next_ms, &yields, &status))
		fd = wait_again(&hold, yields, &status);
	return status;
}
