#!/bin/bash
# outside.sh - real programs that know nothing of comlease and are not run under it, and handing over a call
#
# BUILD=build/release tests/outside.sh      TAP on stdout
#
# Real minicom, cu, picocom, flock and a shell's `exec 3<>device` on ports of the broker's; a real caller whose
# call is handed from one program to another. What the line does is read from the exchange's log. modem0 has
# `own = leased`, so that others can open it between leases; modem1 is as ports are, `own = always`. minicom and
# cu are told where the lock files are, as the test keeps its hands off /var/lock.
#
# What is pinned: each of them is named by `status`, `who` and the error of who waits; a client that waits gets
# the port when they have gone; who opens a leased port is named as an intruder; where comlease has the port
# they say so themselves, by whichever of lock file, flock and TIOCEXCL they look for; evict takes it; a
# handed-over call is not hung up.
#
# What comlease cannot do: TIOCEXCL does not stop root, comleased without CAP_SYS_ADMIN sets none, and during a
# lease the flock is the holder's. So a program that looks for no lock file is then an intruder.

set -u
HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lib.sh
. "$HERE/lib.sh"
cd "$SCRATCH" || exit 1
# shellcheck source=terminals.sh
. "$HERE/terminals.sh"
TERMINAL_S=30

ALWAYS=always$NODE
start_modems "$NODE" far "$ALWAYS"
start_broker < <(
	printf '[broker]\nmode = 0666\n'
	port modem0 'own = leased' | sed "s|/modem0$|/$NODE|; s|^hangup-ms.*|hangup-ms = 200|"
	port modem1 | sed "s|/modem1$|/$ALWAYS|"
)
echo "pu lock $SCRATCH/lock" >>.minirc.dfl
printf 'lockdir %s\nsysfile none\nportfile none\ndialfile none\ncallfile none\n' "$SCRATCH/lock" >cu.config
: >none
is_free() { wait_port "$1" '"state":"free".*"waiting":0'; }
check "the ports come up" eval 'is_free modem0 && is_free modem1'

# ---- others have the port ----

# about PROGRAM: `known`, and those which no other suite has
about()
{
	case $1 in
	cu) known cu && COMMAND=(sh -c 'stty raw && exec "$@"' sh "$SCRATCH/cu" -I "$SCRATCH/cu.config" -l "$DEVICE" -s 38400) ;;
	flock) COMMAND=(flock -n "$DEVICE" sh -c 'echo ready; read -r line') READY=ready QUIT=$'\r' ;;
	lockfile) # a program that has written one and not opened the device yet
		COMMAND=(sh -c 'printf "%10d\n" $$ >"$1"; echo ready; read -r line; rm "$1"' sh "$SCRATCH/lock/LCK..$NODE")
		READY=ready QUIT=$'\r'
		;;
	bash) # bare: it opens the device, and sets nothing
		COMMAND=(bash -c 'exec 3<>"$1" && echo ready && read -r line' bash "$DEVICE")
		READY=ready QUIT=$'\r'
		;;
	*) known "$1" ;;
	esac
}
comes() { about "$1" && terminal "$1" "${COMMAND[@]}" && shows "$1" "$READY"; }
goes() { about "$1" && keys "$1" "$QUIT" && ends "$1"; }
# The name that the kernel has for it, and how it has the port.
comm() { if [ "$1" = lockfile ]; then echo sh; else echo "$1"; fi; }
how() { if [ "$1" = lockfile ]; then echo ": locked by LCK..$NODE"; else echo "(: locked by LCK..$NODE| has it open(, locked by [A-Za-z0-9._]+)*)"; fi; }
ME="($(id -un)|uucp)" # cu of root becomes uucp

is_named() # NAME
{
	local who
	who="$(comm "$1") \(pid [0-9]+, user $ME\)"
	wait_port modem0 '"state":"foreign".*"foreign":\{' || return 1
	comlease status >status && comlease who modem0 >who 2>&1
	grep -Eq "    foreign: $who$(how "$1") since [0-9]+:[0-9]+" status || { cat status; return 1; }
	grep -Eq "^modem0: foreign: $who" who || { cat who; return 1; }
	! comlease run -w 0.1 modem0 -- true 2>late || { echo "it was granted"; return 1; }
	grep -Eq "$(comm "$1") \(pid [0-9]+.* outside comlease since " late || { cat late; return 1; }
}
waits_for() # NAME: a client that waits is granted when that program is gone
{
	ask waiter modem0 && wait_port modem0 '"state":"foreign".*"waiting":1' || return 1
	goes "$1" && granted waiter && release waiter && is_free modem0
}
has_it()
{
	comes "$1" && is_named "$1" && waits_for "$1"
}
for program in minicom cu picocom flock bash lockfile; do
	name=$program
	[ $program != lockfile ] || name="who has written nothing but a lock file"
	sentence="$name has the port without comlease: status, who and the waiter name it, and the waiter follows"
	if has $program || [ $program = lockfile ]; then
		check_alone "$sentence" has_it $program
	else
		skip "$sentence" "not installed, or not for this user"
	fi
