/*
 * test_config_access.c - pools and access sections: what is taken, how accounts become numbers, and
 * what is said of faulty ones. The name service is this file's own: see getpwnam_r() below.
 */
#include "config_fixture.h"

#include "../broker/config_key.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PORTS        "[port a]\ndevice = /a\n[port b]\ndevice = /b\n"
#define NAME_RULE    "; use 1 to 64 of the characters A-Z a-z 0-9 . _ : @ + -"

/* ---- a name service ---- */

static unsigned look_ups;

/* ann and operators exist; big is a long entry; slow fails. */
static int
answer(const char *name, const char *known, size_t size, bool *found)
{
	look_ups++;
	*found = false;
	if (strcmp(name, "slow") == 0)
		return EIO;
	if (strcmp(name, "absent") == 0)
		return ESRCH; /* POSIX allows it */
	if (strcmp(name, "big") == 0 && size < 100000)
		return ERANGE;
	*found = strcmp(name, known) == 0 || strcmp(name, "big") == 0;
	return 0;
}

int
getpwnam_r(const char *name, struct passwd *entry, char *buffer, size_t size,
	   struct passwd **result)
{
	bool found;
	int error = answer(name, "ann", size, &found);

	(void)buffer;
	entry->pw_uid = 1000;
	*result = found ? entry : NULL;
	return error;
}

int
getgrnam_r(const char *name, struct group *entry, char *buffer, size_t size, struct group **result)
{
	bool found;
	int error = answer(name, "operators", size, &found);

	(void)buffer;
	entry->gr_gid = 500;
	*result = found ? entry : NULL;
	return error;
}

/* ---- what is taken ---- */

START_TEST(pools_are_taken_from_sections_in_any_order)
{
	struct config config;
	const struct config_pool *pool;

	conf_read_good("[pool p]\nports = b\nports = a\n" PORTS "[pool u]\nmatch = usb:0403:6A0F\n"
		       "[pool t]\nmatch = tag:lab\n[pool x]\nmatch = path:/dev/tty USB*[0-9]\n",
		       &conf_root, &config);
	ck_assert_uint_eq(config.pool_count, 4);
	pool = config_find_pool(&config, "p");
	ck_assert_ptr_eq(pool, &config.pools[0]);
	ck_assert_int_eq(pool->match, CONFIG_MATCH_PORTS);
	ck_assert_uint_eq(pool->port_count, 2);
	ck_assert_str_eq(pool->ports[0], "b");
	ck_assert_str_eq(pool->ports[1], "a");
	ck_assert_str_eq(pool->file, "f.conf");
	ck_assert_uint_eq(pool->line, 1);
	pool = config_find_pool(&config, "u");
	ck_assert_int_eq(pool->match, CONFIG_MATCH_USB);
	ck_assert_str_eq(pool->pattern, "0403:6a0f");
	ck_assert_int_eq(config_find_pool(&config, "t")->match, CONFIG_MATCH_TAG);
	ck_assert_str_eq(config_find_pool(&config, "t")->pattern, "lab");
	ck_assert_int_eq(config_find_pool(&config, "x")->match, CONFIG_MATCH_PATH);
	ck_assert_str_eq(config_find_pool(&config, "x")->pattern, "/dev/tty USB*[0-9]");
	ck_assert_ptr_null(config_find_pool(&config, "a"));
	config_free(&config);
	ck_assert_ptr_null(config.pools);
}
END_TEST

static void
require_grant(const struct config_grants *grants, uint32_t at, enum config_who who, uint32_t id,
	      int priority)
{
	ck_assert(grants->is_set);
	ck_assert_uint_lt(at, grants->count);
	ck_assert_int_eq(grants->list[at].who, who);
	ck_assert_uint_eq(grants->list[at].id, id);
	ck_assert_int_eq(grants->list[at].priority, priority);
}

