/*
 * status_table.c - the ports of a List reply as a table for people.
 *
 * Responsible for: what stands in which column, the lines beneath a port (reason, label, queue),
 * the widths: as wide as the content; on a terminal that is too narrow the device loses its middle
 * first, then the holder. Refuses to know: where the reply came from and where the text goes.
 */
#include "status_table.h"

#include <string.h>

enum { NAME, DEVICE, STATE, HOLDER, SINCE, CELLS };

static const char *const headings[CELLS] = { "PORT", "DEVICE", "STATE", "HOLDER", "SINCE" };

struct row {
	struct text cell[CELLS];
};

/* Detail lines stand this far in; queue lines a little more. */
#define INDENT 4

const char *
status_string(const json_t *object, const char *member)
{
	return json_string_value(json_object_get(object, member));
}

int64_t
status_integer(const json_t *object, const char *member)
{
	return json_integer_value(json_object_get(object, member));
}

void
status_process(struct text *t, const json_t *process)
{
	text_add_process(t, status_string(process, "command"),
			 (pid_t)status_integer(process, "pid"),
			 (uid_t)status_integer(process, "uid"));
}

static void
fill_row(struct row *row, const json_t *port, int64_t now_ms)
{
	const json_t *lease = json_object_get(port, "lease");
	int64_t since = status_integer(lease ? lease : port, "since");

	text_add_foreign(&row->cell[NAME], status_string(port, "name"));
	text_add_foreign(&row->cell[DEVICE], status_string(port, "device"));
	text_add_foreign(&row->cell[STATE], status_string(port, "state"));
	if (lease)
		status_process(&row->cell[HOLDER], json_object_get(lease, "owner"));
	else
		text_add(&row->cell[HOLDER], "-");
	if (since)
		text_add_since(&row->cell[SINCE], since, now_ms);
	else
		text_add(&row->cell[SINCE], "-");
}

static void
measure(size_t width[CELLS], const json_t *ports, int64_t now_ms)
{
	size_t i;
	json_t *port;

	for (size_t c = 0; c < CELLS; c++)
		width[c] = strlen(headings[c]);
	json_array_foreach (ports, i, port) {
		struct row row = { 0 };
		fill_row(&row, port, now_ms);
		for (size_t c = 0; c < CELLS; c++) {
			size_t columns = text_columns(row.cell[c].s);
			width[c] = columns > width[c] ? columns : width[c];
			text_free(&row.cell[c]);
		}
	}
}

/* Takes from one column what is too much, but leaves it `least`. */
static void
squeeze(size_t width[CELLS], size_t cell, size_t least, size_t columns)
{
	size_t all = 2 * (CELLS - 1);

	for (size_t c = 0; c < CELLS; c++)
		all += width[c];
	if (!columns || all <= columns || width[cell] <= least)
		return;
	size_t excess = all - columns, spare = width[cell] - least;
	width[cell] -= excess < spare ? excess : spare;
}

static const char *
state_colour(const char *state, bool colour)
{
	if (!colour || !state)
		return NULL;
	if (strcmp(state, "free") == 0)
		return "\033[32m";
	if (strcmp(state, "held") == 0)
		return "\033[33m";
	if (strcmp(state, "absent") == 0 || strcmp(state, "faulted") == 0)
		return "\033[31m";
	return NULL;
}

static void
add_cell(struct text *t, const char *s, size_t width, const char *colour, bool is_last)
{
	size_t columns = text_columns(s);

	if (colour)
		text_add(t, colour);
	text_add_fitted(t, s ? s : "", width);
	if (colour)
		text_add(t, "\033[0m");
	if (!is_last)
		text_pad(t, (columns < width ? width - columns : 0) + 2);
}

static void
add_row(struct text *t, const json_t *port, const size_t width[CELLS],
	const struct status_style *style)
{
	struct row row = { 0 };

	fill_row(&row, port, style->now_ms);
	for (size_t c = 0; c < CELLS; c++) {
		const char *colour = c == STATE ? state_colour(row.cell[c].s, style->colour) : NULL;
		add_cell(t, row.cell[c].s, width[c], colour, c == CELLS - 1);
		text_free(&row.cell[c]);
	}
	text_add(t, "\n");
}

/* One line beneath a port, cut at the terminal's width. */
static void
add_detail(struct text *t, const struct text *line, const struct status_style *style)
{
	text_pad(t, INDENT);
	text_add_fitted(t, line->s, style->columns > INDENT ? style->columns - INDENT : (size_t)-1);
	text_add(t, "\n");
}

static void
add_details(struct text *t, const json_t *port, const struct status_style *style)
{
	const char *label = status_string(json_object_get(port, "lease"), "label");
	const char *reason = status_string(port, "reason");
	struct text line = { 0 };

	if (reason) {
		text_add_foreign(&line, reason);
		add_detail(t, &line, style);
		text_free(&line);
	}
	if (label) {
		text_add(&line, "label: ");
		text_add_foreign(&line, label);
		add_detail(t, &line, style);
		text_free(&line);
	}
	if (json_is_false(json_object_get(port, "revocable"))) {
		text_add(&line, "can't be taken back from its holder (revocation = none)");
		add_detail(t, &line, style);
		text_free(&line);
	}
}

/* "  1  uucico (pid 4400, user uucp)  2 min  mail to beta" */
static void
add_waiter(struct text *t, const json_t *waiter, size_t process_width,
	   const struct status_style *style)
{
	const char *label = status_string(waiter, "label");
	int64_t priority = status_integer(waiter, "priority");
	struct text line = { 0 }, process = { 0 };

	text_addf(&line, "%4d  ", (int)status_integer(waiter, "place"));
	status_process(&process, json_object_get(waiter, "owner"));
	add_cell(&line, process.s, process_width, NULL, false);
	text_add_duration(&line, style->now_ms - status_integer(waiter, "since"));
	if (priority)
		text_addf(&line, "  priority %d", (int)priority);
	if (label) {
		text_add(&line, "  ");
		text_add_foreign(&line, label);
	}
	add_detail(t, &line, style);
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
		status_process(&t, json_object_get(waiter, "owner"));
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
		text_pad(t, INDENT + 6);
		text_add(t, "and ");
		text_add_count(t, waiting - listed);
		text_add(t, " more\n");
	}
}

void
status_table(struct text *t, const json_t *ports, const struct status_style *style)
{
	size_t width[CELLS], i;
	json_t *port;

	measure(width, ports, style->now_ms);
	squeeze(width, DEVICE, 14, style->columns);
	squeeze(width, HOLDER, 24, style->columns);
	squeeze(width, NAME, 8, style->columns);
	squeeze(width, DEVICE, 8, style->columns);
	squeeze(width, HOLDER, 12, style->columns);
	for (size_t c = 0; c < CELLS; c++)
		add_cell(t, headings[c], width[c], style->colour ? "\033[1m" : NULL,
			 c == CELLS - 1);
	text_add(t, "\n");
	json_array_foreach (ports, i, port) {
		add_row(t, port, width, style);
		add_details(t, port, style);
		add_queue(t, port, style);
	}
}
