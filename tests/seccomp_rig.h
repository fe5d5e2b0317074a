/*
 * seccomp_rig.h - `comlease run` with programs that no shim gets into (seccomp_client), as children
 * of an end-to-end test. On top of support.h.
 */
#ifndef COMLEASE_TESTS_SECCOMP_RIG_H
#define COMLEASE_TESTS_SECCOMP_RIG_H

#include "support.h"

/* The fixture: support_begin(), modem0 and a comleased that has it, an environment with nothing of
 * comlease's in it. The test becomes the parent of the supervisors. */
void seccomp_rig_begin(void);

/* Its parts: before and after something else. */
void seccomp_rig_prepare(void);
void seccomp_rig_start(void);

/* Its counterpart: no supervisor is left, each has ended with 0. */
void seccomp_rig_end(void);

/* The path of seccomp_client, and of the port's device. */
const char *seccomp_rig_client(void);
const char *seccomp_rig_device(void);

/* Starts `comlease run` with these words (the last is NULL). */
__attribute__((sentinel)) void seccomp_rig_run(struct support_child *, const char *word, ...);

/* The same; it must say these lines, and end with 0. */
__attribute__((sentinel)) void seccomp_rig_expect(const char *lines, const char *word, ...);

/* It says these lines next. */
void seccomp_rig_hear(const struct support_child *, const char *lines);

/* The supervisor that runs: a child of the test's. */
pid_t seccomp_rig_supervisor(void);

/* Waits for the end of all of them. */
void seccomp_rig_await_supervisors(void);

#endif
