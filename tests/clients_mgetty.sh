#!/bin/bash
# clients_mgetty.sh - does mgetty answer calls and share its modem under `comlease run`?
#
# BUILD=build/release CLIENTS=build/clients/root tests/clients_mgetty.sh      TAP on stdout; part of `make check-clients`
#
# An unmodified mgetty (data calls; the package's fax half is mgetty-fax), a real comleased, a telephone exchange of
# soft modems. mgetty has its paths compiled in: it runs in a mount namespace where /etc, /var/log and /run are folders
# of ours, with a login stand-in in place of /bin/login. It wants a path under /dev: the soft modem's /dev/pts/N.
#
# What is pinned: under `run --standby PORT` mgetty gives an idle modem to whoever asks and is back afterwards; a call,
# which it announces by its lock file, is not torn down, and whoever asks waits until it has ended; the program that
# mgetty execs for a login has the call on its descriptors 0, 1 and 2 under the same lease; the node's owner and
# permissions, which mgetty would set, stay the administrator's; no lock file is made. Under `run` without a port
# it waits in its open(), silently. It answers as well under `run --seccomp` (there the node becomes what mgetty.config
# says: port-owner, port-group, port-mode) and, wrapped by nothing, through a bridge.
#
# What mgetty says to its log (/var/log/mgetty/mg_TTY.log) without patience (-n, -w): `mod: cannot open line DEVICE:
# Device or resource busy`, and it ends with status 30: init starts it again; `run --standby` needs no init.

set -u
HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lib.sh
. "$HERE/lib.sh"
# shellcheck source=unwrapped.sh
. "$HERE/unwrapped.sh"
CLIENTS=$(cd "${CLIENTS:-$HERE/../build/clients/root}" 2>/dev/null && pwd)
cd "$SCRATCH" || exit 1

unavailable()
{
	[ -x "$CLIENTS/sbin/mgetty" ] || { echo "no mgetty: make check-clients unpacks it"; return; }
	"${NAMESPACE[@]}" true 2>/dev/null || echo "mgetty's paths are compiled in, and a mount namespace for them is not allowed here"
}
NAMESPACE=(unshare -m)
[ "$(id -u)" = 0 ] || NAMESPACE=(unshare -r -m)
reason=$(unavailable)
if [ -n "$reason" ]; then
	echo "1..0 # SKIP $reason"
	exit 0
fi

reading MODEMS "$BUILD/tests/softmodem" -d -m 666 -x 4 -l modems.log "$SCRATCH/modem0=100" "$SCRATCH/far=200"
wait_line "$MODEMS" '^ready$' || exit 1
start_broker < <(printf '[broker]\nmode = 0666\n'; port modem0 | sed 's|^hangup-ms.*|hangup-ms = 100|')
check "the port comes up" wait_port modem0 '"state":"free"'
DEVICE=$(readlink modem0)

# ---- a world for mgetty ----

mkdir -p etc/mgetty run/lock log/mgetty
for file in passwd group nsswitch.conf ld.so.cache; do
	[ ! -e "/etc/$file" ] || cp "/etc/$file" etc
done
cp "$CLIENTS/sbin/mgetty" .
# A pty has no carrier to watch.
cat >etc/mgetty/mgetty.config <<-END
	debug 4
	speed 38400
	data-only yes
	ignore-carrier yes
	toggle-dtr-waittime 10
	prompt-waittime 1
	rings 1
	port-mode 0640
	fido-send-emsi no
	login-prompt comlease login:
END
echo "* - - $SCRATCH/login @" >etc/mgetty/login.config
: >etc/mgetty/dialin.config
: >etc/issue
chmod 600 etc/mgetty/login.config
# Says where the call is, then returns each line until `exit`.
cat >login <<-'END'
	#!/bin/bash
	stty sane -echo
	echo "welcome $1 on $(readlink "/proc/$$/fd/0" "/proc/$$/fd/1" "/proc/$$/fd/2" | tr '\n' ' '), process $$."
	while read -r line && [ "$line" != exit ]; do echo "you said $line"; done
	echo bye
END
cat >inside <<-END
	#!/bin/sh
	mount --bind "$SCRATCH/etc" /etc && mount --bind "$SCRATCH/log" /var/log && mount --bind "$SCRATCH/run" /run &&
		exec "\$@"
END
chmod 755 login inside

