/*
 * test_transcript.c - what passes over a line as text: which bytes make a line, and how they are
 * written.
 */
#include "support.h"

#include "../client/transcript.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NOON_US ((int64_t)1700049600 * 1000000) /* 2023-11-15 12:00:00 UTC */

static struct transcript transcript;
static char lines[65536];
static size_t lines_len;

static void
keep(void *context, const char *line, size_t len)
{
	ck_assert_ptr_eq(context, lines);
	ck_assert_uint_le(len, TRANSCRIPT_LINE_MAX);
	ck_assert_int_eq(line[len - 1], '\n');
	ck_assert_ptr_eq(memchr(line, '\n', len), line + len - 1);
	ck_assert_uint_lt(lines_len + len, sizeof(lines));
	memcpy(lines + lines_len, line, len);
	lines_len += len;
	lines[lines_len] = '\0';
}

static void
begin(void)
{
	setenv("TZ", "UTC", 1);
	tzset();
	lines_len = 0;
	lines[0] = '\0';
	transcript_init(&transcript, false, keep, lines);
}

static void
end(void)
{
}

static void
data_at(int ms, enum bridge_direction direction, const char *bytes)
{
	transcript_data(&transcript, NOON_US + (int64_t)ms * 1000, direction, bytes, strlen(bytes));
}

static void
expect_lines(const char *expected)
{
	ck_assert_str_eq(lines, expected);
}

#define DATE "-- 2023-11-15 +0000\n"

START_TEST(bytes_that_come_together_make_a_line)
{
	data_at(0, BRIDGE_FROM_DEVICE, "OK");
	data_at(99, BRIDGE_FROM_DEVICE, "AY");
	expect_lines("");
	data_at(198, BRIDGE_FROM_DEVICE, "\r\nnext");
	expect_lines(DATE "12:00:00.000 < OKAY\\r\\n\n");
	transcript_flush(&transcript);
	expect_lines(DATE "12:00:00.000 < OKAY\\r\\n\n12:00:00.198 < next\n");
	transcript_flush(&transcript);
	ck_assert_uint_eq(transcript.len, 0);
}
END_TEST

START_TEST(a_pause_ends_a_line_also_when_its_bytes_are_seen_late)
{
	data_at(0, BRIDGE_FROM_DEVICE, "one");
	data_at(100, BRIDGE_FROM_DEVICE, "two");
	expect_lines(DATE "12:00:00.000 < one\n");
	data_at(50, BRIDGE_FROM_DEVICE, "put back");
	transcript_flush(&transcript);
	expect_lines(DATE "12:00:00.000 < one\n12:00:00.100 < two\n12:00:00.050 < put back\n");
}
END_TEST

START_TEST(the_other_direction_ends_a_line)
{
	data_at(0, BRIDGE_TO_DEVICE, "ATZ");
	data_at(1, BRIDGE_FROM_DEVICE, "ATZ");
	data_at(2, BRIDGE_TO_DEVICE, "\r");
	transcript_flush(&transcript);
	expect_lines(DATE "12:00:00.000 > ATZ\n12:00:00.001 < ATZ\n12:00:00.002 > \\r\n");
}
END_TEST

START_TEST(a_carriage_return_before_something_else_ends_a_line)
{
	data_at(0, BRIDGE_TO_DEVICE, "ATE0\rATZ\r");
	data_at(1, BRIDGE_TO_DEVICE, "\r\nX");
	transcript_flush(&transcript);
	expect_lines(DATE
		     "12:00:00.000 > ATE0\\r\n12:00:00.000 > ATZ\\r\\r\\n\n12:00:00.001 > X\n");
}
END_TEST

START_TEST(a_line_has_72_bytes_at_the_most)
{
	char many[TRANSCRIPT_BYTES * 2 + 2], expected[512];

	memset(many, 'x', sizeof(many));
	many[sizeof(many) - 1] = '\0';
	data_at(0, BRIDGE_FROM_DEVICE, many);
	snprintf(expected, sizeof(expected), DATE "12:00:00.000 < %.72s\n12:00:00.000 < %.72s\n",
		 many, many);
	expect_lines(expected);
	ck_assert_uint_eq(transcript.len, 1);
}
END_TEST

static unsigned
unescape(const char **s)
{
	static const char letters[] = "abtnvfr";
	const char *at = *s;
	unsigned byte = (unsigned char)*at;

	*s += 1;
	if (byte != '\\')
		return byte;
	*s += at[1] == 'x' ? 3 : 1;
	if (at[1] == '\\')
		return '\\';
	if (at[1] == 'x')
		return (unsigned)strtoul((char[]){ at[2], at[3], '\0' }, NULL, 16);
	ck_assert_ptr_nonnull(strchr(letters, at[1]));
	return (unsigned)(strchr(letters, at[1]) - letters) + '\a';
}

