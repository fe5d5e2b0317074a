/*
 * status_detail.c - what stands beneath a port in the table of `comlease status`.
 *
 * Responsible for: why a port can't be had, who is in the way without comlease, what its lease is,
 * who waits and why in that place; the pools beneath the table. Refuses to know: columns of the
 * table, where the text goes. What does not fit into a line goes on in the next one.
 */
#include "status_table.h"

#include <stdio.h>
#include <string.h>

/* Detail lines stand this far in, their other lines a little more; queue lines behind the place. */
#define INDENT      4
#define HANG        6
#define QUEUE_PLACE 8

void
status_stranger(struct text *t, const json_t *foreign)
{
	const json_t *process = status_object(foreign, "process");

	if (process)
		status_process(t, process);
	else
		text_add(t, "a process that I can't see");
}

void
status_foreign(struct text *t, const json_t *foreign, int64_t now_ms)
{
	const char *how = status_string(foreign, "how"), *unit = status_string(foreign, "unit");
	int64_t since = status_integer(foreign, "since"),
		others = status_integer(foreign, "others");

	if (!how || *how == '\0')
		how = "has it open";
	status_stranger(t, foreign);
	/* "has it open", or else a note such as "locked by LCK..ttyS0" */
	text_add(t, strncmp(how, "has ", 4) == 0 ? " " : ": ");
	text_add_foreign(t, how);
	if (since) {
		text_add(t, " since ");
		text_add_time(t, since, now_ms);
	}
	if (unit && *unit) {
		text_add(t, strchr(unit, '.') ? " (unit " : " (container ");
		text_add_foreign(t, unit);
		text_add(t, ")");
	}
	if (others > 0) {
		text_add(t, "; +");
		text_add_count(t, others);
		text_add(t, " more");
	}
}

/* Ends the line: it is printed, if there is something in it, and empty again. */
static void
end_line(struct text *t, struct text *line, const struct status_style *style)
{
	if (line->len)
		text_add_wrapped(t, line->s, style->columns, INDENT, HANG);
	text_free(line);
}

static void
add_note(struct text *t, const char *name, const char *foreign, const struct status_style *style)
{
	struct text line = { 0 };

	if (!foreign)
		return;
	text_add(&line, name);
	text_add_foreign(&line, foreign);
	end_line(t, &line, style);
}

/* A disabled port's reason is the one that was given with `comlease disable`, unless something else
 * is the matter as well. */
static void
add_reason(struct text *t, const json_t *port, const struct status_style *style)
{
	const char *reason = status_string(port, "reason"), *state = status_string(port, "state");
	bool foreign = status_object(port, "foreign") != NULL;
	bool disabled = json_is_true(json_object_get(port, "disabled"));
	bool fault = state && (strcmp(state, "absent") == 0 || strcmp(state, "faulted") == 0);

	/* Of a call the lease's line tells. */
	bool busy = status_integer(status_object(port, "lease"), "busySince") != 0 && reason &&
		    strncmp(reason, "in a call", 9) == 0;

	/* Who it is stands in a line of its own; that he will not go does not. */
	bool login = reason && strstr(reason, " is a login terminal: ");

	if (!disabled && (!foreign || login) && !busy)
		add_note(t, "", reason, style);
	if (!disabled)
		return;
	if (fault)
		add_note(t, "", reason, style);
	if (fault || foreign || !reason)
		reason = "nobody gets it until comlease enable";
	add_note(t, strncmp(reason, "disabled", 8) == 0 ? "" : "disabled: ", reason, style);
}

static void
add_stranger(struct text *t, const char *name, const json_t *foreign,
	     const struct status_style *style)
{
	struct text line = { 0 };

	if (!foreign)
		return;
	text_add(&line, name);
	status_foreign(&line, foreign, style->now_ms);
	end_line(t, &line, style);
}

/* ---- the lease ---- */

static void
add_part(struct text *line, const char *name, const char *foreign)
{
	if (!foreign)
		return;
	text_add(line, line->len ? ", " : "");
	text_add(line, name);
	text_add_foreign(line, foreign);
}

static void
add_part_time(struct text *line, const char *name, int64_t time_ms, int64_t now_ms)
{
	if (!time_ms)
		return;
	text_add(line, line->len ? ", " : "");
	text_add(line, name);
	text_add_time(line, time_ms, now_ms);
}

/* "asked by uucico (pid 900, user uucp) to let go within 3 s": who asks is the next in the queue,
 * unless the holder's own time is over. */
static void
add_yield(struct text *t, const json_t *port, const struct status_style *style)
{
	const json_t *lease = status_object(port, "lease");
	const json_t *asker = json_array_get(json_object_get(port, "waiters"), 0);
	int64_t by = status_integer(lease, "yieldBy"), until = status_integer(lease, "until");
	struct text line = { 0 };

	if (!by)
		return;
	if (until && until <= style->now_ms) {
		text_add(&line, "its time is over: asked");
	} else {
		text_add(&line, "asked");
		if (asker) {
			text_add(&line, " by ");
			status_process(&line, status_object(asker, "owner"));
		}
	}
	text_add(&line, " to let go ");
	if (by > style->now_ms) {
		text_add(&line, "within ");
		text_add_duration(&line, by - style->now_ms + 999);
	} else {
		text_add(&line, "at once");
	}
	end_line(t, &line, style);
}

