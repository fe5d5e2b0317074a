/*
 * spy.c - `comlease spy`: what passes over the line of a bridge, as it passes.
 *
 * Responsible for: frames to a readable transcript, a hex dump, or the device's bytes as they are.
 * Refuses to know: which bridge is meant (spy_find.c), how lines are made (transcript.c).
 *
 * The tricky idea: whatever is read is shown at once, but half a line waits for its other half as
 * long as a pause; nothing is written to the bridge, ever.
 */
#include "cli.h"
#include "spy_find.h"
#include "text.h"
#include "transcript.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

const char spy_help[] =
    "usage: comlease spy [-x | -r] [--pid PID] PORT|POOL|LINK\n"
    "\n"
    "Shows what passes between a device and the program at a virtual port (comlease\n"
    "bridge), as it passes, and changes nothing: the bridge never waits for it. LINK\n"
    "is a bridge's path. Ends with the bridge, or by Ctrl-C.\n"
    "\n"
    "  17:21:03.123 > ATZ\\r                   to the device\n"
    "  17:21:03.164 < OK\\r\\n                  from the device\n"
    "  17:21:09.002 -- granted: token 17      what happens to the bridge\n"
    "  17:21:09.500 ... 1234 bytes missed ... it came faster than it could be shown\n"
    "\n"
    "  -x, --hex             a hex dump, 16 bytes a line\n"
    "  -r, --raw             the bytes from the device as they are, nothing else: for\n"
    "                        a pipe or file, as they can do anything to a terminal\n"
    "      --pid PID         of several bridges of a port, that process\n"
    "  -s, --socket SOCKET   the broker's socket\n"
    "  -h, --help            print this\n"
    "\n"
    "Exit status: 0 the bridge has ended; 1 there is no bridge of it; 66 no such\n"
    "port; 75 the bridge does not answer; 77 another user's bridge.\n";

#define FRAME_MAX (sizeof(struct spy_wire_header) + SPY_WIRE_PAYLOAD)

struct spy {
	struct spy_bridge bridge;
	struct transcript transcript;
	bool raw;
	bool bye;
	size_t len;
	char buffer[16 * FRAME_MAX]; /* whole frames, and perhaps one that is not yet */
};

static void
print(void *context, const char *line, size_t len)
{
	(void)context;
	fwrite(line, 1, len, stdout);
}

