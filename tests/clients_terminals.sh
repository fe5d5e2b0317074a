#!/bin/bash
# clients_terminals.sh - which way does each terminal program, script and static program take turns?
#
# CLIENTS=build/clients/root BUILD=build/release tests/clients_terminals.sh      TAP on stdout; about a minute
#
# Real programs, installed or unpacked by tests/unpack, a real comleased, soft modems. This is the table of
# comlease-clients(7), a line a test: each program waits behind a holder, in each of the four ways (run, run PORT,
# run --seccomp, bridge), and then talks to the modem; the exchange's log says that nobody else did. What
# programs.sh and outside.sh pin of minicom, cu, picocom, pyserial and the scripts is not repeated here.
#
# What else is pinned: that under run they wait without a word, but for what tio and picocom show before they open
# the port; what tio, screen, miniterm, microcom and a static program say who may not wait; that screen waits for two
# seconds only and minicom for twenty, that screen keeps the port when it is detached; that tio goes on trying for
# ever; who ends and who comes back when the port is taken from it; that the broker's lock file is no hindrance; that
# each redirection of a shell is a lease of its own; that a bridge in standby gives way in the middle of a line.

set -u
HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lib.sh
. "$HERE/lib.sh"
# shellcheck source=unpacked.sh
. "$HERE/unpacked.sh"
# shellcheck source=bridging.sh
. "$HERE/bridging.sh"
cd "$SCRATCH" || exit 1
# shellcheck source=terminals.sh
. "$HERE/terminals.sh"
TERMINAL_S=40
REAL_DEVICE=$DEVICE
LINK=${NODE}b

start_modems "$NODE" "$NODE.other"
start_broker < <(
	printf '[broker]\nmode = 0666\n'
	port modem0 | sed "s|/modem0$|/$NODE|; s|^hangup-ms.*|hangup-ms = 100|"
	port modem1 | sed "s|/modem1$|/$NODE.other|"
)
is_free() { wait_port modem0 '"state":"free".*"waiting":0'; }
check "the port comes up" is_free
mkdir -m 700 screens && export SCREENDIR=$SCRATCH/screens
echo 'startup_message off' >.screenrc
make_static static
# A lock file of the broker's where all of them look: it must not stand in their way, nor they remove it.
LOCK=/var/lock/LCK..$NODE
if [ -w /var/lock ]; then
	trap 'rm -f "$LOCK"; clean_up' EXIT
	printf '%10d\n' "$BROKER" >"$LOCK"
fi

# ---- the four ways ----

ALL="minicom cu picocom tio screen miniterm pyserial socat perl sh bash chain microcom static"
is_there() { has "$1" >/dev/null && ! { [ "$1" = screen ] && is_sanitized; }; }
named() # PROGRAM
{
	case $1 in
	chain) echo "a shell's redirection, through two exec" ;;
	microcom) echo "microcom (busybox, static)" ;;
	static) echo "a static program" ;;
	*) echo "$1" ;;
	esac
}

# cu becomes user uucp, if root starts it: somebody else, to whom the lease of a `run PORT` does not belong.
as_itself() { [ "$1" = cu ] && [ "$(id -u)" = 0 ] && echo setpriv --reuid=uucp --regid=uucp --clear-groups; }

# starts WAY PROGRAM
starts()
{
	local way=$1 name=$2 DEVICE=$REAL_DEVICE
	case $way in
	run) known "$name" && terminal "$name" comlease run -l "$name" -- "${COMMAND[@]}" ;;
	port)
		DEVICE={} known "$name"
		# shellcheck disable=SC2046
		terminal "$name" $(as_itself "$name") comlease run -l "$name" modem0 -- "${COMMAND[@]}"
		;;
	seccomp) known "$name" && terminal "$name" comlease run --seccomp -l "$name" -- "${COMMAND[@]}" ;;
	bridge) DEVICE=$SCRATCH/$LINK known "$name" && terminal "$name" "${COMMAND[@]}" ;;
	esac
}
# What it shows while it waits, by way.
shows_meanwhile()
{
	local char
	case $1:$2 in
	port:*) shows "$2" 'next in line)' ;;
	run:tio) shows tio 'Press ctrl-t q to quit' ;;
	run:picocom) shows picocom 'exit is        : no' ;;
	run:*) ! IFS= read -r -t 0.2 -N 1 -u "${SCREEN[$2]}" char || { echo "it has shown something"; return 1; } ;;
	esac
}
# It takes twenty seconds: beside all others, on a port of its own.
if has minicom; then
	hold keeper modem1
	DEVICE=$REAL_DEVICE.other known minicom
	terminal impatient comlease run -- "${COMMAND[@]}"
	terminal caught comlease run --seccomp -- "${COMMAND[@]}"
	SPARED="${HOLDER[keeper]} ${PROGRAM[impatient]} ${PROGRAM[caught]}"
