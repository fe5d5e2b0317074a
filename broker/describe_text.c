/*
 * describe_text.c - why somebody waits, and who is in the way, as sentences for people. It decides
 * nothing, and looks nothing up.
 */
#include "broker.h"
#include "clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *
clock_text(int64_t real_ms, char text[16])
{
	time_t at = (time_t)(real_ms / 1000);
	struct tm tm;

	if (localtime_r(&at, &tm) == NULL || strftime(text, 16, "%H:%M:%S", &tm) == 0)
		snprintf(text, 16, "?");
	return text;
}

/* Of a time on the clock of deadlines. */
static const char *
deadline_text(uint64_t at_ms, char text[16])
{
	return clock_text(clock_real_ms() + (int64_t)(at_ms - clock_now_ms()), text);
}

static void __attribute__((format(printf, 3, 4)))
add(char *text, size_t size, const char *format, ...)
{
	size_t n = strlen(text);
	va_list list;

	va_start(list, format);
	vsnprintf(text + n, size - n, format, list);
	va_end(list);
}

/* ---- foreign holders ---- */

void
describe_how(const struct foreign *f, char *text, size_t size)
{
	const char *lock = *f->lock != '\0' ? f->lock : "a lock file";

	if (f->how & FOREIGN_OPEN) {
		snprintf(text, size, "has it open");
		if (f->how & FOREIGN_LOCKFILE)
			add(text, size, ", locked by %s", lock);
		if (f->how & FOREIGN_FLOCK)
			add(text, size, ", locked by flock");
		if (f->how & FOREIGN_EXCLUSIVE)
			add(text, size, ", locked by TIOCEXCL");
	} else if (f->how & FOREIGN_LOCKFILE) {
		snprintf(text, size, "locked by %s", lock);
	} else if (f->how & FOREIGN_FLOCK) {
		snprintf(text, size, "has locked it (flock)");
	} else if (f->how & FOREIGN_EXCLUSIVE) {
		snprintf(text, size, "has it for himself (TIOCEXCL)");
	} else {
		snprintf(text, size, "uses it");
	}
}

/* "minicom (pid 4312, uid 1000, minicom.service)" */
static void
describe_who(const struct foreign *f, char *text, size_t size)
{
	if (f->pid <= 0) {
		snprintf(text, size, "a process that I can't see");
		return;
	}
	snprintf(text, size, "%s (pid %ld, uid %lu%s%s)",
		 *f->command != '\0' ? f->command : "a process", (long)f->pid,
		 (unsigned long)f->uid, *f->unit != '\0' ? ", " : "", f->unit);
}

static void
add_others(char *text, size_t size, unsigned count)
{
	if (count > 1)
		add(text, size, ", and %u more", count - 1);
}

void
describe_foreign_text(const struct foreign *f, unsigned count, char *text, size_t size)
{
	char who[192], how[128], since[16];

	if (f->pid < 0) {
		snprintf(text, size, "nobody");
		return;
	}
	describe_who(f, who, sizeof(who));
	describe_how(f, how, sizeof(how));
	snprintf(text, size, "%s %s since %s", who, how, clock_text(f->since_real_ms, since));
	add_others(text, size, count);
}

void
describe_foreign_detail(const struct foreign *f, unsigned count, char *text, size_t size)
{
	char how[128], since[16];

	describe_how(f, how, sizeof(how));
	snprintf(text, size, "%s since %s%s%s", how, clock_text(f->since_real_ms, since),
		 *f->unit != '\0' ? ", " : "", f->unit);
	add_others(text, size, count);
}

static void
describe_login(const struct port *port, char *text, size_t size)
{
	const struct foreign *f = &port->foreign;
	const char *node = *port->node != '\0' ? port->node : port->config.device;
	const char *slash = strrchr(node, '/');
	char who[192];

	describe_who(f, who, sizeof(who));
	snprintf(text, size, "%s is a login terminal: %s would come back at once; ", node, who);
	if (*f->unit != '\0')
		add(text, size, "systemctl disable --now %s", f->unit);
	else
		add(text, size,
		    "stop it where it is started: systemctl disable --now serial-getty@%s.service, "
		    "or "
		    "its line in /etc/inittab",
		    slash == NULL ? node : slash + 1);
}

/* "held by minicom (pid 4312, uid 1000) outside comlease since 09:14:02 (has it open)" */
static void
describe_outside(const struct port *port, char *text, size_t size)
{
	char who[192], how[128], since[16];

	if (foreign_is_looking(port) || port->foreign.pid < 0) {
		snprintf(text, size, "being looked at: who else has it open");
		return;
	}
	if (foreign_is_login(port)) {
		describe_login(port, text, size);
		return;
	}
	describe_who(&port->foreign, who, sizeof(who));
	describe_how(&port->foreign, how, sizeof(how));
	snprintf(text, size, "held by %s outside comlease since %s (%s", who,
		 clock_text(port->foreign.since_real_ms, since), how);
	add_others(text, size, port->foreigners);
	add(text, size, ")");
}

/* ---- why one waits ---- */

