/*
 * inspector_look.c - a look: which ports it is for, what becomes of what was found, the answers.
 * Knows nothing of how /proc is read.
 *
 * The idea: every answer comes from a look that began after the question, and over all processes;
 * it is never patched up from the last one, as descriptors are inherited without anybody noticing.
 * Several questions share one look. Of what the keepers have evidence counts only while there are
 * processes that can't be seen: else nobody is nobody.
 */
#include "inspector_internal.h"
#include "clock.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "foreign_login.h"
#include "foreign_process.h"
#include "log.h"

#define RETRY_MS        1000 /* a look failed: no descriptors, no memory */
#define BURST_MS        500  /* looks by itself may take that much at a time */
#define SHARE           5    /* and one part in so many in the long run, see pay() */
#define EVIDENCE_UNSEEN (IPC_EVIDENCE_FLOCK | IPC_EVIDENCE_EXCLUSIVE | IPC_EVIDENCE_OPEN)

/* ---- questions ---- */

static void
refuse(struct inspector *i, const struct ipc_message *question, int error)
{
	struct ipc_message m = { .type = IPC_FOREIGN, .id = question->id, .error = error };

	memcpy(m.text, question->text, sizeof(m.text));
	log_line("question port=%s error=%s", m.text, strerror(error));
	inspector_send(i, &m);
}

void
inspector_ask(struct inspector *i, const struct ipc_message *m)
{
	struct inspected *port = inspector_find(i, m->text);

	if (port == NULL || port->id_count == INSPECTOR_IDS_MAX) {
		refuse(i, m, port == NULL ? ENODEV : EBUSY);
		return;
	}
	if (port->target.rdev != m->number) { /* another device: nothing is known of it */
		port->target.rdev = m->number;
		port->looked = false;
		port->in_look = false;
		port->taken = 0;
		holder_drop(i, port);
	}
	lock_open_folder(i);
	port->evidence_asked = m->flag;
	port->ids[port->id_count++] = m->id;
	port->asked = true;
	port->wanted = true;
}

void
inspector_want(struct inspector *i, struct inspected *port)
{
	(void)i;
	port->wanted = true;
}

void
inspector_forget_questions(struct inspector *i)
{
	struct inspected *port;

	for (port = i->ports; port != NULL; port = port->next) {
		port->id_count = port->taken = 0;
		port->asked = port->wanted = false;
	}
}

/* ---- answers ---- */

/* He is the reason why the others who have it will not do: a shell goes, a getty comes back. */
static const struct holder *
find_login(const struct inspected *port)
{
	size_t n;

	for (n = 0; n < port->holder_count; n++)
		if (foreign_offers_login(&port->holders[n].who))
			return &port->holders[n];
	return NULL;
}

static void
make_answer(const struct inspector *i, const struct inspected *port, size_t total,
	    struct ipc_message *m)
{
	const struct holder *login = find_login(port);
	size_t n = strlen(port->name);

	memset(m, 0, sizeof(*m));
	m->type = IPC_FOREIGN;
	m->number = total;
	m->flag = (total > 0 ? IPC_FOREIGN_HELD : 0) |
		  (i->scan.unseen > 0 || i->scan.hidden ? IPC_FOREIGN_BLIND : 0) |
		  (login != NULL ? IPC_FOREIGN_LOGIN : 0) |
		  (port->target.alive ? IPC_FOREIGN_ALIVE : 0);
	memcpy(m->text, port->name, n);
	if (port->holder_count > 0)
		foreign_print(login != NULL ? &login->who : &port->holders[0].who, m->text + n + 1);
}

static void
send_answers(struct inspector *i, struct inspected *port, const struct ipc_message *m)
{
	struct ipc_message copy = *m;
	bool same = memcmp(m, &port->answer, sizeof(*m)) == 0;
	size_t n;

	port->answer = *m;
	for (n = 0; n < port->taken; n++) {
		copy.id = port->ids[n];
		inspector_send(i, &copy);
	}
	if (port->taken == 0 && port->asked && !same)
		inspector_send(i, m);
	port->id_count -= port->taken;
	memmove(port->ids, port->ids + port->taken, port->id_count * sizeof(port->ids[0]));
	port->taken = 0;
}

/* ---- what was found ---- */

static unsigned
how_of(uint32_t evidence)
{
	return ((evidence & IPC_EVIDENCE_OPEN) != 0 ? FOREIGN_OPEN : 0) |
	       ((evidence & IPC_EVIDENCE_FLOCK) != 0 ? FOREIGN_FLOCK : 0) |
	       ((evidence & IPC_EVIDENCE_EXCLUSIVE) != 0 ? FOREIGN_EXCLUSIVE : 0);
}

/* Somebody has it and can't be seen. A flock tells his pid all the same. */
static void
add_unseen(const struct inspector *i, const struct inspected *port, struct holder *found)
{
	struct foreign who = { .uid = (uid_t)-1 };
	pid_t pid = (port->evidence & IPC_EVIDENCE_FLOCK) != 0
			? foreign_process_find_flock(port->device)
			: 0;

	if (pid > 0 && !foreign_process_is_ours(pid, i->parent) &&
	    foreign_process_describe(pid, &who) < 0)
		who = (struct foreign){ .uid = (uid_t)-1 };
	who.how = how_of(port->evidence);
	*found = (struct holder){ .who = who, .pidfd = -1, .may_signal = who.pid > 0 };
}

