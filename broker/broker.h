/*
 * broker.h - what the files of the broker process share: its ports, requests and subscriptions.
 *
 *	broker.c	the loop, the supervisor's messages, the core's steps carried out
 *	broker_alarm.c	its one timer
 *	broker_accept.c	connections: who may, how many, when descriptors run out
 *	broker_port.c	a port: what its keeper is told, how a lease ends
 *	broker_keeper.c	what the keepers say
 *	broker_request.c a request from Acquire to its outcome
 *	broker_join.c	which requests belong to the holder
 *	broker_grant.c	the descriptor on its way to the client
 *	service*.c	Varlink methods: decode, call the above, encode
 *	describe.c	ports, leases, waiters and events as JSON and as sentences
 *	publish.c	who is told of changes: List and Acquire with `more`, Monitor
 */
#ifndef COMLEASE_BROKER_H
#define COMLEASE_BROKER_H

#include "config.h"
#include "ipc.h"
#include "lease.h"
#include "peer.h"

#define BROKER_KIN_BUCKETS      64    /* of a port: its waiters by process */
#define BROKER_COMMAND_MAX      64    /* a command's name, escaped */
#define BROKER_KEY_LENGTH       32    /* hexadecimal digits */
#define BROKER_NOTES_MAX        64    /* events on their way to the log */
#define BROKER_DESCRIPTIONS_MAX 16    /* of one lease */
#define BROKER_WAITERS_SHOWN    32    /* of a port's queue, in List and in news to waiters */
#define BROKER_KEEPER_MS        5000  /* a keeper later than this is faulted */
#define BROKER_TAKE_MS          5000  /* for a client to take its descriptor if others wait */
#define BROKER_HOLD_MS          2000  /* after a restart: no grants, the old queue forms again */
#define BROKER_RETURN_MS        30000 /* after a restart: `waited` of a request is believed */

/* Where a request is on its way. */
enum request_stage {
	REQUEST_NEW,
	REQUEST_ASKING,  /* the supervisor looks whether it belongs to the holder */
	REQUEST_WAITING, /* in the core's queue */
	REQUEST_JOINING, /* the keeper opens another description for it */
	REQUEST_GRANTED, /* it is port->holder */
	REQUEST_JOINED,  /* `fd` is to be attached */
};

/* A client's wish, and, once granted, what is known of the holder. */
struct request {
	struct lease_request core;
	TAILQ_ENTRY(request) kin;   /* in a bucket of port->kin while WAITING */
	TAILQ_ENTRY(request) entry; /* in port->asking, joining or joined */
	struct port *port;
	struct peer *peer; /* NULL: gone, or served */
	enum request_stage stage;
	pid_t pid;
	uid_t uid;
	int64_t since_real_ms; /* when it asked; of a holder: when it was granted */
	int64_t wait_ms;       /* -1: for ever */
	uint64_t until_ms;     /* the end of that, wherever it is on its way; LEASE_NEVER */
	uint64_t id;           /* of the message to keeper or supervisor */
	uint64_t waited_ms;    /* how long it waited, once granted */
	int fd;                /* granted with `more`, to be attached; -1 */
	int pidfd, stat;       /* of the holder, see request_look(); -1 */
	unsigned descriptions; /* of the holder's lease */
	bool more, delivered;
	int64_t told_ahead; /* with `more`: the last news; -1: none */
	uint64_t told_token;
	enum lease_state told_state;
	char label[CONFIG_NAME_MAX + 1];
	char key[BROKER_KEY_LENGTH + 1];
	char command[BROKER_COMMAND_MAX];
};

TAILQ_HEAD(requests, request);

struct port {
	struct lease_port lease; /* the core's part */
	struct config_port config;
	struct broker *broker;
	TAILQ_ENTRY(port) entry;
	struct event channel_event;
	int channel;   /* to the keeper; -1 */
	bool reported; /* the keeper has spoken */
	bool late;     /* and then it did not */
	uint64_t turnaround_id, rdev;
	uint64_t cleaned; /* the token after which the keeper has cleaned it unasked; 0 */
	struct request *holder;
	struct requests asking; /* the supervisor is asked for one at a time */
	struct requests joining;
	struct requests joined;                  /* their descriptors are here, to be attached */
	struct requests kin[BROKER_KIN_BUCKETS]; /* who waits, by process: see request_join_kin() */
	struct peer *revoker;                    /* waits for the end of the turnaround */
	uint64_t revoked;      /* the token that it took; 0: it released its own */
	struct request *ended; /* the last holder, until the turnaround is done: see port_end() */
	enum lease_reason ended_reason;
	uint64_t ended_token;
	int64_t held_ms;
	bool changed;              /* subscribers are to be told */
	bool troubled;             /* a "state" event said that it is absent or faulted */
	char detail[IPC_TEXT_MAX]; /* of the end */
	char reason[IPC_TEXT_MAX]; /* why absent or faulted, or for what it was revoked */
};

