/*
 * broker.h - what the files of the broker process share: its ports, requests and subscriptions.
 *
 *	broker.c	the loop, the supervisor's messages, the core's steps carried out
 *	broker_alarm.c	its one timer
 *	broker_accept.c	connections: who may, how many, when descriptors run out
 *	broker_port.c	a port: what its keeper is told, how a lease ends
 *	broker_disable.c maintenance
 *	broker_keeper.c	what the keepers say
 *	broker_request.c a request from Acquire to its outcome
 *	broker_queue.c	into the core's queues, and out of them
 *	broker_join.c	which requests belong to the holder
 *	broker_grant.c	the descriptor on its way to the client
 *	broker_yield.c	a holder is asked to let go; revoked; lingers
 *	broker_pool.c	which ports a request may have
 *	broker_deadlock.c who would wait for himself over two ports
 *	broker_foreign.c the inspector; foreign holders and intruders
 *	broker_watch.c	who is told what happens to a lease
 *	broker_access.c	who may do what: access.c and class.c for our peers and ports
 *	service*.c	Varlink methods: decode, call the above, encode
 *	describe.c	ports, leases, waiters and events as JSON and as sentences
 *	publish.c	who is told of changes: List and Acquire with `more`, Monitor
 */
#ifndef COMLEASE_BROKER_H
#define COMLEASE_BROKER_H

#include "config.h"
#include "foreign.h"
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

/* What a waiter with `more` was told last. */
struct request_told {
	int64_t ahead; /* -1: nothing yet */
	uint64_t token;
	const struct port *port; /* only to be compared */
	enum lease_state state;
	bool busy;
	pid_t foreigner;
};

/* Where an eviction is on its way. */
enum foreign_eviction {
	EVICT_NONE,
	EVICT_LOOKING, /* it is still to be found out who has the port */
	EVICT_HANG,    /* the same, for an eviction without SIGTERM */
	EVICT_ENDING,  /* SIGTERM has been sent */
	EVICT_CLEANING /* hung up or gone: answered when the port is settled */
};

/* Where a request is on its way. */
enum request_stage {
	REQUEST_NEW,
	REQUEST_DOUBTED, /* it seems to wait for itself: see broker_doubt.c */
	REQUEST_ASKING,  /* the supervisor looks whether it belongs to the holder */
	REQUEST_WAITING, /* in the core's queue, or, for a pool without ports, in broker->unplaced
			  */
	REQUEST_JOINING, /* the keeper opens another description for it */
	REQUEST_GRANTED, /* it is port->holder */
	REQUEST_JOINED,  /* `fd` is to be attached */
};

/* A client's wish, and, once granted, what is known of the holder. */
struct request {
	struct lease_request core;
	TAILQ_ENTRY(request) kin;   /* in a bucket of port->kin while WAITING, unless for a pool */
	TAILQ_ENTRY(request) entry; /* in port->asking, joining, joined, or broker->unplaced,
				     * doubted */
	struct broker *broker;
	struct port *port; /* that it names or has been granted; of a waiting pool request: the one
			    * that it will probably be, for display. Never NULL. */
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
	uint64_t start_ticks;  /* of the holder: when his process started; 0: not known */
	unsigned descriptions; /* of the holder's lease */
	bool more, delivered;
	bool certain;         /* that it seems to wait for itself has been looked into */
	bool is_outside;      /* DOUBTED: it is the inspector that looks */
	unsigned checks;      /* DOUBTED: answers that are to come */
	uint64_t doubt_until; /* DOUBTED: not longer than that, by clock_now_ms() */
	struct request_told told;
	char label[CONFIG_NAME_MAX + 1];
	char class[CONFIG_NAME_MAX + 1]; /* "": none */
	char pool[CONFIG_NAME_MAX + 1];  /* "": it named the port */
	char key[BROKER_KEY_LENGTH + 1];
	char command[BROKER_COMMAND_MAX];
	int64_t max_hold_ms, grace_ms; /* as asked for; -1: not */
	int priority;                  /* the same */
	struct lease_place *grown;     /* its pool has more ports than when it came; NULL */
	size_t place_max;
	struct lease_place places[]; /* core.place_count of them; 0: its pool has no port now */
};

