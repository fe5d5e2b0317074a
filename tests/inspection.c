/* inspection.c - see inspection.h. */
#include "inspection.h"

#include "support_internal.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../broker/roster.h"

struct inspection inspection;

/* ---- the inspection.inspector ---- */

static void
run_parent(struct support_child *me, void *channel)
{
	int status, theirs = *(int *)channel;
	char program[4200];
	pid_t pid;

	snprintf(program, sizeof(program), "%scomleased", support_build);
	if (dup2(open(support_path("inspector.log"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
		      0666),
		 2) < 0)
		_exit(1);
	if (inspection.user != 0 && (setgid(inspection.user) < 0 || setuid(inspection.user) < 0))
		_exit(1);
	pid = fork();
	if (pid == 0) {
		dup2(theirs, IPC_SUPERVISOR_FD);
		execl(program, "comleased", "--role=inspector", "-v", (char *)NULL);
		_exit(127);
	}
	close(theirs);
	if (write(me->say, &pid, sizeof(pid)) != sizeof(pid) || waitpid(pid, &status, 0) != pid)
		_exit(1);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 99);
}

static void
tell(enum ipc_type type, const char *text, int fd)
{
	struct ipc_message m = { .type = type };

	snprintf(m.text, sizeof(m.text), "%s", text);
	ck_assert_int_eq(ipc_send(inspection.supervisor, &m, fd), 0);
}

void
inspection_tell_config(const char *lock_dir)
{
	int fd = memfd_create("config", MFD_CLOEXEC);

	dprintf(fd,
		"[broker]\nlock-dir = %s\n[port modem0]\ndevice = %s\n[port modem1]\ndevice = %s\n",
		lock_dir, support_path("modem0"), support_path("modem1"));
	tell(IPC_CONFIG, "", fd);
	close(fd);
}

void
inspection_connect_broker(void)
{
	int theirs;

	if (inspection.broker >= 0)
		close(inspection.broker);
	ck_assert_int_eq(ipc_pair(&inspection.broker, &theirs), 0);
	tell(IPC_BROKER, "", theirs);
	close(theirs);
}

void
inspection_start(void)
{
	struct stat st;
	int theirs;

	ck_assert_int_eq(stat(support_path("modem0"), &st), 0);
	inspection.rdev = st.st_rdev;
	inspection.broker = -1;
	inspection.roster = roster_new();
	ck_assert_int_eq(ipc_pair(&inspection.supervisor, &theirs), 0);
	support_fork(&inspection.parent, run_parent, &theirs, theirs);
	close(theirs);
	ck_assert_int_eq(
	    read(inspection.parent.hear, &inspection.inspector, sizeof(inspection.inspector)),
	    sizeof(inspection.inspector));
	inspection_tell_config(support_path("lock"));
	tell(IPC_INSPECT_ROSTER, "modem0", inspection.roster);
	inspection_connect_broker();
}

void
inspection_begin(void)
{
	support_begin();
	support_plug("modem0");
	support_plug("modem1");
	ck_assert_int_eq(chmod(support_scratch, 0777), 0);
	inspection.user = 0;
	inspection.news_ms = SUPPORT_SOON_MS;
	inspection.ask_ms = 0;
	inspection_start();
}

void
inspection_end(void)
{
	close(inspection.supervisor);
	support_finish(&inspection.parent); /* it has ended by itself, with status 0 */
	close(inspection.broker);
	close(inspection.roster);
	support_end();
}

/* ---- the broker's side ---- */

bool
inspection_receive(struct ipc_message *m, int within_ms)
{
	int fd;

	if (!support_poll(inspection.broker, POLLIN, support_now_ms() + within_ms))
		return false;
	ck_assert_int_eq(ipc_receive(inspection.broker, m, &fd), 0);
	ck_assert_int_lt(fd, 0);
	return true;
}

void
inspection_send_to(uint32_t type, const char *port, uint64_t number, uint32_t flag)
{
	struct ipc_message m = {
		.type = type, .id = ++inspection.ids, .number = number, .flag = flag
	};

	snprintf(m.text, sizeof(m.text), "%s", port);
	ck_assert_int_eq(ipc_send(inspection.broker, &m, -1), 0);
}

/* The next message: an answer with that id. Its text, parsed; pid -1: nobody. */
struct foreign
inspection_expect_answer(uint64_t id, struct ipc_message *m, int within_ms)
{
	struct foreign who = { .pid = -1 };

	do /* news may come before the answer */
		ck_assert_msg(inspection_receive(m, within_ms), "no answer within %d ms",
			      within_ms);
	while (id != 0 && m->id == 0);
	ck_assert_uint_eq(m->type, IPC_FOREIGN);
	ck_assert_uint_eq(m->id, id);
	if ((m->flag & IPC_FOREIGN_HELD) != 0)
		ck_assert_int_eq(foreign_parse(m->text + strlen(m->text) + 1, &who), 0);
	else
		ck_assert_uint_eq(m->number, 0);
	return who;
}

struct foreign
inspection_ask_with(uint32_t evidence, struct ipc_message *m)
{
	int64_t took_ms = support_now_ms();
	struct foreign who;

	inspection_send_to(IPC_INSPECT, "modem0", inspection.rdev, evidence);
	who = inspection_expect_answer(inspection.ids, m, SUPPORT_SOON_MS);
	took_ms = support_now_ms() - took_ms;
	if (took_ms > inspection.ask_ms)
		inspection.ask_ms = took_ms;
	return who;
}

struct foreign
inspection_ask(void)
{
	struct ipc_message m;

	return inspection_ask_with(0, &m);
}

struct foreign
inspection_expect_news(void)
{
	int64_t took_ms = support_now_ms();
	struct ipc_message m;
	struct foreign who = inspection_expect_answer(0, &m, SUPPORT_SOON_MS);

	took_ms = support_now_ms() - took_ms;
	if (took_ms < inspection.news_ms)
		inspection.news_ms = took_ms;
	ck_assert_str_eq(m.text, "modem0");
	return who;
}

void
inspection_expect_quiet(void)
{
	struct ipc_message m;

	if (inspection_receive(&m, INSPECTION_QUIET_MS))
		ck_abort_msg("type %u came, flag %x: %s", m.type, m.flag,
			     m.text + strlen(m.text) + 1);
}

/* ---- holders ---- */

static void
hold(struct support_child *me, void *opens)
{
	char byte;

	signal(SIGTERM, SIG_DFL);
	if (*(bool *)opens && open(support_path("modem0"), O_RDWR | O_NOCTTY) < 0)
		_exit(1);
	if (write(me->say, "", 1) != 1)
		_exit(1);
	while (read(me->hear, &byte, 1) > 0)
		if (fork() == 0 && write(me->say, "", 1) != 1) /* who inherits, and stays */
			_exit(1);
}

void
inspection_start_holder(struct support_child *child, bool opens)
{
	support_fork(child, hold, &opens, -1);
	support_hear(child);
}

void
inspection_put_lock(const char *name, pid_t pid)
{
	char path[160];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", support_path("lock"), name);
	f = fopen(path, "we");
	ck_assert_ptr_nonnull(f);
	fprintf(f, "%10d\n", (int)pid);
	ck_assert_int_eq(fclose(f), 0);
}

void
inspection_remove_lock(const char *name)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", support_path("lock"), name);
	ck_assert_int_eq(unlink(path), 0);
}
