#!/bin/bash
# programs.sh - do programs that know nothing of comlease share a port under `comlease run`?
#
# BUILD=build/release tests/programs.sh      TAP on stdout
#
# Unmodified terminal programs, scripts and shells, a real comleased, soft modems; fax and mail are in
# fax_mail.sh. Each program sets register S7 of the modem to a number of its own, sees the modem's OK, and is
# told to quit: the exchange's log then says, independently of comlease, who had the line and in which order.
#
# What is pinned: each of them works under the shim as it does without; several that are started together all
# get the port, in the order in which they asked; a killed one leaves neither a call nor a lock file behind;
# what each prints when it may not wait; that signals still interrupt a waiting open(); that the shim is no
# hindrance where there is no broker; and that all programs of one `run PORT` share its lease.
#
# What a user sees who has told a program not to wait (-w 0, -w 2) or lost patience:
#	efax      Error: modem or fax device DEVICE... see fax_mail.sh
#	picocom   FATAL: cannot open DEVICE: Device or resource busy
#	cu        cu: DEVICE: Line in use
#	minicom   minicom: cannot open DEVICE: Device or resource busy
#	pyserial  SerialException: [Errno 16] could not open port DEVICE: [Errno 16] Device or resource busy
#	sh, cat, stty, socat, perl   ... Device or resource busy
# minicom sets alarm(20) around its open(): it never waits longer, and then says `Connection timed out`.
# For more patience `comlease run PORT -- minicom -D {}`. None of the others has such a limit.

set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
cd "$SCRATCH" || exit 1
DEVICE=$SCRATCH/modem0
LINE_NAME=${SCRATCH##*.} # as no other suite's lock file is called
ln -s modem0 "$SCRATCH/$LINE_NAME"
export HOME=$SCRATCH TERM=vt100 SHELL=/bin/bash LC_ALL=C
# No modem strings of its own, or minicom writes them for two seconds.
printf 'pu minit\npu mreset\npu rtscts No\n' >.minirc.dfl

# ---- programs on terminals of their own ----

# terminal NAME COMMAND...: starts it on a new pty; what it shows is read with `shows`, keys come from `keys`.
declare -A PROGRAM KEYS SCREEN
terminal()
{
	local name=$1 keys screen
	shift
	mkfifo "$name.keys" "$name.screen" 2>/dev/null
	exec {keys}<>"$name.keys" {screen}<>"$name.screen"
	timeout 60 script -qefc "exec $(printf '%q ' "$@")" /dev/null <"$name.keys" >"$name.screen" 2>&1 \
		{keys}>&- {screen}>&- &
	PROGRAM[$name]=$!
	KEYS[$name]=$keys
	SCREEN[$name]=$screen
}

keys() { printf '%s' "$2" >&"${KEYS[$1]}"; }

# shows NAME TEXT: reads on until the screen has shown it.
shows()
{
	local seen="" char
	while IFS= read -r -t 20 -N 1 -u "${SCREEN[$1]}" char; do
		seen+=$char
		[[ $seen != *"$2" ]] || return 0
	done
	printf '%s never showed: %s\nbut: %q\n' "$1" "$2" "$seen"
	return 1
}

# ends NAME [STATUS]: waits for its end; what it has shown since is in $LAST.
ends()
{
	local result
	wait "${PROGRAM[$1]}"
	result=$?
	LAST=$(timeout 0.1 cat <&"${SCREEN[$1]}")
	exec {KEYS[$1]}>&- {SCREEN[$1]}>&-
	[ "$result" = "${2:-0}" ] || { printf '%s: exit status %s: %q\n' "$1" "$result" "$LAST"; return 1; }
}

# ---- what is known about each program ----

cp "$(command -v cu)" cu 2>/dev/null # the installed one may be set-uid: then it takes no shim
chmod 755 cu

PYSERIAL='
import serial, sys
with serial.Serial(sys.argv[1], 38400, timeout=20) as port:
    print("ready", flush=True)
    port.write(input().encode() + b"\r")
    print(port.read_until(b"OK\r\n").decode(), flush=True)
    input()'
PERL='
$| = 1;
open(my $port, "+<", $ARGV[0]) or die "$ARGV[0]: $!\n";
print "ready\n";
chomp(my $line = <STDIN>);
syswrite($port, "$line\r");
my $heard = "";
until ($heard =~ /OK\r\n/) { sysread($port, $heard, 100, length $heard) or die "$!\n" }
print $heard;
<STDIN>'
# shellcheck disable=SC2016
SHELL_SCRIPT='
exec 3<>"$1" || exit 1
echo ready
read -r line
printf "%s\r" "$line" >&3
cr=$(printf "\r")
while read -r heard <&3 && [ "$heard" != "OK$cr" ]; do :; done
printf "%s\n" "$heard"
read -r line'

TERMINALS="minicom cu picocom" # minicom waits for 20 s only: it is the first
SCRIPTS="pyserial socat perl sh bash"
# has PROGRAM: is it installed?
has()
{
	case $1 in
	cu) [ -s "$SCRATCH/cu" ] ;;
	pyserial) /usr/bin/python3 -c 'import serial' 2>/dev/null ;;
	*) command -v "$1" >/dev/null ;;
	esac
}

