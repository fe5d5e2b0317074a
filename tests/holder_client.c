/*
 * holder_client.c - a command for `comlease run` to run: it says what it is given and which signals
 * come, and does what it reads from standard input.
 *
 *	holder_client [stay] [child]	stay: signals don't end it; child: with a child like it
 *	up TOKEN PORT DEVICE STANDBY	the first line ("-" for what is not set)
 *	child				the second one, from the child
 *	got TERM			and, without stay, exit status 4
 *	"exit N", "stop" (itself)	from standard input, whose end is "exit 0"
 */
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const int signals[] = { SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2 };

static const char *
variable(const char *name)
{
	const char *value = getenv(name);

	return value ? value : "-";
}

static int
take_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaddset(&set, signals[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static void
obey(void)
{
	char line[64] = "";
	size_t length = 0;

	while (length < sizeof(line) - 1 && read(0, line + length, 1) == 1 && line[length] != '\n')
		length++;
	if (strncmp(line, "stop", 4) == 0)
		raise(SIGSTOP);
	else
		exit(length > 5 ? atoi(line + 5) : 0);
}

static void
live(int signal_fd, const char *who, bool stay, bool obeys)
{
	struct pollfd fds[] = { { signal_fd, POLLIN, 0 }, { 0, obeys ? POLLIN : 0, 0 } };
	struct signalfd_siginfo info;

	for (;;) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[0].revents && read(signal_fd, &info, sizeof(info)) == sizeof(info)) {
			printf("%sgot %s\n", who, sigabbrev_np((int)info.ssi_signo));
			if (!stay)
				exit(4);
		}
		if (fds[1].revents && !obeys)
			exit(0); /* its end */
		if (fds[1].revents)
			obey();
	}
}

int
main(int argc, char **argv)
{
	bool stay = false;
	int fd = take_signals();

	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	printf("up %s %s %s %s\n", variable("COMLEASE_TOKEN"), variable("COMLEASE_PORT"),
	       variable("COMLEASE_DEVICE"), variable("COMLEASE_STANDBY"));
	for (int i = 1; i < argc; i++) {
		stay |= !strcmp(argv[i], "stay");
		if (!strcmp(argv[i], "child") && fork() == 0) {
			fd = take_signals(); /* a signalfd is its maker's */
			printf("child\n");
			live(fd, "child ", stay, false);
		}
	}
	live(fd, "", stay, true);
}
