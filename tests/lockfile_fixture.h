/*
 * lockfile_fixture.h - a folder with one lock file, for the tests of lockfile.c.
 */
#ifndef COMLEASE_TESTS_LOCKFILE_FIXTURE_H
#define COMLEASE_TESTS_LOCKFILE_FIXTURE_H

#include <stddef.h>
#include <sys/types.h>

#define LOCKFILE_NAME "LCK..modem0"

extern int lockfile_dir; /* open: the test's scratch folder */

void lockfile_begin(void);
void lockfile_end(void);

/* A file with that contents, or that pid in FHS form, `age_s` seconds old. */
void lockfile_put(const void *bytes, size_t size, int age_s);
void lockfile_put_pid(pid_t, int age_s);

/* lockfile_read() of it; it must be that result, and owner. */
int lockfile_examine(pid_t *owner);
void lockfile_expect(int result, pid_t owner);

/* Of a process that is no more. */
pid_t lockfile_dead_pid(void);

#endif
