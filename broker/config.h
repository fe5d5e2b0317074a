/*
 * config.h - the configuration: files -> struct config. Knows the keys, their defaults and limits;
 * performs nothing. comlease.conf(5) is the manual.
 *
 * The same text form goes from the supervisor to its children: config_print() writes a complete
 * configuration that config_read() takes back.
 */
#ifndef COMLEASE_CONFIG_H
#define COMLEASE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define CONFIG_NAME_MAX   64  /* [A-Za-z0-9._:@+-]{1,64} */
#define CONFIG_DEVICE_MAX 180 /* bytes of a device's path: inih reads lines of 198 */
#define CONFIG_MATCH_MAX  120 /* bytes of what tells a device by udev's properties */
#define CONFIG_ERROR_MAX  1024

#define CONFIG_CLASSES_MAX 16  /* in a port's `order`, and with a max-hold of their own */
#define CONFIG_RULES_MAX   32  /* in a port's `class-of`, in one list of an access section */
#define CONFIG_POOL_MAX    64  /* ports that one pool names */
#define CONFIG_INIT_MAX    160 /* bytes of `init` */
#define CONFIG_PORTS_MAX   1000
#define CONFIG_NEVER       UINT32_MAX

enum config_flow { CONFIG_FLOW_NONE, CONFIG_FLOW_RTSCTS, CONFIG_FLOW_XONXOFF };
enum config_preempt { CONFIG_PREEMPT_NEVER, CONFIG_PREEMPT_STANDBY, CONFIG_PREEMPT_LOWER };

/* Whom a rule means. Names of users and groups are looked up when the supervisor loads the files;
 * what it prints for its children has numbers, so that they never look up a name. */
enum config_who { CONFIG_EVERYBODY, CONFIG_USER, CONFIG_GROUP, CONFIG_COMMAND };

/* `class-of = efax:fax user=uucp:mail group=dialout:dialup`: the first that fits gives a request
 * that names no class its class. A command is compared with the kernel's name of the process. */
struct config_class_rule {
	enum config_who who;
	uint32_t id; /* of the user or group */
	char command[16];
	char class[CONFIG_NAME_MAX + 1];
};

/* `max-hold = 3600 fax:600 mail:none`: that of one class; seconds, or CONFIG_NEVER. */
struct config_class_hold {
	char class[CONFIG_NAME_MAX + 1];
	uint32_t hold_s;
};

struct config_port {
	char name[CONFIG_NAME_MAX + 1];
	char device[CONFIG_DEVICE_MAX + 1]; /* absolute; "": what follows says it */

	/* What the device is, by udev: each that is not "" must fit (fnmatch). See hotplug.h. */
	char usb_serial[CONFIG_MATCH_MAX + 1];    /* `usb-serial = A50285BI` */
	char usb_id[CONFIG_MATCH_MAX + 1];        /* `usb-id = 0403:6001`; lower case */
	char usb_path[CONFIG_MATCH_MAX + 1];      /* `usb-path = pci-0000:00:14.0-usb-0:2:1.0` */
	char usb_interface[CONFIG_MATCH_MAX + 1]; /* `usb-interface = 01` */
	char udev_tag[CONFIG_MATCH_MAX + 1];      /* `udev-tag = lab` */

	uint32_t baud;         /* 115200 */
	uint8_t bits;          /* 8: `frame = 8N1` */
	char parity;           /* 'N', 'E', 'O' */
	uint8_t stop;          /* 1 */
	enum config_flow flow; /* none */
	bool revocable;        /* `revocation = hangup` (default) or `none` */
	uint32_t hangup_ms;    /* 1000; DTR low (a pty: B0) after each lease; 0: not */
	uint32_t settle_ms;    /* 0; after hang-up, before the input is flushed */
	uint32_t drain_ms;     /* 10000: at most, for what was written before close */
	uint32_t queue_max;    /* 1000 waiters */
	uint32_t
	    linger_ms;     /* 0; a lease outlives its last close so long, while its process lives */
	uint32_t quiet_ms; /* 0; before it is free: until nothing has come in for that long */
	char init[CONFIG_INIT_MAX + 1]; /* "": none; `ATZ OK`: see config_init_word() */
	uint32_t init_timeout_ms;       /* 3000; for each awaited word; 3 tries */

