/*
 * varlink_pair.h - a socketpair with a broker's end and a client's end, for the tests of the codec.
 * All of it asserts with Check.
 */
#ifndef COMLEASE_TESTS_VARLINK_PAIR_H
#define COMLEASE_TESTS_VARLINK_PAIR_H

#include "../client/varlink.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

extern struct varlink broker, client;
extern int pair[2]; /* the broker's, the client's */

/* A checked fixture: pair_close() fails the test if it leaves a descriptor open. */
void pair_open(void);
void pair_close(void);

/* Sends bytes with one sendmsg(), with count descriptors (8 at the most). */
ssize_t send_raw(int socket, const void *bytes, size_t len, const int *fds, size_t count,
		 int flags);

/* With the NUL that ends the literal. */
#define SEND(socket, text)                                                                         \
	ck_assert_int_eq(send_raw(socket, text, sizeof(text), NULL, 0, 0), (ssize_t)sizeof(text))
#define SEND_WITH(socket, text, fds, count)                                                        \
	ck_assert_int_eq(send_raw(socket, text, sizeof(text), fds, count, 0), (ssize_t)sizeof(text))

/* The next message has {"n": n}, and a descriptor, which is returned, or none (-1). */
int expect(struct varlink *, int n, bool with_fd);

/* No message is there. */
void expect_none(struct varlink *);

/* {"n":7,"s":"xxx..."} of len bytes in all and its NUL; the caller's to free. */
char *long_message(size_t len);

/* Receives until that gives something else than 0. */
int receive_all(struct varlink *);

/* A pipe whose reading end [0] tells whether the writing end [1] is still open anywhere. */
void make_pipe(int ends[2]);
bool is_open_elsewhere(int reading_end);

/* The same, where it has been closed or is about to be: who looks through /proc/PID/fd at that
 * moment has it a little longer. */
bool is_closed_elsewhere(int reading_end);

#endif