/* What concerns the reading itself: a line of the transcript, or beside the bytes. */
static void say(struct spy *s, int64_t time_us, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void
say(struct spy *s, int64_t time_us, const char *format, ...)
{
	char words[PATH_MAX + 256];
	va_list ap;

	va_start(ap, format);
	vsnprintf(words, sizeof words, format, ap);
	va_end(ap);
	if (s->raw)
		cli_fail(0, "%s", words);
	else
		transcript_event(&s->transcript, time_us, words);
}

static void
take_missed(struct spy *s, int64_t time_us, const char *payload, size_t len)
{
	struct transcript_missed missed;

	if (len != sizeof missed)
		return;
	memcpy(&missed, payload, sizeof missed);
	if (!s->raw)
		transcript_missed(&s->transcript, time_us, &missed);
	else if (missed.from_device)
		say(s, time_us, "%" PRIu64 " bytes missed: they came faster than they were taken",
		    missed.from_device);
}

static void
take_event(struct spy *s, int64_t time_us, const char *payload, size_t len)
{
	char text[SPY_WIRE_PAYLOAD + 1];

	memcpy(text, payload, len);
	text[len] = '\0';
	if (!s->raw)
		transcript_event(&s->transcript, time_us, text);
}

static void
take_data(struct spy *s, const struct spy_wire_header *h, const char *payload)
{
	enum bridge_direction direction =
	    h->detail == BRIDGE_TO_DEVICE ? BRIDGE_TO_DEVICE : BRIDGE_FROM_DEVICE;

	if (!s->raw)
		transcript_data(&s->transcript, h->time_us, direction, payload, h->length);
	else if (direction == BRIDGE_FROM_DEVICE)
		fwrite(payload, 1, h->length, stdout);
}

static void
take_frame(struct spy *s, const struct spy_wire_header *h, const char *payload)
{
	switch (h->kind) {
	case SPY_WIRE_DATA:
		take_data(s, h, payload);
		break;
	case SPY_WIRE_EVENT:
		take_event(s, h->time_us, payload, h->length);
		break;
	case SPY_WIRE_MISSED:
		take_missed(s, h->time_us, payload, h->length);
		break;
	case SPY_WIRE_BYE:
		s->bye = true;
		break;
	default:
		break;
	}
}

/* All whole frames of the buffer. false: these are no frames. */
static bool
take_frames(struct spy *s)
{
	struct spy_wire_header h;
	size_t at = 0;

	while (s->len - at >= sizeof h) {
		memcpy(&h, s->buffer + at, sizeof h);
		if (h.length > SPY_WIRE_PAYLOAD)
			return false;
		if (s->len - at < sizeof h + h.length)
			break;
		take_frame(s, &h, s->buffer + at + sizeof h);
		at += sizeof h + h.length;
	}
	memmove(s->buffer, s->buffer + at, s->len - at);
	s->len -= at;
	return true;
}

/* Waits for more. 1: there is some; 0: a pause; -1: it is over (nobody takes what we print). */
static int
wait_for_more(const struct spy *s)
{
	struct pollfd p[] = { { .fd = s->bridge.socket, .events = POLLIN },
			      { .fd = STDOUT_FILENO } };
	int r = poll(p, 2, s->transcript.len ? TRANSCRIPT_PAUSE_US / 1000 : -1);

	if (r < 0)
		return errno == EINTR ? 0 : -1;
	if (p[1].revents & (POLLERR | POLLHUP | POLLNVAL))
		return -1;
	return r > 0;
}

/* false: the bridge has gone. */
static bool
receive(struct spy *s)
{
	ssize_t n =
	    recv(s->bridge.socket, s->buffer + s->len, sizeof s->buffer - s->len, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n > 0)
		s->len += (size_t)n;
	return n > 0;
}

static int
follow(struct spy *s)
{
	while (!ferror(stdout)) {
		int r = wait_for_more(s);
		if (r < 0)
			break;
		if (r == 0)
			transcript_flush(&s->transcript);
		else if (!receive(s)) {
			say(s, spy_wire_now_us(), "the bridge (pid %d) %s", (int)s->bridge.pid,
			    s->bye ? "has ended" : "has gone without a word; was it killed?");
			break;
		} else if (!take_frames(s)) {
			return cli_fail(CLI_PROTOCOL, "the bridge sends what is no transcript");
		}
		fflush(stdout);
	}
	transcript_flush(&s->transcript);
	return cli_finish(CLI_OK);
}

static int
read_along(struct spy *s, bool hex)
{
	struct text t = { 0 };

	transcript_init(&s->transcript, hex, print, NULL);
	text_add(&t, "reading along at ");
	text_add_foreign(&t, s->bridge.port);
	text_add(&t, ", ");
	text_add_foreign(&t, s->bridge.link);
	text_add(&t, ": bridge ");
	text_add_process(&t, NULL, s->bridge.pid, s->bridge.uid);
	if (!s->raw)
		transcript_event(&s->transcript, spy_wire_now_us(), t.s);
	text_free(&t);
	fflush(stdout);
	int status = follow(s);
	close(s->bridge.socket);
	return status;
}

static bool
parse_pid(const char *text, pid_t *pid)
{
	char *end;
	long value = strtol(text, &end, 10);

	*pid = (pid_t)value;
	return end != text && *end == '\0' && value > 0 && value <= INT_MAX;
}

int
spy_main(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "hex", no_argument, NULL, 'x' },
		{ "raw", no_argument, NULL, 'r' },
		{ "pid", required_argument, NULL, 'P' },
		CLI_LONG_OPTIONS,
	};
	static struct spy s; /* large */
	bool hex = false;
	pid_t pid = 0;
	int option, status;

	while ((option = getopt_long(argc, argv, "xr" CLI_SHORT_OPTIONS, options, NULL)) != -1) {
		if (option == 'x')
			hex = true;
		else if (option == 'r')
			s.raw = true;
		else if (option == 'P' && !parse_pid(optarg, &pid))
			return cli_usage(argv, "--pid: that is no process id");
		else if (option != 'P' && (status = cli_option(cli, option, argv)) >= 0)
			return status;
	}
	if (hex && s.raw)
		return cli_usage(argv, "spy: --hex or --raw, not both");
	if (argc - optind != 1)
		return cli_usage(argv, "spy: name one port, or the LINK of one bridge");
	status = spy_find(cli, argv[optind], pid, &s.bridge);
	return status ? status : read_along(&s, hex);
}