START_TEST(access_sections_are_taken_and_the_general_one_comes_first)
{
	struct config config;
	const struct config_access *access;

	conf_read_good("[access b]\nask = nobody\n[access p]\ndisable = ann\n"
		       "[access]\npriority = *:-100 @operators:100 ann:0\npriority = 7:5\n"
		       "ask = * ann @operators 7 @8\nrevoke = @0\n" PORTS "[pool p]\nports = a\n",
		       &conf_root, &config);
	ck_assert_uint_eq(config.access_count, 3);
	access = config_find_access(&config, "");
	ck_assert_ptr_eq(access, &config.access[0]);
	ck_assert_uint_eq(access->line, 5);
	ck_assert_uint_eq(access->priority.count, 4);
	require_grant(&access->priority, 0, CONFIG_EVERYBODY, 0, -100);
	require_grant(&access->priority, 1, CONFIG_GROUP, 500, 100);
	require_grant(&access->priority, 2, CONFIG_USER, 1000, 0);
	require_grant(&access->priority, 3, CONFIG_USER, 7, 5);
	ck_assert_uint_eq(access->ask.count, 5);
	require_grant(&access->ask, 0, CONFIG_EVERYBODY, 0, 0);
	require_grant(&access->ask, 1, CONFIG_USER, 1000, 0);
	require_grant(&access->ask, 2, CONFIG_GROUP, 500, 0);
	require_grant(&access->ask, 3, CONFIG_USER, 7, 0);
	require_grant(&access->ask, 4, CONFIG_GROUP, 8, 0);
	require_grant(&access->revoke, 0, CONFIG_GROUP, 0, 0);
	ck_assert(!access->evict.is_set && !access->disable.is_set);
	ck_assert_str_eq(config.access[1].name, "b");
	ck_assert(config.access[1].ask.is_set);
	ck_assert_uint_eq(config.access[1].ask.count, 0);
	ck_assert_str_eq(config.access[2].name, "p");
	require_grant(&config.access[2].disable, 0, CONFIG_USER, 1000, 0);
	ck_assert_ptr_null(config_find_access(&config, "a"));
	config_free(&config);
	ck_assert_ptr_null(config.access);
}
END_TEST

START_TEST(accounts_with_long_entries_are_found)
{
	struct config config;

	conf_read_good("[access]\nask = big @big\n", &conf_root, &config);
	require_grant(&config.access[0].ask, 0, CONFIG_USER, 1000, 0);
	require_grant(&config.access[0].ask, 1, CONFIG_GROUP, 500, 0);
	config_free(&config);
}
END_TEST

/* Whoever reads what was printed must not wait for a name service. */
START_TEST(what_is_printed_is_read_without_looking_up_a_name)
{
	struct config config, again;
	char *first, *second;

	conf_read_good("[access]\nask = ann @operators\npriority = ann:1 @operators:-1 *:5\n"
		       "revoke = nobody\nevict = *\n" PORTS
		       "class-of = user=ann:x group=operators:y "
		       "c:z\n",
		       &conf_root, &config);
	ck_assert_uint_eq(look_ups, 6);
	first = conf_print(&config);
	ck_assert_ptr_nonnull(strstr(first, "\nask = 1000 @500\npriority = 1000:1 @500:-1 *:5\n"
					    "revoke = nobody\nevict = *\n; disable is not set\n"));
	ck_assert_ptr_nonnull(strstr(first, "\nclass-of = user=1000:x group=500:y c:z\n"));
	conf_read_good(first, &conf_root, &again);
	ck_assert_uint_eq(look_ups, 6);
	second = conf_print(&again);
	ck_assert_str_eq(first, second);
	free(first);
	free(second);
	config_free(&config);
	config_free(&again);
}
END_TEST

static char *
full_text(void)
{
	char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);

	for (int i = 0; i < CONFIG_POOL_MAX; i++)
		fprintf(file, "[port %064d]\ndevice = /%d\n", i, i);
	fprintf(file, "[pool p]\n");
	for (int i = 0; i < CONFIG_POOL_MAX; i++)
		fprintf(file, "ports = %064d\n", i);
	fprintf(file, "[access p]\n");
	for (unsigned i = 0; i < CONFIG_RULES_MAX; i++)
		fprintf(file, "ask = @%u\npriority = @%u:-100\nrevoke = %u\n", UINT32_MAX - 1 - i,
			UINT32_MAX - 1 - i, UINT32_MAX - 1 - i);
	fclose(file);
	return text;
}

