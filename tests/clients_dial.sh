#!/bin/bash
# clients_dial.sh - do wvdial, chat, cu and uucico dial out over one modem under `comlease run`?
#
# BUILD=build/release CLIENTS=build/clients/root tests/clients_dial.sh      TAP on stdout; part of `make check-clients`
#
# Unmodified dialers, a real comleased, a telephone exchange of soft modems. wvdial gets a stand-in for pppd. The real
# pppd goes as far as a kernel without PPP lets it, up to CONNECT, in a mount namespace where it finds what it looks for
# at its start. Each dialer sets register S7 of the modem to a number of its own:
# so the exchange's log, which knows nothing of comlease, tells who had the line.
#
# What is pinned: wvdial dials up to CONNECT and hands the call to pppd on its descriptors 0 and 1, under the lease
# that it got; chat dials on redirected descriptors, with the port of `run PORT` and with one that its shell opened;
# four dialers that want the modem at the same moment get it one after the other in the order in which they asked;
# when wvdial is killed its pppd has the call as before, and when that is killed too the line is hung up and the next
# one dials; pppd dials by its connect script, and its second open() joins its first; no lock file is left; what each
# says that may not wait. wvdial and chat dial as well under `run --seccomp`
# and, wrapped by nothing, through a bridge.
#
# While it waits wvdial has said `--> WvDial: Internet dialer version 1.61`, chat nothing (its shell waits), cu
# nothing, uucico nothing in its log yet. Without patience:
#	wvdial    --> Cannot open DEVICE: Device or resource busy (three times; status 1)
#	chat      sh: 1: cannot open DEVICE: Device or resource busy (of the shell that redirects; status 2)
#	cu        cu: DEVICE: Line in use
#	uucico    ERROR: All matching ports in use (in its log; status 1)

set -u
HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lib.sh
. "$HERE/lib.sh"
# shellcheck source=clients.sh
. "$HERE/clients.sh"
# shellcheck source=unwrapped.sh
. "$HERE/unwrapped.sh"
CLIENTS=$(cd "${CLIENTS:-$HERE/../build/clients/root}" 2>/dev/null && pwd)
cd "$SCRATCH" || exit 1
# shellcheck source=terminals.sh
. "$HERE/terminals.sh"

if [ ! -x "$CLIENTS/usr/bin/wvdial" ] || [ ! -x "$CLIENTS/usr/sbin/chat" ]; then
	echo "1..0 # SKIP no wvdial and chat: make check-clients unpacks them"
	exit 0
fi
# Where any user can reach them, wherever the clone lies.
mkdir bin
cp "$BUILD/comlease" "$BUILD/libcomlease-shim.so" "$CLIENTS/usr/bin/wvdial" "$CLIENTS/usr/sbin/chat" bin &&
	cp "$CLIENTS/usr/sbin/pppd" bin/real-pppd && chmod 755 bin/real-pppd &&
	find "$CLIENTS/usr/lib" \( -name 'libwv*.so.*' -o -name 'libuniconf.so.*' -o -name 'libpcap.so.*' \) -exec cp -Lt bin {} + || exit 1
PATH=$SCRATCH/bin:$PATH

reading MODEMS "$BUILD/tests/softmodem" -d -m 666 -x 4 -l modems.log "$SCRATCH/$NODE=100" "$SCRATCH/far=200" \
	"$SCRATCH/mailhost=300"
wait_line "$MODEMS" '^ready$' || exit 1
start_broker < <(printf '[broker]\nmode = 0666\n'; port modem0 | sed "s|/modem0$|/$NODE|; s|^hangup-ms.*|hangup-ms = 100|")
check "the port comes up" wait_port modem0 '"state":"free"'

# ---- the dialers ----

# The calls' other end: answers, and the test reads and writes there.
exec {FAR}<>far
stty -F far 38400 raw -echo && printf 'ATE0S0=1\r' >&"$FAR" && wait_line "$FAR" OK >/dev/null || exit 1

# Says on the line what it was given, and ends with the line "bye".
cat >talk <<-'END'
	#!/bin/sh
	[ -t 0 ] && [ -t 1 ] || exit 1
	echo "$1 here, process $$."
	while read -r line && [ "$line" != bye ]; do echo "$1 heard $line"; done
END
# wvdial names no device to it, so it is the terminal on descriptor 0.
cat >pppd <<-END
	#!/bin/sh
	echo "\$*" >"$SCRATCH/pppd.arguments"
	exec "$SCRATCH/talk" pppd
