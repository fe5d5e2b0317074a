/*
 * keeper_open.c - opens the device for leases. It refuses to know why a lease starts.
 *
 * The tricky idea: each description is opened afresh and stands in the roster before anybody else
 * has it, so that no flag leaks from one holder to the next, and none lives unnoticed.
 */
#include "keeper_internal.h"
#include "device_node.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void
open_failed(struct keeper *k, const struct ipc_message *request, int error, unsigned others)
{
	struct ipc_message m = {
		.type = IPC_OPENED, .id = request->id, .token = request->token, .error = -error
	};

	if (error == -EADDRINUSE)
		snprintf(m.text, sizeof(m.text), "%s: a program outside comlease has it: %s",
			 k->name,
			 (others & IPC_EVIDENCE_LOCKFILE) != 0 ? "a lock file"
			 : (others & IPC_EVIDENCE_FLOCK) != 0  ? "a flock"
							       : "TIOCEXCL");
	else if (error == -ESTALE)
		snprintf(m.text, sizeof(m.text), "%s: that lease has ended", k->name);
	else if (error == -ENOSPC)
		snprintf(m.text, sizeof(m.text),
			 "%s: too many descriptors of ended leases are still open", k->name);
	else
		node_explain(k->port != NULL ? k->port->device : k->name, -error, m.text);
	keeper_send(k, &m);
}

/* Opens, lists, sends. The descriptor's copy here is gone in any case. */
static int
open_and_send(struct keeper *k, const struct ipc_message *request)
{
	struct ipc_message m = { .type = IPC_OPENED, .id = request->id, .token = request->token };
	int error = 0, fd = device_open(&k->device);

	stranger_collect(k); /* before somebody else has the descriptor, and opens again */
	if (fd < 0)
		return fd;
	if (request->number == 1 && !k->is_kept)
		error = device_wake(&k->device, k->port);
	if (error == 0)
		error = roster_add(k->roster, fd, request->token);
	if (error == 0)
		busy_start(k); /* its first byte may pass before we are back in the loop */
	/* what waits in the outbox was said before; without it the channel has room */
	if (error == 0)
		error = k->outbox_count > 0 ? -EAGAIN : ipc_send(k->broker, &m, fd);
	close(fd);
	k->device.closes += error != 0;
	if (error != 0 && k->live == 0)
		busy_stop(k);
	return error;
}

static int
may_open(const struct keeper *k, const struct ipc_message *request)
{
	if (k->presence != KEEPER_PRESENT || k->roster < 0)
		return -ENODEV;
	if (k->turnaround.phase != KEEPER_AT_REST)
		return -EBUSY;
	if (request->number != 1 && request->token != k->live)
		return -ESTALE;
	return k->listed >= ROSTER_ENTRIES_MAX - 1 ? -ENOSPC : 0;
}

void
keeper_open(struct keeper *k, const struct ipc_message *request)
{
	unsigned others = 0;
	int error;

	if (request->number != 1) /* who has just closed his last one joins nothing */
		keeper_read_roster(k);
	error = may_open(k, request);
	if (error == 0 && request->number == 1 && !k->own.is_unwanted && !k->own.is_held)
		others = own_take(k, k->own.anyway);
	if (others != 0)
		error = -EADDRINUSE;
	if (error == 0) {
		own_lend(k);
		error = open_and_send(k, request);
		if (error == -EIO || error == -ENODEV || error == -ENXIO || error == -ENOENT)
			keeper_own_hangup(
			    k); /* first that it has gone, then that it did not open */
	}
	if (error < 0) {
		open_failed(k, request, error, others);
		return;
	}
	k->listed++;
	k->is_kept = k->is_clean = false;
	if (request->token == k->live)
		keeper_set_count(k, k->count + 1);
	else
		keeper_set_live(k, request->token, 1);
	if (request->number == 1)
		memcpy(k->memory->holder, request->text, sizeof(k->memory->holder));
}
