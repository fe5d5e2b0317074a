/*
 * seccomp_elf.c - can the shim be loaded into a program? Its file says so: the shim comes in by the
 * C library's loader, so a program that names no loader, or another one, or is made for another
 * machine, is out of its reach. It runs nothing and asks nobody else.
 *
 * What can't be read or is no program at all gets no answer here: exec has the last word.
 */
#include "seccomp.h"
#include "command_find.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SCRIPTS_MAX  5 /* that the kernel follows */
#define LINE_MAX_    256
#define SEGMENTS_MAX 128

/* Our own. */
#define OUR_CLASS (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32)

/* What is needed of a header of either class. */
struct header {
	bool is_32;
	unsigned machine, type, segments, segment_size;
	off_t first;
};

static bool
read_at(int fd, off_t at, void *to, size_t size)
{
	return pread(fd, to, size, at) == (ssize_t)size;
}

static bool
read_header(int fd, struct header *h)
{
	unsigned char ident[EI_NIDENT];
	Elf64_Ehdr h64;
	Elf32_Ehdr h32;

	if (!read_at(fd, 0, ident, sizeof ident) || memcmp(ident, ELFMAG, SELFMAG) != 0)
		return false;
	if (ident[EI_CLASS] == ELFCLASS64 && read_at(fd, 0, &h64, sizeof h64))
		*h = (struct header){ false,       h64.e_machine,   h64.e_type,
				      h64.e_phnum, h64.e_phentsize, (off_t)h64.e_phoff };
	else if (ident[EI_CLASS] == ELFCLASS32 && read_at(fd, 0, &h32, sizeof h32))
		*h = (struct header){ true,        h32.e_machine,   h32.e_type,
				      h32.e_phnum, h32.e_phentsize, (off_t)h32.e_phoff };
	else
		return false;
	return (h->type == ET_EXEC || h->type == ET_DYN) && h->segments > 0;
}

/* Segment i: its type, and where its bytes are. */
static bool
read_segment(int fd, const struct header *h, unsigned i, unsigned *type, off_t *at)
{
	off_t here = h->first + (off_t)i * h->segment_size;
	Elf64_Phdr p64;
	Elf32_Phdr p32;

	if (h->is_32) {
		if (h->segment_size < sizeof p32 || !read_at(fd, here, &p32, sizeof p32))
			return false;
		*type = p32.p_type;
		*at = (off_t)p32.p_offset;
		return true;
	}
	if (h->segment_size < sizeof p64 || !read_at(fd, here, &p64, sizeof p64))
		return false;
	*type = p64.p_type;
	*at = (off_t)p64.p_offset;
	return true;
}

/* 1: it has one, whose path is in `loader`; 0: none; -1: that is no whole program. */
static int
find_loader(int fd, const struct header *h, char loader[PATH_MAX])
{
	unsigned type;
	ssize_t n;
	off_t at;

	for (unsigned i = 0; i < h->segments && i < SEGMENTS_MAX; i++) {
		if (!read_segment(fd, h, i, &type, &at))
			return -1;
		if (type != PT_INTERP)
			continue;
		n = pread(fd, loader, PATH_MAX - 1, at);
		loader[n > 0 ? n : 0] = '\0';
		return n > 0 ? 1 : -1;
	}
	return 0;
}

/* ld-linux-x86-64.so.2, ld-linux.so.2, ld64.so.1, ld.so.1: the GNU C library's. */
static bool
is_gnu_loader(const char *loader)
{
	const char *slash = strrchr(loader, '/'), *name = slash ? slash + 1 : loader;

	return strncmp(name, "ld-linux", 8) == 0 || strncmp(name, "ld64.so", 7) == 0 ||
	       strncmp(name, "ld.so", 5) == 0;
}

static unsigned
our_machine(void)
{
	struct header h = { .machine = EM_NONE };
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		read_header(fd, &h);
		close(fd);
	}
	return h.machine;
}

static const char *
reason_of(int fd, const struct header *h, bool has_shim32)
{
	char loader[PATH_MAX];
	int has_loader = find_loader(fd, h, loader);

	if (has_loader < 0)
		return NULL;
	if (has_loader == 0)
		return "is linked statically";
	if (h->is_32 != (OUR_CLASS == ELFCLASS32))
		return has_shim32 ? NULL : "is a 32-bit program";
	if (h->machine != our_machine())
		return "is made for another machine";
	return is_gnu_loader(loader) ? NULL : "uses another C library";
}

/* "env X", "env -S NAME=value X -e": X, as env looks for it. */
static bool
find_for_env(char *words, char interpreter[PATH_MAX])
{
	char *word, *rest = words;

	while ((word = strsep(&rest, " \t"))) {
		if (strncmp(word, "-S", 2) == 0)
			word += 2;
		if (*word && *word != '-' && !strchr(word, '='))
			return command_find(word, interpreter) == 0;
	}
	return false;
}

static bool
is_env(const char *interpreter)
{
	const char *slash = strrchr(interpreter, '/');

	return strcmp(slash ? slash + 1 : interpreter, "env") == 0;
}

/* "#! /bin/busybox sh": the interpreter. */
static bool
read_script(int fd, char interpreter[PATH_MAX])
{
	char line[LINE_MAX_ + 1];
	ssize_t n = pread(fd, line, LINE_MAX_, 0);
	size_t begin, length;

	line[n > 0 ? n : 0] = '\0';
	if (strncmp(line, "#!", 2) != 0)
		return false;
	line[strcspn(line, "\r\n")] = '\0';
	begin = 2 + strspn(line + 2, " \t");
	length = strcspn(line + begin, " \t");
	snprintf(interpreter, PATH_MAX, "%.*s", (int)length, line + begin);
	if (is_env(interpreter))
		return find_for_env(line + begin + length, interpreter);
	return length > 0;
}

const char *
seccomp_elf_reason(const char *path, bool has_shim32)
{
	char file[PATH_MAX];
	const char *reason = NULL;
	bool is_script = true;
	struct header h;

	snprintf(file, sizeof file, "%s", path);
	for (int i = 0; i <= SCRIPTS_MAX && is_script; i++) {
		int fd = open(file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

		if (fd < 0)
			return NULL;
		is_script = read_script(fd, file);
		if (!is_script && read_header(fd, &h))
			reason = reason_of(fd, &h, has_shim32);
		close(fd);
	}
	return reason;
}