# known PROGRAM: sets COMMAND, READY (what it shows once it has the port), QUIT (the keys that end it).
known()
{
	READY=ready QUIT=$'\r'
	case $1 in
	minicom) COMMAND=(minicom -D "$DEVICE" -b 38400) READY='for help on special keys' QUIT=$'\001q\r' ;;
	cu) # says so before it sets its terminal to raw, and a CR typed too early would become a LF
		COMMAND=(sh -c 'stty raw && exec "$@"' sh "$SCRATCH/cu" -l "$DEVICE" -s 38400)
		READY='Connected.' QUIT='~.'
		;;
	picocom) COMMAND=(picocom -b 38400 "$DEVICE") READY='Terminal ready' QUIT=$'\001\030' ;;
	pyserial) COMMAND=(/usr/bin/python3 -c "$PYSERIAL" "$DEVICE") ;;
	perl) COMMAND=(perl -e "$PERL" "$DEVICE") ;;
	socat)
		COMMAND=(socat -d -d -,raw,echo=0,escape=0x1d "OPEN:$DEVICE,raw,echo=0")
		READY='starting data transfer loop' QUIT=$'\035'
		;;
	sh | bash) COMMAND=("$1" -c "$SHELL_SCRIPT" "$1" "$DEVICE") ;;
	esac
}

begins() { known "$1" && terminal "$1" comlease run -l "$1" -- "${COMMAND[@]}"; }

# works PROGRAM NUMBER: it has the port, talks to the modem and quits.
works()
{
	known "$1"
	shows "$1" "$READY" && keys "$1" "ATS7=$2"$'\r' && shows "$1" OK && keys "$1" "$QUIT" && ends "$1"
}

# said_to_modem: the numbers that the exchange has seen on modem0 since the last call of `fresh`.
fresh() { SEEN_LINES=$(wc -l <modems.log); }
said_to_modem() { tail -n "+$((SEEN_LINES + 1))" modems.log | sed -n 's/.* modem0 at text="ATS7=\([0-9]*\)"$/\1/p' | tr '\n' ' '; }
heard_exactly() { [ "$(said_to_modem)" = "$*${*:+ }" ] || { echo "the exchange heard $(said_to_modem), not $*"; return 1; }; }

start_modems modem0 modem1
start_broker < <(printf '[broker]\nmode = 0666\n'; port modem0; port modem1)

# ---- one after another ----

one_by_one()
{
	fresh
	begins "$1" && works "$1" "$2" && heard_exactly "$2" && wait_port modem0 '"state":"free"'
}
NUMBERS=()
ALL=()
number=20
for program in $TERMINALS $SCRIPTS; do
	number=$((number + 1))
	if has "$program"; then
		check "$program talks to the modem and leaves" one_by_one "$program" $number
		ALL+=("$program")
		NUMBERS+=("$number")
	else
		skip "$program talks to the modem and leaves" "not installed"
	fi
done

finish
