/*
 * lease_queue.c - who is before whom: one tree of requests a port. request_cmp() is the only place
 * that knows the order.
 */
#include "lease_internal.h"

#include <assert.h>

/* <0: a is granted before b. */
static int
request_cmp(const struct lease_request *a, const struct lease_request *b)
{
	if (a->priority != b->priority)
		return a->priority > b->priority ? -1 : 1;
	if (a->since_ms != b->since_ms)
		return a->since_ms < b->since_ms ? -1 : 1;
	return a->arrival < b->arrival ? -1 : a->arrival > b->arrival;
}

LEASE_TREE(lease_queue, lease_request, node, request_cmp)

void
lease_queue_insert(struct lease_host *host, struct lease_port *port, struct lease_request *request)
{
	request->port = port;
	request->arrival = host->arrivals++;
	RB_INSERT(lease_queue, &port->queue, request);
	port->waiting++;
}

void
lease_queue_remove(struct lease_request *request)
{
	RB_REMOVE(lease_queue, &request->port->queue, request);
	request->port->waiting--;
	request->port = NULL;
}

struct lease_request *
lease_first(const struct lease_port *port)
{
	struct lease_queue queue = port->queue; /* the tree macros want it writable */

	return RB_MIN(lease_queue, &queue);
}

struct lease_request *
lease_after(const struct lease_request *request)
{
	assert(request->port);
	return lease_queue_RB_NEXT((struct lease_request *)request);
}

size_t
lease_ahead(const struct lease_request *request)
{
	struct lease_request *before = (struct lease_request *)request;
	struct lease_request *after = before;
	size_t n;

	assert(request->port);
	for (n = 0;; n++) {
		if (!(before = lease_queue_RB_PREV(before)))
			return n;
		if (!(after = lease_queue_RB_NEXT(after)))
			return request->port->waiting - 1 - n;
	}
}
