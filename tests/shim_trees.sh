#!/bin/bash
# shim_trees.sh - does `comlease run` find the shim for programs of both classes, wherever comlease is?
#
# BUILD=build/release tests/shim_trees.sh      TAP on stdout
#
# What is pinned: in the build tree, in an installed one and in one that was moved, a 64-bit and (where they can be
# built) a 32-bit program get the lease, and ld.so has nothing to say about a library of the wrong class; where
# there is no 32-bit shim LD_PRELOAD is what it is without all that.

set -u
HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lib.sh
. "$HERE/lib.sh"
cd "$SCRATCH" || exit 1
start_modems modem0
start_broker < <(printf '[broker]\nmode = 0666\n'; port modem0)

# gets_the_lease COMLEASE CLIENT: the program opens the port by the broker, and nothing is said on stderr.
gets_the_lease()
{
	local said
	said=$(COMLEASE_DEBUG=1 "$1" run -- "$BUILD/tests/$2" open "$SCRATCH/modem0" rw 2>said.err) || return 1
	[ "$said" = 'open 3 O_RDWR' ] && grep -q ': lease [0-9]* of modem0 ' said.err &&
		! grep -v '^comlease-shim' said.err && return 0
	echo "$said" && cat said.err && return 1
}
preload() { "$1" run -- sh -c 'echo "$LD_PRELOAD"'; }
is_preload() { LD_PRELOAD= preload "$1" >preloaded && echo "$2" | cmp - preloaded; }

# tree FOLDER: as `make install prefix=FOLDER` would make it.
tree()
{
	mkdir -p "$1/bin" "$1/lib" && cp "$BUILD/comlease" "$1/bin" && cp "$BUILD/libcomlease-shim.so" "$1/lib" || exit 1
	[ ! -d "$BUILD/comlease-shim" ] || cp -RP "$BUILD/comlease-shim" "$1/lib"
}
tree installed
mkdir elsewhere && cp -RP installed elsewhere/moved && rm -r installed/lib/comlease-shim 2>/dev/null

check "a program gets the lease from the build tree" gets_the_lease comlease shim_client-plain
check "a program gets the lease from a tree that was moved" gets_the_lease elsewhere/moved/bin/comlease shim_client-plain
check "a program gets the lease from a tree without a 32-bit shim" gets_the_lease installed/bin/comlease shim_client-plain
check "without a 32-bit shim LD_PRELOAD is the shim's path" is_preload installed/bin/comlease "$SCRATCH/installed/lib/libcomlease-shim.so"
mkdir -p installed/lib/comlease-shim/lib-of-others && cp installed/lib/libcomlease-shim.so installed/lib/comlease-shim/lib-of-others
check "where ld.so's name for its folder is not known, LD_PRELOAD is the shim's path" \
	is_preload installed/bin/comlease "$SCRATCH/installed/lib/libcomlease-shim.so"

if [ -x "$BUILD/tests/shim_client32-plain" ]; then
	check "a 32-bit program gets the lease from the build tree" gets_the_lease comlease shim_client32-plain
	check "a 32-bit program gets the lease from a tree that was moved" gets_the_lease elsewhere/moved/bin/comlease shim_client32-plain
	check "with a 32-bit shim LD_PRELOAD leaves the choice to ld.so" is_preload elsewhere/moved/bin/comlease \
		"$SCRATCH/elsewhere/moved/lib/comlease-shim/\$LIB/libcomlease-shim.so"
	both() { LD_PRELOAD= comlease run -- "$BUILD/tests/shim_client32-plain" exec "$BUILD/tests/shim_client-plain" \
		exec "$BUILD/tests/shim_client32-large" open "$SCRATCH/modem0" rw >said 2>&1 && echo 'open 3 O_RDWR' | cmp - said; }
	check "programs of both classes execute each other" both
else
	skip "a 32-bit program gets the lease" "this compiler builds nothing for 32 bits here"
fi
finish
