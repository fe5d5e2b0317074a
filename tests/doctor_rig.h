/*
 * doctor_rig.h - a folder that looks like a machine, for trying the doctor's checks on it.
 */
#ifndef DOCTOR_RIG_H
#define DOCTOR_RIG_H

#include "../client/doctor.h"

/* An ordinary user, ann, of the groups 100 and 1000; no broker, no ports, an empty root. */
struct doctor *doctor_rig_begin(void);
void doctor_rig_end(void);

/* Makes a file, its folders too, with that text; or a folder (path ends with '/'). */
void doctor_rig_file(const char *path, const char *text);
void doctor_rig_mode(const char *path, mode_t mode);

/* The broker answers, and has these ports: members of an object, in JSON: "'name':'modem0'", with '
 * for ". NULL: none. */
void doctor_rig_broker(const char *port, const char *other);

/* One more device, that is port number `port` of the broker's list; -1: none. */
struct ports_device *doctor_rig_device(const char *node, int port);

typedef void doctor_check(struct doctor *);

/* Runs the check: its only finding is that. mend NULL: none. */
void doctor_rig_expect(doctor_check *, enum doctor_mark, const char *says, const char *mend);

/* The same for one of several; count: of findings. */
void doctor_rig_run(doctor_check *, size_t count);
void doctor_rig_finding(size_t at, enum doctor_mark, const char *says, const char *mend);

#endif
