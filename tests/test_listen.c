/*
 * test_listen.c - how comleased's socket appears. chmod() is played here: it looks at what is there
 * when the socket gets its permissions.
 */
#include "../broker/listen.h"

#include "support.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct config config;
static char socket_path[sizeof(((struct sockaddr_un *)NULL)->sun_path)], state_dir[200];
static int looks;

static bool
can_connect(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool can;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
	can = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
	close(fd);
	return can;
}

int
chmod(const char *path, mode_t mode)
{
	struct stat st;

	if (strcmp(path, socket_path) == 0) {
		ck_assert_int_eq(stat(path, &st), 0);
		ck_assert_uint_eq(st.st_mode & 0777, 0600);
		ck_assert(can_connect());
		looks++;
	}
	return fchmodat(AT_FDCWD, path, mode, 0);
}

static void
begin(void)
{
	support_begin();
	snprintf(socket_path, sizeof(socket_path), "%s", support_path("its.socket"));
	snprintf(state_dir, sizeof(state_dir), "%s", support_path("its.state"));
	config = (struct config){ .socket = socket_path, .state_dir = state_dir, .mode = 0662 };
}

/* Whoever waits for it is woken by the last event, and can connect by then; but not before he
 * may. */
START_TEST(socket_listens_before_others_may_connect)
{
	char error[CONFIG_ERROR_MAX];
	struct listen l;
	struct stat st;
	mode_t mask = umask(027);

	listen_init(&l);
	ck_assert_msg(listen_open(&l, &config, getegid(), -1, error) == 0, "%s", error);
	ck_assert_int_eq(looks, 1);
	ck_assert_uint_eq(umask(mask), 027);
	ck_assert_int_eq(stat(socket_path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0662);
	ck_assert_uint_eq(st.st_gid, getegid());
	ck_assert(can_connect());
	listen_close(&l);
	ck_assert_int_lt(access(socket_path, F_OK), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("listen");
	TCase *t = tcase_create("listen");

	tcase_add_checked_fixture(t, begin, support_end);
	tcase_add_test(t, socket_listens_before_others_may_connect);
	suite_add_tcase(suite, t);
	return support_run(suite);
}
