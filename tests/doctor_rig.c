/*
 * doctor_rig.c - a folder that looks like a machine, for trying the doctor's checks on it.
 */
#include "doctor_rig.h"
#include "../client/cli.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char root[64];
static struct doctor doctor;

/* In the command it is cli.c's. */
int
cli_fail(int status, const char *format, ...)
{
	ck_abort_msg("%s: not expected here", format);
	return status;
}

struct doctor *
doctor_rig_begin(void)
{
	snprintf(root, sizeof(root), "/tmp/comlease-doctor.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	doctor = (struct doctor){ .root = root,
				  .systemctl = "/nonexistent",
				  .subject = "subject",
				  .error = ENOENT,
				  .uid = 1000,
				  .user = "ann",
				  .groups = { 100, 1000 },
				  .group_count = 2 };
	doctor.socket = strdup("/run/comlease/comlease.sock");
	doctor.reason = strdup("");
	return &doctor;
}

void
doctor_rig_end(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", root);
	ck_assert_int_eq(system(command), 0);
	doctor_clear(&doctor);
}

void
doctor_rig_file(const char *path, const char *text)
{
	char full[512], *slash;
	int fd;

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (slash = strchr(full + strlen(root) + 1, '/'); slash != NULL;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		ck_assert(mkdir(full, 0755) == 0 || errno == EEXIST);
		*slash = '/';
	}
	if (full[strlen(full) - 1] == '/')
		return;
	fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

void
doctor_rig_mode(const char *path, mode_t mode)
{
	char full[512];

	snprintf(full, sizeof(full), "%s%s", root, path);
	ck_assert_int_eq(chmod(full, mode), 0);
}

/* ---- the broker ---- */

static json_t *
object_of(const char *members)
{
	char text[2048];
	json_error_t error;
	json_t *object;
	char *c;

	snprintf(text, sizeof(text), "{%s}", members);
	for (c = text; *c != '\0'; c++)
		if (*c == '\'')
			*c = '"';
	object = json_loads(text, 0, &error);
	ck_assert_msg(object != NULL, "%s: %s", text, error.text);
	return object;
}

void
doctor_rig_broker(const char *port, const char *other)
{
	json_t *ports = json_array();

	doctor.error = 0;
	json_decref(doctor.list);
	if (port != NULL)
		json_array_append_new(ports, object_of(port));
	if (other != NULL)
		json_array_append_new(ports, object_of(other));
	doctor.list = json_object();
	json_object_set_new(doctor.list, "ports", ports);
}

struct ports_device *
doctor_rig_device(const char *node, int port)
{
	struct ports *ports = &doctor.ports;
	struct ports_device *device;

	ports->devices = realloc(ports->devices, (ports->count + 1) * sizeof(struct ports_device));
	ck_assert_ptr_nonnull(ports->devices);
	device = &ports->devices[ports->count++];
	memset(device, 0, sizeof(*device));
	snprintf(device->node, sizeof(device->node), "%s", node);
	if (port >= 0)
		device->port = json_array_get(json_object_get(doctor.list, "ports"), (size_t)port);
	else
		snprintf(device->name, sizeof(device->name), "new");
	return device;
}

/* ---- findings ---- */

static void
forget(void)
{
	size_t i;

	for (i = 0; i < doctor.count; i++) {
		free(doctor.findings[i].says);
		free(doctor.findings[i].mend);
	}
	doctor.count = 0;
}

void
doctor_rig_run(doctor_check *check, size_t count)
{
	size_t i;

	forget();
	check(&doctor);
	for (i = count; i < doctor.count; i++)
		ck_abort_msg("one too many: %s", doctor.findings[i].says);
	ck_assert_uint_eq(doctor.count, count);
}

void
doctor_rig_finding(size_t at, enum doctor_mark mark, const char *says, const char *mend)
{
	const struct doctor_finding *f = &doctor.findings[at];

	ck_assert_str_eq(f->says, says);
	ck_assert_int_eq(f->mark, mark);
	if (mend == NULL)
		ck_assert_msg(f->mend == NULL, "it is mended by: %s", f->mend);
	else
		ck_assert_str_eq(f->mend, mend);
}

void
doctor_rig_expect(doctor_check *check, enum doctor_mark mark, const char *says, const char *mend)
{
	doctor_rig_run(check, 1);
	doctor_rig_finding(0, mark, says, mend);
}
