/*
 * shim_fixture.h - runs tests/shim_client.c under the shim, with a fake broker in this process.
 */
#ifndef COMLEASE_SHIM_FIXTURE_H
#define COMLEASE_SHIM_FIXTURE_H

#include "fake_broker.h"

#include <stdbool.h>
#include <stdint.h>

/* How long the last run_client() took. */
extern int64_t run_client_ms;

/* A fake broker that is up, COMLEASE_SOCKET that leads to it, no other COMLEASE_ variable. */
void shim_set_up(void);
void shim_tear_down(void);

const char *shim_client_path(void);

/* That build of it ("shim_client32-large"); NULL: of this program. Whether there is one. */
bool shim_client_use(const char *build);

/* A library that is loaded before the shim (a name in this program's folder), or NULL: none. */
extern const char *shim_preload_first;

/* Runs shim_client with these words (the last is NULL): its output has to be that, by fnmatch(). */
__attribute__((sentinel)) void run_client(const char *expected, ...);

/* The same without the shim; and both ways, with any output as long as it is one and the same. */
__attribute__((sentinel)) void run_plain_client(const char *expected, ...);
__attribute__((sentinel)) void run_client_alike(const char *word, ...);

/* Called between those two; or NULL. */
extern void (*run_client_between)(void);

#endif
