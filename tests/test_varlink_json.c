/*
 * test_varlink_json.c - the codec's JSON parser: tables of what it takes and what it refuses, with
 * jansson's own parser as the oracle (fuzz_varlink.c compares the two on what nobody thought of).
 */
#include "../client/varlink.h"
#include "../client/varlink_json.h"

#include <check.h>
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int
parse(const char *text, json_t **object)
{
	char *copy = strdup(text);
	int r;

	ck_assert_ptr_nonnull(copy);
	r = varlink_json_parse(copy, strlen(copy), object);
	ck_assert((r == 0) == (*object != NULL));
	free(copy);
	return r;
}

static json_t *
must_parse(const char *text)
{
	json_t *object;

	ck_assert_msg(parse(text, &object) == 0, "refused: %s", text);
	return object;
}

static const char *const good[] = {
	"{}",
	" \t\r\n{ \"a\" : [ ] , \"b\" : { } } \n",
	"{\"a\":[1,2,[3]],\"b\":{\"a\":null},\"c\":true,\"d\":false}",
	"{\"\":\"\"}",
	"{\"n\":0,\"m\":-0,\"o\":-1,\"p\":9223372036854775807,\"q\":-9223372036854775808}",
	"{\"r\":1.5,\"s\":-0.0,\"t\":1e3,\"u\":1E+3,\"v\":2e-3,\"w\":0.1e1}",
	"{\"x\":1e-999,\"y\":1e308}",
	"{\"s\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}",
	"{\"s\":\"\\u0001\\u007f\\u0080\\u07ff\\u0800\\uFfFf\\ud7ff\\ue000\"}",
	"{\"s\":\"\\ud800\\udc00\\udbff\\uDFFF\"}",
	"{\"s\":\"\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\"}",
	"{\"s\":\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"}",
	"{\"\\u0061\":1,\"b\":2}",
	"{\"long\":\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}",
};

static const char *const not_good[] = {
	"",
	" ",
	"null",
	"true",
	"1",
	"\"a\"",
	"[]",
	"[{}]",
	"x",
	"{",
	"}",
	"{}}",
	"{}{}",
	"{} x",
	"{\"a\"}",
	"{\"a\":}",
	"{\"a\":1,}",
	"{,\"a\":1}",
	"{\"a\":1 \"b\":2}",
	"{a:1}",
	"{1:2}",
	"{'a':1}",
	"{\"a\":[1,]}",
	"{\"a\":[,1]}",
	"{\"a\":[1 2]}",
	"{\"a\":[1}",
	"{\"a\":{]}",
	"{\"a\":[",
	"{\"a\":1",
	"{\"a",
	"{\"a\"",
	"{\"a\":",
	"{\"a\":\"",
	"{\"a\":\"\\",
	"{\"a\":\"\\u",
	/* duplicate keys, also when one is written another way, and further down */
	"{\"a\":1,\"a\":1}",
	"{\"a\":1,\"\\u0061\":2}",
	"{\"x\":[{\"a\":1,\"b\":2,\"a\":3}]}",
	/* numbers and words */
	"{\"n\":01}",
	"{\"n\":-}",
	"{\"n\":+1}",
	"{\"n\":1.}",
	"{\"n\":.5}",
	"{\"n\":1e}",
	"{\"n\":1e+}",
	"{\"n\":0x10}",
	"{\"n\":9223372036854775808}",
	"{\"n\":-9223372036854775809}",
	"{\"n\":1e309}",
	"{\"n\":-1e309}",
	"{\"n\":NaN}",
	"{\"n\":Infinity}",
	"{\"n\":1,5}",
	"{\"n\":--1}",
	"{\"n\":True}",
	"{\"n\":nul}",
	"{\"n\":nulll}",
	"{\"n\":truefalse}",
	/* strings */
	"{\"s\":\"\n\"}",
	"{\"s\":\"\x1f\"}",
	"{\"s\":\"\\x\"}",
	"{\"s\":\"\\0\"}",
	"{\"s\":\"\\u12\"}",
	"{\"s\":\"\\u12g4\"}",
	"{\"s\":\"\\u0000\"}",
	"{\"\\u0000\":1}",
	"{\"s\":\"\\ud800\"}",
	"{\"s\":\"\\ud800x\"}",
	"{\"s\":\"\\ud800\\n\"}",
	"{\"s\":\"\\ud800\\u0041\"}",
	"{\"s\":\"\\ud800\\ud800\"}",
	"{\"s\":\"\\udc00\"}",
	"{\"s\":\"\\U0041\"}",
	/* UTF-8: lone continuation, cut off, overlong, surrogate, beyond the end, never used */
	"{\"s\":\"\x80\"}",
	"{\"s\":\"\xc2\"}",
	"{\"s\":\"\xe2\x82\"}",
	"{\"s\":\"\xf0\x9f\x98\"}",
	"{\"s\":\"\xc0\x80\"}",
	"{\"s\":\"\xc1\xbf\"}",
	"{\"s\":\"\xe0\x9f\xbf\"}",
	"{\"s\":\"\xf0\x8f\xbf\xbf\"}",
	"{\"s\":\"\xed\xa0\x80\"}",
	"{\"s\":\"\xf4\x90\x80\x80\"}",
	"{\"s\":\"\xf5\x80\x80\x80\"}",
	"{\"s\":\"\xff\"}",
	"{\"\xff\":1}",
	"\xef\xbb\xbf{}",
	/* what some parsers allow */
	"{\"a\":1}//",
	"/**/{}",
	"{\"a\":1;}",
	"{\"a\"=1}",
	"\v{}",
	"{\"a\":\f1}",
};

