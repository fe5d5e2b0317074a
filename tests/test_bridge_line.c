/*
 * test_bridge_line.c - line settings from a pty to a port: the pure half. No terminal.
 */
#include "../client/bridge_line.c" /* it is part of the command, which is no library */

#include <check.h>
#include <stdlib.h>

static struct termios2
raw(tcflag_t cflag)
{
	return (struct termios2){
		.c_cflag = cflag | CREAD, .c_ispeed = 9600, .c_ospeed = 9600, .c_cc = { [VMIN] = 1 }
	};
}

START_TEST(frame_is_parsed)
{
	static const struct {
		const char *text;
		tcflag_t cflag;
	} frames[] = { { "8N1", CS8 },
		       { "7E1", CS7 | PARENB },
		       { "7o2", CS7 | PARENB | PARODD | CSTOPB },
		       { "5M1", CS5 | PARENB | PARODD | CMSPAR },
		       { "6s2", CS6 | PARENB | CMSPAR | CSTOPB } };

	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		struct bridge_frame frame = { 0 };
		ck_assert_int_eq(bridge_frame_parse(frames[i].text, &frame), 0);
		ck_assert(frame.is_given);
		ck_assert_uint_eq(frame.cflag, frames[i].cflag);
	}
}
END_TEST

START_TEST(what_is_no_frame_is_refused)
{
	static const char *const frames[] = { "",    "8",   "8N",   "8N3",  "9N1", "4N1",
					      "8X1", "8N0", "8N1 ", " 8N1", "N81", "8\xc3\xa9" };

	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		struct bridge_frame frame = { 0 };
		ck_assert_int_eq(bridge_frame_parse(frames[i], &frame), -1);
		ck_assert(!frame.is_given);
	}
}
END_TEST

START_TEST(any_speed_goes_over)
{
	struct termios2 from = raw(CS8 | BOTHER | (tcflag_t)BOTHER << IBSHIFT);
	struct termios2 to = raw(CS8 | B9600);
	struct bridge_line line;

	from.c_ispeed = 12345;
	from.c_ospeed = 67890;
	bridge_line_from(&from, &line);
	bridge_line_into(&line, NULL, &to);
	ck_assert_uint_eq(to.c_ispeed, 12345);
	ck_assert_uint_eq(to.c_ospeed, 67890);
	ck_assert_uint_eq(to.c_cflag & SPEED, BOTHER | (tcflag_t)BOTHER << IBSHIFT);
}
END_TEST

START_TEST(size_and_parity_are_the_ports_own)
{
	struct termios2 from = raw(CS8 | B1200 | CSTOPB | CRTSCTS | CLOCAL);
	struct termios2 to = raw(CS7 | PARENB | PARODD | B9600);
	struct bridge_line line;

	from.c_cflag |= PARODD; /* which a pty does keep, without the PARENB that it needs */
	bridge_line_from(&from, &line);
	bridge_line_into(&line, NULL, &to);
	ck_assert_uint_eq(to.c_cflag,
			  CS7 | PARENB | PARODD | B1200 | CSTOPB | CRTSCTS | CLOCAL | CREAD);
}
END_TEST

START_TEST(frame_that_is_named_is_set_as_a_whole)
{
	struct termios2 from = raw(CS8 | B1200 | CSTOPB), to = raw(CS8 | PARENB | PARODD | B9600);
	struct bridge_frame frame = { 0 };
	struct bridge_line line;

	bridge_frame_parse("7E1", &frame);
	bridge_line_from(&from, &line);
	bridge_line_into(&line, &frame, &to);
	ck_assert_uint_eq(to.c_cflag, CS7 | PARENB | B1200 | CREAD);
}
END_TEST

START_TEST(the_device_stays_raw_and_keeps_hupcl)
{
	struct termios2 from = raw(CS8 | B1200 | HUPCL), to = raw(CS8 | B9600);
	struct bridge_line line;

	from.c_iflag = IXON | IXOFF | IGNBRK | ICRNL | ISTRIP | PARMRK | BRKINT;
	from.c_oflag = OPOST | ONLCR;
	from.c_lflag = ECHO | ICANON | ISIG;
	from.c_cc[VMIN] = 0;
	from.c_cc[VTIME] = 5;
	from.c_cc[VSTOP] = 'p';
	bridge_line_from(&from, &line);
	bridge_line_into(&line, NULL, &to);
	ck_assert_uint_eq(to.c_iflag, IXON | IXOFF | IGNBRK);
	ck_assert_uint_eq(to.c_oflag | to.c_lflag, 0);
	ck_assert_uint_eq(to.c_cflag & HUPCL, 0);
	ck_assert_uint_eq(to.c_cc[VMIN], 1);
	ck_assert_uint_eq(to.c_cc[VTIME], 0);
	ck_assert_uint_eq(to.c_cc[VSTOP], 'p');
}
END_TEST

START_TEST(what_goes_over_and_nothing_else_makes_a_difference)
{
	struct termios2 a = raw(CS8 | B1200), b = raw(CS7 | PARENB | B1200 | HUPCL);
	struct bridge_line x, y;

	b.c_oflag = OPOST;
	b.c_lflag = ECHO;
	bridge_line_from(&a, &x);
	bridge_line_from(&b, &y);
	ck_assert(bridge_line_equals(&x, &y));
	b.c_cflag |= CRTSCTS;
	bridge_line_from(&b, &y);
	ck_assert(!bridge_line_equals(&x, &y));
	a.c_ospeed = 0;
	bridge_line_from(&a, &y);
	ck_assert(!bridge_line_equals(&x, &y));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("bridge_line");
	TCase *tc = tcase_create("line");
	SRunner *runner = srunner_create(s);

	suite_add_tcase(s, tc);
	tcase_add_test(tc, frame_is_parsed);
	tcase_add_test(tc, what_is_no_frame_is_refused);
	tcase_add_test(tc, any_speed_goes_over);
	tcase_add_test(tc, size_and_parity_are_the_ports_own);
	tcase_add_test(tc, frame_that_is_named_is_set_as_a_whole);
	tcase_add_test(tc, the_device_stays_raw_and_keeps_hupcl);
	tcase_add_test(tc, what_goes_over_and_nothing_else_makes_a_difference);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
