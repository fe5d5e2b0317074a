/*
 * shim_client.c - an ordinary program that opens things, for test_shim*.c to run under LD_PRELOAD.
 * It knows nothing of comlease. Its arguments are commands, done one after another, each with a
 * line of result on standard output:
 *
 *	shim_client open /dev/ttyS0 rw,nonblock fds
 *	open 3 O_RDWR|O_NONBLOCK
 *	fds 3
 *
 * Instead of a path: @null, @unmapped, and @edge, a text that ends with its page and has no end.
 */
#include "shim_client.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <wchar.h>

/* What fortified programs call. */
int __open_2(const char *, int);
int __open64_2(const char *, int);
int __openat_2(int, const char *, int);
int __openat64_2(int, const char *, int);

/* By their older names. */
int __open(const char *, int, ...);
int __open64(const char *, int, ...);

static int
parse_flags(const char *text)
{
	static const struct {
		const char *name;
		int flag;
	} names[] = { { "rw", O_RDWR },
		      { "r", O_RDONLY },
		      { "w", O_WRONLY },
		      { "nonblock", O_NONBLOCK },
		      { "cloexec", O_CLOEXEC },
		      { "append", O_APPEND },
		      { "noctty", O_NOCTTY },
		      { "creat", O_CREAT },
		      { "excl", O_EXCL },
		      { "path", O_PATH },
		      { "directory", O_DIRECTORY },
		      { "nofollow", O_NOFOLLOW },
		      { "tmpfile", O_TMPFILE },
		      { "trunc", O_TRUNC } };
	int flags = 0;

	while (*text) {
		size_t length = strcspn(text, ",");

		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (strlen(names[i].name) == length &&
			    !strncmp(text, names[i].name, length))
				flags |= names[i].flag;
		text += length + (text[length] == ',');
	}
	return flags;
}

const char *
client_path(const char *word)
{
	long page = sysconf(_SC_PAGESIZE);
	char *pages;

	if (!strcmp(word, "@null"))
		return NULL;
	if (!strcmp(word, "@unmapped"))
		return (const char *)16;
	if (strcmp(word, "@edge") != 0)
		return word;
	pages = mmap(NULL, (size_t)page * 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		     -1, 0);
	munmap(pages + page, (size_t)page);
	return memcpy(pages + page - 8, "LCK..abc", 8);
}

void
client_print_fd(const char *what, int fd)
{
	int error = errno, flags = fcntl(fd, F_GETFL), mode = flags & O_ACCMODE;

	if (fd < 0) {
		printf("%s -1 %s\n", what, strerrorname_np(error));
		return;
	}
	printf("%s %d %s%s%s%s%s\n", what, fd,
	       mode == O_RDWR     ? "O_RDWR"
	       : mode == O_RDONLY ? "O_RDONLY"
				  : "O_WRONLY",
	       (flags & O_NONBLOCK) ? "|O_NONBLOCK" : "", (flags & O_APPEND) ? "|O_APPEND" : "",
	       (fcntl(fd, F_GETFD) & FD_CLOEXEC) ? "|O_CLOEXEC" : "",
	       error ? " errno-changed" : "");
}

void
client_print(const char *what, int result)
{
	printf("%s %d %s\n", what, result, result < 0 ? strerrorname_np(errno) : "-");
}

static void
print_stream(const char *what, FILE *stream)
{
	if (!stream) {
		printf("%s NULL %s\n", what, strerrorname_np(errno));
		return;
	}
	client_print_fd(fwide(stream, 0) > 0 ? "wide" : what, fileno(stream));
}

static void
print_fds(void)
{
	DIR *folder = opendir("/proc/self/fd");
	int count = -3; /* ".", "..", and the folder itself */

	while (readdir(folder))
		count++;
	closedir(folder);
	printf("fds %d\n", count);
}