START_TEST(json_is_read_as_jansson_reads_it)
{
	const char *text = good[_i];
	json_t *expected = json_loads(text, JSON_REJECT_DUPLICATES, NULL),
	       *object = must_parse(text);

	ck_assert_ptr_nonnull(expected);
	ck_assert_msg(json_equal(object, expected), "read differently: %s", text);
	json_decref(object);
	json_decref(expected);
}
END_TEST

START_TEST(what_is_no_strict_json_object_is_refused)
{
	const char *text = not_good[_i];
	json_t *object, *other = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

	ck_assert_msg(parse(text, &object) == -EBADMSG, "taken: %s", text);
	ck_assert_msg(!json_is_object(other), "jansson takes it: %s", text);
	json_decref(other);
}
END_TEST

/* {"a":[[...{}...]]}: an object, depth - 2 arrays, an object. */
static int
parse_depth(int depth)
{
	char text[256] = "{\"a\":";
	json_t *object;
	int r;

	for (int i = 0; i < depth - 2; i++)
		strcat(text, "[");
	strcat(text, "{}");
	for (int i = 0; i < depth - 2; i++)
		strcat(text, "]");
	strcat(text, "}");
	r = parse(text, &object);
	json_decref(object);
	return r;
}

START_TEST(depth_is_limited)
{
	json_t *object =
	    must_parse("{\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\":\"{{{{{{{{{{{{{{{{{{{{{{{{{{\"}");

	json_decref(object);
	/* Width is not depth. */
	object =
	    must_parse("{\"a\":[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],"
		       "[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]]}");
	json_decref(object);
	ck_assert_int_eq(parse_depth(VARLINK_DEPTH_MAX), 0);
	ck_assert_int_eq(parse_depth(VARLINK_DEPTH_MAX + 1), -EBADMSG);
	ck_assert_int_eq(parse_depth(100), -EBADMSG);
}
END_TEST

START_TEST(reals_do_not_depend_on_the_locale)
{
	json_t *object;

	/* Where that locale isn't installed there is nothing to show. */
	setlocale(LC_ALL, "de_DE.UTF-8");
	object = must_parse("{\"r\":1.5}");
	ck_assert(json_real_value(json_object_get(object, "r")) == 1.5);
	json_decref(object);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("varlink_json");
	TCase *t = tcase_create("messages");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, t);
	tcase_add_loop_test(t, json_is_read_as_jansson_reads_it, 0, (int)COUNT(good));
	tcase_add_loop_test(t, what_is_no_strict_json_object_is_refused, 0, (int)COUNT(not_good));
	tcase_add_test(t, depth_is_limited);
	tcase_add_test(t, reals_do_not_depend_on_the_locale);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
