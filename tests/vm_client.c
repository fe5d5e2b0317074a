/*
 * vm_client.c - a program that leaves its port behind in a mess, for the tests in the virtual
 * machine (vm_guest*.sh): `comlease run PORT -- vm_client ACTION...`. Does one after another what
 * it is told, on descriptor 3; what fails is said, and the exit status is 1.
 *
 *	open PATH	on this device instead
 *	show		prints everything that the kernel keeps of the line
 *	cooked		another speed, 7E2, echo, XON/XOFF, no HUPCL, odd control characters
 *	excl stop break	TIOCEXCL; stops the output (TCOOFF); TIOCSBRK
 *	ldisc N		line discipline
 *	custom		a custom divisor, low latency
 *	closing		a close waits 10 minutes for the output
 *	lower		DTR and RTS
 *	write TEXT	all of it; blocks
 *	fill N		N bytes "x"; what is not taken within two seconds is left out
 *	read N		waits for N bytes, at most two minutes, and prints them
 *	heir		a child keeps its copy of the descriptor; its pid is printed
 *	leader		goes on as a session leader with the port as its terminal
 *	stay		until the line is gone: prints "lost read=0 write=EIO"; or until anything
 *			comes on standard input: "over"
 *
 * Linked statically, so that it runs in any guest.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/serial.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static int line = 3;

static bool
show(void)
{
	struct termios t;
	struct serial_struct serial = { 0 };
	int ldisc = -1, exclusive = -1;

	if (tcgetattr(line, &t) != 0)
		return false;
	ioctl(line, TIOCGETD, &ldisc);
	ioctl(line, TIOCGEXCL, &exclusive);
	printf("iflag=%x oflag=%x cflag=%x lflag=%x speed=%u/%u cc=", t.c_iflag, t.c_oflag,
	       t.c_cflag, t.c_lflag, cfgetispeed(&t), cfgetospeed(&t));
	for (size_t i = 0; i < NCCS; i++)
		printf("%02x", t.c_cc[i]);
	printf(" ldisc=%d excl=%d", ldisc, exclusive);
	if (ioctl(line, TIOCGSERIAL, &serial) == 0)
		printf(" flags=%x divisor=%d closing=%u", (unsigned)serial.flags & ASYNC_USR_MASK,
		       serial.custom_divisor, serial.closing_wait);
	printf("\n");
	return true;
}

static bool
make_cooked(void)
{
	struct termios t;

	if (tcgetattr(line, &t) != 0)
		return false;
	t.c_iflag |= ICRNL | IXON | IXOFF | ISTRIP | INPCK;
	t.c_oflag |= OPOST | ONLCR;
	t.c_cflag = (t.c_cflag & ~(tcflag_t)(CSIZE | HUPCL)) | CS7 | PARENB | CSTOPB;
	t.c_lflag |= ICANON | ECHO | ISIG | TOSTOP;
	t.c_cc[VMIN] = 77;
	t.c_cc[VTIME] = 33;
	t.c_cc[VINTR] = 'q';
	cfsetspeed(&t, B300);
	return tcsetattr(line, TCSANOW, &t) == 0;
}

/* A driver that has none of it says so: then there is nothing to leave behind. */
static bool
change_serial(bool divisor)
{
	struct serial_struct serial;

	if (ioctl(line, TIOCGSERIAL, &serial) != 0)
		return true;
	if (divisor) {
		serial.flags &= ~(int)ASYNC_SPD_MASK;
		serial.flags |= (int)(ASYNC_SPD_CUST | ASYNC_LOW_LATENCY);
		serial.custom_divisor = 7;
	} else {
		serial.closing_wait = 60000;
	}
	if (ioctl(line, TIOCSSERIAL, &serial) != 0)
		printf("not kept by this driver: %s\n", strerrorname_np(errno));
	return true;
}

static bool
write_all(const char *text, size_t length)
{
	fcntl(line, F_SETFL, fcntl(line, F_GETFL) & ~O_NONBLOCK);
	while (length > 0) {
		ssize_t n = write(line, text, length);

		if (n <= 0)
			return false;
		text += n;
		length -= (size_t)n;
	}
	return true;
}