/* What a fortified, 64-bit or stdio call of that name gives; true if it is one. */
__attribute__((no_sanitize("undefined"))) static bool
do_open(const char *name, const char *path, const char *how)
{
	int flags = parse_flags(how), fd;

	path = client_path(path);
	errno = 0;
	if (!strcmp(name, "open"))
		fd = open(path, flags, 0600);
	else if (!strcmp(name, "open64"))
		fd = open64(path, flags, 0600);
	else if (!strcmp(name, "__open_2"))
		fd = __open_2(path, flags);
	else if (!strcmp(name, "__open64_2"))
		fd = __open64_2(path, flags);
	else if (!strcmp(name, "openat"))
		fd = openat(AT_FDCWD, path, flags, 0600);
	else if (!strcmp(name, "openat64"))
		fd = openat64(AT_FDCWD, path, flags, 0600);
	else if (!strcmp(name, "__openat_2"))
		fd = __openat_2(AT_FDCWD, path, flags);
	else if (!strcmp(name, "__openat64_2"))
		fd = __openat64_2(AT_FDCWD, path, flags);
	else if (!strcmp(name, "__open"))
		fd = __open(path, flags, 0600);
	else if (!strcmp(name, "__open64"))
		fd = __open64(path, flags, 0600);
	else if (!strcmp(name, "creat"))
		fd = creat(path, 0600);
	else if (!strcmp(name, "creat64"))
		fd = creat64(path, 0600);
	else
		return false;
	client_print_fd(name, fd);
	return true;
}

static bool
do_stream(const char *name, const char *path, const char *mode)
{
	path = client_path(path);
	errno = 0;
	if (!strcmp(name, "fopen"))
		print_stream(name, fopen(path, mode));
	else if (!strcmp(name, "fopen64"))
		print_stream(name, fopen64(path, mode));
	else if (!strcmp(name, "freopen"))
		print_stream(name, freopen(path, mode, stdin));
	else if (!strcmp(name, "freopen64"))
		print_stream(name, freopen64(path, mode, stdin));
	else
		return false;
	return true;
}

static void
open_below(const char *folder, const char *path)
{
	int dirfd = open(folder, O_DIRECTORY | O_RDONLY), fd;

	errno = 0;
	fd = openat(dirfd, path, O_RDWR | O_NOCTTY);
	client_print_fd("below", fd);
}

static void
open_at(const char *fd_text, const char *path, const char *how)
{
	int fd;

	errno = 0;
	fd = openat(atoi(fd_text), client_path(path), parse_flags(how), 0600);
	client_print_fd("open-below", fd);
}

static void
write_and_read(const char *fd_text)
{
	int fd = atoi(fd_text);
	char text[8] = "";

	if (write(fd, "1234", 4) != 4 || lseek(fd, 0, SEEK_SET) != 0 || read(fd, text, 4) != 4)
		printf("file -1 %s\n", strerrorname_np(errno));
	else
		printf("file %s\n", text);
}

/* ---- the commands ---- */

int
client_run(const struct client_command *commands, char **words, int left)
{
	for (; commands->name; commands++)
		if (!strcmp(commands->name, words[0]) && left > commands->arguments) {
			commands->run(words + 1);
			return commands->arguments + 1;
		}
	return 0;
}

/* How many words the command took; 0: there is none such. */
static int
command(char **words, int left)
{
	int taken = client_run(client_process_commands, words, left);

	if (taken == 0)
		taken = client_run(client_tty_commands, words, left);
	if (taken > 0)
		return taken;
	if (!strcmp(words[0], "fds"))
		return print_fds(), 1;
	if (left < 2)
		return 0;
	if (!strcmp(words[0], "close-fd"))
		return close(atoi(words[1])), 2;
	if (!strcmp(words[0], "file"))
		return write_and_read(words[1]), 2;
	if (client_name_one(words[0], words[1]))
		return 2;
	if (left < 3)
		return 0;
	if (!strcmp(words[0], "below"))
		return open_below(words[1], words[2]), 3;
	if (do_open(words[0], words[1], words[2]) || do_stream(words[0], words[1], words[2]) ||
	    client_name_two(words[0], words[1], words[2]))
		return 3;
	if (left > 3 && !strcmp(words[0], "open-below"))
		return open_at(words[1], words[2], words[3]), 4;
	return 0;
}

int
client_run_all(char **words)
{
	while (*words) {
		int left = 1, taken;

		while (words[left])
			left++;
		taken = command(words, left);
		if (taken == 0) {
			fprintf(stderr, "shim_client: %s?\n", *words);
			return 2;
		}
		words += taken;
	}
	return 0;
}

int
main(int argc, char **argv)
{
	(void)argc;
	setvbuf(stdout, NULL, _IONBF, 0);
	return client_run_all(argv + 1);
}
