/*
 * fuzz_config.c - whatever bytes a configuration file holds: config_read() takes it or says why
 * not, and what it takes survives config_print() and config_read() unchanged.
 *
 * Built for libFuzzer with COMLEASE_FUZZER defined; otherwise it mutates its samples itself, always
 * the same way: COMLEASE_FUZZ_RUNS times (20000).
 */
#include "../broker/config.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define INPUT_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			printf("Bail out! %s:%d: %s\n", __FILE__, __LINE__, #condition);           \
			fflush(stdout);                                                            \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static const struct config_rules root = { .privileged = true, .can_revoke = true };

static bool
same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool
same_classes(const struct config_port *a, const struct config_port *b)
{
	if (a->order_count != b->order_count || a->class_of_count != b->class_of_count ||
	    a->class_hold_count != b->class_hold_count)
		return false;
	for (uint32_t i = 0; i < a->order_count; i++)
		if (strcmp(a->order[i], b->order[i]) != 0)
			return false;
	for (uint32_t i = 0; i < a->class_of_count; i++)
		if (a->class_of[i].who != b->class_of[i].who ||
		    a->class_of[i].id != b->class_of[i].id ||
		    strcmp(a->class_of[i].command, b->class_of[i].command) != 0 ||
		    strcmp(a->class_of[i].class, b->class_of[i].class) != 0)
			return false;
	for (uint32_t i = 0; i < a->class_hold_count; i++)
		if (a->class_hold[i].hold_s != b->class_hold[i].hold_s ||
		    strcmp(a->class_hold[i].class, b->class_hold[i].class) != 0)
			return false;
	return true;
}

static bool
same_port(const struct config_port *a, const struct config_port *b)
{
	return config_same_device(a, b) && a->baud == b->baud && a->bits == b->bits &&
	       a->parity == b->parity && a->stop == b->stop && a->flow == b->flow &&
	       a->revocable == b->revocable && a->hangup_ms == b->hangup_ms &&
	       a->settle_ms == b->settle_ms && a->drain_ms == b->drain_ms &&
	       a->queue_max == b->queue_max && a->linger_ms == b->linger_ms &&
	       a->quiet_ms == b->quiet_ms && strcmp(a->init, b->init) == 0 &&
	       a->init_timeout_ms == b->init_timeout_ms && same_classes(a, b) &&
	       a->age_step_s == b->age_step_s && a->max_hold_s == b->max_hold_s &&
	       a->min_hold_s == b->min_hold_s && a->yield_grace_s == b->yield_grace_s &&
	       a->idle_timeout_s == b->idle_timeout_s && a->preempt == b->preempt &&
	       a->busy_by_dcd == b->busy_by_dcd && a->busy_by_activity_s == b->busy_by_activity_s &&
	       a->max_busy_s == b->max_busy_s && a->own_always == b->own_always &&
	       strcmp(a->tag, b->tag) == 0;
}

static bool
same_pool(const struct config_pool *a, const struct config_pool *b)
{
	if (strcmp(a->name, b->name) != 0 || a->match != b->match ||
	    a->port_count != b->port_count || strcmp(a->pattern, b->pattern) != 0)
		return false;
	for (uint32_t i = 0; i < a->port_count; i++)
		if (strcmp(a->ports[i], b->ports[i]) != 0)
			return false;
	return true;
}

static bool
same_grants(const struct config_grants *a, const struct config_grants *b)
{
	if (a->is_set != b->is_set || a->count != b->count)
		return false;
	for (uint32_t i = 0; i < a->count; i++)
		if (a->list[i].who != b->list[i].who || a->list[i].id != b->list[i].id ||
		    a->list[i].priority != b->list[i].priority)
			return false;
	return true;
}

static bool
same_access(const struct config_access *a, const struct config_access *b)
{
	return strcmp(a->name, b->name) == 0 && same_grants(&a->ask, &b->ask) &&
	       same_grants(&a->priority, &b->priority) && same_grants(&a->revoke, &b->revoke) &&
	       same_grants(&a->evict, &b->evict) && same_grants(&a->disable, &b->disable);
}

static bool
same_broker(const struct config *a, const struct config *b)
{
	return same_text(a->socket, b->socket) && same_text(a->lock_dir, b->lock_dir) &&
	       same_text(a->state_dir, b->state_dir) && same_text(a->user, b->user) &&
	       same_text(a->group, b->group) && a->mode == b->mode &&
	       a->connections_max == b->connections_max &&
	       a->connections_uid_max == b->connections_uid_max;
}

