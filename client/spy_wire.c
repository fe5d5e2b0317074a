/*
 * spy_wire.c - the names of the sockets at which bridges are read along at, and what time it is.
 *
 * Responsible for: making such a name, and recognising one.
 * Refuses to know: sockets; whether who bound a name is a bridge.
 */
#include "spy_wire.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define NAME_MAX_BYTES  64
#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:@+-"

static bool
is_port(const char *name, size_t len)
{
	return len > 0 && len <= NAME_MAX_BYTES && strspn(name, NAME_CHARACTERS) >= len;
}

socklen_t
spy_wire_address(struct sockaddr_un *address, const char *port, pid_t pid, uint32_t number)
{
	if (!is_port(port, strlen(port)))
		return 0;
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	/* no NUL at the end: in an abstract name it would count */
	int n = snprintf(address->sun_path + 1, sizeof address->sun_path - 1, "%s%s/%d.%08x",
			 SPY_WIRE_PREFIX, port, (int)pid, (unsigned)number);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

bool
spy_wire_port(const char *name, char port[65])
{
	size_t prefix = strlen(SPY_WIRE_PREFIX);

	if (strncmp(name, SPY_WIRE_PREFIX, prefix) != 0)
		return false;
	size_t len = strcspn(name + prefix, "/");
	if (!is_port(name + prefix, len) || name[prefix + len] != '/')
		return false;
	memcpy(port, name + prefix, len);
	port[len] = '\0';
	return true;
}

int64_t
spy_wire_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}
