/*
 * softmodem_modem.c - one modem as the program at its pty sees it
 *
 * Responsible for AT commands, S registers and Class 1 fax (spandsp's t31 does the work), the
 * escape sequence, and the queue of bytes towards the program. It knows nothing of ptys, and of
 * calls only which state one is in.
 *
 * The tricky idea: spandsp's parser calls back in the middle of a line, where nothing may change
 * under it. A callback only notes a wish, and the wish is carried out after each byte.
 */
#include "softmodem.h"

#include <string.h>

#include <spandsp/expose.h>

enum {
	ASCII_RESULTS = 1,  /* at_profile_t.result_code_format, private to spandsp */
	DEFAULT_GUARD = 50, /* S12, in units of 20 ms, which is one step */
	HDLC_MARGIN = 4,
};

static int
on_at_output(at_state_t *at, void *user, const uint8_t *bytes, size_t len)
{
	(void)at;
	modem_output(user, bytes, len);
	return 0;
}

static int
on_control(t31_state_t *t31, void *user, int op, const char *number)
{
	struct modem *m = user;

	(void)t31;
	switch (op) {
	case AT_MODEM_CONTROL_CALL:
		m->wish = WISH_DIAL;
		snprintf(m->wish_number, sizeof(m->wish_number), "%s", number);
		break;
	case AT_MODEM_CONTROL_ANSWER:
		m->wish = WISH_ANSWER;
		break;
	case AT_MODEM_CONTROL_HANGUP:
		m->wish = WISH_HANG_UP;
		break;
	default:
		break;
	}
	return 0;
}

bool
modem_init(struct modem *m)
{
	if (m->t31.rx_queue) {
		t31_release(&m->t31);
		queue_free(m->t31.rx_queue); /* t31_release leaves it */
	}
	m->wish = WISH_NONE;
	m->escaped = false;
	m->pluses = 0;
	m->out_head = m->out_len = 0;
	if (!t31_init(&m->t31, on_at_output, m, on_control, m, NULL, NULL))
		return false;
	t31_set_transmit_on_idle(&m->t31, 1);
	return true;
}

bool
modem_has_call(const struct modem *m)
{
	return m->call == IN_DATA || m->call == IN_FAX;
}

static bool
bridged(const struct modem *m)
{
	return m->call == IN_DATA && !m->escaped;
}

static size_t
data_room(const struct modem *m)
{
	if (!m->peer)
		return ROOM_BYTES; /* into the void: the carrier is about to be lost */
	if (m->peer->escaped || m->peer->out_len >= ROOM_BYTES)
		return 0;
	return ROOM_BYTES - m->peer->out_len;
}

size_t
modem_room(const struct modem *m)
{
	int waiting = m->t31.tx.in_bytes - m->t31.tx.out_bytes;

	if (bridged(m))
		return data_room(m);
	if (m->out_len > QUEUE_BYTES / 4)
		return 0; /* a program that writes and never reads */
	if (m->t31.at_state.at_rx_mode == AT_MODE_STUFFED)
		return waiting < T31_TX_BUF_HIGH_TIDE ? 256 : 0;
	return ROOM_BYTES;
}

void
modem_output(struct modem *m, const void *bytes, size_t len)
{
	if (m->line != LINE_UP)
		return;
	if (m->out_head + m->out_len + len > QUEUE_BYTES) {
		memmove(m->out, m->out + m->out_head, m->out_len);
		m->out_head = 0;
	}
	if (m->out_len + len > QUEUE_BYTES) {
		log_event(m, "overrun bytes=%zu", len);
		return;
	}
	memcpy(m->out + m->out_head + m->out_len, bytes, len);
	m->out_len += len;
}

void
modem_say(struct modem *m, int code)
{
	at_put_response_code(&m->t31.at_state, code);
}

void
modem_say_connect(struct modem *m)
{
	if (m->t31.at_state.p.result_code_format == ASCII_RESULTS)
		at_put_response(&m->t31.at_state, "CONNECT 33600");
	else
		modem_say(m, AT_RESPONSE_CODE_CONNECT);
}

void
modem_quiet(struct modem *m)
{
	at_state_t *at = &m->t31.at_state;

	at->dte_is_waiting = 0;
	at->rx_signal_present = 0;
	at->at_rx_mode = AT_MODE_ONHOOK_COMMAND;
	t31_call_event(&m->t31, AT_CALL_EVENT_HANGUP);
	at_reset_call_info(at);
	m->escaped = false;
	m->pluses = 0;
}

static void
log_command(const struct modem *m, const char *line, size_t len)
{
	char text[4 * LINE_CHARS + 1];
	size_t used = 0;

	for (size_t i = 0; i < len && used + 5 < sizeof(text); i++) {
		unsigned char c = (unsigned char)line[i];

		if (c == '"' || c == '\\')
			used += (size_t)snprintf(text + used, 3, "\\%c", c);
		else if (c < 0x20 || c > 0x7e)
			used += (size_t)snprintf(text + used, 5, "\\x%02x", c);
		else
			text[used++] = (char)c;
	}
	text[used] = '\0';
	log_event(m, "at text=\"%s\"", text);
}