fi

S7=20
queued() # WAY PROGRAM
{
	S7=$((S7 + 1))
	fresh
	hold gate modem0 || return 1
	starts "$1" "$2" && wait_port modem0 '"waiting":1' && shows_meanwhile "$1" "$2" || return 1
	release gate && works "$2" $S7 && is_free && heard_exactly $S7
}
try() # WAY TITLE PROGRAM...
{
	local way=$1 title=$2 program
	shift 2
	for program; do
		if is_there "$program"; then
			check_alone "$(named "$program") $title: waits behind a holder, then talks to the modem" queued "$way" "$program"
		else
			skip "$(named "$program") $title" "not there, or not for this user"
		fi
	done
}

try run "under run" minicom cu picocom tio miniterm chain microcom static # the others: programs.sh
try port "under run PORT" $ALL

# ---- screen ----

screen_is_late() # TEXT [OPTION...]
{
	known screen
	hold gate modem0 || return 1
	terminal screen comlease run "${@:2}" -- "${COMMAND[@]}"
	shows screen "Cannot open line '$DEVICE' for R/W: $1" && ends screen && wait_port modem0 '"waiting":0' && release gate
}
screen_detached()
{
	S7=$((S7 + 1))
	fresh
	starts port screen && shows screen "$READY" && keys screen $'\001d' && shows screen 'detached from' && ends screen &&
		wait_port modem0 '"state":"held"' && [ "$(comlease run -n modem0 -- true 2>&1 | grep -c 'held by screen')" = 1 ] || return 1
	terminal screen screen -r
	works screen $S7 && is_free && heard_exactly $S7
}
if is_there screen; then
	check_alone "screen under run waits for two seconds, no longer" screen_is_late "open() blocked, aborted."
	check_alone "... and says what it is told before" screen_is_late "Device or resource busy" -w 0.5
	check_alone "screen under run PORT keeps the port while it is detached" screen_detached
else
	skip "screen under run waits for two seconds, no longer" "not there"
	skip "... and says what it is told before" "not there"
	skip "screen under run PORT keeps the port while it is detached" "not there"
fi

# ---- who loses the port ----

loses_it() # PROGRAM: starts, and has it no more
{
	starts run "$1" && wait_port modem0 '"state":"held"' && { [ -z "$READY" ] || shows "$1" "$READY"; } && comlease revoke modem0
}
is_over() { loses_it "$1" && ends "$1" '[0-9]' && is_free; } # not of its time limit
comes_back()
{
	S7=$((S7 + 1))
	loses_it "$1" && fresh && types_until "$1" "ATS7=$S7"$'\r' OK && keys "$1" "$QUIT" && ends "$1" && is_free && heard_exactly $S7
}
for program in picocom screen miniterm socat microcom tio minicom; do
	sentence="$program ends when the port is taken from it"
	case $program in tio | minicom) sentence="$program that the port is taken from opens it again" ;; esac
	if ! is_there $program; then
		skip "$sentence" "not there, or not for this user"
	elif ! can_revoke; then
		skip "$sentence" "taking it needs CAP_SYS_ADMIN"
	else
		case $program in
		tio | minicom) check_alone "$sentence" comes_back $program ;;
		*) check_alone "$sentence" is_over $program ;;
		esac
	fi
done

# ---- who may not wait ----

refused() # PROGRAM STATUS TEXT [OPTION...]: under `comlease run -w 0.5`
{
	local name=$1 status=$2 text=$3
	shift 3
	known "$name"
	hold gate modem0 || return 1
	terminal "$name" comlease run -w 0.5 "$@" -- "${COMMAND[@]}"
	shows "$name" "$text" && ends "$name" "$status" && wait_port modem0 '"waiting":0' && release gate
}
tio_refused()
{
	hold gate modem0 || return 1
	terminal tio comlease run -w 0.5 -- tio --no-autoconnect "$DEVICE"
	shows tio 'Error: Could not open tty device (Device or resource busy)' && ends tio '*' && release gate
}
tio_goes_on()
{
	local log
	S7=$((S7 + 1))
	fresh
	hold gate modem0 || return 1
	reading log tail -n 0 -f broker.log
	terminal tio comlease run -w 0.5 -- tio -b 38400 "$DEVICE"
	wait_line "$log" ' request .*command=tio' && wait_line "$log" ' request .*command=tio' && release gate && works tio $S7 && heard_exactly $S7
	set -- $?
	done_reading "$log"
	return "$1"
}
if has tio; then
	check_alone "tio --no-autoconnect that may not wait says: busy" tio_refused
	check_alone "tio that may not wait goes on trying, without a word, and has its turn then" tio_goes_on