END
cat >wvdial.conf <<-END
	[Dialer Defaults]
	Modem = $DEVICE
	Baud = 38400
	Init1 = ATZ
	Init2 = ATS7=51
	Phone = 200
	Username = ann
	Password = secret
	Stupid Mode = yes
	Carrier Check = no
	PPPD Path = $SCRATCH/pppd
	Auto Reconnect = off
	Auto DNS = off
	Check DNS = off
	Check Def Route = off
	Dial Attempts = 1
	New PPPD = no
END
# shellcheck disable=SC2016
CHAT='exec 0<>"$1" 1>&0 && stty 38400 raw -echo && chat -t 20 ABORT BUSY ABORT "NO CARRIER" "" ATZ OK ATE0 OK ATS7=52 OK ATDT200 CONNECT &&
	exec "$2" chat'
chmod 755 talk pppd

# As an ordinary user, for as root it would write secrets into /etc/ppp. LD_BIND_NOW, for WvStreams lays a sentinel so
# close under a stack frame that the linker, saving vector registers when it binds a function late, can write over it:
# then wvdial dies of its own assertion (stack_magic == WVTASK_MAGIC). Seen in about a third of the calls with the
# shim, once under --seccomp, which preloads nothing, and never without comlease.
wvdial_as=()
[ "$(id -u)" != 0 ] || wvdial_as=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
# With its stacks of its own it also falls over a sanitizer that was loaded late.
SANITIZED=no
! grep -q __asan_ "$BUILD/libcomlease-shim.so" || SANITIZED=yes
check_wvdial()
{
	if [ $SANITIZED = no ]; then
		check_alone "$@"
	else
		skip "$1" "wvdial does not start with a sanitized shim"
	fi
}
unwrapped_wvdial() # [WRAPPER...]
{
	LD_BIND_NOW=1 LD_LIBRARY_PATH=$SCRATCH/bin timeout 60 "${wvdial_as[@]}" "$@" wvdial -C wvdial.conf \
		</dev/null >wvdial.log 2>&1 &
	DIALER=$!
}
unwrapped_chat() # DEVICE [WRAPPER...]
{
	local device=$1
	shift
	timeout 60 "$@" sh -c "$CHAT" sh "$device" "$SCRATCH/talk" >chat.log 2>&1 &
	DIALER=$!
}
start_wvdial() { unwrapped_wvdial comlease run -l wvdial "$@" --; } # RUN_OPTION...
start_chat() { unwrapped_chat "$DEVICE" comlease run -l chat "$@" --; } # RUN_OPTION...
far_hears() { wait_line "$FAR" "$1" || { cat ./*.log | tail -n 20; return 1; }; }
far_says() { printf '%s\n' "$1" >&"$FAR"; }
token() { comlease status --json modem0 | sed -n 's/.*"lease":{[^}]*"token":\([0-9]*\).*/\1/p'; }
holder() { comlease status --json modem0 | sed -n 's/.*"lease":{[^}]*"pid":\([0-9]*\).*/\1/p'; }
ended() # STATUS PID LOG
{
	local result
	wait "$2"
	result=$?
	[ $result = "$1" ] || { echo "status $result"; tail -n 5 "$3"; return 1; }
}
grants() { grep -c " grant .*label=$1" broker.log; }
is_free() { wait_port modem0 '"state":"free".*"waiting":0'; }

# ---- one by one ----

wvdial_connects()
{
	fresh
	start_wvdial
	far_hears 'pppd here' && heard_exactly 51
}
check_wvdial "wvdial dials, hears CONNECT and starts pppd" wvdial_connects
call_in_pppd() { far_says "one two" && far_hears 'pppd heard one two' && ! grep "$DEVICE" pppd.arguments; }
check_wvdial "... which has the call on its descriptors 0 and 1 and is told of no device" call_in_pppd
one_lease() { [ "$(grants wvdial)" = 1 ] && [ -n "$(token)" ] || { grep 'label=wvdial' broker.log; return 1; }; }
check_wvdial "... under the one lease that wvdial got" one_lease
no_lock_file() { [ ! -e "/var/lock/LCK..$NODE" ] || { ls -l /var/lock; return 1; }; }
check_wvdial "... and no lock file, although wvdial made one" no_lock_file
wvdial_ends() { far_says bye && wait "$DIALER"; far_hears 'NO CARRIER' && is_free; }
check_wvdial "pppd ends: wvdial too, the far side hears the hang-up, the port is free" wvdial_ends

chat_connects()
{
	fresh
	start_chat
	far_hears 'chat here' && heard_exactly 52 && far_says "one two" && far_hears 'chat heard one two' &&
		far_says bye && ended 0 $DIALER chat.log && far_hears 'NO CARRIER' && is_free
}
check_alone "chat dials on descriptors that its shell has opened" chat_connects
chat_on_a_port()
{
	fresh
	unwrapped_chat '{}' comlease run -l chat modem0 --
	far_hears 'chat here' && heard_exactly 52 && far_says bye && ended 0 $DIALER chat.log &&
		far_hears 'NO CARRIER' && is_free
}
check_alone "... and on those of a run PORT" chat_on_a_port
chat_is_told()
{
	local busy result
	exec {busy}<>mailhost
	stty -F mailhost 38400 raw -echo && printf 'ATE0DT200\r' >&"$busy" && wait_line "$busy" CONNECT || return 1
	start_chat
	ended 4 $DIALER chat.log # the first ABORT string
	result=$?
	exec {busy}>&-
	far_hears 'NO CARRIER' && is_free && return $result
}
check_alone "a called modem that is BUSY ends chat as it always did" chat_is_told

# ---- pppd ----

# What it looks for at its start; it makes its lock file in /run/lock.
NAMESPACE=(unshare -m)
[ "$(id -u)" = 0 ] || NAMESPACE=(unshare -r -m)
mkdir -p dev/pts etc/ppp run/lock
touch dev/null dev/tty dev/urandom dev/ppp etc/ppp/options
for file in passwd group nsswitch.conf ld.so.cache; do
	[ ! -e "/etc/$file" ] || cp "/etc/$file" etc
done
cat >inside <<-'END'
	#!/bin/sh
	mount --bind /dev/pts dev/pts || exit
	for node in null tty urandom; do mount --bind /dev/$node dev/$node || exit; done
	mount --rbind dev /dev && mount --bind etc /etc && mount --bind run /run && exec "$@"
END
chmod 755 inside
real_pppd() # OPTION...
{
	LD_LIBRARY_PATH=$SCRATCH/bin timeout 30 "${NAMESPACE[@]}" ./inside comlease run -l pppd -- real-pppd "$DEVICE" 38400 lock \
		nodetach noauth nocrtscts local "$@" </dev/null >pppd.log 2>&1 &
	DIALER=$!
}
pppd_dials()
{
	fresh
	real_pppd connect "chat -t 20 ABORT BUSY '' ATZ OK ATS7=55 OK ATDT200 CONNECT"
	far_hears CONNECT && heard_exactly 55 && wait "$DIALER"
	grep -q 'Serial connection established' pppd.log && [ "$(grants pppd)" = 1 ] && is_free && far_hears 'NO CARRIER' ||
		{ cat pppd.log; return 1; }
}
pppd_opens_again()
{
	real_pppd modem
	wait "$DIALER"
	is_free && grep -q ' join .*label=pppd' broker.log && [ -z "$(ls run/lock)" ] || { cat pppd.log; ls run/lock; return 1; }
}
if "${NAMESPACE[@]}" true 2>/dev/null; then
	check_alone "pppd locks the port and dials by its connect script, up to CONNECT" pppd_dials
	check_alone "... and without one opens it again, under its lease; its lock file is not made" pppd_opens_again
else
	skip "pppd dials" "it looks for /dev/ppp, and a mount namespace with one is not allowed here"
fi

# ---- all at the same moment ----

BETA=beta${SCRATCH##*.}
UUCP=no
if [ -z "$(clients_missing)" ]; then
	UUCP=yes
	make_uucp_site "$SCRATCH/alpha" alpha "$BETA" "$DEVICE" 300 && make_uucp_site "$SCRATCH/beta" "$BETA" alpha || exit 1
	sed -i 's|OK ATE0|OK ATS7=54\\r\\c OK ATE0|' alpha/dial
	printf 'From: ann@example.org\nTo: bob@example.org\n\nOne of four.\n' >mail
fi
start() # PROGRAM
{
	case $1 in
	wvdial) start_wvdial; WVDIAL=$DIALER ;;
	chat) start_chat; CHAT_PID=$DIALER ;;
	cu) known cu && terminal cu comlease run -l cu -- "${COMMAND[@]}" ;;
	uucico)
		uucp_answerer beta mailhost >mailhost.log 2>&1 &
		MAILHOST=$!
		uucp_queue_mail alpha "$BETA" bob <mail
		(uucp_call "$SCRATCH/alpha" "$BETA" timeout 60 comlease run -l uucico --) >uucico.log 2>&1 &
		UUCICO=$!
		;;
	esac
}
finishes() # PROGRAM: has its call, and ends
{
	case $1 in
	wvdial) far_hears 'pppd here' && far_says bye && wait "$WVDIAL"; far_hears 'NO CARRIER' ;;
	chat) far_hears 'chat here' && far_says bye && ended 0 $CHAT_PID chat.log && far_hears 'NO CARRIER' ;;
	cu)
		shows cu Connected. && keys cu $'ATS7=53\r' && shows cu OK && keys cu $'ATDT200\r' && shows cu CONNECT &&
			keys cu $'cu here\n\r' && far_hears 'cu here' && keys cu '~.' && ends cu && far_hears 'NO CARRIER'
		;;
	uucico)
		ended 0 $UUCICO uucico.log && ended 0 $MAILHOST mailhost.log && cat beta/mail/* | cmp - mail
		;;
	esac
}
at_the_same_moment()
{
	local program wanted=() order=() numbers=() log
	local -A number=([wvdial]=51 [chat]=52 [cu]=53 [uucico]=54)
	wanted=(chat)
	[ $SANITIZED = yes ] || wanted=(wvdial chat)
	! has cu || wanted+=(cu)
	[ $UUCP = no ] || wanted+=(uucico)
	fresh
	hold gate modem0 -l gate || return 1
	reading log tail -n 0 -f broker.log
	for program in "${wanted[@]}"; do # one after the other, and the order is known
		start "$program"
		wait_line "$log" " request port=modem0 .*label=(.*)" && order+=("${BASH_REMATCH[1]}") || return 1
	done
	done_reading "$log"
	wait_port modem0 "\"waiting\":${#wanted[@]}" && release gate || return 1
	for program in "${order[@]}"; do
		numbers+=("${number[$program]}")
		finishes "$program" || { echo "order: ${order[*]}"; return 1; }
	done
	heard_exactly "${numbers[@]}" && is_free
}
check_alone "dialers that want the modem at the same moment all get through, in the order in which they asked" at_the_same_moment

# ---- killed, and without patience ----

killed()
{
	local wvdial pppd
	fresh
	start_wvdial
	far_hears 'pppd here' && pppd=${LINE#*process } && pppd=${pppd%%.*} && wvdial=$(holder) && [ "$wvdial" != "$pppd" ] &&
		kill -KILL "$wvdial" && ended 137 $DIALER wvdial.log && far_says "still there" &&
		far_hears 'pppd heard still there' || return 1
	start_chat
	wait_port modem0 '"waiting":1' && kill -KILL "$pppd" && far_hears 'NO CARRIER' && far_hears 'chat here' &&
		heard_exactly 51 52 && far_says bye && ended 0 $DIALER chat.log && far_hears 'NO CARRIER' && is_free && no_lock_file
}
check_wvdial "wvdial is killed: the call goes on in its pppd; that is too: hung up, and the next one dials" killed
refused() # STATUS WORDS START LOG
{
	hold gate modem0 || return 1
	"$3" -n
	ended "$1" $DIALER "$4" && grep -q -- "$2" "$4" && release gate
}
check_wvdial "without patience wvdial says so in its own words" \
	refused 1 "--> Cannot open $DEVICE: Device or resource busy" start_wvdial wvdial.log
check_alone "... and so does chat's shell" refused 2 "cannot .* $DEVICE: Device or resource busy" start_chat chat.log

# ---- without the shim ----

both_dial() # START_WVDIAL START_CHAT [ARGUMENT...]
{
	local wvdial=$1 chat=$2
	shift 2
	fresh
	"$wvdial" "$@"
	far_hears 'pppd here' && far_says bye && wait "$DIALER"
	far_hears 'NO CARRIER' || return 1
	"$chat" "$@"
	far_hears 'chat here' && far_says bye && ended 0 $DIALER chat.log && far_hears 'NO CARRIER' && heard_exactly 51 52 && is_free
}
check_alone "under run --seccomp wvdial and chat dial likewise" both_dial start_wvdial start_chat --seccomp
LINK=$SCRATCH/$NODE-link
trap 'rm -f "/var/lock/LCK..$NODE-link"; clean_up' EXIT # wvdial's own lock: no shim keeps it from making one
bridged()
{
	bridge modem0 "$LINK" -m 666 && sed -i "s|^Modem = .*|Modem = $LINK|" wvdial.conf || return 1
	chat_on_link() { unwrapped_chat "$LINK"; }
	both_dial unwrapped_wvdial chat_on_link && end_bridge "$LINK"
}
check_alone "wrapped by nothing they dial through a bridge" bridged
check_alone "at the end the port is free and nobody waits" is_free
finish
