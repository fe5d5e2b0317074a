# terminals.sh - terminal programs and scripts on ptys of their own, and what is known about each (sourced after
# lib.sh, in $SCRATCH)
#
# Responsible for starting minicom, cu, picocom, tio, screen, microcom, socat, pyserial, perl, shells and a static
# program on $DEVICE, for their keys and screens, and for what the exchange has heard from them. It makes no
# assertion and starts no broker.
#
# The one tricky idea: each program sets register S7 of the modem to a number of its own, so that the exchange's
# log tells who had the line, and a modem answers that with OK.

NODE=${SCRATCH##*.} # the device has a name of its own, so that its lock file would have one too
DEVICE=$SCRATCH/$NODE
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
	timeout "${TERMINAL_S:-60}" script -qefc "exec $(printf '%q ' "$@")" /dev/null <"$name.keys" >"$name.screen" 2>&1 \
		{keys}>&- {screen}>&- &
	PROGRAM[$name]=$!
	KEYS[$name]=$keys
	SCREEN[$name]=$screen
}

keys() { printf '%s' "$2" >&"${KEYS[$1]}"; }

# shows NAME TEXT [SECONDS]: reads on until the screen has shown it.
shows()
{
	local seen="" char
	while IFS= read -r -t "${3:-20}" -N 1 -u "${SCREEN[$1]}" char; do
		seen+=$char
		[[ $seen != *"$2" ]] || return 0
	done
	printf '%s never showed: %s\nbut: %q\n' "$1" "$2" "$seen"
	return 1
}

# types_until NAME KEYS TEXT: as a person would: what a slow program has thrown away is typed again.
types_until()
{
	local said=""
	for _ in 1 2 3 4; do
		keys "$1" "$2"
		said+=$(shows "$1" "$3" 3) && return 0
		said+=$'\n'
	done
	printf '%s' "$said"
	return 1
}

# ends NAME [STATUS]: waits for its end (a status is a pattern); what it has shown since is in $LAST.
ends()
{
	local result keys=${KEYS[$1]} screen=${SCREEN[$1]}
	wait "${PROGRAM[$1]}"
	result=$?
	LAST=$(timeout 0.1 cat <&"$screen" | tr -d '\0')
	exec {keys}>&- {screen}>&-
	[[ $result == ${2:-0} ]] || { printf '%s: exit status %s: %q\n' "$1" "$result" "$LAST"; return 1; }
}

