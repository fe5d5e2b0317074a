/*
 * test_config_list.c - a port's lists: order, class-of, max-hold, busy-by, init; how they are
 * taken, printed on several lines, and what is said of faulty ones.
 */
#include "config_fixture.h"

#include "../broker/config_key.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define CLASS_RULE   "; use 1 to 64 of the characters A-Z a-z 0-9 . _ : @ + -"
#define RULE         " is no rule; write COMMAND:CLASS, user=NAME:CLASS or group=NAME:CLASS"
#define N60          "012345678901234567890123456789012345678901234567890123456789"

/* ---- what is taken ---- */

START_TEST(a_port_without_these_keys_has_the_documented_defaults)
{
	struct config config;
	struct config_port defaults;
	const struct config_port *port;

	config_port_defaults(&defaults);
	conf_read_good(CONF_PORT, &conf_root, &config);
	port = &config.ports[0];
	ck_assert_uint_eq(port->linger_ms, 0);
	ck_assert_uint_eq(port->quiet_ms, 0);
	ck_assert_str_eq(port->init, "");
	ck_assert_uint_eq(port->init_timeout_ms, 3000);
	ck_assert_uint_eq(port->order_count, 0);
	ck_assert_uint_eq(port->class_of_count, 0);
	ck_assert_uint_eq(port->age_step_s, 60);
	ck_assert_uint_eq(port->max_hold_s, CONFIG_NEVER);
	ck_assert_uint_eq(port->class_hold_count, 0);
	ck_assert_uint_eq(port->min_hold_s, 0);
	ck_assert_uint_eq(port->yield_grace_s, 5);
	ck_assert_uint_eq(port->idle_timeout_s, CONFIG_NEVER);
	ck_assert_int_eq(port->preempt, CONFIG_PREEMPT_STANDBY);
	ck_assert(!port->busy_by_dcd);
	ck_assert_uint_eq(port->busy_by_activity_s, 0);
	ck_assert_uint_eq(port->max_busy_s, 3600);
	ck_assert(port->own_always);
	ck_assert_str_eq(port->tag, "");
	strcpy(defaults.name, port->name);
	strcpy(defaults.device, port->device);
	defaults.file = port->file;
	defaults.line = port->line;
	ck_assert_mem_eq(&defaults, port, sizeof(defaults));
	config_free(&config);
}
END_TEST

/* A value as written, and as it is printed. */
static const struct {
	const char *text, *printed;
} values[] = {
	{ "order = none", "\norder = none\n" },
	{ "order =  mail \t fax ; the rest", "\norder = mail fax\n" },
	{ "order = mail\norder = fax dialup\n", "\norder = mail fax dialup\n" },
	{ "order = a:b none2 @x", "\norder = a:b none2 @x\n" },
	{ "class-of = user=0:mail", "\nclass-of = user=0:mail\n" },
	{ "class-of = user=root:mail group=root:a:b", "\nclass-of = user=0:mail group=0:a:b\n" },
	{ "class-of = efax:fax\nclass-of = (sd-pam):x\n", "\nclass-of = efax:fax (sd-pam):x\n" },
	{ "class-of = user:a group:b 0123456789abcde:c",
	  "\nclass-of = user:a group:b 0123456789abcde:c\n" },
	{ "max-hold = 1", "\nmax-hold = 1\n" },
	{ "max-hold = none", "\nmax-hold = none\n" },
	{ "max-hold = fax:600", "\nmax-hold = none fax:600\n" },
	{ "max-hold = a:b:600 none:1", "\nmax-hold = none a:b:600 none:1\n" },
	{ "max-hold = 3600\nmax-hold = fax:600\nmax-hold = mail:none",
	  "\nmax-hold = 3600 fax:600 mail:none\n" },
	{ "busy-by = activity:1", "\nbusy-by = activity:1\n" },
	{ "busy-by = activity:3600 dcd", "\nbusy-by = dcd activity:3600\n" },
	{ "busy-by = none", "\nbusy-by = none\n" },
	{ "init = none", "\ninit = none\n" },
	{ "init =  ATZ   OK\tAT#CID=1;S0=1 OK  ; ready", "\ninit = ATZ OK AT#CID=1;S0=1 OK\n" },
	{ "init = \\s\\r \\n\\\\ none none", "\ninit = \\s\\r \\n\\\\ none none\n" },
	{ "init = +" N60 N60 "012345678901234567890123456789012345 ok",
	  "\ninit = +" N60 N60 "012345678901234567890123456789012345 ok\n" },
	{ "tag = a:b", "\ntag = a:b\n" },
	{ "idle-timeout = none\nmax-busy = 31536000", "\nidle-timeout = none\n" },
};