START_TEST(the_longest_lists_come_back)
{
	struct config config, again;
	char *text = full_text(), *first, *second;

	conf_read_good(text, &conf_root, &config);
	ck_assert_uint_eq(config.pools[0].port_count, CONFIG_POOL_MAX);
	ck_assert_uint_eq(config.access[0].revoke.count, CONFIG_RULES_MAX);
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

/* ---- faults ---- */

static const struct {
	const char *text, *message;
} faults[] = {
	{ "[pool]\nports = a\n", "f.conf:1: section [pool] has no name; write [pool NAME]" },
	{ "[pool a b]\nports = a\n", "f.conf:1: pool \"a b\": that is no name" NAME_RULE },
	{ "[pool p]\nports = a\n[pool p]\nports = b\n" PORTS,
	  "f.conf:3: pool p is already defined at f.conf:1" },
	{ PORTS "[pool a]\nports = b\n",
	  "f.conf:5: pool a: that is the name of a port at f.conf:1; choose another" },
	{ "[pool b]\nports = a\n" PORTS,
	  "f.conf:5: port b: that is the name of a pool at f.conf:1; choose another" },
	{ "[pool p]\n" PORTS, "f.conf:1: pool p: its ports are missing; add \"ports = NAME...\" or "
			      "\"match = usb:VID:PID\"" },
	{ PORTS "[pool p]\nports = a\nmatch = tag:x\n",
	  "f.conf:7: pool p: match: ports is set at f.conf:6; a pool has either" },
	{ PORTS "[pool p]\nports = a c b d\n",
	  "f.conf:5: pool p: ports: there is no port c; add [port c], or leave it out\n"
	  "f.conf:5: pool p: ports: there is no port d; add [port d], or leave it out" },
	{ PORTS "[pool p]\nports = q\n[pool q]\nports = a\n",
	  "f.conf:5: pool p: ports: q is a pool; name the ports themselves" },
	{ PORTS "[pool p]\nports = a b\nports = a\n",
	  "f.conf:7: pool p: ports: port a stands there twice" },
	{ PORTS "[pool p]\nports = a /b\n",
	  "f.conf:6: pool p: ports: \"/b\" is no port's name" NAME_RULE },
	{ "[pool p]\nmatch = 0403:6001\n",
	  "f.conf:2: pool p: match: \"0403:6001\" is not one of usb:VID:PID, tag:NAME, "
	  "path:PATTERN" },
	{ "[pool p]\nmatch = usb:403:6001\n",
	  "f.conf:2: pool p: match: \"usb:403:6001\": write usb:VID:PID with four hexadecimal "
	  "digits each, or usb:VID:*" },
	{ "[pool p]\nmatch = usb:*:6001\n",
	  "f.conf:2: pool p: match: \"usb:*:6001\": write usb:VID:PID with four hexadecimal "
	  "digits each, or usb:VID:*" },
	{ "[pool p]\nmatch = usb:0403\n",
	  "f.conf:2: pool p: match: \"usb:0403\": write usb:VID:PID with four hexadecimal "
	  "digits each, or usb:VID:*" },
	{ "[pool p]\nmatch = usb:0403:60011\n",
	  "f.conf:2: pool p: match: \"usb:0403:60011\": write usb:VID:PID with four hexadecimal "
	  "digits each, or usb:VID:*" },
	{ "[pool p]\nmatch = usb:0403:*x\n",
	  "f.conf:2: pool p: match: \"usb:0403:*x\": write usb:VID:PID with four hexadecimal "
	  "digits each, or usb:VID:*" },
	{ "[pool p]\nmatch = tag:\n", "f.conf:2: pool p: match: \"\" is no tag" NAME_RULE },
	{ "[pool p]\nmatch = path:ttyS*\n",
	  "f.conf:2: pool p: match: \"ttyS*\" is no absolute path; start it with \"/\"" },
	{ "[pool p]\nmatch = tag:x\nmatch = tag:y\n",
	  "f.conf:3: pool p: match is already set at f.conf:2" },
	{ "[pool p]\nport = a\nmatch = tag:x\n",
	  "f.conf:2: pool p: unknown key \"port\"; did you mean \"ports\"?" },
	{ "match = tag:x\n",
	  "f.conf:1: \"match\" stands before any section; put it under [pool NAME]" },
	{ "evict = *\n", "f.conf:1: \"evict\" stands before any section; put it under [access]" },
	{ "[access]\nask = 1\n[access]\nask = 2\n",
	  "f.conf:3: access is already defined at f.conf:1" },
	{ PORTS "[access a]\n[access b]\n[access a]\n",
	  "f.conf:7: access a is already defined at f.conf:5" },
	{ "[access c]\n" PORTS "[access c2]\n",
	  "f.conf:1: access c: there is no port or pool of that name\n"
	  "f.conf:6: access c2: there is no port or pool of that name" },
	{ "[access a b]\n",
	  "f.conf:1: access \"a b\": that is no port's or pool's name" NAME_RULE },
	{ "[access]\nask = bob\n", "f.conf:2: access: ask: there is no user \"bob\"" },
	{ "[access]\nask = absent\n", "f.conf:2: access: ask: there is no user \"absent\"" },
	{ "[access]\nevict = @dialout\n",
	  "f.conf:2: access: evict: there is no group \"dialout\"" },
	{ "[access]\nask = @\n", "f.conf:2: access: ask: there is no group \"\"" },
	{ "[access]\nask = slow\n",
	  "f.conf:2: access: ask: user \"slow\" cannot be looked up: Input/output error" },
	{ "[access]\nask = 4294967295\n",
	  "f.conf:2: access: ask: 4294967295 is out of range for a user (0..4294967294)" },
	{ "[access]\nask = ann nobody\n",
	  "f.conf:2: access: ask: \"nobody\" excludes all others; it stands alone" },
	{ PORTS "[access a]\nask = nobody\nask = ann\n",
	  "f.conf:7: access a: ask: \"nobody\" stands alone, but there is also f.conf:6" },
	{ "[access]\nask = ann\nask = nobody\n",
	  "f.conf:3: access: ask: \"nobody\" stands alone, but there is also f.conf:2" },
	{ "[access]\npriority = ann\n",
	  "f.conf:2: access: priority: \"ann\" is no entry; write *:NUMBER, USER:NUMBER or "
	  "@GROUP:NUMBER" },
	{ "[access]\npriority = :5\n",
	  "f.conf:2: access: priority: \":5\" is no entry; write *:NUMBER, USER:NUMBER or "
	  "@GROUP:NUMBER" },
	{ "[access]\npriority = ann:101\n",
	  "f.conf:2: access: priority: \"101\" is no priority; use -100 to 100" },
	{ "[access]\npriority = ann:-101\n",
	  "f.conf:2: access: priority: \"-101\" is no priority; use -100 to 100" },
	{ "[access]\npriority = ann:-\n",
	  "f.conf:2: access: priority: \"-\" is no priority; use -100 to 100" },
	{ "[access]\npriority = ann:+5\n",
	  "f.conf:2: access: priority: \"+5\" is no priority; use -100 to 100" },
	{ "[access]\npriority = ann:5 nobody\n",
	  "f.conf:2: access: priority: \"nobody\" excludes all others; it stands alone" },
	{ "[access]\nask = 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 "
	  "28 29 30 31 32 33\n",
	  "f.conf:2: access: ask: too many entries, 32 are allowed" },
	{ "[access]\nasks = *\n", "f.conf:2: access: unknown key \"asks\"; did you mean \"ask\"?" },
	{ "[access]\nbaud = 1\n", "f.conf:2: access: \"baud\" belongs under [port NAME]" },
};

START_TEST(each_fault_is_told_with_its_place_reason_and_way_out)
{
	conf_require_fault(faults[_i].text, &conf_root, faults[_i].message);
}
END_TEST

START_TEST(more_than_allowed_is_told)
{
	char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);

	fprintf(file, PORTS);
	for (int i = 0; i <= CONFIG_POOLS_MAX; i++)
		fprintf(file, "[pool p%d]\nports = a\n", i);
	fclose(file);
	conf_require_fault(text, &conf_root,
			   "f.conf:505: pool p250: too many pools, 250 are allowed");
	free(text);
	file = open_memstream(&text, &size);
	for (int i = 0; i <= CONFIG_POOL_MAX; i++)
		fprintf(file, "[port q%d]\ndevice = /%d\n", i, i);
	fprintf(file, "[pool p]\n");
	for (int i = 0; i <= CONFIG_POOL_MAX; i++)
		fprintf(file, "ports = q%d\n", i);
	fclose(file);
	conf_require_fault(text, &conf_root,
			   "f.conf:196: pool p: ports: too many ports, 64 are allowed");
	free(text);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("config_access");
	TCase *tcase = tcase_create("pools and access");

	tcase_add_test(tcase, pools_are_taken_from_sections_in_any_order);
	tcase_add_test(tcase, access_sections_are_taken_and_the_general_one_comes_first);
	tcase_add_test(tcase, accounts_with_long_entries_are_found);
	tcase_add_test(tcase, what_is_printed_is_read_without_looking_up_a_name);
	tcase_add_test(tcase, the_longest_lists_come_back);
	tcase_add_loop_test(tcase, each_fault_is_told_with_its_place_reason_and_way_out, 0,
			    (int)COUNT(faults));
	tcase_add_test(tcase, more_than_allowed_is_told);
	suite_add_tcase(suite, tcase);
	return conf_run(suite);
}
