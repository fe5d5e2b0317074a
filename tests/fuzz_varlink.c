/*
 * fuzz_varlink.c - whatever bytes arrive, in whatever pieces, with or without descriptors: the
 * codec takes exactly the messages that jansson's parser and our rules would take, gives each
 * descriptor with the message that it was sent with, sends on what it took unchanged, and loses
 * nothing.
 *
 * Built for libFuzzer with COMLEASE_FUZZER defined; otherwise it mutates its samples itself, always
 * the same way: COMLEASE_FUZZ_RUNS times, or as often as the argument says (20000).
 *
 * The first byte of an input says who receives, the next seven where the rest is cut.
 */
#include "../client/varlink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD      8
#define INPUT_MAX 4096
#define BYTES_MAX 1000 /* so that an input can be too long */
#define CLOSED_MS 10000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			printf("Bail out! %s:%d: %s\n", __FILE__, __LINE__, #condition);           \
			fflush(stdout);                                                            \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

struct run {
	struct varlink broker, client;
	struct varlink *to; /* who receives the input */
	const char *bytes;  /* the input, and how far its messages have been taken */
	size_t size, taken;
	size_t fd_at; /* the byte that a descriptor was sent with; SIZE_MAX: none was */
};

static const struct varlink_interface interfaces[] = { { "io.test", "interface io.test\n" },
						       { NULL, NULL } };
static const struct varlink_service service = { "v", "p", "1", "u", interfaces };

/* ---- the oracle ---- */

/* Of what jansson has found to be JSON. */
static bool
is_too_deep(const char *text, size_t len)
{
	int depth = 0, deepest = 0;
	bool quoted = false;

	for (size_t i = 0; i < len; i++) {
		if (quoted && text[i] == '\\')
			i++;
		else if (text[i] == '"')
			quoted = !quoted;
		else if (!quoted && (text[i] == '{' || text[i] == '['))
			deepest = ++depth > deepest ? depth : deepest;
		else if (!quoted && (text[i] == '}' || text[i] == ']'))
			depth--;
	}
	return deepest > VARLINK_DEPTH_MAX;
}

static json_t *
oracle(const char *text, size_t len)
{
	json_t *value = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);

	if (json_is_object(value) && !is_too_deep(text, len))
		return value;
	json_decref(value);
	return NULL;
}

/* ---- receiving ---- */

/* What was taken can be sent on, and arrives as it was. */
static void
require_echo(struct run *run, json_t *message)
{
	struct varlink *back = run->to == &run->broker ? &run->client : &run->broker;
	json_t *again;
	int r;

	REQUIRE(varlink_queue(run->to, message, -1) == 0);
	REQUIRE(varlink_flush(run->to) == 0);
	while ((r = varlink_next(back, &again, NULL)) == VARLINK_AGAIN)
		REQUIRE(varlink_receive(back) == 0);
	REQUIRE(r == 0 && json_equal(message, again));
	REQUIRE(back->in == NULL && run->to->out == NULL);
	json_decref(again);
}

static void
require_sense(json_t *message)
{
	struct varlink_reply reply;
	struct varlink_call call;
	json_t *answer = NULL;

	if (varlink_call_parse(message, &call) == 0) {
		REQUIRE(call.interface_method != NULL && json_is_object(call.parameters));
		REQUIRE((varlink_service_answer(&service, &call, &answer) == 0) ==
			(answer != NULL));
	}
	if (answer != NULL) {
		REQUIRE(varlink_reply_parse(answer, &reply) == 0);
		json_decref(answer);
	}
	if (varlink_reply_parse(message, &reply) == 0)
		REQUIRE(json_is_object(reply.parameters));
}

/* How many messages were good: 0 or 1; -1: there was none. */
static int
take_message(struct run *run)
{
	const char *text = run->bytes + run->taken, *end;
	json_t *message, *expected;
	int fd, r = varlink_next(run->to, &message, &fd);

	if (r == VARLINK_AGAIN)
		return -1;
	end = memchr(text, '\0', run->size - run->taken);
	REQUIRE(end != NULL && end - text <= BYTES_MAX);
	expected = oracle(text, (size_t)(end - text));
	REQUIRE(r == (expected != NULL ? 0 : -EBADMSG));
	REQUIRE((message != NULL) == (r == 0));
	REQUIRE(r != 0 || json_equal(message, expected));
	/* Nobody else's descriptor, and its own for certain. */
	REQUIRE(fd < 0 || (run->fd_at >= run->taken && run->bytes + run->fd_at <= end));
	REQUIRE(r != 0 || run->fd_at != run->taken || fd >= 0);
	if (fd >= 0)
		close(fd);
	run->taken = (size_t)(end + 1 - run->bytes);
	if (r == 0) {
		require_echo(run, message);
		require_sense(message);
	}
	json_decref(message);
	json_decref(expected);
	return r == 0;
}