START_TEST(values_are_taken_and_printed_so_that_they_come_back)
{
	struct config config, again;
	char text[512], *first, *second;

	snprintf(text, sizeof(text), CONF_PORT "%s\n", values[_i].text);
	conf_read_good(text, &conf_root, &config);
	first = conf_print(&config);
	ck_assert_msg(strstr(first, values[_i].printed) != NULL, "%s", first);
	conf_read_good(first, &conf_root, &again);
	second = conf_print(&again);
	ck_assert_str_eq(first, second);
	free(first);
	free(second);
	config_free(&config);
	config_free(&again);
}
END_TEST

static void
print_full_port(FILE *file)
{
	fputs(CONF_PORT, file);
	for (int i = 0; i < CONFIG_CLASSES_MAX; i++)
		fprintf(file, "order = " N60 "%04d\nmax-hold = " N60 "%04d:31536000\n", i, i);
	for (int i = 0; i < CONFIG_RULES_MAX; i++)
		fprintf(file, "class-of = group=%u:" N60 "%04d\n", UINT32_MAX - 1 - (unsigned)i, i);
}

/* inih reads 198 bytes a line; people read fewer. */
START_TEST(the_longest_lists_are_printed_on_lines_that_can_be_read)
{
	struct config config, again;
	char *text = NULL, *first, *second;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);

	print_full_port(file);
	fclose(file);
	conf_read_good(text, &conf_root, &config);
	ck_assert_uint_eq(config.ports[0].order_count, CONFIG_CLASSES_MAX);
	ck_assert_uint_eq(config.ports[0].class_hold_count, CONFIG_CLASSES_MAX);
	ck_assert_uint_eq(config.ports[0].class_of_count, CONFIG_RULES_MAX);
	ck_assert_uint_eq(config.ports[0].class_of[31].id, UINT32_MAX - 32);
	first = conf_print(&config);
	for (const char *c = first; *c != '\0'; c += strcspn(c, "\n") + 1)
		ck_assert_uint_le(strcspn(c, "\n"), 100);
	conf_read_good(first, &conf_root, &again);
	second = conf_print(&again);
	ck_assert_str_eq(first, second);
	free(text);
	free(first);
	free(second);
	config_free(&config);
	config_free(&again);
}
END_TEST

START_TEST(words_of_init_come_out_without_their_escapes)
{
	static const char *const words[] = { "ATZ", "OK", " \r\n\\", "\\s" };
	char word[CONFIG_INIT_MAX + 1];
	struct config config;
	const char *next;

	conf_read_good(CONF_PORT "init = ATZ OK \\s\\r\\n\\\\ \\\\s\n", &conf_root, &config);
	next = config.ports[0].init;
	for (size_t i = 0; i < COUNT(words); i++) {
		next = config_init_word(next, word);
		ck_assert_ptr_nonnull(next);
		ck_assert_str_eq(word, words[i]);
	}
	ck_assert_ptr_null(config_init_word(next, word));
	ck_assert_str_eq(word, "");
	ck_assert_ptr_null(config_init_word("", word));
	config_free(&config);
}
END_TEST

/* ---- faults ---- */

