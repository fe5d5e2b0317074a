/*
 * foreign.c - a foreign holder as one line of text, and back. Knows nothing of how one is found,
 * and asks the system nothing: the broker uses it.
 *
 * The idea: numbers in front, in hexadecimal where they are long, then the three texts with a tab
 * before each: they are escaped, so that no tab is in them. With the largest numbers that occur it
 * fits; if it does not, the lock file's name is cut.
 */
#include "foreign.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOW_ALL (FOREIGN_OPEN | FOREIGN_LOCKFILE | FOREIGN_FLOCK | FOREIGN_EXCLUSIVE)

/* Not within an escape sequence, \xNN. */
static size_t
cut(const char *text, size_t length)
{
	size_t i;

	for (i = length > 3 ? length - 3 : 0; i < length; i++)
		if (text[i] == '\\')
			return i;
	return length;
}

void
foreign_print(const struct foreign *who, char text[FOREIGN_TEXT_MAX])
{
	size_t n, room, lock = strlen(who->lock);

	snprintf(text, FOREIGN_TEXT_MAX, "%ld %lu %" PRIx64 " %" PRIx64 " %x\t%s\t%s\t",
		 (long)who->pid, (unsigned long)who->uid, who->start_ticks,
		 (uint64_t)who->since_real_ms, who->how, who->command, who->unit);
	n = strlen(text);
	room = FOREIGN_TEXT_MAX - 1 - n;
	if (lock > room)
		lock = cut(who->lock, room);
	memcpy(text + n, who->lock, lock);
	text[n + lock] = '\0';
}

/* Cuts a number off. Neither signs nor blanks, as strtoull() would take them. */
static int
take_number(const char **text, int base, char end, uint64_t max, uint64_t *value)
{
	const char *digits = base == 16 ? "0123456789abcdef" : "0123456789";
	size_t length = strspn(*text, digits);

	if (length == 0 || length > 16 || (*text)[length] != end)
		return -EINVAL;
	*value = strtoull(*text, NULL, base);
	*text += length + 1;
	return *value <= max ? 0 : -EINVAL;
}

/* Cuts a text off; `end` is a tab or the end. */
static int
take_text(const char **text, char end, char *copy, size_t size)
{
	size_t i = 0;

	for (; **text != end; (*text)++) {
		if (**text < ' ' || **text > '~' || i + 1 == size)
			return -EINVAL;
		copy[i++] = **text;
	}
	copy[i] = '\0';
	if (end != '\0')
		(*text)++;
	return 0;
}

int
foreign_parse(const char *text, struct foreign *who)
{
	struct foreign f = { .pid = 0 };
	uint64_t pid, uid, since, how;

	if (take_number(&text, 10, ' ', INT_MAX, &pid) < 0 ||
	    take_number(&text, 10, ' ', UINT32_MAX, &uid) < 0 ||
	    take_number(&text, 16, ' ', UINT64_MAX, &f.start_ticks) < 0 ||
	    take_number(&text, 16, ' ', INT64_MAX, &since) < 0 ||
	    take_number(&text, 16, '\t', HOW_ALL, &how) < 0 ||
	    take_text(&text, '\t', f.command, sizeof(f.command)) < 0 ||
	    take_text(&text, '\t', f.unit, sizeof(f.unit)) < 0 ||
	    take_text(&text, '\0', f.lock, sizeof(f.lock)) < 0)
		return -EINVAL;
	f.pid = (pid_t)pid;
	f.uid = (uid_t)uid;
	f.since_real_ms = (int64_t)since;
	f.how = (unsigned)how;
	*who = f;
	return 0;
}
