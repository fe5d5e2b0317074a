/*
 * keeper_init.c - the last steps of a turnaround that listen to the line: the init chat with a
 * modem, and then the wait for silence. Knows nothing of what comes before; what it cannot do is a
 * fault with the modem's own words in it.
 *
 * The tricky idea: it reads by events on the keeper's own description, each armed anew, and each
 * wait is a phase of the turnaround; so a revocation or an unplugging finds the keeper listening
 * here as anywhere else.
 */
#include "keeper_internal.h"
#include "clock.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "log.h"

#define TRIES      3
#define QUIETS     10 /* so many times quiet-ms, then it goes on */
#define READS      16 /* in one event: a line that never stops is no reason to stay */
#define SAID_MAX   90 /* bytes of an escaped answer in a fault's text */
#define WORD_MAX   60 /* and of each word */
#define TIMEOUT_MS 3000

/* The n-th word of the chat. False: there is none. */
static bool
get_word(const struct keeper *k, unsigned n, char word[CONFIG_INIT_MAX + 1])
{
	const char *at = k->port->init;

	do
		at = config_init_word(at, word);
	while (at != NULL && n-- > 0);
	return at != NULL;
}

static uint64_t
timeout_ms(const struct keeper *k)
{
	return k->port->init_timeout_ms > 0 ? k->port->init_timeout_ms : TIMEOUT_MS;
}

/* ---- silence ---- */

/* What is there is read and thrown away. */
static void
discard(const struct keeper *k)
{
	char buffer[512];
	int i;

	for (i = 0; i < READS && device_read(&k->device, buffer, sizeof(buffer)) > 0; i++)
		;
}

static void
listen_for_quiet(struct keeper *k)
{
	struct keeper_turnaround *t = &k->turnaround;
	uint64_t now = clock_now_ms(), quiet = k->port->quiet_ms;

	discard(k);
	t->moved_ms = now;
	turnaround_wait(k, KEEPER_QUIET, now + quiet < t->end_ms ? quiet : t->end_ms - now);
	keeper_listen_device(k, true);
}

static void
start_quiet(struct keeper *k)
{
	uint64_t most = (uint64_t)k->port->quiet_ms * QUIETS;

	if (k->port->quiet_ms == 0) {
		turnaround_finish(k);
		return;
	}
	turnaround_announce(k, most);
	k->turnaround.end_ms = clock_now_ms() + most;
	listen_for_quiet(k);
}

void
quiet_input(struct keeper *k)
{
	if (clock_now_ms() >= k->turnaround.end_ms)
		quiet_time_out(k);
	else
		listen_for_quiet(k);
}

void
quiet_time_out(struct keeper *k)
{
	if (clock_now_ms() - k->turnaround.moved_ms < k->port->quiet_ms)
		log_line("quiet port=%s waited_ms=%u reason=input does not end", k->name,
			 k->port->quiet_ms * QUIETS);
	keeper_listen_device(k, false);
	turnaround_finish(k);
}

/* ---- the chat ---- */

static void
escape(const char *bytes, size_t n, char *text, size_t size)
{
	static const char names[] = "\rr\nn\tt\"\"\\\\";
	const char *name;
	size_t i, at = 0;

	for (i = 0; i < n && at + 8 < size; i++) {
		unsigned char c = (unsigned char)bytes[i];

		for (name = names; *name != '\0' && *name != bytes[i]; name += 2)
			;
		if (*name != '\0')
			at += (size_t)snprintf(text + at, size - at, "\\%c", name[1]);
		else if (c < ' ' || c > '~')
			at += (size_t)snprintf(text + at, size - at, "\\x%02x", c);
		else
			text[at++] = bytes[i];
	}
	text[at] = '\0';
	if (i < n)
		strcpy(text + at, "...");
}

static void
give_up(struct keeper *k, const char *sent, const char *awaited)
{
	const struct keeper_init *c = &k->init;
	char s[WORD_MAX], w[WORD_MAX], said[SAID_MAX], text[IPC_TEXT_MAX], unused[DEVICE_TEXT_MAX];

	escape(sent, strlen(sent), s, sizeof(s));
	escape(awaited, strlen(awaited), w, sizeof(w));
	escape(c->answer, c->length, said, sizeof(said));
	snprintf(text, sizeof(text),
		 "init: sent \"%s\", no \"%s\" within %.4g s after %d tries; the modem said "
		 "%s%s%s",
		 s, w, (double)timeout_ms(k) / 1000, TRIES, c->length > 0 ? "\"" : "",
		 c->length > 0 ? said : "nothing", c->length > 0 ? "\"" : "");
	if (k->port->hangup_ms > 0)
		device_line_down(&k->device, k->port, unused);
	turnaround_fail(k, -ETIMEDOUT, text);
}

