/*
 * chat_modem.h - a process that plays a modem at the master of modem0's pty, for test_e2e_init.c:
 * tells the test each word that it hears, and whether the line was up, and answers as it is told.
 */
#ifndef COMLEASE_TESTS_CHAT_MODEM_H
#define COMLEASE_TESTS_CHAT_MODEM_H

#include "support.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define LATE_MS  300
#define NOISE_MS 250 /* between the modem's last word and its noise */

static int master;
static struct support_child modem;

/* ---- the modem ---- */

/* What it does with a word that it hears. */
enum mood {
	MOOD_OK = 'o',
	MOOD_ERROR = 'e', /* once, then OK */
	MOOD_SILENT = 'n',
	MOOD_STRANGE = 's',
	MOOD_LATE = 'l',
	MOOD_NOISY = 'x', /* OK, and more */
	MOOD_CHATTY = 'q' /* OK, and later more */
};

static const char strange[] = "\r\nNO\001 \"DIALTONE\"\r\n";

static void
modem_says(const char *text)
{
	(void)!write(master, text, strlen(text));
}

static bool
line_is_up(void)
{
	struct termios t;

	return tcgetattr(master, &t) == 0 && cfgetospeed(&t) != B0;
}

static void
modem_answers(char *mood)
{
	if (*mood == MOOD_SILENT)
		return;
	if (*mood == MOOD_LATE)
		poll(NULL, 0, LATE_MS);
	modem_says(*mood == MOOD_STRANGE ? strange
		   : *mood == MOOD_ERROR ? "\r\nERROR\r\n"
		   : *mood == MOOD_NOISY ? "\r\nOK\r\n\r\nRING\r\n\r\nRING\r\n"
					 : "\r\nOK\r\n");
	if (*mood == MOOD_CHATTY) {
		poll(NULL, 0, NOISE_MS);
		modem_says("\r\n+CREG: 1\r\n");
	}
	if (*mood == MOOD_ERROR)
		*mood = MOOD_OK;
}

/* Words end with CR. Each is told to the test, before it is answered. */
static void
modem_hears(const struct support_child *test, char *mood)
{
	static char word[128];
	static size_t n;
	char line[160];
	int length;

	while (read(master, word + n, 1) == 1) {
		if (word[n] != '\r' && n + 2 < sizeof(word)) {
			n++;
			continue;
		}
		word[n] = '\0';
		n = 0;
		length =
		    snprintf(line, sizeof(line), "%s %s\n", word, line_is_up() ? "up" : "down");
		ck_assert_int_eq(write(test->say, line, (size_t)length), length);
		modem_answers(mood);
	}
}

/* A byte from the test is its mood from now on. */
static void
be_modem(struct support_child *test, void *arg)
{
	char mood = *(char *)arg;
	struct pollfd polls[2] = { { .fd = test->hear, .events = POLLIN },
				   { .fd = master, .events = POLLIN } };

	for (;;) {
		poll(polls, 2, -1);
		if (polls[0].revents != 0) {
			if (read(test->hear, &mood, 1) <= 0)
				break;
			ck_assert_int_eq(write(test->say, "mood\n", 5), 5);
		} else if (polls[1].revents & POLLIN) {
			modem_hears(test, &mood);
		} else {
			poll(NULL, 0, 2); /* nobody has the other end: nothing tells when */
		}
	}
}

static void
plug(char mood)
{
	master = support_plug("modem0");
	support_fork(&modem, be_modem, &mood, master);
}

#endif