	/* Arbitration. */
	char order[CONFIG_CLASSES_MAX][CONFIG_NAME_MAX + 1]; /* `order = mail dialup fax` */
	uint32_t order_count; /* 0; classes that do not stand there come after those that do */
	struct config_class_rule class_of[CONFIG_RULES_MAX];
	uint32_t class_of_count;
	uint32_t age_step_s; /* 60; a waiter rises by one rank each time; 0: never */
	uint32_t max_hold_s; /* CONFIG_NEVER (`none`) */
	struct config_class_hold class_hold[CONFIG_CLASSES_MAX];
	uint32_t class_hold_count;
	uint32_t min_hold_s;           /* 0; `preempt = lower` asks nobody earlier */
	uint32_t yield_grace_s;        /* 5; from being asked to being revoked */
	uint32_t idle_timeout_s;       /* CONFIG_NEVER (`none`); no byte either way */
	enum config_preempt preempt;   /* standby */
	bool busy_by_dcd;              /* `busy-by = dcd activity:5`; default: none */
	uint32_t busy_by_activity_s;   /* 0: not */
	uint32_t max_busy_s;           /* 3600; `none` */
	bool own_always;               /* `own = always` (default) or `leased` */
	char tag[CONFIG_NAME_MAX + 1]; /* ""; for pools */
	char *file;                    /* where its section starts; for messages */
	unsigned line;
};

/* [pool NAME]: `ports = modem0 modem1`, or one `match`. Ports and pools share their names. */
enum config_match {
	CONFIG_MATCH_PORTS,
	CONFIG_MATCH_USB,  /* usb:0403:6001, usb:0403:*; the ids that the keeper reports */
	CONFIG_MATCH_TAG,  /* tag:lab: ports with `tag = lab` */
	CONFIG_MATCH_PATH, /* path:/dev/ttyUSB*: fnmatch() on the port's device, and its node */
};

struct config_pool {
	char name[CONFIG_NAME_MAX + 1];
	enum config_match match;
	char (*ports)[CONFIG_NAME_MAX + 1]; /* `ports`: names of [port] sections, each once */
	uint32_t port_count;
	char pattern[CONFIG_DEVICE_MAX + 1]; /* after "usb:", "tag:", "path:" */
	char *file;
	unsigned line;
};

/* One entry of a list: `ask = *`, `revoke = @operators ann`, `priority = *:0 @fax:10 ann:100`. */
struct config_grant {
	enum config_who who; /* EVERYBODY `*`, USER `ann`, GROUP `@operators` */
	uint32_t id;
	int32_t priority; /* `priority` only */
};

struct config_grants {
	bool is_set; /* the key stands in the file */
	struct config_grant *list;
	uint32_t count; /* 0 and set: `nobody` */
};

/* [access]: for all ports; [access NAME]: for that port or pool, and each key that stands there
 * wins over the one in [access]. What stands nowhere: `ask = *`, `priority = *:100`; revoke, evict
 * and disable: nobody but root, the broker's user, and (revoke) the holder's uid, who always may.
 */
struct config_access {
	char name[CONFIG_NAME_MAX + 1]; /* "": [access] */
	struct config_grants ask, priority, revoke, evict, disable;
	char *file;
	unsigned line;
};