TAILQ_HEAD(ports, port);
TAILQ_HEAD(peers, peer);

/* How many connections a uid has. */
struct account {
	TAILQ_ENTRY(account) entry;
	uid_t uid;
	unsigned connections;
};

TAILQ_HEAD(accounts, account);

/* What happened: for the log and the monitors. */
struct publish_event {
	const char *event;
	const struct port *port;
	const struct request *request; /* NULL */
	uint64_t token;
	const char *reason, *detail, *state;
	int64_t waited_ms, held_ms; /* -1: none */
	int64_t time_ms;            /* since 1970: publish.c's to fill in */
	struct request *granted;    /* to be looked at now; NULL */
};

struct broker {
	struct event_base *base;
	struct lease_host host;
	struct config config;
	struct ports ports; /* in the configuration's order */
	struct peers peers, dead, subscribers;
	struct accounts accounts;
	unsigned connections;
	struct event supervisor, accept, accept_again, reaper, alarm;
	uint64_t alarm_ms;             /* when it rings; LEASE_NEVER */
	uint64_t publish_ms, notes_ms; /* when these are due; LEASE_NEVER */
	int listening,
	    spare; /* spare: a descriptor in reserve, to tell a client that there are none */
	uint64_t ids;
	uint64_t hold_until_ms;    /* no grants before */
	uint64_t returns_until_ms; /* `waited` is believed so long */
	unsigned monitors;
	struct publish_event notes[BROKER_NOTES_MAX]; /* see publish_note() */
	size_t note_count;
	struct requests over; /* freed once they have been noted */
	bool configured, serving, settling;
};

int broker_main(void);

/* Carries out what the core says until it has nothing more to say, then sets the timer. */
void broker_settle(struct broker *);

/* Wakes the broker up at that time at the latest, to settle and to publish. */
int broker_alarm_init(struct broker *);
void broker_alarm(struct broker *, uint64_t at_ms);
void broker_alarm_free(struct broker *);

struct port *broker_find_port(struct broker *, const char *name);

/* Serves clients once every keeper has spoken or is late. */
void broker_serve(struct broker *);

/* ---- broker_accept.c ---- */

/* Clients may come. */
void broker_listen(struct broker *);

/* The handler's: everything that the client had or waited for goes. */
void broker_peer_gone(struct broker *, struct peer *);

/* Ends all connections and frees what is left of them. */
void broker_accept_init(struct broker *);
void broker_accept_clear(struct broker *);

/* ---- broker_port.c ---- */

int port_new(struct broker *, const struct config_port *);

/* No longer configured: its requests are told, the holder goes on undisturbed. */
void port_free(struct port *);

/* The core's steps. */
void port_turnaround(struct port *, uint64_t token, enum lease_reason);
void port_open(struct port *, struct request *);
void port_late(struct port *);

/* To the keeper; if there is none at the moment, its successor will ask. */
void port_tell(struct port *, const struct ipc_message *);

/* The keeper's next word is due within that time. */
void port_expect(struct port *, uint64_t in_ms);

/* A lease is alive: a word is due if somebody is to join it. */
void port_expect_joining(struct port *);

/* The turnaround is done: the port is free. */
void port_clean(struct port *);

/* The lease has ended; the core turns the port around. Log and monitors hear of the end when that
 * is done: then no old descriptor works any more. detail: NULL. */
void port_end(struct port *, enum lease_reason, const char *detail);

/* The turnaround is done, or failed: the end is made known, whoever asked for it is answered. */
void port_settled(struct port *);

/* ---- broker_keeper.c ---- */

/* The channel to a (new) keeper. Owns it. */
void port_connect(struct port *, int channel);
void port_disconnect(struct port *);

/* ---- broker_request.c ---- */