TAILQ_HEAD(requests, request);
TAILQ_HEAD(watches, watch);

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
	uint64_t revoked;          /* the token that it took; 0: it released its own */
	struct watches watches;    /* of the live lease: broker_watch.c */
	struct event holder_event; /* a lingering lease ends with its process; see broker_yield.c */
	bool forced;               /* the end under way takes the port from its holder */
	unsigned turn;             /* IPC_TURN_*: what the turnaround under way was told */
	/* broker_foreign.c */
	struct foreign foreign;  /* in FOREIGN, once it is known; else pid -1 */
	bool login;              /* he offers a login, and would come back at once */
	struct foreign intruder; /* beside a holder; pid -1: none */
	unsigned foreigners;     /* how many there are */
	uint64_t inspect_id;     /* the question under way; 0: none */
	bool inspect_again;      /* something happened since it was asked */
	bool blind;              /* the inspector can't see every process */
	bool anyway;             /* locks of others have been looked at and don't count */
	unsigned evidence;       /* IPC_EVIDENCE_* as last heard */
	struct peer *evictor;    /* waits for the end of an eviction */
	enum foreign_eviction evicting;
	json_t *evicted;         /* whom, for the answer */
	struct event evict_late; /* SIGTERM had no effect */
	bool stranger;           /* an open that was not ours, and nobody has looked since */
	bool in_the_way;         /* somebody had a lock when a lease was to begin */
	bool hanging_up;         /* the turnaround under way makes all foreign descriptors dead */
	bool hung_up;            /* it has, and nobody has opened since */
	uint64_t hung_up_id;     /* the inspector's answers to later questions are of after it */
	pid_t told_pid;          /* the last intruder that was made known; -1 */
	uint64_t told_ticks;
	/* */
	char disabled[IPC_TEXT_MAX];  /* why, if lease.disabled; may be "" */
	char identity[32];            /* "usb:0403:6001" or ""; also while it is away: for pools */
	char last_node[IPC_TEXT_MAX]; /* the same of node */
	char node[IPC_TEXT_MAX];      /* where it is, "/dev/ttyUSB1"; "": not known, or not there */
	unsigned line;                /* IPC_LINE_* of the live lease */
	bool busy_by_word;            /* its holder says so (Busy) */
	char asker[160];              /* for whom its holder is asked to let go: of the event */
	struct request *ended; /* the last holder, until the turnaround is done: see port_end() */
	enum lease_reason ended_reason;
	uint64_t ended_token;
	int64_t held_ms;
	bool blocked;              /* request_would_deadlock()'s */
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
	const struct foreign *foreign; /* "foreign", "intruder", "evict": who; NULL. At once only */
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
	struct event awake_alarm; /* of a clock that counts suspend */
	struct event inspector_event, inspector_late;
	int inspector;                 /* the channel; -1 */
	bool inspector_lost;           /* there is none, and we go on without */
	uint64_t alarm_ms, awake_ms;   /* when they ring; LEASE_NEVER */
	uint64_t publish_ms, notes_ms; /* when these are due; LEASE_NEVER */
	int listening,
	    spare; /* spare: a descriptor in reserve, to tell a client that there are none */
	uint64_t ids;
	uint64_t hold_until_ms;    /* no grants before */
	uint64_t returns_until_ms; /* `waited` is believed so long */
	unsigned monitors;
	struct publish_event notes[BROKER_NOTES_MAX]; /* see publish_note() */
	size_t note_count;
	struct requests over;     /* freed once they have been noted */
	struct watches ended;     /* see watch_ended_later() */
	struct requests unplaced; /* see REQUEST_WAITING */
	struct requests doubted;  /* see broker_doubt.c */
	uint64_t troubled;        /* ports, as the supervisor was last told; UINT64_MAX: not yet */
	bool configured, serving, settling;
};

/* clock_now_ms(), with the core told how long the machine has slept. */
uint64_t broker_now_ms(struct broker *);

int broker_main(void);

/* Carries out what the core says until it has nothing more to say, then sets the timer. */
void broker_settle(struct broker *);

/* Wakes the broker up at that time at the latest, to settle and to publish. */
int broker_alarm_init(struct broker *);
void broker_alarm(struct broker *, uint64_t at_ms);

