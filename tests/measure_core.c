/*
 * measure_core.c - the core alone: a request comes, is granted, ends, the port is cleaned, while
 * many others of all classes, priorities and deadlines wait behind, some of them for a second port
 * too, and rise as time goes by.
 */
#include "measure.h"

#include "../broker/lease.h"

#include <stdlib.h>

#define CYCLES   20000
#define CLASSES  8
#define AGE_STEP 60000

struct core {
	struct lease_host host;
	struct lease_port port, other; /* the other one is held by somebody who stays */
	struct lease_request *requests, *spare;
	struct lease_place (*places)[2];
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
ask(struct core *c, struct lease_request *r, uint64_t since_ms)
{
	r->places = c->places[r - c->requests];
	r->place_count = 1 + (draw(c, 4) == 0);
	r->places[0].port = &c->port;
	r->places[1].port = &c->other;
	r->places[0].rank = r->places[1].rank = (int)draw(c, CLASSES);
	r->priority = (int)draw(c, 201) - 100;
	r->standby = draw(c, 16) == 0;
	r->since_ms = since_ms;
	r->deadline_ms = c->now_ms + 1000000000U + draw(c, 1000000);
	r->max_hold_ms = 3600000;
	r->grace_ms = 5000;
	lease_request(&c->host, r, c->now_ms);
}

static void
expect(struct core *c, enum lease_step_type type, struct lease_step *step)
{
	if (!lease_next(&c->host, c->now_ms, step) || step->type != type)
		measure_fail("the core does something else");
}

static void
port_new(struct core *c, struct lease_port *port)
{
	port->policy = (struct lease_policy){
		.preempt = LEASE_PREEMPT_STANDBY,
		.age_step_ms = AGE_STEP,
		.max_busy_ms = 3600000,
	};
	lease_port_init(&c->host, port, c->now_ms);
}

static struct core *
core_new(size_t waiting)
{
	struct core *c = calloc(1, sizeof(*c));
	struct lease_request holder = { .max_hold_ms = LEASE_NEVER };
	struct lease_step step;
	size_t i;

	if (c == NULL || (c->requests = calloc(waiting + 1, sizeof(*c->requests))) == NULL ||
	    (c->places = calloc(waiting + 1, sizeof(*c->places))) == NULL)
		measure_fail("memory");
	c->now_ms = CLASSES * AGE_STEP;
	c->random = 7;
	lease_host_init(&c->host, 1, 5000, 0);
	port_new(c, &c->port);
	port_new(c, &c->other);
	lease_resume(&c->host, &c->other, 1, &holder, c->now_ms);
	lease_turnaround(&c->host, &c->port, c->now_ms);
	for (i = 0; i < waiting; i++)
		ask(c, &c->requests[i], c->now_ms - draw(c, CLASSES * AGE_STEP));
	c->spare = &c->requests[waiting];
	expect(c, LEASE_STEP_TURNAROUND, &step);
	return c;
}

/* A standby holder is asked to let go, as long as others wait: that is a step more. */
static void
cycle(struct core *c)
{
	struct lease_step step;

	ask(c, c->spare, c->now_ms);
	lease_ready(&c->host, &c->port, c->now_ms);
	expect(c, LEASE_STEP_GRANT, &step);
	c->spare = step.request;
	lease_opened(&c->host, &c->port, step.token, c->now_ms);
	lease_taken(&c->host, &c->port, step.token);
	if (c->port.standby && c->port.waiting > 0)
		lease_next(&c->host, c->now_ms, &step);
	lease_end(&c->host, &c->port, c->port.token, lease_end_reason(&c->port, LEASE_RELEASED),
		  c->now_ms);
	expect(c, LEASE_STEP_TURNAROUND, &step);
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

static void
core_free(struct core *c)
{
	free(c->places);
	free(c->requests);
	free(c);
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
	core_free(a);
	core_free(b);
}
