/*
 * spy_client.c - a bridge without a port: it has readers and a transcript, and says what it is
 *told.
 *
 *	spy_client PORT LINK [TRANSCRIPT]
 *
 * It makes LINK a link to a pty of its own and prints "ready". Each line of its stdin is an order,
 * answered by "done":
 *	> TEXT, < TEXT	bytes to, from the device; in TEXT \r, \n, \e and \\ are escapes
 *	- TEXT		an event
 *	many COUNT	that many bytes 'x' from the device
 *	have PORT	acquires that port
 *	end		ends, as it does at the end of its stdin
 */
#include "../client/internal.h"
#include "spy_fixture.h"

#include <comlease.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct comlease *broker;

static size_t
unescape(char *text)
{
	static const char letters[] = "rne\\", values[] = "\r\n\x1b\\";
	size_t n = 0;

	for (char *s = text; *s; s++) {
		const char *letter = *s == '\\' && s[1] ? strchr(letters, s[1]) : NULL;
		text[n++] = letter ? values[letter - letters] : *s;
		s += letter != NULL;
	}
	return n;
}

static void
send_many(long count)
{
	char bytes[1000];

	memset(bytes, 'x', sizeof(bytes));
	for (; count > 0; count -= (long)sizeof(bytes))
		bridge_spy_data(spy, BRIDGE_FROM_DEVICE, bytes,
				count < (long)sizeof(bytes) ? (size_t)count : sizeof(bytes));
}

static void
acquire(const char *port)
{
	struct comlease_request request = COMLEASE_REQUEST_INIT;

	request.port = port;
	/* it has it until it ends */
	if (comlease_acquire(broker, &request, NULL) < 0)
		fprintf(stderr, "%s\n", comlease_error(broker));
}

/* false: that was the end. */
static bool
obey(char *order)
{
	char *text = strchr(order, ' ');

	text = text ? text + 1 : order + strlen(order);
	if (*order == '>' || *order == '<') {
		size_t len = unescape(text);
		bridge_spy_data(spy, *order == '>' ? BRIDGE_TO_DEVICE : BRIDGE_FROM_DEVICE, text,
				len);
	} else if (*order == '-') {
		bridge_spy_event(spy, text);
	} else if (strncmp(order, "many ", 5) == 0) {
		send_many(atol(text));
	} else if (strncmp(order, "have ", 5) == 0) {
		acquire(text);
	}
	puts("done");
	fflush(stdout);
	return strcmp(order, "end") != 0;
}

/* Orders come in whole lines, one at a time: whoever gives them waits for "done". */
static void
loop(void)
{
	struct pollfd fds[BRIDGE_SPY_FDS + 1];
	char line[4096];

	for (;;) {
		int count = bridge_spy_poll(spy, fds);
		fds[count] = (struct pollfd){ .fd = STDIN_FILENO, .events = POLLIN };
		int r = poll(fds, (nfds_t)count + 1, bridge_spy_timeout_ms(spy));
		bridge_spy_take(spy, fds, r < 0 ? 0 : count);
		if (r <= 0 || fds[count].revents == 0)
			continue;
		ssize_t n = read(STDIN_FILENO, line, sizeof(line) - 1);
		if (n <= 0)
			return;
		line[n] = '\0';
		line[strcspn(line, "\n")] = '\0';
		if (!obey(line))
			return;
	}
}

int
main(int argc, char **argv)
{
	int master, slave, status;

	if (argc < 3 || openpty(&master, &slave, NULL, NULL, NULL) < 0)
		return 1;
	unlink(argv[2]);
	if (symlink(ttyname(slave), argv[2]) < 0)
		return 1;
	broker = comlease_connect(NULL);
	spy = bridge_spy_new(argv[1], argv[2], comlease_socket_path(broker),
			     argc > 3 ? argv[3] : NULL, &status);
	if (!spy) {
		fprintf(stderr, "%s\n", spy_said);
		return status;
	}
	puts("ready");
	fflush(stdout);
	loop();
	bridge_spy_free(spy);
	comlease_disconnect(broker);
	unlink(argv[2]);
	return 0;
}
