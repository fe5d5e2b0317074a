/*
 * broker_rig.h - the broker in this process, with one port `modem0`, one client, and a keeper and
 * an inspector that are the test: every message is seen, and nothing depends on who is quicker. It
 * asserts with Check. rig_begin() and broker_rig_end() are a fixture; after it the keeper has
 * reported the device, and the inspector is being asked.
 */
#ifndef COMLEASE_TESTS_BROKER_RIG_H
#define COMLEASE_TESTS_BROKER_RIG_H

#include "../broker/broker.h"

extern struct broker rig_broker;
extern struct port *rig_port;
extern int rig_keeper, rig_inspector, rig_client; /* this test's ends; -1: closed by it */
extern bool rig_alive; /* whom the inspector finds has a descriptor that works, it says */

#define RIG_DEVICE 0x8801 /* the port's rdev */

void rig_begin(void);
void broker_rig_end(void);

/* The broker does all that it has to do. */
void rig_pump(void);

/* The next message of that type; others that came before it are dropped. */
struct ipc_message broker_rig_expect(int channel, uint32_t type);
void rig_expect_nothing(int channel);
void rig_say(int channel, const struct ipc_message *);

/* The inspector: the id of the question that came; an answer to it (0: by itself): nobody (pid 0),
 * or that process, which has the device open. */
uint64_t rig_asked(void);
void rig_answer(uint64_t id, pid_t);

/* The keeper: READY to the TURNAROUND that came; STRANGER; GONE of the live lease. */
void broker_rig_ready(unsigned evidence);
void rig_stranger(unsigned flags);
void rig_gone(void);

enum lease_state rig_state(void);
void rig_make_free(void); /* from the start */
void rig_hold(void);      /* from FREE: the client acquires */

/* The client: `parameters` is stolen. The text of the replies that have come, or "". */
void rig_call(const char *method, json_t *parameters);
const char *rig_reply(void);

#endif
