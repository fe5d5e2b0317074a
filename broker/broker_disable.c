/*
 * broker_disable.c - maintenance: a port that is not granted to anybody, and whose device is left
 * alone as soon as nobody of ours has it. The keeper remembers it for the next broker.
 *
 * The tricky idea: such a port is neither looked at nor cleaned on its way to DISABLED, whatever
 * happens to the device meanwhile; all of that comes when it is enabled.
 */
#include "broker.h"
#include "log.h"

#include <stdio.h>
#include <string.h>

#define MEMO_DISABLED "disabled "

/* Also to a new keeper. */
void
port_tell_disabled(struct port *port)
{
	struct ipc_message own = { .type = IPC_OWN, .flag = !port->lease.disabled };
	struct ipc_message memo = { .type = IPC_MEMO };

	if (port->lease.disabled)
		snprintf(memo.text, sizeof(memo.text), MEMO_DISABLED "%.*s",
			 (int)(sizeof(memo.text) - sizeof(MEMO_DISABLED)), port->disabled);
	port_tell(port, &memo);
	port_tell(port, &own);
}

static void
set_disabled(struct port *port, bool disabled, const char *reason)
{
	struct broker *b = port->broker;
	enum lease_state before = port->lease.state;

	snprintf(port->disabled, sizeof(port->disabled), "%s", reason != NULL ? reason : "");
	lease_disable(&b->host, &port->lease, disabled, broker_now_ms(b));
	port_tell_disabled(port);
	if (disabled && before == LEASE_FOREIGN)
		lease_turnaround(&b->host, &port->lease, broker_now_ms(b));
	else if (!disabled && before == LEASE_DISABLED)
		foreign_look(port);
	request_hasten(port);
	publish_port(port);
}

void
port_disable(struct port *port, bool disabled, const char *reason)
{
	struct ipc_message accept = { .type = IPC_ACCEPT };

	if (!disabled)
		port_tell(port, &accept);
	if (!disabled && !port->lease.disabled)
		return;
	set_disabled(port, disabled, reason);
	publish_event(port->broker, &(struct publish_event){
					.event = disabled ? "disable" : "enable",
					.port = port,
					.detail = *port->disabled != '\0' ? port->disabled : NULL,
					.waited_ms = -1,
					.held_ms = -1 });
}

void
port_remember(struct port *port, const char *memo)
{
	size_t n = strlen(MEMO_DISABLED);

	if (strncmp(memo, MEMO_DISABLED, n) != 0 || port->lease.disabled)
		return; /* disabled: we said so, and may have said more since */
	set_disabled(port, true, memo + n);
	log_line("disabled port=%s", port->config.name);
}
