/*
 * spy_find.c - which bridge is meant.
 *
 * Responsible for: from a word to the one process that is read along at, and saying why there is
 * none, or which there are.
 * Refuses to know: how sockets are found and whose they are (spy_door.c), what is read.
 *
 * The tricky idea: a bridge is found by the word that it was called with, without the broker. Only
 * where that is not enough is the broker asked who has the port: to choose among several bridges,
 * and for a port that a bridge got from a pool.
 */
#include "spy_find.h"

#include "ask.h"
#include "internal.h"
#include "spy_door.h"
#include "status_table.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define PTY_MAJOR      136 /* Linux: Documentation/admin-guide/devices.txt */
#define PTY_MAJOR_LAST 143

/* A port as the broker lists it, or NULL: no broker, no such port, or a pool. *status is set, and
 * that said, if there is no such port. The list is the caller's to free. */
static const json_t *
ask_port(const struct cli *cli, const char *word, json_t **list, int *status)
{
	struct comlease *c = ask_connect(cli);
	const json_t *port = NULL, *each;
	char *names[] = { (char *)(uintptr_t)word };
	size_t i;

	*list = NULL;
	*status = 0;
	if (strchr(word, '/'))
		; /* a path is no port's name */
	else if (comlease_call_within(c, "io.comlease.List", ask_parameters_ports(names, 1), list,
				      ASK_MS) == 0)
		json_array_foreach (json_object_get(*list, "ports"), i, each) {
			const char *name = status_string(each, "name");
			port = name && strcmp(name, word) == 0 ? each : port;
		}
	else if (comlease_error_name(c) &&
		 strcmp(comlease_error_name(c), "io.comlease.NoSuchPort") == 0)
		*status = ask_failed(c);
	comlease_disconnect(c);
	return port;
}

static pid_t
holder_of(const json_t *port)
{
	return (pid_t)status_integer(status_object(status_object(port, "lease"), "owner"), "pid");
}

static void
keep_pid(struct spy_door_list *l, pid_t pid)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->count; i++) {
		if (l->bridges[i].pid == pid)
			l->bridges[kept++] = l->bridges[i];
		else
			spy_door_close(&l->bridges[i]);
	}
	l->count = kept;
}

