/*
 * supervisor_watchdog.c - is the broker alive? It is asked, its loop answers, and only then the
 * service manager hears that all is well: so neither of the two can hang unnoticed. Without a
 * watchdog nothing is asked.
 *
 * The tricky idea: a quarter of the manager's time goes to each step. A broker that has not
 * answered within a quarter is killed at half time at the latest, and its successor, asked as soon
 * as it is started, has the other half. The manager steps in only where that does not help. Leases
 * and waiters lose nothing by either.
 */
#include "supervisor_internal.h"

#include <poll.h>
#include <signal.h>

#include "clock.h"
#include "log.h"

#define NEVER UINT64_MAX

static void
ask(struct supervisor *s)
{
	struct ipc_message m = { .type = IPC_PING, .id = ++s->watchdog.id };

	s->watchdog.is_asked = true;
	s->watchdog.at_ms = clock_now_ms() + s->notify.watchdog_ms / 4;
	supervisor_tell(&s->broker, &m, -1);
}

void
watchdog_begin(struct supervisor *s)
{
	if (s->notify.watchdog_ms > 0)
		ask(s);
}

void
watchdog_answered(struct supervisor *s, uint64_t id)
{
	if (!s->watchdog.is_asked || id != s->watchdog.id)
		return;
	s->watchdog.is_asked = false;
	s->watchdog.at_ms = clock_now_ms() + s->notify.watchdog_ms / 4;
	notify_tell(&s->notify, "WATCHDOG=1");
}

uint64_t
watchdog_due(const struct supervisor *s)
{
	return s->notify.watchdog_ms > 0 && s->broker.pidfd >= 0 ? s->watchdog.at_ms : NEVER;
}

/* It was we who did not run: what it has said meanwhile is still to be read. */
static bool
has_spoken(const struct child *broker)
{
	struct pollfd p = { .fd = broker->channel, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

void
watchdog_check(struct supervisor *s)
{
	if (watchdog_due(s) > clock_now_ms())
		return;
	if (!s->watchdog.is_asked) {
		ask(s);
		return;
	}
	if (has_spoken(&s->broker))
		return;
	log_line("hang broker pid=%ld: no answer for %llu ms; it is killed and replaced",
		 (long)s->broker.pid, (unsigned long long)s->notify.watchdog_ms / 4);
	kill(s->broker.pid, SIGKILL);
	s->watchdog.at_ms = NEVER; /* until there is another one */
}
