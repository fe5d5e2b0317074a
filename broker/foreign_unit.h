/*
 * foreign_unit.h - the systemd unit or the container that a process runs in, by its cgroup.
 */
#ifndef COMLEASE_FOREIGN_UNIT_H
#define COMLEASE_FOREIGN_UNIT_H

#include <stddef.h>
#include <sys/types.h>

/* From the text of /proc/PID/cgroup: "minicom.service", "docker-0123456789ab" (the first 12 digits,
 * as `docker ps` shows them), "lxc-NAME"; "" in a user's session, or if there is nothing to tell.
 * Escaped; cut to size. */
void foreign_unit(const char *cgroup, char *unit, size_t size);

#endif
