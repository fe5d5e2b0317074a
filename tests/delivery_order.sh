#!/bin/bash
# delivery_order.sh - who is next, with real programs: by class, priority and arrival, and nobody starves
#
# BUILD=build/release tests/delivery_order.sh      TAP on stdout
#
# Unmodified pyserial, picocom, perl, socat and shells under `comlease run -c CLASS -p PRIORITY`, a real
# comleased, soft modems. Each program sets register S7 of the modem to a number of its own: so the exchange's
# log tells who had the line and in which order, and `comlease monitor --json` has to say the same.
#
# What is pinned: a port's `order` before the priority, the priority before the arrival, as `status` said while
# they waited; and that a fax gets its turn within `age-step`, with a supply of mail that never ends.

set -u
HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lib.sh
. "$HERE/lib.sh"
cd "$SCRATCH" || exit 1
# shellcheck source=terminals.sh
. "$HERE/terminals.sh"

start_modems "$NODE" "aged$NODE"
start_broker < <(
	port modem0 'order = mail dialup fax' 'age-step = 3600' | sed "s|/modem0$|/$NODE|"
	port aged 'order = mail fax' 'age-step = 2' | sed "s|/aged$|/aged$NODE|"
)
check "the ports come up" eval 'wait_port modem0 "\"state\":\"free\"" && wait_port aged "\"state\":\"free\""'
comlease monitor --json >events &
MONITOR=$!
# It says nothing by itself: it is watching once it has heard of somebody.
for ((n = 0; n < 50; n++)); do
	[ ! -s events ] || break
	hold probe modem0 && release probe
done

# client PROGRAM NUMBER OPTION...: one that has $DEVICE as long as it takes to set S7 and to hear OK
client()
{
	local program=$1 number=$2
	shift 2
	known "$program"
	case $program in
	picocom) COMMAND=(picocom -q -b 38400 --exit-after 300 "$DEVICE") ;;
	socat) COMMAND=(socat -t 0.3 - "OPEN:$DEVICE,raw,echo=0") ;;
	esac
	{
		printf 'ATS7=%s' "$number"
		case $program in
		picocom | socat) printf '\r' ;;
		*) printf '\n\n' ;;
		esac
	} | timeout 40 comlease run -l "$number" "$@" -- "${COMMAND[@]}" >"client$number.log" 2>&1
}
event() # PATTERN
{
	local lines result
	following lines events
	wait_line "$lines" "$1"
	result=$?
	done_reading "$lines"
	return $result
}
# granted_in_order NUMBER...: monitor's word, of those who asked by number
granted_in_order()
{
	local said
	said=$(sed -n '/"event":"grant"/s/.*"label":"\([0-9]*\)".*/\1/p' events | tr '\n' ' ')
	[ "$said" = "$* " ] || { echo "granted: $said, not $*"; return 1; }
}

# ---- class, priority, arrival ----

# Arrival: by number. What comes out is their order in the queue.
PIDS=()
comes() # PROGRAM NUMBER OPTION...
{
	client "$@" &
	PIDS+=($!)
	wait_port modem0 "\"waiting\":${#PIDS[@]}"
}
all_asked()
{
	hold gate modem0 -l gate || return 1
	comes pyserial 31 -c fax && comes picocom 32 -c dialup && comes perl 33 -c mail &&
		comes sh 34 -c fax -p 50 && comes socat 35 -c mail && comes bash 36 -c mail -p 5
}
check "six programs of three classes wait for a modem" all_asked
places()
{
	local said
	comlease status modem0 >status
	said=$(sed -n 's/^ \+\([1-6]\) .*  class [a-z]*.*  \(3[1-6]\).*/\2/p' status | tr '\n' ' ')
	[ "$said" = "36 33 35 32 34 31 " ] || { echo "$said"; cat status; return 1; }
}
check "status: their places: mail before dialup before fax, then by priority, then by arrival" places
fresh
served()
{
	local pid result=0
	release gate
	for pid in "${PIDS[@]}"; do wait "$pid" || { echo "status $?"; result=1; }; done
	[ $result = 0 ] || tail -n 3 client3*.log
	return $result
}
check "all six are served" served
check "... in that order, says the exchange" heard_exactly 36 33 35 32 34 31
in_order() { event '"event":"grant".*"label":"31"' && granted_in_order 36 33 35 32 34 31; }
check "... and monitor" in_order
classes() { [ "$(sed -n '/"event":"grant"/s/.*"class":"\([a-z]*\)".*/\1/p' events | tr '\n' ' ')" = "mail mail mail dialup fax fax " ]; }
check "... with the class of each" classes

# ---- ageing ----

# Two who always want it: at each moment one has the modem, or is about to, and the other one waits.
DEVICE=$SCRATCH/aged$NODE
supply() # NUMBER of the first; each takes 0.3 s
{
	local number=$1
	until [ -e enough ]; do
		client picocom "$number" -c mail || { echo "$number" >>unhappy; return 1; }
		number=$((number + 1))
	done
}
supply 100 &
SUPPLY=("$!")
supply 200 &
SUPPLY+=("$!")
starts() { event '"event":"grant".*"label":"1' && event '"event":"grant".*"label":"2'; }
check "a supply of mail that never ends keeps a modem busy" starts
check "a fax asks, and is served" client bash 90 -c fax
check "... says monitor" event '"event":"end".*"label":"90"'
: >enough
for pid in "${SUPPLY[@]}"; do wait "$pid"; done
# Of the events of that port, from the fax's request to its grant.
aged()
{
	/usr/bin/python3 - <<-'END'
		import json
		events = [e for e in map(json.loads, open("events")) if e["port"] == "aged" and "label" in e]
		at = lambda what: next(i for i, e in enumerate(events) if e["event"] == what and e["label"] == "90")
		asked, granted = at("request"), at("grant")
		waits = {e["label"] for e in events[:granted] if e["event"] == "request"}
		waits -= {e["label"] for e in events[:granted] if e["event"] == "grant"} | {"90"}
		later = {e["label"] for e in events[asked:granted] if e["event"] == "request"}
		overtook = [e["label"] for e in events[asked:granted] if e["event"] == "grant" and e["label"] in later]
		took = events[granted]["time"] - events[asked]["time"]
		print(f"waited {took} ms; mail that came later and went first: {overtook}; waiting at its grant: {waits}")
		raise SystemExit(not (1900 <= took <= 6000 and overtook and waits))
	END
}
check "the fax let later mail go first, but had its turn while mail still waited, as age-step = 2 promises" aged
check "... and no mail failed" test ! -e unhappy
check "both ports are free at the end" eval 'wait_port modem0 "\"state\":\"free\"" && wait_port aged "\"state\":\"free\""'
kill $MONITOR
check "the broker ends cleanly" stop_broker
finish
