/*
 * config_value.h - private to config_*.c: how each kind of value is taken and written, and what
 * those functions share. config_key.c puts them into its tables.
 */
#ifndef COMLEASE_CONFIG_VALUE_H
#define COMLEASE_CONFIG_VALUE_H

#include "config_key.h"

/* config_value.c: values of one word. */
config_set config_set_number, config_set_seconds, config_set_mode, config_set_text, config_set_tag,
    config_set_frame, config_set_flow, config_set_revocation, config_set_preempt, config_set_own;
config_show config_show_number, config_show_seconds, config_show_mode, config_show_text,
    config_show_tag, config_show_frame, config_show_flow, config_show_revocation,
    config_show_preempt, config_show_own;

/* config_path.c: the member is a char * (path) or an array (device). */
config_set config_set_path, config_set_device;
config_show config_show_path, config_show_device;

/* config_match.c: the member is an array. */
config_set config_set_pattern, config_set_usb_id, config_set_usb_path, config_set_usb_interface,
    config_set_udev_tag;
config_show config_show_pattern;

/* config_list.c, config_init.c: the member is the port. */
config_set config_set_order, config_add_order, config_set_class_of, config_add_class_of,
    config_set_max_hold, config_add_max_hold, config_set_busy_by, config_set_init;
config_show config_show_order, config_show_class_of, config_show_max_hold, config_show_busy_by,
    config_show_init;

/* config_grant.c: the member is a struct config_grants. */
config_set config_set_who, config_add_who, config_set_priority, config_add_priority;
config_show config_show_who, config_show_priority;

/* config_pool.c: the member is the pool. */
config_set config_set_ports, config_set_match;
config_show config_show_ports, config_show_match;

/* Says why a value is not taken: returns -EINVAL. */
int config_refuse(char reason[CONFIG_REASON_MAX], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Digits only. 0, -EINVAL (no number in that base), -ERANGE (more than 32 bits hold). */
int config_parse_number(const char *text, unsigned base, uint32_t *number);

/* A number within the key's limits, or a refusal. */
int config_parse_limited(const struct config_key *, const char *text, uint32_t *number,
			 char reason[CONFIG_REASON_MAX]);

/* A class's, port's or tag's name, into an array of CONFIG_NAME_MAX + 1; `what` it is to be. */
int config_take_name(char *name, const char *text, const char *what,
		     char reason[CONFIG_REASON_MAX]);

/* An absolute path of at most `max` bytes that a line of the configuration can hold. */
int config_check_path(const char *path, size_t max, char reason[CONFIG_REASON_MAX]);

/* Is it UTF-8 without control characters? */
bool config_is_printable(const char *);

/* VID:PID or VID:*, made lower-case; false: it is neither. */
#define CONFIG_USB_ID_MAX 9
bool config_take_usb_id(char id[CONFIG_USB_ID_MAX + 1], const char *text);

/* The number of a user or group, which the name may be itself. */
int config_find_account(enum config_who, const char *name, uint32_t *id,
			char reason[CONFIG_REASON_MAX]);

/* Hands over each word of a list, which may be changed in place, until one is refused. */
typedef int config_take(const struct config_key *, void *member, char *word,
			char reason[CONFIG_REASON_MAX]);
int config_each_word(const struct config_key *, void *member, const char *value,
		     char reason[CONFIG_REASON_MAX], config_take *);

/* The printer's side: one line, or as many as are needed to keep each below CONFIG_WIDTH. */
#define CONFIG_WIDTH 100

struct config_line {
	const struct config_key *key;
	FILE *file;
	size_t used; /* of the line; 0: nothing is printed yet */
};

void config_line_word(struct config_line *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void config_line_end(struct config_line *); /* prints the key's `empty` if there was no word */

#endif