/* The same on the clock that counts suspend. */
void broker_alarm_awake(struct broker *, uint64_t at_ms);
void broker_alarm_free(struct broker *);

struct port *broker_find_port(struct broker *, const char *name);

/* A port is in trouble, or no longer: tells the supervisor how many are. */
void broker_tell_trouble(struct broker *);

/* Serves clients once every keeper has spoken or is late, and it is known who has the ports. */
void broker_serve(struct broker *);

/* ---- broker_accept.c ---- */

/* Clients may come. */
void broker_listen(struct broker *);

/* The handler's: everything that the client had or waited for goes. */
void broker_peer_gone(struct broker *, struct peer *);

/* Ends all connections and frees what is left of them. */
void broker_accept_init(struct broker *);
void broker_accept_clear(struct broker *);

/* ---- broker_access.c ---- */

bool access_peer_may_ask(const struct peer *, const struct port *, const char *pool);
int access_top_priority(const struct peer *, const struct port *, const char *pool);
bool access_may_revoke(const struct peer *,
		       const struct port *); /* of the live lease: its holder too */
bool access_may_evict(const struct peer *, const struct port *);
bool access_may_disable(const struct peer *, const struct port *);

/* The class of a request that names none, on that port; "": none. Into class[CONFIG_NAME_MAX + 1].
 * `command`: raw, as the kernel has it. */
void access_class(const struct peer *, const struct port *, const char *command, char *class);

/* ---- broker_foreign.c ---- */

void foreign_init(struct broker *);
void foreign_free(struct broker *);

/* A port's part: at its start, and before it is freed. */
void foreign_new_port(struct port *);
void foreign_forget(struct port *);

/* The channel to a (new) inspector. Owns it. */
void foreign_connect(struct broker *, int channel);

/* A port without a lease has a device that nobody has looked at: FOREIGN until it is known that
 * nobody has it, then TURNAROUND. */
void foreign_look(struct port *);

/* The keeper's IPC_STRANGER. */
void foreign_stranger(struct port *, unsigned flags);

/* A keeper has been replaced, and reports. */
void foreign_new_keeper(struct port *);

/* The keeper's READY: true if the port is clean and nobody's; else the port is being looked at. */
bool foreign_ready(struct port *, unsigned evidence);

/* The keeper could not open the first description of a lease: somebody outside has a lock. The
 * request goes back to its place. */
void foreign_in_the_way(struct port *);

/* The lease has ended: an intruder is revoked with it, or is a foreign holder now. True: revoke. */
bool foreign_lease_ended(struct port *);

/* Somebody (an administrator, or nobody any more) waits for the end of an eviction. */
void foreign_evict(struct port *, struct peer *, bool terminate);

/* port_settled()'s: the evictor is answered; what was known of a device that has gone is not. */
void foreign_settled(struct port *);

/* A login terminal: who waits for it would wait for ever. */
bool foreign_is_login(const struct port *);

/* What people should know about what can't be seen: a static sentence, or NULL. */
const char *foreign_notice(const struct port *);

/* It is still to be found out who has the port. */
bool foreign_is_looking(const struct port *);

/* ---- broker_watch.c ---- */

/* The call is not done before the lease has ended. 0, -ENOMEM. Told at once that it watches. */
int watch_add(struct port *, struct peer *);
void watch_drop(struct peer *); /* it has gone */
void watch_yield(struct port *, const struct request *asker);
void watch_keep(struct port *);
void watch_ended(struct port *, enum lease_reason);

/* The same with the next publish_notes(): its holder has closed it himself. */
void watch_ended_later(struct port *, enum lease_reason);
void watch_tell_later(struct broker *); /* that one's */

/* ---- service.c ---- */

extern const struct peer_handler service_handler;

/* Standard and own errors; `parameters` is stolen. The call is done. */
void service_error(struct peer *, const char *error, json_t *parameters);

/* Errors that have `port` and `message`. */
void service_error_port(struct peer *, const char *error, const struct port *, const char *message);

#include "broker_port.h"
#include "broker_request.h"
#include "describe.h"
#include "publish.h"

#endif
