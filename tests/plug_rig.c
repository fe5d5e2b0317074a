/*
 * plug_rig.c - see plug_rig.h. It refuses to know what is tested.
 *
 * The tricky idea: a mocked ttyUSB0 has a pty as its node, so that it really opens; and only the
 * supervisor sees the mocked machine.
 */
#include "plug_rig.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fds_at_start; /* of the supervisor */

void
plug_begin(void)
{
	support_begin();
	mock_udev_begin(support_path("machine"), "ttyS0");
}

/* Only comleased is to have it, not the test: what is loaded stays as it is. */
void
plug_run(const char *config)
{
	const char *build = getenv("BUILD");
	char relative[PATH_MAX], preload[PATH_MAX];

	snprintf(relative, sizeof(relative), "%s/tests/preload_machine.so",
		 build != NULL ? build : "build/release");
	ck_assert_msg(realpath(relative, preload) != NULL, "%s is not built", relative);
	mock_udev_environment(preload);
	support_start(config);
	unsetenv("LD_PRELOAD");
	fds_at_start = support_count_fds(support_pid);
}

void
plug_put(struct plugged *p, const struct mock_tty *tty, const char *line)
{
	char node[PATH_MAX];
	ssize_t n;

	p->tty = *tty;
	p->master = support_plug(line);
	n = readlink(support_path(line), node, sizeof(node) - 1);
	ck_assert_int_gt(n, 5);
	node[n] = '\0';
	ck_assert_int_lt(snprintf(p->node, sizeof(p->node), "%s", node + 5), 27);
	snprintf(p->line, sizeof(p->line), "%s", line);
	p->tty.node = p->node;
	mock_udev_make(&p->tty);
}

void
plug_in(struct plugged *p, const struct mock_tty *tty, const char *line)
{
	plug_put(p, tty, line);
	mock_udev_tell(&p->tty, "add");
}

void
plug_out(struct plugged *p)
{
	support_unplug(p->line);
	mock_udev_unplug(&p->tty);
}

/* The port in a List reply, or NULL. */
static json_t *
find_port(const json_t *reply, const char *name)
{
	json_t *each;
	size_t i;

	json_array_foreach (json_object_get(reply, "ports"), i, each)
		if (strcmp(support_string(each, "name", NULL), name) == 0)
			return each;
	return NULL;
}

void
plug_wait_port(const char *name, const char *state)
{
	struct support_client c;
	json_t *port;

	support_connect(&c);
	support_call(&c, "List", NULL, true);
	do
		port = find_port(support_reply(&c), name);
	while (port == NULL || strcmp(support_string(port, "state", NULL), state) != 0);
	support_close(&c);
}

void
plug_wait_no_port(const char *name)
{
	struct support_client c;
	json_t *port, *reason;

	support_connect(&c);
	support_call(&c, "List", NULL, true);
	port = find_port(support_reply(&c), name);
	while (port != NULL) {
		reason = json_object_get(port, "reason");
		if (reason != NULL &&
		    strcmp(json_string_value(reason), "no longer configured") == 0)
			break;
		while ((port = find_port(support_reply(&c), name)) == NULL)
			;
	}
	support_close(&c);
}

int
plug_count_ports(void)
{
	struct support_client c;
	int count;

	support_connect(&c);
	count = (int)json_array_size(json_object_get(support_ask(&c, "List", NULL), "ports"));
	support_close(&c);
	return count;
}

void
plug_expect_link(const char *port, const struct plugged *p)
{
	char path[256], found[256] = "", node[40] = "";
	ssize_t n;

	snprintf(path, sizeof(path), "%s/port/%s", support_scratch, port);
	n = readlink(path, found, sizeof(found) - 1);
	if (p != NULL)
		snprintf(node, sizeof(node), "/dev/%s", p->node);
	else
		ck_assert_int_lt(n, 0);
	ck_assert_str_eq(found, node);
}

void
plug_reload(void)
{
	support_log_skip();
	ck_assert_int_eq(kill(support_pid, SIGHUP), 0);
	support_log_wait("reload result=done");
}

void
plug_finish(const char *forgotten)
{
	char pattern[128];
	int tries = 0;

	plug_reload();
	if (forgotten != NULL) {
		snprintf(pattern, sizeof(pattern), "ended keeper=%s pid", forgotten);
		support_log_wait(pattern);
		plug_wait_no_port(forgotten);
	}
	while (support_count_fds(support_pid) != fds_at_start && tries++ < 100)
		plug_count_ports();
	ck_assert_int_eq(support_count_fds(support_pid), fds_at_start);
	support_stop();
}
