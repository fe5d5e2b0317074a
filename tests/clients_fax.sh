#!/bin/bash
# clients_fax.sh - does HylaFAX (faxgetty, faxq, faxsend) share its modem under `comlease run`?
#
# BUILD=build/release CLIENTS=build/clients/root tests/clients_fax.sh      TAP on stdout; about a minute; part of
# `make check-clients`
#
# An unmodified HylaFAX on a spool of its own, efax at the other end of the line, uucico beside it, a real comleased, a
# telephone exchange of soft modems (clients.sh, softmodem.sh; at -x 4 because of efax). The device is the soft
# modem's /dev/pts/N: faxsend is told `-m pts_N` and makes /dev/pts/N of it. The daemons start as root and drop to
# uucp by themselves.
#
# What is pinned: faxgetty under `run --standby PORT` receives a page whole; a call, which it announces by its lock
# file, is not torn down for a mail, which goes afterwards; an idle faxgetty gives way to the faxsend of its own
# HylaFAX, and is back when that has ended; the page arrives whole; the broker's lock file, in the same folder as
# HylaFAX's (UUCPLockDir), stays what it is, and so do the node's owner and permissions, which faxgetty would set.
# Under `run` without a port, and under `run --seccomp`, faxgetty waits in its open(). Wrapped by nothing, all of
# HylaFAX works through a bridge: then it has the port for good, and its own lock files share it between faxgetty and
# faxsend.
#
# What has to be configured: faxq runs under `comlease run`, or it finds the broker's lock file and never sends. It
# starts faxsend with an effective user that is not its real one, and such a start drops LD_PRELOAD: so SendFaxCmd is a
# script with another `comlease run`, or faxq runs under --seccomp, which nothing drops. `linger-ms`, for both close the
# modem after they have dropped DTR, and open it again. Under --seccomp `DeviceMode: 0666`: there the node becomes what
# faxgetty makes of it, uucp's alone, and the broker could not open it again.
#
# What faxgetty shows while it waits (the file status/DEVICE, which faxstat prints): `Initializing server`. Without
# patience: `Waiting for modem to come ready`, and in syslog `DEVICE: Can not open modem (Device or resource busy)`; it
# tries again every 30 s (PollModemWait), for ever.

set -u
HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lib.sh
. "$HERE/lib.sh"
# shellcheck source=clients.sh
. "$HERE/clients.sh"
# shellcheck source=unwrapped.sh
. "$HERE/unwrapped.sh"
CLIENTS=$(cd "${CLIENTS:-$HERE/../build/clients/root}" 2>/dev/null && pwd)

unavailable()
{
	local missing
	missing=$(clients_missing)
	if [ ! -x "$CLIENTS/usr/sbin/faxgetty" ]; then
		echo "no HylaFAX: make check-clients unpacks it"
	elif [ -n "$missing" ]; then
		echo "not installed, or only root may read: $missing"
	elif [ "$(id -u)" != 0 ]; then
		echo "HylaFAX wants to be started by root or to run as user uucp"
	fi
}
reason=$(unavailable)
if [ -n "$reason" ]; then
	echo "1..0 # SKIP $reason"
	exit 0
fi
# Where user uucp can reach them, wherever the clone lies.
mkdir "$SCRATCH/bin" && cp "$BUILD/comlease" "$BUILD/libcomlease-shim.so" "$SCRATCH/bin" || exit 1
PATH=$SCRATCH/bin:$PATH
cd "$SCRATCH" || exit 1

reading MODEMS "$BUILD/tests/softmodem" -d -m 666 -x 4 -l modems.log "$SCRATCH/modem0=100" "$SCRATCH/faxline=200" \
	"$SCRATCH/mailhost=300"