/* What follows "f.conf:3: port modem0: ". */
static const struct {
	const char *text, *message;
} faults[] = {
	{ "linger-ms = 60001", "linger-ms: 60001 is out of range (0..60000)" },
	{ "quiet-ms = 60001", "quiet-ms: 60001 is out of range (0..60000)" },
	{ "init-timeout-ms = 0", "init-timeout-ms: 0 is out of range (1..60000)" },
	{ "init = ATZ", "init: 1 word; by turns one is sent and one awaited, like ATZ OK" },
	{ "init = ATZ OK ATE0",
	  "init: 3 words; by turns one is sent and one awaited, like ATZ OK" },
	{ "init = ATZ # OK", "init: \"#\": a comment behind a value starts with \";\"" },
	{ "init = ATZ \\x", "init: \"\\x\": behind \"\\\" only s, r, n or \\ may follow" },
	{ "init = ATZ OK\\", "init: \"OK\\\": behind \"\\\" only s, r, n or \\ may follow" },
	{ "init = ATZ \xc3\xb6", "init: \"\\xc3\\xb6\" has bytes that are not printable ASCII" },
	{ "init = a" N60 N60 "0123456789012345678901234567890123456 ok",
	  "init: it is longer than 160 bytes" },
	{ "init = ATZ OK\ninit = ATZ OK", NULL },
	{ "order = mail a/b", "order: \"a/b\" is no class" CLASS_RULE },
	{ "order = mail fax mail", "order: class mail stands there twice" },
	{ "order = mail none", "order: \"none\" stands for no class, and alone" },
	{ "order = a b c d e f g h i j k l m n o p q", "order: too many classes, 16 are allowed" },
	{ "order = mail # fax", "order: \"#\": a comment behind a value starts with \";\"" },
	{ "class-of = efax", "class-of: \"efax\"" RULE },
	{ "class-of = :fax", "class-of: \":fax\"" RULE },
	{ "class-of = uid=5:fax", "class-of: \"uid=5:fax\"" RULE },
	{ "class-of = efax:", "class-of: \"\" is no class" CLASS_RULE },
	{ "class-of = /usr/bin/efax:fax", "class-of: \"/usr/bin/efax\" is no command's name" },
	{ "class-of = 0123456789abcdef:fax",
	  "class-of: \"0123456789abcdef\" is longer than what the kernel keeps of a command's "
	  "name; write \"0123456789abcde\"" },
	{ "class-of = user=no-such-user:x", "class-of: there is no user \"no-such-user\"" },
	{ "class-of = group=no-such-group:x", "class-of: there is no group \"no-such-group\"" },
	{ "class-of = user=:x", "class-of: there is no user \"\"" },
	{ "class-of = user=4294967295:x",
	  "class-of: 4294967295 is out of range for a user (0..4294967294)" },
	{ "class-of = group=99999999999:x",
	  "class-of: 99999999999 is out of range for a group (0..4294967294)" },
	{ "class-of = a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 "
	  "a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1",
	  "class-of: too many rules, 32 are allowed" },
	{ "age-step = 86401", "age-step: 86401 is out of range (0..86400)" },
	{ "age-step = none", "age-step: \"none\" is no number" },
	{ "max-hold = 0", "max-hold: 0 is out of range (1..31536000)" },
	{ "max-hold = 31536001", "max-hold: 31536001 is out of range (1..31536000)" },
	{ "max-hold = long", "max-hold: \"long\" is neither a number of seconds nor none" },
	{ "max-hold = fax:0", "max-hold: 0 is out of range (1..31536000)" },
	{ "max-hold = fax:", "max-hold: \"\" is neither a number of seconds nor none" },
	{ "max-hold = :5", "max-hold: \"\" is no class" CLASS_RULE },
	{ "max-hold = 1 2",
	  "max-hold: \"2\": behind the first value only CLASS:SECONDS may follow" },
	{ "max-hold = fax:1 fax:2", "max-hold: class fax stands there twice" },
	{ "max-hold = a:1 b:1 c:1 d:1 e:1 f:1 g:1 h:1 i:1 j:1 k:1 l:1 m:1 n:1 o:1 p:1 q:1",
	  "max-hold: too many classes, 16 are allowed" },
	{ "min-hold = 86401", "min-hold: 86401 is out of range (0..86400)" },
	{ "yield-grace = 3601", "yield-grace: 3601 is out of range (0..3600)" },
	{ "idle-timeout = 0", "idle-timeout: 0 is out of range (1..31536000)" },
	{ "idle-timeout = never",
	  "idle-timeout: \"never\" is neither a number of seconds nor none" },
	{ "max-busy = 31536001", "max-busy: 31536001 is out of range (1..31536000)" },
	{ "max-busy = 4294967295", "max-busy: 4294967295 is out of range (1..31536000)" },
	{ "preempt = always", "preempt: \"always\" is not one of never, standby, lower" },
	{ "busy-by = cts", "busy-by: \"cts\" is not one of none, dcd, activity:SECONDS" },
	{ "busy-by = dcd none", "busy-by: \"none\" is not one of none, dcd, activity:SECONDS" },
	{ "busy-by = dcd dcd", "busy-by: dcd stands there twice" },
	{ "busy-by = activity:1 activity:1", "busy-by: activity stands there twice" },
	{ "busy-by = activity:0", "busy-by: 0 is out of range (1..3600)" },
	{ "busy-by = activity:", "busy-by: \"\" is no number" },
	{ "own = never", "own: \"never\" is not one of always, leased" },
	{ "tag = a b", "tag: \"a b\" is no tag" CLASS_RULE },
	{ "yield-grave = 1", "unknown key \"yield-grave\"; did you mean \"yield-grace\"?" },
	{ "lock-dir = /x", "\"lock-dir\" belongs under [broker]" },
	{ "ports = a", "\"ports\" belongs under [pool NAME]" },
	{ "ask = *", "\"ask\" belongs under [access]" },
};

