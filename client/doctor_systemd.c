/*
 * doctor_systemd.c - what systemd makes of comleased.
 *
 * Responsible for: the states of its units, asked of systemctl once and with a time limit, and
 * only where systemd runs. Refuses to know: whether the broker answers: a comleased that was
 * started by hand is as good as one of systemd's.
 */
#include "doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MS 2000

extern char **environ;

/* ---- systemctl ---- */

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Starts it with its stdout in a pipe: the pipe's end, or -1. */
static int
start(const struct doctor *d, pid_t *pid)
{
	char *const argv[] = { (char *)d->systemctl,
			       (char *)"show",
			       (char *)"--property=Id,LoadState,ActiveState,UnitFileState,Result",
			       (char *)"comleased.service",
			       (char *)"comleased.socket",
			       NULL };
	posix_spawn_file_actions_t actions;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	int error = posix_spawnp(pid, d->systemctl, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	if (error) {
		close(ends[0]);
		return -1;
	}
	return ends[0];
}

/* What it prints, or false: it is not there, or does not come to an end. */
static bool
ask_systemctl(const struct doctor *d, char *text, size_t size)
{
	int64_t until = now_ms() + ANSWER_MS, left;
	struct pollfd pollfd = { .events = POLLIN };
	bool ended = false;
	size_t used = 0;
	pid_t pid;

	text[0] = '\0';
	pollfd.fd = start(d, &pid);
	if (pollfd.fd < 0)
		return false;
	while (!ended && used + 1 < size && (left = until - now_ms()) > 0) {
		if (poll(&pollfd, 1, (int)left) <= 0)
			continue;
		ssize_t n = read(pollfd.fd, text + used, size - 1 - used);
		used += n > 0 ? (size_t)n : 0;
		ended = n == 0 || (n < 0 && errno != EINTR);
	}
	text[used] = '\0';
	close(pollfd.fd);
	if (!ended)
		kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	return ended && used > 0;
}

/* ---- systemd ---- */

/* The lines of one unit are together, with an empty one between two units. */
static bool
find_unit(const char *text, const char *id, struct doctor_unit *unit)
{
	char line[64];

	memset(unit, 0, sizeof *unit);
	for (const char *block = text; block; block = strstr(block, "\n\n")) {
		block += strspn(block, "\n");
		const char *end = strstr(block, "\n\n");
		size_t length = end ? (size_t)(end - block) : strlen(block);
		char *copy = strndup(block, length), *rest = copy, *word;

		snprintf(line, sizeof line, "Id=%s", id);
		bool is_it = copy && strstr(copy, line);
		while (is_it && (word = strsep(&rest, "\n"))) {
			sscanf(word, "LoadState=%31s", unit->load);
			sscanf(word, "ActiveState=%31s", unit->active);
			sscanf(word, "UnitFileState=%31s", unit->file);
			sscanf(word, "Result=%31s", unit->result);
		}
		free(copy);
		if (is_it)
			return true;
	}
	return false;
}

static bool
is(const char *state, const char *name)
{
	return strcmp(state, name) == 0;
}

static bool
starts_at_boot(const struct doctor_unit *unit)
{
	return is(unit->file, "enabled") || is(unit->file, "static") ||
	       is(unit->file, "indirect") || is(unit->file, "generated");
}

/* True: something was said. */
static bool
check_service(struct doctor *d, const struct doctor_unit *service, const struct doctor_unit *socket)
{
	const char *sudo = doctor_sudo(d);

	if (is(service->active, "failed")) {
		doctor_say(d, DOCTOR_WRONG, NULL, "comleased.service has failed (%s)",
			   service->result);
		doctor_mend(d,
			    "comleased --check-config, and %sjournalctl -u comleased -n 50 (why), "
			    "then %ssystemctl restart comleased",
			    sudo, sudo);
	} else if (is(service->file, "masked") || is(service->load, "masked")) {
		doctor_say(d, DOCTOR_WRONG, NULL, "comleased.service is masked: nothing starts it");
		doctor_mend(d, "%ssystemctl unmask comleased", sudo);
	} else if (!starts_at_boot(service) && !starts_at_boot(socket)) {
		doctor_say(d, DOCTOR_WARN, NULL,
			   "comleased is not enabled: it is not started when the machine is");
		doctor_mend(d, "%ssystemctl enable --now comleased.socket comleased.service", sudo);
	} else if (d->error == 0 && !is(service->active, "active")) {
		doctor_say(
		    d, DOCTOR_WARN, NULL,
		    "the comleased that answers was not started by systemd: comleased.service "
		    "is %s",
		    service->active);
		doctor_mend(d, "end that one, then %ssystemctl start comleased", sudo);
	} else {
		return false;
	}
	return true;
}

static bool
check_socket(struct doctor *d, const struct doctor_unit *socket)
{
	if (is(socket->load, "not-found") || is(socket->active, "active"))
		return false;
	doctor_say(d, DOCTOR_WARN, NULL,
		   "comleased.socket is %s: programs that ask while comleased starts again are "
		   "turned away",
		   socket->active);
	doctor_mend(d, "%ssystemctl enable --now comleased.socket", doctor_sudo(d));
	return true;
}

void
doctor_ask_systemd(struct doctor *d)
{
	char text[4096];

	if (!doctor_has_systemd(d) || !ask_systemctl(d, text, sizeof text))
		return;
	d->knows_units = find_unit(text, "comleased.service", &d->service);
	if (!find_unit(text, "comleased.socket", &d->socket_unit))
		snprintf(d->socket_unit.load, sizeof d->socket_unit.load, "not-found");
}

bool
doctor_is_asleep(const struct doctor *d)
{
	return d->knows_units && is(d->socket_unit.active, "active") &&
	       (is(d->service.active, "inactive") || is(d->service.active, "failed"));
}

void
doctor_check_systemd(struct doctor *d)
{
	bool said;

	if (!doctor_has_systemd(d)) {
		doctor_say(d, DOCTOR_OK, NULL, "does not run here");
	} else if (!d->knows_units) {
		doctor_say(d, DOCTOR_WARN, "systemctl status comleased",
			   "systemctl does not tell the state of comleased");
	} else if (is(d->service.load, "not-found")) {
		doctor_say(
		    d, DOCTOR_WARN, "install the package comleased, or: make install",
		    "it has no comleased.service: nothing starts comleased with the machine");
	} else {
		said = check_service(d, &d->service, &d->socket_unit);
		said |= check_socket(d, &d->socket_unit);
		if (!said)
			doctor_say(d, DOCTOR_OK, NULL,
				   "comleased.service is %s, and starts with the machine",
				   d->service.active);
	}
}
