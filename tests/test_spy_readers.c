/*
 * test_spy_readers.c - what those get who read along at a bridge, and what a slow one misses. Who
 * may: test_spy_door.c.
 */
#include "spy_fixture.h"
#include "support.h"

#include "../client/bridge_spy_readers.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

START_TEST(a_reader_is_told_the_last_events_then_what_passes)
{
	char text[32];

	spy_start(NULL);
	bridge_spy_data(spy, BRIDGE_TO_DEVICE, "before", 6);
	for (int i = 0; i < 6; i++) {
		snprintf(text, sizeof(text), "event %d", i);
		bridge_spy_event(spy, text);
	}
	int64_t from_us = spy_wire_now_us();
	int reader = spy_greeted();
	for (int i = 2; i < 6; i++) {
		snprintf(text, sizeof(text), "event %d", i);
		spy_expect(reader, SPY_WIRE_EVENT, 1, text);
		ck_assert_int_le(spy_header.time_us, from_us);
	}
	bridge_spy_data(spy, BRIDGE_TO_DEVICE, "ATZ\r", 4);
	bridge_spy_data(spy, BRIDGE_FROM_DEVICE, "OK", 2);
	bridge_spy_event(spy, "line: 9600 8N1");
	spy_expect(reader, SPY_WIRE_DATA, BRIDGE_TO_DEVICE, "ATZ\r");
	ck_assert_int_ge(spy_header.time_us, from_us);
	spy_expect(reader, SPY_WIRE_DATA, BRIDGE_FROM_DEVICE, "OK");
	spy_expect(reader, SPY_WIRE_EVENT, 0, "line: 9600 8N1");
	bridge_spy_free(spy);
	spy = NULL;
	spy_expect(reader, SPY_WIRE_BYE, 0, "");
	ck_assert(!spy_next(reader));
	close(reader);
}
END_TEST

/* ---- slow ones ---- */

/* Byte number `at` of the stream. */
static unsigned char
pattern(uint64_t at)
{
	return (unsigned char)((at / 4) >> (8 * (at % 4)));
}

static void
send_pattern(uint64_t from, size_t count)
{
	static unsigned char bytes[65536];

	for (size_t i = 0; i < count; i++)
		bytes[i] = pattern(from + i);
	bridge_spy_data(spy, BRIDGE_FROM_DEVICE, bytes, count);
}

/* Reads until byte `end` of the stream; what was missed is skipped. The bytes that were read. */
static uint64_t
read_pattern(int reader, uint64_t end)
{
	struct transcript_missed missed;
	uint64_t at = 0, got = 0;

	while (at < end) {
		ck_assert(spy_next(reader));
		if (spy_header.kind == SPY_WIRE_MISSED) {
			ck_assert_uint_eq(spy_header.length, sizeof(missed));
			memcpy(&missed, spy_payload, sizeof(missed));
			ck_assert_uint_eq(missed.to_device, 0);
			ck_assert_uint_gt(missed.from_device, 0);
			at += missed.from_device;
			continue;
		}
		ck_assert_int_eq(spy_header.kind, SPY_WIRE_DATA);
		for (uint32_t i = 0; i < spy_header.length; i++)
			ck_assert_uint_eq((unsigned char)spy_payload[i], pattern(at + i));
		at += spy_header.length;
		got += spy_header.length;
	}
	ck_assert_uint_eq(at, end);
	return got;
}

START_TEST(a_slow_reader_misses_bytes_and_is_told_how_many_and_where)
{
	const uint64_t many = 4 << 20;

	spy_start(NULL);
	int slow = spy_greeted();
	for (uint64_t at = 0; at < many; at += 1000)
		send_pattern(at, many - at < 1000 ? (size_t)(many - at) : 1000);
	uint64_t got = read_pattern(slow, many);
	ck_assert_uint_gt(got, BRIDGE_SPY_BUFFER / 2);
	ck_assert_uint_lt(got, many / 2);
	/* once he has caught up he gets all again */
	bridge_spy_data(spy, BRIDGE_TO_DEVICE, "now", 3);
	spy_expect(slow, SPY_WIRE_DATA, BRIDGE_TO_DEVICE, "now");
	bridge_spy_free(spy);
	close(slow);
}
END_TEST

