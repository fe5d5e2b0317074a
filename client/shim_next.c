/*
 * shim_next.c - finds the real functions behind the hooks. It knows nothing of what they do.
 *
 * The tricky idea: the look-up may itself come back into a hook (an allocator that opens a file
 * when it is first used, and dlsym() that allocates): the inner call gets NULL and makes the system
 * call. (volatile: dlfcn.h says that dlsym() never comes back into this file, and the compiler
 * would drop what only such a call could see.)
 */
#include "shim.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stddef.h>

#define SHIM_NAME(name) #name,
static const char *const names[] = { SHIM_SYMBOLS(SHIM_NAME) };

/* A cache, filled alike by whichever thread comes first. */
static _Atomic(shim_function *) found[SHIM_SYMBOL_COUNT];
static _Thread_local volatile bool looking __attribute__((tls_model("initial-exec")));

shim_function *
shim_next(enum shim_symbol symbol)
{
	union {
		void *object;
		shim_function *function;
	} next;

	next.function = atomic_load_explicit(&found[symbol], memory_order_relaxed);
	if (next.function || looking)
		return next.function;
	looking = true;
	next.object = dlsym(RTLD_NEXT, names[symbol]);
	looking = false;
	atomic_store_explicit(&found[symbol], next.function, memory_order_relaxed);
	return next.function;
}
