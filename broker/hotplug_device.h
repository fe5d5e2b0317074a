/*
 * hotplug_device.h - one tty as libudev has it -> struct hotplug_device.
 */
#ifndef COMLEASE_HOTPLUG_DEVICE_H
#define COMLEASE_HOTPLUG_DEVICE_H

#include "hotplug.h"

struct udev_device;

/* False: it is no serial device (a virtual terminal has no hardware behind it), or not to be
 * addressed. Every byte of *device is set, so that two can be compared with memcmp(). */
bool hotplug_device_read(struct udev_device *, struct hotplug_device *device);

#endif