struct config {
	char *socket;                 /* path */
	char *lock_dir;               /* path: /run/lock; where UUCP lock files are */
	char *state_dir;              /* path */
	char *user, *group;           /* NULL: the default, see below */
	mode_t mode;                  /* of the socket: 0660 */
	uint32_t connections_max;     /* 4096 in all */
	uint32_t connections_uid_max; /* 128 a uid */
	struct config_port *ports;    /* in the order of the files */
	size_t port_count;
	struct config_port *templates; /* `[port usb*]`: a name with * ? or [ */
	size_t template_count;
	struct config_pool *pools;
	size_t pool_count;
	struct config_access *access; /* [access], where there is one, first */
	size_t access_count;
};

/*
 * Defaults by who runs it: privileged (uid 0): /run/comlease/comlease.sock, /var/lib/comlease, user
 * `comlease` and group `dialout` where they exist (looked up by the supervisor; here they stay
 * NULL); an ordinary user: $XDG_RUNTIME_DIR/comlease/comlease.sock,
 * ${XDG_STATE_HOME:-$HOME/.local/state}/comlease; ports are then refused unless they say
 * `revocation = none`, and the message says so (port may be revocable only if `can_revoke`).
 * A child that reads what its supervisor printed sets both: that has been judged already.
 */
struct config_rules {
	bool privileged;
	bool can_revoke; /* CAP_SYS_ADMIN */
	bool resolved; /* what a supervisor printed: each port has a `device`, whatever else it says
			*/
	const char *socket, *state_dir; /* -s, --state-dir: win over the files and obey the same
					 * rules (absolute...); NULL: not given */
};

/* Reads FILE, or, with NULL, /etc/comlease/comlease.conf and /etc/comlease/comlease.conf.d/ *.conf
 * (in the order of their names; none of them need exist: then, where it can revoke, one template
 * `[port usb-*]` with all the defaults). *config is complete on 0 and untouched
 * otherwise (what it held is not freed); error then has every fault found, a line each, `FILE:LINE:
 * what is wrong` (no newline after the last; "... and N more" if they are too many), else "".
 * -EINVAL: the contents; -errno: the file; -ENOMEM. */
int config_load(const char *file, const struct config_rules *, struct config *config,
		char error[CONFIG_ERROR_MAX]);

/* The same from an open descriptor (rewound first unless it is a pipe; not closed), under that
 * name in messages. */
int config_read(int fd, const char *name, const struct config_rules *, struct config *config,
		char error[CONFIG_ERROR_MAX]);

/* Writes the configuration with every key, so that config_read() gives it back. 0 or -EIO. */
int config_print(const struct config *, FILE *);

void config_free(struct config *);

/* A copy that shares nothing with it. 0 or -ENOMEM: *to is empty then. */
int config_copy(struct config *to, const struct config *from);

/* What children are told nothing of: templates, and the access sections of ports that only a
 * template could make and that are not there now. */
void config_drop_templates(struct config *);

/* Of the ports only that one, and no pools and access: a keeper needs no more. It must be there. */
void config_keep_port(struct config *, const char *name);

/* NULL: there is none. */
const struct config_port *config_find(const struct config *, const char *name);

/* Is its device the link that the supervisor keeps, FOLDER/port/NAME? FOLDER is the socket's
 * (hotplug.h). */
bool config_is_link(const struct config *, const struct config_port *);

const struct config_pool *config_find_pool(const struct config *, const char *name);

/* The section of that name ("": [access]), or NULL. */
const struct config_access *config_find_access(const struct config *, const char *name);

/* The next word of a port's `init`, its escapes undone, in *word. By turns one is sent, with a "\r"
 * behind it that is not in here, and one awaited. Returns where to go on, NULL at the end. */
const char *config_init_word(const char *init, char word[CONFIG_INIT_MAX + 1]);

/* Does it say what its device is, with `usb-serial` or another of those? */
bool config_is_identified(const struct config_port *);

/* True if both describe the same device under the same name (other settings may differ): by the
 * same path and the same properties. Where a link of that path leads does not count. */
bool config_same_device(const struct config_port *, const struct config_port *);

/* A port's, pool's or label's name: [A-Za-z0-9._:@+-]{1,64}. */
bool config_name_is_valid(const char *);

#endif
