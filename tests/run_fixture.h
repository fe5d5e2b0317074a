/*
 * run_fixture.h - `comlease run` as a process of its own, with a fake broker in this one.
 */
#ifndef COMLEASE_RUN_FIXTURE_H
#define COMLEASE_RUN_FIXTURE_H

#include "fake_broker.h"

#include <check.h>
#include <sys/types.h>

/* The `comlease run` of this test. */
extern pid_t run_pid;

TCase *run_case(Suite *, const char *name);

/* Paths of holder_client and of comlease. */
const char *run_holder(void);
const char *run_comlease(void);

/* Starts `comlease run` with these words; the last one is NULL. */
__attribute__((sentinel)) void run_start(const char *word, ...);

/* The next line of the command's output is that, by fnmatch(). */
void run_expect(const char *pattern);
/* Nothing comes from the command for so long. */
void run_expect_silence(int ms);

/* Writes to the command's standard input. */
void run_tell(const char *text);

/* The exit status (128+N for a signal): waits at most 10 s. */
int run_end(void);

/* What run has said so far: waits until it contains that. */
void run_expect_said(const char *text);
/* How often it has said that. */
int run_count_said(const char *text);

/* A "yieldWanted" with 5 s, for uucico (pid 812), with that reason. */
void run_ask(const char *reason);

#endif