static size_t
collect(struct inspector *i, struct inspected *port, struct holder *found)
{
	const struct foreign_target *target = &port->target;
	size_t n, count = target->count;
	bool blind = i->scan.unseen > 0 || i->scan.hidden;

	for (n = 0; n < count; n++)
		found[n] =
		    (struct holder){ .who = target->found[n], .pidfd = -1, .may_signal = true };
	if ((port->evidence & IPC_EVIDENCE_EXCLUSIVE) != 0)
		for (n = 0; n < count; n++)
			found[n].who.how |= FOREIGN_EXCLUSIVE;
	lock_add_owners(i, port, found, &count, FOREIGN_FOUND_MAX);
	if (count == 0 && blind && (port->unexplained & EVIDENCE_UNSEEN) != 0)
		add_unseen(i, port, &found[count++]);
	return count;
}

static void
finish_port(struct inspector *i, struct inspected *port)
{
	struct holder found[FOREIGN_FOUND_MAX];
	size_t count, total;
	struct ipc_message m;

	port->in_look = false;
	port->look_ms = INSPECTOR_NEVER;
	count = collect(i, port, found);
	total = port->target.total + (count - port->target.count);
	holder_date(port, found, count);
	if (!holder_set(i, port, found, count) && port->look_ms > clock_now_ms() + RETRY_MS)
		port->look_ms = clock_now_ms() + RETRY_MS;
	port->looked = true;
	/* what the keeper knows is explained by who is seen, and goes with him */
	if (count > 0 && found[0].who.pid != 0)
		port->unexplained = 0;
	make_answer(i, port, total, &m);
	send_answers(i, port, &m);
}

/* ---- the look ---- */

/* Is it time for that port? A question does not wait for a rest. */
static uint64_t
due_ms(const struct inspector *i, const struct inspected *port)
{
	if (port->wanted && port->id_count > 0)
		return i->failed_until_ms;
	if (port->wanted)
		return i->failed_until_ms > i->rest_until_ms ? i->failed_until_ms
							     : i->rest_until_ms;
	return port->look_ms;
}

uint64_t
inspector_next_look_ms(const struct inspector *i)
{
	uint64_t next = INSPECTOR_NEVER;
	const struct inspected *port;

	for (port = i->ports; port != NULL; port = port->next)
		if (due_ms(i, port) < next)
			next = due_ms(i, port);
	return next;
}

static void
fail(struct inspector *i, int error)
{
	struct inspected *port;

	log_line("look error=%s; again in %d ms", strerror(-error), RETRY_MS);
	foreign_scan_end(&i->scan);
	i->looking = false;
	i->failed_until_ms = clock_now_ms() + RETRY_MS;
	for (port = i->ports; port != NULL; port = port->next) {
		port->wanted = port->wanted || port->in_look;
		port->in_look = false;
		port->taken = 0;
	}
}

static bool
begin(struct inspector *i)
{
	uint64_t now = clock_now_ms();
	struct inspected *port;
	size_t n = 0;
	int error;

	if (inspector_next_look_ms(i) > now)
		return false;
	for (port = i->ports; port != NULL; port = port->next) {
		if (!port->wanted && port->look_ms > now)
			continue;
		lockfile_names(port->device, &port->locks);
		port->wanted = false;
		port->in_look = true;
		port->taken = port->id_count;
		if (port->taken > 0)
			port->evidence = port->unexplained = port->evidence_asked;
		i->targets[n++] = &port->target;
	}
	i->looking = true;
	i->look_started_ms = now;
	error = foreign_scan_begin(&i->scan, i->targets, n, i->parent);
	if (error < 0)
		fail(i, error);
	return error == 0;
}

/* What looks cost. Past the burst there is a rest, in which only questions are answered: else
 * whoever creates and removes a lock file all the time would keep us busy. */
static void
pay(struct inspector *i, uint64_t now, uint64_t took_ms)
{
	uint64_t earned = (now - i->paid_ms) / SHARE;

	i->spent_ms = (i->spent_ms > earned ? i->spent_ms - earned : 0) + took_ms;
	i->paid_ms = now;
	i->rest_until_ms = i->spent_ms > BURST_MS ? now + (i->spent_ms - BURST_MS) * SHARE : 0;
}

static void
finish(struct inspector *i)
{
	uint64_t now = clock_now_ms(), took = now - i->look_started_ms;
	struct inspected *port;

	foreign_scan_end(&i->scan);
	i->looking = false;
	pay(i, now, took);
	log_debug("look processes=%u unseen=%u took_ms=%" PRIu64, i->scan.looked_at, i->scan.unseen,
		  took);
	for (port = i->ports; port != NULL; port = port->next)
		if (port->in_look)
			finish_port(i, port);
}

bool
inspector_look(struct inspector *i)
{
	int result;

	if (!i->looking)
		return begin(i);
	result = foreign_scan_step(&i->scan);
	if (result > 0)
		return true;
	if (result < 0)
		fail(i, result);
	else
		finish(i);
	return false;
}