static void
add_lease(struct text *t, const json_t *port, const struct status_style *style)
{
	const json_t *lease = status_object(port, "lease");
	struct text line = { 0 };

	add_part(&line, "label: ", status_string(lease, "label"));
	add_part(&line, "class ", status_string(lease, "class"));
	if (json_is_true(json_object_get(lease, "standby")))
		add_part(&line, "standby", "");
	add_part(&line, "pool ", status_string(lease, "pool"));
	add_part_time(&line, "in a call since ", status_integer(lease, "busySince"), style->now_ms);
	add_part_time(&line, "at the latest until ", status_integer(lease, "until"), style->now_ms);
	end_line(t, &line, style);
	add_yield(t, port, style);
}

/* ---- the queue ---- */

/* "class mail  priority 3  mail-beta  pool modem  standby": what is there of it. */
static void
add_wish(struct text *line, const json_t *waiter)
{
	static const char *const members[][2] = { { "class", "  class " },
						  { NULL, NULL }, /* the priority's place */
						  { "label", "  " },
						  { "pool", "  pool " } };
	int64_t priority = status_integer(waiter, "priority");

	for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
		const char *s = members[i][0] ? status_string(waiter, members[i][0]) : NULL;
		if (s) {
			text_add(line, members[i][1]);
			text_add_foreign(line, s);
		} else if (!members[i][0] && priority) {
			text_addf(line, "  priority %d", (int)priority);
		}
	}
	if (json_is_true(json_object_get(waiter, "standby")))
		text_add(line, "  standby");
}

/* "  1  uucico (pid 4400, user uucp)  2 min  class mail  mail-beta  (why)"; what put it there
 * stands beneath where there is no room for it. */
static void
add_waiter(struct text *t, const json_t *waiter, size_t process_width,
	   const struct status_style *style)
{
	const char *why = status_string(waiter, "why");
	struct text line = { 0 }, process = { 0 }, reason = { 0 };

	text_addf(&line, "%2d  ", (int)status_integer(waiter, "place"));
	status_process(&process, status_object(waiter, "owner"));
	text_add_fitted(&line, process.s, process_width);
	text_pad_to(&line, process_width + 6);
	text_add_duration(&line, style->now_ms - status_integer(waiter, "since"));
	add_wish(&line, waiter);
	if (why && *why) {
		text_add(&reason, "(");
		text_add_foreign(&reason, why);
		text_add(&reason, ")");
	}
	size_t hang = QUEUE_PLACE - 2 + 4;
	size_t all = QUEUE_PLACE - 2 + text_columns(line.s) + 2 + text_columns(reason.s);
	bool beneath = style->columns && all > style->columns;
	if (reason.len && !beneath)
		text_addf(&line, "  %s", reason.s);
	text_add_wrapped(t, line.s, style->columns, QUEUE_PLACE - 2, hang);
	if (reason.len && beneath)
		text_add_wrapped(t, reason.s, style->columns, hang, hang + 1);
	text_free(&reason);
	text_free(&process);
	text_free(&line);
}

static size_t
widest_waiter(const json_t *waiters)
{
	size_t i, widest = 0;
	json_t *waiter;

	json_array_foreach (waiters, i, waiter) {
		struct text t = { 0 };
		status_process(&t, status_object(waiter, "owner"));
		size_t columns = text_columns(t.s);
		widest = columns > widest ? columns : widest;
		text_free(&t);
	}
	return widest;
}

static void
add_queue(struct text *t, const json_t *port, const struct status_style *style)
{
	const json_t *waiters = json_object_get(port, "waiters");
	int64_t listed = (int64_t)json_array_size(waiters);
	int64_t waiting = status_integer(port, "waiting");
	size_t i, width = widest_waiter(waiters);
	json_t *waiter;

	if (listed == 0 && waiting == 0)
		return;
	text_pad(t, INDENT);
	text_add(t, "waiting:\n");
	if (style->columns && width > style->columns * 3 / 5)
		width = style->columns * 3 / 5;
	json_array_foreach (waiters, i, waiter)
		add_waiter(t, waiter, width, style);
	if (waiting > listed) {
		text_pad(t, QUEUE_PLACE + 2);
		text_add(t, "and ");
		text_add_count(t, waiting - listed);
		text_add(t, " more\n");
	}
}

void
status_detail(struct text *t, const json_t *port, const struct status_style *style)
{
	add_reason(t, port, style);
	add_stranger(t, "foreign: ", status_object(port, "foreign"), style);
	add_lease(t, port, style);
	add_stranger(t, "intruder: ", status_object(port, "intruder"), style);
	add_note(t, "notice: ", status_string(port, "notice"), style);
	if (json_is_false(json_object_get(port, "revocable")))
		add_note(t, "", "can't be taken back from its holder (revocation = none)", style);
	add_queue(t, port, style);
}

void
status_pools(struct text *t, const json_t *pools, const struct status_style *style)
{
	json_t *pool, *port;
	size_t i, j;

	json_array_foreach (pools, i, pool) {
		const json_t *ports = json_object_get(pool, "ports");
		struct text line = { 0 };

		text_add(&line, "pool ");
		text_add_foreign(&line, status_string(pool, "name"));
		text_add(&line, json_array_size(ports) ? ":" : ": no port at present");
		json_array_foreach (ports, j, port) {
			text_add(&line, j ? ", " : " ");
			text_add_foreign(&line, json_string_value(port));
		}
		text_add_wrapped(t, line.s, style->columns, 0, INDENT);
		text_free(&line);
	}
}