static bool
same_config(const struct config *a, const struct config *b)
{
	if (!same_broker(a, b) || a->port_count != b->port_count ||
	    a->template_count != b->template_count || a->pool_count != b->pool_count ||
	    a->access_count != b->access_count)
		return false;
	for (size_t i = 0; i < a->port_count; i++)
		if (!same_port(&a->ports[i], &b->ports[i]))
			return false;
	for (size_t i = 0; i < a->template_count; i++)
		if (!same_port(&a->templates[i], &b->templates[i]))
			return false;
	for (size_t i = 0; i < a->pool_count; i++)
		if (!same_pool(&a->pools[i], &b->pools[i]))
			return false;
	for (size_t i = 0; i < a->access_count; i++)
		if (!same_access(&a->access[i], &b->access[i]))
			return false;
	return true;
}

/* The words of `init` come out, an even number of them. */
static void
require_good_init(const struct config_port *port)
{
	char word[CONFIG_INIT_MAX + 1];
	unsigned words = 0;

	for (const char *next = port->init; (next = config_init_word(next, word)); words++)
		REQUIRE(word[0] != '\0' && strlen(word) <= strlen(port->init));
	REQUIRE(words % 2 == 0 && (words > 0) == (port->init[0] != '\0'));
}

/* Every line is a whole one: a place, a reason, nothing but printable ASCII. */
static void
require_good_message(const char *error)
{
	REQUIRE(error[0] != '\0' && strlen(error) < CONFIG_ERROR_MAX);
	for (const char *c = error; *c != '\0'; c++)
		REQUIRE(*c == '\n' || (*c >= ' ' && *c < 0x7f));
	for (const char *line = error; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		REQUIRE(strncmp(line, "f:", 2) == 0 || strncmp(line, "... and ", 8) == 0);
	}
}

static void
require_round_trip(const struct config *config)
{
	char error[CONFIG_ERROR_MAX];
	struct config again;
	int fd = memfd_create("config", MFD_CLOEXEC);
	FILE *file = fdopen(fd, "w+");
	int result;

	REQUIRE(file && config_print(config, file) == 0);
	result = config_read(fd, "printed", &root, &again, error);
	if (result != 0)
		printf("# %s\n", error);
	REQUIRE(result == 0);
	REQUIRE(same_config(config, &again));
	config_free(&again);
	fclose(file);
	REQUIRE(config_copy(&again, config) == 0);
	REQUIRE(same_config(config, &again));
	config_free(&again);
}

/* 1: accepted, 0: refused. */
static int
check_input(const uint8_t *data, size_t size)
{
	char error[CONFIG_ERROR_MAX];
	struct config config, untouched;
	int fd = memfd_create("input", MFD_CLOEXEC);
	int result;

	REQUIRE(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	memset(&config, 0x5a, sizeof(config));
	memcpy(&untouched, &config, sizeof(config));
	result = config_read(fd, "f", &root, &config, error);
	close(fd);
	REQUIRE(result == 0 || result == -EINVAL);
	if (result < 0) {
		REQUIRE(memcmp(&config, &untouched, sizeof(config)) == 0);
		require_good_message(error);
		return 0;
	}
	REQUIRE(error[0] == '\0');
	require_round_trip(&config);
	for (size_t i = 0; i < config.port_count; i++)
		require_good_init(&config.ports[i]);
	config_free(&config);
	return 1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_input(data, size);
	return 0;
}

#ifndef COMLEASE_FUZZER

static const char *const samples[] = {
	"[broker]\nsocket = /run/c.sock\nstate-dir = /var/lib/c\nuser = comlease\ngroup = dialout\n"
	"mode = 0660\nmax-connections = 4096\nmax-connections-per-user = 128\n",
	"[port modem0]\ndevice = /dev/ttyUSB0\nbaud = 115200\nframe = 8N1\nflow = none\n"
	"revocation = hangup\nhangup-ms = 1000\nsettle-ms = 0\ndrain-ms = 10000\nmax-waiters = 9\n",
	"; odd, but right\r\n[ port a ] ; x\r\n\tdevice : /dev/a b=c;d#e\xc3\xbc ; comment\r\n"
	"# more\r\n[port b]\r\ndevice=/dev//./b\r\nflow=xonxoff\r\nframe=7E2\r\nrevocation=none",
	"[port f]\ndevice = /f\nlinger-ms = 1\nquiet-ms = 2\ninit = ATZ OK AT\\sI \\r\\nOK\n"
	"init-timeout-ms = 3\norder = mail fax\nclass-of = efax:fax user=10:mail group=20:x:y\n"
	"age-step = 4\nmax-hold = 5 fax:6\nmin-hold = 7\nyield-grace = 8\n"
	"idle-timeout = none\npreempt = lower\nbusy-by = dcd activity:9\nmax-busy = none\n"
	"own = leased\ntag = lab\n",
	"[port u]\nusb-serial = A50285BI\n[port v]\nusb-id = 0403:6A01\nusb-interface = 0F\n"
	"device = /v\n[port w]\nusb-path = pci-*-usb-0:2:1.?\nudev-tag = lab\n"
	"[port usb[0-9]*-?]\nusb-id = 0403:*\nbaud = 9600\n[access usb1-x]\nask = *\n",
	"[port g]\ndevice=/g\norder = none\nclass-of = a:b\nclass-of = c:d\n"
	"[pool p]\nports = g\n[pool q]\nmatch = usb:0403:*\n[access p]\nask = nobody\n"
	"[access]\nask = * 1 @2\npriority = *:0 @20:-100\nrevoke = root\nevict = @root\n",
};

static const char *const pieces[] = {
	" ;",
	" #",
	"[",
	"]",
	"=",
	":",
	"\n",
	"\r\n",
	" ",
	"\t",
	"/",
	"//",
	"/./",
	"[port ",
	"[port c]\n",
	"[broker]\n",
	"device = ",
	"baud = 9600\n",
	"frame = 5O2\n",
	"usb-serial = A[1-9]*\n",
	"usb-id = ABCD:*\n",
	"usb-path = x\\*\xc3\xbc\n",
	"usb-interface = Ff\n",
	"udev-tag = #t\n",
	"[port *]\n",
	"[port a[!b-c]?]\n",
	"flow = rtscts\n",
	"revocation = none\n",
	"hangup-ms = 0\n",
	"99999999999",
	"\xef\xbb\xbf",
	"\xc3\xa9",
	"\xff",
	"\xe2\x80\xa8",
	"\x1b",
	"%s%n",
	"mode = 777\n",
	"user = x\n",
	"order = a b\n",
	"class-of = a:b user=1:c\n",
	"max-hold = none x:1\n",
	"init = \\s \\\\\n",
	"[pool r]\nmatch = path:/dev/*\n",
	"[pool s]\nmatch = tag:x\n",
	"ports = ",
	"[access]\n",
	"[access f]\n",
	"ask = nobody\n",
	"revoke = 0 @0 *\n",
	"priority = *:-1\n",
	"none",
	" fax:600",
	"/dev/0123456789012345678901234567890123456789012345678901234567890123456789"
};

static uint64_t state = 0x9e3779b97f4a7c15U;

static size_t
random_below(size_t limit)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return limit ? (size_t)(state % limit) : 0;
}

