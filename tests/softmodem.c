/*
 * softmodem.c - a telephone exchange with Hayes modems on ptys, for the tests and the demo
 *
 *	softmodem [-d] [-m MODE] [-x SPEED] [-l LOGFILE] LINK=NUMBER...
 *
 * Responsible for options, the log and the loop. It refuses to know what a call or a pty is.
 *
 * The tricky idea: the clock runs fast only while a call is up. Otherwise it ticks every 20 real
 * milliseconds, just to see who has set B0; inotify tells of opens, poll of closes and bytes.
 */
#include "softmodem.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <spandsp/expose.h>

enum { CATCH_UP_STEPS = 5, MAX_SPEED = 50, OWN_FDS = 3 };

struct exchange exchange;

void
log_event(const struct modem *m, const char *format, ...)
{
	struct timespec now;
	va_list args;

	clock_gettime(CLOCK_MONOTONIC, &now);
	fprintf(exchange.log, "%lld.%03ld %s ", (long long)now.tv_sec, now.tv_nsec / 1000000,
		m->name);
	va_start(args, format);
	vfprintf(exchange.log, format, args);
	va_end(args);
	fputc('\n', exchange.log);
}

int
complain(const char *what, const char *why)
{
	fprintf(stderr, "softmodem: %s: %s\n", what, why);
	return -1;
}

/* ---- the loop ---- */

static void
modem_step(struct modem *m)
{
	line_check(m);
	line_tidy(m);
	call_step(m);
	if (m->call == IN_FAX)
		call_audio_step(m, exchange.now);
}

/* 20 virtual milliseconds while a call is up, 20 real ones otherwise. */
static void
set_clock(int timer, long speed)
{
	static long set_ns;
	long ns = STEP_MS * 1000000L;

	for (size_t i = 0; i < exchange.count; i++)
		if (exchange.modems[i].call != ON_HOOK)
			ns = STEP_MS * 1000000L / speed;
	if (ns == set_ns)
		return;
	timerfd_settime(timer, 0, &(struct itimerspec){ { 0, ns }, { 0, ns } }, NULL);
	set_ns = ns;
}

static void
run_steps(int timer)
{
	uint64_t steps = 0;

	if (read(timer, &steps, sizeof(steps)) != sizeof(steps))
		return;
	for (uint64_t i = 0; i < steps && i < CATCH_UP_STEPS; i++) {
		exchange.now++;
		for (size_t j = 0; j < exchange.count; j++)
			modem_step(&exchange.modems[j]);
	}
}

static void
take_event(const struct inotify_event *event)
{
	for (size_t i = 0; i < exchange.count; i++) {
		struct modem *m = &exchange.modems[i];

		if (m->watch != event->wd)
			continue;
		if (event->mask & IN_OPEN)
			m->visited = true;
		line_check(m);
		if (event->mask & IN_CLOSE)
			m->visited = false;
	}
}

static void
take_events(int visits)
{
	char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	const struct inotify_event *event;
	ssize_t len;

	while ((len = read(visits, events, sizeof(events))) > 0)
		for (const char *at = events; at < events + len;
		     at += sizeof(*event) + event->len) {
			event = (const void *)at;
			take_event(event);
		}
}

static void
run(int signals, int timer, int visits, long speed)
{
	struct pollfd pfds[OWN_FDS + MAX_MODEMS] = { { signals, POLLIN, 0 },
						     { timer, POLLIN, 0 },
						     { visits, POLLIN, 0 } };

	while (!pfds[0].revents) {
		set_clock(timer, speed);
		for (size_t i = 0; i < exchange.count; i++) {
			struct modem *m = &exchange.modems[i];

			line_write(m);
			pfds[OWN_FDS + i].events = line_events(m);
			pfds[OWN_FDS + i].fd =
			    line_events(m) ? m->master : -1; /* POLLHUP would spin */
		}
		if (poll(pfds, OWN_FDS + exchange.count, -1) < 0)
			continue;
		if (pfds[2].revents)
			take_events(visits);
		for (size_t i = 0; i < exchange.count; i++)
			if (pfds[OWN_FDS + i].revents)
				line_read(&exchange.modems[i]);
		if (pfds[1].revents)
			run_steps(timer);
	}
}

/* ---- start ---- */

static int
usage(void)
{
	fputs("usage: softmodem [-d] [-m MODE] [-x SPEED] [-l LOGFILE] LINK=NUMBER...\n"
	      "  -d          end when the parent process ends\n"
	      "  -m MODE     permissions of the ptys, octal (620)\n"
	      "  -x SPEED    the telephone line's clock runs SPEED times as fast (1 to 50)\n"
	      "  -l LOGFILE  append the events there instead of writing them to stdout\n",
	      stderr);
	return 64;
}

static int
add_modem(struct modem *m, char *argument, mode_t mode)
{
	char *equals = strrchr(argument, '=');
	char *slash;

	if (!equals || equals == argument || !equals[1] ||
	    strspn(equals + 1, "0123456789*#ABCD,") != strlen(equals + 1))
		return complain(argument, "not of the form LINK=NUMBER");
	*equals = '\0';
	slash = strrchr(argument, '/');
	m->link = argument;
	m->name = slash ? slash + 1 : argument;
	m->number = equals + 1;
	m->master = -1;
	exchange.count++; /* from here on its link is removed at the end */
	if (!modem_init(m))
		return complain(argument, "out of memory");
	return line_open(m, mode);
}

static int
open_log(const char *path)
{
	exchange.log = path ? fopen(path, "ae") : stdout;
	if (!exchange.log)
		return complain(path, strerror(errno));
	setvbuf(exchange.log, NULL, _IOLBF, 0);
	return 0;
}

static int
block_signals(void)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGHUP);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int
serve(char **links, size_t count, long speed, mode_t mode)
{
	int signals = block_signals();
	int visits = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	exchange.modems = calloc(count, sizeof(*exchange.modems));
	if (signals < 0 || timer < 0 || visits < 0 || !exchange.modems)
		return complain("start", strerror(errno));
	for (size_t i = 0; i < count; i++)
		if (add_modem(&exchange.modems[i], links[i], mode) < 0)
			return -1;
	for (struct modem *m = exchange.modems; m < exchange.modems + count; m++) {
		m->watch = inotify_add_watch(visits, m->slave, IN_OPEN | IN_CLOSE);
		if (m->watch < 0)
			return complain("inotify", strerror(errno));
	}
	puts("ready");
	fflush(stdout);
	run(signals, timer, visits, speed);
	return 0;
}

int
main(int argc, char **argv)
{
	const char *log_path = NULL;
	pid_t parent = getppid();
	mode_t mode = 0620;
	long speed = 1;
	bool die = false;
	int option, rc;

	while ((option = getopt(argc, argv, "dm:x:l:")) != -1) {
		if (option == 'd')
			die = true;
		else if (option == 'm')
			mode = (mode_t)strtol(optarg, NULL, 8);
		else if (option == 'x')
			speed = strtol(optarg, NULL, 10);
		else if (option == 'l')
			log_path = optarg;
		else
			return usage();
	}
	if (speed < 1 || speed > MAX_SPEED || optind == argc || argc - optind > MAX_MODEMS)
		return usage();
	if (die && (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent))
		return 1;
	if (open_log(log_path) < 0)
		return 1;
	rc = serve(argv + optind, (size_t)(argc - optind), speed, mode);
	for (size_t i = 0; i < exchange.count; i++)
		line_unlink(&exchange.modems[i]);
	return rc < 0;
}