/* Receives what there is. VARLINK_AGAIN, VARLINK_EOF or an error. */
static int
receive_all(struct run *run, int *good)
{
	int r, got;

	do {
		r = varlink_receive(run->to);
		while ((got = take_message(run)) >= 0)
			*good += got;
	} while (r == 0 || r == VARLINK_FULL);
	return r;
}

static void
require_right_end(const struct run *run, int r)
{
	size_t left = run->size - run->taken;
	const char *end = memchr(run->bytes + run->taken, '\0', left);

	if (r == VARLINK_EOF) {
		REQUIRE(left == 0);
		REQUIRE(run->fd_at == SIZE_MAX || run->to->takes_fds);
	} else if (r == -EMSGSIZE) {
		REQUIRE(left > BYTES_MAX);
		REQUIRE(end == NULL || end - (run->bytes + run->taken) > BYTES_MAX);
	} else {
		/* Half a message, or a descriptor: any at the broker, one within a message here. */
		REQUIRE(r == -EPROTO);
		REQUIRE(
		    (left > 0 && end == NULL) ||
		    (run->fd_at != SIZE_MAX && (!run->to->takes_fds || run->fd_at > run->taken)));
	}
}

/* ---- sending ---- */

static void
send_piece(int socket, const char *bytes, size_t size, int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec iov = { .iov_base = (void *)(size_t)bytes, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.align), &fd, sizeof(int));
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
	}
	REQUIRE(sendmsg(socket, &msg, MSG_NOSIGNAL) == (ssize_t)size);
}

/* Sends the input in up to six pieces, one of them perhaps with a descriptor; some are received at
 * once, others with the next one. */
static int
send_all(struct run *run, const uint8_t *head, int socket, int pipe_end, int *good)
{
	size_t at = 0;

	for (int i = 1; i < 7; i++) {
		size_t size =
		    i == 6 ? run->size - at : (size_t)(head[i] / 2) * (run->size - at) / 255;
		bool with_fd = head[7] % 16 == i;
		int r;

		if (size == 0)
			continue;
		if (with_fd)
			run->fd_at = at;
		send_piece(socket, run->bytes + at, size, with_fd ? pipe_end : -1);
		at += size;
		r = (head[i] & 1) != 0 ? VARLINK_AGAIN : receive_all(run, good);
		if (r != VARLINK_AGAIN)
			return r;
	}
	shutdown(socket, SHUT_WR);
	return receive_all(run, good);
}

