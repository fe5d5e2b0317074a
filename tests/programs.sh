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
#	efax      Warning: DEVICE locked or busy. waiting. (and tries again every 8 s, for ever)
#	picocom   FATAL: cannot open DEVICE: Device or resource busy
#	cu        cu: DEVICE: Line in use
#	minicom   minicom: cannot open DEVICE: Device or resource busy
#	pyserial  SerialException: [Errno 16] could not open port DEVICE: [Errno 16] Device or resource busy
#	sh, cat, stty, socat, perl   ... Device or resource busy
# minicom sets alarm(20) around its open(): it never waits longer, and then says `Connection timed out`.
# For more patience `comlease run PORT -- minicom -D {}`. None of the others has such a limit.

set -u
HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lib.sh
. "$HERE/lib.sh"
cd "$SCRATCH" || exit 1
# shellcheck source=terminals.sh
. "$HERE/terminals.sh"

start_modems "$NODE" far
start_broker < <(printf '[broker]\nmode = 0666\n'; port modem0 | sed "s|/modem0$|/$NODE|; s|^hangup-ms.*|hangup-ms = 100|")

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
		check_alone "$program talks to the modem and leaves" one_by_one "$program" $number
		ALL+=("$program")
		NUMBERS+=("$number")
	else
		skip "$program talks to the modem and leaves" "not installed, or not for this user"
	fi
done


# ---- all at the same moment ----

waited() # LABEL: the log tells it a moment after the grant
{
	local log result
	reading log tail -n "+$((BROKER_LINES + 1))" -f broker.log
	wait_line "$log" " grant .*label=$1 .*waited_ms="
	result=$?
	done_reading "$log"
	[ $result = 0 ] && [[ $LINE == *waited_ms=[1-9]* ]]
}

at_the_same_moment()
{
	local program order=() numbers=() i log
	fresh
	BROKER_LINES=$(wc -l <broker.log)
	hold gate modem0 -l gate || return 1
	for program in "${ALL[@]}"; do begins "$program"; done
	reading log tail -n "+$((BROKER_LINES + 1))" -f broker.log
	while [ "${#order[@]}" -lt "${#ALL[@]}" ]; do # the order in which the broker hears of them is anybody's
		wait_line "$log" ' request port=modem0 .*label=(.*)' || break
		[ "${BASH_REMATCH[1]}" = gate ] || order+=("${BASH_REMATCH[1]}")
	done
	done_reading "$log"
	wait_port modem0 "\"waiting\":${#ALL[@]}" && release gate || { echo "asked: ${order[*]}"; return 1; }
	for program in "${order[@]}"; do
		for i in "${!ALL[@]}"; do
			[ "${ALL[i]}" != "$program" ] || break
		done
		numbers+=("${NUMBERS[i]}")
		works "$program" "${NUMBERS[i]}" && waited "$program" || { echo "order: ${order[*]}"; return 1; }
	done
	heard_exactly "${numbers[@]}" && wait_port modem0 '"state":"free".*"waiting":0'
}
check_alone "${#ALL[@]} programs at the same moment: each waits, all are served in the order in which they asked" at_the_same_moment

# ---- lock files ----

# The calls of PROGRAM, as the kernel saw them, by which a lock file of ours comes into being.
makes_no_lock_file()
{
	local traced=$1.traced
	known "$1"
	terminal "$traced" strace -f -qq -e trace=file -o "$traced.calls" comlease run -- "${COMMAND[@]}" &&
		shows "$traced" "$READY" && types_until "$traced" "ATS7=$2"$'\r' OK &&
		keys "$traced" "$QUIT" && ends "$traced" || return 1
	grep -q "$3" "$traced.calls" || { echo "it looked for no lock file at all"; return 1; }
	! grep -E '(open|openat|creat|link|linkat|rename|renameat2?|symlink|symlinkat|mkdir|mknod)\(.*LCK\.\.' \
		"$traced.calls" | grep -v ' = -1 '
}
# minicom looks at the lock itself; cu first makes a temporary file of its pid and links it to its name.
for program in minicom cu; do
	looks='LCK\.\.'"$NODE"
	[ $program = minicom ] || looks='lock/TMP0'
	if ! has $program; then
		skip "$program makes no lock file" "not installed, or not for this user"
	elif ! strace -o /dev/null true 2>/dev/null; then
		skip "$program makes no lock file" "strace is not allowed here"
	else
		check_alone "$program makes no lock file" makes_no_lock_file $program 35 "$looks"
	fi