# A test that fails leaves programs behind, and they would stand in the way of the next one. $SPARED: pids of others.
check_alone()
{
	local before=$FAILED pid
	FAILED=0
	check "$@"
	if [ $FAILED != 0 ]; then
		for pid in $(jobs -pr); do
			[[ " $BROKER ${SPARED-} " == *" $pid "* ]] || kill "$pid"
		done
		wait_port modem0 '"state":"free".*"waiting":0'
	fi
	FAILED=$((FAILED | before))
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

# The device passes through three programs, of which only the first one opens it.
# shellcheck disable=SC2016
CHAIN='exec 3<>"$1" && exec env TALK="$2" sh -c '\''exec sh -c "$TALK"'\'''
# shellcheck disable=SC2016
TALK=${SHELL_SCRIPT#*$'exit 1\n'}

# make_static FILE: a program without a C library that LD_PRELOAD could reach. Fails where none can be linked.
make_static()
{
	cc -x c -static -o "$1" - 2>/dev/null <<-'END_OF_PROGRAM'
	#include <fcntl.h>
	#include <stdio.h>
	#include <string.h>
	#include <unistd.h>
	int main(int argc, char **argv)
	{
		char line[100], heard[4000] = "";
		int fd = argc == 2 ? open(argv[1], O_RDWR | O_NOCTTY) : -1;
		size_t length = 0;
		ssize_t n = 1;
		if (fd < 0) { perror(argv[1]); return 1; }
		puts("ready");
		fflush(stdout);
		if (!fgets(line, sizeof(line), stdin)) return 1;
		line[strcspn(line, "\n")] = '\r';
		if (write(fd, line, strlen(line)) < 0) return 1;
		while (!strstr(heard, "OK\r\n") && n > 0 && length < sizeof(heard) - 1) {
			n = read(fd, heard + length, sizeof(heard) - 1 - length);
			length += n > 0 ? (size_t)n : 0;
		}
		fputs(heard, stdout);
		fflush(stdout);
		return !fgets(line, sizeof(line), stdin);
	}
	END_OF_PROGRAM
}

TERMINALS="minicom cu picocom" # minicom waits for 20 s only: it is the first
SCRIPTS="pyserial socat perl sh bash"
# has PROGRAM: is it installed, for this user?
has()
{
	case $1 in
	cu) [ -s "$SCRATCH/cu" ] ;;
	minicom) command -v minicom >/dev/null && getent passwd "$(id -u)" >/dev/null ;; # else: You don't exist. Go away.
	pyserial | miniterm) /usr/bin/python3 -c 'import serial' 2>/dev/null ;;
	microcom) command -v busybox >/dev/null && busybox microcom --help 2>/dev/null ;;
	screen) command -v screen >/dev/null && [ "$(id -un)" != nobody ] ;; # in screen nobody may do nothing
	static) [ -x "$SCRATCH/static" ] ;;
	chain) ;;
	*) command -v "$1" >/dev/null ;;
	esac
}

# known PROGRAM: sets COMMAND, READY (what it shows once it has the port; empty: nothing), QUIT (the keys that end it).
known()
{
	READY=ready QUIT=$'\r'
	case $1 in
	minicom) COMMAND=(minicom -D "$DEVICE" -b 38400) READY='for help on special keys' QUIT=$'\001q\r' ;;
	cu) # says so before it sets its terminal to raw, and a CR typed too early would become a LF
		COMMAND=(sh -c 'stty raw && exec "$@"' sh "$SCRATCH/cu" -l "$DEVICE" -s 38400)
		READY='Connected.' QUIT='~.'
		;;
	tio) COMMAND=(tio -b 38400 "$DEVICE") READY=Connected QUIT=$'\024q' ;;
	screen) # shows nothing of its own once it has the port; what it writes first is that it clears its terminal
		COMMAND=(screen "$DEVICE" 38400) READY=$'\033[H\033[J' QUIT=$'\001ky'
		;;
	microcom) # shows nothing at all
		COMMAND=(busybox microcom -s 38400 "$DEVICE") READY="" QUIT=$'\030'
		;;
	miniterm)
		COMMAND=(/usr/bin/python3 -m serial.tools.miniterm --raw --eol CR "$DEVICE" 38400)
		READY='--- Quit: ' QUIT=$'\035'
		;;
	static) COMMAND=("$SCRATCH/static" "$DEVICE") ;;
	chain) COMMAND=(sh -c "$CHAIN" sh "$DEVICE" "$TALK") ;;
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
	if [ -n "$READY" ]; then
		shows "$1" "$READY" && keys "$1" "ATS7=$2"$'\r' && shows "$1" OK || return 1
	else
		types_until "$1" "ATS7=$2"$'\r' OK || return 1
	fi
	keys "$1" "$QUIT" && ends "$1"
}

# said_to_modem: the numbers that the exchange has seen on modem0 since the last call of `fresh`.
fresh() { SEEN_LINES=$(wc -l <modems.log); }
said_to_modem() { tail -n "+$((SEEN_LINES + 1))" modems.log | sed -n "s/.* $NODE at text=\"ATS7=\([0-9]*\)\"$/\1/p" | tr '\n' ' '; }
heard_exactly() { [ "$(said_to_modem)" = "$*${*:+ }" ] || { echo "the exchange heard $(said_to_modem), not $*"; return 1; }; }
