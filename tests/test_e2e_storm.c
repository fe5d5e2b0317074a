/*
 * test_e2e_storm.c - processes that open and close the device without comlease at the very moment
 * at which leases change hands: every lease is granted in the end, nobody waits for ever, the port
 * is FREE when all have gone, and no byte of a holder goes where it should not.
 */
#include "support.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define LEASES    50
#define OUTSIDERS 2
#define AT_ONCE   5
#define STORM     30 /* some 100 ms */

static int master;

static void
begin_always(void)
{
	support_begin();
	master = support_plug("modem0");
	support_start(SUPPORT_PORT("modem0"));
}

static void
begin_leased(void)
{
	support_begin();
	master = support_plug("modem0");
	support_start(SUPPORT_OPEN_PORT);
}

/* Opens and closes, as stty and ModemManager do: a storm for each byte that it hears, until
 * end-of-file. Then it is quiet: on a slow machine no look would ever fall between two opens. */
static void
open_and_close(struct support_child *test, void *arg)
{
	char byte;
	int fd, i;

	(void)arg;
	support_say(test, 'o');
	while (read(test->hear, &byte, 1) == 1) {
		for (i = 0; i < STORM; i++) { /* at times that are no multiples */
			fd = open(support_path("modem0"),
				  O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
			poll(NULL, 0, i % 5 == 0 ? 3 : 0);
			if (fd >= 0)
				close(fd);
			poll(NULL, 0, i % 7);
		}
	}
}

static void
storm(const struct support_child *outsiders)
{
	int i;

	for (i = 0; i < OUTSIDERS; i++)
		support_say(&outsiders[i], 's');
}

/* What this holder writes is what the line says. */
static void
use(int fd, int number)
{
	char text[8] = "lease00", back[8] = "";

	text[5] = (char)('0' + number / 10);
	text[6] = (char)('0' + number % 10);
	support_write(fd, text, 7);
	ck_assert_uint_eq(support_read(master, back, 7), 7);
	ck_assert_str_eq(back, text);
	support_write(master, "ok", 2);
	memset(back, 0, sizeof(back));
	ck_assert_uint_eq(support_read(fd, back, 2), 2);
	ck_assert_str_eq(back, "ok");
}

START_TEST(leases_change_hands_while_outsiders_open_and_close)
{
	struct support_child outsiders[OUTSIDERS];
	struct support_client waiters[AT_ONCE];
	uint64_t last = 0, token;
	int i, j, fd;

	for (i = 0; i < OUTSIDERS; i++) {
		support_fork(&outsiders[i], open_and_close, NULL, -1);
		support_hear(&outsiders[i]);
	}
	for (i = 0; i < LEASES; i += AT_ONCE) {
		storm(outsiders);
		fd = support_acquire("modem0", &token);
		ck_assert_uint_gt(token, last);
		last = token;
		for (j = 0; j < AT_ONCE; j++)
			support_queue(&waiters[j], "modem0", NULL);
		for (j = 0; j < AT_ONCE; j++) {
			use(fd, i + j);
			storm(outsiders);
			close(fd);
			fd = support_granted(&waiters[j], &token);
			ck_assert_uint_gt(token, last);
			last = token;
			support_close(&waiters[j]);
		}
		close(fd);
	}
	for (i = 0; i < OUTSIDERS; i++)
		support_finish(&outsiders[i]);
	support_wait_port("modem0", "free", 0);
	support_log_expect("ended (broker|keeper|inspector)", 0);
}
END_TEST

static void
add_test(Suite *s, const char *name, void (*setup)(void))
{
	TCase *tc = tcase_create(name);

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, support_end);
	tcase_add_test(tc, leases_change_hands_while_outsiders_open_and_close);
	suite_add_tcase(s, tc);
}

int
main(void)
{
	Suite *s = suite_create("e2e_storm");

	add_test(s, "always", begin_always);
	add_test(s, "leased", begin_leased);
	return support_run(s);
}
