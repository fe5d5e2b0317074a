/*
 * hotplug_rig.c - see hotplug_rig.h. What libudev and hotplug.c call is found in the test's program
 * first, before the C library and umockdev's preload: so access() says here whether udevd runs,
 * recv() that events were lost, and socket() that there is no netlink.
 */
#include "hotplug_rig.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct hotplug_rig hotplug_rig;

static char folder[64];

/* ---- what stands before the C library ---- */

int access(const char *, int);
ssize_t recv(int, void *, size_t, int);
int socket(int, int, int);

static void *
real(const char *name)
{
	void *function = dlsym(RTLD_NEXT, name);

	if (function == NULL)
		abort();
	return function;
}

int
access(const char *path, int mode)
{
	int (*next)(const char *, int);

	if (strcmp(path, "/run/udev/control") == 0) {
		errno = ENOENT;
		return hotplug_rig.udevd_runs ? 0 : -1;
	}
	*(void **)&next = real("access");
	return next(path, mode);
}

ssize_t
recv(int fd, void *buffer, size_t size, int flags)
{
	ssize_t (*next)(int, void *, size_t, int);

	if (hotplug_rig.events_are_lost) {
		hotplug_rig.events_are_lost = false;
		errno = ENOBUFS;
		return -1;
	}
	*(void **)&next = real("recv");
	return next(fd, buffer, size, flags);
}

int
socket(int domain, int type, int protocol)
{
	int (*next)(int, int, int);

	if (hotplug_rig.has_no_netlink && domain == AF_NETLINK) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	*(void **)&next = real("socket");
	return next(domain, type, protocol);
}

/* ---- the rig ---- */

void
hotplug_rig_begin(void)
{
	strcpy(folder, "/tmp/comlease.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	memset(&hotplug_rig, 0, sizeof(hotplug_rig));
	mock_udev_begin(folder, "tty0 ttyS0");
	mock_udev_environment(NULL);
}

void
hotplug_rig_end(void)
{
	char command[128];

	hotplug_close(hotplug_rig.hotplug);
	hotplug_rig.hotplug = NULL;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	ck_assert_int_eq(system(command), 0);
}

void
hotplug_rig_watch(void)
{
	ck_assert_int_eq(hotplug_open(&hotplug_rig.hotplug, hotplug_rig.error),
			 hotplug_rig.udevd_runs ? 0 : 1);
}

bool
hotplug_rig_is_readable(void)
{
	struct pollfd fd = { .fd = hotplug_fd(hotplug_rig.hotplug), .events = POLLIN };

	return poll(&fd, 1, 0) == 1;
}

void
hotplug_rig_expect_change(bool changed)
{
	ck_assert(hotplug_rig_is_readable());
	ck_assert_int_eq(hotplug_receive(hotplug_rig.hotplug), changed);
	ck_assert(!hotplug_rig_is_readable());
}

const struct hotplug_device *
hotplug_rig_sole(void)
{
	size_t count;
	const struct hotplug_device *devices = hotplug_devices(hotplug_rig.hotplug, &count);

	ck_assert_uint_eq(count, 1);
	return devices;
}

void
hotplug_rig_expect_nothing(void)
{
	size_t count;

	hotplug_devices(hotplug_rig.hotplug, &count);
	ck_assert_uint_eq(count, 0);
}

int
hotplug_rig_count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	ck_assert_ptr_nonnull(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

int
hotplug_rig_run(char **argv, Suite *(*make)(void))
{
	SRunner *sr;
	int failed;

	if (getenv("UMOCKDEV_DIR") == NULL) {
		mock_udev_environment(NULL);
		execv("/proc/self/exe", argv);
		perror("execv");
		return EXIT_FAILURE;
	}
	sr = srunner_create(make());
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