static void say(struct keeper *k);

static void
try_again(struct keeper *k)
{
	struct keeper_init *c = &k->init;
	char sent[CONFIG_INIT_MAX + 1], awaited[CONFIG_INIT_MAX + 1] = "";

	if (++c->tries < TRIES) {
		c->word = 0;
		device_flush_input(&k->device);
		say(k);
		return;
	}
	get_word(k, c->word, sent);
	get_word(k, c->word + 1, awaited);
	give_up(k, sent, awaited);
}

/* Sends the next word, or goes on if there is none. */
static void
say(struct keeper *k)
{
	struct keeper_init *c = &k->init;
	char word[CONFIG_INIT_MAX + 2], awaited[CONFIG_INIT_MAX + 1];
	size_t length;
	ssize_t n;

	if (!get_word(k, c->word, word)) {
		keeper_listen_device(k, false);
		start_quiet(k);
		return;
	}
	c->length = 0;
	length = strlen(word);
	word[length++] = '\r';
	n = device_write(&k->device, word, length);
	if (n == -EIO || n == -ENODEV || n == -ENXIO) {
		turnaround_fail(k, (int)n, strerror((int)-n));
		return;
	}
	/* a line that takes no more (its output was flushed) doesn't answer either: by time */
	if (!get_word(k, c->word + 1, awaited) && n == (ssize_t)length) {
		c->word++;
		say(k);
		return;
	}
	turnaround_announce(k, timeout_ms(k));
	turnaround_wait(k, KEEPER_INIT, timeout_ms(k));
	keeper_listen_device(k, true);
}

static void
keep(struct keeper_init *c, const char *bytes, size_t n)
{
	size_t drop = c->length + n > sizeof(c->answer) ? c->length + n - sizeof(c->answer) : 0;

	memmove(c->answer, c->answer + drop, c->length - drop);
	memcpy(c->answer + c->length - drop, bytes, n);
	c->length += n - drop;
}

/* The modem may echo what it was sent: that is no answer. */
static bool
has_said(const struct keeper *k, const char *word)
{
	const struct keeper_init *c = &k->init;
	char sent[CONFIG_INIT_MAX + 2];
	size_t skip;

	if (!get_word(k, c->word, sent))
		return false;
	skip = strlen(sent);
	if (c->length < skip || memcmp(c->answer, sent, skip) != 0)
		skip = 0;
	return memmem(c->answer + skip, c->length - skip, word, strlen(word)) != NULL;
}

void
init_input(struct keeper *k)
{
	struct keeper_init *c = &k->init;
	char buffer[KEEPER_ANSWER_MAX], awaited[CONFIG_INIT_MAX + 1];
	ssize_t n = 0;
	int i;

	for (i = 0; i < READS; i++) {
		n = device_read(&k->device, buffer, sizeof(buffer));
		if (n <= 0)
			break;
		keep(c, buffer, (size_t)n);
	}
	if (get_word(k, c->word + 1, awaited) && has_said(k, awaited)) {
		c->word += 2;
		say(k);
	} else if (has_said(k, "ERROR")) {
		try_again(k);
	} else {
		keeper_listen_device(k, true);
	}
}

void
init_time_out(struct keeper *k)
{
	try_again(k);
}

void
init_changed(struct keeper *k)
{
	k->init.word = CONFIG_INIT_MAX; /* no answer fits until it begins anew */
	k->init.tries = UINT_MAX;       /* which counts as the first try */
}

void
init_start(struct keeper *k)
{
	char text[DEVICE_TEXT_MAX] = "";
	int error;

	if (k->port->init[0] == '\0') {
		start_quiet(k);
		return;
	}
	error = device_line_up(&k->device, k->port, text);
	if (error == 0)
		error = device_flush_input(&k->device);
	if (error < 0) {
		turnaround_fail(k, error, text[0] != '\0' ? text : strerror(-error));
		return;
	}
	memset(&k->init, 0, sizeof(k->init));
	say(k);
}
