#!/bin/bash
# clients_phones.sh - do the programs for short messages share a phone: gammu, gammu-smsd, smsd (smstools)?
#
# CLIENTS=build/clients/root BUILD=build/release tests/clients_phones.sh      TAP on stdout; about a minute
#
# The real programs, unpacked by tests/unpack, a real comleased, a phone of at_phone.py. Who had it is read from
# the phone's log, which knows nothing of comlease: each message that is sent says who sent it.
#
# What is pinned: gammu works in each of the four ways, waits without a word and says which error when it may not;
# the two daemons, which have the phone all day, and what has to be done so that others get it too:
#	smsd        `keep_open = no` in its section of the modem: it has the phone for a second or two every
#	            `delaytime`, and others come between. Kept open, it gives it away as a standby.
#	gammu-smsd  closes the phone at SIGUSR1 and opens it again at SIGUSR2; as a standby it ends at SIGTERM and is
#	            started again. By a bridge in standby it is not noticed at all, if nobody has the phone for long.

set -u
HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lib.sh
. "$HERE/lib.sh"
# shellcheck source=unpacked.sh
. "$HERE/unpacked.sh"
# shellcheck source=bridging.sh
. "$HERE/bridging.sh"
missing=""
for program in gammu gammu-smsd smsd; do
	command -v $program >/dev/null || missing="$missing $program"
done
if [ -n "$missing" ]; then
	echo "1..0 # SKIP make check-clients unpacks them:$missing"
	exit 0
fi
if is_sanitized; then
	echo "1..0 # SKIP gammu calls a sanitized shim before it is ready"
	exit 0
