/*
 * config_fixture.c - reads texts as configurations and compares what is said about them.
 */
#include "config_fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

const struct config_rules conf_root = { .privileged = true, .can_revoke = true };
const struct config_rules conf_user = { .privileged = false, .can_revoke = false };

char conf_error[CONFIG_ERROR_MAX];

int
conf_read_bytes(const char *bytes, size_t size, const struct config_rules *rules,
		struct config *config)
{
	int fd = memfd_create("config", MFD_CLOEXEC);
	int result;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, bytes, size), (ssize_t)size); /* leaves the offset at the end */
	result = config_read(fd, "f.conf", rules, config, conf_error);
	close(fd);
	return result;
}

int
conf_read(const char *text, const struct config_rules *rules, struct config *config)
{
	return conf_read_bytes(text, strlen(text), rules, config);
}

void
conf_read_good(const char *text, const struct config_rules *rules, struct config *config)
{
	int result = conf_read(text, rules, config);

	ck_assert_msg(result == 0, "%d: %s", result, conf_error);
	ck_assert_str_eq(conf_error, "");
}

void
conf_require_fault(const char *text, const struct config_rules *rules, const char *message)
{
	struct config config, untouched;

	memset(&config, 0x5a, sizeof(config));
	memcpy(&untouched, &config, sizeof(config));
	ck_assert_msg(conf_read(text, rules, &config) == -EINVAL, "accepted: %s", text);
	ck_assert_str_eq(conf_error, message);
	ck_assert_mem_eq(&config, &untouched, sizeof(config));
}

char *
conf_print(const struct config *config)
{
	char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);

	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(config_print(config, file), 0);
	fclose(file);
	return text;
}

int
conf_run(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
