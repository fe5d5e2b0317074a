/*
 * config_parse.h - private to config*.c: one pass over one or more files.
 */
#ifndef COMLEASE_CONFIG_PARSE_H
#define COMLEASE_CONFIG_PARSE_H

#include "config_key.h"

struct config_place {
	const char *file; /* NULL: nowhere */
	unsigned line;
};

enum config_section {
	CONFIG_SECTION_NONE, /* before the first one of a file */
	CONFIG_SECTION_BROKER,
	CONFIG_SECTION_PORT,
	CONFIG_SECTION_IGNORED, /* unknown: said once, its keys are skipped */
};

struct config_parse {
	const struct config_rules *rules;
	struct config *config; /* under construction */
	int error;             /* not the contents' fault: -ENOMEM, -EIO... */

	/* The faults, a line each. */
	char *text;
	size_t text_bytes;
	unsigned faults, unsaid;

	/* The file, and where in it. */
	FILE *file;
	struct config_place at;
	size_t bytes;
	int read_error; /* errno, should the file have one */
	bool unsplit;   /* inih has been given a line that must come back as a key */

	/* The section. A port is added to the configuration when its section has ended. */
	enum config_section section;
	bool port_kept; /* false: known already, or no name; only looked at for more faults */
	struct config_place section_at;
	struct config_port port;
	struct config_place port_seen[CONFIG_KEYS_MAX]; /* by index in the table */
	struct config_place broker_seen[CONFIG_KEYS_MAX];
};

void config_parse_start(struct config_parse *, const struct config_rules *, struct config *,
			char error[CONFIG_ERROR_MAX]);

/* Takes in a file; `name` must last until config_parse_end(). Faults are collected. */
void config_parse_file(struct config_parse *, FILE *, const char *name);

/* Notes what kept a file from being read: -errno. */
void config_parse_failed(struct config_parse *, const char *name, int error);

/* The defaults, and the verdict: 0, -EINVAL, or -errno. `name`: what to blame for what is missing.
 */
int config_parse_end(struct config_parse *, const char *name);

/* A fault at that place: escaped and added to the list. */
void config_fault(struct config_parse *, struct config_place at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Takes blanks off both ends, in place. */
char *config_strip(char *text);

/* A line that starts with "["; a pair under it; the end of what stands under it. */
void config_section_start(struct config_parse *, char *text);
void config_section_take(struct config_parse *, const char *name, const char *value);
void config_section_end(struct config_parse *);

#endif
