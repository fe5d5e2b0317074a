#!/bin/bash
# python_lease.sh - the Python client, comlease.Client and its Lease, against a real broker and soft modems.
#
# BUILD=build/release tests/python_lease.sh      TAP on stdout; PYTHON: another interpreter
#
# What is asserted stands in python_cases.py and python_broker_cases.py, a function for each test here; this starts
# the broker and restarts it.

set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
TREE=$(cd "$(dirname "$0")/.." && pwd)
PYTHON=${PYTHON:-/usr/bin/python3}
export SCRATCH PYTHONPATH=$TREE/client/python PYTHONDONTWRITEBYTECODE=1

if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
	echo "1..0 # SKIP needs python3 (3.9 or later)"
	exit 0
fi

# What it leaves open or unread is an error too.
case_() { timeout 60 "$PYTHON" -X dev -W error "$TREE/tests/python_cases.py" "case_$1" "${@:2}"; }
broker_case() { timeout 60 "$PYTHON" -X dev -W error "$TREE/tests/python_broker_cases.py" "case_$1" "${@:2}"; }

start()
{
	start_broker <<-CONF
	$(port modem0)
	$(port modem1)
	[pool any]
	ports = modem0 modem1
	CONF
}

start_modems modem0 modem1
start

check "it gets the port, and the modem answers" case_ talks "$SCRATCH/modem0"
check "a device's path is as good as its port's name" case_ by_device "$SCRATCH/modem0"
check "it waits for its turn, and is told for whom" case_ queues
check "a port that is not free, at once and after a time: who has it" case_ busy
check "the broker's errors have classes" case_ errors
check "what could never be right is a ValueError that names it" case_ bad_values
check "a detached descriptor is the lease" case_ detach
check "a lease that was forgotten is given back, with a warning" case_ garbage
check "^C in the wait leaves the queue" case_ leaves SIGINT
check "kill -9 in the wait leaves the queue" case_ leaves SIGKILL
check "an exception of on_wait leaves the queue" case_ on_wait_leaves
check "a forked child neither keeps a place in the queue nor ends a stream" case_ forks
check "the lease of a process that was killed is over" case_ dies
check "a monitor sees a grant and an end" case_ monitor
check "ports and pools are listed" case_ lists
check "threads share one client" case_ threads
check "no descriptor is left behind" case_ descriptors
check "without room for a descriptor it says so, and the port is free again" case_ no_room
check "a holder in a call says so" case_ busy_standby
check "a lease that has ended is acquired anew when it yields" case_ yield_of_an_ended_lease

if can_revoke; then
	check "a standby lease is asked to give way, and comes back" case_ yields
	check "after a revoke the descriptor is dead" case_ revoke
	check "a release cuts off copies too" case_ release
else
	for sentence in "a standby lease is asked to give way, and comes back" "after a revoke the descriptor is dead" \
		"a release cuts off copies too"; do
		skip "$sentence" "needs CAP_SYS_ADMIN"
	done
fi

check "what is no broker is told from one" broker_case nonsense
check "what is asked again tells how long it has waited" broker_case reconnects
check "the socket is found" broker_case finds_its_socket "$COMLEASE_SOCKET"
check "without a broker it says so" broker_case no_broker "$COMLEASE_SOCKET"

# The broker goes while somebody waits, and comes back; the holder holds all the time.
waits_on()
{
	local waiter
	hold ann modem0 || return 1
	reading waiter "$PYTHON" -X dev -W error "$TREE/tests/python_broker_cases.py" case_restart
	wait_port modem0 '"waiting": ?1' || return 1
	stop_broker || return 1
	start
	wait_port modem0 '"waiting": ?1' || return 1
	release ann || return 1
	wait_line "$waiter" '^granted' || return 1
	done_reading "$waiter" 0
}
check "a wait goes on after a restart of the broker" waits_on

monitor_ends()
{
	local monitor
	reading monitor "$PYTHON" -X dev -W error "$TREE/tests/python_broker_cases.py" case_monitor_restart
	wait_line "$monitor" '^watching' && stop_broker && done_reading "$monitor" 0
}
check "a monitor says that the broker has gone" monitor_ends
finish