struct input {
	uint8_t bytes[INPUT_MAX];
	size_t size;
};

static void
insert(struct input *input, size_t at, const void *bytes, size_t size)
{
	if (input->size + size > INPUT_MAX)
		return;
	memmove(input->bytes + at + size, input->bytes + at, input->size - at);
	memcpy(input->bytes + at, bytes, size);
	input->size += size;
}

static void
cut(struct input *input, size_t at, size_t size)
{
	if (size > input->size - at)
		size = input->size - at;
	memmove(input->bytes + at, input->bytes + at + size, input->size - at - size);
	input->size -= size;
}

static void
mutate(struct input *input)
{
	size_t at = random_below(input->size + 1);
	uint8_t copy[256];
	size_t size;

	/* Mostly between two lines, where more is legal. */
	for (size_t whole = random_below(4); whole && at > 0 && input->bytes[at - 1] != '\n';)
		at--;

	switch (random_below(5)) {
	case 0:
		if (at < input->size)
			input->bytes[at] = (uint8_t)random_below(256);
		break;
	case 1:
		cut(input, at, random_below(20));
		break;
	case 2:
		size = random_below(input->size - at + 1) % sizeof(copy);
		memcpy(copy, input->bytes + at, size);
		insert(input, random_below(input->size + 1), copy, size);
		break;
	default:
		size = random_below(sizeof(pieces) / sizeof(pieces[0]));
		insert(input, at, pieces[size], strlen(pieces[size]));
	}
}

int
main(void)
{
	const char *wish = getenv("COMLEASE_FUZZ_RUNS");
	unsigned long runs = wish ? strtoul(wish, NULL, 10) : 20000, accepted = 0;
	size_t count = sizeof(samples) / sizeof(samples[0]);

	for (unsigned long run = 0; run < runs; run++) {
		struct input input = { .size = 0 };

		for (size_t i = run % count; i < count; i += 1 + random_below(count))
			insert(&input, input.size, samples[i], strlen(samples[i]));
		for (size_t i = run < count ? 0 : 1 + random_below(run % 3 + 1); i > 0; i--)
			mutate(&input);
		accepted += (unsigned long)check_input(input.bytes, input.size);
	}
	printf("# %lu inputs, %lu of them accepted\n", runs, accepted);
	printf("%sok 1 - what config_read() accepts survives a round trip\n",
	       runs >= 100 && (accepted < runs / 20 || accepted > runs - runs / 20) ? "not " : "");
	printf("1..1\n");
	return 0;
}

#endif
