/*
 * bridge_spy_file.h - the transcript file of a bridge: whole lines, appended; what can't be written
 * at once is not waited for, and is counted.
 */
#ifndef COMLEASE_BRIDGE_SPY_FILE_H
#define COMLEASE_BRIDGE_SPY_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* With a mark of what is missing it is PIPE_BUF bytes: all of that gets into a FIFO, or nothing. */
#define BRIDGE_SPY_FILE_BUFFER 4032

struct bridge_spy_file {
	const char *path; /* the caller's */
	int fd;           /* -1: there is no transcript */
	bool is_socket;   /* stdout, to the journal */
	size_t chunk;     /* what write() may get at once, after poll() has said that it may; 0: fd
			   * is non-blocking */
	bool said;        /* that something could not be written */
	bool torn;        /* the last line was written in part */
	uint64_t missed;  /* lines */
	size_t len;
	char buffer[BRIDGE_SPY_FILE_BUFFER];
};

/* path NULL: none, "-": stdout. Created for its owner alone. 0, or an exit status, after having
 * said why. */
int bridge_spy_file_open(struct bridge_spy_file *, const char *path);
void bridge_spy_file_close(struct bridge_spy_file *);

/* A transcript_put. */
void bridge_spy_file_put(void *file, const char *line, size_t);

/* Writes out what has been put. */
void bridge_spy_file_flush(struct bridge_spy_file *);

#endif
