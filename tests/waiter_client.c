/*
 * waiter_client.c - an ordinary program that opens a device and knows nothing of comlease: what
 * test_e2e_shim_*.c run under the shim. It does as it is told by bytes on its standard input, and
 * says one line for each on its standard output; its only words are those of the kernel's errno.
 *
 *	waiter_client DEVICE			by bytes, see obey()
 *	waiter_client storm COUNT HOLD_US DEVICE...
 *		opens and closes COUNT times, one device after another; ends with 0 if each open
 *		worked
 *	waiter_client jumps COUNT DEVICE
 *		the same, and a handler jumps out of open() at any time; ends with 0 if next
 *		to no descriptor is left of that
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define HELD_MAX 8
/* Between the return of open() and the program's note of it, the kernel's own open() leaves more.
 */
#define LEFT_MAX 4

extern char **environ;

static const char *self, *device;
static int held[HELD_MAX], held_len;
static sigjmp_buf out_of_open;

static void
say(const char *word)
{
	dprintf(STDOUT_FILENO, "%s\n", word);
}

static void
open_device(const char *opened)
{
	int fd = open(device, O_RDWR | O_NOCTTY);

	if (fd >= 0 && held_len < HELD_MAX)
		held[held_len++] = fd;
	say(fd >= 0 ? opened : strerrorname_np(errno));
}

static void *
open_in_thread(void *arg)
{
	open_device("opened");
	return arg;
}

static void
start_thread(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, open_in_thread, NULL) == 0)
		pthread_detach(thread);
}

static void
close_all(void)
{
	while (held_len > 0)
		close(held[--held_len]);
	say("closed");
}

static void
read_four(void)
{
	char text[5] = "";
	size_t n = 0;
	ssize_t got;

	while (n < 4 && (got = read(held[0], text + n, 4 - n)) > 0)
		n += (size_t)got;
	say(text);
}

/* ---- signals ---- */

static void
on_alarm(int number)
{
	(void)number;
	say("alarm");
}

static void
jump(int number)
{
	(void)number;
	siglongjmp(out_of_open, 1);
}

/* A handler with a jump of its own, which leaves no open(). */
static void
jump_inside(int number)
{
	sigjmp_buf here;

	(void)number;
	if (sigsetjmp(here, 1) == 0)
		siglongjmp(here, 1);
	say("alarm");
}

/* A handler that opens something itself. */
static void
open_inside(int number)
{
	int fd = open("/dev/null", O_RDWR), absent = open("/dev/comlease-absent", O_RDWR);

	(void)number;
	close(fd);
	say(fd >= 0 && absent < 0 ? "alarm" : "no alarm");
}

/* A handler that forks; the child goes on where its parent was interrupted. */
static void
fork_inside(int number)
{
	(void)number;
	fork();
}

/* Waits in open() with that handler, which SIGALRM calls. */
static void
open_with(void (*handler)(int), int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };
	pid_t pid = getpid();

	sigaction(SIGALRM, &action, NULL);
	if (sigsetjmp(out_of_open, 1) == 0)
		open_device("opened");
	else
		say("jumped");
	if (getpid() != pid)
		_exit(0);
}

/* ---- processes ---- */

/* Until the test closes its end; without reading: the bytes are the parent's. */
static void
stay(void)
{
	struct pollfd end = { .fd = STDIN_FILENO };

	close(STDOUT_FILENO);
	poll(&end, 1, -1);
	_exit(0);
}

static void
fork_child(void)
{
	pid_t pid = fork();

	if (pid == 0)
		stay();
	dprintf(STDOUT_FILENO, "forked %ld\n", (long)pid);
}

/* The child of vfork() and execve(), as system() and popen() make it. */
static void
spawn_child(void)
{
	char *words[] = { (char *)(uintptr_t)self, (char *)(uintptr_t) "stay", NULL };
	pid_t pid = 0;

	posix_spawn(&pid, self, NULL, NULL, words, environ);
	dprintf(STDOUT_FILENO, "forked %ld\n", (long)pid);
}