START_TEST(each_fault_is_told_with_its_reason_and_way_out)
{
	char text[512], message[512];

	snprintf(text, sizeof(text), CONF_PORT "%s\n", faults[_i].text);
	if (faults[_i].message)
		snprintf(message, sizeof(message), "f.conf:3: port modem0: %s", faults[_i].message);
	else
		strcpy(message, "f.conf:4: port modem0: init is already set at f.conf:3");
	conf_require_fault(text, &conf_root, message);
}
END_TEST

START_TEST(the_word_for_an_empty_list_stands_alone)
{
	conf_require_fault(CONF_PORT "order = none\norder = mail\n", &conf_root,
			   "f.conf:4: port modem0: order: \"none\" stands alone, but there is also "
			   "f.conf:3");
	conf_require_fault(CONF_PORT "class-of = a:b\nclass-of = none\n", &conf_root,
			   "f.conf:4: port modem0: class-of: \"none\" stands alone, but there is "
			   "also f.conf:3");
}
END_TEST

START_TEST(lists_on_several_lines_are_one_list)
{
	conf_require_fault(CONF_PORT "order = mail\norder = fax mail\n", &conf_root,
			   "f.conf:4: port modem0: order: class mail stands there twice");
	conf_require_fault(CONF_PORT "max-hold = fax:1\nmax-hold = 5\n", &conf_root,
			   "f.conf:4: port modem0: max-hold: \"5\": behind the first value only "
			   "CLASS:SECONDS may follow");
	conf_require_fault(CONF_PORT "order = mail\norder =\n", &conf_root,
			   "f.conf:4: port modem0: order: has no value");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("config_list");
	TCase *tcase = tcase_create("lists");

	tcase_add_test(tcase, a_port_without_these_keys_has_the_documented_defaults);
	tcase_add_loop_test(tcase, values_are_taken_and_printed_so_that_they_come_back, 0,
			    (int)COUNT(values));
	tcase_add_test(tcase, the_longest_lists_are_printed_on_lines_that_can_be_read);
	tcase_add_test(tcase, words_of_init_come_out_without_their_escapes);
	tcase_add_loop_test(tcase, each_fault_is_told_with_its_reason_and_way_out, 0,
			    (int)COUNT(faults));
	tcase_add_test(tcase, the_word_for_an_empty_list_stands_alone);
	tcase_add_test(tcase, lists_on_several_lines_are_one_list);
	suite_add_tcase(suite, tcase);
	return conf_run(suite);
}