START_TEST(beside_a_slow_reader_a_quick_one_misses_nothing)
{
	const uint64_t many = 2 << 20;
	uint64_t got = 0;
	int slow, quick;

	spy_start(NULL);
	slow = spy_greeted();
	quick = spy_greeted();
	for (uint64_t at = 0; at < many; at += 1024) {
		send_pattern(at, 1024);
		ck_assert(spy_next(quick));
		ck_assert_int_eq(spy_header.kind, SPY_WIRE_DATA);
		got += spy_header.length;
	}
	ck_assert_uint_eq(got, many);
	ck_assert_uint_lt(read_pattern(slow, many), many);
	bridge_spy_free(spy);
	close(slow);
	close(quick);
}
END_TEST

static long
resident_kb(void)
{
	long total = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	ck_assert_int_eq(fscanf(f, "%ld %ld", &total, &resident), 2);
	fclose(f);
	return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

START_TEST(readers_that_never_read_cost_bounded_memory_and_no_time)
{
	int readers[BRIDGE_SPY_READERS];
	struct pollfd fds[BRIDGE_SPY_FDS];

	spy_start(NULL);
	for (int i = 0; i < BRIDGE_SPY_READERS; i++)
		readers[i] = spy_greeted();
	send_pattern(0, 65536);
	long before_kb = resident_kb();
	for (uint64_t at = 0; at < (32 << 20); at += 65536)
		send_pattern(at, 65536);
	bridge_spy_event(spy, "and an event");
	ck_assert_int_lt(resident_kb() - before_kb, 4096);
	/* nor does the loop turn round for nothing; at the first one, the door, anybody may knock
	 */
	ck_assert_int_eq(bridge_spy_timeout_ms(spy), -1);
	ck_assert_int_eq(poll(fds + 1, (nfds_t)bridge_spy_poll(spy, fds) - 1, 0), 0);
	bridge_spy_free(spy);
	for (int i = 0; i < BRIDGE_SPY_READERS; i++)
		close(readers[i]);
}
END_TEST

/* Frame number i: of a length and direction that tell it. */
static void
send_numbered(struct bridge_spy_readers *all, int i)
{
	static const char bytes[1009];

	bridge_spy_readers_data(all, i + 1, i & 1, bytes, (size_t)(i % 1009) + 1);
}

/* So far behind that its buffer is never empty: the frames wander through it, and round. */
START_TEST(a_reader_who_is_always_behind_gets_every_frame_in_its_order)
{
	static struct bridge_spy_readers all;
	const struct bridge_spy_reader *r = &all.readers[0];
	struct pollfd fds[BRIDGE_SPY_FDS];
	bool wandered = false;
	int sent = 0;

	snprintf(spy_port, sizeof(spy_port), "spy%d", (int)getpid());
	bridge_spy_readers_init(&all, spy_port, "/run/LINK", "/run/socket");
	int reader = spy_reader(), count = bridge_spy_readers_poll(&all, fds);
	ck_assert_int_eq(poll(fds, (nfds_t)count, -1), 1);
	bridge_spy_readers_take(&all, fds, count);
	spy_expect(reader, SPY_WIRE_HELLO, SPY_WIRE_VERSION, spy_port);
	for (int i = 0; i < 3000; i++) {
		/* one each time, but never too many, and never so few that it has caught up */
		do {
			if (r->end - r->start < BRIDGE_SPY_BUFFER - 2000)
				send_numbered(&all, sent++);
		} while (r->end - r->start < BRIDGE_SPY_BUFFER / 8);
		wandered |= r->start > 0;
		/* the kernel says late that there is room */
		count = bridge_spy_readers_poll(&all, fds);
		poll(fds, (nfds_t)count, 0);
		bridge_spy_readers_take(&all, fds, count);
		spy_expect(reader, SPY_WIRE_DATA, i & 1, NULL);
		ck_assert_int_eq(spy_header.time_us, i + 1);
		ck_assert_uint_eq(spy_header.length, (unsigned)i % 1009 + 1);
	}
	ck_assert(wandered);
	ck_assert_int_eq(r->missed_us, 0);
	bridge_spy_readers_clear(&all);
	close(reader);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("spy_readers");
	TCase *tc = support_case(suite, "reading", spy_begin);

	tcase_add_test(tc, a_reader_is_told_the_last_events_then_what_passes);
	tcase_add_test(tc, a_slow_reader_misses_bytes_and_is_told_how_many_and_where);
	tcase_add_test(tc, beside_a_slow_reader_a_quick_one_misses_nothing);
	tcase_add_test(tc, readers_that_never_read_cost_bounded_memory_and_no_time);
	tcase_add_test(tc, a_reader_who_is_always_behind_gets_every_frame_in_its_order);
	return support_run(suite);
}
