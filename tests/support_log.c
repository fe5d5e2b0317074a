/*
 * support_log.c - waits for lines in the log of comleased, by inotify.
 */
#include "support.h"

#include <fcntl.h>
#include <poll.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

static off_t position; /* of support_log_wait() */

/* The log from there, with a NUL; the caller's to free. */
static char *
read_log(off_t from, size_t *len)
{
	int fd = open(support_path("broker.log"), O_RDONLY | O_CLOEXEC);
	off_t end;
	char *text;
	ssize_t n;

	ck_assert_int_ge(fd, 0);
	end = lseek(fd, 0, SEEK_END);
	text = malloc((size_t)(end - from) + 1);
	ck_assert_ptr_nonnull(text);
	n = pread(fd, text, (size_t)(end - from), from);
	close(fd);
	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	*len = (size_t)n;
	return text;
}

static regex_t
compile(const char *pattern)
{
	regex_t regex;

	ck_assert_int_eq(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
	return regex;
}

/* Goes over whole lines; returns behind the first one that matches, or NULL. The line is
 * terminated. */
static char *
find(char *text, const regex_t *regex, char **line)
{
	char *end;

	for (*line = text; (end = strchr(*line, '\n')) != NULL; *line = end + 1) {
		*end = '\0';
		if (regexec(regex, *line, 0, NULL, 0) == 0)
			return end + 1;
		*end = '\n';
	}
	return NULL;
}

/* Looks once; true: found, and position is behind it. */
static bool
look(const regex_t *regex, char *found, size_t size)
{
	char *line, *behind, *text;
	size_t len;

	text = read_log(position, &len);
	behind = find(text, regex, &line);
	if (behind != NULL) {
		position += behind - text;
		strncpy(found, line, size - 1);
		found[size - 1] = '\0';
	}
	free(text);
	return behind != NULL;
}

static int
watch_log(void)
{
	int notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	ck_assert_int_ge(inotify_add_watch(notify, support_path("broker.log"), IN_MODIFY), 0);
	return notify;
}

static void
wait_for_more(int notify, const char *pattern, int64_t until_ms)
{
	char events[1024];

	ck_assert_msg(support_poll(notify, POLLIN, until_ms), "never logged: %s", pattern);
	while (read(notify, events, sizeof(events)) > 0)
		;
}

const char *
support_log_wait(const char *pattern)
{
	static char found[1024];
	int64_t until = support_now_ms() + SUPPORT_SOON_MS;
	regex_t regex = compile(pattern);
	int notify = watch_log();

	while (!look(&regex, found, sizeof(found)))
		wait_for_more(notify, pattern, until);
	regfree(&regex);
	close(notify);
	return found;
}

static int
count_lines(const regex_t *regex)
{
	char *text, *rest, *line;
	size_t len;
	int count = 0;

	rest = text = read_log(0, &len);
	while ((rest = find(rest, regex, &line)) != NULL)
		count++;
	free(text);
	return count;
}

int
support_log_count(const char *pattern)
{
	regex_t regex = compile(pattern);
	int count = count_lines(&regex);

	regfree(&regex);
	return count;
}

void
support_log_expect(const char *pattern, int count)
{
	int64_t until = support_now_ms() + SUPPORT_SOON_MS;
	regex_t regex = compile(pattern);
	int notify = watch_log(), now;

	while ((now = count_lines(&regex)) < count)
		wait_for_more(notify, pattern, until);
	ck_assert_msg(now == count, "logged %d times, instead of %d: %s", now, count, pattern);
	regfree(&regex);
	close(notify);
}

void
support_log_skip(void)
{
	struct stat st;

	ck_assert_int_eq(stat(support_path("broker.log"), &st), 0);
	position = st.st_size;
}

int64_t
support_number(const char *line, const char *key)
{
	const char *at = strstr(line, key);

	return at == NULL ? -1 : strtoll(at + strlen(key), NULL, 10);
}