static bool
is_same_socket(const char *a, const char *b)
{
	struct stat one, other;

	if (stat(a, &one) < 0 || stat(b, &other) < 0)
		return strcmp(a, b) == 0;
	return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

static bool
is_of(struct spy_bridge *b, const char *broker)
{
	return spy_door_hello(b) != SPY_DOOR_HELLO || *b->broker == '\0' ||
	       is_same_socket(b->broker, broker);
}

/* Two brokers may have ports of the same name. Where none was named, and the usual one has no
 * bridge of it, any other's will do. */
static void
keep_broker(const struct cli *cli, struct spy_door_list *l)
{
	bool is_named = cli->socket || getenv("COMLEASE_SOCKET");
	struct comlease *c = ask_connect(cli);
	size_t kept = 0, ours = 0;

	if (is_named || l->count > 1) {
		comlease_look(c, 0); /* there are two usual ones: which it is */
		for (size_t i = 0; i < l->count; i++)
			ours += is_of(&l->bridges[i], comlease_socket_path(c));
	}
	for (size_t i = 0; (is_named || ours > 0) && i < l->count; i++) {
		struct spy_bridge *b = &l->bridges[i];
		if (is_of(b, comlease_socket_path(c))) {
			l->bridges[kept++] = *b;
			continue;
		}
		snprintf(l->elsewhere, sizeof l->elsewhere, "%s", b->broker);
		spy_door_close(b);
	}
	if (is_named || ours > 0)
		l->count = kept;
	comlease_disconnect(c);
}

static bool
is_device(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISCHR(st.st_mode);
}

/* Those whose LINK that is, however it is written: it leads to the same pty. */
static void
keep_link(struct spy_door_list *l, const char *link)
{
	struct stat theirs, wanted;
	bool there = stat(link, &wanted) == 0 && S_ISCHR(wanted.st_mode);
	size_t kept = 0;

	for (size_t i = 0; i < l->count; i++) {
		struct spy_bridge *b = &l->bridges[i];
		if (there && spy_door_hello(b) == SPY_DOOR_HELLO && stat(b->link, &theirs) == 0 &&
		    S_ISCHR(theirs.st_mode) && theirs.st_rdev == wanted.st_rdev)
			l->bridges[kept++] = *b;
		else
			spy_door_close(b);
	}
	l->count = kept;
	/* a pty is its bridge's user's */
	if (!there || major(wanted.st_rdev) < PTY_MAJOR || major(wanted.st_rdev) > PTY_MAJOR_LAST ||
	    wanted.st_uid != l->other_uid)
		l->others = 0;
}

static int
fail_none(const json_t *port, const struct spy_door_list *l, const char *word, pid_t pid)
{
	const json_t *lease = status_object(port, "lease"),
		     *foreign = status_object(port, "foreign");
	struct text t = { 0 };
	int status = CLI_NO;

	text_add_foreign(&t, word);
	if (l->others > 0) {
		text_add(&t, ": the bridge is not yours, but that of ");
		text_add_process(&t, l->other_pid ? NULL : "a process in a container", l->other_pid,
				 l->other_uid);
		text_add(&t, ": only that user and root may read along");
		status = CLI_DENIED;
	} else if (*l->elsewhere) {
		text_add(&t, ": there is no bridge of it at this broker, but one at ");
		text_add_foreign(&t, l->elsewhere);
		text_add(&t, ": name that one with -s");
	} else if (pid) {
		text_addf(&t, ": there is no bridge of it that is process %d", (int)pid);
	} else {
		text_add(&t, ": there is no bridge of it, and only at a bridge (comlease bridge "
			     "PORT LINK) one can read along");
	}
	if (lease || foreign)
		text_add(&t, "; the port is held by ");
	if (lease)
		status_process(&t, status_object(lease, "owner"));
	else if (foreign)
		status_stranger(&t, foreign);
	cli_fail(status, "%s", t.s);
	text_free(&t);
	return status;
}

static int
fail_several(struct spy_door_list *l, const char *word)
{
	struct text t = { 0 };

	text_add_foreign(&t, word);
	text_addf(&t, ": %zu bridges; name one by --pid or by its LINK:", l->count);
	for (size_t i = 0; i < l->count; i++) {
		struct spy_bridge *b = &l->bridges[i];
		text_add(&t, "\n    ");
		text_add_process(&t, NULL, b->pid, b->uid);
		if (spy_door_hello(b) == SPY_DOOR_HELLO) {
			text_add(&t, " ");
			text_add_foreign(&t, b->link);
		}
	}
	cli_fail(CLI_USAGE, "%s", t.s);
	text_free(&t);
	return CLI_USAGE;
}

/* The broker knows which of them has the port. 0, or an exit status. */
static int
ask_broker(const struct cli *cli, const char *word, pid_t pid, struct spy_door_list *l)
{
	json_t *list;
	int status;
	const json_t *port = ask_port(cli, word, &list, &status);
	pid_t holder = holder_of(port);

	if (status == 0 && l->count == 0 && holder && (pid == 0 || pid == holder)) {
		spy_door_list(l, NULL);
		keep_pid(l, holder);
	} else if (l->count > 1 && holder) {
		bool among = false;
		for (size_t i = 0; i < l->count; i++)
			among |= l->bridges[i].pid == holder;
		if (among)
			keep_pid(l, holder);
	}
	if (status == 0 && l->count == 0)
		status = fail_none(port, l, word, pid);
	else if (status == 0 && l->count > 1)
		status = fail_several(l, word);
	json_decref(list);
	return status;
}

int
spy_find(const struct cli *cli, const char *word, pid_t pid, struct spy_bridge *found)
{
	bool is_link = strchr(word, '/') != NULL;
	struct spy_door_list l = { 0 };
	int status = spy_door_list(&l, is_link ? NULL : word);

	if (status == 0 && !is_link && l.count + l.others == 0 && is_device(word)) {
		is_link = true; /* in this folder */
		status = spy_door_list(&l, NULL);
	}
	if (status == 0 && is_link)
		keep_link(&l, word);
	if (status == 0 && pid)
		keep_pid(&l, pid);
	if (status == 0 && !pid && !is_link)
		keep_broker(cli, &l);
	if (status == 0 && l.count != 1)
		status = ask_broker(cli, word, pid, &l);
	if (status == 0)
		status = spy_door_enter(&l.bridges[0]);
	if (status == 0) {
		*found = l.bridges[0];
		l.bridges[0].socket = -1;
	}
	spy_door_free(&l);
	return status;
}
