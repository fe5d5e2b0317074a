#!/bin/bash
# clients_gpsd.sh - does gpsd, which would have its receiver all day, share it?
#
# CLIENTS=build/clients/root BUILD=build/release tests/clients_gpsd.sh      TAP on stdout; a bit more than a minute
#
# The real gpsd, unpacked by tests/unpack, a real comleased, receivers of gps_receiver.py, and a client that watches
# for positions as all of them do.
#
# What is pinned: gpsd works in each of the four ways. While it waits inside its open() it answers nobody, and a gpsd
# that may not wait (-w) ends or, with a control socket (-F), forgets the device for ever: let it wait. With -n it
# keeps the port; without it the port is free again 60 s after the last client has gone. As a standby it ends
# and is started again, which its clients notice; by a bridge in standby they see a pause.

set -u
HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lib.sh
. "$HERE/lib.sh"
# shellcheck source=unpacked.sh
. "$HERE/unpacked.sh"
# shellcheck source=bridging.sh
. "$HERE/bridging.sh"
if ! command -v gpsd >/dev/null; then
	echo "1..0 # SKIP no gpsd: make check-clients unpacks it"
	exit 0
fi
cd "$SCRATCH" || exit 1

reading RECEIVER /usr/bin/python3 "$HERE/gps_receiver.py" gps
reading IDLE_RECEIVER /usr/bin/python3 "$HERE/gps_receiver.py" idle
reading KEPT_RECEIVER /usr/bin/python3 "$HERE/gps_receiver.py" kept
for receiver in "$RECEIVER" "$IDLE_RECEIVER" "$KEPT_RECEIVER"; do
	wait_line "$receiver" '^ready$' || exit 1
done
start_broker < <(printf '[broker]\nmode = 0666\n'; port gps; port idle; port kept)
is_free() { wait_port gps '"state":"free".*"waiting":0'; }
check "the port comes up" is_free

# ---- what is started ----

