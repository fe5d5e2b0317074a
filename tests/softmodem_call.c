/*
 * softmodem_call.c - the exchange: who rings, talks to, or has lost whom
 *
 * Responsible for dialling, ringing, answering, carrier, and for carrying bytes and sound between
 * two modems. It refuses to know ptys and AT syntax.
 *
 * The tricky idea: a hang-up reaches the far side one line delay later, as sound does. Until then
 * that side keeps its call state with `peer` NULL; otherwise the last frame of a fax (DCN) would be
 * lost and the sender's success would be the receiver's failure.
 */
#include "softmodem.h"

#include <string.h>

#include <spandsp/expose.h>

enum {
	DIAL_STEPS = STEPS_PER_SECOND / 2,
	HANDSHAKE_STEPS = STEPS_PER_SECOND,
	RING_STEPS = 6 * STEPS_PER_SECOND,
	HANG_UP_STEPS = DELAY_STEPS + 3,
};

static int64_t
s7_steps(const struct modem *m)
{
	return (int64_t)m->t31.at_state.p.s_regs[7] * STEPS_PER_SECOND;
}

static void
enter(struct modem *m, enum call_state call, int64_t steps)
{
	m->call = call;
	m->due = exchange.now + steps;
}

static void
idle(struct modem *m)
{
	m->call = ON_HOOK;
	m->peer = NULL;
	m->caller = false;
}

/* The call never came to be: say why, on hook again. */
static void
fail(struct modem *m, const char *reason, int code)
{
	call_hang_up(m, reason);
	modem_say(m, code);
}

static void
stop_ringing(struct modem *m)
{
	log_event(m, "missed peer=%s", m->peer->name);
	at_reset_call_info(&m->t31.at_state);
	idle(m);
}

void
call_hang_up(struct modem *m, const char *reason)
{
	struct modem *peer = m->peer;

	if (m->call == ON_HOOK || m->call == RINGING)
		return;
	log_event(m, "hungup reason=%s", reason);
	if (peer && peer->call == RINGING) {
		stop_ringing(peer);
	} else if (peer) {
		peer->peer = NULL;
		peer->due = exchange.now + HANG_UP_STEPS;
	}
	idle(m);
	modem_quiet(m);
}

static void
lose_carrier(struct modem *m)
{
	bool said_by_t31 = modem_has_call(m) && !m->escaped;

	log_event(m, "hungup reason=remote");
	idle(m);
	if (said_by_t31)
		t31_call_event(&m->t31, AT_CALL_EVENT_HANGUP);
	else
		modem_say(m, AT_RESPONSE_CODE_NO_CARRIER);
	modem_quiet(m);
	m->wish = WISH_NONE;
}

static struct modem *
find_number(const char *number)
{
	for (size_t i = 0; i < exchange.count; i++)
		if (strcmp(exchange.modems[i].number, number) == 0)
			return &exchange.modems[i];
	return NULL;
}

static void
dial(struct modem *m)
{
	if (m->call != ON_HOOK) { /* it rings here */
		modem_say(m, AT_RESPONSE_CODE_BUSY);
		return;
	}
	log_event(m, "dialled number=%s", m->wish_number);
	m->caller = true;
	enter(m, DIALLING, DIAL_STEPS);
}

static void
dialled(struct modem *m)
{
	struct modem *callee = find_number(m->wish_number);

	if (!callee) {
		fail(m, "no-such-number", AT_RESPONSE_CODE_NO_CARRIER);
		return;
	}
	if (callee->call != ON_HOOK) {
		fail(m, "busy", AT_RESPONSE_CODE_BUSY);
		return;
	}
	m->peer = callee;
	enter(m, CALLING, s7_steps(m));
	callee->peer = m;
	enter(callee, RINGING, 0);
}

static void
start_fax(struct modem *m)
{
	m->call = IN_FAX;
	memset(m->heard, 0, sizeof(m->heard));
	log_event(m, "connected peer=%s kind=fax", m->peer->name);
	t31_call_event(&m->t31, m->caller ? AT_CALL_EVENT_CONNECTED : AT_CALL_EVENT_ANSWERED);
}

