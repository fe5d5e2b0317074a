/*
 * measure_core.c - the core alone: a request comes, is granted, ends, the port is cleaned, while
 * many others of all priorities and deadlines wait behind.
 */
#include "measure.h"

#include "../broker/lease.h"

#include <stdlib.h>

#define CYCLES 20000

struct core {
	struct lease_host host;
	struct lease_port port;
	struct lease_request *requests, *spare;
	uint64_t now_ms;
	unsigned random;
};

static unsigned
draw(struct core *c, unsigned below)
{
	c->random = c->random * 1103515245U + 12345U;
	return (c->random >> 8) % below;
}

static void
ask(struct core *c, struct lease_request *r)
{
	r->priority = (int)draw(c, 201) - 100;
	r->since_ms = c->now_ms;
	r->deadline_ms = c->now_ms + 1000000000U + draw(c, 1000000);
	lease_request(&c->host, &c->port, r, c->now_ms);
}

static struct core *
core_new(size_t waiting)
{
	struct core *c = calloc(1, sizeof(*c));
	struct lease_step step;
	size_t i;

	if (c == NULL || (c->requests = calloc(waiting + 1, sizeof(*c->requests))) == NULL)
		measure_fail("memory");
	c->now_ms = 1000;
	c->random = 7;
	lease_host_init(&c->host, 1, 5000, 0);
	lease_port_init(&c->host, &c->port, c->now_ms);
	lease_turnaround(&c->host, &c->port, c->now_ms);
	for (i = 0; i < waiting; i++)
		ask(c, &c->requests[i]);
	c->spare = &c->requests[waiting];
	if (!lease_next(&c->host, c->now_ms, &step) || step.type != LEASE_STEP_TURNAROUND)
		measure_fail("the core does not start");
	return c;
}

static void
cycle(struct core *c)
{
	struct lease_step step;

	ask(c, c->spare);
	lease_ready(&c->host, &c->port, c->now_ms);
	if (!lease_next(&c->host, c->now_ms, &step) || step.type != LEASE_STEP_GRANT)
		measure_fail("the core does not grant");
	c->spare = step.request;
	lease_opened(&c->host, &c->port, step.token, c->now_ms);
	lease_taken(&c->host, &c->port, step.token);
	lease_end(&c->host, &c->port, step.token, LEASE_RELEASED, c->now_ms);
	if (!lease_next(&c->host, c->now_ms, &step) || step.type != LEASE_STEP_TURNAROUND)
		measure_fail("the core does not turn around");
	if (lease_next(&c->host, c->now_ms, &step) || lease_deadline(&c->host) == 0)
		measure_fail("the core has more to do");
}

static double
cycles(struct core *c)
{
	double start = measure_now_us();
	size_t i;

	for (i = 0; i < CYCLES; i++) {
		c->now_ms += i % 64 == 0;
		cycle(c);
	}
	return (measure_now_us() - start) * 1e3 / CYCLES;
}

void
measure_core(size_t few, size_t many, size_t rounds, struct series *with_few,
	     struct series *with_many)
{
	struct core *a = core_new(few), *b = core_new(many);

	while (rounds-- > 0) {
		series_add(with_few, cycles(a));
		series_add(with_many, cycles(b));
	}
	free(a->requests);
	free(b->requests);
	free(a);
	free(b);
}
