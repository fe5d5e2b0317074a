/*
 * class.c - which class a request is of, where that class stands in a port's order, and how long it
 * may hold it. It refuses to know queues and time.
 */
#include "class.h"

#include <string.h>

static bool
rule_fits(const struct config_class_rule *rule, const char *command,
	  const struct access_identity *identity)
{
	if (rule->who == CONFIG_COMMAND)
		return command && strcmp(rule->command, command) == 0;
	return access_fits(rule->who, rule->id, identity);
}

const char *
class_of(const struct config_port *port, const char *wanted, const char *command,
	 const struct access_identity *identity)
{
	if (wanted && wanted[0] != '\0')
		return wanted;
	for (uint32_t i = 0; i < port->class_of_count; i++)
		if (rule_fits(&port->class_of[i], command, identity))
			return port->class_of[i].class;
	return "";
}

uint32_t
class_rank(const struct config_port *port, const char *class)
{
	uint32_t rank = 0;

	while (rank < port->order_count && strcmp(port->order[rank], class) != 0)
		rank++;
	return rank;
}

uint32_t
class_max_hold_s(const struct config_port *port, const char *class)
{
	for (uint32_t i = 0; i < port->class_hold_count; i++)
		if (strcmp(port->class_hold[i].class, class) == 0)
			return port->class_hold[i].hold_s;
	return port->max_hold_s;
}
