/*
 * softmodem.h - what the files of the test telephone exchange share
 *
 * softmodem.c has the loop, softmodem_line.c the ptys, softmodem_modem.c one modem as its program
 * sees it, softmodem_call.c who talks to whom. One thread, nothing blocks, no global but
 * `exchange`. Time is counted in steps of 20 virtual milliseconds.
 */
#ifndef SOFTMODEM_H
#define SOFTMODEM_H

#define SPANDSP_EXPOSE_INTERNAL_STRUCTURES
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <termios.h>

#include <spandsp.h>

enum {
	STEP_MS = 20,
	STEP_SAMPLES = 160,
	STEPS_PER_SECOND = 50,
	DELAY_STEPS = 8, /* 140 ms one way; without it fax programs answer before they are asked */
	MAX_MODEMS = 64,
	QUEUE_BYTES =
	    256 * 1024,    /* towards the program; a whole pty (64 KiB) fits in at a hang-up */
	ROOM_BYTES = 4096, /* a data call stops reading when this much waits at the far side */
	LINE_CHARS = 100,  /* spandsp's number buffer is that long, and it does not check */
};

/* What the program's side of the pty says. Only LINE_UP is "DTR high". */
enum line_state {
	LINE_CLOSED, /* nobody has the slave open */
	LINE_B0,     /* open, speed 0: DTR low */
	LINE_UNSET,  /* open, termios as the kernel resets them at a hang-up: not set up yet */
	LINE_UP,
};

enum call_state {
	ON_HOOK,
	DIALLING,  /* the number is being dialled; at `due` we know what becomes of it */
	CALLING,   /* the far modem rings; `due` is when the caller gives up */
	RINGING,   /* called; the next RING is at `due` */
	HANDSHAKE, /* answered, no carrier yet */
	IN_DATA,
	IN_FAX,
};

/* What the AT parser wanted. It is carried out after the parser has returned, not from inside. */
enum wish { WISH_NONE, WISH_DIAL, WISH_ANSWER, WISH_HANG_UP };

struct modem {
	const char *link; /* as given; argv's memory */
	const char *name; /* its last component, for the log */
	char *number;
	char slave[64];
	int master;              /* -1 until the pty is open */
	struct termios pristine; /* as the kernel makes a new pty, and remakes it at a hang-up */

	enum line_state line;
	unsigned line_steps; /* how long the line has been as it is */
	bool unread;         /* bytes of the program wait in the pty */
	bool visited;        /* a descriptor opened since then may still be open */
	int watch;           /* inotify's number */
	bool dirty;          /* opened since it was last tidied */

	t31_state_t t31; /* AT parser and fax modem */
	enum wish wish;
	char wish_number[LINE_CHARS + 1];

	enum call_state call;
	struct modem *peer; /* NULL: on hook, or the far side has gone */
	bool caller;
	int64_t due;  /* step */
	bool escaped; /* +++: commands while a data call is up */
	unsigned pluses;
	int64_t last_input; /* step */

	int16_t heard[DELAY_STEPS][STEP_SAMPLES]; /* audio on its way to this modem */

	size_t out_head, out_len; /* bytes on their way to the program */
	uint8_t out[QUEUE_BYTES];
};

struct exchange {
	struct modem *modems;
	size_t count;
	int64_t now; /* step */
	FILE *log;
};

extern struct exchange exchange;

/* softmodem.c: one log line `<seconds.millis> <link> <event> [key=value...]` */
void log_event(const struct modem *m, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int complain(const char *what, const char *why); /* on stderr; returns -1 */

/* softmodem_line.c */
int line_open(struct modem *m, mode_t mode); /* -1: said why */
void line_unlink(const struct modem *m);
void line_check(struct modem *m); /* looks whether the program came, went or set B0 */
void line_tidy(struct modem *m);  /* once a step */
void line_read(struct modem *m);
void line_write(struct modem *m);
short line_events(const struct modem *m); /* what to poll for; 0: leave it out */

/* softmodem_modem.c */
bool modem_init(struct modem *m); /* false: no memory; also a reset, which forgets S0, +FCLASS.. */
bool modem_has_call(const struct modem *m);
size_t modem_room(const struct modem *m); /* how many bytes of the program it takes now; 0: wait */
void modem_input(struct modem *m, const uint8_t *bytes, size_t len);
void modem_output(struct modem *m, const void *bytes, size_t len);
void modem_say(struct modem *m, int code); /* AT_RESPONSE_CODE_... in the format asked for */
void modem_say_connect(struct modem *m);
void modem_check_escape(struct modem *m); /* once a step */
void modem_quiet(struct modem *m); /* ends what the t31 is at, without a word to the program */

/* softmodem_call.c */
void call_obey(struct modem *m);                     /* carries out m->wish */
void call_step(struct modem *m);                     /* once a step */
void call_audio_step(struct modem *m, int64_t step); /* once a step and fax call side */
void call_hang_up(struct modem *m, const char *reason);
void call_send(struct modem *m, const uint8_t *bytes, size_t len);

#endif
