/*
 * config_key.c - the keys: which sections have which, their members and limits. It refuses to know
 * the text form of their values (config_value.h), files and lines.
 *
 * The order of a table is that of config_print().
 */
#include "config_value.h"

#include <stddef.h>
#include <string.h>
#include <sys/un.h>

#define SOCKET_MAX ((uint32_t)sizeof(((struct sockaddr_un *)0)->sun_path) - 1)
#define MINUTE_MS  60000
#define HOUR_S     3600
#define DAY_S      86400
#define YEAR_S     31536000

#define BROKER(member) offsetof(struct config, member)
#define PORT(member)   offsetof(struct config_port, member)
#define ACCESS(member) offsetof(struct config_access, member)

#define PLAIN(name, kind, offset, min, max)                                                        \
	{                                                                                          \
		name, config_set_##kind, config_show_##kind, offset, min, max, NULL, NULL          \
	}
#define KNOWN(name, kind, offset, min, max)                                                        \
	{                                                                                          \
		name, config_set_##kind, config_show_pattern, offset, min, max, NULL, NULL         \
	}
#define LIST(name, kind, offset, min, max, empty)                                                  \
	{                                                                                          \
		name, config_set_##kind, config_show_##kind, offset, min, max, config_add_##kind,  \
		    empty                                                                          \
	}

const struct config_key config_broker_keys[] = {
	PLAIN("socket", path, BROKER(socket), 0, SOCKET_MAX),
	PLAIN("lock-dir", path, BROKER(lock_dir), 0, CONFIG_DEVICE_MAX),
	PLAIN("state-dir", path, BROKER(state_dir), 0, CONFIG_DEVICE_MAX),
	PLAIN("user", text, BROKER(user), 0, 32),
	PLAIN("group", text, BROKER(group), 0, 32),
	PLAIN("mode", mode, BROKER(mode), 0, 0777),
	PLAIN("max-connections", number, BROKER(connections_max), 1, 65536),
	PLAIN("max-connections-per-user", number, BROKER(connections_uid_max), 1, 65536),
	{ 0 },
};

const struct config_key config_port_keys[] = {
	PLAIN("device", device, PORT(device), 0, CONFIG_DEVICE_MAX),
	KNOWN("usb-serial", pattern, PORT(usb_serial), 0, CONFIG_MATCH_MAX),
	KNOWN("usb-id", usb_id, PORT(usb_id), 0, 0),
	KNOWN("usb-path", usb_path, PORT(usb_path), 0, CONFIG_MATCH_MAX),
	KNOWN("usb-interface", usb_interface, PORT(usb_interface), 0, 0),
	KNOWN("udev-tag", udev_tag, PORT(udev_tag), 0, CONFIG_MATCH_MAX),
	PLAIN("baud", number, PORT(baud), 1, 20000000),
	PLAIN("frame", frame, 0, 0, 0),
	PLAIN("flow", flow, PORT(flow), 0, 0),
	PLAIN("revocation", revocation, PORT(revocable), 0, 0),
	PLAIN("hangup-ms", number, PORT(hangup_ms), 0, MINUTE_MS),
	PLAIN("settle-ms", number, PORT(settle_ms), 0, MINUTE_MS),
	PLAIN("drain-ms", number, PORT(drain_ms), 0, 10 * MINUTE_MS),
	PLAIN("max-waiters", number, PORT(queue_max), 1, 1000000),
	PLAIN("linger-ms", number, PORT(linger_ms), 0, MINUTE_MS),
	PLAIN("quiet-ms", number, PORT(quiet_ms), 0, MINUTE_MS),
	{ "init", config_set_init, config_show_init, 0, 0, CONFIG_INIT_MAX, NULL, "none" },
	PLAIN("init-timeout-ms", number, PORT(init_timeout_ms), 1, MINUTE_MS),
	LIST("order", order, 0, 0, 0, "none"),
	LIST("class-of", class_of, 0, 0, 0, "none"),
	PLAIN("age-step", number, PORT(age_step_s), 0, DAY_S),
	LIST("max-hold", max_hold, 0, 1, YEAR_S, NULL),
	PLAIN("min-hold", number, PORT(min_hold_s), 0, DAY_S),
	PLAIN("yield-grace", number, PORT(yield_grace_s), 0, HOUR_S),
	PLAIN("idle-timeout", seconds, PORT(idle_timeout_s), 1, YEAR_S),
	PLAIN("preempt", preempt, PORT(preempt), 0, 0),
	{ "busy-by", config_set_busy_by, config_show_busy_by, 0, 0, 0, NULL, "none" },
	PLAIN("max-busy", seconds, PORT(max_busy_s), 1, YEAR_S),
	PLAIN("own", own, PORT(own_always), 0, 0),
	{ "tag", config_set_tag, config_show_tag, PORT(tag), 0, 0, NULL, "none" },
	{ 0 },
};

const struct config_key config_pool_keys[] = {
	{ "ports", config_set_ports, config_show_ports, 0, 0, 0, config_set_ports, NULL },
	PLAIN("match", match, 0, 0, CONFIG_DEVICE_MAX),
	{ 0 },
};

const struct config_key config_access_keys[] = {
	LIST("ask", who, ACCESS(ask), 0, 0, "nobody"),
	LIST("priority", priority, ACCESS(priority), 0, 0, "nobody"),
	LIST("revoke", who, ACCESS(revoke), 0, 0, "nobody"),
	LIST("evict", who, ACCESS(evict), 0, 0, "nobody"),
	LIST("disable", who, ACCESS(disable), 0, 0, "nobody"),
	{ 0 },
};

const struct config_key *
config_key_find(const struct config_key *table, const char *name)
{
	for (; table->name; table++)
		if (strcmp(table->name, name) == 0)
			return table;
	return NULL;
}

int
config_key_set(const struct config_key *key, void *object, const char *value,
	       char reason[CONFIG_REASON_MAX])
{
	if (value[0] == '\0')
		return config_refuse(reason, "has no value");
	return key->set(key, (char *)object + key->offset, value, reason);
}

int
config_key_add(const struct config_key *key, void *object, const char *value,
	       char reason[CONFIG_REASON_MAX])
{
	if (value[0] == '\0')
		return config_refuse(reason, "has no value");
	return key->add(key, (char *)object + key->offset, value, reason);
}