done

# The broker's lock file, or anybody's, is not a waiting program's to remove, not even in a handler that runs
# in the middle of the wait, as minicom's and cu's do.
LOCK=/var/lock/LCK..$NODE
trap 'rm -f "$LOCK"; clean_up' EXIT
# shellcheck disable=SC2016
UNLINK='$SIG{TERM} = sub { print unlink($ARGV[1]) ? "removed\n" : "$!\n"; exit 0 }; $| = 1; print "here\n";
open(my $port, "+<", $ARGV[0]) or die "$!\n"; print "opened\n"'
handler_removes_nothing()
{
	echo "  precious" >"$LOCK" && hold gate modem0 || return 1
	PERL_SIGNALS=unsafe comlease run -- perl -e "$UNLINK" "$DEVICE" "$LOCK" >unlink.said 2>&1 &
	local pid=$!
	wait_port modem0 '"waiting":1' && kill "$pid" && wait "$pid"
	release gate
	# perl looks first, and in the private view there is nothing
	[ "$(tail -n 1 unlink.said)" = "No such file or directory" ] || { cat unlink.said; return 1; }
	[ -e "$LOCK" ] && rm "$LOCK"
}
if [ -w /var/lock ]; then
	check_alone "a handler that runs while a program waits does not remove the broker's lock file" handler_removes_nothing
else
	skip "a handler that runs while a program waits does not remove the broker's lock file" "/var/lock is not for us to write"
fi

# ---- killed in a call ----

holder_pid() { comlease status --json modem0 | grep -o '"lease":.*' | grep -o '"pid":[0-9]*' | sed -n '1s/.*://p'; }
killed_in_a_call() # PROGRAM SIGNAL NUMBER
{
	local far log pid
	exec {far}<>far
	stty -F far raw -echo && printf 'ATE0S0=1\r' >&"$far" && wait_line "$far" OK || return 1
	fresh
	begins "$1" && shows "$1" "$READY" && keys "$1" $'ATDT101\r' && shows "$1" CONNECT && wait_line "$far" CONNECT &&
		begins sh && wait_port modem0 '"waiting":1' && pid=$(holder_pid) && kill "-$2" "$pid" || return 1
	works sh "$3" && wait_line "$far" 'NO CARRIER' && ends "$1" '*' && heard_exactly "$3" || return 1
	reading log tail -n "+$((SEEN_LINES + 1))" -f modems.log
	wait_line "$log" "$NODE connected peer=far" && wait_line "$log" "$NODE hungup" && wait_line "$log" "$NODE at text=\"ATS7=$3\""
	pid=$?
	done_reading "$log"
	exec {far}>&-
	[ $pid = 0 ] && [ ! -e "$LOCK" ] || { ls -l "$LOCK"; return 1; }
}
for program in $TERMINALS; do
	if has "$program"; then
		check_alone "$program gets SIGTERM in a call: hung up, no lock file left, the next one has the port" \
			killed_in_a_call "$program" TERM 36
	else
		skip "$program gets SIGTERM in a call" "not installed, or not for this user"
	fi
done
has minicom && check_alone "minicom gets SIGKILL in a call: likewise" killed_in_a_call minicom KILL 37

# ---- a program that does not want to wait ----