/* Before the end of a line goes to the parser; true if it must not see that line. */
static bool
line_ends(struct modem *m)
{
	at_state_t *at = &m->t31.at_state;
	bool return_online;

	log_command(m, at->line, (size_t)at->line_ptr);
	at->line[at->line_ptr] = '\0';
	return_online = strcmp(at->line, "ATO") == 0 || strcmp(at->line, "ATO0") == 0;
	if (!return_online || m->call == IN_DATA)
		return false;
	at->line_ptr = 0;
	modem_say(m, AT_RESPONSE_CODE_NO_CARRIER);
	return true;
}

/* ATZ and AT&F leave +FCLASS alone and take profiles that are all zeros: put both right. */
static void
after_line(struct modem *m)
{
	at_state_t *at = &m->t31.at_state;

	if (strncmp(at->line, "ATZ", 3) == 0 || strncmp(at->line, "AT&F", 4) == 0)
		at->fclass_mode = 0;
	if (at->p.s_regs[3] == 0) {
		at->p.s_regs[3] = '\r';
		at->p.s_regs[4] = '\n';
		at->p.s_regs[5] = '\b';
		at->p.s_regs[7] = 60;
		at->p.echo = 1;
		at->p.verbose = 1;
		at->p.result_code_format = ASCII_RESULTS;
	}
	if (m->escaped && at->at_rx_mode == AT_MODE_CONNECTED)
		m->escaped = false; /* ATO */
}

static void
command_input(struct modem *m, uint8_t byte)
{
	at_state_t *at = &m->t31.at_state;
	bool ends = (byte & 0x7f) == at->p.s_regs[3] && at->line_ptr >= 2;

	if (at->line_ptr >= LINE_CHARS && (byte & 0x7f) >= 0x20)
		return;
	if (ends && line_ends(m))
		return;
	t31_at_rx(&m->t31, (const char *)&byte, 1);
	if (ends)
		after_line(m);
}

/* Any key gives a dialled or answered call up; the LF of a CR LF is none. */
static void
abort_input(struct modem *m, uint8_t byte)
{
	if (byte == '\n' || byte == '\r')
		return;
	call_hang_up(m, "aborted");
	modem_say(m, AT_RESPONSE_CODE_NO_CARRIER);
}

static void
note_escape(struct modem *m, uint8_t byte)
{
	uint8_t guard = m->t31.at_state.p.s_regs[12];
	uint8_t escape = m->t31.at_state.p.s_regs[2];
	bool quiet = exchange.now - m->last_input >= (guard ? guard : DEFAULT_GUARD);

	if (byte != (escape ? escape : '+') || m->pluses == 3)
		m->pluses = 0;
	else if (m->pluses > 0 || quiet)
		m->pluses++;
	m->last_input = exchange.now;
}

void
modem_check_escape(struct modem *m)
{
	uint8_t guard = m->t31.at_state.p.s_regs[12];

	if (!bridged(m) || m->pluses != 3)
		return;
	if (exchange.now - m->last_input < (guard ? guard : DEFAULT_GUARD))
		return;
	m->pluses = 0;
	m->escaped = true;
	at_set_at_rx_mode(&m->t31.at_state, AT_MODE_OFFHOOK_COMMAND);
	log_event(m, "escaped");
	modem_say(m, AT_RESPONSE_CODE_OK);
}

static void
fax_data_input(struct modem *m, const uint8_t *bytes, size_t len)
{
	int waiting = m->t31.tx.in_bytes - m->t31.tx.out_bytes;
	bool hdlc = m->t31.at_state.at_rx_mode == AT_MODE_HDLC;

	if (hdlc && m->t31.hdlc_tx.len + (int)len > T31_MAX_HDLC_LEN - HDLC_MARGIN)
		return; /* spandsp would write past its buffer */
	if (!hdlc && waiting + (int)len >= T31_TX_BUF_LEN)
		return;
	t31_at_rx(&m->t31, (const char *)bytes, (int)len);
}

/* Takes some bytes, returns how many: as many as belong to the state that the modem is in. */
static size_t
input_some(struct modem *m, const uint8_t *bytes, size_t len)
{
	int mode = m->t31.at_state.at_rx_mode;

	if (bridged(m)) {
		for (size_t i = 0; i < len; i++)
			note_escape(m, bytes[i]);
		call_send(m, bytes, len);
		return len;
	}
	if (m->call == DIALLING || m->call == CALLING || m->call == HANDSHAKE)
		abort_input(m, bytes[0]);
	else if (mode == AT_MODE_STUFFED) {
		fax_data_input(m, bytes, len);
		return len;
	} else if (mode == AT_MODE_HDLC)
		fax_data_input(m, bytes, 1);
	else
		command_input(m, bytes[0]);
	call_obey(m);
	return 1;
}

void
modem_input(struct modem *m, const uint8_t *bytes, size_t len)
{
	while (len > 0) {
		size_t taken = input_some(m, bytes, len);

		bytes += taken;
		len -= taken;
	}
}
