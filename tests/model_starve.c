/*
 * model_starve.c - nobody waits for ever: a port that always has mail waiting, of a higher class
 * and priority, and holders that let go only when they are made to; see model_explore.h.
 */
#include "model_explore.h"

#define MAILS 4
#define FAX   MAILS

struct office {
	struct lease_host host;
	struct lease_port port;
	struct lease_request requests[MAILS + 1];
	struct lease_place places[MAILS + 1];
	uint64_t now, clean_at, asked_at, granted_at; /* clean_at: LEASE_NEVER, or READY comes */
	uint64_t turnaround;
	int fax_rank;
};

static void
ask(struct office *o, int i)
{
	struct lease_request *r = &o->requests[i];

	r->places = &o->places[i];
	r->place_count = 1;
	o->places[i].port = &o->port;
	o->places[i].rank = i == FAX ? o->fax_rank : 0;
	r->priority = i == FAX ? -100 : 100;
	r->since_ms = o->now;
	r->deadline_ms = LEASE_NEVER;
	lease_request(&o->host, r, o->now);
}

static void
settle(struct office *o)
{
	struct lease_step step;

	while (lease_next(&o->host, o->now, &step)) {
		int who = (int)(step.request - o->requests);

		if (step.type == LEASE_STEP_TURNAROUND)
			o->clean_at = o->now + o->turnaround;
		if (step.type == LEASE_STEP_REVOKE)
			lease_end(&o->host, &o->port, step.token, step.reason, o->now);
		if (step.type == LEASE_STEP_GRANT && who == FAX)
			o->granted_at = o->now;
		if (step.type == LEASE_STEP_GRANT && who != FAX)
			ask(o, who);
	}
}

/* On to whatever comes next: a deadline of the core's, or the end of a turnaround. */
static void
advance(struct office *o)
{
	uint64_t at = lease_deadline(&o->host);
	uint64_t awake = lease_deadline_awake(&o->host);

	if (awake != LEASE_NEVER && awake - o->host.slept_ms < at)
		at = awake - o->host.slept_ms;
	if (o->clean_at < at)
		at = o->clean_at;
	if (at > o->now)
		o->now = at;
	if (o->clean_at <= o->now) {
		o->clean_at = LEASE_NEVER;
		lease_ready(&o->host, &o->port, o->now);
	}
	settle(o);
}

const char *
starve(unsigned random)
{
	struct office o = { .now = 1000, .clean_at = LEASE_NEVER };
	uint64_t hold = 1 + random % 90, grace = random / 90 % 7, step = 1 + random / 630 % 200;
	uint64_t bound;

	o.fax_rank = (int)(random / 7 % 6);
	o.turnaround = random / 3 % 5;
	o.port.policy.age_step_ms = step;
	lease_host_init(&o.host, 1, LEASE_NEVER, 0);
	lease_port_init(&o.host, &o.port, o.now);
	lease_turnaround(&o.host, &o.port, o.now);
	for (int i = 0; i <= FAX; i++) {
		o.requests[i].max_hold_ms = hold;
		o.requests[i].grace_ms = grace;
		if (i != FAX)
			ask(&o, i);
	}
	settle(&o);
	for (unsigned i = 0; i < random % 40; i++)
		advance(&o);
	o.asked_at = o.now;
	ask(&o, FAX);
	settle(&o);
	/* Its ageing, and then those who had waited longer when it came, and the holder. */
	bound =
	    o.now + (uint64_t)(o.fax_rank + 1) * step + (MAILS + 1) * (hold + grace + o.turnaround);
	while (o.granted_at == 0 && o.now <= bound)
		advance(&o);
	return o.granted_at != 0 && o.granted_at <= bound ? NULL : "the fax waits for ever";
}
