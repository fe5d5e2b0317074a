/*
 * measure_world.c - a comleased with ptys in a scratch folder. Nothing of the system is touched;
 * after a failure the folder stays, for its log.
 */
#include "measure.h"

#include "../include/comlease.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <sys/stat.h>
#include <unistd.h>

#define START_MS 5000
#define AWAIT_MS                                                                                   \
	30000 /* thousands of waiters take their time: each is compared with the holder            \
	       */

int
measure_pty(char *name, size_t size)
{
	struct termios raw;
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave;

	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0 ||
	    ptsname_r(master, name, size) != 0)
		measure_fail("a pty");
	slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0 || tcgetattr(slave, &raw) < 0)
		measure_fail("%s", name);
	cfmakeraw(&raw);
	cfsetspeed(&raw, B115200);
	if (tcsetattr(slave, TCSANOW, &raw) < 0)
		measure_fail("%s", name);
	close(slave);
	return master;
}

static void
write_config(const struct world *w, const char *path, unsigned clients, char names[][64])
{
	FILE *f = fopen(path, "we");
	size_t i;

	if (f == NULL)
		measure_fail("%s", path);
	fprintf(f,
		"[broker]\nsocket = %s\nstate-dir = %s/state\nlock-dir = %s/lock\n"
		"max-connections = %u\nmax-connections-per-user = %u\n",
		w->socket, w->folder, w->folder, clients + 64, clients + 64);
	for (i = 0; i < w->ports; i++)
		fprintf(f, "[port p%zu]\ndevice = %s\nhangup-ms = 0\nmax-waiters = %u\n%s\n", i,
			names[i], clients + 64,
			/* a foreign holder that is not root gets in only so */
			geteuid() == 0 ? "" : "revocation = none\nown = leased");
	if (fclose(f) != 0)
		measure_fail("%s", path);
}

static void
run_comleased(const struct world *w, const char *config)
{
	char program[PATH_MAX], log[128];
	int fd;

	measure_beside("comleased", program, sizeof(program));
	snprintf(log, sizeof(log), "%s/log", w->folder);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
		_exit(1);
	execl(program, "comleased", "-c", config, (char *)NULL);
	_exit(1);
}

struct comlease *
world_connect(const struct world *w)
{
	struct comlease *c = comlease_connect(w->socket);

	if (c == NULL)
		measure_fail("memory");
	return c;
}

void
world_await(struct comlease *c, const char *state, size_t waiting)
{
	double end = measure_now_us() + AWAIT_MS * 1e3;
	struct comlease_port *ports;
	bool is_there;
	size_t count;

	do {
		is_there = false;
		if (comlease_list(c, &ports, &count) == 0) {
			is_there = count > 0 && strcmp(ports[0].state, state) == 0 &&
				   ports[0].waiting == waiting;
			comlease_list_free(ports, count);
		}
		if (is_there)
			return;
	} while (measure_now_us() < end);
	measure_fail("p0 does not become %s with %zu waiters: %s", state, waiting,
		     comlease_error(c));
}

void
world_await_held(const struct world *w, size_t waiting)
{
	struct comlease *c = world_connect(w);

	world_await(c, "held", waiting);
	comlease_disconnect(c);
}

/* Until there is a socket that answers. */
static void
await_start(const struct world *w)
{
	struct comlease_request request = COMLEASE_REQUEST_INIT;
	struct comlease *c = world_connect(w);
	int fd;

	request.port = "p0";
	request.wait_ms = request.reconnect_ms = START_MS;
	fd = comlease_acquire(c, &request, NULL);
	if (fd < 0)
		measure_fail("comleased does not start, see %s/log: %s", w->folder,
			     comlease_error(c));
	close(fd);
	world_await(c, "free", 0);
	comlease_disconnect(c);
}

void
world_start(struct world *w, size_t ports, unsigned clients)
{
	char names[MEASURE_PORTS_MAX][64], config[96], lock[96];
	size_t i;

	*w = (struct world){ .ports = ports };
	strcpy(w->folder, "/tmp/comlease-bench-XXXXXX");
	if (mkdtemp(w->folder) == NULL)
		measure_fail("a scratch folder");
	snprintf(w->socket, sizeof(w->socket), "%s/socket", w->folder);
	snprintf(config, sizeof(config), "%s/conf", w->folder);
	snprintf(lock, sizeof(lock), "%s/lock", w->folder);
	if (mkdir(lock, 0700) < 0)
		measure_fail("%s", lock);
	for (i = 0; i < ports; i++)
		w->masters[i] = measure_pty(names[i], sizeof(names[i]));
	strcpy(w->device, names[0]);
	write_config(w, config, clients, names);
	w->comleased = measure_fork();
	if (w->comleased == 0)
		run_comleased(w, config);
	await_start(w);
}

void
world_stop(struct world *w)
{
	static const char *const files[] = { "conf",        "log",   "socket", "socket.lock",
					     "state/epoch", "state", "file",   "lock" };
	char path[128];
	size_t i;

	kill(w->comleased, SIGTERM);
	measure_reap(w->comleased);
	for (i = 0; i < w->ports; i++)
		close(w->masters[i]);
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", w->folder, files[i]);
		remove(path);
	}
	rmdir(w->folder);
}

/* ---- its processes ---- */

static FILE *
open_process(pid_t pid, const char *file)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	return fopen(path, "re");
}

/* At most `max`; the supervisor comes first. */
static size_t
processes(const struct world *w, pid_t *pids, size_t max)
{
	char file[48];
	size_t n = 1;
	FILE *f;
	int pid;

	pids[0] = w->comleased;
	snprintf(file, sizeof(file), "task/%d/children", (int)w->comleased);
	f = open_process(w->comleased, file);
	if (f == NULL)
		measure_fail("comleased has gone, see %s/log", w->folder);
	while (n < max && fscanf(f, "%d", &pid) == 1)
		pids[n++] = (pid_t)pid;
	fclose(f);
	return n;
}

pid_t
world_find(const struct world *w, const char *name)
{
	pid_t pids[MEASURE_PORTS_MAX + 3];
	size_t i, n = processes(w, pids, MEASURE_PORTS_MAX + 3);
	char comm[32];
	FILE *f;

	for (i = 0; i < n; i++) {
		f = open_process(pids[i], "comm");
		if (f == NULL)
			continue;
		comm[0] = '\0';
		if (fgets(comm, sizeof(comm), f) != NULL)
			comm[strcspn(comm, "\n")] = '\0';
		fclose(f);
		if (strcmp(comm, name) == 0)
			return pids[i];
	}
	measure_fail("comleased has no process %s", name);
}

unsigned long
world_context_switches(const struct world *w)
{
	pid_t pids[MEASURE_PORTS_MAX + 3];
	size_t i, n = processes(w, pids, MEASURE_PORTS_MAX + 3);
	unsigned long sum = 0, value;
	char line[128];
	FILE *f;

	for (i = 0; i < n; i++) {
		f = open_process(pids[i], "status");
		while (f != NULL && fgets(line, sizeof(line), f) != NULL)
			if (sscanf(line, "voluntary_ctxt_switches: %lu", &value) == 1 ||
			    sscanf(line, "nonvoluntary_ctxt_switches: %lu", &value) == 1)
				sum += value;
		if (f != NULL)
			fclose(f);
	}
	return sum;
}
