/*
 * support_internal.h - between support*.c.
 */
#ifndef COMLEASE_TESTS_SUPPORT_INTERNAL_H
#define COMLEASE_TESTS_SUPPORT_INTERNAL_H

#include <stddef.h>

extern int support_pidfd;    /* of comleased */
extern char support_build[]; /* the folder of the programs, with a '/' at its end */

/* In a forked child: closes what the test has opened since support_begin(), but for these. */
void support_close_all_but(const int *keep, size_t count);

#endif
