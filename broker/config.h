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
#define CONFIG_ERROR_MAX  1024

enum config_flow { CONFIG_FLOW_NONE, CONFIG_FLOW_RTSCTS, CONFIG_FLOW_XONXOFF };

struct config_port {
	char name[CONFIG_NAME_MAX + 1];
	char device[CONFIG_DEVICE_MAX + 1]; /* absolute */
	uint32_t baud;                      /* 115200 */
	uint8_t bits;                       /* 8: `frame = 8N1` */
	char parity;                        /* 'N', 'E', 'O' */
	uint8_t stop;                       /* 1 */
	enum config_flow flow;              /* none */
	bool revocable;                     /* `revocation = hangup` (default) or `none` */
	uint32_t hangup_ms;                 /* 1000; DTR low (a pty: B0) after each lease; 0: not */
	uint32_t settle_ms;                 /* 0; after hang-up, before the input is flushed */
	uint32_t drain_ms;                  /* 10000: at most, for what was written before close */
	uint32_t queue_max;                 /* 1000 waiters */
	char *file;                         /* where its section starts; for messages */
	unsigned line;
};

struct config {
	char *socket;                 /* path */
	char *state_dir;              /* path */
	char *user, *group;           /* NULL: the default, see below */
	mode_t mode;                  /* of the socket: 0660 */
	uint32_t connections_max;     /* 4096 in all */
	uint32_t connections_uid_max; /* 128 a uid */
	struct config_port *ports;    /* in the order of the files */
	size_t port_count;
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
	bool can_revoke;                /* CAP_SYS_ADMIN */
	const char *socket, *state_dir; /* -s, --state-dir: win over the files and obey the same
					 * rules (absolute...); NULL: not given */
};

/* Reads FILE, or, with NULL, /etc/comlease/comlease.conf and /etc/comlease/comlease.conf.d/ *.conf
 * (in the order of their names; none of them need exist). *config is complete on 0 and untouched
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

/* NULL: there is none. */
const struct config_port *config_find(const struct config *, const char *name);

/* True if both describe the same device under the same name (other settings may differ). */
bool config_same_device(const struct config_port *, const struct config_port *);

/* A port's, pool's or label's name: [A-Za-z0-9._:@+-]{1,64}. */
bool config_name_is_valid(const char *);

#endif
