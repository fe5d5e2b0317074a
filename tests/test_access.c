/*
 * test_access.c - the rules of the access sections, applied to identities.
 */
#include "config_fixture.h"

#include "../broker/access.h"

#include <stdlib.h>
#include <string.h>

#define PORTS "[port a]\ndevice = /a\n[port b]\ndevice = /b\n[pool p]\nports = a b\n"

static const gid_t ann_groups[] = { 100, 20 }, bob_groups[] = { 100 };
static const struct access_identity root = { .uid = 0, .is_admin = true };
static const struct access_identity ann = { .uid = 1000, .groups = ann_groups, .group_count = 2 };
static const struct access_identity bob = { .uid = 1001, .groups = bob_groups, .group_count = 1 };
/* As a user and a group with the same number must not be mixed up. */
static const struct access_identity twenty = { .uid = 20 };

static struct config config;

static void
use(const char *sections)
{
	char text[1024];

	snprintf(text, sizeof(text), PORTS "%s", sections);
	config_free(&config);
	conf_read_good(text, &conf_root, &config);
}

static void
forget(void)
{
	config_free(&config);
}

START_TEST(without_rules_everybody_asks_with_any_priority_and_only_admins_interfere)
{
	use(_i == 0 ? ""
		    : "[access]\nask = *\npriority = *:100\nrevoke = nobody\nevict = nobody\n"
		      "disable = nobody\n");
	ck_assert(access_may_ask(&config, &bob, "a", NULL));
	ck_assert(access_may_ask(&config, &bob, "a", "p"));
	ck_assert_int_eq(access_ceiling(&config, &bob, "a", NULL), 100);
	ck_assert_int_eq(access_ceiling(&config, &bob, "a", "p"), 100);
	for (int right = ACCESS_REVOKE; right <= ACCESS_DISABLE; right++) {
		ck_assert(!access_may(&config, &ann, (enum access_right)right, "a"));
		ck_assert(access_may(&config, &root, (enum access_right)right, "a"));
	}
}
END_TEST

START_TEST(lists_name_users_groups_or_everybody)
{
	use("[access]\nask = 1000\n");
	ck_assert(access_may_ask(&config, &ann, "a", NULL));
	ck_assert(!access_may_ask(&config, &bob, "a", NULL));
	use("[access]\nask = @20\n");
	ck_assert(access_may_ask(&config, &ann, "a", NULL));
	ck_assert(!access_may_ask(&config, &bob, "a", NULL));
	ck_assert(!access_may_ask(&config, &twenty, "a", NULL));
	use("[access]\nask = 7 @9 *\n");
	ck_assert(access_may_ask(&config, &twenty, "a", NULL));
	use("[access]\nask = nobody\n");
	ck_assert(!access_may_ask(&config, &ann, "a", NULL));
}
END_TEST

START_TEST(administrators_may_everything_whatever_the_rules_say)
{
	use("[access]\nask = nobody\npriority = *:-5\nrevoke = nobody\n[access p]\nask = nobody\n");
	ck_assert(access_may_ask(&config, &root, "a", NULL));
	ck_assert(access_may_ask(&config, &root, "a", "p"));
	ck_assert_int_eq(access_ceiling(&config, &root, "a", NULL), 100);
	ck_assert(access_may(&config, &root, ACCESS_REVOKE, "a"));
}
END_TEST

START_TEST(a_port_has_its_own_rules_key_by_key)
{
	use("[access]\nask = nobody\npriority = *:10\n[access b]\nask = 1001\n");
	ck_assert(!access_may_ask(&config, &bob, "a", NULL));
	ck_assert(access_may_ask(&config, &bob, "b", NULL));
	ck_assert(!access_may_ask(&config, &ann, "b", NULL));
	ck_assert_int_eq(access_ceiling(&config, &bob, "b", NULL), 10);
	use("[access]\nask = *\n[access b]\nask = nobody\n");
	ck_assert(access_may_ask(&config, &bob, "a", NULL));
	ck_assert(!access_may_ask(&config, &bob, "b", NULL));
}
END_TEST