# A port of TCP that nobody has: gpsd can't be told to choose one.
tcp_port() { /usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
# gpsd_starts NAME WAY... : OPTION...: in the background, under this wrapper; ${GPSD[NAME]}, ${TCP[NAME]}. Without
# --foreground timeout would pass each signal on twice, and the second one ends `run --standby` before its command has.
declare -A GPSD TCP
gpsd_starts()
{
	local name=$1 way=()
	shift
	while [ "$1" != : ]; do way+=("$1"); shift; done
	shift
	TCP[$name]=$(tcp_port)
	: >"$name.out"
	timeout --foreground 100 "${way[@]}" gpsd -N -D 3 -S "${TCP[$name]}" "$@" >>"$name.out" 2>&1 &
	GPSD[$name]=$!
}
gpsd_stops() # NAME [STATUS]
{
	local result
	kill "${GPSD[$1]}" 2>/dev/null
	wait "${GPSD[$1]}"
	result=$?
	[[ $result == ${2:-0} ]] || { echo "exit status $result"; cat "$1.out"; return 1; }
}
# A client: prints the classes of what comes, VERSION, DEVICES, WATCH, TPV, and the latitude.
WATCHER='
import json, socket, sys
gpsd = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
gpsd.sendall(b"?WATCH={\"enable\":true,\"json\":true};\n")
for line in gpsd.makefile():
    said = json.loads(line)
    print(said["class"], said.get("lat", ""), flush=True)'
watching() # VARIABLE NAME: a client, once it listens; the variable as of `reading`
{
	local log
	following log "$2.out"
	wait_line "$log" 'listening on port' || return 1
	done_reading "$log"
	reading "$1" timeout 30 /usr/bin/python3 -c "$WATCHER" "${TCP[$2]}"
}
shows() # NAME PATTERN: to a client
{
	local client result
	watching client "$1" || return 1
	wait_line "$client" "$2"
	result=$?
	done_reading "$client"
	[ $result = 0 ] || cut -c1-150 "$1.out"
	return $result
}
positions() { shows "$1" '^TPV 52.5$'; }
check_alone()
{
	local before=$FAILED pid
	FAILED=0
	check "$@"
	if [ $FAILED != 0 ]; then
		for pid in $(jobs -pr); do
			[[ " $BROKER ${GPSD[idle]} ${GPSD[kept]} ${HOLDER[patient]-} ${BRIDGE[link]-} " == *" $pid "* ]] || kill "$pid"
		done
		is_free
	fi
	FAILED=$((FAILED | before))
}

# ---- with -n and without: in the background of all others, for it takes a minute ----

gpsd_starts idle comlease run -- : "$SCRATCH/idle"
gpsd_starts kept comlease run -- : -n "$SCRATCH/kept"
check "gpsd without -n: a client gets positions" positions idle
check "gpsd with -n: likewise" positions kept
ask patient idle

# ---- in each way ----

queued() # WAY... : DEVICE
{
	hold gate gps || return 1
	gpsd_starts one "${@:1:$#-1}" -n "${@: -1}"
	wait_port gps '"waiting":1' && release gate && positions one && gpsd_stops one && is_free
}
check_alone "gpsd under run: waits behind a holder, then has positions" queued comlease run -- : "$SCRATCH/gps"
check_alone "gpsd under run PORT" queued comlease run gps -- : {}
check_alone "... which says why it waits" grep -q '^comlease: gps: held by sh (pid .*; waiting (next in line)$' one.out
if no_seccomp=$(comlease run --seccomp -- true 2>&1 | head -n 1) && [ -z "$no_seccomp" ]; then
	check_alone "gpsd under run --seccomp" queued comlease run --seccomp -- : "$SCRATCH/gps"
else
	skip "gpsd under run --seccomp" "not here: $no_seccomp"
fi

deaf()
{
	local client line=""
	hold gate gps || return 1
	gpsd_starts one comlease run -- : -n "$SCRATCH/gps"
	wait_port gps '"waiting":1' && watching client one || return 1
	! read -r -t 1 -u "$client" line && release gate && wait_line "$client" '^TPV 52.5$' && gpsd_stops one && is_free || return 1
	done_reading "$client" 0
	[ -z "$line" ]
}
check_alone "gpsd that waits answers nobody" deaf
refused()
{
	hold gate gps || return 1
	gpsd_starts one comlease run -w 0.5 -- : -n "$SCRATCH/gps"
	wait "${GPSD[one]}"
	release gate && is_free && grep -q "device open of $SCRATCH/gps failed: Device or resource busy" one.out &&
		grep -q "can't run with neither control socket nor devices open" one.out || { cat one.out; return 1; }
}
check_alone "gpsd that may not wait ends" refused
forgets()
{
	hold gate gps || return 1
	gpsd_starts one comlease run -w 0.5 -- : -n -F "$SCRATCH/control" "$SCRATCH/gps"
	shows one '^WATCH' && gpsd_stops one && release gate && is_free &&
		grep -q "$SCRATCH/gps: device activation failed, freeing device" one.out || { cat one.out; return 1; }
}
check_alone "... with -F it goes on, and forgets the device" forgets

check "a bridge for gpsd" start_bridge link gps
check_alone "gpsd by bridge: waits, without being told, then has positions" queued : "$SCRATCH/link"
check "the bridge ends" stop_bridge link

# ---- as a standby ----

gives_way()
{
	local client
	gpsd_starts one comlease run --standby gps -- : -n {}
	watching client one && wait_line "$client" '^TPV 52.5$' && hold mine gps && done_reading "$client" 0 || return 1
	: >one.out # so that it is the next one that listens
	release mine && positions one && gpsd_stops one && is_free
}
check_alone "gpsd as a standby ends when somebody wants the receiver, and is started again" gives_way

pauses()
{
	local client
	start_bridge link --standby gps || return 1
	gpsd_starts one : -n "$SCRATCH/link"
	watching client one && wait_line "$client" '^TPV 52.5$' && hold mine gps || return 1
	while read -r -t 1 -u "$client" LINE; do :; done # what it had read before; then nothing comes
	release mine && wait_line "$client" '^TPV 52.5$' || return 1
	done_reading "$client"
	gpsd_stops one && is_free && stop_bridge link
}
check_alone "... by a bridge in standby it goes on, and its clients see a pause" pauses

# ---- with -n and without, at last ----

at_last()
{
	for _ in 1 2 3 4 5 6; do # each waits for ten seconds
		granted patient >/dev/null && release patient && return 0
	done
	tail -n 5 broker.log
	return 1
}
check "gpsd without -n gives the receiver to who waits, a minute after its last client" at_last
check "... and has it again for the next client" positions idle
check "... and ends" gpsd_stops idle
check "with -n it has the receiver still" eval '! comlease run -n kept -- true 2>late && grep -q "kept: held by gpsd" late && gpsd_stops kept'
check "the broker ends cleanly" stop_broker
finish
