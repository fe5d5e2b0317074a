/*
 * shim_fixture.h - runs tests/shim_client.c under the shim, with a fake broker in this process.
 */
#ifndef COMLEASE_SHIM_FIXTURE_H
#define COMLEASE_SHIM_FIXTURE_H

#include "fake_broker.h"

#include <stdint.h>

/* How long the last run_client() took. */
extern int64_t run_client_ms;

/* A fake broker that is up, COMLEASE_SOCKET that leads to it, no other COMLEASE_ variable. */
void shim_set_up(void);
void shim_tear_down(void);

const char *shim_client_path(void);

/* Runs shim_client with these words (the last is NULL): its output has to be that, by fnmatch(). */
__attribute__((sentinel)) void run_client(const char *expected, ...);

#endif