/* Why a free port is not granted: those who waited when the last broker went come back first. */
static const char *
held_back(const struct port *port)
{
	return port->lease.state == LEASE_FREE && clock_now_ms() < port->broker->hold_until_ms
		   ? "no grants for 2 s after a restart: those who had waited come back first"
		   : NULL;
}

/* Of a live lease, beside who has it; "": nothing. */
static void
describe_phase(const struct port *port, char *text, size_t size)
{
	const struct lease_port *lease = &port->lease;
	char at[16];

	text[0] = '\0';
	if (lease->state == LEASE_YIELDING)
		snprintf(text, size, "asked to let go until %s",
			 deadline_text(lease->yield_by_ms, at));
	else if (lease->standby && lease->busy)
		snprintf(text, size, "in a call since %s: not asked to let go",
			 deadline_text(lease->busy_since_ms, at));
	else if (lease->lingers)
		snprintf(text, size, "closed, and may be opened again by its holder");
	if (*port->reason != '\0' && port->lease.state == LEASE_YIELDING)
		add(text, size, "; %s", port->reason);
}

static void
describe_disabled(const struct port *port, char *text, size_t size)
{
	snprintf(text, size, "disabled%s%s", *port->disabled != '\0' ? ": " : "", port->disabled);
}

static const char *
or_null(const char *text)
{
	return *text != '\0' ? text : NULL;
}

const char *
describe_reason(const struct port *port, char *text, size_t size)
{
	switch (port->lease.state) {
	case LEASE_FREE:
		return held_back(port);
	case LEASE_FOREIGN:
		describe_outside(port, text, size);
		break;
	case LEASE_DISABLED:
		describe_disabled(port, text, size);
		break;
	case LEASE_HELD:
	case LEASE_YIELDING:
		if (port->lease.disabled) {
			describe_disabled(port, text, size);
			break;
		}
		describe_phase(port, text, size);
		if (*text == '\0')
			return or_null(port->reason);
		break;
	case LEASE_ABSENT:
	case LEASE_FAULTED:
	case LEASE_TURNAROUND:
		return or_null(port->reason);
	}
	return text;
}

static void
describe_holder(const struct port *port, char *text, size_t size)
{
	const struct request *r = port->holder;
	char since[16], phase[512];

	describe_phase(port, phase, sizeof(phase));
	snprintf(text, size, "held by %s (pid %ld, uid %lu) since %s%s%s",
		 *r->command != '\0' ? r->command : "a process", (long)r->pid,
		 (unsigned long)r->uid, clock_text(r->since_real_ms, since),
		 *phase != '\0' ? ", " : "", phase);
}

void
describe_why(const struct port *port, char *text, size_t size)
{
	switch (port->lease.state) {
	case LEASE_HELD:
	case LEASE_YIELDING:
		describe_holder(port, text, size);
		break;
	case LEASE_FOREIGN:
		describe_outside(port, text, size);
		break;
	case LEASE_DISABLED:
		describe_disabled(port, text, size);
		break;
	case LEASE_ABSENT:
		snprintf(text, size, "%s",
			 *port->reason != '\0' ? port->reason : "the device is not there");
		break;
	case LEASE_FAULTED:
		snprintf(text, size, "%s", *port->reason != '\0' ? port->reason : "faulted");
		break;
	case LEASE_TURNAROUND:
		snprintf(text, size, "being hung up and cleaned after the last holder");
		break;
	case LEASE_FREE:
		snprintf(text, size, "%s",
			 held_back(port) ? held_back(port) : "free, but others are before you");
		break;
	}
}

/* ---- a place in the queue ---- */

/* "1st" */
static void
ordinal(int n, char text[16])
{
	const char *end = "th";

	if (n / 10 % 10 != 1)
		end = n % 10 == 1 ? "st" : n % 10 == 2 ? "nd" : n % 10 == 3 ? "rd" : "th";
	snprintf(text, 16, "%d%s", n, end);
}

static void
add_class(const struct port *port, const struct lease_place *place, char *text, size_t size)
{
	const struct request *r = (const struct request *)place->request;
	char nth[16];

	if (*r->class == '\0' || port->config.order_count == 0)
		return;
	ordinal(place->rank + 1, nth);
	if ((uint32_t)place->rank < port->config.order_count)
		add(text, size, "class %s, %s in the order", r->class, nth);
	else
		add(text, size, "class %s, after those in the order", r->class);
}

void
describe_place(const struct lease_place *place, char *text, size_t size)
{
	const struct request *r = (const struct request *)place->request;
	const struct port *port = (const struct port *)place->port;
	int risen = place->rank - place->level;

	text[0] = '\0';
	if (port->lease.successor == &r->core) {
		snprintf(text, size, "next: the holder hands the port over");
		return;
	}
	if (r->core.standby) {
		snprintf(text, size, "standby: after all others");
		return;
	}
	add_class(port, place, text, size);
	if (r->core.priority != 0 && place->level >= 0)
		add(text, size, "%spriority %d", *text != '\0' ? "; " : "", r->core.priority);
	if (risen > 0)
		add(text, size, "%shas waited %" PRIu64 " s: risen by %d",
		    *text != '\0' ? "; " : "", (clock_now_ms() - r->core.since_ms) / 1000, risen);
	if (*text == '\0')
		snprintf(text, size, "by arrival");
}
