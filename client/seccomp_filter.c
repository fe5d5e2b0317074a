/*
 * seccomp_filter.c - which system calls the supervisor hears of, on which architectures. It knows
 * their arguments by place, and not what becomes of them.
 *
 * The tricky idea: a filter sees numbers and no paths, so each open() of whatever file stops for
 * the supervisor; what can't lead to a port or remove a lock file is left out, and costs nothing.
 * TIOCSCTTY is a plain number and is caught alone among all ioctl()s. The opens of io_uring are no
 * system calls and can't be caught.
 */
#include "seccomp_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

static const struct seccomp_call calls[] = {
	{ "openat", SECCOMP_KIND_OPEN, 0, 1, -1, -1, 2 },
	{ "open", SECCOMP_KIND_OPEN, -1, 0, -1, -1, 1 },
	{ "openat2", SECCOMP_KIND_OPENAT2, 0, 1, -1, -1, 2 },
	{ "creat", SECCOMP_KIND_CREAT, -1, 0, -1, -1, -1 },
	{ "unlink", SECCOMP_KIND_REMOVE, -1, 0, -1, -1, -1 },
	{ "unlinkat", SECCOMP_KIND_REMOVE, 0, 1, -1, -1, -1 },
	{ "link", SECCOMP_KIND_LINK, -1, 0, -1, 1, -1 },
	{ "linkat", SECCOMP_KIND_LINK, 0, 1, 2, 3, -1 },
	{ "symlink", SECCOMP_KIND_SYMLINK, -1, 1, -1, -1, -1 },
	{ "symlinkat", SECCOMP_KIND_SYMLINK, 1, 2, -1, -1, -1 },
	{ "rename", SECCOMP_KIND_RENAME, -1, 0, -1, 1, -1 },
	{ "renameat", SECCOMP_KIND_RENAME, 0, 1, 2, 3, -1 },
	{ "renameat2", SECCOMP_KIND_RENAME, 0, 1, 2, 3, -1 },
	{ "chmod", SECCOMP_KIND_ADORN, -1, 0, -1, -1, -1 },
	{ "fchmodat", SECCOMP_KIND_ADORN, 0, 1, -1, -1, -1 },
	{ "chown", SECCOMP_KIND_ADORN, -1, 0, -1, -1, -1 },
	{ "chown32", SECCOMP_KIND_ADORN, -1, 0, -1, -1, -1 },
	{ "lchown", SECCOMP_KIND_ADORN, -1, 0, -1, -1, -1 },
	{ "lchown32", SECCOMP_KIND_ADORN, -1, 0, -1, -1, -1 },
	{ "fchownat", SECCOMP_KIND_ADORN, 0, 1, -1, -1, -1 },
	{ "ioctl", SECCOMP_KIND_TERMINAL, -1, -1, -1, -1, -1 },
};

#define CALLS     (sizeof calls / sizeof *calls)
#define ARCHS_MAX 3

/* By which number the kernel tells of it. */
static struct number {
	uint32_t arch;
	int number;
	const struct seccomp_call *call;
} numbers[CALLS * ARCHS_MAX];
static size_t number_count;

/* ---- architectures ---- */

/* This one, and those whose programs run on it as well. */
static size_t
architectures(uint32_t archs[ARCHS_MAX])
{
	size_t n = 0;

	archs[n++] = seccomp_arch_native();
	switch (archs[0]) {
	case SCMP_ARCH_X86_64:
		archs[n++] = SCMP_ARCH_X86;
		archs[n++] = SCMP_ARCH_X32;
		break;
	case SCMP_ARCH_AARCH64:
		archs[n++] = SCMP_ARCH_ARM;
		break;
	case SCMP_ARCH_S390X:
		archs[n++] = SCMP_ARCH_S390;
		break;
	}
	return n;
}

static void
add_numbers(uint32_t arch)
{
	for (size_t i = 0; i < CALLS; i++) {
		int number = seccomp_syscall_resolve_name_arch(arch, calls[i].name);

		if (number < 0)
			continue; /* there is no such call there */
		/* x32's calls are x86-64's with a bit more in their number */
		numbers[number_count++] =
		    (struct number){ arch == SCMP_ARCH_X32 ? SCMP_ARCH_X86_64 : arch, number,
				     &calls[i] };
	}
}

void
seccomp_filter_init(void)
{
	uint32_t archs[ARCHS_MAX];
	size_t count = architectures(archs);

	number_count = 0;
	for (size_t i = 0; i < count; i++)
		add_numbers(archs[i]);
}

const struct seccomp_call *
seccomp_filter_find(uint32_t arch, int number)
{
	for (size_t i = 0; i < number_count; i++)
		if (numbers[i].number == number && numbers[i].arch == arch)
			return numbers[i].call;
	return NULL;
}

/* ---- the filter ---- */

/* No port is opened so; whoever walks through folders pays nothing. */
#define NEVER_OURS (O_PATH | O_DIRECTORY)

static int
add_rule(scmp_filter_ctx filter, const struct seccomp_call *call)
{
	int number = seccomp_syscall_resolve_name(call->name);

	if (number == __NR_SCMP_ERROR)
		return 0;
	if (call->kind == SECCOMP_KIND_TERMINAL)
		return seccomp_rule_add(filter, SCMP_ACT_NOTIFY, number, 1,
					SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, TIOCSCTTY));
	if (call->kind == SECCOMP_KIND_OPEN)
		return seccomp_rule_add(
		    filter, SCMP_ACT_NOTIFY, number, 1,
		    SCMP_CMP((unsigned)call->flags, SCMP_CMP_MASKED_EQ, NEVER_OURS, 0));
	return seccomp_rule_add(filter, SCMP_ACT_NOTIFY, number, 0);
}

static int
build(scmp_filter_ctx filter)
{
	uint32_t archs[ARCHS_MAX];
	size_t count = architectures(archs);
	int r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ALLOW);

	for (size_t i = 1; i < count && r == 0; i++)
		r = seccomp_arch_add(filter, archs[i]);
	for (size_t i = 0; i < CALLS && r == 0; i++)
		r = add_rule(filter, &calls[i]);
	return r;
}

/* The program that libseccomp has made, loaded by hand: seccomp_load() tells of EBUSY as EFAULT. */
static int
load(const struct sock_filter *code, size_t size)
{
	struct sock_fprog program = { (unsigned short)(size / sizeof *code),
				      (struct sock_filter *)(uintptr_t)code };
	long r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
		    &program);
	return r < 0 ? -errno : (int)r;
}

/* It can only be written to a file. */
static int export(scmp_filter_ctx filter)
{
	static struct sock_filter code[BPF_MAXINSNS];
	int file = memfd_create("comlease-filter", MFD_CLOEXEC), r;
	ssize_t size;

	if (file < 0)
		return -errno;
	r = seccomp_export_bpf(filter, file);
	if (r == 0) {
		size = pread(file, code, sizeof code, 0);
		r = size < 0 ? -errno : load(code, (size_t)size);
	}
	close(file);
	return r;
}

int
seccomp_filter_load(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int r;

	if (!filter)
		return -ENOMEM;
	r = build(filter);
	if (r == 0)
		r = export(filter);
	seccomp_release(filter);
	return r;
}
