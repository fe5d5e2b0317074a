/*
 * test_varlink_memory.c - the codec without memory: one conversation, in which the Nth allocation
 * fails, for every N until none does. Each time: -ENOMEM and nothing else, nothing leaked.
 *
 * Linked with -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free, which catches the codec's
 * own allocations; jansson's come by json_set_alloc_funcs().
 */
#include "varlink_pair.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *__real_malloc(size_t);
void *__real_calloc(size_t, size_t);
void *__real_realloc(void *, size_t);
void __real_free(void *);
void *__wrap_malloc(size_t);
void *__wrap_calloc(size_t, size_t);
void *__wrap_realloc(void *, size_t);
void __wrap_free(void *);

static int fail_at; /* the how many-th allocation from now fails; 0: none */
static int live;    /* allocations not freed */
static bool counting;

static bool
fails(void)
{
	return counting && fail_at > 0 && --fail_at == 0;
}

static void *
counted(void *p)
{
	live += counting && p != NULL;
	return p;
}

void *
__wrap_malloc(size_t size)
{
	return fails() ? NULL : counted(__real_malloc(size));
}

void *
__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : counted(__real_calloc(count, size));
}

void *
__wrap_realloc(void *old, size_t size)
{
	if (fails())
		return NULL;
	return old == NULL ? counted(__real_realloc(old, size)) : __real_realloc(old, size);
}

void
__wrap_free(void *p)
{
	live -= counting && p != NULL;
	__real_free(p);
}

/* Check allocates at each of its own asserts. */
static void
must(bool condition, const char *what)
{
	if (condition)
		return;
	counting = false;
	ck_abort_msg("%s", what);
}

static const struct varlink_interface interfaces[] = { { "io.test", "interface io.test\n" },
						       { NULL, NULL } };
static const struct varlink_service service = { "Vendor", "product", "1.2", "https://x/",
						interfaces };

static int
queue_new(struct varlink *v, json_t *message, int fd)
{
	size_t before;
	int r;

	if (message == NULL) {
		if (fd >= 0)
			close(fd);
		return -ENOMEM;
	}
	before = varlink_unsent(v);
	r = varlink_queue(v, message, fd);
	json_decref(message);
	must(r == 0 || varlink_unsent(v) == before, "half a message is queued");
	return r;
}

static int
send_new(struct varlink *v, json_t *message, int fd)
{
	int r = queue_new(v, message, fd);

	return r < 0 ? r : varlink_flush(v);
}

static int
receive_one(struct varlink *v, json_t **message, int *fd)
{
	int r;

	while ((r = varlink_next(v, message, fd)) == VARLINK_AGAIN) {
		r = varlink_receive(v);
		if (r != 0)
			return r;
	}
	return r;
}

static int
answer(const char *method, json_t *parameters)
{
	json_t *message, *reply = NULL;
	struct varlink_call call;
	int r = send_new(&client, varlink_call_new(method, parameters, false), -1);

	if (r == 0)
		r = receive_one(&broker, &message, NULL);
	if (r < 0)
		return r;
	r = varlink_call_parse(message, &call);
	if (r == 0)
		r = varlink_service_answer(&service, &call, &reply);
	json_decref(message);
	return r < 0 ? r : send_new(&broker, reply, -1);
}

static int
understand(bool with_fd)
{
	struct varlink_reply reply;
	json_t *message;
	int fd, r = receive_one(&client, &message, &fd);

	if (r < 0)
		return r;
	must((fd >= 0) == with_fd, "a descriptor with the wrong message");
	if (fd >= 0)
		close(fd);
	r = varlink_reply_parse(message, &reply);
	json_decref(message);
	return r;
}

static json_t *
parameter(const char *key, const char *value)
{
	json_t *object = json_object();

	if (json_object_set_new(object, key, json_string(value)) == 0)
		return object;
	json_decref(object);
	return NULL;
}

/* A message of all kinds of JSON, without parameters, longer than the first buffer, with an fd. */
static int
all_kinds(void)
{
	static const char head[] =
	    "{\"continues\":true,\"parameters\":{\"a\":[1,-2.5,true,null,\"\\u00e9\"],"
	    "\"b\":{\"c\":[[],{}]},\"long\":\"";
	static char text[6000];
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	memset(text, 'y', sizeof(text));
	memcpy(text, head, sizeof(head) - 1);
	memcpy(text + sizeof(text) - 4, "\"}}", 4);
	n = send_raw(pair[0], text, sizeof(text), &null, 1, 0);
	close(null);
	must(n == (ssize_t)sizeof(text), "not sent whole");
	return understand(true);
}

static int
converse(void)
{
	static const char text[] = "{\"error\":\"a.b.C\"}";
	int r = answer("org.varlink.service.GetInfo", json_object());

	if (r == 0)
		r = understand(false);
	if (r == 0)
		r = answer("org.varlink.service.GetInterfaceDescription",
			   parameter("interface", "org.varlink.service"));
	if (r == 0)
		r = understand(false);
	if (r == 0)
		r = answer("org.varlink.service.GetInterfaceDescription", parameter("x", "y"));
	if (r == 0)
		r = understand(false);
	if (r == 0)
		r = answer("io.other.M", json_object());
	if (r == 0)
		r = understand(false);
	if (r == 0)
		r = answer("org.varlink.service.M", json_object());
	if (r == 0)
		r = understand(false);
	if (r == 0)
		r = queue_new(&broker, varlink_error_new("a.b.C", parameter("d", "e")), -1);
	if (r == 0)
		r = send_new(&broker, varlink_reply_new(json_object(), true),
			     open("/dev/null", O_RDONLY | O_CLOEXEC));
	if (r == 0)
		r = understand(false);
	if (r == 0)
		r = understand(true);
	if (r == 0)
		r = send_raw(pair[0], text, sizeof(text), NULL, 0, 0) < 0 ? -errno
									  : understand(false);
	return r == 0 ? all_kinds() : r;
}

START_TEST(whichever_allocation_fails_it_is_enomem_and_nothing_is_lost)
{
	int n, r = -ENOMEM;

	json_set_alloc_funcs(__wrap_malloc, __wrap_free);
	json_decref(json_object()); /* jansson seeds its hash once */
	for (n = 1; r != 0; n++) {
		pair_open();
		live = 0;
		fail_at = n;
		counting = true;
		r = converse();
		varlink_clear(&broker);
		varlink_clear(&client);
		counting = false;
		ck_assert_msg(r == 0 || r == -ENOMEM, "allocation %d failed: %d", n, r);
		ck_assert_msg((r == 0) == (fail_at > 0), "allocation %d failed, unnoticed", n);
		ck_assert_msg(live == 0, "allocation %d failed: %d leaked", n, live);
		pair_close();
	}
	ck_assert_int_gt(n, 200);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("varlink_memory");
	TCase *t = tcase_create("memory");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, t);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, whichever_allocation_fails_it_is_enomem_and_nothing_is_lost);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