/* How many good messages there were. */
static int
check_input(const uint8_t *data, size_t size)
{
	struct run run = { .fd_at = SIZE_MAX };
	int pair[2], ends[2], good = 0, r;
	bool to_broker = size > 0 && (data[0] & 1) != 0;
	struct pollfd closed = { .events = POLLIN };

	if (size <= HEAD || size > HEAD + INPUT_MAX)
		return 0;
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	REQUIRE(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
	varlink_init(&run.broker, pair[0], to_broker ? BYTES_MAX : 1 << 20, false);
	varlink_init(&run.client, pair[1], to_broker ? 1 << 20 : BYTES_MAX, true);
	run.to = to_broker ? &run.broker : &run.client;
	run.bytes = (const char *)data + HEAD;
	run.size = size - HEAD;
	r = send_all(&run, data, pair[to_broker], ends[1], &good);
	require_right_end(&run, r);
	varlink_clear(&run.broker);
	varlink_clear(&run.client);
	close(pair[0]);
	close(pair[1]);
	close(ends[1]);
	/* who looks through /proc/PID/fd meanwhile has it a moment longer */
	closed.fd = ends[0];
	REQUIRE(poll(&closed, 1, CLOSED_MS) == 1 && closed.revents == POLLHUP);
	close(ends[0]);
	return good;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_input(data, size);
	return 0;
}

#ifndef COMLEASE_FUZZER

#define SAMPLE(text)                                                                               \
	{                                                                                          \
		text, sizeof(text)                                                                 \
	}

static const struct {
	const char *text;
	size_t size;
} samples[] = {
	SAMPLE(
	    "{\"method\":\"io.comlease.Acquire\",\"parameters\":{\"port\":\"modem0\",\"wait\":0}}"),
	SAMPLE("{\"method\":\"org.varlink.service.GetInfo\"}"),
	SAMPLE("{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":"
	       "{\"interface\":\"io.test\"},\"more\":false}"),
	SAMPLE("{\"parameters\":{\"lease\":{\"token\":17,\"owner\":{\"pid\":1,\"uid\":-1}},\"fd\":"
	       "0}}"),
	SAMPLE("{\"continues\":true,\"parameters\":{\"ports\":[{\"name\":\"a\"},{\"r\":1.5e3}]}}"),
	SAMPLE("{\"error\":\"io.comlease.Busy\",\"parameters\":{\"message\":"
	       "\"\\u00e9\\ud83d\\ude00\"}}"),
	SAMPLE(" { \"a\" : [ [ [ ] , { } ] , null , true ] , \"b\" : \"\xc3\xa9\\n\" } "),
};

/* clang-format off */
static const char *const pieces[] = {
	"{", "}", "[", "]", "\"", ":", ",", "\\", "\\u", "\\u0000", "\\ud800", "\\udc00", "\\n",
	"{\"a\":", "\"a\":1,", "[[[[[[[[", "]]]]]]]]", "{\"a\":{\"a\":", "null", "true", "false",
	"-", "0", "1e9", "1e999", ".5", "9223372036854775808", " ", "\n", "\xff", "\xc0\x80",
	"\xed\xa0\x80", "\xf0\x9f\x98\x80", "\xef\xbb\xbf", "\x1f", "\"more\":true,",
	"\"parameters\":{},", "\"method\":\"x\",", "\"error\":\"x\",",
};
/* clang-format on */

static uint64_t state = 0x9e3779b97f4a7c15U;

static size_t
random_below(size_t limit)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return limit != 0 ? (size_t)(state % limit) : 0;
}

struct input {
	uint8_t bytes[HEAD + INPUT_MAX];
	size_t size;
};

static void
insert(struct input *input, size_t at, const void *bytes, size_t size)
{
	if (input->size + size > sizeof(input->bytes))
		return;
	memmove(input->bytes + at + size, input->bytes + at, input->size - at);
	memcpy(input->bytes + at, bytes, size);
	input->size += size;
}

static void
mutate(struct input *input)
{
	size_t at = HEAD + random_below(input->size - HEAD + 1), left = input->size - at, size;
	uint8_t copy[1200];

	switch (random_below(6)) {
	case 0:
		input->bytes[at == input->size ? HEAD : at] = (uint8_t)random_below(256);
		break;
	case 1:
		size = random_below(left < 20 ? left : 20);
		memmove(input->bytes + at, input->bytes + at + size, left - size);
		input->size -= size;
		break;
	case 2:
		size = random_below(left) % sizeof(copy);
		memcpy(copy, input->bytes + at, size);
		insert(input, HEAD + random_below(input->size - HEAD + 1), copy, size);
		break;
	case 3:
		insert(input, at, "", 1);
		break;
	default:
		size = random_below(sizeof(pieces) / sizeof(pieces[0]));
		insert(input, at, pieces[size], strlen(pieces[size]));
	}
}

static void
make_input(struct input *input, size_t mutations)
{
	const size_t count = sizeof(samples) / sizeof(samples[0]);

	input->size = HEAD;
	for (size_t i = 0; i < HEAD; i++)
		input->bytes[i] = (uint8_t)random_below(256);
	for (size_t i = 1 + random_below(4); i > 0; i--) {
		size_t which = random_below(count);

		insert(input, input->size, samples[which].text, samples[which].size);
	}
	while (mutations-- > 0)
		mutate(input);
}

int
main(int argc, char **argv)
{
	const char *wish = argc > 1 ? argv[1] : getenv("COMLEASE_FUZZ_RUNS");
	unsigned long runs = wish != NULL ? strtoul(wish, NULL, 10) : 20000, good = 0;

	for (unsigned long i = 0; i < runs; i++) {
		struct input input;

		make_input(&input, i % 4);
		good += (unsigned long)check_input(input.bytes, input.size);
	}
	printf("# %lu inputs, %lu good messages in them\n", runs, good);
	printf("%sok 1 - the codec takes what it should, in any pieces, and no more\n",
	       good >= runs / 2 ? "" : "not ");
	printf("1..1\n");
	return good >= runs / 2 ? 0 : 1;
}

#endif
