/*
 * test_varlink_message.c - Varlink's envelope (calls, replies, errors) and the answers of
 * org.varlink.service: tables of text in, text or an error out.
 */
#include "../client/varlink.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static json_t *
must_parse(const char *text)
{
	json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

	ck_assert_msg(object != NULL, "refused: %s", text);
	return object;
}

/* ---- calls and replies ---- */

static const struct {
	const char *text;
	int result;
	const char *method, *parameters;
	bool more, oneway, upgrade;
} calls[] = {
	{ "{\"method\":\"a.b.C\"}", 0, "a.b.C", "{}", false, false, false },
	{ "{\"method\":\"a.b.C\",\"parameters\":{\"x\":1}}", 0, "a.b.C", "{\"x\":1}", false, false,
	  false },
	{ "{\"more\":true,\"method\":\"M\"}", 0, "M", "{}", true, false, false },
	{ "{\"oneway\":true,\"method\":\"M\"}", 0, "M", "{}", false, true, false },
	{ "{\"upgrade\":true,\"method\":\"M\"}", 0, "M", "{}", false, false, true },
	{ "{\"more\":false,\"oneway\":false,\"upgrade\":false,\"method\":\"M\"}", 0, "M", "{}",
	  false, false, false },
	{ .text = "{}", .result = -EBADMSG },
	{ .text = "{\"parameters\":{}}", .result = -EBADMSG },
	{ .text = "{\"method\":1}", .result = -EBADMSG },
	{ .text = "{\"method\":null}", .result = -EBADMSG },
	{ .text = "{\"method\":\"M\",\"parameters\":[]}", .result = -EBADMSG },
	{ .text = "{\"method\":\"M\",\"parameters\":null}", .result = -EBADMSG },
	{ .text = "{\"method\":\"M\",\"more\":1}", .result = -EBADMSG },
	{ .text = "{\"method\":\"M\",\"more\":\"true\"}", .result = -EBADMSG },
	{ .text = "{\"method\":\"M\",\"oneway\":null}", .result = -EBADMSG },
	{ .text = "{\"method\":\"M\",\"upgrade\":{}}", .result = -EBADMSG },
	{ .text = "{\"method\":\"M\",\"extra\":1}", .result = -EBADMSG },
	{ .text = "{\"Method\":\"M\"}", .result = -EBADMSG },
	{ .text = "{\"method\":\"M\",\"more\":true,\"oneway\":true}", .result = -EBADMSG },
	{ .text = "{\"method\":\"M\",\"more\":true,\"upgrade\":true}", .result = -EBADMSG },
};

static void
assert_json(json_t *object, const char *text)
{
	char *dumped = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS);

	ck_assert_str_eq(dumped, text);
	free(dumped);
}

START_TEST(call_is_parsed_strictly)
{
	json_t *message = must_parse(calls[_i].text);
	struct varlink_call call;

	ck_assert_int_eq(varlink_call_parse(message, &call), calls[_i].result);
	if (calls[_i].result == 0) {
		ck_assert_str_eq(call.interface_method, calls[_i].method);
		assert_json(call.parameters, calls[_i].parameters);
		ck_assert(call.more == calls[_i].more);
		ck_assert(call.oneway == calls[_i].oneway);
		ck_assert(call.upgrade == calls[_i].upgrade);
	}
	json_decref(message);
}
END_TEST