# impatient NAME STATUS PATTERN COMMAND...: under `run -w $SECONDS_TO_WAIT`
declare -A REFUSAL REFUSED
impatient()
{
	local name=$1
	REFUSED[$name]=$2
	REFUSAL[$name]=$3
	shift 3
	timeout 30 script -qefc "exec $(printf '%q ' comlease run -w "$SECONDS_TO_WAIT" -- "$@")" /dev/null \
		<&"$NO_KEYS" >"$name.refused" 2>&1 &
	PROGRAM[$name]=$!
}
was_refused()
{
	local result
	wait "${PROGRAM[$1]}"
	result=$?
	[ $result = "${REFUSED[$1]}" ] && grep -qF "${REFUSAL[$1]}" "$1.refused" ||
		{ echo "$1: status $result: $(cat "$1.refused")"; return 1; }
}
# What is expected here is what comlease-clients(7) quotes.
refused_within() # SECONDS LEAST_MS MOST_MS
{
	local begin name result=0
	SECONDS_TO_WAIT=$1
	REFUSED=()
	hold gate modem0 || return 1
	exec {NO_KEYS}<>far.keys
	begin=$(date +%s%3N)
	impatient picocom 1 "FATAL: cannot open $DEVICE: Device or resource busy" picocom "$DEVICE"
	impatient cu 1 "$DEVICE: Line in use" "$SCRATCH/cu" -l "$DEVICE"
	impatient minicom 1 "minicom: cannot open $DEVICE: Device or resource busy" minicom -D "$DEVICE"
	impatient pyserial 1 "[Errno 16] could not open port $DEVICE: [Errno 16] Device or resource busy" \
		/usr/bin/python3 -c "$PYSERIAL" "$DEVICE"
	impatient sh 2 "cannot create $DEVICE: Device or resource busy" sh -c "exec 3<>$DEVICE"
	impatient bash 1 "$DEVICE: Device or resource busy" bash -c "echo AT >$DEVICE"
	impatient cat 1 "cat: $DEVICE: Device or resource busy" cat "$DEVICE"
	impatient stty 1 "stty: $DEVICE: Device or resource busy" stty -F "$DEVICE"
	impatient socat 1 "Device or resource busy" socat - "OPEN:$DEVICE"
	impatient perl 16 "$DEVICE: Device or resource busy" perl -e "$PERL" "$DEVICE"
	for name in "${!REFUSED[@]}"; do was_refused "$name" || result=1; done
	begin=$(($(date +%s%3N) - begin))
	exec {NO_KEYS}>&-
	[ $begin -ge "$2" ] && [ $begin -lt "$3" ] || { echo "it took $begin ms"; result=1; }
	wait_port modem0 '"waiting":0' && release gate && return $result
}
mkfifo far.keys
if [ "${#ALL[@]}" = 8 ]; then
	check_alone "without patience: EBUSY at once, in each program's own words" refused_within 0 0 10000
	check_alone "two seconds of patience: EBUSY after them" refused_within 2 2000 12000
else
	skip "without patience: EBUSY at once, in each program's own words" "not all are installed, or not for this user"
	skip "two seconds of patience: EBUSY after them" "not all are installed, or not for this user"
fi

# ---- signals ----

# shellcheck disable=SC2016
EINTR='use POSIX; $| = 1; sigaction(SIGALRM, POSIX::SigAction->new(sub { print "handler\n" })); alarm 1;
print defined POSIX::open($ARGV[0], O_RDWR) ? "opened\n" : $!{EINTR} ? "EINTR\n" : "$!\n"'
PYTHON_ALARM='
import os, signal, sys
def handler(*_):
    raise TimeoutError
signal.signal(signal.SIGALRM, handler)
signal.alarm(1)
try:
    os.open(sys.argv[1], os.O_RDWR)
except TimeoutError:
    print("gave up")'
