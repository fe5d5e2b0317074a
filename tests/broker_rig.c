/*
 * broker_rig.c - the broker in this process: a real loop, core, port and client connection; keeper
 * and inspector are played by the test.
 */
#include "broker_rig.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct broker rig_broker;
struct port *rig_port;
int rig_keeper, rig_inspector, rig_client;
bool rig_alive;

void
rig_pump(void)
{
	int i;

	for (i = 0; i < 5; i++)
		event_base_loop(rig_broker.base, EVLOOP_NONBLOCK);
}

/* The next message of that type; others that came before it are dropped. */
struct ipc_message
broker_rig_expect(int channel, uint32_t type)
{
	struct ipc_message m;
	int fd;

	do {
		rig_pump();
		ck_assert_msg(ipc_receive(channel, &m, &fd) == 0, "message %u never came", type);
	} while (m.type != type);
	return m;
}

void
rig_expect_nothing(int channel)
{
	struct ipc_message m;
	int fd;

	rig_pump();
	ck_assert_int_eq(ipc_receive(channel, &m, &fd), 1);
}

void
rig_say(int channel, const struct ipc_message *m)
{
	ck_assert_int_eq(ipc_send(channel, m, -1), 0);
	rig_pump();
}

void
rig_answer(uint64_t id, pid_t pid)
{
	const struct foreign who = {
		.pid = pid, .start_ticks = 5, .how = FOREIGN_OPEN, .command = "minicom"
	};
	struct ipc_message m = { .type = IPC_FOREIGN, .id = id, .text = "modem0" };

	if (pid > 0) {
		m.flag = IPC_FOREIGN_HELD | (rig_alive ? IPC_FOREIGN_ALIVE : 0);
		m.number = 1;
		foreign_print(&who, m.text + strlen("modem0") + 1);
	}
	rig_say(rig_inspector, &m);
}

uint64_t
rig_asked(void)
{
	return broker_rig_expect(rig_inspector, IPC_INSPECT).id;
}

void
broker_rig_ready(unsigned evidence)
{
	struct ipc_message m = { .type = IPC_READY, .number = RIG_DEVICE, .flag = evidence };

	m.id = broker_rig_expect(rig_keeper, IPC_TURNAROUND).id;
	rig_say(rig_keeper, &m);
}

void
rig_stranger(unsigned flags)
{
	rig_say(rig_keeper, &(struct ipc_message){ .type = IPC_STRANGER, .flag = flags });
}

enum lease_state
rig_state(void)
{
	rig_pump();
	return rig_port->lease.state;
}

/* From the start to a port that is free. */
void
rig_make_free(void)
{
	rig_answer(rig_asked(), 0);
	broker_rig_ready(0);
	ck_assert_int_eq(rig_state(), LEASE_FREE);
}

void
rig_call(const char *method, json_t *parameters)
{
	json_t *message = varlink_call_new(method, parameters, false);
	char *text = json_dumps(message, 0);

	ck_assert_int_eq(send(rig_client, text, strlen(text) + 1, 0), (ssize_t)strlen(text) + 1);
	free(text);
	json_decref(message);
	rig_pump();
}

/* "foreign", or the name of the error; "" if nothing came. */
const char *
rig_reply(void)
{
	static char text[4096];
	ssize_t n;

	rig_pump();
	n = recv(rig_client, text, sizeof(text) - 1, MSG_DONTWAIT);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* A holder, straight from the core's hand. */
void
rig_hold(void)
{
	struct ipc_message m = { .type = IPC_OPENED };
	struct ipc_message asked_for;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	rig_call("io.comlease.Acquire", json_pack("{s:s}", "port", "modem0"));
	asked_for = broker_rig_expect(rig_keeper, IPC_OPEN);
	m.id = asked_for.id;
	m.token = asked_for.token;
	ck_assert_int_eq(ipc_send(rig_keeper, &m, null), 0);
	close(null);
	ck_assert_ptr_nonnull(strstr(rig_reply(), "lease"));
	ck_assert_int_eq(rig_state(), LEASE_HELD);
}

void
rig_gone(void)
{
	rig_say(rig_keeper,
		&(struct ipc_message){ .type = IPC_GONE, .token = rig_port->lease.token });
}

void
rig_begin(void)
{
	static const struct config_port config = { .name = "modem0",
						   .device = "/dev/nowhere",
						   .revocable = true,
						   .queue_max = 9,
						   .max_hold_s = CONFIG_NEVER,
						   .idle_timeout_s = CONFIG_NEVER,
						   .max_busy_s = CONFIG_NEVER };
	struct peer *peer;
	int keeper_end, inspector_end, pair[2];

	memset(&rig_broker, 0, sizeof(rig_broker));
	rig_alive = false;
	rig_broker.listening = rig_broker.spare = rig_broker.inspector = -1;
	TAILQ_INIT(&rig_broker.ports);
	TAILQ_INIT(&rig_broker.unplaced);
	rig_broker.base = event_base_new();
	lease_host_init(&rig_broker.host, 1, 5000, 0);
	broker_accept_init(&rig_broker);
	publish_init(&rig_broker);
	foreign_init(&rig_broker);
	ck_assert_int_eq(broker_alarm_init(&rig_broker), 0);
	event_assign(&rig_broker.supervisor, rig_broker.base, -1, 0, NULL, NULL);
	ck_assert_int_eq(port_new(&rig_broker, &config), 0);
	rig_port = TAILQ_FIRST(&rig_broker.ports);
	ck_assert_int_eq(ipc_pair(&rig_keeper, &keeper_end), 0);
	ck_assert_int_eq(ipc_pair(&rig_inspector, &inspector_end), 0);
	port_connect(rig_port, keeper_end);
	foreign_connect(&rig_broker, inspector_end);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	rig_client = pair[0];
	ck_assert_int_eq(peer_new(rig_broker.base, pair[1], &service_handler, &rig_broker, &peer),
			 0);
	TAILQ_INSERT_TAIL(&rig_broker.peers, peer, entry);
	rig_broker.connections = 1;
	rig_say(rig_keeper,
		&(struct ipc_message){ .type = IPC_REPORT, .flag = 1, .number = RIG_DEVICE });
}

void
broker_rig_end(void)
{
	int descriptors[] = { rig_keeper, rig_inspector, rig_client };
	size_t i;

	broker_accept_clear(&rig_broker);
	port_free(rig_port);
	publish_notes(&rig_broker);
	foreign_free(&rig_broker);
	broker_alarm_free(&rig_broker);
	event_base_free(rig_broker.base);
	for (i = 0; i < sizeof(descriptors) / sizeof(descriptors[0]); i++)
		if (descriptors[i] >= 0)
			close(descriptors[i]);
}
