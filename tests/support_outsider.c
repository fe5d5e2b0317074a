/*
 * support_outsider.c - programs that have the device of modem0 without comlease.
 */
#include "support.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <unistd.h>

int
support_open_device(void)
{
	int fd = open(support_path("modem0"), O_RDWR | O_NOCTTY | O_NONBLOCK);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static void
have_device(struct support_child *test, void *arg)
{
	enum support_way way = *(enum support_way *)arg;
	int fd = support_open_device();
	char byte;

	signal(SIGTERM, SIG_DFL); /* Check's handler would end the test */
	if (way == SUPPORT_FLOCK)
		ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
	if (way == SUPPORT_EXCLUSIVE)
		ck_assert_int_eq(ioctl(fd, TIOCEXCL), 0);
	support_say(test, 'o');
	while (read(test->hear, &byte, 1) > 0)
		if (byte == 'c') {
			close(fd);
			support_say(test, 'c');
		} else if (byte == 'd') {
			support_say(test, support_is_dead(fd) ? 'y' : 'n');
		}
}

/* Takes what another process opened: there is no open of its own. */
static void
inherit_device(struct support_child *test, void *arg)
{
	char byte;

	(void)arg;
	support_say(test, 'o');
	while (read(test->hear, &byte, 1) > 0)
		;
}

void
support_outsider(struct support_child *child, enum support_way way)
{
	int fd = -1;

	if (way == SUPPORT_INHERITED) {
		fd = support_open_device();
		support_fork(child, inherit_device, NULL, fd);
		close(fd);
	} else {
		support_fork(child, have_device, &way, -1);
	}
	ck_assert_int_eq(support_hear(child), 'o');
}

/* The port as it is once it is known who has it. */
static pid_t
foreign_pid(json_t *port)
{
	json_t *process = json_object_get(json_object_get(port, "foreign"), "process");

	return (pid_t)json_integer_value(json_object_get(process, "pid"));
}

json_t *
support_foreign(pid_t pid)
{
	struct support_client c;
	json_t *port;

	support_connect(&c);
	support_call(&c, "List", NULL, true);
	do
		port = json_array_get(json_object_get(support_reply(&c), "ports"), 0);
	while (foreign_pid(port) != pid);
	ck_assert_str_eq(support_string(port, "state", NULL), "foreign");
	json_incref(port);
	support_close(&c);
	return port;
}
