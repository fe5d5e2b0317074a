/*
 * broker_foreign.c - who has a port without us, and what follows: a port without a lease is FOREIGN
 * until it is known that nobody has it; beside a lease such a process is an intruder. It asks the
 * inspector (broker_inspector.c) and is told by the keepers when to ask; there is no timer here.
 *
 * The tricky idea: a hang-up makes every descriptor of the device dead, but the processes go on
 * having them open, and look like holders for ever. After one, somebody who merely has the device
 * open counts for nothing until an open is seen (hung_up). Some open it again so quickly that the
 * keeper takes that for its own: hence a question then, of which a descriptor that works is proof.
 */
#include "broker_foreign.h"
#include "log.h"

#include <inttypes.h>
#include <stdio.h>

#define EVIDENCE                                                                                   \
	(IPC_EVIDENCE_LOCKFILE | IPC_EVIDENCE_FLOCK | IPC_EVIDENCE_EXCLUSIVE | IPC_EVIDENCE_OPEN)

static bool
is_same(const struct foreign *foreign, pid_t pid, uint64_t ticks)
{
	return foreign->pid == pid && foreign->start_ticks == ticks;
}

static void
make_known(struct port *port, const char *event, const struct foreign *who)
{
	char text[IPC_TEXT_MAX];

	describe_foreign_detail(who, port->foreigners, text, sizeof(text));
	publish_event(port->broker, &(struct publish_event){ .event = event,
							     .port = port,
							     .foreign = who,
							     .token = port->lease.token,
							     .detail = text,
							     .waited_ms = -1,
							     .held_ms = -1 });
}

/* ---- without a lease ---- */

bool
foreign_is_looking(const struct port *port)
{
	return port->lease.state == LEASE_FOREIGN && port->foreign.pid < 0;
}

bool
foreign_is_login(const struct port *port)
{
	return port->lease.state == LEASE_FOREIGN && port->foreign.pid >= 0 && port->login;
}

void
foreign_look(struct port *port)
{
	struct broker *b = port->broker;

	port->stranger = false;
	if (port->lease.state != LEASE_FOREIGN) {
		port->foreign.pid = -1;
		snprintf(port->reason, sizeof(port->reason), "looking who has it");
		lease_foreign(&b->host, &port->lease, broker_now_ms(b));
		publish_port(port);
	}
	foreign_ask(port);
}

static void
set_foreign(struct port *port, const struct foreign_answer *answer)
{
	bool is_new = !is_same(&answer->who, port->foreign.pid, port->foreign.start_ticks);

	port->foreign = answer->who;
	port->foreigners = answer->count;
	port->login = answer->login;
	port->anyway = port->in_the_way = port->stranger = false;
	describe_foreign_text(&port->foreign, port->foreigners, port->reason, sizeof(port->reason));
	if (is_new)
		make_known(port, "foreign", &port->foreign);
	port_settled(port);
	if (port->login)
		request_give_up(port);
	evict_known(port);
}

/* Locks that are there and belong to nobody (a dead process's flock passed on, TIOCEXCL left
 * behind) must not keep the port from everybody; those of somebody who has just gone are looked at
 * again by the keeper. */
static void
set_nobody(struct port *port)
{
	struct broker *b = port->broker;
	unsigned locks = port->evidence & ~IPC_EVIDENCE_OPEN;

	if (port->foreign.pid < 0 && (locks != 0 || port->in_the_way))
		port->anyway = true;
	port->foreign.pid = -1;
	port->in_the_way = port->stranger = false;
	port->reason[0] = '\0';
	lease_turnaround(&b->host, &port->lease, broker_now_ms(b));
	publish_port(port);
	evict_gone(port);
}

bool
foreign_ready(struct port *port, unsigned evidence)
{
	unsigned locks = evidence & EVIDENCE;
	bool is_cut = port->hanging_up;

	if (is_cut)
		port->hung_up_id = port->broker->ids;
	/* of an open the keeper does not tell again */
	port->evidence = locks | (port->evidence & IPC_EVIDENCE_OPEN);
	port->hung_up = port->hung_up || is_cut;
	port->hanging_up = false;
	if (port->stranger || (locks != 0 && !port->anyway)) {
		foreign_look(port);
		return false;
	}
	if (is_cut)
		foreign_ask(port);
	return true;
}

void
foreign_in_the_way(struct port *port)
{
	port->anyway = false;
	port->in_the_way = true;
	foreign_look(port);
}

/* ---- beside a lease ---- */

static void
set_intruder(struct port *port, const struct foreign_answer *answer)
{
	port->intruder = answer->who;
	port->foreigners = answer->count;
	port->stranger = false;
	publish_port(port);
	if (is_same(&port->intruder, port->told_pid, port->told_ticks))
		return;
	port->told_pid = port->intruder.pid;
	port->told_ticks = port->intruder.start_ticks;
	make_known(port, "intruder", &port->intruder);
}

