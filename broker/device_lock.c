/*
 * device_lock.c - what tells programs outside comlease that the device is in use, as far as it
 * hangs on our own description: TIOCEXCL and a flock. When they are set is the keeper's to decide.
 * Also what we read and write ourselves.
 */
#include "device.h"

#include <errno.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <unistd.h>

int
device_set_exclusive(const struct device *device, bool exclusive)
{
	return ioctl(device->fd, exclusive ? TIOCEXCL : TIOCNXCL) < 0 ? -errno : 0;
}

bool
device_is_exclusive(const struct device *device)
{
	int is_set = 0;

	return ioctl(device->fd, TIOCGEXCL, &is_set) == 0 && is_set != 0;
}

int
device_lock(const struct device *device)
{
	return flock(device->fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
}

void
device_unlock(const struct device *device)
{
	flock(device->fd, LOCK_UN);
}

ssize_t
device_read(const struct device *device, void *buffer, size_t size)
{
	ssize_t n = read(device->fd, buffer, size);

	return n < 0 ? -errno : n;
}

ssize_t
device_write(const struct device *device, const void *bytes, size_t size)
{
	ssize_t n = write(device->fd, bytes, size);

	return n < 0 ? -errno : n;
}
