/*
 * status_table.c - the ports of a List reply as a table for people.
 *
 * Responsible for: what stands in which column, and the widths: as wide as the content; on a
 * terminal that is too narrow the device loses its middle first, then the holder. Refuses to know:
 * the lines beneath a port (status_detail.c), where the reply came from and where the text goes.
 */
#include "status_table.h"

#include <string.h>

enum { NAME, DEVICE, STATE, HOLDER, SINCE, CELLS };

static const char *const headings[CELLS] = { "PORT", "DEVICE", "STATE", "HOLDER", "SINCE" };

struct row {
	struct text cell[CELLS];
};

json_t *
status_object(const json_t *object, const char *member)
{
	json_t *value = json_object_get(object, member);

	return json_is_object(value) ? value : NULL;
}

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

/* Where the device is, as far as anybody knows it by that: "/dev/ttyUSB1", "/dev/modem -> ttyUSB1".
 * What a pty is called says nothing, nor does a link that the broker itself keeps. */
static void
add_device(struct text *t, const json_t *port)
{
	const char *device = status_string(port, "device"), *node = status_string(port, "node");

	if (json_is_true(json_object_get(port, "link"))) {
		text_add_foreign(t, node ? node : "-");
		return;
	}
	text_add_foreign(t, device);
	if (!device || !node || strcmp(device, node) == 0 || strncmp(node, "/dev/pts/", 9) == 0)
		return;
	text_add(t, " -> ");
	text_add_foreign(t, strncmp(node, "/dev/", 5) == 0 ? node + 5 : node);
}

static void
fill_row(struct row *row, const json_t *port, int64_t now_ms)
{
	const json_t *lease = status_object(port, "lease");
	int64_t since = status_integer(lease ? lease : port, "since");

	text_add_foreign(&row->cell[NAME], status_string(port, "name"));
	add_device(&row->cell[DEVICE], port);
	text_add_foreign(&row->cell[STATE], status_string(port, "state"));
	if (lease)
		status_process(&row->cell[HOLDER], status_object(lease, "owner"));
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
	if (strcmp(state, "held") == 0 || strcmp(state, "yielding") == 0)
		return "\033[33m";
	if (strcmp(state, "absent") == 0 || strcmp(state, "faulted") == 0 ||
	    strcmp(state, "foreign") == 0)
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
		status_detail(t, port, style);
	}
}