/* As daemon() does: the child opens, the parent closes all that it has and ends. */
static void
become_daemon(void)
{
	if (fork() > 0) {
		closefrom(0);
		_exit(0);
	}
	setsid();
	dprintf(STDOUT_FILENO, "daemon %ld\n", (long)getpid());
	open_device("opened");
}

static void
obey(char byte)
{
	switch (byte) {
	case 'o': /* opens, and waits for that */
		open_device("opened");
		break;
	case 't': /* the same, in a thread: the next byte is obeyed at once */
		start_thread();
		break;
	case 'c':
		close_all();
		break;
	case 'w':
		say(write(held[0], "ping", 4) == 4 ? "written" : strerrorname_np(errno));
		break;
	case 'r':
		read_four();
		break;
	case 'a': /* o, and SIGALRM has a handler that only says so */
		open_with(on_alarm, 0);
		break;
	case 'A': /* with SA_RESTART */
		open_with(on_alarm, SA_RESTART);
		break;
	case 'j': /* one that jumps out of open() */
		open_with(jump, 0);
		break;
	case 'i': /* one that jumps, and returns */
		open_with(jump_inside, SA_RESTART);
		break;
	case 'n': /* one that opens something else */
		open_with(open_inside, SA_RESTART);
		break;
	case 'k': /* one that forks */
		open_with(fork_inside, SA_RESTART);
		break;
	case 'f':
		fork_child();
		break;
	case 'v':
		spawn_child();
		break;
	case 'd':
		become_daemon();
		break;
	case 'e': /* becomes itself anew */
		execl(self, self, device, (char *)NULL);
		break;
	}
}

static int
count_fds(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* Once: true if it worked, or was jumped out of. */
static bool
open_or_jump(void)
{
	struct itimerval timer = { .it_value = { .tv_usec = 1 + random() % 1500 } }, none = { 0 };
	volatile int fd = -1;

	if (sigsetjmp(out_of_open, 1) != 0) {
		if (fd >= 0)
			close(fd);
		return true;
	}
	setitimer(ITIMER_REAL, &timer, NULL);
	fd = open(device, O_RDWR | O_NOCTTY);
	setitimer(ITIMER_REAL, &none, NULL);
	if (fd < 0)
		return false;
	close(fd);
	fd = -1;
	return true;
}

static int
jumps(int count)
{
	struct sigaction action = { .sa_handler = jump };
	int before = count_fds(), left;

	srandom((unsigned)getpid());
	sigaction(SIGALRM, &action, NULL);
	for (int i = 0; i < count; i++)
		if (!open_or_jump()) {
			perror(device);
			return EXIT_FAILURE;
		}
	left = count_fds() - before;
	dprintf(STDOUT_FILENO, "left %d\n", left);
	return left <= LEFT_MAX ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int
storm(int count, useconds_t hold_us, char **devices, int len)
{
	for (int i = 0; i < count; i++) {
		int fd = open(devices[i % len], O_RDWR | O_NOCTTY | (i % 2 ? O_NONBLOCK : 0));

		if (fd < 0) {
			perror(devices[i % len]);
			return EXIT_FAILURE;
		}
		if (hold_us > 0)
			usleep(hold_us);
		close(fd);
	}
	return EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
	char byte;

	self = argv[0];
	if (argc > 4 && strcmp(argv[1], "storm") == 0)
		return storm(atoi(argv[2]), (useconds_t)atoi(argv[3]), argv + 4, argc - 4);
	if (argc == 4 && strcmp(argv[1], "jumps") == 0) {
		device = argv[3];
		return jumps(atoi(argv[2]));
	}
	if (argc < 2)
		return 2;
	device = argv[1];
	if (strcmp(device, "stay") == 0)
		stay();
	say("ready");
	while (read(STDIN_FILENO, &byte, 1) > 0)
		obey(byte);
	return EXIT_SUCCESS;
}