static bool
fill(size_t length)
{
	struct pollfd room = { line, POLLOUT, 0 };
	char *text = malloc(length);
	size_t done = 0;
	bool fits = true;

	memset(text, 'x', length);
	fcntl(line, F_SETFL, fcntl(line, F_GETFL) | O_NONBLOCK);
	while (fits && done < length) {
		ssize_t n = write(line, text + done, length - done);

		if (n > 0)
			done += (size_t)n;
		else if (errno == EAGAIN)
			fits = poll(&room, 1, 2000) == 1;
		else
			break;
	}
	free(text);
	printf("filled %zu\n", done);
	return done == length || !fits;
}

static bool
read_some(size_t length)
{
	struct pollfd ready = { line, POLLIN, 0 };
	char text[256];
	size_t done = 0;

	if (length > sizeof(text))
		length = sizeof(text);
	while (done < length && poll(&ready, 1, 120000) == 1) {
		ssize_t n = read(line, text + done, length - done);

		if (n <= 0)
			break;
		done += (size_t)n;
	}
	printf("read %.*s\n", (int)done, text);
	return done == length;
}

static bool
leave_heir(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		setsid();
		for (int fd = 0; fd < 3; fd++)
			close(fd);
		for (;;)
			pause();
	}
	printf("heir %d\n", pid);
	return pid > 0;
}

/* The parent stays, so that whoever waits for it sees the leader's status. */
static bool
become_leader(void)
{
	pid_t pid = fork();
	int status;

	if (pid > 0) {
		close(line);
		waitpid(pid, &status, 0);
		exit(WIFEXITED(status) ? WEXITSTATUS(status) : 2);
	}
	return pid == 0 && setsid() > 0 && ioctl(line, TIOCSCTTY, 1) == 0;
}

static bool
stay(void)
{
	struct pollfd fds[] = { { line, 0, 0 }, { 0, POLLIN, 0 } };
	char c;
	ssize_t n;

	printf("staying\n");
	while (poll(fds, 2, -1) < 0)
		;
	if (!fds[0].revents) {
		printf("over\n");
		return read(0, &c, 1) >= 0;
	}
	n = read(line, &c, 1);
	printf("lost read=%zd%s", n, n < 0 ? strerrorname_np(errno) : "");
	n = write(line, "x", 1);
	printf(" write=%s\n", n < 0 ? strerrorname_np(errno) : "done");
	return true;
}

static bool
act(char ***next)
{
	const char *action = *(*next)++;
	const char *word = **next;
	int number, lines = TIOCM_DTR | TIOCM_RTS;

	if (!strcmp(action, "show"))
		return show();
	if (!strcmp(action, "cooked"))
		return make_cooked();
	if (!strcmp(action, "excl"))
		return ioctl(line, TIOCEXCL) == 0;
	if (!strcmp(action, "stop"))
		return tcflow(line, TCOOFF) == 0;
	if (!strcmp(action, "break"))
		return ioctl(line, TIOCSBRK) == 0;
	if (!strcmp(action, "custom") || !strcmp(action, "closing"))
		return change_serial(action[1] == 'u');
	if (!strcmp(action, "lower"))
		return ioctl(line, TIOCMBIC, &lines) == 0;
	if (!strcmp(action, "heir"))
		return leave_heir();
	if (!strcmp(action, "leader"))
		return become_leader();
	if (!strcmp(action, "stay"))
		return stay();
	if (!word)
		return false;
	(*next)++;
	number = atoi(word);
	if (!strcmp(action, "open"))
		return (line = open(word, O_RDWR | O_NOCTTY | O_NONBLOCK)) >= 0;
	if (!strcmp(action, "ldisc"))
		return ioctl(line, TIOCSETD, &number) == 0;
	if (!strcmp(action, "write"))
		return write_all(word, strlen(word));
	if (!strcmp(action, "fill"))
		return fill((size_t)number);
	return !strcmp(action, "read") && read_some((size_t)number);
}

int
main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	for (char **next = argv + (argc > 0); *next;) {
		const char *action = *next;

		errno = 0;
		if (!act(&next)) {
			printf("%s: %s\n", action, errno ? strerrorname_np(errno) : "not done");
			return 1;
		}
	}
	return 0;
}
