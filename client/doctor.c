/*
 * doctor.c - `comlease doctor`: what is wrong here, and what mends it.
 *
 * Responsible for: the table of the checks, and printing what they found. Refuses to know: what
 * they look at. Nothing is started, changed or opened by any of them.
 */
#include "doctor.h"
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

const char doctor_help[] =
    "usage: comlease doctor [--quiet] [--json]\n"
    "\n"
    "Looks at everything that programs need to take turns on this machine's serial\n"
    "ports, and says what is wrong and what mends it. It changes nothing, starts\n"
    "nothing and opens no port.\n"
    "\n"
    "  ok      as it should be\n"
    "  warn    it works, but not as well as it could, or not for long\n"
    "  wrong   something does not work\n"
    "\n"
    "  -q, --quiet           leave out what is ok\n"
    "  -j, --json            as JSON: {\"findings\":[...]}, see comlease(1)\n"
    "  -s, --socket SOCKET   the broker's socket\n"
    "  -h, --help            print this\n"
    "\n"
    "Exit status: 0 nothing is wrong; 1 something is.\n";

static const struct {
	const char *subject;
	void (*look)(struct doctor *);
} checks[] = {
	{ "broker", doctor_check_broker },         { "version", doctor_check_version },
	{ "access", doctor_check_access },         { "ports", doctor_check_ports },
	{ "revocation", doctor_check_revocation }, { "user", doctor_check_user },
	{ "systemd", doctor_check_systemd },       { "udev", doctor_check_udev },
	{ "devices", doctor_check_nodes },         { "logins", doctor_check_logins },
	{ "unmanaged", doctor_check_unmanaged },   { "ModemManager", doctor_check_modem_manager },
	{ "brltty", doctor_check_brltty },         { "gpsd", doctor_check_gpsd },
	{ "lock files", doctor_check_locks },      { "shim", doctor_check_shim },
	{ "jansson", doctor_check_jansson },       { "kernel", doctor_check_kernel },
	{ "tracing", doctor_check_tracing },       { "environment", doctor_check_environment },
};

static const char *const marks[] = { "ok", "warn", "wrong" };

static size_t
count_of(const struct doctor *d, enum doctor_mark mark)
{
	size_t n = 0;

	for (size_t i = 0; i < d->count; i++)
		n += d->findings[i].mark == mark;
	return n;
}

/* ---- printing ---- */

struct style {
	size_t columns; /* 0: no limit */
	bool colour, quiet;
};

static void
add_finding(struct text *t, const struct doctor_finding *f, const struct style *style)
{
	static const char *const colours[] = { "\033[32m", "\033[33m", "\033[31m" };
	struct text line = { 0 };

	text_add(t, style->colour ? colours[f->mark] : "");
	text_addf(t, "%-5s", marks[f->mark]);
	text_add(t, style->colour ? "\033[0m" : "");
	text_addf(&line, "%s: ", f->subject);
	text_add_foreign(&line, f->says);
	/* the mark stands before the first line already, in its colour */
	text_add_wrapped(t, line.s, style->columns > 20 ? style->columns - 7 : 0, 2, 7);
	text_free(&line);
	if (f->mend) {
		text_add(&line, "-> ");
		text_add_foreign(&line, f->mend);
		text_add_wrapped(t, line.s, style->columns > 20 ? style->columns : 0, 7, 10);
		text_free(&line);
	}
}

static void
add_summary(struct text *t, const struct doctor *d)
{
	size_t wrong = count_of(d, DOCTOR_WRONG), warn = count_of(d, DOCTOR_WARN);

	if (wrong == 0 && warn == 0)
		text_add(t, "Nothing is wrong.\n");
	else
		text_addf(t, "%s%zu wrong, %zu to look at, %zu ok.\n", d->count ? "\n" : "", wrong,
			  warn, count_of(d, DOCTOR_OK));
}

static void
print_words(const struct doctor *d, bool quiet)
{
	const char *no_colour = getenv("NO_COLOR");
	struct style style = { 0, false, quiet };
	struct text t = { 0 };
	struct winsize size;

	if (isatty(STDOUT_FILENO)) {
		bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
		style.columns = known ? size.ws_col : 80;
		style.colour = !no_colour || *no_colour == '\0';
	}
	for (size_t i = 0; i < d->count; i++) {
		if (!quiet || d->findings[i].mark != DOCTOR_OK)
			add_finding(&t, &d->findings[i], &style);
	}
	add_summary(&t, d);
	fputs(t.s, stdout);
	text_free(&t);
}

/* What is no UTF-8 is escaped, so that nothing is lost. */
static json_t *
string_of(const char *words)
{
	struct text t = { 0 };

	text_add_foreign(&t, words);
	json_t *string = json_string(t.s);
	text_free(&t);
	return string ? string : json_string("?");
}

static void
print_json(const struct doctor *d, bool quiet)
{
	json_t *all = json_object(), *findings = json_array();
	bool terminal = isatty(STDOUT_FILENO);

	for (size_t i = 0; i < d->count; i++) {
		const struct doctor_finding *f = &d->findings[i];
		json_t *one = json_object();

		json_object_set_new(one, "mark", json_string(marks[f->mark]));
		json_object_set_new(one, "subject", json_string(f->subject));
		json_object_set_new(one, "says", string_of(f->says));
		if (f->mend)
			json_object_set_new(one, "mend", string_of(f->mend));
		if (!quiet || f->mark != DOCTOR_OK)
			json_array_append(findings, one);
		json_decref(one);
	}
	json_object_set_new(all, "findings", findings);
	json_dumpf(all, stdout,
		   terminal ? JSON_INDENT(2) | JSON_ENSURE_ASCII : (size_t)JSON_COMPACT);
	putchar('\n');
	json_decref(all);
}

int
doctor_main(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "quiet", no_argument, NULL, 'q' },
		{ "json", no_argument, NULL, 'j' },
		CLI_LONG_OPTIONS,
	};
	struct doctor d = { .root = "", .systemctl = "systemctl" };
	bool json = false, quiet = false;
	int option, result;

	while ((option = getopt_long(argc, argv, "qj" CLI_SHORT_OPTIONS, options, NULL)) != -1) {
		if (option == 'q')
			quiet = true;
		else if (option == 'j')
			json = true;
		else if ((result = cli_option(cli, option, argv)) >= 0)
			return result;
	}
	if (optind < argc)
		return cli_usage(argv, "doctor takes no word: it looks at everything");
	doctor_gather(&d, cli->socket);
	for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
		d.subject = checks[i].subject;
		checks[i].look(&d);
	}
	if (json)
		print_json(&d, quiet);
	else
		print_words(&d, quiet);
	result = count_of(&d, DOCTOR_WRONG) ? CLI_NO : CLI_OK;
	doctor_clear(&d);
	return cli_finish(result);
}