done

# ---- beside the holder ----

beside()
{
	hold mine modem0 || return 1
	comes picocom && wait_port modem0 '"state":"held".*"intruder":\{' || return 1
	comlease status >status
	grep -Eq "    intruder: picocom \(pid [0-9]+, user $ME\) has it open(, locked by [A-Za-z0-9._]+)* since" status || { cat status; return 1; }
	goes picocom && release mine && is_free modem0
}
check_alone "picocom opens a leased port, as nothing can stop it: intruder" beside

# ---- comlease has the port ----

# Who had it open for a moment may be named or looked at for another, but no longer.
nobody_stays()
{
	local changes result=1 port=modem0
	[ "$DEVICE" != "$SCRATCH/$ALWAYS" ] || port=modem1
	reading changes comlease status --json --watch "$port"
	while [ $result != 0 ] && wait_line "$changes" '"state":"(free|held)"'; do
		[[ $LINE == *'"intruder":'* ]] || result=0
	done
	done_reading "$changes"
	[ $result = 0 ] || { comlease status; return 1; }
}
# refused PATTERN PROGRAM [WRAPPER...]: it says so itself
refused()
{
	local pattern=$1 program=$2
	shift 2
	about "$program"
	TERM=vt100 timeout 20 script -qefc "exec $(printf '%q ' "$@" "${COMMAND[@]}")" /dev/null </dev/null >refused 2>&1
	grep -Eiq "$pattern" refused || { cat -v refused; return 1; }
	nobody_stays
}
lock_says() # FILE: comleased's keeper of that port
{
	local pid
	pid=$(tr -d ' ' <"lock/LCK..$1") && grep -q '^keeper' "/proc/$pid/comm"
}
DEVICE=$SCRATCH/$ALWAYS
check_alone "a port that comlease keeps (own = always): there is a lock file, of comleased" lock_says "$ALWAYS"
check_alone "... minicom says: locked" refused 'is locked' minicom
check_alone "... cu says: in use" refused 'Line in use' cu
check_alone "... picocom says: cannot lock" refused 'cannot lock' picocom
check_alone "... flock -n does not get it" eval '! flock -n "$DEVICE" true'
held()
{
	hold mine "$1" || return 1
	"${@:2}" || { release mine; return 1; }
	release mine && is_free "$1"
}
check_alone "while somebody has a lease minicom says: locked" held modem1 refused 'is locked' minicom
check_alone "... cu says: in use" held modem1 refused 'Line in use' cu
# Our own user may be allowed to ignore TIOCEXCL.
busy() { refused 'Device or resource busy' "$1" setpriv --reuid=nobody --regid=nogroup --clear-groups env HOME=/; }
if ! can_revoke; then
	skip "... picocom and a shell of an ordinary user are told: busy" "without CAP_SYS_ADMIN comleased sets no TIOCEXCL"
elif ! setpriv --reuid=nobody --regid=nogroup --clear-groups true 2>/dev/null; then
	skip "... picocom and a shell of an ordinary user are told: busy" "only root can become one"
else
	check_alone "... picocom of an ordinary user is told: busy" held modem1 busy picocom
	check_alone "... and a shell of his" held modem1 busy bash
fi
DEVICE=$SCRATCH/$NODE
check_alone "own = leased: no lock file between leases" test ! -e "lock/LCK..$NODE"
check_alone "... while somebody has a lease there is one" held modem0 lock_says "$NODE"
check_alone "... and minicom says: locked" held modem0 refused 'is locked' minicom

# ---- evict ----

evicted() # PROGRAM OPTION
{
	comes "$1" && wait_port modem0 '"state":"foreign".*"foreign":\{' || return 1
	ask waiter modem0 && wait_port modem0 '"waiting":1' || return 1
	comlease evict $2 modem0 >evicted 2>&1 || { cat evicted; return 1; }
	grep -q "taken from $1 (pid" evicted || { cat evicted; return 1; }
	granted waiter && ends "$1" '*' && release waiter && is_free modem0
}
comes_back() # minicom opens the device again as soon as it is cut off: before evict has looked, mostly
{
	comes minicom && wait_port modem0 '"state":"foreign".*"foreign":\{' || return 1
	if ! comlease evict modem0 >evicted 2>&1; then
		grep -q 'hung up, but now minicom (pid .*--term' evicted || { cat evicted; return 1; }
	fi
	wait_port modem0 '"state":"foreign".*"foreign":\{.*"command":"minicom"' && goes minicom && is_free modem0
}
if can_revoke; then
	check_alone "evict takes the port from picocom, which ends, and gives it to who waits" evicted picocom ""
	check_alone "... from minicom it can't: it is back at once" comes_back
