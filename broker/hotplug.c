/*
 * hotplug.c - which ttys there are, by udev, and that they change. It refuses to know ports and
 * configuration (hotplug_plan.c), and what a device's properties mean (hotplug_device.c).
 *
 * Two monitors. What appears counts when udevd has processed it: before that its permissions and
 * properties are not there. What goes, counts when the kernel says so: udevd's word may come after
 * the next device has got the same node, and that one must not be taken for the old one.
 *
 * The tricky idea: hence an "add" may be read when the kernel has removed that device already. The
 * events are numbered: what udevd says about a node that the kernel has removed later than that is
 * old. And a queue that ran over is emptied first and the devices read anew then: so no old removal
 * is found in it that takes away what has just been read.
 */
#include "hotplug.h"
#include "hotplug_device.h"

#include <errno.h>
#include <libudev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define UDEVD        "/run/udev/control"
#define BUFFER_BYTES (1 << 20)
#define EVENTS_MAX   1000 /* at a time: whoever waits for us must not starve in a storm */

/* The kernel has removed what was there. */
struct removal {
	char node[64];
	unsigned long long seqnum;
};

struct hotplug {
	struct udev *udev;
	struct udev_monitor *kernel, *processed;
	int epoll; /* of both */
	struct hotplug_device *devices;
	size_t count, room;
	struct removal *removals; /* of nodes that udevd has not said the same of yet */
	size_t removal_count;
	bool is_stale; /* something could not be read: to be read anew */
};

/* ---- the devices, sorted ---- */

static int
compare(const void *a, const void *b)
{
	return strcmp(((const struct hotplug_device *)a)->node,
		      ((const struct hotplug_device *)b)->node);
}

static struct hotplug_device *
find(const struct hotplug *h, const char *node)
{
	for (size_t i = 0; i < h->count; i++)
		if (strcmp(h->devices[i].node, node) == 0)
			return &h->devices[i];
	return NULL;
}

static int
append(struct hotplug *h, const struct hotplug_device *device)
{
	size_t room = h->room == 0 ? 16 : 2 * h->room;
	struct hotplug_device *more;

	if (h->count == h->room) {
		more = reallocarray(h->devices, room, sizeof(*more));
		if (more == NULL)
			return -ENOMEM;
		h->devices = more;
		h->room = room;
	}
	memcpy(&h->devices[h->count++], device, sizeof(*device));
	return 0;
}

static bool
put(struct hotplug *h, const struct hotplug_device *device)
{
	struct hotplug_device *old = find(h, device->node);

	if (old != NULL && memcmp(old, device, sizeof(*old)) == 0)
		return false;
	if (old == NULL && append(h, device) < 0) {
		h->is_stale = true;
		return false;
	}
	if (old != NULL)
		memcpy(old, device, sizeof(*old));
	qsort(h->devices, h->count, sizeof(*h->devices), compare);
	return true;
}

static bool
drop(struct hotplug *h, const char *node)
{
	struct hotplug_device *old = find(h, node);

	if (old == NULL)
		return false;
	h->count--;
	memmove(old, old + 1, (size_t)(h->devices + h->count - old) * sizeof(*old));
	return true;
}

/* ---- removals ---- */

static struct removal *
find_removal(const struct hotplug *h, const char *node)
{
	for (size_t i = 0; i < h->removal_count; i++)
		if (strcmp(h->removals[i].node, node) == 0)
			return &h->removals[i];
	return NULL;
}

/* Short of memory the node may be taken for the old device until udevd has caught up. */
static void
remember(struct hotplug *h, const char *node, unsigned long long seqnum)
{
	struct removal *r = find_removal(h, node), *more;

	if (r == NULL && strlen(node) < sizeof(r->node)) {
		more = reallocarray(h->removals, h->removal_count + 1, sizeof(*more));
		if (more == NULL)
			return;
		h->removals = more;
		r = &more[h->removal_count++];
		strcpy(r->node, node);
	}
	if (r != NULL)
		r->seqnum = seqnum;
}

