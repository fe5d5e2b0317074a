/*
 * shim_hook.h - how the shim's hooks are written that only give a result or an errno: type,
 * declaration and definition of each from one line, so that seventy of them stay alike.
 */
#ifndef COMLEASE_SHIM_HOOK_H
#define COMLEASE_SHIM_HOOK_H

#include "shim.h"

#include <errno.h>

/* Declares a hook and its type, and begins its definition. */
#define HOOK(name, ...)                                                                            \
	typedef int name##_function(__VA_ARGS__);                                                  \
	int shim_hook_##name(__VA_ARGS__) SHIM_HOOK(#name);                                        \
	int shim_hook_##name(__VA_ARGS__)

/* The real call; where there is none: ENOSYS. */
#define REAL(name, ...)                                                                            \
	(shim_next(SHIM_##name) ? ((name##_function *)shim_next(SHIM_##name))(__VA_ARGS__)         \
				: shim_fail(ENOSYS))

static inline int
shim_fail(int error)
{
	errno = error;
	return -1;
}

#endif
