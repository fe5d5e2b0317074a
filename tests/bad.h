/*
 * bad.h - clients that send what they like, and whether anybody else notices: another client
 * gets a port in the same moment, a lease of another port works on, List is answered without delay,
 * and afterwards descriptors and memory of comleased are back.
 */
#ifndef COMLEASE_TESTS_BAD_H
#define COMLEASE_TESTS_BAD_H

#include "support.h"

/* Of somebody else's List meanwhile, on a busy machine: whoever is kept waiting by what is tried
 * here waits for seconds. */
#define BAD_LATENCY_MS 2000
#define BAD_CUT_MS     5000 /* how long half a message may take: PEER_REQUEST_MS */

/* ---- the bad one: a plain socket ---- */

int bad_connect(void);

/* Sends all of it, unless the broker closes meanwhile: false. */
bool bad_send(int socket, const void *bytes, size_t size);

/* With descriptors. 0 or -errno: -EPERM where the kernel refuses them. */
int bad_send_fds(int socket, const void *bytes, size_t size, const int *fds, size_t count);

/* The next message as text, in a static buffer; NULL: the broker has closed. */
const char *bad_hear(int socket);

/* The broker closes the connection before that time, without a message; closes the socket. */
void bad_expect_cut(int socket, int within_ms);

/* Asks for a List: whether it gets it. The other one does so on a connection of its own. */
bool bad_is_served(int socket);
bool bad_new_one_is_served(void *);

/* Told QuotaExceeded with that text, without having asked, and closed. */
void bad_expect_turned_away(int socket, const char *why);

/* For support_fork(): waits for that port (const char *), says that it has it, and lets go when its
 * pipe ends. The other one writes "!" to it first. */
void bad_hold(struct support_child *, void *port);
void bad_hold_and_write(struct support_child *, void *port);

/* How many bytes wait in a pipe. */
int bad_pipe_bytes(int pipe);

/* ---- the others ---- */

/* A fixture on top of support_begin(): modem0 and modem1, and a lease of modem1 that lasts. */
void calm_begin(void);
void calm_begin_with(const char *broker_section);
/* The same with a comleased whose kernel can't refuse descriptors. */
void calm_begin_without_passrights(void);
void calm_end(void);

/* After a restart of comleased: another lease of modem1, another memory to compare with. */
void calm_renew(void);

/* Now: another client gets modem0 and uses it, the lease of modem1 works. */
void calm_expect(void);

/* From one to the other: every List of another process is answered in BAD_LATENCY_MS. */
void calm_watch(void);
void calm_expect_quick(void);

/* The broker's, in kilobytes. */
long bad_memory_kb(void);

/* Of a process, in ms. */
int64_t bad_cpu_ms(pid_t);

/* Waits, without an event to wait for, until condition(argument); asserts that it comes. */
void bad_await(bool (*condition)(void *), void *argument, const char *what);

#endif
