#!/bin/bash
# bridge.sh - do programs that know nothing of comlease, and are wrapped by nothing, share a port by `comlease bridge`?
#
# BUILD=build/release tests/bridge.sh      TAP on stdout
#
# Unmodified terminal programs and scripts that open the link of a bridge, a real comleased, soft modems. As in
# programs.sh each sets register S7 of the modem to a number of its own, and the exchange's log tells who had the
# line. What is pinned: each of them works; it waits behind a holder and goes on by itself; a shell's redirections
# work although each of them closes at once; and minicom stays open, under --standby, while another program, run
# with `comlease run`, talks to the modem.

set -u
HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lib.sh
. "$HERE/lib.sh"
cd "$SCRATCH" || exit 1
# shellcheck source=terminals.sh
. "$HERE/terminals.sh"

start_modems "$NODE"
start_broker < <(printf '[broker]\nmode = 0666\n'; port modem0 | sed "s|/modem0$|/$NODE|; s|^hangup-ms.*|hangup-ms = 100|")

# Nothing stands between these programs and the machine's own lock files.
DEVICE=$SCRATCH/link
mkdir -p locks && echo "pu lock $SCRATCH/locks" >>.minirc.dfl

# bridge [OPTION...]: $BRIDGE is its pid; it is ready when it has told its service manager, a line in notify.log.
bridge()
{
	local ready
	: >notify.log
	timeout 120 socat -u "UNIX-RECV:$SCRATCH/notify" "OPEN:$SCRATCH/notify.log,append" &
	MANAGER=$!
	while [ ! -S notify ] && kill -0 "$MANAGER" 2>/dev/null; do sleep 0.01; done
	NOTIFY_SOCKET=$SCRATCH/notify comlease bridge "$@" modem0 "$DEVICE" 2>bridge.err &
	BRIDGE=$!
	following ready notify.log
	wait_line "$ready" READY=1 || cat bridge.err
	done_reading "$ready"
	kill "$MANAGER" 2>/dev/null
	wait "$MANAGER" 2>/dev/null
	rm -f notify
}
end_bridge()
{
	kill "$BRIDGE" && wait "$BRIDGE" && [ ! -L "$DEVICE" ] && [ ! -e "$DEVICE.lock" ]
}

begins_unwrapped() { known "$1" && terminal "$1" "${COMMAND[@]}"; }

# ---- one after another ----

one_by_one()
{
	fresh
	begins_unwrapped "$1" && works "$1" "$2" && heard_exactly "$2" && wait_port modem0 '"state":"free"'
}
bridge
number=20
for program in minicom picocom pyserial socat perl sh bash; do
	number=$((number + 1))
	if has "$program"; then
		check_alone "$program talks to the modem through a bridge and leaves" one_by_one "$program" $number
	else
		skip "$program talks to the modem through a bridge and leaves" "not installed, or not for this user"
	fi
done

# ---- waiting ----

waits_its_turn()
{
	fresh
	hold gate modem0 -l gate || return 1
	begins_unwrapped sh && shows sh ready && keys sh $'ATS7=41\r' && wait_port modem0 '"waiting":1' || return 1
	heard_exactly && release gate && shows sh OK && heard_exactly 41 && keys sh "$QUIT" && ends sh
}
check_alone "a program waits behind a holder and goes on by itself" waits_its_turn

redirections()
{
	local i log
	fresh
	reading log tail -n "+$((SEEN_LINES + 1))" -f modems.log
	for i in 51 52 53; do
		printf 'ATS7=%s\r' $i >"$DEVICE"
		wait_line "$log" "ATS7=$i" || return 1
	done
	done_reading "$log"
	heard_exactly 51 52 53 && wait_port modem0 '"state":"free"'
}
check_alone "a shell's redirection sends all although it closes at once" redirections
check "a bridge that is ended leaves nothing" end_bridge

# ---- standby ----

# Talks to the modem as a flasher would, says so, and keeps the port until it hears something.
# shellcheck disable=SC2016
FLASHER='
exec 3<>"$1"
printf "ATS7=%s\r" "$2" >&3
cr=$(printf "\r")
while read -r heard <&3 && [ "$heard" != "OK$cr" ]; do :; done
echo done
read -r line'

stays_open()
{
	local i
	fresh
	begins_unwrapped "$1" && { [ -z "$READY" ] || shows "$1" "$READY"; } || return 1
	for i in 1 2 3; do
		types_until "$1" "ATS7=6$i"$'\r' OK || return 1
		terminal flasher comlease run -l flasher modem0 -- sh -c "$FLASHER" sh "$SCRATCH/$NODE" "7$i"
		shows flasher done && shows "$1" '[comlease: modem0 is held by ' && keys flasher $'\r' && ends flasher || return 1
		shows "$1" '[comlease: modem0 is here]' || return 1
	done
	types_until "$1" $'ATS7=64\r' OK && keys "$1" "$QUIT" && ends "$1" || return 1
	[[ $(said_to_modem | tr -s ' \n' ' ' | sed 's/\(6[0-9] \)\(\1\)*/\1/g') == "61 71 62 72 63 73 64 " ]] || heard_exactly 61 71 62 72 63 73 64
}
bridge --standby --announce
for program in minicom picocom; do
	if has "$program"; then
		check_alone "$program stays open while another program talks to the modem, and goes on" stays_open "$program"
	else
		skip "$program stays open while another program talks to the modem, and goes on" "not installed, or not for this user"
	fi
done
check "a bridge in standby that is ended leaves nothing" end_bridge

finish