# start DEVICE [WRAPPER...]: mgetty on it; $MGETTY is its pid, or the wrapper's.
start()
{
	local device=$1 tty=${1#/dev/}
	shift
	MGETTY_LOG=log/mgetty/mg_${tty//\//-}.log
	[ -e "$MGETTY_LOG" ] || : >"$MGETTY_LOG"
	fresh
	"${NAMESPACE[@]}" ./inside "$@" ./mgetty "$device" >mgetty.out 2>&1 &
	MGETTY=$!
}
answerer() { start "$DEVICE" comlease run -l mgetty "$@" --; } # OPTION...
fresh() { SEEN_LINES=$(wc -l <modems.log) LOGGED_LINES=$(wc -l <"$MGETTY_LOG"); }
exchange_says() # PATTERN: since `fresh`
{
	local log result
	reading log tail -n "+$((SEEN_LINES + 1))" -f modems.log
	wait_line "$log" "$1"
	result=$?
	done_reading "$log"
	return $result
}
mgetty_says() # TEXT: since `fresh`
{
	local log result
	reading log tail -n "+$((LOGGED_LINES + 1))" -f "$MGETTY_LOG"
	reads "$log" "$1"
	result=$?
	done_reading "$log"
	return $result
}
# reads FD TEXT, which need not end a line: mgetty ends a line of its log when it begins the next one
reads()
{
	local seen="" char
	while IFS= read -r -t 10 -N 1 -u "$1" char; do
		seen+=$char
		[[ $seen != *"$2" ]] || return 0
	done
	printf 'never came: %s\nbut: %q\n' "$2" "$seen"
	return 1
}
# Its last words to the modem; then it removes its lock file and says that it waits.
stands_by() { exchange_says ' modem0 at text="AT"' && mgetty_says ' waiting...'; }
token() { comlease status --json modem0 | sed -n 's/.*"lease":{[^}]*"token":\([0-9]*\).*/\1/p'; }

# ---- a caller ----

calls()
{
	exec {CALLER}<>far
	stty -F far 38400 raw -echo && printf 'ATE0DT100\r' >&"$CALLER" && wait_line "$CALLER" CONNECT
}
hears() { reads "$CALLER" "$1"; }
says() { printf '%s\r' "$1" >&"$CALLER"; }
logs_in() { hears 'comlease login:' && says "$1" && wait_line "$CALLER" "welcome $1"; }
hung_up()
{
	wait_line "$CALLER" 'NO CARRIER'
	local result=$?
	exec {CALLER}>&-
	return $result
}

# ---- standing by ----

before=$(stat -L -c '%U %G %a' "$DEVICE")
answerer --standby modem0
check "mgetty sets the modem up and waits for a call, in standby" stands_by
gives_way()
{
	local asked
	asked=$(date +%s%3N)
	hold other modem0 || return 1
	asked=$(($(date +%s%3N) - asked))
	[ $asked -lt 8000 ] || { echo "it took $asked ms"; return 1; }
	fresh
	release other
}
check "somebody asks: it gives way while nobody calls" gives_way
check "... and is back when he has gone" stands_by

answers() { calls && logs_in ann; }
before_call=$(token)
check "a call: it answers, asks who it is, and hands over to the login program" answers
the_call_is_there()
{
	[[ $LINE == *"on $DEVICE $DEVICE $DEVICE "* ]] || { echo "$LINE"; return 1; }
	says "hello" && wait_line "$CALLER" 'you said hello'
}
check "... which has the call on its descriptors 0, 1 and 2" the_call_is_there
same_lease() { [ -n "$before_call" ] && [ "$(token)" = "$before_call" ] || { comlease status --json modem0; return 1; }; }
check "... under the lease that mgetty had" same_lease
no_lock_file() { [ -z "$(ls run/lock)" ] || { ls -l run/lock; return 1; }; }
check "... and no lock file, although mgetty made one for the call" no_lock_file
check "the broker knows: in a call" wait_port modem0 '"busySince":[0-9]'
waits_for_the_end()
{
	ask other modem0 && wait_port modem0 '"waiting":1' && comlease status modem0 | grep -q 'in a call since' &&
		says "still here" && wait_line "$CALLER" 'you said still here' || return 1
	fresh
	says exit && hung_up && granted other && same_line
}
same_line() { exchange_says ' modem0 hungup'; }
check "somebody asks in the middle of it: the call goes on, and he gets the modem when it has ended" waits_for_the_end
back_again() { fresh; release other; stands_by; }
check "... then mgetty is back" back_again
# Root could; an ordinary user's mgetty can't, and says so in its log.
untouched() { [ "$(stat -L -c '%U %G %a' "$DEVICE")" = "$before" ] || { ls -l "$DEVICE"; return 1; }; }
check "the device's owner and permissions are as they were" untouched
stopped() { kill "$MGETTY"; wait "$MGETTY"; wait_port modem0 '"state":"free".*"waiting":0'; }
check "it ends when it is told to, and leaves a free port" stopped

# ---- each open a lease ----

waits_in_open()
{
	hold gate modem0 || return 1
	answerer
	wait_port modem0 '"waiting":1' || return 1
	! tail -n 1 "$MGETTY_LOG" | grep -i 'busy\|cannot' && release gate && stands_by
}
check "under run without a port it waits in its open() without a word, then sets the modem up" waits_in_open
one_call() { calls && logs_in bob && says exit && hung_up && wait "$MGETTY"; }
check "... takes a call, and ends with it" one_call
check "... and the port is free" wait_port modem0 '"state":"free".*"waiting":0'

without_patience()
{
	local status
	hold gate modem0 || return 1
	answerer -n
	wait "$MGETTY"
	status=$?
	release gate
	echo "status $status"
	tail -n 4 "$MGETTY_LOG"
	[ $status = 30 ] && tail -n 4 "$MGETTY_LOG" | grep -q "cannot open line $DEVICE: Device or resource busy"
}
check "without patience it says why in its log and ends" without_patience

# ---- without the shim ----

seccomp_call()
{
	rm -f run/lock/*
	answerer --seccomp
	stands_by && one_call && no_lock_file && wait_port modem0 '"state":"free"'
}
check "under run --seccomp it takes a call likewise, and makes no lock file" seccomp_call
bridged_call()
{
	bridge modem0 "$SCRATCH/link" -m 666 || return 1
	start "$VIRTUAL"
	stands_by && one_call && wait_port modem0 '"state":"free"' && end_bridge "$SCRATCH/link"
}
check "wrapped by nothing it takes a call through a bridge" bridged_call
finish