fi
cd "$SCRATCH" || exit 1
NODE=${SCRATCH##*.} # a name of its own, also for a lock file
DEVICE=$SCRATCH/$NODE

reading PHONE /usr/bin/python3 "$HERE/at_phone.py" "$DEVICE" phone.log
wait_line "$PHONE" '^ready$' || exit 1
start_broker < <(printf '[broker]\nmode = 0666\n'; port phone | sed "s|/phone$|/$NODE|")
is_free() { wait_port phone '"state":"free".*"waiting":0'; }
check "the phone's port comes up" is_free

# ---- what is started, and what the phone says ----

gammu_config() # DEVICE
{
	printf '[gammu]\ndevice = %s\nconnection = at115200\nsynchronizetime = no\nstartinfo = no\n' "$1"
}
gammu_config "$DEVICE" >gammurc
gammu_config "$SCRATCH/link" >gammurc.link
SEND=(timeout 30 gammu -c gammurc sendsms TEXT 5551234 -text)

mkdir -p g/inbox g/outbox g/sent g/error s/outgoing s/checked s/incoming s/failed s/sent s/report
# gammu_smsd_config DEVICE: no PIN, and asks the phone each second
gammu_smsd_config()
{
	gammu_config "$1"
	cat <<-END
		[smsd]
		service = files
		logfile = $SCRATCH/gammu-smsd.log
		commtimeout = 1
		sendtimeout = 10
		receivefrequency = 1
		checksecurity = 0
		checkbattery = 0
		checksignal = 0
		checknetwork = 0
		inboxpath = $SCRATCH/g/inbox/
		outboxpath = $SCRATCH/g/outbox/
		sentsmspath = $SCRATCH/g/sent/
		errorsmspath = $SCRATCH/g/error/
	END
}
gammu_smsd_config "$DEVICE" >gammu-smsd.conf
gammu_smsd_config "$SCRATCH/link" >gammu-smsd.link.conf
# smsd_config DEVICE LINE...: its [modem] section ends with these lines
smsd_config()
{
	cat <<-END
		devices = phone
		outgoing = $SCRATCH/s/outgoing
		checked = $SCRATCH/s/checked
		incoming = $SCRATCH/s/incoming
		failed = $SCRATCH/s/failed
		sent = $SCRATCH/s/sent
		report = $SCRATCH/s/report
		stats = $SCRATCH/s
		logfile = $SCRATCH/smsd.log
		infofile = $SCRATCH/smsd.working
		pidfile = $SCRATCH/smsd.pid
		delaytime = 1
		errorsleeptime = 1
		[phone]
		device = $1
		incoming = yes
		rtscts = no
		send_delay = 0
	END
	shift
	[ $# -eq 0 ] || printf '%s\n' "$@"
}
smsd_config "$DEVICE" 'keep_open = no' >smsd.shares
smsd_config "$DEVICE" >smsd.keeps
smsd_config "$SCRATCH/link" >smsd.link
# The infofile is not taken from the configuration in time. -t: it stays in the foreground.
SMSD=(smsd -t "-i$SCRATCH/smsd.working")

fresh() { PHONE_LINES=$(wc -l <phone.log); }
# The next line of the phone's log since `fresh` that matches.
phone_says()
{
	local log result
	reading log tail -n "+$((PHONE_LINES + 1))" -f phone.log
	wait_line "$log" "^($1)$"
	result=$?
	done_reading "$log"
	return $result
}
sent() { phone_says "sent 5551234 $1"; }
# A message comes to the phone; it is in that FOLDER, and no longer in the phone.
MESSAGE=0
message_comes()
{
	MESSAGE=$((MESSAGE + 1))
	kill -USR1 "${READERS[$PHONE]}"
}
received() { phone_says "deleted $MESSAGE" && grep -rq "message $MESSAGE" "$1"; } # FOLDER

# starts COMMAND...: in the background; $STARTED is its pid. Without --foreground timeout would pass each signal on
# twice, and the second one ends `run --standby` before its command has.
starts()
{
	timeout --foreground 60 "$@" >started.out 2>&1 &
	STARTED=$!
}
stops() # [STATUS]
{
	local result
	kill "$STARTED" 2>/dev/null
	wait "$STARTED"
	result=$?
	[[ $result == ${1:-0} ]] || { echo "exit status $result"; cat started.out; return 1; }
}
# A test that fails leaves nothing behind that would stand in the way of the next one.
check_alone()
{
	local before=$FAILED pid
	FAILED=0
	check "$@"
	if [ $FAILED != 0 ]; then
		for pid in $(jobs -pr); do [ "$pid" = "$BROKER" ] || kill "$pid"; done
		is_free
	fi
	FAILED=$((FAILED | before))
}

# ---- gammu ----

NUMBER_SENT=0
queued() # WAY...: the wrapper before gammu
{
	local text
	NUMBER_SENT=$((NUMBER_SENT + 1))
	text="gammu $NUMBER_SENT"
	fresh
	hold gate phone || return 1
	starts "$@" timeout 30 gammu -c "${CONFIG:-gammurc}" sendsms TEXT 5551234 -text "$text"
	wait_port phone '"waiting":1' && release gate && sent "$text" && wait "$STARTED" && is_free || { cat started.out; return 1; }
}
check_alone "gammu under run: waits behind a holder, then sends" queued comlease run --
check_alone "... and says nothing of it" eval '! grep -qv "^If you want break\|^Sending SMS\|^$" started.out'
check_alone "gammu under run PORT" queued comlease run phone --
check_alone "... which says why it waits" grep -q '^comlease: phone: held by sh (pid .*; waiting (next in line)$' started.out
if no_seccomp=$(comlease run --seccomp -- true 2>&1 | head -n 1) && [ -z "$no_seccomp" ]; then
	check_alone "gammu under run --seccomp" queued comlease run --seccomp --
else
	skip "gammu under run --seccomp" "not here: $no_seccomp"
fi
refused()
{
	local result
	hold gate phone || return 1
	comlease run -w 0.5 -- "${SEND[@]}" none >refused 2>&1
	result=$?
	release gate && is_free && [ $result = 102 ] &&
		grep -q '^Error opening device. Unknown, busy or no permissions.$' refused || { echo "status $result"; cat refused; return 1; }
}
check_alone "gammu that may not wait: Error opening device, exit status 102" refused
two_at_once()
{
	local one two
	fresh
	comlease run -- "${SEND[@]}" one >one.out 2>&1 &
	one=$!
	comlease run -- "${SEND[@]}" two >two.out 2>&1 &
	two=$!
	wait $one && wait $two && sent '(one|two)' && sent '(one|two)' || return 1
	# all that one of them had to say came before the other began
	[ "$(tail -n "+$((PHONE_LINES + 1))" phone.log | grep -c 'at AT+CFUN=1\|^sent')" = 4 ] &&
		[ "$(tail -n "+$((PHONE_LINES + 1))" phone.log | grep 'at AT+CFUN=1\|^sent' | cut -c1-2 | tr '\n' ' ')" = "at se at se " ]
}
check_alone "two gammus at the same moment: one message after the other, none between" two_at_once

# ---- smsd ----

to_send() { printf 'To: 5551234\n\n%s' "$1" >smsd.new && mv smsd.new "s/outgoing/$1"; }
smsd_shares()
{
	fresh
	message_comes
	hold gate phone || return 1
	starts comlease run -l smsd -- "${SMSD[@]}" -csmsd.shares
	wait_port phone '"waiting":1' && release gate && received s/incoming && to_send smsd && sent smsd &&
		comlease run -w 10 -- "${SEND[@]}" between && sent between && message_comes && received s/incoming && stops 0
}
check_alone "smsd with keep_open = no under run: waits, receives and sends; gammu comes between" smsd_shares
smsd_keeps()
{
	fresh
	starts comlease run -l smsd -- "${SMSD[@]}" -csmsd.keeps
	message_comes
	received s/incoming && ! comlease run -w 0.5 -- "${SEND[@]}" none && stops 0
}
check_alone "... without it smsd keeps the phone for itself" smsd_keeps
smsd_late()
{
	local log result
	: >smsd.log
	hold gate phone || return 1
	starts comlease run -w 0.5 -- "${SMSD[@]}" -csmsd.keeps
	following log smsd.log
	wait_line "$log" "Couldn't open serial port $DEVICE, error: Device or resource busy, waiting 30 sec\."
	result=$?
	done_reading "$log"
	stops '*' && release gate && is_free && return $result
}
check_alone "smsd that may not wait says so in its log, and tries again after 30 s" smsd_late
smsd_standby()
{
	fresh
	starts comlease run --standby phone -- "${SMSD[@]}" -csmsd.keeps
	message_comes
	received s/incoming && comlease run -w 10 -- "${SEND[@]}" way && sent way && message_comes && received s/incoming && stops 0
}
check_alone "smsd as a standby: ends when gammu wants the phone, and is started again" smsd_standby

# ---- gammu-smsd ----

inject() { gammu-smsd-inject -c gammu-smsd.conf TEXT 5551234 -text "$1" >/dev/null 2>&1; }
gammu_smsd_signals()
{
	fresh
	message_comes
	hold gate phone || return 1
	starts comlease run -- gammu-smsd -c gammu-smsd.conf
	wait_port phone '"waiting":1' && release gate && received g/inbox && inject daemon && sent daemon &&
		! comlease run -w 0.5 -- "${SEND[@]}" none || return 1
	kill -USR1 "$(pgrep -P "$STARTED")" && is_free && comlease run -w 5 -- "${SEND[@]}" pause && sent pause &&
		kill -USR2 "$(pgrep -P "$STARTED")" && message_comes && received g/inbox && stops 0
}
check_alone "gammu-smsd under run: waits, receives and sends; closes the phone at SIGUSR1, opens it again at SIGUSR2" gammu_smsd_signals
gammu_smsd_standby()
{
	fresh
	starts comlease run --standby phone -- gammu-smsd -c gammu-smsd.conf
	message_comes
	received g/inbox && comlease run -w 10 -- "${SEND[@]}" way && sent way && message_comes && received g/inbox && stops 0
}
check_alone "gammu-smsd as a standby: ends when gammu wants the phone, and is started again" gammu_smsd_standby

# ---- by seccomp ----

by_seccomp() # FOLDER COMMAND...
{
	fresh
	hold gate phone || return 1
	starts comlease run --seccomp -- "${@:2}"
	message_comes
	wait_port phone '"waiting":1' && release gate && received "$1" && stops 0 && is_free
}
if [ -z "$no_seccomp" ]; then
	check_alone "smsd under run --seccomp: waits, then receives" by_seccomp s/incoming "${SMSD[@]}" -csmsd.shares
	check_alone "gammu-smsd under run --seccomp: likewise" by_seccomp g/inbox gammu-smsd -c gammu-smsd.conf
else
	skip "smsd under run --seccomp: waits, then receives" "not here: $no_seccomp"
	skip "gammu-smsd under run --seccomp: likewise" "not here: $no_seccomp"
fi

# ---- by bridge ----

check "a bridge for gammu" start_bridge link phone
CONFIG=gammurc.link check_alone "gammu by bridge: waits, as long as a phone may take to answer, then sends" queued
check "the bridge ends" stop_bridge link
paused() # FOLDER COMMAND...: it receives a message, gammu comes, it receives the next one
{
	start_bridge link --standby phone || return 1
	fresh
	message_comes
	starts "${@:2}"
	received "$1" && comlease run -w 10 -- "${SEND[@]}" way && sent way && message_comes && received "$1" &&
		stops 0 && is_free && stop_bridge link
}
check_alone "smsd by a bridge in standby goes on after a pause" paused s/incoming "${SMSD[@]}" -csmsd.link
check_alone "gammu-smsd likewise" paused g/inbox gammu-smsd -c gammu-smsd.link.conf

check "at the end the port is free and nobody waits" is_free
check "the broker ends cleanly" stop_broker
check "... and leaves no lock file" test -z "$(ls lock)"
finish