/* Parameters of Acquire, checked. */
struct request_wish {
	const char *label, *key;
	int64_t wait_ms, waited_ms;
	int priority;
	bool more;
};

void request_new(struct port *, struct peer *, const struct request_wish *);

/* One error with the port's name, a sentence and, on demand, who is in the way. The request is the
 * caller's to free. */
void request_refuse(struct request *, const char *error, const char *message, bool with_holder);

/* Into the core's queue. False: that is full, and the request is no more. */
bool request_queue(struct request *);

/* Those of its port that wait and may be of the same process. */
struct requests *request_kin(const struct request *);

/* It has left the core's queue. */
void request_dequeued(struct request *);

/* The device went before the descriptor came: back to its place. */
void request_requeue(struct request *);

/* The outcomes but GRANT. */
void request_timed_out(struct request *);
void request_failed(struct request *, const char *why);

/* It was granted, and taken back before its descriptor came. */
void request_revoked(struct request *);

/* The client has gone. */
void request_gone(struct request *);

/* Opens what tells later how the holder ended. Not on the way to the grant: it takes as long as the
 * rest of it. */
void request_look(struct request *);

/* Freed after the next publish_notes(). */
void request_free_later(struct request *);

void request_free(struct request *);

/* ---- broker_join.c ---- */

/* To the holder's lease, into the queue, or refused, once it is known which. */
void request_route(struct request *);

/* Asks the supervisor about the next one that is to be compared with the holder: one at a time. */
void request_ask_next(struct port *);

/* The supervisor's answer. */
void request_answered(struct port *, uint64_t id, bool belongs);

/* The lease that they were compared with has ended: into the queue. */
void request_stop_asking(struct port *);

/* What joined the lease that has ended and was not attached. */
void request_drop_joined(struct port *);

/* A new keeper: what joins, asks again. */
void request_rejoin(struct port *);

/* Of several requests of one process the first is granted; the others would wait for it. */
void request_join_kin(const struct request *holder);

/* ---- broker_grant.c ---- */

/* The holder's or joiner's description has come (fd >= 0, owned), or not (error, text). */
void request_opened(struct port *, const struct ipc_message *, int fd);

/* Sends the lease with its descriptor to the client that asked with `more`. */
void request_attach(struct request *);

/* A holder that the keeper reported after a restart of this process. */
struct request *request_restore(struct port *, uint64_t token, const char *text);

/* The same the other way: for IPC_OPEN and IPC_HOLDER. */
void request_save(const struct request *, char text[IPC_TEXT_MAX]);

/* ---- service.c ---- */

extern const struct peer_handler service_handler;

/* Standard and own errors; `parameters` is stolen. The call is done. */
void service_error(struct peer *, const char *error, json_t *parameters);

/* Errors that have `port` and `message`. */
void service_error_port(struct peer *, const char *error, const struct port *, const char *message);

/* ---- describe.c: new references, NULL: no memory ---- */

json_t *describe_port(const struct port *);
json_t *describe_lease(const struct port *, const struct request *holder);
json_t *describe_waiting(const struct request *, size_t ahead);
json_t *describe_process(const struct request *);

/* "held by efax (pid 812, uid 1000) since 09:14:02": why one has to wait. */
void describe_why(const struct port *, char *text, size_t size);

/* ---- publish.c ---- */

/* The port has changed: subscribers and the first waiters hear of it soon. */
void publish_port(struct port *);

/* A port that is no longer configured. */
void publish_removed(struct port *);

/* To the log and to the monitors, at once. */
void publish_event(struct broker *, const struct publish_event *);

/* The same within milliseconds: for what happens while somebody waits for his port. Before a port
 * or request that may stand in a note changes for the log or is freed: publish_notes(). */
void publish_note(struct broker *, const struct publish_event *);
void publish_notes(struct broker *);

/* What is due by then. */
void publish_due(struct broker *, uint64_t now_ms);

enum subscription_kind { SUBSCRIBE_LIST, SUBSCRIBE_MONITOR };

/* `ports`: an array of names or NULL: all. The call is not done before the connection ends. 0,
 * -ENOMEM. */
int publish_subscribe(struct broker *, struct peer *, enum subscription_kind, json_t *ports);
void publish_unsubscribe(struct broker *, struct peer *);
void publish_init(struct broker *);

/* Tells a waiter with `more` where it stands. */
void publish_waiting(struct request *);

#endif