static void
no_intruder(struct port *port)
{
	bool was_known = port->intruder.pid >= 0;

	if (was_known || port->stranger)
		log_line("intruder port=%s token=%" PRIu64 " gone%s", port->config.name,
			 port->lease.token, was_known ? "" : " before it could be looked at");
	port->stranger = false;
	if (!was_known)
		return;
	port->intruder.pid = -1;
	publish_port(port);
	evict_gone(port);
}

bool
foreign_lease_ended(struct port *port)
{
	bool is_known = port->intruder.pid >= 0, hangs_up;

	port->told_pid = -1;
	/* of two closes at once one may have been seen: who was beside the lease may be gone */
	port->evidence &= ~IPC_EVIDENCE_OPEN;
	if (!is_known && !port->stranger)
		return false;
	hangs_up = port->config.revocable;
	evict_lease_ended(port, hangs_up);
	port->intruder.pid = -1;
	port->hanging_up = hangs_up;
	port->stranger = !hangs_up; /* it is looked at before the port is granted */
	return hangs_up;
}

/* ---- what is heard ---- */

void
foreign_answered(struct port *port, const struct foreign_answer *answer)
{
	struct broker *b = port->broker;
	bool held;

	if (answer->reopened)
		port->hung_up = false;
	held = answer->held && !(port->hung_up && answer->who.how == FOREIGN_OPEN);
	if (port->blind != answer->blind)
		publish_port(port);
	port->blind = answer->blind;
	switch (port->lease.state) {
	case LEASE_HELD:
	case LEASE_YIELDING:
		if (held)
			set_intruder(port, answer);
		else
			no_intruder(port);
		break;
	case LEASE_FREE:
	case LEASE_FAULTED:
		if (port->ended != NULL) /* ours is not dead yet: looked at when it is clean */
			port->stranger = port->stranger || held;
		if (!held || port->late || port->ended != NULL)
			break;
		port->foreign.pid = -1;
		lease_foreign(&b->host, &port->lease, broker_now_ms(b));
		set_foreign(port, answer);
		break;
	case LEASE_FOREIGN:
		if (held)
			set_foreign(port, answer);
		else
			set_nobody(port);
		break;
	case LEASE_TURNAROUND: /* looked at when it is clean; an open may be newer than this */
		port->stranger = port->stranger || held;
		break;
	case LEASE_ABSENT:
	case LEASE_DISABLED:
		break;
	}
}

void
foreign_stranger(struct port *port, unsigned flags)
{
	bool opened = (flags & IPC_STRANGER_OPENED) != 0;

	port->evidence = flags & EVIDENCE;
	if (opened)
		port->hung_up = port->hanging_up = port->anyway = false;
	if (port->lease.disabled && !lease_is_held(&port->lease) &&
	    port->lease.state != LEASE_TURNAROUND)
		return; /* nobody's business, until it is enabled */
	switch (port->lease.state) {
	case LEASE_HELD:
	case LEASE_YIELDING:
		port->stranger = port->stranger || opened;
		if (port->stranger || port->intruder.pid >= 0)
			foreign_ask(port);
		break;
	case LEASE_FREE:
	case LEASE_FAULTED:
		if (port->ended != NULL)
			port->stranger = port->stranger || opened;
		else if (opened && !port->late && port->rdev != 0) /* /dev/null is everybody's */
			foreign_look(port);
		break;
	case LEASE_FOREIGN:
		foreign_ask(port);
		break;
	case LEASE_TURNAROUND:
		port->stranger = port->stranger || opened;
		break;
	case LEASE_ABSENT:
	case LEASE_DISABLED:
		break;
	}
}

/* What the last keeper saw opened may be closed by now, unseen by either: whoever is known is
 * looked for himself, so that his open is no longer evidence for anybody else. */
void
foreign_new_keeper(struct port *port)
{
	if (port->foreign.pid != 0)
		port->evidence &= ~IPC_EVIDENCE_OPEN;
}

/* ---- a port's part ---- */

const char *
foreign_notice(const struct port *port)
{
	if (port->broker->inspector_lost)
		return "who has the device outside comlease can't be seen (the inspector does not "
		       "answer)";
	if (port->blind)
		return "not every process can be seen: somebody outside may have the device "
		       "unnoticed (CAP_SYS_PTRACE is missing, or a container or hidepid hides "
		       "some)";
	return NULL;
}

/* Another device may come in its place. */
static void
forget_device(struct port *port)
{
	port->foreign.pid = port->intruder.pid = port->told_pid = -1;
	port->evidence = 0;
	port->inspect_id = 0;
	port->inspect_again = port->anyway = port->in_the_way = false;
	port->stranger = port->hanging_up = port->hung_up = false;
}

void
foreign_settled(struct port *port)
{
	if (port->lease.state == LEASE_ABSENT)
		forget_device(port);
	if (port->intruder.pid >= 0 && !lease_is_held(&port->lease)) { /* it ended in a fault */
		port->intruder.pid = port->told_pid = -1;
		port->stranger = true;
	}
	if (port->lease.state != LEASE_TURNAROUND)
		port->hanging_up = false;
	evict_settled(port);
}

void
foreign_new_port(struct port *port)
{
	forget_device(port);
	evict_init(port);
}

void
foreign_forget(struct port *port)
{
	evict_forget(port);
}