alarm_interrupts() # SAYS COMMAND...
{
	local said says=$1
	shift
	hold gate modem0 || return 1
	said=$(timeout 20 comlease run -- "$@" 2>&1)
	wait_port modem0 '"waiting":0' && release gate && [ "$said" = "$says" ] || { echo "$said"; return 1; }
}
check_alone "alarm() around open(): its handler runs, open() says EINTR, its place is given up" \
	alarm_interrupts $'handler\nEINTR' perl -e "$EINTR" "$DEVICE"
check_alone "... and what Python makes of it" alarm_interrupts "gave up" /usr/bin/python3 -c "$PYTHON_ALARM" "$DEVICE"

ctrl_c()
{
	hold gate modem0 || return 1
	known cu
	terminal patient comlease run -- "${COMMAND[@]}" && wait_port modem0 '"waiting":1' || return 1
	kill "$(comlease status --json modem0 | sed -n 's/.*"waiters":\[[^]]*"pid":\([0-9]*\).*/\1/p')" &&
		ends patient '*' && wait_port modem0 '"waiting":0' && release gate
}
check_alone "a program that is killed while it waits leaves the queue" ctrl_c

# ---- the shim without `run` ----

SHIM=$BUILD/libcomlease-shim.so
# shellcheck disable=SC2016
ERRNO='$! = 7; open(my $port, "+<", $ARGV[0]) or die "open: $!\n"; print "opened\n"; print -c $port ? "device\n" : "?\n";
open($port, "<", "$ARGV[0].nothing"); print $!{ENOENT} ? "ENOENT\n" : "$!\n"'
no_broker_no_hindrance()
{
	local said
	said=$(COMLEASE_SOCKET=$SCRATCH/nobody LD_PRELOAD=$SHIM timeout 10 perl -e "$ERRNO" far 2>&1)
	[ "$said" = $'opened\ndevice\nENOENT' ] || { echo "$said"; return 1; }
}
check_alone "preloaded by hand, no broker: the device itself is opened, a file that is not there is ENOENT" no_broker_no_hindrance
preloaded_waits()
{
	hold gate modem0 || return 1
	known sh
	fresh
	terminal sh env LD_PRELOAD="$SHIM" "${COMMAND[@]}"
	wait_port modem0 '"waiting":1' && release gate && works sh 38 && heard_exactly 38
}
check_alone "preloaded by hand, with a broker: it waits for its turn" preloaded_waits
unmanaged() { [ "$(timeout 10 comlease run -- stty -F far speed)" -gt 0 ]; }
check_alone "a device that is not managed is opened at once" unmanaged

# ---- several programs under one lease ----

one_lease()
{
	local said before after
	fresh
	before=$(grep -c ' grant ' broker.log)
	# picocom and stty open it, the shell twice, socat in a pipeline; somebody else waits all the time
	terminal one comlease run modem0 -- sh -c 'echo up; read -r line
		stty -F {} -a >/dev/null && printf "ATS7=41\r" >{} && timeout 10 sed /OK/q <{} &&
		printf "ATS7=42\r" | timeout 10 socat -t 1 - OPEN:{} | grep -a OK && exec picocom -b 38400 {}'
	shows one up && begins sh && wait_port modem0 '"waiting":1' && keys one $'\r' && shows one 'Terminal ready' &&
		keys one $'ATS7=43\r' && shows one OK && heard_exactly 41 42 43 && keys one $'\001\030' && ends one &&
		works sh 44 && heard_exactly 41 42 43 44 || return 1
	after=$(grep -c ' grant ' broker.log)
	[ $((after - before)) = 2 ] || { echo "$((after - before)) leases, not 2"; return 1; }
}
if has picocom && has socat; then
	check_alone "several programs under one run PORT share its lease, and a stranger waits until the last has ended" one_lease
else
	skip "several programs under one run PORT" "picocom or socat is not installed"
fi

check_alone "at the end the port is free and nobody waits" wait_port modem0 '"state":"free".*"waiting":0'
finish