/* Is what udevd says older than that removal? If not, that is done with. */
static bool
is_old(struct hotplug *h, const char *node, unsigned long long seqnum)
{
	struct removal *r = find_removal(h, node);

	if (r == NULL)
		return false;
	if (seqnum < r->seqnum)
		return true;
	*r = h->removals[--h->removal_count];
	return false;
}

/* ---- reading all of them ---- */

static bool
udevd_runs(void)
{
	return access(UDEVD, F_OK) == 0;
}

static int
read_listed(struct hotplug *h, struct udev_enumerate *list)
{
	struct udev_list_entry *entry;
	struct hotplug_device device;
	int error = 0;

	udev_list_entry_foreach(entry, udev_enumerate_get_list_entry(list))
	{
		struct udev_device *tty =
		    udev_device_new_from_syspath(h->udev, udev_list_entry_get_name(entry));

		/* of a node that udevd has to do twice yet it knows the old device */
		if (tty != NULL && error == 0 && hotplug_device_read(tty, &device) &&
		    find_removal(h, device.node) == NULL)
			error = append(h, &device);
		udev_device_unref(tty); /* NULL: it has just gone */
	}
	if (h->count > 0)
		qsort(h->devices, h->count, sizeof(*h->devices), compare);
	return error;
}

static int
enumerate(struct hotplug *h)
{
	struct udev_enumerate *list = udev_enumerate_new(h->udev);
	int error;

	if (list == NULL)
		return -ENOMEM;
	error = udev_enumerate_add_match_subsystem(list, "tty");
	/* one that udevd has not processed yet will be told of */
	if (error >= 0 && udevd_runs())
		error = udev_enumerate_add_match_is_initialized(list);
	if (error >= 0)
		error = udev_enumerate_scan_devices(list);
	if (error >= 0)
		error = read_listed(h, list);
	udev_enumerate_unref(list);
	return error;
}

/* True: they are not what they were. */
static bool
read_all(struct hotplug *h)
{
	struct hotplug_device *old = h->devices;
	size_t count = h->count, room = h->room;
	bool changed;

	h->devices = NULL;
	h->count = h->room = 0;
	h->is_stale = enumerate(h) < 0;
	if (h->is_stale) { /* what was known is better than a part */
		free(h->devices);
		h->devices = old;
		h->count = count;
		h->room = room;
		return false;
	}
	changed =
	    count != h->count || (count > 0 && memcmp(old, h->devices, count * sizeof(*old)) != 0);
	free(old);
	return changed;
}

/* ---- events ---- */

static bool
take_kernel(struct hotplug *h, struct udev_device *tty)
{
	const char *node = udev_device_get_devnode(tty), *action = udev_device_get_action(tty);
	struct hotplug_device device;

	if (node == NULL || action == NULL)
		return false;
	if (strcmp(action, "remove") == 0) {
		if (udevd_runs())
			remember(h, node, udev_device_get_seqnum(tty));
		return drop(h, node);
	}
	return !udevd_runs() && hotplug_device_read(tty, &device) && put(h, &device);
}

static bool
take_processed(struct hotplug *h, struct udev_device *tty)
{
	const char *node = udev_device_get_devnode(tty), *action = udev_device_get_action(tty);
	struct hotplug_device device;

	if (node == NULL || action == NULL || is_old(h, node, udev_device_get_seqnum(tty)))
		return false;
	if (strcmp(action, "remove") == 0 || !hotplug_device_read(tty, &device))
		return drop(h, node);
	return put(h, &device);
}

/* What is there; without `take`, all of it, thrown away. -ENOBUFS: events have been lost. */
static int
drain(struct hotplug *h, struct udev_monitor *monitor,
      bool (*take)(struct hotplug *, struct udev_device *), bool *changed)
{
	struct udev_device *tty;
	int error = 0, i;

	for (i = 0; take == NULL || i < EVENTS_MAX; i++) {
		errno = 0;
		tty = udev_monitor_receive_device(monitor);
		if (tty == NULL && errno == ENOBUFS) {
			error = -ENOBUFS;
			take = NULL;
		} else if (tty == NULL && errno != EINTR) {
			return error;
		}
		if (tty != NULL && take != NULL && take(h, tty))
			*changed = true;
		udev_device_unref(tty);
	}
	return error;
}