START_TEST(a_request_by_a_pools_name_is_judged_by_the_pool_first)
{
	use("[access]\nask = nobody\n[access p]\nask = 1000\npriority = *:7\n");
	ck_assert(access_may_ask(&config, &ann, "a", "p"));
	ck_assert(!access_may_ask(&config, &bob, "a", "p"));
	ck_assert(!access_may_ask(&config, &ann, "a", NULL));
	ck_assert_int_eq(access_ceiling(&config, &ann, "a", "p"), 7);
	ck_assert_int_eq(access_ceiling(&config, &ann, "a", NULL), 100);
	use("[access]\nask = *\n[access p]\nask = nobody\n[access a]\nask = 1000\n");
	ck_assert(access_may_ask(&config, &ann, "a", NULL));
	ck_assert(!access_may_ask(&config, &ann, "a", "p"));
}
END_TEST

START_TEST(without_its_own_rules_a_pool_gives_the_ports_that_each_would_give)
{
	use("[access b]\nask = 1001\npriority = *:3\n[access p]\ndisable = *\n");
	ck_assert(access_may_ask(&config, &ann, "a", "p"));
	ck_assert(!access_may_ask(&config, &ann, "b", "p"));
	ck_assert(access_may_ask(&config, &bob, "b", "p"));
	ck_assert_int_eq(access_ceiling(&config, &bob, "b", "p"), 3);
	ck_assert_int_eq(access_ceiling(&config, &bob, "a", "p"), 100);
}
END_TEST

START_TEST(the_entry_that_allows_most_is_the_ceiling)
{
	use("[access]\npriority = *:-20 @20:50 1000:10\n");
	ck_assert_int_eq(access_ceiling(&config, &ann, "a", NULL), 50);
	ck_assert_int_eq(access_ceiling(&config, &bob, "a", NULL), -20);
	use("[access]\npriority = 1000:10\n");
	ck_assert_int_eq(access_ceiling(&config, &ann, "a", NULL), 10);
	ck_assert_int_eq(access_ceiling(&config, &bob, "a", NULL), 0);
	use("[access]\npriority = nobody\n");
	ck_assert_int_eq(access_ceiling(&config, &ann, "a", NULL), 0);
}
END_TEST

START_TEST(each_right_has_its_own_list)
{
	use("[access]\nrevoke = @20\n[access a]\nevict = 1001\n[access b]\ndisable = *\n"
	    "revoke = nobody\n");
	ck_assert(access_may(&config, &ann, ACCESS_REVOKE, "a"));
	ck_assert(!access_may(&config, &bob, ACCESS_REVOKE, "a"));
	ck_assert(access_may(&config, &bob, ACCESS_EVICT, "a"));
	ck_assert(!access_may(&config, &ann, ACCESS_EVICT, "a"));
	ck_assert(!access_may(&config, &bob, ACCESS_DISABLE, "a"));
	ck_assert(access_may(&config, &bob, ACCESS_DISABLE, "b"));
	ck_assert(!access_may(&config, &ann, ACCESS_REVOKE, "b"));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("access");
	TCase *tcase = tcase_create("rules");

	tcase_add_checked_fixture(tcase, NULL, forget);
	tcase_add_loop_test(
	    tcase, without_rules_everybody_asks_with_any_priority_and_only_admins_interfere, 0, 2);
	tcase_add_test(tcase, lists_name_users_groups_or_everybody);
	tcase_add_test(tcase, administrators_may_everything_whatever_the_rules_say);
	tcase_add_test(tcase, a_port_has_its_own_rules_key_by_key);
	tcase_add_test(tcase, a_request_by_a_pools_name_is_judged_by_the_pool_first);
	tcase_add_test(tcase, without_its_own_rules_a_pool_gives_the_ports_that_each_would_give);
	tcase_add_test(tcase, the_entry_that_allows_most_is_the_ceiling);
	tcase_add_test(tcase, each_right_has_its_own_list);
	suite_add_tcase(suite, tcase);
	return conf_run(suite);
}
