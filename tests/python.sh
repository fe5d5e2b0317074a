#!/bin/bash
# python.sh - can somebody write a client in another language, from the interface definition alone?
#
# BUILD=build/release tests/python.sh      TAP on stdout
#
# python_client.py is that client: a page of the standard library. It gets a port of a real broker, talks to
# the soft modem on it, waits for its turn, and is told what a person needs to know when there is none.

set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
TREE=$(cd "$(dirname "$0")/.." && pwd)

# client ARGUMENT...: runs it; OUT, ERR, RC.
client()
{
	OUT=$(timeout 30 python3 "$TREE/tests/python_client.py" "$@" 2>"$SCRATCH/err")
	RC=$?
	ERR=$(cat "$SCRATCH/err")
}
explain() { printf '%s\nstatus %s\nstdout: %s\nstderr: %s\n' "$1" "$RC" "$OUT" "$ERR"; return 1; }
says() # PATTERN ARGUMENT...
{
	local pattern=$1
	shift
	client "$@"
	[ "$RC" = 0 ] && [[ $OUT =~ $pattern ]] || explain "expected status 0 and $pattern"
}
fails() # PATTERN ARGUMENT...
{
	local pattern=$1
	shift
	client "$@"
	[ "$RC" != 0 ] && [[ $ERR =~ $pattern ]] || explain "expected a failure and $pattern"
}

if ! python3 -c 'import socket; socket.recv_fds' 2>/dev/null; then
	echo "1..0 # SKIP needs python3 (3.9 or later)"
	exit 0
fi

start_modems modem0
start_broker <<CONF
$(port modem0)
CONF

check "it gets the port and the modem answers" says '^[0-9]+ .*OK$' modem0
check "and again, with a command of its own" says '^[0-9]+ AT OK$' modem0 AT
check "a port that does not exist" fails 'NoSuchPort.*modem0' elsewhere
check "a name that is none" fails 'InvalidParameter.*port' 'a b'

# It waits behind a holder, and its turn comes with the holder's close.
waits()
{
	local pid
	hold ann modem0 || return 1
	python3 "$TREE/tests/python_client.py" modem0 AT >"$SCRATCH/turn" 2>&1 &
	pid=$!
	wait_port modem0 '"waiting": ?1' || return 1
	[ ! -s "$SCRATCH/turn" ] || { echo "it did not wait"; return 1; }
	release ann
	wait "$pid" && grep -q 'AT OK$' "$SCRATCH/turn" || { cat "$SCRATCH/turn"; return 1; }
}
check "it waits for its turn" waits

if stop_broker; then ok "the broker ends cleanly"; else not_ok "the broker ends cleanly"; fi
client modem0
check "without a broker it says so" fails 'FileNotFoundError|ConnectionRefusedError' modem0
finish
