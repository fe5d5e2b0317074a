/*
 * ports_print.c - the machine's serial ports as a table for people, and as JSON.
 *
 * Responsible for: the words. Refuses to know: where the ports came from, the sections.
 */
#include "ports.h"
#include "status_table.h"

#include <stdio.h>
#include <string.h>

enum { DEVICE, PORT, STATE, WHAT, CELLS };

static const char *const headings[CELLS] = { "DEVICE", "PORT", "STATE", "DESCRIPTION" };

const char *
ports_state(const struct ports_device *d)
{
	if (d->port)
		return "managed";
	if (d->is_ignored)
		return "ignored";
	if (d->is_console)
		return "console";
	return d->login[0] ? "login" : "not managed";
}

/* A name by-id that several adapters without a serial number go by is nobody's. */
static const char *
stable_link(const struct ports_device *d)
{
	if (d->usb_serial[0] && d->by_id[0])
		return d->by_id;
	return d->by_name[0] ? d->by_name : d->by_path;
}

void
ports_add_description(struct text *t, const struct ports_device *d)
{
	text_add_foreign(t, d->description[0] ? d->description : "serial port");
	if (d->usb_id[0]) {
		text_addf(t, ", USB %s, ", d->usb_id);
		text_add(t, d->usb_serial[0] ? "serial number " : "no serial number");
		text_add_foreign(t, d->usb_serial);
	}
	if (d->driver[0]) {
		text_add(t, " (");
		text_add_foreign(t, d->driver);
		text_add(t, ")");
	}
}

static void
fill_row(struct text cell[CELLS], const struct ports_device *d)
{
	const char *port = status_string(d->port, "name");

	text_add_foreign(&cell[DEVICE], d->node);
	text_add_foreign(&cell[PORT], port ? port : "-");
	text_add(&cell[STATE], ports_state(d));
	ports_add_description(&cell[WHAT], d);
}

static void
add_row(struct text *t, const char *const cell[CELLS], const size_t width[CELLS], size_t columns)
{
	struct text line = { 0 };

	for (size_t c = 0; c < WHAT; c++) {
		text_add(&line, cell[c]);
		text_pad(&line, width[c] - text_columns(cell[c]) + 2);
	}
	/* the last one takes as many lines as it needs, all in its column if there is room */
	size_t hang = text_columns(line.s);
	text_add(&line, cell[WHAT]);
	text_add_wrapped(t, line.s, columns, 0, hang + 20 < columns ? hang : 6);
	text_free(&line);
}

static void
add_line(struct text *t, const char *line, size_t columns)
{
	text_add_wrapped(t, line, columns, 4, 6);
}

/* What stands beneath its row. */
static void
add_notes(struct text *t, const struct ports_device *d, size_t columns)
{
	struct text line = { 0 };

	const char *name = stable_link(d);
	text_add_foreign(&line, name);
	if (*name)
		add_line(t, line.s, columns);
	if (d->is_ignored)
		add_line(t, "a udev rule tells comlease to leave it alone (COMLEASE_IGNORE=1)",
			 columns);
	if (d->is_console)
		add_line(t, "the kernel writes its messages to it: comlease leaves it alone",
			 columns);
	text_free(&line);
	text_add_foreign(&line, d->login);
	if (d->login[0]) {
		text_add(&line, " offers a login on it: comlease leaves it alone");
		add_line(t, line.s, columns);
	}
	if (d->is_modem_candidate)
		add_line(t,
			 "ModemManager may open it to see whether it is a modem; `comlease doctor` "
			 "tells more",
			 columns);
	text_free(&line);
}

/* The description is the last column: it needs no width. */
static void
measure(const struct ports *ports, size_t width[CELLS])
{
	for (size_t c = 0; c < CELLS; c++)
		width[c] = strlen(headings[c]);
	for (size_t i = 0; i < ports->count; i++) {
		struct text cell[CELLS] = { 0 };

		fill_row(cell, &ports->devices[i]);
		for (size_t c = 0; c < CELLS; c++) {
			size_t n = text_columns(cell[c].s);
			width[c] = n > width[c] ? n : width[c];
			text_free(&cell[c]);
		}
	}
}

void
ports_add_table(struct text *t, const struct ports *ports, size_t columns, bool colour)
{
	size_t width[CELLS];

	measure(ports, width);
	text_add(t, colour ? "\033[1m" : "");
	add_row(t, headings, width, 0);
	text_add(t, colour ? "\033[0m" : "");
	for (size_t i = 0; i < ports->count; i++) {
		const struct ports_device *d = &ports->devices[i];
		struct text cell[CELLS] = { 0 };
		const char *words[CELLS];

		fill_row(cell, d);
		for (size_t c = 0; c < CELLS; c++)
			words[c] = cell[c].s;
		add_row(t, words, width, columns);
		add_notes(t, d, columns);
		for (size_t c = 0; c < CELLS; c++)
			text_free(&cell[c]);
	}
}

/* ---- JSON ---- */

/* What is not known, or is no UTF-8, is left out. */
static void
set(json_t *object, const char *member, const char *value)
{
	json_t *string = value && *value ? json_string(value) : NULL;

	if (string)
		json_object_set_new(object, member, string);
}

static void
set_section(json_t *object, const struct ports_device *d)
{
	struct text t = { 0 };

	if (d->name[0] == '\0')
		return;
	ports_add_section(&t, d);
	set(object, "section", t.s);
	text_free(&t);
}

json_t *
ports_json(const struct ports *ports)
{
	json_t *array = json_array();

	for (size_t i = 0; i < ports->count; i++) {
		const struct ports_device *d = &ports->devices[i];
		json_t *object = json_pack("{s:I}", "rdev", (json_int_t)d->rdev);

		set(object, "node", d->node);
		set(object, "state", ports_state(d));
		set(object, "port", status_string(d->port, "name"));
		set(object, "description", d->description);
		set(object, "vendor", d->vendor);
		set(object, "driver", d->driver);
		set(object, "usb", d->usb_id);
		set(object, "serial", d->usb_serial);
		set(object, "interface", d->usb_interface);
		set(object, "path", d->usb_path);
		set(object, "byId", d->by_id);
		set(object, "byPath", d->by_path);
		set(object, "byName", d->by_name);
		set(object, "login", d->login);
		json_object_set_new(object, "ignored", json_boolean(d->is_ignored));
		json_object_set_new(object, "console", json_boolean(d->is_console));
		json_object_set_new(object, "modemCandidate", json_boolean(d->is_modem_candidate));
		set_section(object, d);
		json_array_append_new(array, object);
	}
	return array;
}