static const struct {
	const char *text;
	int result;
	const char *error, *parameters;
	bool continues;
} replies[] = {
	{ "{}", 0, NULL, "{}", false },
	{ "{\"parameters\":{\"x\":1}}", 0, NULL, "{\"x\":1}", false },
	{ "{\"continues\":true,\"parameters\":{}}", 0, NULL, "{}", true },
	{ "{\"continues\":false}", 0, NULL, "{}", false },
	{ "{\"error\":\"a.b.E\"}", 0, "a.b.E", "{}", false },
	{ "{\"error\":\"a.b.E\",\"parameters\":{\"x\":1}}", 0, "a.b.E", "{\"x\":1}", false },
	{ .text = "{\"error\":\"a.b.E\",\"continues\":true}", .result = -EBADMSG },
	{ .text = "{\"error\":1}", .result = -EBADMSG },
	{ .text = "{\"error\":null}", .result = -EBADMSG },
	{ .text = "{\"continues\":0}", .result = -EBADMSG },
	{ .text = "{\"parameters\":\"x\"}", .result = -EBADMSG },
	{ .text = "{\"method\":\"M\"}", .result = -EBADMSG },
};

START_TEST(reply_is_parsed_strictly)
{
	json_t *message = must_parse(replies[_i].text);
	struct varlink_reply reply;

	ck_assert_int_eq(varlink_reply_parse(message, &reply), replies[_i].result);
	if (replies[_i].result == 0) {
		ck_assert_pstr_eq(reply.error, replies[_i].error);
		assert_json(reply.parameters, replies[_i].parameters);
		ck_assert(reply.continues == replies[_i].continues);
	}
	json_decref(message);
}
END_TEST

static void
assert_made(json_t *made, const char *text)
{
	ck_assert_ptr_nonnull(made);
	assert_json(made, text);
	json_decref(made);
}

START_TEST(messages_are_built_as_they_stand_in_the_specification)
{
	assert_made(varlink_call_new("a.B", json_object(), false),
		    "{\"method\":\"a.B\",\"parameters\":{}}");
	assert_made(varlink_call_new("a.B", json_pack("{s:i}", "x", 1), true),
		    "{\"method\":\"a.B\",\"more\":true,\"parameters\":{\"x\":1}}");
	assert_made(varlink_reply_new(json_object(), false), "{\"parameters\":{}}");
	assert_made(varlink_reply_new(json_object(), true),
		    "{\"continues\":true,\"parameters\":{}}");
	assert_made(varlink_error_new(VARLINK_ERROR("PermissionDenied"), json_object()),
		    "{\"error\":\"org.varlink.service.PermissionDenied\",\"parameters\":{}}");
	ck_assert_ptr_null(varlink_call_new("a.B", NULL, false));
	ck_assert_ptr_null(varlink_reply_new(NULL, true));
	ck_assert_ptr_null(varlink_error_new("a.E", NULL));
	ck_assert_ptr_null(varlink_call_new("\xff", json_object(), false));
}
END_TEST

/* ---- org.varlink.service ---- */

static const struct varlink_interface interfaces[] = {
	{ "io.test", "interface io.test\n" },
	{ "io.test.more", "interface io.test.more\n" },
	{ NULL, NULL },
};
static const struct varlink_service service = { "Vendor", "product", "1.2", "https://x/",
						interfaces };

/* The reply, or NULL for "the caller dispatches". */
static json_t *
ask(const char *text)
{
	json_t *message = must_parse(text), *reply = NULL;
	struct varlink_call call;
	int r;

	ck_assert_int_eq(varlink_call_parse(message, &call), 0);
	r = varlink_service_answer(&service, &call, &reply);
	ck_assert(r == 0 || r == 1);
	ck_assert((r == 0) == (reply != NULL));
	json_decref(message);
	return reply;
}

#define ERROR(name, key, value)                                                                    \
	"{\"error\":\"org.varlink.service." name "\",\"parameters\":{\"" key "\":\"" value "\"}}"
#define CALL(method, parameters) "{\"method\":\"" method "\",\"parameters\":" parameters "}"
#define SERVICE                  "org.varlink.service."