START_TEST(no_byte_reaches_a_terminal_as_it_is_unless_it_is_printable)
{
	for (unsigned byte = 0; byte < 256; byte++) {
		const unsigned char one = (unsigned char)byte;
		const char *at = lines + strlen(DATE "12:00:00.000 < ");

		begin();
		transcript_data(&transcript, NOON_US, BRIDGE_FROM_DEVICE, &one, 1);
		transcript_flush(&transcript);
		for (size_t i = 0; i < lines_len; i++)
			ck_assert(lines[i] == '\n' || (lines[i] >= ' ' && lines[i] <= '~'));
		ck_assert_uint_eq(unescape(&at), byte);
		ck_assert_str_eq(at, "\n");
	}
}
END_TEST

START_TEST(an_event_ends_a_line_and_is_made_harmless)
{
	char many[2000];

	data_at(0, BRIDGE_TO_DEVICE, "AT");
	transcript_event(&transcript, NOON_US, "granted: \x1b[2J\n\xff");
	expect_lines(DATE "12:00:00.000 > AT\n12:00:00.000 -- granted: \\x1b[2J\\x0a\\xff\n");
	memset(many, '\xff', sizeof(many));
	many[sizeof(many) - 1] = '\0';
	transcript_event(&transcript, NOON_US, many);
	ck_assert_uint_lt(lines_len, 2500);
}
END_TEST

START_TEST(what_is_missed_is_marked)
{
	struct transcript_missed missed = { .to_device = 234, .from_device = 1000 };

	data_at(0, BRIDGE_TO_DEVICE, "AT");
	transcript_missed(&transcript, NOON_US, &missed);
	missed = (struct transcript_missed){ .from_device = 1, .events = 2 };
	transcript_missed(&transcript, NOON_US, &missed);
	expect_lines(DATE "12:00:00.000 > AT\n"
			  "12:00:00.000 ... 1234 bytes (234 to the device) missed ...\n"
			  "12:00:00.000 ... 1 byte (0 to the device) and 2 events missed ...\n");
}
END_TEST

START_TEST(the_date_stands_first_and_again_after_midnight)
{
	data_at(0, BRIDGE_TO_DEVICE, "a\n");
	data_at(12 * 3600 * 1000 - 1, BRIDGE_TO_DEVICE, "b\n");
	data_at(12 * 3600 * 1000, BRIDGE_TO_DEVICE, "c\n");
	expect_lines(DATE "12:00:00.000 > a\\n\n23:59:59.999 > b\\n\n-- 2023-11-16 +0000\n"
			  "00:00:00.000 > c\\n\n");
}
END_TEST

START_TEST(a_hex_dump_has_16_bytes_a_line_whatever_they_are)
{
	transcript_init(&transcript, true, keep, lines);
	data_at(0, BRIDGE_TO_DEVICE, "AT\r\nATZ\r0123456789");
	transcript_flush(&transcript);
	expect_lines(DATE
		     "12:00:00.000 > 41 54 0d 0a 41 54 5a 0d  30 31 32 33 34 35 36 37  "
		     "|AT..ATZ.01234567|\n"
		     "12:00:00.000 > 38 39                                             |89|\n");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("transcript");
	TCase *tc = tcase_create("lines");

	tcase_add_checked_fixture(tc, begin, end);
	tcase_add_test(tc, bytes_that_come_together_make_a_line);
	tcase_add_test(tc, a_pause_ends_a_line_also_when_its_bytes_are_seen_late);
	tcase_add_test(tc, the_other_direction_ends_a_line);
	tcase_add_test(tc, a_carriage_return_before_something_else_ends_a_line);
	tcase_add_test(tc, a_line_has_72_bytes_at_the_most);
	tcase_add_test(tc, no_byte_reaches_a_terminal_as_it_is_unless_it_is_printable);
	tcase_add_test(tc, an_event_ends_a_line_and_is_made_harmless);
	tcase_add_test(tc, what_is_missed_is_marked);
	tcase_add_test(tc, the_date_stands_first_and_again_after_midnight);
	tcase_add_test(tc, a_hex_dump_has_16_bytes_a_line_whatever_they_are);
	suite_add_tcase(suite, tc);
	return support_run(suite);
}
