/*
 * hotplug_rig.h - what the tests of broker/hotplug.c stand on: a machine (mock_udev.h), somebody
 * who watches it, and what can go wrong there. The program runs itself once more under umockdev's
 * preload.
 */
#ifndef COMLEASE_TESTS_HOTPLUG_RIG_H
#define COMLEASE_TESTS_HOTPLUG_RIG_H

#include "../broker/hotplug.h"
#include "mock_udev.h"

#include <check.h>
#include <stdbool.h>

extern struct hotplug_rig {
	struct hotplug *hotplug;
	char error[CONFIG_ERROR_MAX];
	bool udevd_runs;
	bool events_are_lost; /* the next time that somebody looks for one */
	bool has_no_netlink;
} hotplug_rig;

/* The fixture. */
void hotplug_rig_begin(void);
void hotplug_rig_end(void);

/* The main of a suite. */
int hotplug_rig_run(char **argv, Suite *(*make)(void));

/* hotplug_open() into hotplug_rig.hotplug. */
void hotplug_rig_watch(void);

bool hotplug_rig_is_readable(void);

/* There are events, and hotplug_receive() says so of them. */
void hotplug_rig_expect_change(bool changed);

/* The only device that there is. */
const struct hotplug_device *hotplug_rig_sole(void);
void hotplug_rig_expect_nothing(void);

/* This process's descriptors. */
int hotplug_rig_count_fds(void);

#endif