static void
start_data(struct modem *m)
{
	m->call = IN_DATA;
	m->escaped = false;
	m->pluses = 0;
	m->last_input = exchange.now;
	log_event(m, "connected peer=%s kind=data", m->peer->name);
	t31_call_event(&m->t31, m->caller ? AT_CALL_EVENT_CONNECTED : AT_CALL_EVENT_ANSWERED);
	modem_say_connect(m);
}

/* Off hook at both ends. A fax modem is on the line at once; a data modem shakes hands first, and a
 * data modem that hears a fax gives up when S7 runs out. */
static void
off_hook(struct modem *m)
{
	bool fax = m->t31.at_state.fclass_mode != 0;
	bool peer_fax = m->peer->t31.at_state.fclass_mode != 0;

	enter(m, HANDSHAKE, peer_fax ? s7_steps(m) : HANDSHAKE_STEPS);
	if (fax)
		start_fax(m);
}

static void
answer(struct modem *m)
{
	if (m->call == ON_HOOK) { /* nobody there: off hook, and no carrier */
		enter(m, HANDSHAKE, HANDSHAKE_STEPS);
		return;
	}
	if (m->call != RINGING) {
		modem_say(m, AT_RESPONSE_CODE_ERROR);
		return;
	}
	log_event(m, "answered peer=%s", m->peer->name);
	off_hook(m);
	off_hook(m->peer);
}

void
call_obey(struct modem *m)
{
	enum wish wish = m->wish;

	m->wish = WISH_NONE;
	if (wish == WISH_DIAL)
		dial(m);
	else if (wish == WISH_ANSWER)
		answer(m);
	else if (wish == WISH_HANG_UP)
		call_hang_up(m, "command");
}

static void
ring(struct modem *m)
{
	enter(m, RINGING, RING_STEPS);
	if (m->line != LINE_UP)
		return;
	log_event(m, "ring peer=%s", m->peer->name);
	t31_call_event(&m->t31, AT_CALL_EVENT_ALERTING);
	call_obey(m);
}

static void
shake_hands(struct modem *m)
{
	if (!m->peer || m->peer->call != HANDSHAKE) {
		fail(m, "no-carrier", AT_RESPONSE_CODE_NO_CARRIER);
		return;
	}
	start_data(m);
	start_data(m->peer);
}

void
call_step(struct modem *m)
{
	modem_check_escape(m);
	if (m->call == ON_HOOK || exchange.now < m->due)
		return;
	if (modem_has_call(m) && !m->peer)
		lose_carrier(m);
	else if (m->call == DIALLING)
		dialled(m);
	else if (m->call == CALLING)
		fail(m, "no-answer", AT_RESPONSE_CODE_NO_ANSWER);
	else if (m->call == RINGING)
		ring(m);
	else if (m->call == HANDSHAKE)
		shake_hands(m);
}

/* One step of sound: hear the slot of this step and empty it; what is spoken goes into the slot
 * that the far side hears last of all, DELAY_STEPS - 1 steps later. */
void
call_audio_step(struct modem *m, int64_t step)
{
	int16_t *heard = m->heard[step % DELAY_STEPS];
	int16_t spoken[STEP_SAMPLES] = { 0 };

	t31_rx(&m->t31, heard, STEP_SAMPLES);
	memset(heard, 0, sizeof(m->heard[0]));
	t31_tx(&m->t31, spoken, STEP_SAMPLES);
	if (m->peer && m->peer->call == IN_FAX) {
		int64_t slot = (step + DELAY_STEPS - 1) % DELAY_STEPS;

		memcpy(m->peer->heard[slot], spoken, sizeof(spoken));
	}
	call_obey(m);
}

void
call_send(struct modem *m, const uint8_t *bytes, size_t len)
{
	if (m->peer)
		modem_output(m->peer, bytes, len);
}
