/*
 * doctor_finding.c - the list of what the checks have found. It knows no check, and prints nothing.
 */
#include "cli.h"
#include "doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *format_words(const char *format, va_list ap) __attribute__((format(printf, 1, 0)));

static char *
format_words(const char *format, va_list ap)
{
	char *words;

	if (vasprintf(&words, format, ap) < 0)
		exit(cli_fail(CLI_SYSTEM, "no memory"));
	return words;
}

void
doctor_say(struct doctor *d, enum doctor_mark mark, const char *mend, const char *format, ...)
{
	struct doctor_finding *more = realloc(d->findings, (d->count + 1) * sizeof *more);
	va_list ap;

	if (!more)
		exit(cli_fail(CLI_SYSTEM, "no memory"));
	d->findings = more;
	va_start(ap, format);
	more[d->count++] = (struct doctor_finding){ mark, d->subject, format_words(format, ap),
						    mend ? strdup(mend) : NULL };
	va_end(ap);
}

void
doctor_mend(struct doctor *d, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	free(d->findings[d->count - 1].mend);
	d->findings[d->count - 1].mend = format_words(format, ap);
	va_end(ap);
}

void
doctor_clear(struct doctor *d)
{
	for (size_t i = 0; i < d->count; i++) {
		free(d->findings[i].says);
		free(d->findings[i].mend);
	}
	free(d->findings);
	free(d->socket);
	free(d->reason);
	json_decref(d->info);
	json_decref(d->list);
	ports_free(&d->ports);
	memset(d, 0, sizeof *d);
}