bool
hotplug_receive(struct hotplug *h)
{
	bool changed = false;
	int kernel = drain(h, h->kernel, take_kernel, &changed),
	    processed = drain(h, h->processed, kernel == 0 ? take_processed : NULL, &changed);

	while (kernel == -ENOBUFS || processed == -ENOBUFS) {
		h->is_stale = true;
		h->removal_count = 0; /* what would end them may be lost */
		kernel = drain(h, h->kernel, NULL, &changed);
		processed = drain(h, h->processed, NULL, &changed);
	}
	if (h->is_stale && read_all(h))
		changed = true;
	return changed;
}

bool
hotplug_refresh(struct hotplug *h)
{
	bool changed = hotplug_receive(h);

	return read_all(h) || changed;
}

/* ---- the whole ---- */

static struct udev_monitor *
open_monitor(struct hotplug *h, const char *source)
{
	struct udev_monitor *monitor = udev_monitor_new_from_netlink(h->udev, source);
	struct epoll_event event = { .events = EPOLLIN };

	if (monitor == NULL)
		return NULL;
	/* one that can't be made larger is as large as it is */
	udev_monitor_set_receive_buffer_size(monitor, BUFFER_BYTES);
	if (udev_monitor_filter_add_match_subsystem_devtype(monitor, "tty", NULL) < 0 ||
	    udev_monitor_enable_receiving(monitor) < 0 ||
	    epoll_ctl(h->epoll, EPOLL_CTL_ADD, udev_monitor_get_fd(monitor), &event) < 0) {
		udev_monitor_unref(monitor);
		return NULL;
	}
	return monitor;
}

static int
open_all(struct hotplug *h)
{
	h->epoll = epoll_create1(EPOLL_CLOEXEC);
	h->udev = h->epoll < 0 ? NULL : udev_new();
	if (h->udev == NULL)
		return errno > 0 ? -errno : -ENOMEM;
	h->kernel = open_monitor(h, "kernel");
	h->processed = h->kernel == NULL ? NULL : open_monitor(h, "udev");
	return h->processed == NULL ? (errno > 0 ? -errno : -EIO) : 0;
}

int
hotplug_open(struct hotplug **hotplug, char error[CONFIG_ERROR_MAX])
{
	struct hotplug *h = calloc(1, sizeof(*h));
	int result = -ENOMEM;

	error[0] = '\0';
	if (h != NULL) {
		h->epoll = -1;
		result = open_all(h);
	}
	if (result < 0) {
		snprintf(error, CONFIG_ERROR_MAX,
			 "udev can't be asked what is plugged in: %s; only ports with a \"device\" "
			 "work",
			 strerror(-result));
		hotplug_close(h);
		return result;
	}
	read_all(h);
	*hotplug = h;
	if (udevd_runs())
		return 0;
	snprintf(error, CONFIG_ERROR_MAX,
		 "udevd does not run (no " UDEVD "): devices are known by what the kernel says of "
		 "them alone, without usb-path, udev-tag and COMLEASE_IGNORE");
	return 1;
}

void
hotplug_close(struct hotplug *h)
{
	if (h == NULL)
		return;
	udev_monitor_unref(h->kernel);
	udev_monitor_unref(h->processed);
	udev_unref(h->udev);
	if (h->epoll >= 0)
		close(h->epoll);
	free(h->devices);
	free(h->removals);
	free(h);
}

int
hotplug_fd(const struct hotplug *h)
{
	return h->epoll;
}

const struct hotplug_device *
hotplug_devices(const struct hotplug *h, size_t *count)
{
	*count = h->count;
	return h->devices;
}