static const struct {
	const char *call, *reply;
} answers[] = {
	{ CALL(SERVICE "GetInfo", "{}"),
	  "{\"parameters\":{\"interfaces\":[\"org.varlink.service\",\"io.test\",\"io.test.more\"],"
	  "\"product\":\"product\",\"url\":\"https://x/"
	  "\",\"vendor\":\"Vendor\",\"version\":\"1.2\"}}" },
	{ CALL(SERVICE "GetInfo", "{\"x\":1}"), ERROR("InvalidParameter", "parameter", "x") },
	{ CALL(SERVICE "GetInterfaceDescription", "{\"interface\":\"io.test\"}"),
	  "{\"parameters\":{\"description\":\"interface io.test\\n\"}}" },
	{ CALL(SERVICE "GetInterfaceDescription", "{}"),
	  ERROR("InvalidParameter", "parameter", "interface") },
	{ CALL(SERVICE "GetInterfaceDescription", "{\"interface\":1}"),
	  ERROR("InvalidParameter", "parameter", "interface") },
	{ CALL(SERVICE "GetInterfaceDescription", "{\"interface\":\"io.test\",\"y\":1}"),
	  ERROR("InvalidParameter", "parameter", "y") },
	{ CALL(SERVICE "GetInterfaceDescription", "{\"interface\":\"io.tes\"}"),
	  ERROR("InterfaceNotFound", "interface", "io.tes") },
	{ CALL(SERVICE "Nothing", "{}"), ERROR("MethodNotFound", "method", SERVICE "Nothing") },
	{ CALL(SERVICE, "{}"), ERROR("MethodNotFound", "method", SERVICE) },
	{ CALL("io.tes.M", "{}"), ERROR("InterfaceNotFound", "interface", "io.tes") },
	{ CALL("io.testx.M", "{}"), ERROR("InterfaceNotFound", "interface", "io.testx") },
	{ CALL("org.varlink.service2.M", "{}"),
	  ERROR("InterfaceNotFound", "interface", "org.varlink.service2") },
	{ CALL("M", "{}"), ERROR("InterfaceNotFound", "interface", "M") },
	{ CALL("", "{}"), ERROR("InterfaceNotFound", "interface", "") },
	{ CALL(".", "{}"), ERROR("InterfaceNotFound", "interface", "") },
	{ CALL("io.test.M", "{}"), NULL },
	{ CALL("io.test.", "{}"), NULL },
	{ CALL("io.test.more.M", "{}"), NULL },
};

START_TEST(service_answers)
{
	json_t *reply = ask(answers[_i].call);

	if (answers[_i].reply == NULL)
		ck_assert_ptr_null(reply);
	else
		assert_made(reply, answers[_i].reply);
}
END_TEST

START_TEST(service_describes_itself)
{
	static const char *const wanted[] = {
		"interface org.varlink.service\n",
		"method GetInfo() ->",
		"method GetInterfaceDescription(interface: string) -> (description: string)\n",
		"error InterfaceNotFound (interface: string)\n",
		"error MethodNotFound (method: string)\n",
		"error MethodNotImplemented (method: string)\n",
		"error InvalidParameter (parameter: string)\n",
		"error PermissionDenied ()\n",
		"error ExpectedMore ()\n"
	};
	json_t *reply =
	    ask(CALL(SERVICE "GetInterfaceDescription", "{\"interface\":\"org.varlink.service\"}"));
	const char *text =
	    json_string_value(json_object_get(json_object_get(reply, "parameters"), "description"));

	ck_assert_ptr_nonnull(text);
	for (size_t i = 0; i < COUNT(wanted); i++)
		ck_assert_msg(strstr(text, wanted[i]) != NULL, "missing: %s", wanted[i]);
	json_decref(reply);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("varlink_message");
	TCase *t = tcase_create("messages");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, t);
	tcase_add_loop_test(t, call_is_parsed_strictly, 0, (int)COUNT(calls));
	tcase_add_loop_test(t, reply_is_parsed_strictly, 0, (int)COUNT(replies));
	tcase_add_test(t, messages_are_built_as_they_stand_in_the_specification);
	tcase_add_loop_test(t, service_answers, 0, (int)COUNT(answers));
	tcase_add_test(t, service_describes_itself);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
