/*
 * test_class.c - a request's class, its rank, and how long it may hold a port.
 */
#include "config_fixture.h"

#include "../broker/class.h"

#include <string.h>

static const gid_t groups[] = { 100, 20 };
static const struct access_identity ann = { .uid = 1000, .groups = groups, .group_count = 2 };
static const struct access_identity bob = { .uid = 20 };

static struct config config;
static const struct config_port *port;

static void
start(void)
{
	conf_read_good(CONF_PORT "order = mail fax\nclass-of = efax:fax group=20:dialup "
				 "user=1000:mail user=20:other efax:never\n"
				 "max-hold = 3600 fax:600 mail:none\n",
		       &conf_root, &config);
	port = &config.ports[0];
}

static void
stop(void)
{
	config_free(&config);
}

START_TEST(a_class_that_is_named_counts)
{
	ck_assert_str_eq(class_of(port, "x", "efax", &ann), "x");
}
END_TEST

START_TEST(otherwise_the_first_rule_that_fits_counts)
{
	ck_assert_str_eq(class_of(port, NULL, "efax", &ann), "fax");
	ck_assert_str_eq(class_of(port, "", "efax", &ann), "fax");
	ck_assert_str_eq(class_of(port, NULL, "efa", &ann), "dialup");
	ck_assert_str_eq(class_of(port, NULL, "efaxx", &bob), "other");
	ck_assert_str_eq(class_of(port, NULL, NULL, &bob), "other");
}
END_TEST

START_TEST(where_no_rule_fits_there_is_no_class)
{
	const struct access_identity eve = { .uid = 5 };

	ck_assert_str_eq(class_of(port, NULL, "", &eve), "");
	ck_assert_str_eq(class_of(port, NULL, "cu", &eve), "");
}
END_TEST

START_TEST(rank_is_the_place_in_the_order_and_the_rest_comes_last)
{
	ck_assert_uint_eq(class_rank(port, "mail"), 0);
	ck_assert_uint_eq(class_rank(port, "fax"), 1);
	ck_assert_uint_eq(class_rank(port, "dialup"), 2);
	ck_assert_uint_eq(class_rank(port, ""), 2);
}
END_TEST

START_TEST(without_an_order_all_classes_are_equal)
{
	stop();
	conf_read_good(CONF_PORT, &conf_root, &config);
	port = &config.ports[0];
	ck_assert_uint_eq(class_rank(port, "mail"), 0);
	ck_assert_uint_eq(class_rank(port, ""), 0);
	ck_assert_uint_eq(class_max_hold_s(port, "mail"), CONFIG_NEVER);
}
END_TEST

START_TEST(a_class_may_have_a_max_hold_of_its_own)
{
	ck_assert_uint_eq(class_max_hold_s(port, "fax"), 600);
	ck_assert_uint_eq(class_max_hold_s(port, "mail"), CONFIG_NEVER);
	ck_assert_uint_eq(class_max_hold_s(port, "dialup"), 3600);
	ck_assert_uint_eq(class_max_hold_s(port, ""), 3600);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("class");
	TCase *tcase = tcase_create("rules");

	tcase_add_checked_fixture(tcase, start, stop);
	tcase_add_test(tcase, a_class_that_is_named_counts);
	tcase_add_test(tcase, otherwise_the_first_rule_that_fits_counts);
	tcase_add_test(tcase, where_no_rule_fits_there_is_no_class);
	tcase_add_test(tcase, rank_is_the_place_in_the_order_and_the_rest_comes_last);
	tcase_add_test(tcase, without_an_order_all_classes_are_equal);
	tcase_add_test(tcase, a_class_may_have_a_max_hold_of_its_own);
	suite_add_tcase(suite, tcase);
	return conf_run(suite);
}