else
	skip "tio --no-autoconnect that may not wait says: busy" "not there"
	skip "tio that may not wait goes on trying, without a word, and has its turn then" "not there"
fi
if has miniterm; then
	check_alone "miniterm that may not wait says: busy" refused miniterm 1 \
		"could not open port '$DEVICE': [Errno 16] could not open port $DEVICE: [Errno 16] Device or resource busy: '$DEVICE'"
else
	skip "miniterm that may not wait says: busy" "python3-serial is not there"
fi

# ---- a shell's redirections ----

redirections() # GRANTS COMMAND...
{
	local before grants=$1 after
	shift
	before=$(grep -c ' grant ' broker.log)
	fresh
	"$@" sh -c 'printf "ATS7=71\r" >"$0" && printf "ATS7=72\r" >"$0"' "${REDIRECTED:-$DEVICE}" && is_free || return 1
	after=$(grep -c ' grant ' broker.log)
	[ $((after - before)) = "$grants" ] && heard_exactly 71 72 || { echo "$((after - before)) leases"; return 1; }
}
check_alone "each redirection of a shell under run is a lease of its own" redirections 2 comlease run --
REDIRECTED={} check_alone "... and all under run PORT are one" redirections 1 comlease run modem0 --

# ---- by seccomp ----

if no_seccomp=$(comlease run --seccomp -- true 2>&1 | head -n 1) && [ -z "$no_seccomp" ]; then
	# shellcheck disable=SC2086
	try seccomp "under run --seccomp" $ALL
	if is_there screen; then
		check_alone "screen waits for two seconds there, too" screen_is_late "open() blocked, aborted." --seccomp
	else
		skip "screen waits for two seconds there, too" "not there"
	fi
	if is_there microcom; then
		check_alone "microcom that may not wait says: busy" refused microcom 1 "microcom: can't open '$DEVICE': Device or resource busy"
	else
		skip "microcom that may not wait says: busy" "not there"
	fi
	if has static; then
		check_alone "a static program that may not wait gets EBUSY" refused static 1 "$DEVICE: Device or resource busy"
	else
		skip "a static program that may not wait gets EBUSY" "none can be linked here"
	fi
else
	skip "under run --seccomp" "not here: $no_seccomp"
fi

# ---- by bridge ----

check "a bridge for everybody, for cu becomes user uucp" start_bridge "$LINK" --mode 666 modem0
SPARED="${SPARED-} ${BRIDGE[$LINK]-}"
# shellcheck disable=SC2086
try bridge "by bridge" $ALL
check "... which says who has the port for which they wait" grep -q '^comlease: modem0: held by sh (pid .*; waiting (next in line)$' "$LINK.err"
check "the bridge ends" stop_bridge "$LINK"

# The program stays; but whose turn it is does not depend on what it is at.
in_the_middle()
{
	start_bridge "$LINK" --standby modem0 || return 1
	fresh
	starts bridge picocom && known picocom && shows picocom "$READY" && keys picocom $'ATS7=81\r' && shows picocom OK &&
		keys picocom 'ATS7' && shows picocom ATS7 && hold gate modem0 && release gate && wait_port modem0 '"state":"held"' &&
		keys picocom $'=82\r' && types_until picocom $'ATS7=83\r' OK && keys picocom "$QUIT" && ends picocom &&
		is_free && heard_exactly 81 83 && stop_bridge "$LINK"
}
if has picocom; then
	check_alone "a bridge in standby gives way in the middle of a line, and picocom goes on afterwards" in_the_middle
else
	skip "a bridge in standby gives way in the middle of a line, and picocom goes on afterwards" "picocom is not installed"
fi

# ---- at the end ----

if has minicom; then
	timed_out() { shows "$1" 'Connection timed out' && ends "$1" '*'; }
	check "minicom under run waits for 20 s, no longer" timed_out impatient
	if [ -z "$no_seccomp" ]; then
		check "... and under run --seccomp" timed_out caught
	else
		skip "... and under run --seccomp" "not here: $no_seccomp"
	fi
	release keeper
else
	skip "minicom under run waits for 20 s, no longer" "not there, or not for this user"
	skip "... and under run --seccomp" "not there, or not for this user"
fi

if [ -w /var/lock ]; then
	check "the broker's lock file has been left alone by all of them" test "$(cat "$LOCK")" -eq "$BROKER"
else
	skip "the broker's lock file has been left alone by all of them" "/var/lock is not for us to write"
fi

check "nobody has opened the device past comlease" eval '! grep " intruder " broker.log'
check "at the end the port is free and nobody waits" is_free
check "the broker ends cleanly" stop_broker
finish
