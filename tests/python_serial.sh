#!/bin/bash
# python_serial.sh - pyserial, and programs that use it, on comlease:// URLs.
#
# BUILD=build/release tests/python_serial.sh      TAP on stdout; PYTHON: another interpreter, with pyserial
#
# The programs are pyserial's own miniterm and a few lines that name a URL where they would name a device. The
# package is used from the tree here, so they are told to import it; python_install.sh shows that no program has
# to be. python_ports.py has what is asserted about the object.

set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
TREE=$(cd "$(dirname "$0")/.." && pwd)
PYTHON=${PYTHON:-/usr/bin/python3}
export SCRATCH PYTHONPATH=$TREE/client/python${PYTHONPATH:+:$PYTHONPATH} PYTHONDONTWRITEBYTECODE=1

if ! "$PYTHON" -c 'import sys, serial; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
	echo "1..0 # SKIP needs python3 (3.9 or later) and pyserial (Debian: python3-serial)"
	exit 0
fi
cd "$SCRATCH" || exit 1
# shellcheck source=terminals.sh
. "$TREE/tests/terminals.sh"

port_case() { timeout 60 "$PYTHON" -X dev -W error "$TREE/tests/python_ports.py" "case_$1" "${@:2}"; }

# A program of somebody's: opens the URL, sends a line, shows the answer, keeps the port until a line comes in.
cat >program.py <<'END'
import sys
import comlease.serial, serial
try:
    with serial.serial_for_url(sys.argv[1], 38400, timeout=20) as port:
        port.write(b"AT\r")
        print("open", port.lease.token, port.read_until(b"OK\r\n").split(), flush=True)
        sys.stdin.readline()
except serial.SerialException as error:
    print("failed", error, flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
END
cat >miniterm.py <<'END'
import comlease.serial, serial.tools.miniterm
serial.tools.miniterm.main()
END

# program NAME URL: starts it; what it says is read with `hears`, `lets_go` ends it.
declare -A SAYS IN PID
program()
{
	local says in
	mkfifo "$1.says" "$1.in" 2>/dev/null
	exec {says}<>"$1.says" {in}<>"$1.in"
	"$PYTHON" -X dev program.py "$2" <"$1.in" >"$1.says" 2>&1 {says}>&- {in}>&- &
	PID[$1]=$! SAYS[$1]=$says IN[$1]=$in
}
hears() { wait_line "${SAYS[$1]}" "$2"; }
lets_go()
{
	local says=${SAYS[$1]} in=${IN[$1]} result
	echo >&"$in"
	wait "${PID[$1]}"
	result=$?
	exec {says}>&- {in}>&-
	return $result
}

start_modems modem0 modem1
start_broker <<CONF
$(port modem0 "order = flash mail")
$(port modem1)
[pool any]
ports = modem0 modem1
CONF

queue()
{
	program first 'comlease://modem0?label=first' && hears first '^open .*OK' || return 1
	program second comlease://modem0 && wait_port modem0 '"waiting": ?1' || return 1
	# A class goes before those who came earlier, and a priority before others.
	program third 'comlease://modem0?class=flash&priority=-1' && wait_port modem0 '"waiting": ?2' || return 1
	lets_go first && hears third '^open .*OK' || return 1
	wait_port modem0 '"waiting": ?1' && lets_go third && hears second '^open .*OK' && lets_go second
}
check_alone "programs that name a URL queue, and a class goes first" queue

times_out()
{
	program first 'comlease://modem0?label=first' && hears first '^open' || return 1
	program second "comlease://modem0?wait=$1&label=x" && hears second "^failed .*modem0.*held by.*${PID[first]}" || return 1
	lets_go second && lets_go first
}
check_alone "after its time to wait it is told who has the port" times_out 0.5
check_alone "... and at once with wait=0" times_out 0

# $1: the signal, $2: what is said.
leaves()
{
	program first comlease://modem0 && hears first '^open' || return 1
	# A shell's background job ignores ^C from birth.
	(trap - INT; exec env --default-signal=INT "$PYTHON" program.py comlease://modem0) </dev/null >waiter.says 2>&1 &
	local waiter=$!
	wait_port modem0 '"waiting": ?1' && kill "-$1" "$waiter" && wait_port modem0 '"waiting": ?0' || return 1
	wait "$waiter"
	[ "$(cat waiter.says)" = "$2" ] || { cat waiter.says; return 1; }
	lets_go first
}
check_alone "^C in the wait leaves the queue" leaves INT interrupted
check_alone "kill -9 in the wait leaves the queue" leaves KILL ""

check "it is a pyserial port in everything" port_case everything
check "closing releases, opening again acquires anew" port_case reopens
check "another URL on an open port releases it, and acquires that one" port_case changes
check "a pool gives the port that is free" port_case pool
check "modem lines of a pty are what pyserial makes of them" port_case modem_lines
check "cancel_read() and cancel_write() work" port_case cancel
check "what fails after the grant gives the port back" port_case bad_settings
check "a URL that is wrong is a ValueError that says what would be right" port_case bad_urls
check "errors of the broker are SerialExceptions" port_case refused
check "each part of a URL goes where it belongs" port_case parse
check "names are percent-decoded, devices named by their paths" port_case names "$SCRATCH/modem0"
if can_revoke; then
	check "after a revoke it reads and writes as if unplugged" port_case revoked
else
	skip "after a revoke it reads and writes as if unplugged" "needs CAP_SYS_ADMIN"
fi

miniterm()
{
	terminal one "$PYTHON" miniterm.py comlease://modem0 38400
	shows one "Miniterm on" && types_until one $'ATI\r' spandsp || return 1
	program second comlease://modem0 && wait_port modem0 '"waiting": ?1' || return 1
	keys one $'\x1d' # ^]
	ends one && hears second '^open .*OK' && lets_go second
}
if command -v script >/dev/null; then
	check_alone "miniterm talks to the modem, and leaves it to the next" miniterm
else
	skip "miniterm talks to the modem, and leaves it to the next" "needs script (Debian: bsdutils)"
fi

stop_broker
check "without a broker it says so" port_case no_broker
finish