wait_line "$MODEMS" '^ready$' || exit 1
start_broker < <(printf '[broker]\nmode = 0666\n'; port modem0 'linger-ms = 3000')
check "the port comes up" wait_port modem0 '"state":"free"'
DEVICE=$(readlink modem0)
make_fax_page page.tif "From one fax server to another" 2>/dev/null || exit 1
BETA=beta${SCRATCH##*.}
make_uucp_site "$SCRATCH/alpha" alpha "$BETA" "$DEVICE" 300 && make_uucp_site "$SCRATCH/beta" "$BETA" alpha || exit 1
printf 'From: ann@example.org\nTo: bob@example.org\n\nBetween two faxes.\n' >mail

# ---- HylaFAX ----

export LD_LIBRARY_PATH=$CLIENTS/usr/lib/hylafax
SPOOL=$SCRATCH/spool
mkdir -p "$SPOOL"/{archive,bin,client,config,dev,docq,doneq,etc,info,log,pollq,recvq,sendq,status,tmp}
# The page is ready to be sent; the package's tiff2fax would look for programs that are installed.
cat >tiff2fax <<-'END'
	#!/bin/sh
	while [ $# -gt 1 ]; do
		[ "$1" != -o ] || out=$2
		shift
	done
	exec cp "$1" "$out"
END
# A shell makes the effective user the real one again.
cat >faxsend <<-END
	#!/bin/sh
	LD_LIBRARY_PATH=$LD_LIBRARY_PATH exec "$SCRATCH/bin/comlease" run -l faxsend -- "$CLIENTS/usr/lib/hylafax/bin/faxsend" "\$@"
END
chmod 755 tiff2fax faxsend
cat >"$SPOOL/etc/config" <<-END
	CountryCode: 1
	AreaCode: 800
	SendFaxCmd: $SCRATCH/faxsend
	TIFF2FaxCmd: $SCRATCH/tiff2fax
	NotifyCmd: /bin/true
	UUCPLockDir: $SCRATCH/lock
END
touch "$SPOOL/etc/setup.cache" "$SPOOL/etc/setup.modem"
chown -R uucp:uucp "$SPOOL"
# use DEVICE [LINE...]: with a configuration file for it, which has these lines too; HylaFAX calls it $ID
use()
{
	DEVICE=$1
	ID=${DEVICE#/dev/}
	ID=${ID//\//_}
	shift
	{
		cat "$CLIENTS/var/spool/hylafax/config/class1"
		printf '%s\n' 'CountryCode: 1' 'AreaCode: 800' 'FAXNumber: 100' 'LocalIdentifier: 100' 'RingsBeforeAnswer: 1' \
			'ModemRate: 38400' 'ModemFlowControl: none' 'ModemResetDelay: 0' 'ModemSoftResetCmdDelay: 0' \
			'TagLineFormat: ""' 'FaxRcvdCmd: /bin/true' "UUCPLockDir: $SCRATCH/lock" "$@"
	} >"$SPOOL/etc/config.$ID"
	chown uucp:uucp "$SPOOL/etc/config.$ID"
}
use "$DEVICE"

unwrapped_faxgetty() # [WRAPPER...]
{
	fresh
	"$@" "$CLIENTS/usr/sbin/faxgetty" -p -q "$SPOOL" "$DEVICE" >faxgetty.log 2>&1 &
	FAXGETTY=$!
}
faxgetty() { unwrapped_faxgetty comlease run -l faxgetty "$@" --; } # RUN_OPTION...
unwrapped_faxq() # [WRAPPER...]
{
	timeout 90 "$@" "$CLIENTS/usr/sbin/faxq" -D -q "$SPOOL" >faxq.log 2>&1 &
	FAXQ=$!
}
# queue_fax NUMBER: a job as hfaxd leaves it for faxq
queue_fax()
{
	cp page.tif "$SPOOL/docq/page.tif"
	cat >q1 <<-END
		tts:0
		killtime:$(($(date +%s) + 600))
		state:2
		totpages:1
		maxdials:1
		maxtries:1
		pagewidth:209
		pagelength:297
		resolution:196
		priority:127
		schedpri:127
		desiredbr:5
		external:$1
		number:$1
		mailaddr:ann@example.org
		sender:ann
		owner:ann
		client:localhost
		jobid:1
		groupid:1
		modem:any
		jobtype:facsimile
		pagechop:none
		notify:none
		tiff:0::docq/page.tif
	END
	chmod 600 q1
	chown uucp:uucp q1 "$SPOOL/docq/page.tif"
	mv q1 "$SPOOL/sendq/q1"
}
job_log() { tail -n 3 "$SPOOL"/log/c* "$SPOOL"/doneq/q* "$SPOOL"/status/* ./*.log 2>/dev/null; }

# ---- what the exchange has seen ----

fresh() { SEEN_LINES=$(wc -l <modems.log); }
exchange_says() # PATTERN: since `fresh`
{
	local log result
	reading log tail -n "+$((SEEN_LINES + 1))" -f modems.log
	wait_line "$log" "$1"
	result=$?
	done_reading "$log"
	[ $result = 0 ] || job_log
	return $result
}
stands_by() { exchange_says ' modem0 at text="ATL0M1"' && wait_idle; } # its last words to the modem
# Of a standby lease; one that is in a call has a reason before its "since".
wait_idle() { wait_port modem0 '"state":"held","since".*"standby":true'; }
# alike FILE.tif: without the margin that efax puts above a page
alike()
{
	local sent received
	sent=$(fax_rows page.tif sent.rows) && received=$(fax_rows "$1" received.rows) &&
		cmp sent.rows received.rows || { echo "${sent-} rows sent, ${received-} received"; job_log; return 1; }
}
ended() # NAME PID
{
	local result
	wait "$2"
	result=$?
	[ $result = 0 ] || { echo "$1: status $result"; tail -n 20 "$1.log"; return 1; }
}

# ---- an answerer in standby, and a mail ----

locks() { grep -H . lock/LCK..*; }
locks >locks.before
before=$(stat -L -c '%U %G %a' "$DEVICE")
faxgetty --standby -c fax modem0
check "faxgetty finds a Class 1 modem and waits for a call, in standby" stands_by
fresh
timeout 80 efax -d "$SCRATCH/faxline" -o1 -h ' ' -l 200 -t 100 page.tif >efax.log 2>&1 &
EFAX=$!
check "a fax comes in" exchange_says ' modem0 connected peer=faxline kind=fax'
only_the_brokers() { locks | cmp - locks.before || { locks; return 1; }; }
check "... and the lock files are the broker's, although faxgetty made one for the call" only_the_brokers
uucp_answerer beta mailhost >mailhost.log 2>&1 &
MAILHOST=$!
uucp_queue_mail alpha "$BETA" bob <mail
(uucp_call "$SCRATCH/alpha" "$BETA" timeout 100 comlease run -l mail --) >uucico.log 2>&1 &
UUCICO=$!
told_why() { wait_port modem0 '"waiting":1' && comlease status modem0 >status && grep -q 'in a call since' status; }
check "a mail that asks in the middle of it waits: in a call since ..." told_why
check "the fax is received: the caller ends with status 0" ended efax $EFAX
check "then the mail goes: uucico ends with status 0" ended uucico $UUCICO
mail_arrived() { cat beta/mail/* | cmp - mail; }
check "... and has delivered" mail_arrived
ended mailhost $MAILHOST >/dev/null
# The exchange: the fax's call had ended before modem0 dialled.
fax_before_mail()
{
	tail -n "+$((SEEN_LINES + 1))" modems.log | awk '/ modem0 connected.*kind=fax/ { call = 1 } / modem0 hungup/ { call = 0 }
		/ modem0 dialled/ { dialled = 1; if (call) bad = 1 } END { exit bad || !dialled }'
}
check "... after the fax's call, says the exchange" fax_before_mail
page_received() { compare_fax_pages page.tif "$(find "$SPOOL/recvq" -name '*.tif')"; }
check "the page is in recvq, row by row alike" page_received
fresh
check "faxgetty is back, although nobody told it" stands_by

# ---- its own sender ----

timeout 80 efax -d "$SCRATCH/faxline" -o1 -iS0=1 -w -l 200 -r "$SCRATCH/in" >efax.log 2>&1 &
EFAX=$!
check "at the other end efax answers" exchange_says ' faxline at text="AT\+FRM'
fresh
queue_fax 200
unwrapped_faxq comlease run -l faxq --
check "faxq has a job: faxgetty gives way, and faxsend dials" exchange_says ' modem0 dialled number=200'
check "efax receives it: status 0" ended efax $EFAX
check "... the page row by row alike" alike in.001
sent_under_a_lease() { grep -q ' end port=modem0 .*label=faxgetty .*reason=yielded' broker.log && [ "$(grep -c ' grant .*label=faxsend' broker.log)" = 1 ]; }
check "... under one lease of faxsend's" sent_under_a_lease
check "faxgetty is back once more" stands_by
kill $FAXQ
wait $FAXQ
check "the lock files are as they were" only_the_brokers
untouched() { [ "$(stat -L -c '%U %G %a' "$DEVICE")" = "$before" ] || { ls -l "$DEVICE"; return 1; }; }
check "the device's owner and permissions are as they were" untouched
stopped() { kill "$FAXGETTY"; wait "$FAXGETTY"; wait_port modem0 '"state":"free".*"waiting":0'; }
check "it ends when it is told to, and leaves a free port" stopped

# ---- each open a lease, and without patience ----

waits_in_open() # [RUN_OPTION...]
{
	hold gate modem0 || return 1
	faxgetty "$@"
	wait_port modem0 '"waiting":1' && grep -q 'Initializing server' "$SPOOL/status/$ID" && release gate &&
		exchange_says ' modem0 at text="ATZ"' && kill "$FAXGETTY" && wait "$FAXGETTY"
	wait_port modem0 '"state":"free"'
}
check "under run without a port it waits in its open(), and sets the modem up when it has it" waits_in_open
# The status file is written from its beginning and cut off then, so tail may show no more than the end of the line.
without_patience()
{
	local status result
	hold gate modem0 && rm -f "$SPOOL/status/$ID" || return 1
	reading status tail -q -n +1 -F "$SPOOL/status/$ID" 2>/dev/null
	faxgetty -n
	wait_line "$status" ' come ready$'
	result=$?
	done_reading "$status"
	grep -q '^Waiting for modem to come ready$' "$SPOOL/status/$ID" || result=1
	kill "$FAXGETTY"
	wait "$FAXGETTY"
	release gate
	return $result
}
check "without patience it shows that it waits, and goes on trying" without_patience

# ---- without the shim ----

use "$DEVICE" 'DeviceMode: 0666'
check "under run --seccomp it waits likewise" waits_in_open --seccomp

all_unwrapped()
{
	bridge modem0 "$SCRATCH/link" -m 666 || return 1
	use "$VIRTUAL"
	sed -i 's|exec .*/comlease" run -l faxsend --|exec|' faxsend && unwrapped_faxgetty &&
		exchange_says ' modem0 at text="ATL0M1"'
}
check "wrapped by nothing faxgetty finds its modem through a bridge" all_unwrapped
rm -f in.001 "$SPOOL"/doneq/*
timeout 80 efax -d "$SCRATCH/faxline" -o1 -iS0=1 -w -l 200 -r "$SCRATCH/in" >efax.log 2>&1 &
EFAX=$!
exchange_says ' faxline at text="AT\+FRM' >/dev/null
fresh
queue_fax 200
unwrapped_faxq
check "... faxsend dials there, while faxgetty has it open: HylaFAX has its own lock files" exchange_says ' modem0 dialled number=200'
check "efax receives it: status 0" ended efax $EFAX
check "... the page row by row alike" alike in.001
bridge_ends()
{
	kill $FAXQ "$FAXGETTY"
	wait $FAXQ "$FAXGETTY"
	wait_port modem0 '"state":"free".*"waiting":0' && end_bridge "$SCRATCH/link"
}
check "both end, and the port is free" bridge_ends
finish