else
	skip "evict takes the port from picocom" "it needs CAP_SYS_ADMIN"
	skip "... from minicom it can't: it is back at once" "it needs CAP_SYS_ADMIN"
fi
check_alone "evict --term asks picocom to end, and it does" evicted picocom --term
# minicom says that it was killed, and hangs up: that takes it longer than the 2 s that evict waits.
too_slow()
{
	comes minicom && wait_port modem0 '"state":"foreign".*"foreign":\{' || return 1
	! comlease evict --term modem0 2>evicted || { echo "taken"; return 1; }
	grep -q 'has not let go within 2 s.*revocation = none' evicted || { cat evicted; return 1; }
	ends minicom '*' && is_free modem0
}
if can_revoke; then
	check_alone "... from minicom, which takes its time, it is taken by a hang-up then" evicted minicom --term
else
	check_alone "... minicom takes its time: evict says that without revocation more can't be done" too_slow
fi

# ---- a live call changes hands ----

fresh_lines() { tail -n "+$((SEEN_LINES + 1))" modems.log; }
# Both ends by hand: a program that answers and one that goes on, with the device as descriptor 3.
cat >answers <<-'END_OF_PROGRAM'
	printf 'ATE0S0=1\r' >&3
	cr=$(printf '\r')
	while read -r line <&3; do case $line in CONNECT*) break ;; esac; done
	echo connected
	read -r line <&3 && echo "heard ${line%"$cr"}"
	read -r word
END_OF_PROGRAM
cat >goes-on <<-'END_OF_PROGRAM'
	echo "up $COMLEASE_TOKEN"
	printf 'second speaking\r\n' >&3
	cr=$(printf '\r')
	read -r line <&3 && echo "heard ${line%"$cr"}"
END_OF_PROGRAM
wait_modem() # NODE PATTERN: what the exchange has noted of it since `fresh`
{
	local log result
	reading log tail -n "+$((SEEN_LINES + 1))" -f modems.log
	wait_line "$log" " $1 $2"
	result=$?
	done_reading "$log"
	return $result
}
handed_over() # PORT NODE NUMBER
{
	local first second third far in result
	fresh
	rm -f first.in && mkfifo first.in
	exec {in}<>first.in {far}<>"$SCRATCH/far"
	stty -F "$SCRATCH/far" raw -echo
	reading first sh -c 'exec timeout 30 comlease run -l answerer "$1" -- sh ./answers <first.in' sh "$1"
	result=1
	while :; do # once
		wait_modem "$2" 'at text="ATE0S0=1"' || break
		printf 'ATE0DT%s\r' "$3" >&"$far"
		wait_line "$first" '^connected' || break
		printf 'hello\r\n' >&"$far"
		wait_line "$first" '^heard hello' || break
		# The one that is named is not the one who asked first.
		reading third timeout 30 comlease run -l third "$1" -- echo up third
		wait_port "$1" '"waiting":1' || break
		reading second timeout 30 comlease run -l login "$1" -- sh ./goes-on
		wait_port "$1" '"waiting":2' && comlease handoff "$1" --to login || break
		echo go >&"$in"
		wait_line "$second" '^up' && wait_line "$far" 'second speaking' || break
		printf 'still there\r\n' >&"$far"
		wait_line "$second" '^heard still there' || break
		wait_line "$third" '^up third' && is_free "$1" || break
		result=0
		break
	done
	[ -z "${second-}" ] || done_reading "$second" $((result * 15))
	[ -z "${third-}" ] || done_reading "$third" $((result * 15))
	done_reading "$first" $((result * 15))
	exec {far}>&- {in}>&-
	return $result
}
# hangup-ms = 0: the modem is not hung up at all, and its call ends with the caller's.
one_call() # NODE REASON: connected once, and hung up once
{
	wait_modem "$1" hungup || return 1
	[ "$(fresh_lines | grep -c " $1 connected ")" = 1 ] && [ "$(fresh_lines | grep " $1 hungup" | sed 's/.*=//')" = "$2" ] || { fresh_lines; return 1; }
}
check_alone "a call is handed from one program to another, who goes on with it, although a third one waits" handed_over modem0 "$NODE" 100
check_alone "... and was one call, says the exchange: hung up after that, for the third one" one_call "$NODE" b0
check_alone "likewise where nothing is hung up between leases (hangup-ms = 0)" handed_over modem1 "$ALWAYS" 102
check_alone "... and was one call, too" one_call "$ALWAYS" remote
check "both ports are free at the end" eval 'is_free modem0 && is_free modem1'
check "the broker ends cleanly" stop_broker
check "... and leaves no lock file" test -z "$(ls lock)"
finish
