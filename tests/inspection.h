/*
 * inspection.h - one inspector under test: the test is its broker, and a process in between its
 * supervisor, as children of the supervisor are not foreign. Ports modem0 and modem1, a folder for
 * lock files; on top of support.h.
 */
#ifndef COMLEASE_TESTS_INSPECTION_H
#define COMLEASE_TESTS_INSPECTION_H

#include "support.h"

#include "../broker/foreign.h"
#include "../broker/ipc.h"

#define INSPECTION_NOBODY   65534
#define INSPECTION_SOON_MS  100 /* a change is told within that time, where nothing else runs */
#define INSPECTION_QUIET_MS 150

/* ... and here, today: a look takes that long, and after a long one it rests five times as long. */
#define INSPECTION_HERE_MS (INSPECTION_SOON_MS + 7 * inspection.ask_ms)

struct inspection {
	struct support_child parent; /* of the inspector */
	int supervisor, broker;      /* our ends of its channels */
	int roster;                  /* of modem0 */
	pid_t inspector;
	uint64_t rdev;   /* of modem0 */
	uint64_t ids;    /* of the last question */
	uid_t user;      /* of the inspector, if not 0 */
	int64_t news_ms; /* what inspection_expect_news() waited, at the least */
	int64_t ask_ms;  /* what inspection_ask() took, at the most */
};

extern struct inspection inspection;

/* The fixture. */
void inspection_begin(void);
void inspection_end(void);

/* Starts one more, when the last one has ended. */
void inspection_start(void);

/* ---- as its supervisor ---- */

void inspection_tell_config(const char *lock_dir);
void inspection_connect_broker(void);

/* ---- as its broker ---- */

bool inspection_receive(struct ipc_message *, int within_ms);
void inspection_send_to(uint32_t type, const char *port, uint64_t number, uint32_t flag);

/* The next message, but for news, must be an answer with that id; 0: the news. Its text, parsed;
 * pid -1: nobody. */
struct foreign inspection_expect_answer(uint64_t id, struct ipc_message *, int within_ms);

/* Asks about modem0. */
struct foreign inspection_ask_with(uint32_t evidence, struct ipc_message *);
struct foreign inspection_ask(void);

/* What it tells by itself. */
struct foreign inspection_expect_news(void);
void inspection_expect_quiet(void);

/* ---- holders ---- */

/* A child that has modem0 open, or not. At each byte it forks; the fork says one, and stays. */
void inspection_start_holder(struct support_child *, bool opens);

void inspection_put_lock(const char *name, pid_t);
void inspection_remove_lock(const char *name);

#endif
