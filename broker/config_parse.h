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
	CONFIG_SECTION_POOL,
	CONFIG_SECTION_ACCESS,
	CONFIG_SECTION_IGNORED, /* unknown: said once, its keys are skipped */
};

/* Where a key was set; `empty`: to the word that stands for an empty list. */
struct config_seen {
	struct config_place at;
	bool empty;
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

	/* The section. What it describes is put together here and joins the configuration when
	 * the section has ended, if `kept`; else it is only looked at for more faults. */
	enum config_section section;
	bool kept;
	struct config_place section_at;
	struct config_seen broker_seen[CONFIG_KEYS_MAX]; /* by index in the table */
	struct config_seen seen[CONFIG_KEYS_MAX];        /* the same for the others */
	struct config_port port;
	struct config_pool pool;
	struct config_access access;
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

/* What messages call the section: "broker", "port modem0". */
#define CONFIG_LABEL_MAX (CONFIG_NAME_MAX + 8)
const char *config_section_label(const struct config_parse *, char label[CONFIG_LABEL_MAX]);

/* [port NAME], [pool NAME], [access], [access NAME]: begun, with that name ("": none); ended; and
 * all of them together, when the last file has been read. */
void config_entry_start(struct config_parse *, enum config_section, const char *name);
void config_entry_end(struct config_parse *);
void config_entry_judge(struct config_parse *);

/* The port or template that is put together, as a whole. */
void config_port_judge(struct config_parse *);

#endif
