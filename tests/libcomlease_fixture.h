/*
 * libcomlease_fixture.h - a fake broker that is up and a connection object for it, for each test.
 */
#ifndef COMLEASE_LIBCOMLEASE_FIXTURE_H
#define COMLEASE_LIBCOMLEASE_FIXTURE_H

#include "../client/internal.h"
#include "fake_broker.h"

#include <check.h>

extern struct comlease *c;
extern struct comlease_request request; /* for modem0, for ever */

/* With set-up and tear-down: every test fails if it leaves a descriptor. */
TCase *library_case(Suite *, const char *name);

int64_t library_now_ms(void);

/* fd is -1, errno is that, and there is a sentence. */
void assert_fails(int fd, int error);

/* The fake broker gets, or got, a call of that method with that index, with these parameters: as
 * JSON with sorted members. */
void assert_call(const char *method, int index, const char *expected);

#endif
