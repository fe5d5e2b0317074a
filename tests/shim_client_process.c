/*
 * shim_client_process.c - see shim_client.h: processes, threads, signals, limits.
 */
#include "shim_client.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* ---- processes: the rest is done by another one ---- */

static void
pass_on(pid_t pid)
{
	int status = 0;

	waitpid(pid, &status, 0);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

static void
do_fork(char **rest)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(client_run_all(rest));
	pass_on(pid);
}

/* Behind the path of this program. */
static void
do_exec(char **rest)
{
	execv(rest[0], rest);
}

static void
do_spawn(char **rest)
{
	pid_t pid;
	int error = posix_spawn(&pid, rest[0], NULL, NULL, rest, environ);

	if (error) {
		errno = error;
		client_print("spawn", -1);
		return;
	}
	pass_on(pid);
}

/* A child that has our memory opens, and ends. */
static void
do_vfork(char **words)
{
	volatile int fd = -1;
	int status = 0;
	pid_t pid = vfork();

	if (pid == 0) {
		fd = open(words[0], O_RDWR | O_NOCTTY);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	printf("vfork %d\n", fd);
}

static void
do_daemon(char **rest)
{
	int fd = dup(STDOUT_FILENO);

	if (daemon(0, 0) == 0)
		dup2(fd, STDOUT_FILENO);
	close(fd);
	_exit(client_run_all(rest));
}

/* ---- threads ---- */

#define THREADS 16

static void *
open_in_thread(void *path)
{
	int fd = open(path, O_RDWR | O_NOCTTY);

	if (fd >= 0)
		close(fd);
	return fd >= 0 ? path : NULL;
}

/* Half of them the one, half of them the other path. */
static void
open_in_threads(char **words)
{
	pthread_t threads[THREADS];
	int done = 0;

	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, open_in_thread, words[i % 2]);
	for (int i = 0; i < THREADS; i++) {
		void *result;

		pthread_join(threads[i], &result);
		done += result != NULL;
	}
	printf("threads %d\n", done);
}

/* With the smallest stack that there is. */
static void
open_on_small_stack(char **words)
{
	pthread_attr_t attributes;
	pthread_t thread;
	void *result = NULL;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, (size_t)sysconf(_SC_THREAD_STACK_MIN) + 4096);
	if (pthread_create(&thread, &attributes, open_in_thread, words[0]) == 0)
		pthread_join(thread, &result);
	printf("small-stack %d\n", result != NULL);
}

/* A thread that waits in open() is cancelled there. */
static void
cancel_in_open(char **words)
{
	pthread_t thread;
	void *result;

	pthread_create(&thread, NULL, open_in_thread, words[0]);
	usleep(300000);
	pthread_cancel(thread);
	pthread_join(thread, &result);
	printf("cancel %s\n", result == PTHREAD_CANCELED ? "canceled" : "finished");
}

/* ---- signals ---- */

static void
ignore_signal(int number)
{
	(void)number;
}

static void
alarm_in(const char *ms, int flags, void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };
	struct itimerval timer = { .it_value = { .tv_usec = atoi(ms) * 1000 } };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

static void
end_wait(int number)
{
	(void)number;
	(void)!write(STDOUT_FILENO, "again\n", 6);
}

/* With SA_RESTART; says that it ran, and sees to it that the next one has none. */
static void
restart_once(int number)
{
	(void)number;
	(void)!write(STDOUT_FILENO, "handler\n", 8);
	alarm_in("200", 0, end_wait);
}

static void
set_alarm(char **words)
{
	alarm_in(words[0], 0, ignore_signal);
}

static void
set_alarm_restart(char **words)
{
	alarm_in(words[0], SA_RESTART, restart_once);
}

static const char *handler_path;

static void
open_in_handler(int number)
{
	int fd = open(handler_path, O_RDWR | O_NOCTTY);

	(void)number;
	client_print_fd("handler", fd);
}

static void
open_at_alarm(char **words)
{
	handler_path = words[1];
	alarm_in(words[0], 0, open_in_handler);
}

static void
close_in_handler(int number)
{
	(void)number;
	close_range(3, ~0U, 0);
}

static void
close_at_alarm(char **words)
{
	alarm_in(words[0], SA_RESTART, close_in_handler);
}

/* ---- limits ---- */

static void
limit_descriptors(char **words)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = (rlim_t)atoi(words[0]);
	client_print("limit", setrlimit(RLIMIT_NOFILE, &limit));
}

static void
change_root(char **words)
{
	client_print("chroot", chroot(words[0]) < 0 ? -1 : chdir("/"));
}

static void
change_user(char **words)
{
	client_print("setuid", setuid((uid_t)atoi(words[0])));
}

static void
close_all(char **words)
{
	(void)words;
	for (int fd = 3; fd < 1024; fd++)
		close(fd);
}

const struct client_command client_process_commands[] = {
	{ "fork", 1, do_fork },
	{ "exec", 1, do_exec },
	{ "spawn", 1, do_spawn },
	{ "vfork", 1, do_vfork },
	{ "daemon", 1, do_daemon },
	{ "threads", 2, open_in_threads },
	{ "small-stack", 1, open_on_small_stack },
	{ "cancel", 1, cancel_in_open },
	{ "alarm", 1, set_alarm },
	{ "alarm-restart", 1, set_alarm_restart },
	{ "alarm-open", 2, open_at_alarm },
	{ "alarm-close", 1, close_at_alarm },
	{ "limit", 1, limit_descriptors },
	{ "chroot", 1, change_root },
	{ "setuid", 1, change_user },
	{ "close-all", 0, close_all },
	{ NULL, 0, NULL },
};
